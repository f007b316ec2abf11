"""The audited hybrid's decision for the views of a scan: photons until the bound that assumes nothing is small enough.

All views share the budget of a look. At each, two images may be certified: the blend of the network with the photons in
the slow modes over the views, and Monte Carlo alone; each is tested at half of what the look may spend. A look is made
only where the batches' spread says that one of them could pass, which spends nothing (as in verdict.py).
Neglects: what the network errs by in the fast modes. It is taken as twice what its own images have there, as if the
truth had as much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Floats
from physsim.surrogate.bound import LEVEL, spent
from physsim.surrogate.pooled import PooledScan, low_modes_over_views
from physsim.surrogate.verdict import MOST_LOOKS

ScanSource = Callable[[float], ArrayLike]  # units in each view -> (views, n, rows, columns), earlier photons among them
_FAST = 0.1  # of the tolerance: what the network's images may have in the modes that photons do not correct


@dataclass(frozen=True, eq=False, kw_only=True)
class ScanVerdict:
    """A scan's views and what is guaranteed of them.

    word: CERTIFIED, or REJECTED where the network was dropped or the tolerance not reached; image: (views, rows,
    columns) delivered; weight: of Monte Carlo in the `kept` modes over the views; bound: of e_S over all views, with
    probability `level` that it is larger, whatever the network is; roughness: its part for the other modes. units: of
    work in each view; looks: that were made; aim_reached: False where `most_units` ended it; units_wanted: about how
    many the tolerance takes; network: hash of the weights, "" where none is in the image; reason: in words.
    """

    word: Literal["CERTIFIED", "REJECTED"]
    image: Floats = field(repr=False)
    weight: float
    kept: int
    bound: float
    roughness: float
    tolerance: float
    level: float
    units: float
    looks: int
    aim_reached: bool
    units_wanted: float
    network: str
    reason: str

    def record(self) -> dict[str, Any]:
        """All but the image, as plain data for files; figures that are infinite are left out."""
        names = ("word", "weight", "kept", "bound", "roughness", "tolerance", "level", "units", "looks", "aim_reached",
                 "units_wanted", "network", "reason")
        values = {"views": len(self.image), **{name: getattr(self, name) for name in names}}
        return {name: value for name, value in values.items() if not isinstance(value, float) or np.isfinite(value)}


def decide_scan(source: ScanSource, prior: Floats, tolerance: float, network_variance: float | None, *,
                periodic: bool = False, network: str = "", level: float = LEVEL, first_units: float = 256.0,
                most_units: float = np.inf) -> ScanVerdict:
    """Ask `source` for photons, twice as many at each look, until a bound is within `tolerance`.

    prior: (views, rows, columns) the network's images, in the source's unit; network_variance: b2, relative and
    squared, of its calibration; None where the scan was not calibrated, and in the unbiased mode: Monte Carlo alone.
    `periodic`: views evenly around a full turn. most_units: in each view.

    Raises InvalidInput for a tolerance that is not between 0 and 1, and most_units below first_units.
    """
    if not 0.0 < tolerance < 1.0:
        raise InvalidInput(message(f"tolerance={tolerance}", "it is a share of the mean scatter, between 0 and 1",
                                   "Give for example 0.02."))
    if most_units < first_units:
        raise InvalidInput(message(f"most_units={most_units:g}", f"the first look takes {first_units:g}",
                                   f"Allow {first_units:g} or more."))
    kept, left = slow_modes(prior, _FAST * tolerance, periodic)
    certified, units, looks = 0, first_units, 0
    while True:
        looks += 1
        images = np.asarray(source(units), np.float64)
        alone = PooledScan.of(prior, images)
        choices = [(alone, 1.0)]
        if network_variance is not None:
            rough = min(2.0 * left / max(float(images.mean()), 1e-300), 0.999)  # over the truth's mean, not its own
            mixed = PooledScan.of(prior, images, kept=kept, roughness=rough, periodic=periodic)
            choices.insert(0, (mixed, mixed.weight(network_variance)))
        part = spent(level, certified) / len(choices)
        last = looks == MOST_LOOKS or 2.0 * units > most_units
        expected = min(one.bound(weight, part, one.noise**2 + (network_variance or 0.0))
                       for one, weight in choices)
        if expected <= tolerance or last:
            certified += 1
            bounds = [one.bound(weight, part) for one, weight in choices]
            best = int(np.argmin(bounds))
            if bounds[best] <= tolerance or last:
                break
        units *= 2.0
    one, weight = choices[best]
    dropped, reached = best == len(choices) - 1, bounds[best] <= tolerance
    return ScanVerdict(
        word="CERTIFIED" if reached and (not dropped or not network) else "REJECTED", image=one.image(weight),
        weight=weight, kept=one.kept, bound=bounds[best], roughness=one.roughness, tolerance=tolerance, level=level,
        units=units, looks=looks, aim_reached=reached, network="" if dropped else network,
        units_wanted=units if reached else units * (bounds[best] / tolerance) ** 2,
        reason=_reason(dropped, reached, network_variance is None, bool(network)))


def slow_modes(images: Floats, most: float, periodic: bool) -> tuple[int, float]:
    """The fewest modes over the views that hold images (views, rows, columns) but for a root mean square of `most` of
    their mean (all where none do), and the root mean square that they leave out."""
    views, mean = len(images), float(np.mean(images))
    for kept in range(1, views, 2 if periodic else 1):
        left = images - np.tensordot(low_modes_over_views(views, kept, periodic), images, 1)
        rough = float(np.sqrt(np.mean(left**2)))
        if rough <= most * mean:
            return kept, rough
    return views, 0.0


def _reason(dropped: bool, reached: bool, unknown: bool, asked: bool) -> str:
    if not reached:
        return "most_units ended the run before the tolerance"
    if not dropped:
        return "the bound over all views reaches the tolerance"
    if not asked:
        return "Monte Carlo alone, as asked"
    return "this size and tube potential were not calibrated" if unknown else "Monte Carlo alone has the smaller bound"
