"""The audited hybrid's decision: how many photons an image needs, and what is guaranteed of it.

At each look (a photon budget fixed beforehand) the source gives n batches of that budget together, then:

- CERTIFIED: the bound that assumes nothing of the network is at most the tolerance;
- BLENDED: the error bar, which rests on exchangeability with held-out patients, is at most the tolerance;
- REJECTED: the gate rejects what would be BLENDED: Monte Carlo goes on alone until its own bound is small enough.

The 5 % of an assumption-free bound is split over the looks that are made for it. A look is made only where the bound,
with |r| as the calibration expects it, would reach the tolerance: that depends on the batches' spread, not on their
mean, and so spends nothing. The gate is asked once, at the look that would deliver: its T2 is ranked among those of
held-out patients at the looks that would have delivered theirs. A certificate does not need it.
Where the noise alone has a smaller bound than the blend, the image certified is Monte Carlo's
(w = 1): no network makes an assumption-free bound of a single image smaller than its noise.
Neglects: that looks end sooner where the spread of few batches happens to be small (with n = 8 to 30 the bounds still
hold in 95 %, docs/hybrid.md); the error of scatter that is given as `beside`; that falsely rejected images (1 %) have
larger noise than others at the look that rejects them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Batches, Floats, checked_prior
from physsim.surrogate.blend import Blend, mean_for_truth
from physsim.surrogate.bound import LEVEL, error_bound_of, noise_bound_of, noise_modes, over_truth, spent
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.gate import GATE_LEVEL
from physsim.surrogate.held_out_looks import ERRS_MORE, HeldOutLooks, check_ranks

Word = Literal["CERTIFIED", "BLENDED", "REJECTED"]
Mode = Literal["fast", "certified", "unbiased"]
BatchSource = Callable[[float], Batches]  # units of work in all -> n batches of them together, earlier ones among them

MOST_LOOKS = 40
_ENDED = "most_units ended the run before the tolerance"


@dataclass(frozen=True, eq=False, kw_only=True)
class Verdict:
    """An image and what is guaranteed of it.

    word: CERTIFIED, BLENDED or REJECTED; image: (rows, columns) delivered; weight: of Monte Carlo in it (1: alone).
    bound: of its e_S, with probability `level` that it is larger, whatever the network is; `error_bar`: of its e_S,
    likewise, were this patient exchangeable with the held-out ones; None without calibration or where the network was
    dropped. `guarantee` is the one that the word stands for. p_value: of the gate at the look that delivered; None
    where it was not asked. units: of work spent; `looks`: made. equivalent_units: what the network was worth, 0 where
    dropped. aim_reached: False where `most_units` ended it; units_wanted: about how many the tolerance takes. network:
    hash of the weights, "" in the unbiased mode; reason: in words.
    """

    word: Word
    image: Floats = field(repr=False)
    weight: float
    bound: float
    error_bar: float | None
    p_value: float | None
    tolerance: float
    level: float
    units: float
    looks: int
    equivalent_units: float
    aim_reached: bool
    units_wanted: float
    network: str
    reason: str

    @property
    def guarantee(self) -> float:
        """The error that is stated: `error_bar` of BLENDED, else `bound`."""
        return self.error_bar if self.word == "BLENDED" and self.error_bar is not None else self.bound

    def record(self) -> dict[str, Any]:
        """All but the image, as plain data for files; figures that are infinite are left out."""
        names = ("word", "weight", "bound", "error_bar", "p_value", "tolerance", "level", "units", "looks",
                 "equivalent_units", "aim_reached", "units_wanted", "network", "reason")  # fmt: skip
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items()
                if value is not None and (not isinstance(value, float) or np.isfinite(value))}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What does not change from look to look."""

    tolerance: float
    level: float
    mode: Mode
    beside: float
    most_units: float
    network: str


@dataclass(frozen=True, eq=False, kw_only=True)
class _Look:
    """Monte Carlo's batches of one look, and their noise."""

    batches: Batches
    image: Floats
    modes: tuple[tuple[Floats, float], ...]
    scale: float

    def noise_bound(self, level: float) -> float:
        return over_truth(noise_bound_of(self.modes, level), self.scale)

    def blend_bound(self, mixed: Blend, mean_square: float, level: float) -> float:
        """Of the blend, were |r|^2 `mean_square` (in the image's unit): (1 - w) D + w Q, over the truth's mean."""
        length = (1.0 - mixed.weight) * error_bound_of(mean_square, self.modes, level) \
            + mixed.weight * noise_bound_of(self.modes, level)  # fmt: skip
        return over_truth(length, float(mixed.image.mean()) + self.scale - float(self.image.mean()))


def decide(source: BatchSource, prior: ArrayLike | None, tolerance: float, *, calibration: Calibration | None = None,
           size_mm: float = 0.0, kvp: float = 0.0, spread: float = 0.0, unknown: Sequence[str] = (),
           mode: Mode = "fast", level: float = LEVEL,
           gate_level: float = GATE_LEVEL, most_units: float = np.inf, first_units: float | None = None,
           beside: float = 0.0) -> Verdict:  # fmt: skip
    """Ask `source` for as many photons as the tolerance takes, and say what is guaranteed of the image.

    source(units): n independent batches that took `units` together, with growing units (what was simulated before may
    be among them). prior: (rows, columns) the network's image in the same unit; tolerance: e_S. `calibration` of the
    network, with the patient's size_mm and kvp: outside its bins the network is dropped; `spread`: e_S of the
    ensemble's members about their mean in this image; `unknown`: in what it lies beyond all training: dropped too.
    `mode`: "fast" ends with the first of BLENDED and CERTIFIED; "certified" asks for the bound that assumes nothing;
    "unbiased": Monte Carlo alone.
    Looks are at the calibration's budgets, then at twice as many units each; without one from `first_units` on.
    `most_units` ends what would take longer: the verdict then says so, and about how many units it would take.

    Raises InvalidInput for a tolerance that is not between 0 and 1, a mode that does not exist, a network without
    calibration, and a calibration whose ranks are too few to reject at `gate_level`.
    """
    if not 0.0 < tolerance < 1.0:
        raise InvalidInput(message(f"tolerance={tolerance}", "it is a share of the mean scatter, between 0 and 1",
                                   "Give for example 0.02."))
    if mode not in ("fast", "certified", "unbiased"):
        raise InvalidInput(message(f"mode={mode!r}", "is no mode", 'Give "fast", "certified" or "unbiased".'))
    if mode != "unbiased" and (calibration is None or prior is None):
        raise InvalidInput(message("no calibration or no network's image", f'mode "{mode}" blends a network',
                                   'Give both, or mode="unbiased".'))
    if calibration is None and not first_units:
        raise InvalidInput(message("first_units is missing", "looks must be fixed beforehand", "Give for example 1e4."))
    task = _Task(tolerance=tolerance, level=level, mode=mode, beside=beside, most_units=most_units,
                 network="" if calibration is None or mode == "unbiased" else calibration.network)  # fmt: skip
    budgets = _budgets(calibration, first_units, most_units)
    if mode == "unbiased" or calibration is None or prior is None:
        return _montecarlo(source, budgets, task, 0, None, "CERTIFIED", "Monte Carlo alone, as asked")
    place = calibration.bin_of(size_mm, kvp)
    if unknown:
        return _montecarlo(source, budgets, task, 0, None, "REJECTED", f"beyond all training: {', '.join(unknown)}")
    if place is None:
        return _montecarlo(source, budgets, task, 0, None, "REJECTED",
                           f"{size_mm:g} mm at {kvp:g} kV was not calibrated")  # fmt: skip
    check_ranks(calibration, gate_level)
    return _hybrid(source, prior, budgets, task, calibration, place, calibration.factor(place, spread), gate_level)


def _hybrid(source: BatchSource, prior: ArrayLike, budgets: list[float], task: _Task, calibration: Calibration,
            place: tuple[int, int], factor: float, gate_level: float) -> Verdict:  # fmt: skip
    """Looks at the calibration's budgets with the network; then Monte Carlo alone."""
    gates = len(calibration.budgets)
    judged = HeldOutLooks(calibration, place, factor, task.tolerance if task.mode == "fast" else None, task.level)
    variance, certified = judged.variance, 0
    for number, units in enumerate(budgets[:gates]):
        look = _look(source(units), task, calibration.batches)
        network = checked_prior(prior, look.image.shape)
        mixed, bar = judged.judge(number, network, look.batches, task.beside)
        seen = float(np.mean((look.image - network) ** 2))
        certificate = _certify(look, mixed, seen, variance, spent(task.level, certified), task.tolerance)
        certified += certificate is not None
        if certificate is not None and certificate[1] <= task.tolerance:
            weight, bound = certificate
            if task.mode == "certified" or weight < 1.0 or bar > task.tolerance:
                image = mixed.image if weight < 1.0 else look.image
                asked = judged.p_value(number, network, look.batches, task.beside)
                return _said("CERTIFIED", image, weight, bound, None if weight == 1.0 else bar, asked, look, number,
                             mixed.equivalent_units, task, True, units, "the bound reaches the tolerance")  # fmt: skip
        reached = task.mode == "fast" and bar <= task.tolerance
        if reached or number + 1 == len(budgets):
            p_value = judged.p_value(number, network, look.batches, task.beside)
            if p_value <= gate_level:
                return _montecarlo(source, budgets[number:], task, number, p_value, "REJECTED", ERRS_MORE, look,
                                   certified)
            wanted = units if reached else _wanted(look, mixed, bar, calibration, variance, task)
            return _said("BLENDED", mixed.image, mixed.weight, look.blend_bound(mixed, seen, task.level), bar, p_value,
                         look, number, mixed.equivalent_units, task, reached, wanted,
                         "the error bar reaches the tolerance" if reached else _ENDED)  # fmt: skip
    return _montecarlo(source, budgets[gates:], task, gates, None, "CERTIFIED",
                       "photons beyond the calibrated budgets: Monte Carlo alone", look, certified)  # fmt: skip


def _certify(look: _Look, mixed: Blend, mean_square: float, variance: float, level: float,
             tolerance: float) -> tuple[float, float] | None:  # fmt: skip
    """Weight and bound of the image to be certified; None where the spread of batches says that it would be in vain.

    Whether to look, and at which image, must not depend on r, of mean square `mean_square`.
    """
    if mixed.weight * mixed.noise > tolerance:  # no bound is below the noise that it holds
        return None
    alone = look.noise_bound(level)
    together = look.blend_bound(mixed, (variance + mixed.noise**2) * look.scale**2, level)
    if min(alone, together) > tolerance:
        return None
    return (1.0, alone) if alone <= together else (mixed.weight, look.blend_bound(mixed, mean_square, level))


def _wanted(look: _Look, mixed: Blend, bar: float, calibration: Calibration, variance: float,
            task: _Task) -> float:  # fmt: skip
    """About how many units the tolerance takes: by the error bar where a calibrated budget will do, else alone."""
    alone = look.batches.units * (look.noise_bound(spent(task.level, 0)) / task.tolerance) ** 2
    precision = (bar / mixed.error / task.tolerance) ** 2 - 1.0 / variance
    blended = max(look.batches.units, look.batches.units * mixed.noise**2 * precision)
    return blended if task.mode == "fast" and blended <= calibration.budgets[-1] else alone


def _montecarlo(source: BatchSource, budgets: list[float], task: _Task, before: int, p_value: float | None, word: Word,
                reason: str, seen: _Look | None = None, certified: int = 0) -> Verdict:  # fmt: skip
    """Monte Carlo alone until its noise's bound reaches the tolerance; `seen`: the last look made, if any."""
    level = spent(task.level, certified)
    for number, units in enumerate(budgets):
        look = seen if seen is not None and seen.batches.units == units else _look(source(units), task)
        bound = look.noise_bound(level)
        if bound <= task.tolerance or number + 1 == len(budgets):
            break
    reached = bound <= task.tolerance
    return _said(word, look.image, 1.0, bound, None, p_value, look, before + number, 0.0, task, reached,
                 units if reached else units * (bound / task.tolerance) ** 2,
                 reason if reached else f"{reason}; {_ENDED}")  # fmt: skip


def _look(batches: Batches, task: _Task, count: int | None = None) -> _Look:
    if count is not None and batches.count != count:
        raise InvalidInput(message(f"{batches.count} batches", f"the calibration's looks had {count}",
                                   "Ask the source for as many."))
    image = batches.mean
    return _Look(batches=batches, image=image, modes=noise_modes((batches.images,)),
                 scale=mean_for_truth(image, task.beside))


def _budgets(calibration: Calibration | None, first_units: float | None, most_units: float) -> list[float]:
    """Budgets of the looks: the calibration's, then doubled, not above most_units (which is the last look)."""
    budgets = [float(first_units or 0.0)] if calibration is None else [float(one) for one in calibration.budgets]
    while len(budgets) < MOST_LOOKS:
        budgets.append(2.0 * budgets[-1])
    kept = [one for one in budgets if one <= most_units]
    if not kept:
        raise InvalidInput(message(f"most_units={most_units:g}", f"the first look takes {budgets[0]:g}",
                                   f"Allow {budgets[0]:g} or more."))
    return kept


def _said(word: Word, image: Floats, weight: float, bound: float, bar: float | None, p_value: float | None, look: _Look,
          number: int, equivalent: float, task: _Task, reached: bool, wanted: float,
          reason: str) -> Verdict:  # fmt: skip
    if word == "CERTIFIED" and not reached:
        word = "REJECTED"  # Monte Carlo alone, with its own bound
    return Verdict(word=word, image=image, weight=weight, bound=bound, error_bar=bar, p_value=p_value,
                   tolerance=task.tolerance, level=task.level, units=look.batches.units, looks=number + 1,
                   equivalent_units=equivalent, aim_reached=reached, units_wanted=wanted, network=task.network,
                   reason=reason)
