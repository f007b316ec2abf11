"""`physsim bench raytrace` on miniature jobs: its schema, its counts and truths; no speed is asserted."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

FIGURES = (
    "p256_over_rtk",
    "p256_over_dda",
    "p256_rms",
    "oblique_over_rtk",
    "spectral_ratio",
    "adjoint_ratio",
    "cost_512_ratio",
)
COLUMNS = (
    "job",
    "code",
    "threads",
    "seconds",
    "first_call_seconds",
    "gsteps_per_s",
    "rms_vs_float64",
    "sphere_vs_analytic",
    "rss_mb",
    "joules",
)


def run(*words: str, cwd) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "physsim", "bench", "raytrace", *words],
        cwd=cwd,
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    place = tmp_path_factory.mktemp("bench")
    done = run("--quick", "--peers", "none", "--json", "--out", "result.json", cwd=place)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed == json.loads((place / "result.json").read_text())
    return printed


def test_every_row_is_complete(result):
    codes = {(row["job"], row["code"]) for row in result["rows"]}
    assert codes == {
        ("p64", "physsim"),
        ("p64", "plain DDA"),
        ("p64", "physsim Joseph"),
        ("p64-spectral", "physsim"),
        ("p64-adjoint", "physsim"),
        ("p128", "physsim"),
        ("p64-oblique", "physsim"),
        ("p64-oblique", "plain DDA"),
        ("fan64", "physsim"),
    }
    for row in result["rows"]:
        assert set(COLUMNS) <= row.keys()
        assert row["gsteps_per_s"] == pytest.approx(1e-9 * row["crossings"] / row["seconds"])
        assert 20 < row["rss_mb"] < 1000
        if row["code"] == "physsim Joseph":
            assert row["rms_vs_float64"] < 0.05  # another model of the object
        else:
            assert row["rms_vs_float64"] < (1e-5 if row["job"] in ("p64-spectral", "p64-adjoint") else 2e-6)


def test_figures_are_numbers_or_have_a_reason(result):
    assert set(FIGURES) <= result["figures"].keys()
    for name, value in result["figures"].items():
        assert (value is not None and value > 0) or result["notes"][name]
    for name in ("p256_over_dda", "spectral_ratio", "adjoint_ratio", "cost_512_ratio"):
        assert result["figures"][name] is not None
    assert result["figures"]["p256_over_rtk"] is None  # no peer was asked for
    assert "miniature" in result["notes"]["size"]
    assert {"cpu", "cores", "isa", "compiler"} <= result["machine"].keys()


def test_exact_siddon_is_near_the_sphere(result):
    """Voxels of 4 mm on a soft edge of 20 mm: within 2 % of the true line integrals, and not exactly equal."""
    for row in result["rows"]:
        if row["sphere_vs_analytic"] is not None:
            assert 1e-5 < row["sphere_vs_analytic"] < 0.02


def test_an_unknown_set_of_peers_is_bad_input(tmp_path):
    done = run("--quick", "--peers", "rkt", cwd=tmp_path)
    assert done.returncode == 2
    assert "rtk" in done.stderr


def test_crossings_are_those_of_the_reference():
    """The count by planes equals the number of pieces that the independent Siddon finds, ray by ray."""
    from siddon_reference import siddon_crossings

    accuracy, jobs = (importlib.import_module(f"physsim._benchmarks.{name}") for name in ("accuracy", "jobs"))
    job = jobs.oblique(jobs.p256(16, 1)).with_views([0, 5, 7])
    matrix, count = job.grid.voxel_from_world, 0
    for view in range(3):
        starts, ends = (points.reshape(-1, 3) for points in job.geometry.rays_mm(view))
        count += sum(len(siddon_crossings(job.grid.shape, matrix, *ray)[0]) for ray in zip(starts, ends, strict=True))
    assert accuracy.crossings(job) == count > 10_000


def test_oblique_poses_keep_the_distances_and_leave_the_axes():
    jobs = importlib.import_module("physsim._benchmarks.jobs")
    circle = jobs.p256(64, 1)
    geometry = jobs.oblique(circle).geometry
    assert np.allclose(np.linalg.norm(geometry.source_mm, axis=1), 1000)
    assert np.allclose(geometry.distance_mm, 1500)
    assert np.abs(geometry.v).max() < np.cos(np.deg2rad(5))
    assert np.ptp(geometry.normal, axis=0).min() > 1  # all around
