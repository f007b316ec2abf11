"""What must not change an exposure: threads, the world's frame, the seed; and what must scale it: mAs."""

import numpy as np
import pytest

import physsim as ps
from physsim.imaging import primary_layers


def body():
    numbers = np.random.default_rng(3)
    grid = ps.Grid(shape=(20, 16, 24), spacing_mm=(6.0, 7.0, 5.0), origin_mm=(-50.0, -60.0, -70.0))
    return ps.Phantom(
        grid=grid, labels=numbers.integers(0, 3, grid.shape).astype(np.uint8), name="random",
        materials=tuple(ps.material(name) for name in ("water", "bone", "air")),
        density=(0.5 + numbers.random(grid.shape)).astype(np.float16))


PROTOCOL = ps.protocols.chest_pa(pixel_mm=5.0, rows=30, columns=36, mas=2.0)


def test_equal_bits_for_any_number_of_threads():
    one, two = (ps.simulate(body(), PROTOCOL, threads=n) for n in (1, 2))
    for name, layer in one.layers.items():
        assert layer.array.tobytes() == two[name].tobytes(), name
    assert one.provenance == two.provenance


def test_linear_in_mas():
    one, three = (ps.simulate(body(), PROTOCOL.replace(mas=mas)) for mas in (1.0, 3.0))
    for name in ("primary", "open_field", "photons", "air_kerma"):
        np.testing.assert_allclose(three[name], 3.0 * one[name], rtol=2e-7)
    np.testing.assert_allclose(three.transmission, one.transmission, rtol=5e-7)


@pytest.mark.parametrize("seed", [8, 9, 10])
def test_turning_the_world_leaves_the_image(seed):
    """Poses and voxels go through float64, so a turn moves a ray by some 1e-13 voxels: what changes is how the float32
    of the tracer falls, less than the 2e-6 RMS that it keeps of any line integral. The open field has no tracing in
    it: float64 rounded once to float32, at most one step of 2^-23 apart.
    """
    phantom = body()
    geometry = PROTOCOL.geometry(((-50.0, -60.0, -70.0), (60.0, 45.0, 50.0)))
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    shift = np.array([130.0, -40.0, 75.0])
    moved = geometry.moved(turn, shift)
    grid = phantom.grid
    turned_grid = grid.replace(direction=tuple(map(tuple, (np.array(grid.direction) @ turn.T).tolist())),
                               origin_mm=tuple((turn @ np.array(grid.origin_mm) + shift).tolist()))
    shots = []
    for where, place in ((geometry, grid), (moved, turned_grid)):
        pose = ps.Pose(**{name: tuple(getattr(where, name)[0].tolist()) for name in ps.Pose.model_fields})
        shots.append(ps.simulate(phantom.replace(grid=place), PROTOCOL.replace(positioning=None, poses=(pose,))))
    for name in ("open_field", "open_photons"):
        np.testing.assert_allclose(shots[1][name], shots[0][name], rtol=2.0**-23)
    depth, turned = (-np.log(shot.transmission.astype(float)) for shot in shots)
    assert depth.max() > 4.0
    assert np.sqrt(np.mean((turned - depth) ** 2)) <= 2e-6 * np.sqrt(np.mean(depth**2))
    for name in ("primary", "photons", "air_kerma"):
        change = np.log(shots[1][name].astype(float) / shots[0][name])
        assert np.sqrt(np.mean(change**2)) <= 2e-6 * np.sqrt(np.mean(depth**2)), name


def test_the_seed_moves_no_photon():
    one, other = (ps.simulate(body(), PROTOCOL, seed=seed) for seed in (1, 2))
    assert one.primary.tobytes() == other.primary.tobytes()


@pytest.mark.parametrize("view", ["AP", "PA", "LAT", "RLAT"])
def test_areal_density_of_all_materials_is_the_mass_seen(view):
    """From far away, the sum over pixels of areal density times area is the mass."""
    phantom = body()
    protocol = PROTOCOL.changed(view=view, source_detector_mm=1e6, patient_detector_mm=0.0, pixel_mm=1.0, rows=160,
                                columns=160, anti_scatter_grid=None)
    shot = ps.simulate(phantom, protocol, areal_density=True)
    area_cm2 = 0.1 * 0.1
    assert float(shot["areal_density"].sum(dtype=np.float64)) * area_cm2 == pytest.approx(phantom.mass_g(), rel=1e-3)


def test_a_sweep_is_traced_view_by_view_with_equal_bits_for_any_threads(monkeypatch):
    """One view's outputs at a time bound the memory, however many views there are."""
    traced = []
    trace = primary_layers.primary_views

    def counted(phantom, beam, geometry, *more):
        traced.append(len(geometry))
        return trace(phantom, beam, geometry, *more)

    monkeypatch.setattr(primary_layers, "primary_views", counted)
    body = ps.voxelise(ps.scene("water_20cm"), spacing_mm=10)
    protocol = ps.protocols.tomosynthesis(body_part="PHANTOM", views=3, mas=1.0, pixel_mm=7.0)
    one, two = (ps.simulate(body, protocol, seed=1, areal_density=True, threads=count) for count in (1, 2))
    assert traced == [1] * 6
    for name in one.layers:
        np.testing.assert_array_equal(one[name], two[name])
