"""Images of a counting detector: Poisson counts by bin, with those that one photon leaves in several pixels.

Photons that leave one, two or more counts are Poisson processes of their own (events.py). An event puts its first count
into the pixel, the others into neighbours, so that counts have the means, and sums over many pixels the variances and
covariances between bins, of the response: noise at zero frequency is right. Dead time takes counts away (pile_up.py).
All counts of a pixel are drawn, thinned and corrected in one pass (kernels/detect/count_noise.h, dead_time.h).

Neglects: where the other counts lie but for "in the neighbours of a row or a column"; registered counts are drawn as
Poisson counts, though dead time makes them vary less (pile_up.variance_over_mean).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.detector.counting import counting
from physsim.imaging.detector.pile_up_table import PileUpTable
from physsim.imaging.noise import check_means
from physsim.portable import exp
from physsim.randomness import checked_seed, stream_number
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Way = tuple[float, tuple[int, ...], int]

_INVERSES = 257  # of the law of dead time turned round
_HIGHEST_LOAD = 50.0  # of a nonparalysable detector, whose counts end at one a dead time
_STEPS = (0, 1, -1, 2)  # pixels from the first count of an event to each


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts (bins, views, rows, columns) float32, whole numbers. lost: share of the pulses that dead time took.
    paralysed: pixels and views of more than one pulse a dead time, where a paralysable detector counts the less the
    more arrive."""

    counts: Images
    lost: float
    paralysed: int


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

    Dead time takes its part by the rate of counts of a pixel's cells; with `table` it also shifts counts to higher
    bins, as it does for those of the table's beams whose bins are as full: events of several counts keep the least of
    theirs, and what their bins are owed beyond comes as events of one count. The same bits for any threads and CPU.
    Raises InvalidInput for other shapes, negative and missing rates.
    """
    readout = counting(detector)
    true = np.ascontiguousarray(rates, np.float32)
    bins = len(readout.thresholds_kev)
    if true.ndim != 4 or kinds.shape != (len(true), bins):
        raise InvalidInput(message(f"rates of shape {true.shape} of {kinds.shape} kinds",
                                   f"this detector has {bins} bins",
                                   "Give CountEvents.kinds and (kinds, views, rows, columns)."))
    check_means("rates", true)
    found = [(number, way) for number, kind in enumerate(kinds) for way in _ways(kind, _leaves(detector))]
    places = [(number, bin_, step, axis) for number, (_, (_, bins_, axis)) in enumerate(found)
              for bin_, step in zip(bins_, _STEPS, strict=False)]
    counts = np.zeros((bins, *true.shape[1:]), np.float32)
    load, registered, loaded = _engine.count_noise(
        true, np.ascontiguousarray(kinds, np.int32), np.array([number for number, _ in found], np.int32),
        np.array([share for _, (share, _, _) in found], np.float32), np.array(places, np.int32),
        _load_per_count(detector), *_law(detector, table), counts, checked_seed(seed), stream_number("counts"),
        first_view, thread_count(threads), instruction_set())
    return Counted(counts=counts, lost=1.0 - registered / load if load > 0.0 else 0.0,
                   paralysed=loaded if readout.pile_up == "paralysable" else 0)


def expected_counts(detector: Detector, kinds: NDArray[np.int64], rates: Images) -> Images:
    """(bins, views, rows, columns) mean counts of `rates` as in counted_images, without dead time: where the counts
    of an event lie."""
    counts = np.zeros((kinds.shape[1], *rates.shape[1:]), np.float32)
    for kind, one in zip(kinds, rates, strict=True):
        for share, bins, axis in _ways(kind, _leaves(detector)):
            events = one * np.float32(share)
            for number, step in zip(bins, _STEPS, strict=False):
                counts[number] += events if step == 0 or axis == 0 else _moved(events, step, axis)
    return counts


def corrected_counts(detector: Detector, counts: Images, table: PileUpTable | None, threads: int | None = None
                     ) -> tuple[Images, int]:
    """Registered counts (bins, ...) to those that would have been without dead time, on average; and how many pixels
    and views register as many as no rate below one pulse a dead time does, which are taken at that rate.

    All counts by the law of dead time turned round; the bins' shares are the registered ones over the ratios of
    `table` at their own mean bin, found by the secants' rule. The same bits for any threads and CPU.
    """
    readout = counting(detector)
    if readout.dead_time_ns == 0.0:
        return counts, 0
    seen = np.ascontiguousarray(counts, np.float32)
    out = np.empty_like(seen)
    most, inverse = _inverse_law(readout.pile_up == "paralysable")
    many = _engine.without_dead_time(
        seen.reshape(len(seen), -1), _load_per_count(detector), most, inverse, *_law(detector, table),
        out.reshape(len(seen), -1), thread_count(threads), instruction_set())
    return out, many


def _load_per_count(detector: Detector) -> float:
    """Dead times that a pulse of a pixel takes of the time of a view of its cells; 0 without dead time."""
    readout = counting(detector)
    return readout.dead_s / readout.frame_s / detector.cells_per_pixel


def _law(detector: Detector, table: PileUpTable | None) -> tuple[bool, Images, Images, float]:
    """Whether dead time paralyses; mean bins (beams,), ratios (beams, loads, bins) and step of the loads of pile-up."""
    paralysable = counting(detector).pile_up == "paralysable"
    if table is None:
        return paralysable, np.zeros(0, np.float32), np.zeros((0, 0, 0), np.float32), 1.0
    return (paralysable, table.mean_bin.astype(np.float32), np.ascontiguousarray(table.ratio, np.float32),
            table.load_step)


@lru_cache(maxsize=2)
def _inverse_law(paralysable: bool) -> tuple[float, Images]:
    """The most pulses that are registered a dead time, m, and the loads (n,) that register m (1 - s^2) at equal steps
    of s from 0 to 1: near the most a load changes as s does."""
    if not paralysable:
        most = _HIGHEST_LOAD / (1.0 + _HIGHEST_LOAD)
        registered = most * (1.0 - np.linspace(0.0, 1.0, _INVERSES) ** 2)
        return most, (registered / (1.0 - registered)).astype(np.float32)
    most = float(exp(-1.0))
    registered = most * (1.0 - np.linspace(0.0, 1.0, _INVERSES) ** 2)
    low, high = np.zeros(_INVERSES), np.ones(_INVERSES)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = middle * exp(-middle) < registered
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return most, high.astype(np.float32)


def _leaves(detector: Detector) -> tuple[float, float]:
    """Chances that a count in the next cell along a column, and along a row, lies in another pixel."""
    (cell_x, cell_y), (pixel_x, pixel_y) = detector.cell_mm, detector.pixel_mm
    return cell_y / pixel_y, cell_x / pixel_x


def _ways(kind: NDArray[np.int64], leaves: tuple[float, float]) -> list[Way]:
    """How the counts of an event may lie: chance, bins, and the axis along which its counts lie in the pixels _STEPS
    further (0: all in one pixel). Half of the events lie along a column, half along a row."""
    bins = tuple(number for number, times in enumerate(kind.tolist()) for _ in range(times))
    if len(bins) == 1:
        return [(1.0, bins, 0)]
    apart = [(0.5 * leaves[axis - 1], bins, axis) for axis in (1, 2)]
    inside = 1.0 - 0.5 * (leaves[0] + leaves[1])
    return apart + ([(inside, bins, 0)] if inside > 1e-9 else [])


def _moved(image: Images, step: int, axis: int) -> Images:
    """Moved by pixels. What leaves at one edge is lost; at the other as much comes in as the edge's pixels have."""
    moved = np.roll(image, step, axis)
    edge = slice(0, step) if step > 0 else slice(step, None)
    there = tuple(edge if a == axis else slice(None) for a in range(3))
    moved[there] = image[there]
    return moved
