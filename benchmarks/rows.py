"""Rows of a benchmark's table: seconds of the wall and of all CPUs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .scatter_jobs import took


def least(work: Callable[[], Any], rounds: int) -> tuple[float, float, Any]:
    """Seconds of the wall and of all CPUs of the fastest of some turns, and what the last one made."""
    wall, cpu, made = math.inf, math.inf, None
    for _ in range(rounds):
        made = None  # two of them need not fit into memory
        seconds, spent, made = took(work)
        wall, cpu = min(wall, seconds), min(cpu, spent)
    return wall, cpu, made


def add_row(
    result: dict[str, Any], job: str, stage: str, found: tuple[float, float, Any], millions: float | None = None
) -> Any:
    """A row of what `least` found; gives what was made."""
    wall, cpu, made = found
    result["rows"].append({"job": job, "stage": stage, "code": "physsim", "seconds": wall, "cpu_seconds": cpu,
                           "us_per_pixel": None if millions is None else wall / millions})  # fmt: skip
    return made
