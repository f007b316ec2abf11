"""Has training seen the like? How far what a network sees of a view lies from all that it was trained on.

Asks no photon: an object of another shape, metal, a body elsewhere in the beam show in the maps themselves, where the
gate of gate.py would take many photons to find what the network makes of them. Features are means of the maps over
blocks of BLOCK x BLOCK pixels, and the conditions, each over its standard deviation in training; the distance is what
is left of a view's features beyond the modes along which the training's vary most. Its p-value is the rank among views
of training patients who were left out of a fit, a FOLDS-th of all at a time: p <= x comes with probability x at most
for a patient who is exchangeable with those, up to what the fit on all patients is better than theirs (it errs to the
side of more novelty for them, so of less for others).
Neglects: what differs only along those modes (size, attenuation: calibration.py's bins, the ends of the conditions and
the gate see to these); views of one patient are more alike than those of two, so its level is one of patients.
Reference: J. E. Jackson, G. S. Mudholkar, Technometrics 21 (1979) 341, for the residual's square; R. F. Barber et al.,
Ann. Stat. 49 (2021) 486, for ranks by folds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Floats
from physsim.surrogate.gate import rank_p_value

MODES_KEPT, BLOCK, FOLDS = 256, 4, 4
QUARTER = 4  # a part of the views of a scan that must be new
_LEAST_SCALE = 1e-3  # of the features' usual spread: what never varied in training may vary a little

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False, kw_only=True)
class Novelty:
    """mean, scale: (features,) of the training's views; modes: (modes, features) integers of 8 bits, which times steps
    (modes,) are orthonormal but for their rounding; ranks: (views,) distances of views of patients left out."""

    mean: Floats
    scale: Floats
    modes: NDArray[np.int8]
    steps: Floats
    ranks: Floats

    def __post_init__(self) -> None:
        if self.mean.shape != self.scale.shape or self.modes.shape != self.steps.shape + self.mean.shape or \
                self.ranks.ndim != 1:
            raise InvalidInput(message(f"modes of shape {self.modes.shape}", f"there are {len(self.mean)} features and "
                                       f"steps of {len(self.steps)} modes", "Calibrate again."))

    def p_value(self, maps: Array, conditions: Array) -> float:
        """Of one view's maps (channels, rows, columns) and conditions (conditions,), those that training saw.

        Raises InvalidInput for maps of another number of channels or pixels.
        """
        own = features(maps[None], conditions[None])
        if own.shape[1] != len(self.mean):
            raise InvalidInput(message(f"maps of shape {maps.shape}", f"{len(self.mean)} features were calibrated",
                                       "Give the maps that the network takes."))
        return rank_p_value(float(_distances(own, self)[0]), self.ranks)


def p_value_of_many(p_values: NDArray[np.float64]) -> float:
    """Of a scan, from those of its views, however these go together: the p-value of the quarter that is newest, times
    four. Reference: B. Rueger, Metrika 25 (1978) 171; V. Vovk, R. Wang, Biometrika 107 (2020) 791.

    >>> p_value_of_many(np.array([0.001, 0.002, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9]))
    0.008
    """
    newest = -(-len(p_values) // QUARTER)
    return min(1.0, float(np.sort(p_values)[newest - 1]) * len(p_values) / newest)


def features(maps: Array, conditions: Array) -> Floats:
    """(n, features) of maps (n, channels, rows, columns) and conditions (n, conditions)."""
    count, channels, rows, columns = maps.shape
    down, across = rows // BLOCK, columns // BLOCK
    cut = maps[:, :, : down * BLOCK, : across * BLOCK]
    blocks = cut.reshape(count, channels, down, BLOCK, across, BLOCK).mean(axis=(3, 5), dtype=np.float32)
    return np.concatenate([blocks.reshape(count, -1), conditions], axis=1, dtype=np.float64)


def fit_novelty(seen: Floats, patient: NDArray[np.int64], most: int = MODES_KEPT) -> Novelty:
    """Of `features` of all views that a network was trained on, and the patient of each; `most` modes, half as many as
    views or features at most."""
    folds = np.searchsorted(np.unique(patient), patient) % FOLDS
    ranks = np.empty(len(seen))
    for fold in np.unique(folds):
        out = folds == fold
        ranks[out] = _distances(seen[out], _fitted(seen[~out], most))
    made = _fitted(seen, most)
    return replace(made, ranks=np.sort(ranks))


def _fitted(seen: Floats, most: int) -> Novelty:
    mean, scale = seen.mean(axis=0), seen.std(axis=0)
    scale = scale + max(_LEAST_SCALE * float(np.sqrt((scale**2).mean())), 1e-30)
    parts = (seen - mean) / scale
    modes = np.linalg.eigh(parts.T @ parts)[1].T[::-1][: min(most, *(size // 2 for size in parts.shape))]
    steps = np.abs(modes).max(axis=1) / np.iinfo(np.int8).max
    return Novelty(mean=mean, scale=scale, modes=np.rint(modes / steps[:, None]).astype(np.int8), steps=steps,
                   ranks=np.empty(0))


def _distances(seen: Floats, of: Novelty) -> Floats:
    parts = (seen - of.mean) / of.scale
    along = (parts @ of.modes.T.astype(np.float64)) * of.steps
    return np.asarray((parts**2).sum(axis=1) - (along**2).sum(axis=1))
