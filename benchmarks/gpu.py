"""How fast and how exact is the GPU? `python -m benchmarks.gpu` writes benchmarks/results/<device>.json.

First the device tests, then the jobs: rays through cubes, and photons through SLAB60 (histories/s, tallies fetched
each time). A job's time is the median of many runs between CUDA events, after a warm-up that holds compilation; arrays
lie on the GPU before and after. Its error is the RMS against float64 over all rays of some views, relative to their
RMS; photons are compared with the CPU's, bit by bit. Voxels of the cubes are random: no job is easier for being smooth
or empty. Energy is what nvidia-smi reads while the runs repeat, where it tells. Without a GPU: a message, status 1.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from physsim import __version__
from physsim.device import resolve
from physsim.device.cuda import CudaKernels, cuda_kernels
from physsim.errors import DeviceUnavailable

from .gpu_jobs import JOBS, run_job, run_joseph, run_photons, run_spectral

ROOT = Path(__file__).parents[1]


def device_tests() -> dict[str, Any]:
    """Runs tests/devices; the summary line and the exit status."""
    command = [sys.executable, "-P", "-m", "pytest", "--import-mode=importlib", "-q", "-rs", "tests/devices"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return {"status": done.returncode, "summary": lines[-1] if lines else "",
            "tail": lines[-40:] if done.returncode else []}


def machine(kernels: CudaKernels) -> dict[str, Any]:
    """What ran it."""
    runtime = kernels.xp.cuda.runtime
    has = runtime.getDeviceProperties(kernels.device.ordinal)
    return {"device": has["name"].decode(), "compute_capability": f"{has['major']}.{has['minor']}",
            "multiprocessors": has["multiProcessorCount"], "memory_gb": has["totalGlobalMem"] / 1e9,
            "driver": runtime.driverGetVersion(), "runtime": runtime.runtimeGetVersion(),
            "cupy": kernels.xp.__version__, "physsim": __version__}


def main(arguments: list[str] | None = None) -> int:
    """Run, print a table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda or cuda:N")
    parser.add_argument("--job", action="append", choices=[*(job.name for job in JOBS), "slab60"],
                        help="only this one")
    parser.add_argument("--skip-tests", action="store_true", help="leave out the device tests")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the JSON file")
    options = parser.parse_args(arguments)
    try:
        kernels = cuda_kernels(resolve(options.device))
    except DeviceUnavailable as absent:
        print(f"benchmarks.gpu: {absent}", file=sys.stderr)
        return 1
    tests = None if options.skip_tests else device_tests()
    report: dict[str, Any] = {"machine": machine(kernels), "tests": tests, "rows": []}
    print(report["machine"], report["tests"], sep="\n")
    print(f"{'job':14} {'what':22} {'ms':>9} {'G/s':>7} {'error':>9} {'MB':>7} {'J':>7}")
    for job in JOBS:
        if options.job and job.name not in options.job:
            continue
        rows = run_job(kernels, job)
        if job.spectral:
            rows += [run_spectral(kernels, job, 6), run_spectral(kernels, job, None), *run_joseph(kernels, job)]
        for row in rows:
            report["rows"].append(row)
            wrong = next(row[key] for key in ("rms_vs_float64", "dot_error", "largest_relative_error") if key in row)
            joules = "" if row["joules"] is None else f"{row['joules']:.2f}"
            print(f"{row['job']:14} {row['what']:22} {1e3 * row['seconds']:9.3f} {row['gsteps_per_s']:7.0f} "
                  f"{wrong:9.1e} {row['peak_mb']:7.0f} {joules:>7}", flush=True)
    if not options.job or "slab60" in options.job:
        row = run_photons(kernels)
        report["rows"].append(row)
        print(f"{row['job']:14} {row['what']:22} {1e3 * row['seconds']:9.3f} {row['histories_per_s']:.3g} histories/s, "
              f"the CPU's bits: {row['same_bits_as_cpu']}", flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", report["machine"]["device"].lower()).strip("-")
    path = options.output / f"{name}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(path)
    return 0 if tests is None or tests["status"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
