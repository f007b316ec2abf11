"""Overlays in photon transport: the same photons as in the voxels that they stand for, on every instruction set."""

import numpy as np
import pytest
from photon_cases import beam_and_detector, body

import physsim as ps
from physsim import _engine
from physsim.phantom.insert import sub_grid
from physsim.phantom.overlay import Overlay
from physsim.phantom.shapes import Sphere
from physsim.transport.montecarlo_job import Problem, pack_job
from physsim.transport.montecarlo_track import replay

TURNED = ((0.6, 0.8, 0.0), (-0.8, 0.6, 0.0), (0.0, 0.0, 1.0))
BLOCKS = (slice(1, 6), slice(2, 5), slice(0, 4)), (slice(3, 11), slice(1, 6), slice(5, 9))
COUNT = 20000


def transported(phantom, histories=COUNT, seed=11, **options):
    source, geometry = beam_and_detector()
    return ps.transport_photons(
        phantom,
        source,
        ps.MonteCarlo(histories=histories),
        geometry=geometry,
        seed=seed,
        **{"ambient": "air", "threads": 2, "voxel_dose": True, **options},
    )


def covered_by_itself(phantom):
    """Overlays with the phantom's own voxels, over thin fat that nothing must see."""
    labels, density = phantom.labels.copy(), phantom.density.copy()
    overlays = []
    for n, block in enumerate(BLOCKS):
        own = (phantom.labels[block].astype(np.uint16), phantom.density[block].copy())
        overlays.append(Overlay(sub_grid(phantom.grid, block), *own, name=f"block {n}"))
        labels[block], density[block] = 1, 1e-3
    return phantom.replace(labels=labels, density=density, overlays=tuple(overlays))


@pytest.mark.parametrize("direction", [((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), TURNED])
def test_voxels_of_overlays_are_voxels_of_the_phantom(direction):
    """The phantom's own voxels, as overlays over thin fat: the same photons, bit for bit."""
    plain, covered = body(direction), covered_by_itself(body(direction))
    regions = {"regions": (np.arange(plain.labels.size) % 5).reshape(plain.labels.shape)}
    for options in ({}, regions):
        one, other = transported(plain, **options), transported(covered, **options)
        for name in ("image_counts", "region_counts"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        np.testing.assert_array_equal(one.voxels.total, other.voxels.total)
        assert one.balance == other.balance
        np.testing.assert_allclose(other.regions.mass_g, one.regions.mass_g, rtol=1e-6)
        np.testing.assert_allclose(other.regions.volume_mm3, one.regions.volume_mm3, rtol=1e-9)
    thin = transported(covered_by_itself(plain).replace(overlays=()))
    assert not np.array_equal(thin.image_counts, one.image_counts)


def askew(phantom, name, shape, spacing, centre, angle):
    """An overlay of random materials along axes turned about two of the world's."""
    c, s = np.cos(angle), np.sin(angle)
    axes = np.array([[c, s, 0.0], [-s * c, c * c, s], [s * s, -s * c, c]])
    first = np.array(centre) - sum(
        0.5 * (n - 1) * step * axis for n, step, axis in zip(shape[::-1], spacing, axes, strict=True)
    )
    rng = np.random.default_rng(5)
    grid = ps.Grid(shape=shape, spacing_mm=spacing, origin_mm=tuple(first), direction=tuple(map(tuple, axes)))
    density = rng.uniform(0.0, 2.0, shape).astype(np.float16)
    return Overlay(grid, rng.integers(0, len(phantom.materials), shape).astype(np.uint8), density, name)


def with_askew_overlays():
    """One of many small voxels that end within cells, one of voxels as large as the phantom's, without a density."""
    phantom = body()
    fine = askew(phantom, "fine", (20, 16, 24), (0.7, 1.1, 0.9), (-14.0, -9.0, -8.0), 0.5)
    large = askew(phantom, "large", (3, 2, 2), (9.0, 8.0, 7.0), (14.0, 10.0, 11.0), -0.3)
    return phantom.replace(overlays=(fine, Overlay(large.grid, large.labels, None, large.name)))


def test_photons_do_not_depend_on_instruction_set_nor_on_their_neighbours():
    source, geometry = beam_and_detector()
    problem = Problem(with_askew_overlays(), source, ps.MonteCarlo(histories=1), geometry, 3, "air")
    job = pack_job(problem, 1)
    sums = []
    for isa in _engine.instruction_sets():
        regions, image = np.zeros(len(job.scene.regions.names), np.int64), np.zeros(job.image, np.int64)
        balance = np.zeros(6, np.int64)
        job.engine.run(0, COUNT, regions, image, None, balance, 1, isa)
        sums.append(np.concatenate([regions, image.ravel(), balance]))
    assert "portable" in _engine.instruction_sets()
    for other in sums[1:]:
        np.testing.assert_array_equal(sums[0], other)
    assert not sums[0][-2:].any()  # none lost, none above a majorant


def test_no_photon_meets_more_than_a_majorant():
    """Voxels of overlays that cut cells at all angles; a photon that did would end the run with an error."""
    result = transported(with_askew_overlays(), 400_000, voxel_dose=False)
    assert result.histories == 400_000


def test_collisions_lie_in_the_voxels_that_they_name():
    """The material of each event is that of the overlay's voxel at its place, else of the phantom's."""
    phantom = with_askew_overlays()
    source, geometry = beam_and_detector()
    problem = Problem(phantom, source, ps.MonteCarlo(histories=20000), geometry, 11, "air")
    places, found = [], []
    for track in replay(problem, range(20000)):
        for event in track.events:
            if event.voxel is not None:
                places.append(event.position_mm)
                found.append(event.material)
    expected = np.full(len(places), -1)
    near = np.zeros(len(places), bool)  # a face: rounding decides
    inside = np.zeros(len(places), int)
    for number, part in enumerate((phantom, *phantom.overlays)):
        matrix = part.grid.voxel_from_world
        index = np.array(places) @ matrix[:3, :3].T + matrix[:3, 3] + 0.5
        within = ((index > 0) & (index < part.grid.shape[::-1])).all(axis=1)
        nearest = np.abs(index - np.round(index)) * part.grid.spacing_mm
        voxel = tuple(np.floor(index[within]).astype(int).T[::-1])
        expected[within] = part.labels[voxel]
        inside[within] = number
        near |= (nearest < 2e-3).any(axis=1)
    assert [(inside == n).sum() > 30 for n in range(3)] == [True] * 3
    names = np.array([one.name for one in phantom.materials])
    assert near.mean() < 0.05
    np.testing.assert_array_equal(names[expected[~near]], np.array(found)[~near])


def test_masses_of_regions_are_those_of_the_phantom():
    phantom = with_askew_overlays()
    found = transported(phantom, 100).regions
    assert found.mass_g.sum() == pytest.approx(phantom.mass_g(), rel=1e-6)
    assert found.volume_mm3[:-1].sum() == pytest.approx(body().labels.size * 400.0, rel=2e-3)  # askew boxes: sampled
    with_regions = transported(phantom, 100, regions=np.zeros(phantom.grid.shape, np.uint8)).regions
    assert with_regions.mass_g[0] == pytest.approx(phantom.mass_g(), rel=1e-6)


def test_a_fine_overlay_is_the_scene_voxelised_finely():
    """Scatter and deposits of a nodule in 2 mm voxels over 8 mm of water, against all of it in 2 mm: other cells,
    other photons. Each within 4 joint errors (9 figures: fails 1 in 1,700 by chance)."""
    nodule = Sphere(name="nodule", material="Al", radius_mm=14, centre_mm=(4, -4, 4))
    coarse, fine = (
        ps.Phantom(
            grid=ps.Grid(shape=(n, n, n), spacing_mm=(s, s, s), origin_mm=((s - 96) / 2,) * 3),
            labels=np.zeros((n, n, n), np.uint8),
            materials=(ps.material("water"),),
        )
        for n, s in ((12, 8.0), (48, 2.0))
    )
    one, other = coarse.insert(nodule, overlay_spacing_mm=2), fine.insert(nodule)
    assert one.mass_g() == pytest.approx(other.mass_g(), rel=1e-6)
    assert len(one.overlays) == 1
    assert not one.labels.any()
    results = [transported(one, 400_000, seed=1), transported(other, 400_000, seed=2)]
    figures = [[result.total(order) for order in (None, "primary", "compton", "rayleigh", "multiple")] +
               [result.region(name) for name in ("water", "Al", "ambient")] for result in results]
    for a, b in zip(*figures, strict=True):
        assert abs(a.value - b.value) < 4 * np.hypot(a.error, b.error)
    shadow = [result.image("primary")[2:4, 2].sum() for result in results]
    error = [np.hypot.reduce(result.image_error("primary")[2:4, 2]) for result in results]
    assert abs(shadow[0] - shadow[1]) < 4 * np.hypot(*error)
    blank = transported(coarse, 20_000)
    assert shadow[0] < blank.image("primary")[2:4, 2].sum() - 15 * error[0]
