"""The audited hybrid's decision for the views of a scan: photons until an error that is guaranteed is small enough.

All views share the budget of a look. Where held-out scans say what the network errs by (scan_calibration.py), the blend
of the network with the photons in the slow modes over the views is BLENDED as soon as its error bar reaches the
tolerance, unless the gate rejects the network (blend_scan_like). Whatever the network is, two images may be CERTIFIED
at a look (decide_scan): its blend with the photons in the slow modes, and Monte Carlo alone; each is tested at half of
what the look may spend. A look is made only where the batches' spread says that one of them could pass, which spends
nothing (as in verdict.py).
Neglects, of bounds: what the network errs by in the fast modes. It is taken as twice what its own images have there, as
if the truth had as much.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Batches, Floats
from physsim.surrogate.bound import LEVEL, spent
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.gate import GATE_LEVEL
from physsim.surrogate.held_out_looks import ERRS_MORE, HeldOutLooks, check_ranks
from physsim.surrogate.pooled import PooledScan, low_modes_over_views
from physsim.surrogate.scan_calibration import as_one, in_slow_modes
from physsim.surrogate.slow_modes import ONE_TURN, slow_modes_of
from physsim.surrogate.verdict import MOST_LOOKS

ScanSource = Callable[[float], ArrayLike]  # units in each view -> (views, n, rows, columns), earlier photons among them
_ENDED = "most_units ended the run before the tolerance"
_TURNS_ROOM = 0.1  # of the most turns of held-out scans, beyond their ends
_FAST = 0.1  # of the tolerance: what the network's images may have in the modes that photons do not correct


@dataclass(frozen=True, eq=False, kw_only=True)
class ScanVerdict:
    """A scan's views and what is guaranteed of them.

    word: CERTIFIED, BLENDED, or REJECTED where the network was dropped or the tolerance not reached; image: (views,
    rows, columns) delivered; weight: of Monte Carlo in the `kept` modes over the views; bound: of e_S over all views,
    with probability `level` that it is larger, whatever the network is; roughness: its part for the other modes.
    error_bar: of BLENDED, likewise, were this patient exchangeable with those of the held-out scans; `guarantee` is the
    one that the word stands for. p_value: of the gate over the looks made; None where none was asked. units: of work in
    each view; looks: that were made; aim_reached: False where `most_units` ended it; units_wanted: about how many the
    tolerance takes; network: hash of the weights, "" where none is in the image; reason: in words.
    """

    word: Literal["CERTIFIED", "BLENDED", "REJECTED"]
    image: Floats = field(repr=False)
    weight: float
    kept: int
    bound: float
    roughness: float
    error_bar: float | None
    p_value: float | None
    tolerance: float
    level: float
    units: float
    looks: int
    aim_reached: bool
    units_wanted: float
    network: str
    reason: str

    @property
    def guarantee(self) -> float:
        """The error that is stated: `error_bar` of BLENDED, else `bound`."""
        return self.bound if self.error_bar is None else self.error_bar

    def record(self) -> dict[str, Any]:
        """All but the image, as plain data for files; what is None or infinite is left out."""
        names = ("word", "weight", "kept", "bound", "roughness", "error_bar", "p_value", "tolerance", "level", "units",
                 "looks", "aim_reached", "units_wanted", "network", "reason")
        values = {"views": len(self.image), **{name: getattr(self, name) for name in names}}
        return {name: value for name, value in values.items()
                if value is not None and (not isinstance(value, float) or np.isfinite(value))}


@dataclass(frozen=True, eq=False, kw_only=True)
class LikeHeldOut:
    """What held-out scans say of one scan: their `calibration`, the bin that it lies in, and the factor of its members'
    spread (Calibration.factor). turns: of the scan."""

    calibration: Calibration
    place: tuple[int, int]
    factor: float
    turns: float

    @classmethod
    def of(cls, calibration: Calibration, *, size_mm: float, kvp: float, spread: float, turns: float
           ) -> LikeHeldOut | None:
        """None where no such scan was calibrated."""
        place = calibration.bin_of(size_mm, kvp)
        return None if place is None else cls(calibration=calibration, place=place, turns=turns,
                                              factor=calibration.factor(place, spread))

    @property
    def other_turns(self) -> str:
        """In words, where the scan has more or fewer turns than any held out; else ""."""
        least, most = self.calibration.turns.tolist()
        room = _TURNS_ROOM * most if most > ONE_TURN else ONE_TURN - 1.0
        if least - room <= self.turns <= most + room:
            return ""
        return f"held-out scans were of {least:.1f} to {most:.1f} turns, this one is of {self.turns:.1f}"


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A network that is not in the image of a scan: why, and the gate's p-value where it was asked."""

    reason: str
    p_value: float | None = None

    def verdict(self, image: Floats, bound: float, tolerance: float, level: float, units: float) -> ScanVerdict:
        """Of Monte Carlo that stands for it: (views, rows, columns) of node views, its bound, and its units in each."""
        reached = bound <= tolerance
        return ScanVerdict(
            word="REJECTED", image=image, weight=1.0, kept=len(image), bound=bound, roughness=0.0, error_bar=None,
            p_value=self.p_value, tolerance=tolerance, level=level, units=units, looks=1, aim_reached=reached,
            units_wanted=units * max(bound / tolerance, 1.0) ** 2, network="",
            reason=self.reason if reached else f"{self.reason}; {_ENDED}")


def blend_scan_like(source: ScanSource, prior: Floats, tolerance: float, like: LikeHeldOut, *,
                    gate_level: float = GATE_LEVEL, periodic: bool = False, network: str = "", level: float = LEVEL,
                    most_units: float = np.inf) -> ScanVerdict | Dropped:
    """Ask `source` for photons at the budgets of held-out scans until the error bar is within `tolerance`; Dropped
    where the gate, asked once, rejects the network, where most held-out scans did not get there either, and for scans
    of other numbers of turns, whose modes and whose worst turn the held-out ones do not tell of.

    prior: (views, rows, columns) the network's images of the node views, as many as held-out scans had, in the source's
    unit; most_units: in each view.

    Raises InvalidInput for a tolerance that is not between 0 and 1, most_units below the first look, and held-out scans
    that are too few to reject at `gate_level`.
    """
    _check(tolerance)
    known = like.calibration
    check_ranks(known, gate_level)
    if like.other_turns:
        return Dropped(reason=like.other_turns)
    bars = like.factor**0.5 * known.error_bars(level)[:, None] * known.expected
    if float(np.median(bars, axis=1).min()) > tolerance:
        return Dropped(reason="most held-out scans do not reach the tolerance with the network")
    judged = HeldOutLooks(known, like.place, like.factor, tolerance, level)
    low, kept = slow_modes_of(len(prior), like.turns, periodic)
    for number, units in enumerate(_budgets([float(one) / len(prior) for one in known.budgets], most_units)):
        images = np.asarray(source(units), np.float64)
        batches = Batches(images=in_slow_modes(prior, images, low), units=units)
        mixed, bar = judged.judge(number, as_one(prior), batches)
        if bar > tolerance:
            continue
        p_value = judged.p_value(number, as_one(prior), batches)
        if p_value <= gate_level:
            return Dropped(reason=ERRS_MORE, p_value=p_value)
        pooled = PooledScan.of(prior, images, low=low,
                               roughness=_roughness(_left_out(prior, low), images) if kept < len(prior) else 0.0)
        return ScanVerdict(
            word="BLENDED", image=mixed.image.reshape(prior.shape), weight=mixed.weight, kept=kept,
            bound=pooled.bound(mixed.weight, level), roughness=pooled.roughness, error_bar=bar, p_value=p_value,
            tolerance=tolerance, level=level, units=units, looks=number + 1, aim_reached=True, units_wanted=units,
            network=network, reason="the error bar reaches the tolerance")
    return Dropped(reason="the error bar does not reach the tolerance at calibrated budgets")


def decide_scan(source: ScanSource, prior: Floats, tolerance: float, network_variance: float | None, *,
                periodic: bool = False, network: str = "", level: float = LEVEL, first_units: float = 256.0,
                most_units: float = np.inf,
                dropped_for: str = "this size and tube potential were not calibrated") -> ScanVerdict:
    """Ask `source` for photons, twice as many at each look, until a bound is within `tolerance`.

    prior: (views, rows, columns) the network's images, in the source's unit; network_variance: b2, relative and
    squared, of its calibration; None where the scan was not calibrated, and in the unbiased mode: Monte Carlo alone.
    `periodic`: views evenly around a full turn. most_units: in each view. dropped_for: why there is no b2.

    Raises InvalidInput for a tolerance that is not between 0 and 1, and most_units below first_units.
    """
    _check(tolerance)
    doubled = [first_units * 2.0**look for look in range(MOST_LOOKS)]
    budgets, certified = _budgets(doubled, most_units), 0
    kept, left = slow_modes(prior, _FAST * tolerance, periodic)
    for number, units in enumerate(budgets):
        images, last = np.asarray(source(units), np.float64), number + 1 == len(budgets)
        choices = [(PooledScan.of(prior, images), 1.0)]
        if network_variance is not None:
            low = low_modes_over_views(len(prior), kept, periodic)
            both = PooledScan.of(prior, images, low=low, roughness=_roughness(left, images))
            choices.insert(0, (both, both.weight(network_variance)))
        part = spent(level, certified) / len(choices)
        expected = min(one.bound(weight, part, one.noise**2 + (network_variance or 0.0)) for one, weight in choices)
        if expected <= tolerance or last:
            certified += 1
            bounds = [one.bound(weight, part) for one, weight in choices]
            best = int(np.argmin(bounds))
            if bounds[best] <= tolerance or last:
                break
    one, weight = choices[best]
    alone, reached = best == len(choices) - 1, bounds[best] <= tolerance
    return ScanVerdict(
        word="CERTIFIED" if reached and (not alone or not network) else "REJECTED", image=one.image(weight),
        weight=weight, kept=one.kept, bound=bounds[best], roughness=one.roughness, error_bar=None, p_value=None,
        tolerance=tolerance, level=level, units=units, looks=number + 1, aim_reached=reached,
        units_wanted=units if reached else units * (bounds[best] / tolerance) ** 2, network="" if alone else network,
        reason=_reason(alone, reached, network_variance is None, bool(network), dropped_for))


def _check(tolerance: float) -> None:
    if not 0.0 < tolerance < 1.0:
        raise InvalidInput(message(f"tolerance={tolerance}", "it is a share of the mean scatter, between 0 and 1",
                                   "Give for example 0.02."))


def _budgets(units: list[float], most_units: float) -> list[float]:
    """Those that may be spent in each view."""
    kept = [one for one in units if one <= most_units]
    if not kept:
        raise InvalidInput(message(f"most_units={most_units:g}", f"the first look takes {units[0]:g}",
                                   f"Allow {units[0]:g} or more."))
    return kept


def _roughness(left: float, images: Floats) -> float:
    """Of an error in fast modes: twice what the network's images have there, over the truth's mean, not its own."""
    return min(2.0 * left / max(float(images.mean()), 1e-300), 0.999)


def _left_out(images: Floats, low: Floats) -> float:
    """Root mean square of images beyond modes over the views."""
    return float(np.sqrt(np.mean((images - np.tensordot(low, images, 1)) ** 2)))


def slow_modes(images: Floats, most: float, periodic: bool) -> tuple[int, float]:
    """The fewest modes over the views that hold images (views, rows, columns) but for a root mean square of `most` of
    their mean (all where none do), and the root mean square that they leave out."""
    views, mean = len(images), float(np.mean(images))
    for kept in range(1, views, 2 if periodic else 1):
        rough = _left_out(images, low_modes_over_views(views, kept, periodic))
        if rough <= most * mean:
            return kept, rough
    return views, 0.0


def _reason(alone: bool, reached: bool, unknown: bool, asked: bool, dropped_for: str) -> str:
    if not reached:
        return _ENDED
    if not alone:
        return "the bound over all views reaches the tolerance"
    if not asked:
        return "Monte Carlo alone, as asked"
    return dropped_for if unknown else "Monte Carlo alone has the smaller bound"
