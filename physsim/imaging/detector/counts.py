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
from physsim.imaging.detector.charge_sharing import over_chances
from physsim.imaging.detector.count_kinds import counts_by_bin
from physsim.imaging.detector.counting import counting, pulses_by_height
from physsim.imaging.detector.pile_up import piled_up, registered_rate
from physsim.imaging.noise import poisson_counts
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_LOADS = 33  # of the table of pile-up: rate x dead time from 0 to 2
_INVERTED = 257  # loads at which the law of dead time is inverted
_HIGHEST_LOAD = 50.0  # of a nonparalysable detector, whose counts end at one a dead time
_BLOCK = 1 << 13
_ROUNDS, _CLOSE = 30, 2e-5  # of the mean bin of true counts


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
    """Registered over true counts by bin, (beams, loads, bins), at loads (rate x dead time) of equal steps from 0 on.

    mean_bin: (beams,) rising mean number of the bins of each beam's true counts; a pixel is between the two nearest.
    """

    mean_bin: Floats
    ratio: Floats
    load_step: float

    def place(self, load: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Of loads (...): the step of the table below, and the share of the step from there on."""
        step = np.clip(load / self.load_step, 0.0, self.ratio.shape[1] - 1.001)
        low = step.astype(np.int64)
        return low, step - low

    def at(self, low: NDArray[np.int64], along: Floats, mean_bin: Floats) -> Floats:
        """(bins, ...) at places along the loads and mean bins of true counts (...), between the nearest beams."""
        beams, loads, bins = self.ratio.shape
        beam = np.clip(np.interp(mean_bin, self.mean_bin, np.arange(beams)), 0.0, beams - 1.0)
        first = np.minimum(beam.astype(np.int64), max(beams - 2, 0))
        across, here = beam - first, first * loads + low
        step = loads if beams > 1 else 0
        corners = [(here, (1.0 - across) * (1.0 - along)), (here + 1, (1.0 - across) * along),
                   (here + step, across * (1.0 - along)), (here + (step + 1), across * along)]
        found = np.zeros((bins, *low.shape))
        for number in range(bins):
            values = np.ascontiguousarray(self.ratio[:, :, number]).ravel()
            for place, weight in corners:
                found[number] += weight * values.take(place)
        return found

    def ratios(self, load: Floats, share: Floats, kept: Floats) -> Floats:
        """(bins, ...) at `load` (...) for shares of the bins in true counts (bins, ...), so scaled that of all counts
        `kept` (...) is left: what the law of dead time says, whatever the heights of pulses."""
        flat, shares, left = np.empty((len(share), load.size)), share.reshape(len(share), -1), kept.ravel()
        for some in _blocks(load.size):
            found = self.at(*self.place(load.ravel()[some]), _mean_bin(shares[:, some]))
            flat[:, some] = found * (left[some] / np.maximum((found * shares[:, some]).sum(axis=0), 1e-30))
        return flat.reshape(share.shape)

    def true_shares(self, load: Floats, seen: Floats) -> Floats:
        """Shares of the bins in true counts (bins, n) at loads (n,), whose registered shares are `seen` (bins, n).

        They are `seen` over the ratios at their own mean bin: one number, found by the secants' rule.
        """
        found = np.empty_like(seen)
        for some in _blocks(load.size):
            found[:, some] = self._true_shares(load[some], seen[:, some])
        return found

    def _true_shares(self, load: Floats, seen: Floats) -> Floats:
        low, along = self.place(load)
        found, left = seen.copy(), np.arange(load.size)
        guess = before = _mean_bin(seen)
        off_before = before
        for turn in range(_ROUNDS):
            some = seen[:, left]
            found[:, left] = new = _shares(some / np.maximum(self.at(low[left], along[left], guess), 1e-6))
            after = _mean_bin(new)
            off = after - guess
            if turn:
                bent = off - off_before
                steep = np.abs(bent) > 1e-12
                secant = guess - off * (guess - before) / np.where(steep, bent, 1.0)
                after = np.clip(np.where(steep, secant, after), 0.0, len(seen) - 1.0)
            far = np.abs(off) > _CLOSE
            left, before, off_before, guess = left[far], guess[far], off[far], after[far]
            if not left.size:
                break
        return found


def pile_up_table(detector: Detector, energies_kev: Floats, photons: Floats, step_kev: float = 2.0) -> PileUpTable:
    """What pile-up makes of the bins, for beams of `photons` (E,) or (beams, E) that arrive. Refused without dead
    time."""
    readout = counting(detector)
    if readout.dead_time_ns == 0.0:
        raise InvalidInput(message("dead_time_ns=0", "pulses do not pile up", "Leave the table out."))
    pulses = pulses_by_height(detector, energies_kev, step_kev)
    place = step_kev * (np.arange(pulses.shape[1]) + 0.5)
    number = np.searchsorted(np.array(readout.thresholds_kev), place, side="right") - 1
    bins = len(readout.thresholds_kev)
    loads = 2.0 * np.arange(_LOADS) / (_LOADS - 1)

    def by_bin(spectrum: Floats) -> Floats:
        found = np.bincount(number[number >= 0], weights=spectrum[number >= 0], minlength=bins)
        return np.asarray(found, np.float64)

    made = []
    for beam in np.atleast_2d(np.asarray(photons, np.float64)):
        heights = over_chances(beam, pulses)
        heights = heights / heights.sum()
        true = np.maximum(by_bin(heights), 1e-12)
        rows = [by_bin(piled_up(detector, load / readout.dead_s, heights)) * readout.dead_s / load / true
                for load in loads[1:]]
        made.append((float((true * np.arange(bins)).sum()), np.stack([np.ones(bins), *rows])))
    made.sort(key=lambda one: one[0])
    return PileUpTable(np.array([mean for mean, _ in made]), np.stack([ratio for _, ratio in made]), float(loads[1]))


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
    bins, as it does for those of the table's beams whose bins are as full. The same bits for any threads. Raises
    InvalidInput for other shapes.
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
    load *= readout.dead_s / readout.frame_s / detector.cells_per_pixel
    kept = np.ones_like(load)
    if readout.dead_time_ns > 0.0:
        some = np.maximum(load, 1e-12)
        kept = registered_rate(detector, some / readout.dead_s) * readout.dead_s / some
    counts = np.zeros((bins, *true.shape[1:]), np.float32)
    left = true * kept.astype(np.float32)
    if table is not None:
        left = _thinned(kinds, true, table.ratios(load, _shares(counts_by_bin(kinds, true)), kept))
    for kind, one in zip(kinds, left, strict=True):
        if one.any():
            _draw(counts, kind, one, _leaves(detector), seed, first_view, threads)
    pulses = float(load.sum())
    lost = 0.0 if pulses == 0.0 else 1.0 - float((load * kept).sum()) / pulses
    many = int(np.count_nonzero(load > 1.0)) if readout.pile_up == "paralysable" else 0
    return Counted(counts=counts, lost=lost, paralysed=many)


def _thinned(kinds: NDArray[np.int64], rates: Images, ratios: Floats) -> Images:
    """Rates of events whose counts by bin are those of `rates` times each bin's ratio: events of several counts keep
    the least of theirs, and what their bins are owed beyond comes as events of one count."""
    left = rates.copy()
    for number, (kind, one) in enumerate(zip(kinds, rates, strict=True)):
        if kind.sum() > 1:
            left[number] = one * np.minimum.reduce([ratios[n] for n in np.flatnonzero(kind)])
    for number, kind in enumerate(kinds):
        if kind.sum() == 1:
            own = int(kind.argmax())
            left[number] = rates[number] * ratios[own]
            for k in np.flatnonzero((kinds[:, own] > 0) & (kinds.sum(axis=1) > 1)):
                left[number] += np.float32(kinds[k, own]) * (rates[k] * ratios[own] - left[k]).astype(np.float32)
    return np.maximum(left, np.float32(0.0))


def expected_counts(detector: Detector, kinds: NDArray[np.int64], rates: Images) -> Images:
    """(bins, views, rows, columns) mean counts of `rates` as in counted_images, without dead time: where the counts
    of an event lie."""
    counts = np.zeros((kinds.shape[1], *rates.shape[1:]), np.float32)
    for kind, one in zip(kinds, rates, strict=True):
        for _, share, places, axis in _ways(kind, _leaves(detector)):
            _lay(counts, one * np.float32(share), places, axis)
    return counts


def corrected_counts(detector: Detector, counts: Images, table: PileUpTable | None) -> tuple[Images, int]:
    """Registered counts (bins, ...) to those that would have been without dead time, on average; and how many pixels
    and views register as many as no rate below one pulse a dead time does, which are taken at that rate.

    All counts by the law of dead time turned round; the bins' shares by PileUpTable.true_shares.
    """
    readout = counting(detector)
    if readout.dead_time_ns == 0.0:
        return counts, 0
    steps = np.linspace(0.0, 1.0, _INVERTED)  # fine where the law is flat
    loads = 1.0 - (1.0 - steps) ** 2 if readout.pile_up == "paralysable" else _HIGHEST_LOAD * steps**2
    registered = registered_rate(detector, loads / readout.dead_s) * readout.dead_s
    per_load = readout.dead_s / readout.frame_s / detector.cells_per_pixel
    whole = counts.sum(axis=0, dtype=np.float64)
    load = np.interp(whole * per_load, registered, loads)
    kept = np.where(load > 0.0, np.interp(load, loads, registered) / np.where(load > 0.0, load, 1.0), 1.0)
    many = int(np.count_nonzero(whole * per_load > registered[-1]))
    share = _shares(counts)
    if table is not None:
        share = table.true_shares(load.ravel(), share.reshape(len(share), -1)).reshape(counts.shape)
    return np.asarray(share * (whole / kept), np.float32), many


def _blocks(count: int) -> list[slice]:
    """Parts of so many pixels that fit into a core's cache."""
    return [slice(first, first + _BLOCK) for first in range(0, count, _BLOCK)]


def _mean_bin(share: Floats) -> Floats:
    """(...) mean number of the bins, of their shares (bins, ...)."""
    mean = np.zeros(share.shape[1:])
    for number in range(1, len(share)):
        mean += number * share[number]
    return mean


def _shares(counts: Images | Floats) -> Floats:
    """(bins, ...) of the sum over bins; none where it is 0."""
    whole = counts.sum(axis=0, dtype=np.float64)
    return np.asarray(counts / np.where(whole > 0.0, whole, 1.0))


def _leaves(detector: Detector) -> tuple[float, float]:
    """Chances that a count in the next cell along a column, and along a row, lies in another pixel."""
    (cell_x, cell_y), (pixel_x, pixel_y) = detector.cell_mm, detector.pixel_mm
    return cell_y / pixel_y, cell_x / pixel_x


def _ways(kind: NDArray[np.int64], leaves: tuple[float, float]) -> list[tuple[str, float, tuple[int, ...], int]]:
    """How the counts of an event may lie: name of its random stream, chance, bins, and the axis along which each next
    count is a pixel further (0: all in one pixel). Half of the events lie along a column, half along a row."""
    bins = tuple(number for number, times in enumerate(kind.tolist()) for _ in range(times))
    name = "counts " + " ".join(map(str, bins))
    if len(bins) == 1:
        return [(f"{name} along 1", 1.0, bins, 0)]
    apart = [(f"{name} along {axis}", 0.5 * leaves[axis - 1], bins, axis) for axis in (1, 2)]
    inside = 1.0 - 0.5 * (leaves[0] + leaves[1])
    return apart + ([(f"{name} in one", inside, bins, 0)] if inside > 1e-9 else [])


def _draw(counts: Images, kind: NDArray[np.int64], rate: Images, leaves: tuple[float, float], seed: int,
          first_view: int, threads: int | None) -> None:
    """Adds events of one kind to `counts`."""
    for name, share, bins, axis in _ways(kind, leaves):
        drawn = poisson_counts(rate * np.float32(share), seed=seed, stream=name, first_view=first_view, threads=threads)
        _lay(counts, drawn, bins, axis)


def _lay(counts: Images, events: Images, bins: tuple[int, ...], axis: int) -> None:
    """The first count here, the next ones in the pixels after, before, and two after it along `axis`."""
    for number, step in zip(bins, (0, 1, -1, 2), strict=False):
        counts[number] += events if step == 0 or axis == 0 else _moved(events, step, axis)


def _moved(image: Images, step: int, axis: int) -> Images:
    """Moved by pixels. What leaves at one edge is lost; at the other as much comes in as the edge's pixels have."""
    moved = np.roll(image, step, axis)
    edge = slice(0, step) if step > 0 else slice(step, None)
    there = tuple(edge if a == axis else slice(None) for a in range(3))
    moved[there] = image[there]
    return moved
