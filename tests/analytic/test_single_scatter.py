"""Images of once scattered photons against a quadrature in float64 over the object: tests/scatter_quadrature.py."""

import dataclasses

import numpy as np
import pytest
from scatter_quadrature import CASES, SOURCE_MM, box_phantom, expected

import physsim as ps
from physsim.errors import InvalidInput
from physsim.transport.scatter_image import ScatterImage, single_scatter
from physsim.transport.scatter_source import solid_angle

SIGMAS = 5.0  # 15 degrees of freedom: 1 in 6,000 by chance
VIEW = ps.Geometry(
    source_mm=[SOURCE_MM], centre_mm=[(5, 300, 0)], u=[(1, 0, 0)], v=[(0, 0, 1)], rows=3, columns=5, pixel_mm=(4, 4)
)
WIDE = dataclasses.replace(VIEW, rows=1, columns=1, pixel_mm=(400, 400))


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
        known = qmc.Sobol(10, scramble=False, bits=32).random_base2(power)
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
