"""One simulation of the report: who shines on what, and which of its figures become rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.source import PhotonSource
from physsim.transport.montecarlo_result import Estimate, MonteCarloResult

AIR = "tg195_air"


@dataclass(frozen=True)
class Figure:
    """A row to be: its region, unit and how a result gives it; `aim` is the standard error it needs (relative).

    `mode`: of the row, where the problem stands for several; None: the problem's.
    """

    region: str
    unit: str
    of: Callable[[MonteCarloResult], Estimate]
    aim: float | None = None
    mode: str | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """A run: `phantom` is made when needed; air surrounds it; `options`: arguments of transport_photons.

    `dose_regions`: small regions that the dose is wanted of (MonteCarlo, expected dose); None: dose is analog.
    """

    case: str
    spectrum: str
    mode: str
    phantom: Callable[[], Phantom]
    source: PhotonSource
    figures: tuple[Figure, ...]
    geometry: Geometry | None = None
    options: dict[str, Any] = field(default_factory=dict)
    dose_regions: tuple[str, ...] | None = None


def deposited(
    region: str, names: Iterable[str], scale: float = 1.0, aim: float | None = None, mode: str | None = None
) -> Figure:
    """Energy deposited in regions of the phantom together, eV per history; `scale`: true over voxelised volume."""
    chosen = tuple(names)

    def value(result: MonteCarloResult) -> Estimate:
        found = result.region(*chosen)
        return Estimate(scale * found.value, scale * found.error, found.vov)

    return Figure(region, "eV/history", value, aim, mode)
