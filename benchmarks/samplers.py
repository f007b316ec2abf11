"""How fast are single events of photon physics drawn? Nanoseconds a draw of every sampler on every instruction set.

Run `python -m physsim._benchmarks.samplers [--json] [--draws N]`.

Why it is honest:
- One thread; the least of several repeats, after a warm-up; energies 20-140 keV and materials change from draw to draw,
  so tables are read all over, as transport reads them.
- The clock covers reading random words and writing results (up to 48 bytes a draw), not Philox, which transport shares
  among several draws.
- Accuracy stands beside it: tests/statistical/test_samplers.py bounds each table's error without statistics.
- No sampler rejects: each set of random words gives one draw, so the time of a draw is its whole cost.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from physsim import _engine
from physsim.physics.photon_tables import build
from physsim.randomness import Stream

from .machine import describe

MATERIALS = ("water", "bone_cortical", "I", "air")
SAMPLERS = {  # name -> question of kernels/launch/physics_table.h, Doppler broadening
    "look_up": (0, True), "sample_rayleigh": (1, True), "sample_compton": (2, False),
    "sample_compton, Doppler": (2, True), "sample_photoelectric": (3, True)}
REPEATS = 5


def measure(draws: int = 1 << 18) -> dict[str, Any]:
    """Rows of sampler, isa, nanoseconds a draw and draws a second, with the machine."""
    draws = max(16, draws // 16 * 16)
    energy = (20.0 + 120.0 * Stream(1, "benchmark").uniform(np.arange(draws))[:, 0]).astype(np.float32)
    material = (np.arange(draws) % len(MATERIALS)).astype(np.int32)
    words = np.ascontiguousarray(Stream(2, "benchmark").words(np.arange(draws)).T).view(np.int32)
    xi = np.zeros(draws, np.float32)
    tables = {doppler: build(MATERIALS, doppler=doppler).arrays() for doppler in (False, True)}
    rows = []
    for name, (question, doppler) in SAMPLERS.items():
        for isa in ("scalar", *_engine.instruction_sets()):
            best = np.inf
            for _ in range(REPEATS + 1):
                begin = time.perf_counter()
                _engine.ask_photons(tables[doppler], question, material, energy, xi, words, isa)
                best = min(best, time.perf_counter() - begin)
            rows.append({"sampler": name, "isa": isa, "ns_per_draw": best / draws * 1e9,
                         "draws_per_second": draws / best})
    return {"machine": describe(), "materials": MATERIALS, "draws": draws, "rows": rows}


def main(arguments: list[str] | None = None) -> None:
    """Print a table, or JSON with --json."""
    arguments = sys.argv[1:] if arguments is None else arguments
    draws = int(arguments[arguments.index("--draws") + 1]) if "--draws" in arguments else 1 << 18
    found = measure(draws)
    if "--json" in arguments:
        print(json.dumps(found, indent=1))
        return
    print(f"{'sampler':26} {'isa':9} {'ns a draw':>9} {'million draws/s':>16}")
    for row in found["rows"]:
        print(f"{row['sampler']:26} {row['isa']:9} {row['ns_per_draw']:9.1f} {row['draws_per_second'] / 1e6:16.1f}")


if __name__ == "__main__":
    main()
