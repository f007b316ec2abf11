"""What held-out patients tell of a network: its error by size and kVp, and how far it lies from few photons.

Half of the patients give b2, B_K and the shape of noise, the others the ranks: T2 and the ratios of true to expected
errors of blends. So an image's score and theirs come from one function that knows none of them, as conformal p-values
want.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import FileFormatError, InvalidInput, message
from physsim.io.hdf5 import Layer, read_layers, write_layers
from physsim.surrogate.batches import Batches, Floats, checked_prior
from physsim.surrogate.blend import blend, mean_for_truth
from physsim.surrogate.gate import (
    GATE_LEVEL,
    MODES,
    amplitudes,
    conformal_quantile,
    gate_distance,
    noise_shape,
)
from physsim.surrogate.novelty import Novelty, p_value_of_many

KIND, KIND_VERSION = "physsim calibration of a scatter network", 2
NOVELTY_LEVEL = 0.5 * GATE_LEVEL  # of in-domain images that novelty may reject, out of the gate's
LEAST_PATIENTS = 30  # of a bin, or its b2 is not believed
# Layers of the file: unit and axes of each.
_LAYERS = {
    "size_edges_mm": ("mm", ("edge",)), "kvp_edges": ("kV", ("edge",)), "patients": ("", ("size", "kvp")),
    "variance": ("", ("size", "kvp")), "covariance": ("", ("size", "kvp", "mode", "mode")),
    "noise": ("", ("size", "kvp", "mode", "mode")), "spread": ("", ("size", "kvp")), "spread_share": ("", ("all",)),
    "budgets": ("", ("look",)), "distances": ("", ("look", "patient")), "ratios": ("", ("look", "patient")),
    "expected": ("", ("look", "patient")),
}  # fmt: skip
_NOVELTY = {"novelty_mean": ("", ("feature",)), "novelty_scale": ("", ("feature",)),
            "novelty_modes": ("", ("mode", "feature")), "novelty_steps": ("", ("mode",)),
            "novelty_ranks": ("", ("view",))}  # all of them or none
_TURNS = {"turns": ("", ("end",))}  # of scans; those of earlier files were of one turn at most


@dataclass(frozen=True, eq=False, kw_only=True)
class HeldOut:
    """A patient that training never saw: `size_mm` (water equivalent), `kvp`, the network's image, the truth's, and
    `looks`: independent batches at each budget, growing.

    prior, truth: (rows, columns) in one unit. truth_variance: mean square standard error of the truth, in its unit
    squared, where it is Monte Carlo too. spread: e_S of the ensemble's members about their mean, 0 where there is none.
    `beside`: as in `blend`.
    """

    size_mm: float
    kvp: float
    prior: Floats
    truth: Floats
    looks: tuple[Batches, ...]
    truth_variance: float = 0.0
    spread: float = 0.0
    beside: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibration:
    """A network's error on held-out patients.

    network: hash of its weights; held_out: hash of the patients. size_edges_mm: (sizes + 1,), kvp_edges: (kvps + 1,)
    ends of the bins; patients: (sizes, kvps) how many gave b2; variance: (sizes, kvps) b2; covariance: (sizes, kvps, K,
    K) B_K; both relative to the mean of the truth and squared; spread: (sizes, kvps) mean square of the members'
    spread, spread_share: (1,) how much of b2 follows it from image to image (`factor`); noise: (sizes, kvps, K, K) its
    covariance in those modes over its mean square. budgets: (looks,) units of work at each look; `batches`:
    n at every look; distances: (looks, ranked) T2, expected: (looks, ranked) e_S of the blend as its own batches
    say; ratios: (looks, ranked) the true one over that; of the patients that gave the ranks. novelty: what training has
    seen, None where that is not known; then the gate has its whole level. of: what is held out, single views or scans,
    whose units are histories in a scan; turns: (2,) fewest and most of these.

    Raises InvalidInput where these contradict one another.
    """

    network: str
    held_out: str
    batches: int
    size_edges_mm: Floats
    kvp_edges: Floats
    patients: Floats
    variance: Floats
    covariance: Floats
    noise: Floats
    spread: Floats
    spread_share: Floats
    budgets: Floats
    distances: Floats
    ratios: Floats
    expected: Floats
    novelty: Novelty | None = None
    of: Literal["views", "scans"] = "views"
    turns: Floats = field(default_factory=lambda: np.array([0.0, 1.0]))

    def __post_init__(self) -> None:
        for name in (*_LAYERS, *_TURNS):
            object.__setattr__(self, name, np.array(getattr(self, name), np.float64))
        bins = (len(self.size_edges_mm) - 1, len(self.kvp_edges) - 1)
        looks, modes = len(self.budgets), self.covariance.shape[-1]
        ranked = self.distances.shape[-1]
        shapes = {"patients": bins, "variance": bins, "covariance": (*bins, modes, modes),
                  "noise": (*bins, modes, modes), "spread": bins, "spread_share": (1,), "distances": (looks, ranked),
                  "ratios": (looks, ranked), "expected": (looks, ranked), "turns": (2,)}  # fmt: skip
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise InvalidInput(message(f"{name} of shape {getattr(self, name).shape}", f"the others want {shape}",
                                           "Calibrate again."))
        for name in ("size_edges_mm", "kvp_edges", "budgets"):
            if not (np.diff(getattr(self, name)) > 0.0).all() or not getattr(self, name).size:
                raise InvalidInput(message(f"{name}={getattr(self, name)}", "must grow", "Sort it."))
        used = self.patients >= LEAST_PATIENTS
        least = np.linalg.eigvalsh(self.covariance)[..., 0]
        if not ranked or not (self.variance[used] > 0.0).all() or not (least[used] > 0.0).all():
            raise InvalidInput(message("calibration", "errors of a bin with patients are not above 0, or none ranked",
                                       "Calibrate with more held-out patients."))

    def bin_of(self, size_mm: float, kvp: float) -> tuple[int, int] | None:
        """The bin of a patient; None outside the calibrated range or where a bin has fewer than 30 patients."""
        found = [int(np.searchsorted(edges, value, side="right")) - 1
                 for value, edges in ((size_mm, self.size_edges_mm), (kvp, self.kvp_edges))]  # fmt: skip
        inside = all(0 <= place < size for place, size in zip(found, self.variance.shape, strict=True))
        return (found[0], found[1]) if inside and self.patients[found[0], found[1]] >= LEAST_PATIENTS else None

    @property
    def gate_level(self) -> float:
        """Of in-domain images that few photons may reject: what novelty leaves of GATE_LEVEL."""
        return GATE_LEVEL - (0.0 if self.novelty is None else NOVELTY_LEVEL)

    def unlike_any(self, maps: NDArray[np.floating], conditions: NDArray[np.floating]) -> bool:
        """Whether training has seen nothing like these maps (channels, rows, columns) and conditions (conditions,)."""
        return self.novelty is not None and self.novelty.p_value(maps, conditions) <= NOVELTY_LEVEL

    def unlike_any_scan(self, views: Iterable[tuple[NDArray[np.floating], NDArray[np.floating]]]) -> bool:
        """The same of a scan, from maps and conditions of its views."""
        if self.novelty is None:
            return False
        own = np.array([self.novelty.p_value(maps, conditions) for maps, conditions in views])
        return p_value_of_many(own) <= NOVELTY_LEVEL

    def factor(self, place: tuple[int, int], spread: float) -> float:
        """What b2 and B_K of the bin are multiplied by for an image on which the members differ by `spread`: members
        agree where the network is good. Linear in its square, 1 on average."""
        return _factor(float(self.spread_share[0]), spread, float(self.spread[place]))

    def variance_of(self, size_mm: float, kvp: float, spread: float) -> float | None:
        """b2 of such an image; None where it was not calibrated."""
        place = self.bin_of(size_mm, kvp)
        return None if place is None else self.factor(place, spread) * float(self.variance[place])

    def error_bars(self, level: float) -> Floats:
        """(looks,) what the expected e_S of a blend is multiplied by, so that it holds with probability 1 - level."""
        return np.array([conformal_quantile(row, level) for row in self.ratios])

    def distances_delivered(self, tolerance: float, level: float) -> Floats:
        """(ranked,) T2 of the held-out patients at the looks where their error bars reach `tolerance`, at the last look
        where none does."""
        reached = self.expected * self.error_bars(level)[:, None] <= tolerance
        last = np.where(reached.any(axis=0), reached.argmax(axis=0), len(reached) - 1)
        return np.asarray(self.distances[last, np.arange(len(last))])

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write an HDF5 file of layers, whole or not at all; equal calibrations give equal bytes."""
        heads = _LAYERS | (_TURNS if self.of == "scans" else {})
        layers = {name: Layer(np.asarray(getattr(self, name)), *head) for name, head in heads.items()}
        if self.novelty is not None:
            seen = {name: np.asarray(getattr(self.novelty, name.removeprefix("novelty_"))) for name in _NOVELTY}
            layers |= {name: Layer(seen[name] if seen[name].dtype == np.int8 else seen[name].astype(np.float32), *head)
                       for name, head in _NOVELTY.items()}
        write_layers(path, layers, {"kind": KIND, "version": KIND_VERSION, "network": self.network,
                                    "held_out": self.held_out, "batches": self.batches, "of": self.of}, overwrite)

    @classmethod
    def load(cls, path: str | Path, *, network: str | None = None, of: Literal["views", "scans"] = "views"
             ) -> Calibration:
        """Read a calibration; `network`: the hash of the weights that it must be of.

        Raises FileFormatError for a damaged file, one of another kind or version, of scans where views are wanted and
        the other way, and for another network's.
        """
        file = read_layers(path)
        head = dict(file.provenance)
        if head.get("kind") != KIND or head.get("version") != KIND_VERSION:
            raise FileFormatError(message(f"{path}: kind {head.get('kind')!r}, version {head.get('version')}",
                                          f"this physsim reads {KIND!r}, version {KIND_VERSION}", "Calibrate again."))
        if head.get("of", "views") != of:
            raise FileFormatError(message(f"{path}: of held-out {head.get('of', 'views')}", f"{of} are wanted",
                                          "Give the file that training wrote beside the weights."))
        if network is not None and head["network"] != network:
            raise FileFormatError(message(f"{path}: network {head['network']}", f"the weights are {network}",
                                          "Calibrate the network that you use."))
        layers = set(file.layers) - set(_TURNS)
        if layers not in (set(_LAYERS), {*_LAYERS, *_NOVELTY}) or not {"held_out", "batches"} <= set(head):
            raise FileFormatError(message(str(path), f"holds {sorted(file.layers)}", "Calibrate again."))
        try:
            seen = {name.removeprefix("novelty_"): np.array(file.layers[name].array) for name in _NOVELTY
                    if name in file.layers}
            return cls(of=of, network=str(head["network"]), held_out=str(head["held_out"]),
                       batches=int(head["batches"]), novelty=Novelty(**seen) if seen else None,
                       **{name: np.array(file.layers[name].array) for name in (*_LAYERS, *_TURNS)
                          if name in file.layers})
        except (InvalidInput, ValueError, TypeError, IndexError) as error:
            raise FileFormatError(message(str(path), str(error), "Copy it or calibrate again.")) from None


def calibrate(patients: Iterable[HeldOut], *, network: str, held_out: str, size_edges_mm: ArrayLike,
              kvp_edges: ArrayLike, modes: int = MODES) -> Calibration:
    """Calibrate a network on held-out patients, whose order must be random: every other one gives b2, B_K and noise.

    `modes`: K, the number of cosine modes that the gate looks at.

    Raises InvalidInput where looks differ in budgets or batches from patient to patient, where a patient lies outside
    the bins, or where no bin has 30 patients for b2.
    """
    everyone: Sequence[HeldOut] = tuple(patients)
    sizes, kvps = np.asarray(size_edges_mm, np.float64), np.asarray(kvp_edges, np.float64)
    budgets = {tuple(look.units for look in one.looks) for one in everyone}
    counts = {look.count for one in everyone for look in one.looks}
    if len(budgets) != 1 or len(counts) != 1 or not next(iter(budgets)):
        raise InvalidInput(message(f"{len(budgets)} sets of budgets, numbers of batches {sorted(counts)}",
                                   "ranks are among patients with the same photon budget", "Use one of each."))
    batches, bins = counts.pop(), (len(sizes) - 1, len(kvps) - 1)
    number, variance = np.zeros(bins), np.zeros(bins)
    covariance, noise = np.zeros((*bins, modes, modes)), np.zeros((*bins, modes, modes))
    spread, squares = np.zeros(bins), []
    for one in everyone[0::2]:
        place = _place(one, sizes, kvps)
        scale = mean_for_truth(one.truth, one.beside)
        error = (one.truth - checked_prior(one.prior, one.truth.shape)) / scale
        parts = amplitudes(error, modes)
        number[place] += 1
        squares.append((place, float(np.mean(error**2)) - one.truth_variance / scale**2, one.spread**2))
        variance[place] += squares[-1][1]
        spread[place] += one.spread**2
        covariance[place] += np.outer(parts, parts)
        noise[place] += sum(noise_shape(look, modes) for look in one.looks) / len(one.looks)
    used = number >= LEAST_PATIENTS
    variance[used] /= number[used]
    spread[used] /= number[used]
    for of_modes in (covariance, noise):
        of_modes[used] /= number[used][:, None, None]
        of_modes[~used] = 0.0
    variance[~used] = spread[~used] = 0.0
    share = _spread_share([(square / variance[place], own / spread[place]) for place, square, own in squares
                           if used[place] and spread[place] > 0.0 and variance[place] > 0.0])
    ranked = [one for one in everyone[1::2] if used[_place(one, sizes, kvps)]]
    if not ranked:
        raise InvalidInput(message(f"{len(everyone)} held-out patients in {number.size} bins",
                                   f"no bin has {LEAST_PATIENTS} for b2", "Give more patients or fewer bins."))
    places = [_place(one, sizes, kvps) for one in ranked]
    factors = [_factor(share, one.spread, float(spread[place])) for one, place in zip(ranked, places, strict=True)]
    scores = np.array([[_scores(one, look, factor * variance[place], factor * covariance[place], noise[place])
                        for one, place, factor in zip(ranked, places, factors, strict=True)]
                       for look in range(len(ranked[0].looks))])
    return Calibration(network=network, held_out=held_out, batches=batches, size_edges_mm=sizes, kvp_edges=kvps,
                       patients=number, variance=variance, covariance=covariance, noise=noise, spread=spread,
                       spread_share=np.array([share]),
                       budgets=np.array(budgets.pop()),
                       distances=scores[:, :, 0], ratios=scores[:, :, 1], expected=scores[:, :, 2])


def _scores(one: HeldOut, look: int, variance: float, covariance: Floats, noise: Floats) -> tuple[float, ...]:
    """T2, the blend's true error over what was expected, and that. The truth's noise is taken off the mean square of
    the error; how it chances to lie in this image is left, and widens what the ratios are spread over."""
    mixed = blend(one.prior, one.looks[look], float(variance), beside=one.beside)
    true = mean_for_truth(one.truth, one.beside)
    square = float(np.mean((mixed.image - one.truth) ** 2)) - one.truth_variance
    error = max(square, 0.0) ** 0.5 / true
    return gate_distance(one.prior, one.looks[look], covariance, noise, mixed.scale), error / mixed.error, mixed.error


_LEAST_FACTOR = 0.05  # members that agree by chance are not believed without end


def _factor(share: float, spread: float, mean_square: float) -> float:
    return max(1.0 - share + share * spread**2 / mean_square, _LEAST_FACTOR) if mean_square > 0.0 else 1.0


def _spread_share(pairs: Sequence[tuple[float, float]]) -> float:
    """Of pairs of squared errors and squared spreads, each over its mean: slope of the line through (1, 1), 0 to 1."""
    if not pairs:
        return 0.0
    errors, spreads = np.array(pairs).T - 1.0
    total = float(spreads @ spreads)
    return min(max(float(spreads @ errors) / total, 0.0), 1.0) if total > 0.0 else 0.0


def _place(one: HeldOut, sizes: Floats, kvps: Floats) -> tuple[int, int]:
    found = [int(np.searchsorted(edges, value, side="right")) - 1
             for value, edges in ((one.size_mm, sizes), (one.kvp, kvps))]  # fmt: skip
    if not (0 <= found[0] < len(sizes) - 1 and 0 <= found[1] < len(kvps) - 1):
        raise InvalidInput(message(f"held-out patient of {one.size_mm} mm at {one.kvp} kV", "lies outside every bin",
                                   "Widen the bins, or leave the patient out."))
    return found[0], found[1]
