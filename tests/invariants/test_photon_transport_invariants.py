"""Photon transport: energy balance, equal bits over threads, calls and instruction sets, turning the world."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from photon_cases import beam_and_detector, body

import physsim as ps
from physsim import _engine
from physsim.transport.montecarlo_job import Problem, pack_job

SEED = 11


def run(histories=20000, **options):
    source, geometry = beam_and_detector()
    return ps.transport_photons(
        body(),
        source,
        ps.MonteCarlo(histories=histories),
        geometry=geometry,
        seed=SEED,
        **{"threads": 1, "ambient": "air", **options},
    )


@pytest.fixture(scope="module")
def reference():
    return run()


def test_energy_in_is_energy_out_and_deposited(reference):
    parts = reference.balance
    assert parts["born"] == parts["deposited"] + parts["detected"] + parts["escaped"]  # whole numbers: exactly
    assert parts["deposited"] == reference.region_counts.sum()
    assert parts["detected"] == reference.image_counts.sum()
    assert min(parts.values()) > 0.04 * parts["born"]


def test_energy_by_voxel_adds_up_to_the_regions(reference):
    result = run(voxel_dose=True)
    deposited = result.voxel_energy()
    for n, name in enumerate(result.regions.names[:-1]):
        assert deposited[body().labels == n].sum() == pytest.approx(result.region(name).value, rel=1e-12)
    np.testing.assert_array_equal(result.region_counts, reference.region_counts)
    ratio = (result.voxel_error() ** 2).sum() / (result.region(*result.regions.names[:-1]).error ** 2)
    assert 0.2 < ratio < 5  # voxels are nearly independent of each other


@pytest.mark.parametrize("threads", [2, 5])
def test_bits_do_not_depend_on_threads(reference, threads):
    result = run(threads=threads)
    np.testing.assert_array_equal(result.image_counts, reference.image_counts)
    np.testing.assert_array_equal(result.region_counts, reference.region_counts)


def digest(result):
    arrays = (result.image_counts, result.region_counts, result.voxel_energy(), result.voxel_error())
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def test_bits_do_not_depend_on_the_instruction_set():
    """One photon after the other, or sixteen at a time in AVX2 or AVX-512: the same photons."""
    expected = digest(run(voxel_dose=True))
    for isa in ("portable", "avx2", "avx512"):
        code = (
            "import sys; sys.path[:0] = ['tests', 'tests/invariants']; import test_photon_transport_invariants as t; "
            "print(t.digest(t.run(voxel_dose=True)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PHYSSIM_CACHE": "off", "PHYSSIM_ISA": isa},
            capture_output=True,
            text=True,
            check=False,
        )
        if "lacks it" in done.stderr:
            continue
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == expected, isa


@pytest.mark.parametrize(("first", "count"), [(0, 1), (5, 17), (2**32 - 300, 600), (2**63 - 40, 33)])
def test_any_photons_at_once_are_the_photons_one_by_one(first, count):
    """Numbers on both sides of 2^32, fewer photons than lanes, blocks that are not full."""
    source, geometry = beam_and_detector()
    job = pack_job(Problem(body(), source, ps.MonteCarlo(histories=1), geometry, SEED, "air"), 1)
    sums = []
    for isa in _engine.instruction_sets():
        image, balance = np.zeros(job.image, np.int64), np.zeros(6, np.int64)
        regions = np.zeros(len(job.scene.regions.names), np.int64)
        job.engine.run(first, count, regions, image, None, balance, 1, isa)
        sums.append(np.concatenate([image.ravel(), regions, balance]))
    one_by_one = np.zeros_like(sums[0])
    for number in range(first, first + count):
        image, balance = np.zeros(job.image, np.int64), np.zeros(6, np.int64)
        regions = np.zeros(len(job.scene.regions.names), np.int64)
        job.engine.run(number, 1, regions, image, None, balance, 1, "portable")
        one_by_one += np.concatenate([image.ravel(), regions, balance])
    for found in sums:
        np.testing.assert_array_equal(found, one_by_one)
    assert one_by_one[-6] > 0
    assert not one_by_one[-2:].any()


def test_a_run_in_two_parts_is_the_run_in_one(tmp_path, reference):
    file = tmp_path / "run.h5"
    stop = iter(range(30))

    def interrupt(stage, fraction):
        if next(stop) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="finished batches") as stopped:
        run(file=file, progress=interrupt)
    assert 0 < stopped.value.result.histories < 20000
    assert "run.h5" in str(stopped.value)
    result = run(file=file)
    np.testing.assert_array_equal(result.image_counts, reference.image_counts)
    np.testing.assert_array_equal(result.region_counts, reference.region_counts)
    assert result.balance == reference.balance
    again = run(file=file)
    assert again.histories == 20000


def test_more_photons_begin_with_the_same(reference):
    more = run(histories=40000)
    assert more.histories == 40000
    np.testing.assert_array_equal(more.image_counts[:32].sum(axis=0), reference.image_counts.sum(axis=0))


def test_turning_the_world_turns_nothing_that_is_counted(reference):
    """Voxels and geometry turned together by a right angle: only rounding may move a photon to another fate."""
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    source, geometry = beam_and_detector(turn)
    turned = body(direction=tuple(map(tuple, turn.T)))
    result = ps.transport_photons(
        turned, source, ps.MonteCarlo(histories=20000), geometry=geometry, seed=SEED, ambient="air", threads=1
    )
    for order in ("primary", "compton", "rayleigh", "multiple"):
        one, other = reference.total(order), result.total(order)
        assert abs(one.value - other.value) < 4 * one.error
    one, other = reference.total("primary").value, result.total("primary").value
    assert abs(one - other) < 0.02 * one


def test_errors_of_batches_are_true():
    """Forty independent runs: their spread is what each says. Chi-square of 39 within 17 .. 75: fails 1 in 1,000."""
    values, errors = [], []
    source, geometry = beam_and_detector()
    for seed in range(40):
        result = ps.transport_photons(
            body(), source, ps.MonteCarlo(histories=3000), geometry=geometry, seed=seed, threads=1
        )
        values.append(result.total("scatter").value)
        errors.append(result.total("scatter").error)
    chi2 = ((np.array(values) - np.mean(values)) ** 2).sum() / np.mean(np.square(errors))
    assert 17 < chi2 < 75


def test_covariance_of_pixels_holds_the_errors(reference):
    covariance = reference.image_covariance("scatter")
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), reference.image_error("scatter").ravel(), rtol=1e-9)
    assert covariance.sum() == pytest.approx(reference.total("scatter").error ** 2, rel=1e-9)


def test_the_aim_in_relative_error_is_kept():
    source, geometry = beam_and_detector()
    result = ps.transport_photons(
        body(), source, ps.MonteCarlo(relative_error=0.15), geometry=geometry, seed=1, threads=1
    )
    assert result.aim_reached
    assert result.scatter_error() <= 0.15
    assert result.histories & (result.histories - 1) == 0  # looks at powers of two


def test_a_limit_in_seconds_is_kept():
    source, geometry = beam_and_detector()
    result = ps.transport_photons(body(), source, ps.MonteCarlo(seconds=0.3), geometry=geometry, seed=1, threads=1)
    assert result.histories >= 1024
    assert result.aim_reached


@pytest.mark.parametrize(
    ("option", "order"),
    [("doppler", "compton"), ("binding", "compton"), ("fluorescence", "multiple"), ("interference", "rayleigh")],
)
def test_every_option_of_the_physics_counts(option, order):
    """The order that it belongs to changes; the primary changes by interference alone (another cross section)."""
    source, geometry = beam_and_detector()
    default = ps.MonteCarlo(histories=40000)
    results = [
        ps.transport_photons(body(), source, spec, geometry=geometry, seed=SEED, threads=1)
        for spec in (default, default.replace(**{option: not getattr(default, option)}))
    ]
    assert results[0].total(order) != results[1].total(order)
    if option != "interference":
        assert results[0].total("primary") == results[1].total("primary")
