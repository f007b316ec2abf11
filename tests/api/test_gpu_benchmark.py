"""The GPU benchmark run on a stand-in, its counts and errors checked, and what it says without a GPU."""

import json
import os
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from physsim._benchmarks import gpu, gpu_clock, gpu_jobs
from shim_kernels import ShimKernels
from siddon_reference import siddon_crossings

from physsim.device import Device
from physsim.errors import DeviceUnavailable
from physsim.transport.rays import voxel_rays

ROOT = Path(__file__).parents[2]


class Event:
    def record(self):
        self.at = time.perf_counter()

    def synchronize(self):
        pass


class FakeCupy(types.ModuleType):
    """numpy under cupy's names, as far as the benchmark goes."""

    def __init__(self):
        super().__init__("cupy")
        properties = {"name": b"Stand-in 1", "major": 9, "minor": 0, "multiProcessorCount": 1,
                      "totalGlobalMem": 1 << 30}
        self.cuda = types.SimpleNamespace(
            Event=Event, Device=lambda ordinal: types.SimpleNamespace(synchronize=lambda: None),
            get_elapsed_time=lambda start, end: 1e3 * (end.at - start.at),
            runtime=types.SimpleNamespace(getDeviceProperties=lambda ordinal: properties, driverGetVersion=lambda: 1,
                                          runtimeGetVersion=lambda: 1))
        self.__version__ = "0"

    def __getattr__(self, name):
        return getattr(np, name)

    def get_default_memory_pool(self):
        return types.SimpleNamespace(free_all_blocks=lambda: None, total_bytes=lambda: 0)


def test_whole_run_on_a_stand_in(tmp_path, monkeypatch, capsys):
    kernels = ShimKernels(tmp_path)
    kernels.xp, kernels.device = FakeCupy(), Device("cuda", 0)
    size = (16, 3, 24, 1.6)
    small = (gpu_jobs.Job("small", *size, spectral=True), gpu_jobs.Job("small oblique", *size, oblique=True),
             gpu_jobs.Job("small uint8", *size, dtype="uint8"))
    monkeypatch.setattr(gpu, "JOBS", small)
    monkeypatch.setattr(gpu_clock, "SECONDS", 0.05)
    monkeypatch.setattr(gpu_jobs, "PHOTONS", 2000)
    monkeypatch.setattr(gpu_jobs, "CHECKED_PHOTONS", 3000)
    monkeypatch.setattr(gpu_jobs, "SLAB_VOXEL_MM", 20.0)
    monkeypatch.setattr(gpu, "cuda_kernels", lambda device: kernels)
    monkeypatch.setattr(gpu, "resolve", lambda device: Device("cuda", 0))
    monkeypatch.setattr(gpu, "device_tests", lambda: {"status": 0, "summary": "all well", "tail": []})
    assert gpu.main(["--output", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "stand-in-1.json").read_text())
    assert report["machine"]["compute_capability"] == "9.0"
    assert [(row["job"], row["what"]) for row in report["rows"]] == [
        ("small", "forward"), ("small", "adjoint"), ("small", "spectral, 6 channels"),
        ("small", "spectral, 20 channels"), ("small", "joseph forward"), ("small", "joseph adjoint"),
        ("small", "joseph pose gradient"), ("small oblique", "forward"), ("small oblique", "adjoint"),
        ("small uint8", "forward"), ("slab60", "photons")]
    photons = report["rows"].pop()
    assert photons["same_bits_as_cpu"]
    assert photons["histories_per_s"] == pytest.approx(2000 / photons["seconds"])
    for row in report["rows"]:
        assert row["seconds"] > 0
        assert row["runs"] >= gpu_clock.LEAST
        assert row["gsteps_per_s"] == pytest.approx(
            row.get("crossings", row.get("samples")) / row["seconds"] / 1e9)
        if row["what"] == "forward":
            assert row["rms_vs_float64"] < 1e-6
        elif "spectral" in row["what"]:
            assert row["largest_relative_error"] < 1e-5
        elif "joseph" in row["what"]:
            assert row["dot_error"] < 1e-6
            assert row["samples"] == 3 * 24 * 24 * 16
        else:
            assert row["dot_error"] < 1e-6
            assert row["same_bits_again"]
    assert "small oblique" in capsys.readouterr().out


def test_a_failed_device_test_fails_the_run(tmp_path, monkeypatch):
    kernels = types.SimpleNamespace(xp=FakeCupy(), device=Device("cuda", 0))
    monkeypatch.setattr(gpu, "JOBS", ())
    monkeypatch.setattr(gpu, "run_photons", lambda kernels: {
        "job": "slab60", "what": "photons", "seconds": 1.0, "histories_per_s": 1.0, "same_bits_as_cpu": True})
    monkeypatch.setattr(gpu, "cuda_kernels", lambda device: kernels)
    monkeypatch.setattr(gpu, "resolve", lambda device: Device("cuda", 0))
    monkeypatch.setattr(gpu, "device_tests", lambda: {"status": 1, "summary": "1 failed", "tail": ["1 failed"]})
    assert gpu.main(["--output", str(tmp_path)]) == 1
    assert json.loads((tmp_path / "stand-in-1.json").read_text())["tests"]["summary"] == "1 failed"


@pytest.mark.parametrize("oblique", [False, True])
def test_crossings_are_counted(oblique):
    job = gpu_jobs.Job("count", 20, 3, 13, 2.9, oblique=oblique)
    expected = 0
    for view in range(job.views):
        start, end = job.geometry.rays_mm(view)
        for a, b in zip(np.broadcast_to(start, end.shape).reshape(-1, 3), end.reshape(-1, 3), strict=True):
            expected += len(siddon_crossings(job.grid.shape, job.grid.voxel_from_world, a, b)[1])
    assert gpu_jobs.crossings(voxel_rays(job.geometry, job.grid), job.edge) == pytest.approx(expected, rel=0.01)


def test_without_a_gpu():
    done = subprocess.run([sys.executable, "-m", "benchmarks.gpu"], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks.gpu: device='cuda': ")
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_an_absent_device_is_named(monkeypatch, capsys):
    def absent(device):
        raise DeviceUnavailable(f"device={device!r}: not there. Mend it.")
    monkeypatch.setattr(gpu, "resolve", absent)
    assert gpu.main(["--device", "cuda:3"]) == 1
    assert "device='cuda:3': not there" in capsys.readouterr().err
