"""Images of once scattered photons against a quadrature in float64 over the volume of the object.

Per photon emitted uniformly into the solid angle Omega, the energy per area at a pixel's centre is

    I = 1 / Omega  integral over the volume of  exp(-tau_in) / R^2  rho (d sigma / d Omega)(E, cos theta)
        (cos alpha / r^2) exp(-tau_out(E')) E'  dV,

R the way from the source, r that to the pixel: photons per area at depth, times the chance to scatter per length and
solid angle, times the solid angle per area. Ways through boxes come from the box's faces, cross sections from the
shipped tables in numpy; nothing is shared with the kernels but these tables.
"""

import dataclasses

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.scattering_law import ScatteringLaw
from physsim.transport.scatter_image import ScatterImage, single_scatter
from physsim.transport.scatter_source import solid_angle

SIGMAS = 5.0  # 15 degrees of freedom: 1 in 6,000 by chance
SOURCE_MM = np.array([10.0, -500.0, -15.0])
VIEW = ps.Geometry(
    source_mm=[SOURCE_MM], centre_mm=[(5, 300, 0)], u=[(1, 0, 0)], v=[(0, 0, 1)], rows=3, columns=5, pixel_mm=(4, 4)
)
WIDE = dataclasses.replace(VIEW, rows=1, columns=1, pixel_mm=(400, 400))


def way_through(start, end, low, high):
    """Length (same unit) of the ways start (..., 3) -> end (..., 3) inside the box."""
    step = end - start
    with np.errstate(divide="ignore"):
        faces = np.stack([(low - start) / step, (high - start) / step])
    enter = np.maximum(faces.min(axis=0).max(axis=-1), 0.0)
    leave = np.minimum(faces.max(axis=0).min(axis=-1), 1.0)
    return np.maximum(leave - enter, 0.0) * np.linalg.norm(step, axis=-1)


def angular(material, energy, cosine):
    """cm2/g/sr of Compton and Rayleigh, normalised to the table's cross sections."""
    law = ScatteringLaw(dict(ps.material(material).mass_fractions), None, binding=True)
    grid = (np.arange(200_000) + 0.5) / 200_000
    grid = grid**3  # (1 - cos) / 2, dense at small angles
    width = np.diff((np.arange(200_001) / 200_000) ** 3)
    found = {}
    for process in ("compton", "rayleigh"):
        shape = getattr(law, process)
        total = (shape(energy, grid) * width).sum() * 4 * np.pi
        scale = float(mass_attenuation_cm2_g(material, [energy], process)[0]) / total
        found[process] = scale * shape(energy, 0.5 * (1 - cosine))
    return found


def expected(boxes, energy, pixels_mm, normal, omega, nodes=24):
    """boxes: (material, density, low_mm, high_mm). Energy per area (keV/cm2) at the pixels, (pixels,) by process."""
    images = {"compton": np.zeros(len(pixels_mm)), "rayleigh": np.zeros(len(pixels_mm))}
    x, w = np.polynomial.legendre.leggauss(nodes)
    for material, density, low, high in boxes:
        low, high = np.array(low, float), np.array(high, float)
        axes = [0.5 * (b - a) * x + 0.5 * (a + b) for a, b in zip(low, high, strict=True)]
        at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        volume = np.einsum("i,j,k->ijk", w, w, w).ravel() * np.prod(high - low) / 8 / 1000  # cm3
        inward = at - SOURCE_MM
        distance = np.linalg.norm(inward, axis=1)
        tau_in = sum(
            0.1
            * rho
            * mass_attenuation_cm2_g(m, [energy])[0]
            * way_through(SOURCE_MM, at, np.array(a, float), np.array(b, float))
            for m, rho, a, b in boxes
        )
        for number, pixel in enumerate(pixels_mm):
            outward = pixel - at
            r = np.linalg.norm(outward, axis=1)
            cosine = (inward * outward).sum(1) / distance / r
            law = angular(material, energy, cosine)
            for process, energy_out in (
                ("compton", energy / (1 + energy / 510.99895 * (1 - cosine))),
                ("rayleigh", np.full(len(at), energy)),
            ):
                tau = tau_in + sum(
                    0.1
                    * rho
                    * mass_attenuation_cm2_g(m, energy_out)
                    * way_through(at, pixel, np.array(a, float), np.array(b, float))
                    for m, rho, a, b in boxes
                )
                solid = (outward @ normal) / r**3 * 100
                images[process][number] += (
                    volume * np.exp(-tau) / (0.1 * distance) ** 2 * density * law[process] * solid * energy_out
                ).sum() / omega
    return images


def box_phantom(boxes, spacing):
    low = np.min([box[2] for box in boxes], axis=0)
    high = np.max([box[3] for box in boxes], axis=0)
    shape = np.rint((high - low) / spacing).astype(int)
    labels = np.zeros(tuple(shape[::-1]), np.uint8)
    density = np.zeros(labels.shape, np.float32)
    for label, (_, relative, a, b) in enumerate(boxes):
        (i, j, k), (p, q, r) = (np.rint((np.array(end) - low) / spacing).astype(int) for end in (a, b))
        labels[k:r, j:q, i:p] = label
        density[k:r, j:q, i:p] = relative / ps.material(boxes[label][0]).density_g_cm3
    return ps.Phantom(
        grid=ps.Grid(shape=labels.shape, spacing_mm=tuple(spacing), origin_mm=tuple(low + 0.5 * np.array(spacing))),
        labels=labels,
        materials=tuple(ps.material(box[0]) for box in boxes),
        density=density,
    )


CASES = {
    "water": [("water", 1.0, (-20, -10, -25), (22, 14, 20))],
    "layers": [
        ("water", 1.1, (-20, -10, -24), (20, 0, 20)),
        ("bone_cortical", 1.9, (-20, 0, -24), (20, 4, 20)),
        ("lung", 0.3, (-20, 4, -24), (20, 14, 20)),
    ],
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("energy", [30.0, 85.0])
def test_boxes_scatter_as_the_volume_integral_says(name, energy):
    """5 pixels, two processes; one fails 1 in 7,000 by chance. The quadrature is within 2e-3; the field covers all."""
    boxes = CASES[name]
    phantom = box_phantom(boxes, (2.0, 1.0, 4.0) if name == "layers" else (3.0, 2.0, 5.0))
    field = dataclasses.replace(VIEW, rows=25, columns=25)
    result = single_scatter(phantom, field, energy, points=1024, replicates=16, seed=3, threads=1)
    half = 50 / 800
    centre = np.array([-5.0, 15.0]) / 800
    omega = solid_angle(centre - half, centre + half)
    rows, columns = np.array([0, 5, 12, 19, 24]), np.array([0, 15, 12, 3, 24])
    pixels = np.array([(5 + 4 * (c - 12), 300, 4 * (r - 12)) for r, c in zip(rows, columns, strict=True)], float)
    truth = expected(boxes, energy, pixels, np.array([0.0, 1.0, 0.0]), omega)
    for process in ("compton", "rayleigh"):
        found, error = result.image(process)[rows, columns], result.error(process)[rows, columns]
        assert (np.abs(found - truth[process]) < SIGMAS * error + 2e-3 * truth[process]).all()
        assert (error < 0.03 * truth[process]).all()


def test_sobol_points_are_those_of_joe_and_kuo():
    """Against scipy's implementation of the same table; it walks in Gray-code order, so sets of 2^k are compared."""
    from scipy.stats import qmc

    from physsim import _engine

    for power in (1, 5, 10):
        own = np.floor(_engine.sobol_points(0, 0, 0, True, 2**power) * 2**32) / 2**32
        known = qmc.Sobol(8, scramble=False, bits=32).random_base2(power)
        np.testing.assert_array_equal(own[np.lexsort(own.T)], known[np.lexsort(known.T)])


def test_scrambles_keep_the_net_and_move_the_points():
    """256 points put one into each of 256 equal intervals of every axis, whatever the scramble; scrambles differ."""
    from physsim import _engine

    first, second = (_engine.sobol_points(5, 7, replicate, False, 256) for replicate in (0, 1))
    for points in (first, second):
        assert (np.sort((points * 256).astype(int), axis=0) == np.arange(256)[:, None]).all()
        pairs = (points[:, :2] * 16).astype(int)
        assert len(np.unique(pairs[:, 0] * 16 + pairs[:, 1])) == 256  # the first two axes are a (0, 8, 2)-net
    assert (first != second).all()
    mean = np.mean([_engine.sobol_points(5, 7, n, False, 1)[0] for n in range(2000)], axis=0)
    assert (np.abs(mean - 0.5) < 4.5 / np.sqrt(12 * 2000)).all()  # each point is uniform: 1 in 25,000 by chance


def test_errors_are_those_of_repeated_runs():
    """Standard errors against the spread of 24 seeds: chi-square of 23 degrees for the image's mean, both processes."""
    phantom = box_phantom(CASES["water"], (3.0, 2.0, 5.0))
    runs = [single_scatter(phantom, WIDE, 50.0, points=16, replicates=8, seed=n, threads=1) for n in range(24)]
    for process in ("compton", "rayleigh"):
        means = np.array([run.mean(process=process) for run in runs])
        chi = means[:, 0].var(ddof=1) / (means[:, 1] ** 2).mean() * 23
        assert 7 < chi < 50  # fails 1 in 1,000 by chance


def test_replicates_give_the_covariance():
    images = np.random.default_rng(1).normal(size=(8, 2, 3, 4)) + 5
    result = ScatterImage(images, 4, 0)
    flat = images.sum(axis=1).reshape(8, -1)
    deviations = result.deviations().reshape(8, -1)
    np.testing.assert_allclose(deviations.T @ deviations, np.cov(flat.T) / 8, atol=1e-12)
    np.testing.assert_allclose(result.error() ** 2, np.diag(np.cov(flat.T) / 8).reshape(3, 4))
    assert result.mean()[0] == pytest.approx(result.image().mean())


def test_single_scatter_stops_when_its_error_is_reached():
    phantom = box_phantom(CASES["water"], (3.0, 2.0, 5.0))
    coarse = single_scatter(phantom, VIEW, 50.0, points=8, seed=1, threads=1)
    fine = single_scatter(phantom, VIEW, 50.0, points=8, relative_error=0.001, seed=1, threads=1)
    assert coarse.relative_error > 0.001 >= fine.relative_error
    assert fine.points > 8
    same = single_scatter(phantom, VIEW, 50.0, points=fine.points, seed=1, threads=2)
    np.testing.assert_allclose(same.replicates, fine.replicates, rtol=1e-6)


def test_an_empty_phantom_scatters_nothing():
    vacuum = box_phantom([("water", 0.0, (-20, -10, -25), (22, 14, 20))], (3.0, 2.0, 5.0))
    result = single_scatter(vacuum, VIEW, 50.0, points=16, threads=1)
    assert (result.replicates == 0).all()
    assert result.relative_error == float("inf")


def test_a_turned_phantom_and_view_give_the_same_image():
    """World turned by 90 degrees about z with grid, source and detector: bits may change, images may not."""
    phantom = box_phantom(CASES["layers"], (2.0, 1.0, 4.0))
    grid = phantom.grid
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    turned = phantom.replace(
        grid=ps.Grid(
            shape=grid.shape,
            spacing_mm=grid.spacing_mm,
            origin_mm=tuple(turn @ grid.origin_mm),
            direction=tuple(tuple(turn @ axis) for axis in np.array(grid.direction)),
        )
    )
    view = dataclasses.replace(
        VIEW, **{name: getattr(VIEW, name) @ turn.T for name in ("source_mm", "centre_mm", "u", "v")}
    )
    runs = [
        single_scatter(p, v, 60.0, points=16, seed=2, threads=1).image() for p, v in ((phantom, VIEW), (turned, view))
    ]
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"points": 100}, "powers of 2"),
        ({"points": 0}, "powers of 2"),
        ({"replicates": 4}, "needs 8"),
        ({"relative_error": 0.0}, "between 0 and 1"),
        ({"geometry": dataclasses.replace(VIEW, beam="parallel")}, "cone beam"),
        (
            {
                "spectrum": ps.Spectrum(
                    kvp=80, bowtie=ps.Bowtie(material="Al", fan_angles_deg=(0, 9), thickness_mm=(1, 4))
                )
            },
            "does not say across which axis",
        ),
    ],
)
def test_bad_input_is_named(change, says):
    phantom = box_phantom(CASES["water"], (3.0, 2.0, 5.0))
    arguments = {"geometry": VIEW, "spectrum": 50.0, "points": 16, "threads": 1, **change}
    with pytest.raises(InvalidInput, match=says):
        single_scatter(phantom, arguments.pop("geometry"), arguments.pop("spectrum"), **arguments)
