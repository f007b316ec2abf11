"""Images of a counting detector: Poisson counts by bin, with those that one photon leaves in two pixels.

Photons that leave one count and photons that leave two are Poisson processes of their own. Those of two have as many
pairs as the response says and put one count into the pixel, the other into a neighbour (any side alike), so that counts
have the mean, and sums over many pixels the variance and covariance between bins, that the response gives: noise at
zero frequency is right. Beside it dead time takes counts away (pile_up.py).

Neglects: where a second count lies but for "a neighbour"; photons of three counts or more (three pairs stand for them);
registered counts are drawn as Poisson counts, though dead time makes them vary less (pile_up.variance_over_mean).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.counting import counting, pulse_heights
from physsim.imaging.detector.pile_up import piled_up, registered_rate
from physsim.imaging.noise import poisson_counts
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_LOADS = 33  # of the table of pile-up: rate x dead time from 0 to 2


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts (bins, views, rows, columns) float32, whole numbers. lost: share of the pulses that dead time took.
    paralysed: pixels and views of more than one pulse a dead time, where a paralysable detector counts the less the
    more arrive."""

    counts: Images
    lost: float
    paralysed: int


@dataclass(frozen=True, eq=False)
class PileUpTable:
    """Registered over true counts by bin, (loads, bins), at loads (rate x dead time) of equal steps from 0 on, for one
    beam: load_step."""

    ratio: Floats
    load_step: float

    def at(self, load: Floats, number: int) -> Floats:
        """Of bin `number` at `load` (...,); the last beyond the table."""
        return np.asarray(np.interp(load, self.load_step * np.arange(len(self.ratio)), self.ratio[:, number]))


def pile_up_table(detector: Detector, energies_kev: Floats, photons: Floats, step_kev: float = 2.0) -> PileUpTable:
    """What pile-up makes of the bins, for a beam of `photons` (E,) that arrive. Refused without dead time."""
    readout = counting(detector)
    if readout.dead_time_ns == 0.0:
        raise InvalidInput(message("dead_time_ns=0", "pulses do not pile up", "Leave the table out."))
    heights = pulse_heights(detector, energies_kev, photons, step_kev)
    place = step_kev * (np.arange(len(heights)) + 0.5)
    number = np.searchsorted(np.array(readout.thresholds_kev), place, side="right") - 1
    inside = number >= 0

    def by_bin(spectrum: Floats) -> Floats:
        found = np.bincount(number[inside], weights=spectrum[inside], minlength=len(readout.thresholds_kev))
        return np.asarray(found, np.float64)

    loads = 2.0 * np.arange(_LOADS) / (_LOADS - 1)
    true = np.maximum(by_bin(heights), 1e-12)
    rows = [by_bin(piled_up(detector, load / readout.dead_s, heights)) * readout.dead_s / load / true
            for load in loads[1:]]
    return PileUpTable(np.stack([np.ones(len(true)), *rows]), float(loads[1]))


def counted_images(
    detector: Detector,
    mean: Images,
    pairs: Images | None = None,
    *,
    seed: int,
    first_view: int = 0,
    table: PileUpTable | None = None,
    threads: int | None = None,
) -> Counted:
    """Counts of a scan from `mean` (bins, views, rows, columns): mean photons at the pixel times CountingResponse.mean.

    `pairs`: (bins, bins, views, rows, columns) photons times CountingResponse.pairs; left out, all counts are
    independent. Dead time takes its part by the pixel's own rate; with `table` it also shifts counts to higher bins, as
    it does for that table's beam. The same bits for any threads. Raises InvalidInput for other shapes, and pairs of
    more counts than there are.
    """
    readout = counting(detector)
    true = np.asarray(mean, np.float32)
    bins = len(readout.thresholds_kev)
    if true.ndim != 4 or true.shape[0] != bins:
        raise InvalidInput(message(f"mean counts of shape {true.shape}", f"this detector has {bins} bins",
                                   "Give (bins, views, rows, columns)."))
    load = true.sum(axis=0, dtype=np.float64) * (readout.dead_s / readout.frame_s)
    kept = np.ones_like(load)
    if readout.dead_time_ns > 0.0:
        some = np.maximum(load, 1e-12)
        kept = registered_rate(detector, some / readout.dead_s) * readout.dead_s / some
    ratios = [kept if table is None else table.at(load, n) for n in range(bins)]
    expected = np.stack([one * ratio for one, ratio in zip(true, ratios, strict=True)]).astype(np.float32)
    drawn = _drawn(expected, None if pairs is None else np.asarray(pairs, np.float32) * kept.astype(np.float32),
                   seed, first_view, threads)
    pulses = float(load.sum())
    lost = 0.0 if pulses == 0.0 else 1.0 - float((load * kept).sum()) / pulses
    many = int(np.count_nonzero(load > 1.0)) if readout.pile_up == "paralysable" else 0
    return Counted(counts=drawn, lost=lost, paralysed=many)


def _drawn(expected: Images, pairs: Images | None, seed: int, first_view: int, threads: int | None) -> Images:
    bins = len(expected)

    def draw(mean: Images, stream: str) -> Images:
        return poisson_counts(mean, seed=seed, stream=stream, first_view=first_view, threads=threads)

    if pairs is None:
        return np.stack([draw(expected[n], f"counts of bin {n}") for n in range(bins)])
    if pairs.shape != (bins, *expected.shape):
        raise InvalidInput(message(f"pairs of shape {pairs.shape}", f"mean counts are {expected.shape}",
                                   "Give (bins, bins, views, rows, columns)."))
    singles = expected - pairs.sum(axis=1)
    if float(singles.min()) < -1e-3 * float(expected.max()):
        raise InvalidInput(message("pairs", f"they need {-float(singles.min()):.3g} counts more than a pixel has",
                                   "Give those of CountingResponse with its mean."))
    counts = np.stack([draw(np.maximum(singles[n], np.float32(0.0)), f"counts of bin {n}") for n in range(bins)])
    for i in range(bins):
        for j in range(bins):
            if not pairs[i, j].any():
                continue
            for axis in (1, 2):  # to the next row or column: half of the pairs each, from here to there and back
                both = draw(np.maximum(pairs[i, j], np.float32(0.0)) * np.float32(0.25), f"pairs {i} {j} {axis}")
                counts[i] += both
                counts[j] += _next(both, axis)
    return counts


def _next(image: Images, axis: int) -> Images:
    """Moved by a pixel. What leaves at one edge is lost; at the other as much comes in as the edge's pixels have."""
    moved = np.roll(image, 1, axis)
    edge = tuple(slice(None) if a != axis else 0 for a in range(3))
    moved[edge] = image[edge]
    return moved

