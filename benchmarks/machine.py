"""What the figures were measured on, and its energy counters."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap")


def describe() -> dict[str, Any]:
    """CPU, cores, memory, instruction sets and compiler. No host name and no path."""
    from physsim import _engine

    model = re.search(r"^model name\s*:\s*(.*)$", _read("/proc/cpuinfo"), re.MULTILINE)
    numbers = [
        re.search(rf"^{name}\s*:\s*(\d+)$", _read("/proc/cpuinfo"), re.MULTILINE)
        for name in ("cpu family", "model", "stepping")
    ]
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    built = re.findall(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", Path(str(_engine.__file__)).read_bytes())
    return {
        "cpu": model.group(1) if model else platform.processor(),
        "family_model_stepping": [int(number.group(1)) if number else None for number in numbers],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else None,
        "virtual": bool(re.search(r"\bhypervisor\b", _read("/proc/cpuinfo"))),
        "isa": list(_engine.instruction_sets()),
        "compiler": sorted({text.decode() for text in built}),
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def line(machine: dict[str, Any], settings: dict[str, Any]) -> str:
    """A sentence of a report: what `describe` told, and the turns taken."""
    return (
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, {', '.join(machine['isa'])}; "
        f"{', '.join(machine['compiler'])}; least of {settings['rounds']} turns."
    )


def energy_counters() -> tuple[list[tuple[Path, int]], str | None]:
    """Package counters of RAPL with their ranges (uJ), or none and the reason."""
    zones = [zone for zone in sorted(RAPL.glob("*")) if re.fullmatch(r"(intel|amd)-rapl:\d+", zone.name)]
    if not zones:
        return [], f"no energy counter in {RAPL} (a virtual machine, or a kernel without RAPL)"
    try:
        counters = [(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text())) for zone in zones]
        for counter, _ in counters:
            counter.read_text()
    except OSError as error:
        return [], f"the energy counter cannot be read: {error.strerror}"
    return counters, None


def energy_uj(counters: list[tuple[Path, int]]) -> list[int]:
    """Readings now, for `joules_between`."""
    return [int(counter.read_text()) for counter, _ in counters]


def joules_between(before: list[int], after: list[int], counters: list[tuple[Path, int]]) -> float:
    """Joules of the whole package (idle power and other processes included); counters wrap around."""
    return sum((b - a) % (limit + 1) for a, b, (_, limit) in zip(before, after, counters, strict=True)) * 1e-6


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
