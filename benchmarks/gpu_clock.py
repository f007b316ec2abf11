"""The time and energy of runs on a GPU."""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from physsim.device.cuda import CudaKernels

WARM_UP, SECONDS, LEAST, MOST = 2, 3.0, 5, 200  # runs before, time to fill, bounds on the runs timed


class PowerMeter:
    """Mean power (W) between enter and exit by nvidia-smi, 10 times a second; None where it does not tell."""

    def __init__(self, ordinal: int) -> None:
        self._command = ["nvidia-smi", f"--id={ordinal}", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
        self._readings: list[float] = []
        self._stop = threading.Event()

    def __enter__(self) -> PowerMeter:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stop.wait(0.1):
            try:
                reading = subprocess.run(self._command, capture_output=True, text=True, timeout=10)
                self._readings.append(float(reading.stdout.strip()))
            except (OSError, ValueError, subprocess.TimeoutExpired):
                return

    @property
    def watts(self) -> float | None:
        return statistics.fmean(self._readings) if len(self._readings) > 5 else None


def timed(kernels: CudaKernels, run: Callable[[], Any]) -> dict[str, float | int | None]:
    """Median and spread of `run` between CUDA events (s), joules a run, peak memory (MB) above the start."""
    cuda, pool = kernels.xp.cuda, kernels.xp.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.total_bytes()
    for _ in range(WARM_UP):
        run()
    cuda.Device(kernels.device.ordinal).synchronize()
    peak = pool.total_bytes() - before
    seconds: list[float] = []
    with PowerMeter(kernels.device.ordinal) as meter:
        began = time.perf_counter()
        while len(seconds) < LEAST or (time.perf_counter() - began < SECONDS and len(seconds) < MOST):
            start, end = cuda.Event(), cuda.Event()
            start.record()
            run()
            end.record()
            end.synchronize()
            seconds.append(cuda.get_elapsed_time(start, end) / 1000.0)
        busy = sum(seconds) / (time.perf_counter() - began)
    median = statistics.median(seconds)
    joules = meter.watts * median if meter.watts is not None and busy > 0.9 else None  # else mostly the idle power
    return {"seconds": median, "seconds_least": min(seconds), "seconds_most": max(seconds), "runs": len(seconds),
            "joules": joules, "peak_mb": peak / 1e6}
