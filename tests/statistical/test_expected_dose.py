"""Expected dose against analog dose: the same means, energy kept on average, true errors, the same bits everywhere."""

import hashlib

import numpy as np
import pytest

import physsim as ps
from physsim import _engine
from physsim.errors import InvalidInput
from physsim.physics.expected_deposit import share_deposited
from physsim.physics.photon_tables import build
from physsim.spec.grid import Grid
from physsim.transport.montecarlo_job import Problem, pack_job

FIELD = ps.RectangularField(centre_mm=(0, 0, 0), across=(1, 0, 0), along=(0, 1, 0), size_mm=(60, 60))


def body():
    """Bone, fat, iodine and lung of uneven density in voxels of 8 x 10 x 5 mm, about the origin."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, (12, 7, 9)).astype(np.uint8)
    density = rng.uniform(0.3, 1.5, labels.shape).astype(np.float32)
    names = ("bone_cortical_icru44", "adipose_icru44", "I", "lung_inflated_icru44")
    grid = Grid(shape=labels.shape, spacing_mm=(8, 10, 5), origin_mm=(-32.0, -30.0, -27.5))
    return ps.Phantom(grid=grid, labels=labels, density=density, materials=tuple(map(ps.material, names)))


def slab():
    """Water of 160 x 160 x 160 mm in voxels of 4 mm."""
    grid = Grid(shape=(40, 40, 40), spacing_mm=4, origin_mm=(-78, -78, -78))
    return ps.Phantom(grid=grid, labels=np.zeros(grid.shape, np.uint8), materials=(ps.material("water"),))


def cubes(phantom):
    """A cube of 2 cm in the middle, one of 8 mm near a corner, and the rest."""
    numbers = np.zeros(phantom.grid.shape, np.uint8)
    numbers[18:23, 18:23, 18:23] = 1
    numbers[32:34, 30:32, 5:7] = 2
    return {"regions": numbers, "region_names": ("rest", "middle", "corner")}


def run(phantom, dose, *, dose_regions=(), histories=200_000, seed=3, kev=60.0, options=None, **physics):
    source = ps.PhotonSource(spectrum=kev, position_mm=(0, 0, -600), field=FIELD)
    aim = ps.MonteCarlo(histories=histories, dose=dose, dose_regions=dose_regions, **physics)
    return ps.transport_photons(phantom, source, aim, seed=seed, threads=1, **(options or {}))


@pytest.mark.parametrize(("kev", "physics"), [
    (60.0, {}), (25.0, {}), (100.0, {"doppler": False, "fluorescence": False}), (60.0, {"cutoff_kev": 30.0})])
def test_the_mean_is_that_of_analog_dose(kev, physics):
    """Region by region in a mixed body, the same photons: differences of batches within 4.5 sigma of 0: fails 1 in
    40,000 a case by chance. Without denser candidates the flights are the same ones."""
    analog, expected = (run(body(), dose, kev=kev, **physics) for dose in ("analog", "expected"))
    assert expected.balance["escaped"] == analog.balance["escaped"]
    for n, name in enumerate(analog.regions.names[:-1]):
        apart = (expected.region_counts[:, n] - analog.region_counts[:, n]) / analog.region_counts[:, n].mean()
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        assert abs(apart.mean()) < 4.5 * error, (name, apart.mean(), error)
        assert error < 0.03


def test_denser_candidates_leave_the_mean_and_lessen_the_noise():
    """Joint errors, 4 sigma: fails 1 in 5,000. The small cube's variance falls by more than 5 at equal histories."""
    phantom = slab()
    options = cubes(phantom)
    analog = run(phantom, "analog", options=options)
    dense = run(phantom, "expected", dose_regions=("middle", "corner"), options=options, seed=4)
    for name in ("middle", "corner", "rest"):
        one, other = analog.region(name), dense.region(name)
        assert abs(one.value - other.value) < 4 * np.hypot(one.error, other.error), name
    for name, gain in (("middle", 3.0), ("corner", 5.0)):
        assert analog.region(name).relative_error ** 2 > gain * dense.region(name).relative_error ** 2, name


def test_energy_is_kept_on_average():
    """Of 60 keV all but what escapes is deposited: within 4 errors of the deposit."""
    result = run(slab(), "expected")
    parts = result.balance_ev()
    assert parts["born"] != parts["deposited"] + parts["escaped"] + parts["detected"]
    everywhere = result.region(*result.regions.names)
    assert abs(parts["born"] - parts["deposited"] - parts["escaped"]) < 4 * everywhere.error
    assert everywhere.error < 0.003 * everywhere.value


def test_a_foil_keeps_what_beer_and_lambert_say():
    """A pencil beam through 0.1 mm of water: E x share x (1 - exp(-mu t)), but for second collisions (1e-3 of it)."""
    grid = Grid(shape=(1, 1, 1), spacing_mm=(1, 1, 0.1))
    foil = ps.Phantom(grid=grid, labels=np.zeros((1, 1, 1), np.uint8), materials=(ps.material("water"),))
    field = ps.RectangularField(centre_mm=(0, 0, 0), across=(1, 0, 0), along=(0, 1, 0), size_mm=(0.1, 0.1))
    source = ps.PhotonSource(spectrum=40.0, position_mm=(0, 0, -600), field=field)
    aim = ps.MonteCarlo(histories=100_000, dose="expected", dose_regions=("water",))
    found = ps.transport_photons(foil, source, aim, seed=1, threads=1).region(foil.materials[0].name)
    tables = build([foil.materials[0].mass_fractions])
    cell = int(np.float32(40.0).view(np.int32) - 0x3F800000) >> 15
    row = tables.cell_row[cell]  # 40 keV begins a cell
    depth = float(tables.row[0, row, 0]) * foil.materials[0].density_g_cm3 * 0.01
    expected = 40e3 * share_deposited(tables, 1.0)[0, row, 0] * -np.expm1(-depth)
    assert abs(found.value - expected) < 4 * found.error + 3e-3 * expected
    assert found.error < 0.01 * expected


def test_errors_of_batches_are_true():
    """Forty independent runs: chi-square of 39 within 17 .. 75: fails 1 in 1,000."""
    phantom = slab()
    options = cubes(phantom)
    wanted = {"dose_regions": ("middle",), "histories": 4096, "options": options}
    found = [run(phantom, "expected", seed=seed, **wanted).region("middle") for seed in range(40)]
    values = np.array([one.value for one in found])
    chi2 = ((values - values.mean()) ** 2).sum() / np.mean([one.error**2 for one in found])
    assert 17 < chi2 < 75


def test_voxels_add_up_to_regions():
    phantom = slab()
    options = {**cubes(phantom), "voxel_dose": True, "ambient": "air"}
    result = run(phantom, "expected", histories=20000, options=options)
    deposited = result.voxel_energy()
    for n, name in enumerate(result.regions.names[:-1]):
        assert deposited[options["regions"] == n].sum() == pytest.approx(result.region(name).value, rel=1e-12)
    analog = run(phantom, "analog", histories=20000, options=options)
    seen = analog.voxel_energy() > 0
    assert (result.voxel_error()[seen] ** 2).sum() < 0.8 * (analog.voxel_error()[seen] ** 2).sum()


def test_bits_do_not_depend_on_instruction_set_or_calls():
    phantom = slab()
    source = ps.PhotonSource(spectrum=60.0, position_mm=(0, 0, -600), field=FIELD)
    aim = ps.MonteCarlo(histories=1, dose="expected", dose_regions=("middle",))
    options = cubes(phantom)
    job = pack_job(Problem(phantom, source, aim, None, 5, "air", options["regions"], options["region_names"]), 1)
    digests = set()
    for isa in _engine.instruction_sets():
        for calls in (1, 3):
            regions, balance = np.zeros(4, np.int64), np.zeros(6, np.int64)
            voxels = np.zeros(phantom.grid.shape, np.int64)
            for call in range(calls):
                job.engine.run(call * 1500 // calls, 1500 // calls, regions, np.zeros(job.image, np.int64), voxels,
                               balance, 1 + call, isa)
            assert regions.sum() == balance[1]
            assert not balance[4:].any()
            digests.add(hashlib.sha256(regions.tobytes() + voxels.tobytes() + balance.tobytes()).hexdigest())
    assert len(digests) == 1


def test_a_lesion_finer_than_the_voxels():
    """Iodine of 4 mm in voxels of 1 mm laid over water: region by region as analog dose, 4.5 sigma each."""
    patch = Grid(shape=(4, 4, 4), spacing_mm=1, origin_mm=(-1.5, -1.5, -1.5))
    both = (ps.material("water"), ps.material("I"))
    lesion = ps.Overlay(patch, np.ones(patch.shape, np.uint8), None, "lesion")
    covered = slab().replace(materials=both, overlays=(lesion,))
    analog = run(covered, "analog")
    expected = run(covered, "expected", dose_regions=(both[1].name,))
    for one in both:
        here, there = analog.region(one.name), expected.region(one.name)
        assert abs(here.value - there.value) < 4.5 * np.hypot(here.error, there.error), one.name
        assert here.value > 0


@pytest.mark.parametrize(("dose", "regions", "text"), [
    ("analog", ("middle",), "have no effect"), ("expected", ("midle",), "Did you mean"),
    ("expected", ("ambient",), "it has no voxels")])
def test_bad_dose_regions(dose, regions, text):
    phantom = slab()
    with pytest.raises(InvalidInput, match=text):
        run(phantom, dose, dose_regions=regions, options=cubes(phantom), histories=64)


def test_an_unknown_estimator():
    with pytest.raises(InvalidInput, match="dose"):
        ps.MonteCarlo(histories=1, dose="guess")
