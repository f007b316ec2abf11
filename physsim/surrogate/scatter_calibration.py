"""The calibration of an ensemble of scatter networks, from the batches of patients that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.randomness import Stream
from physsim.spec.training import FIRST_LOOK, ScatterTraining
from physsim.surrogate.batches import Batches
from physsim.surrogate.calibration import LEAST_PATIENTS, Calibration, HeldOut, calibrate

Arrays = dict[str, NDArray[Any]]
NEEDED = ("maps", "conditions", "batches", "drawn")

_PER_MM = 0.02  # attenuation of water, about: sizes are compared, not measured
_ROOM = 0.05  # of the range of sizes and tube potentials, beyond the outermost patients


def water_mm(maps: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) about how much water half of the field's rays meet: maps (n, channels, rows, columns), whose first two are a
    quarter of the attenuation at two energies (imaging/scatter_maps.py)."""
    attenuation = 2.0 * maps[:, :2].astype(np.float64).sum(axis=1)
    return np.asarray(np.median(attenuation.reshape(len(maps), -1), axis=1) / _PER_MM)


def looks_of(spec: ScatterTraining) -> list[float]:
    """Histories at each of a held-out view's looks but the last."""
    found = [float(FIRST_LOOK)]
    while 2.0 * found[-1] < spec.held_out_histories:
        found.append(2.0 * found[-1])
    return found


def calibrated(guess: NDArray[Any], data: Arrays, spec: ScatterTraining, network: str, held_out: str
               ) -> Calibration | None:
    """`guess` (views, rows, columns): the ensemble's, of the views of `data` (NEEDED of held-out patients); None where
    these are too few for one bin of sizes.

    The truth of a view is what all photons but those of its looks say. Bins: two halves of the sizes, where both have
    enough views, and one of tube potentials.
    Neglects: that views of one patient are more alike than those of two.
    """
    everyone = list(_views(guess, data, spec))
    order = np.argsort(Stream(spec.seed, "order of held-out views").uniform64(np.arange(len(everyone)))[:, 0])
    everyone = [everyone[n] for n in order]
    sizes, kvps = (np.array([getattr(one, name) for one in everyone]) for name in ("size_mm", "kvp"))
    edges = [_ends(sizes)[0], float(np.median(sizes)), _ends(sizes)[1]]
    if len(everyone) < 5 * LEAST_PATIENTS:
        del edges[1]
    if len(everyone) < 2 * LEAST_PATIENTS:
        return None
    return calibrate(everyone, network=network, held_out=held_out, size_edges_mm=edges, kvp_edges=_ends(kvps))


def _views(guess: NDArray[Any], data: Arrays, spec: ScatterTraining) -> Sequence[HeldOut]:
    budgets, sizes, found = looks_of(spec), water_mm(data["maps"]), []
    for view, batches in enumerate(data["batches"].astype(np.float64)):
        last = spec.held_out_histories * (spec.grid_times if data["drawn"][view, -1] > 0.0 else 1.0)
        rest = (last * batches[-1] - budgets[-1] * batches[-2]) / (last - budgets[-1])
        looks = tuple(Batches(images=images, units=units) for images, units in zip(batches[:-1], budgets, strict=True))
        found.append(HeldOut(
            size_mm=float(sizes[view]), kvp=float(data["drawn"][view, 0]), prior=np.asarray(guess[view], np.float64),
            truth=rest.mean(axis=0), looks=looks,
            truth_variance=float(rest.var(axis=0, ddof=1).mean()) / len(rest)))
    return found


def _ends(values: NDArray[np.float64]) -> list[float]:
    room = _ROOM * max(float(np.ptp(values)), 1.0)
    return [float(values.min()) - room, float(values.max()) + room]
