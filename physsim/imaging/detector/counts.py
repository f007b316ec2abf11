"""Images of a counting detector: Poisson counts by bin, with those that one photon leaves in several pixels.

Photons that leave one, two or more counts are Poisson processes of their own (events.py). An event puts its first count
into the pixel, the others into neighbours, so that counts have the means, and sums over many pixels the variances and
covariances between bins, of the response: noise at zero frequency is right. Dead time takes counts away (pile_up.py).

Neglects: where the other counts lie but for "in the neighbours of a row or a column"; registered counts are drawn as
Poisson counts, though dead time makes them vary less (pile_up.variance_over_mean).
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
    kinds: NDArray[np.int64],
    rates: Images,
    *,
    seed: int,
    first_view: int = 0,
    table: PileUpTable | None = None,
    threads: int | None = None,
) -> Counted:
    """Counts of a scan from `rates` (kinds, views, rows, columns): mean events of each of CountEvents.kinds that
    photons at the pixel make, mean photons times CountEvents.rates.

    Dead time takes its part by the pixel's own rate of counts; with `table` it also shifts counts to higher bins, as it
    does for that table's beam. The same bits for any threads. Raises InvalidInput for other shapes.
    """
    readout = counting(detector)
    true = np.asarray(rates, np.float32)
    bins = len(readout.thresholds_kev)
    if true.ndim != 4 or kinds.shape != (len(true), bins):
        raise InvalidInput(message(f"rates of shape {true.shape} of {kinds.shape} kinds",
                                   f"this detector has {bins} bins",
                                   "Give CountEvents.kinds and (kinds, views, rows, columns)."))
    load = np.zeros(true.shape[1:])
    for kind, one in zip(kinds, true, strict=True):
        load += float(kind.sum()) * one
    load *= readout.dead_s / readout.frame_s
    kept = np.ones_like(load)
    if readout.dead_time_ns > 0.0:
        some = np.maximum(load, 1e-12)
        kept = registered_rate(detector, some / readout.dead_s) * readout.dead_s / some
    ratios = None if table is None else [table.at(load, n) for n in range(bins)]
    counts = np.zeros((bins, *true.shape[1:]), np.float32)
    for kind, one in zip(kinds, true, strict=True):
        if not one.any():
            continue
        ratio = kept
        if ratios is not None:
            ratio = np.asarray(sum(int(n) * part for n, part in zip(kind, ratios, strict=True)) / kind.sum())
        _draw(counts, kind, one * ratio.astype(np.float32), seed, first_view, threads)
    pulses = float(load.sum())
    lost = 0.0 if pulses == 0.0 else 1.0 - float((load * kept).sum()) / pulses
    many = int(np.count_nonzero(load > 1.0)) if readout.pile_up == "paralysable" else 0
    return Counted(counts=counts, lost=lost, paralysed=many)


def _draw(
    counts: Images, kind: NDArray[np.int64], rate: Images, seed: int, first_view: int, threads: int | None
) -> None:
    """Adds events of one kind: the first count here, the next ones in the pixels after, before, and two after it."""
    places = [number for number, times in enumerate(kind.tolist()) for _ in range(times)]
    name = "counts " + " ".join(map(str, places))
    axes = (1,) if len(places) == 1 else (1, 2)  # half of the events lie along a column, half along a row
    for axis in axes:
        drawn = poisson_counts(rate * np.float32(1.0 / len(axes)), seed=seed, stream=f"{name} along {axis}",
                               first_view=first_view, threads=threads)
        for number, step in zip(places, (0, 1, -1, 2), strict=False):
            counts[number] += drawn if step == 0 else _moved(drawn, step, axis)


def _moved(image: Images, step: int, axis: int) -> Images:
    """Moved by pixels. What leaves at one edge is lost; at the other as much comes in as the edge's pixels have."""
    moved = np.roll(image, step, axis)
    edge = slice(0, step) if step > 0 else slice(step, None)
    there = tuple(edge if a == axis else slice(None) for a in range(3))
    moved[there] = image[there]
    return moved
