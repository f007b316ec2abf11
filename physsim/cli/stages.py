"""Progress on a terminal, seconds of each stage, and the peak of memory."""

from __future__ import annotations

import resource
import sys
import time
from types import TracebackType
from typing import Any


class Stages:
    """Times named stages; on a terminal a bar shows how far the work is. Everything goes to stderr.

    A stage ends when the next begins. `with Stages() as stages: stages("voxels", 0.0)`.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()
        self._stage: tuple[str, float] | None = None
        self._bar: Any = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(TextColumn("{task.description:24s}"), BarColumn(), TimeElapsedColumn(),
                                 console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> Stages:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._close()
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, fraction: float) -> None:
        """Begin `stage` (or go on with it), at this fraction of all the work."""
        if self._stage is None or self._stage[0] != stage:
            self._close()
            self._stage = (stage, time.perf_counter())
        if self._bar is not None:
            self._bar.update(self._task, completed=fraction, description=stage)

    def scaled(self, low: float, high: float) -> Any:
        """The same, for a part of the work that counts from 0 to 1 by itself."""
        return lambda stage, fraction: self(stage, low + (high - low) * fraction)

    @property
    def total_seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._began

    def report(self) -> dict[str, Any]:
        """Seconds by stage and in all, and the peak of memory."""
        return {"seconds": {**{name: round(value, 3) for name, value in self.seconds.items()},
                            "all": round(self.total_seconds, 3)}, "peak_memory_mb": round(peak_memory_mb())}

    def _close(self) -> None:
        if self._stage is not None:
            name, began = self._stage
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            self._stage = None


def peak_memory_mb() -> float:
    """The most memory that this process held so far (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1.0 if sys.platform == "darwin" else 1024.0) / 1e6


def lines(report: dict[str, Any]) -> list[str]:
    """A report of Stages as text."""
    parts = ", ".join(f"{name} {value:.2f}" for name, value in report["seconds"].items() if name != "all")
    return [f"seconds: {parts}; {report['seconds']['all']:.2f} in all",
            f"peak memory: {report['peak_memory_mb']} MB"]
