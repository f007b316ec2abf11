"""The calibration of an ensemble of scatter networks, from the batches of patients that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.randomness import Stream
from physsim.spec.training import ScatterTraining
from physsim.surrogate.batches import Batches
from physsim.surrogate.calibration import LEAST_PATIENTS, NOVELTY_LEVEL, Calibration, HeldOut, calibrate
from physsim.surrogate.gate import GATE_LEVEL
from physsim.surrogate.novelty import features, fit_novelty
from physsim.surrogate.shards import PATIENT

Arrays = dict[str, NDArray[Any]]
SEEN = ("maps", "conditions", PATIENT)
NEEDED = ("maps", "conditions", "batches", "drawn", "scatter", "error", PATIENT)

_PER_MM = 0.02  # attenuation of water, about: sizes are compared, not measured
_ROOM = 0.05  # of the range of sizes and tube potentials, beyond the outermost patients


def water_mm(maps: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) about how much water half of the field's rays meet: maps (n, channels, rows, columns), whose first two are a
    quarter of the attenuation at two energies (imaging/scatter_maps.py)."""
    attenuation = 2.0 * maps[:, :2].astype(np.float64).sum(axis=1)
    return np.asarray(np.median(attenuation.reshape(len(maps), -1), axis=1) / _PER_MM)


def calibrated(members: NDArray[Any], data: Arrays, spec: ScatterTraining, network: str, held_out: str
               ) -> Calibration | None:
    """`members` (members, views, rows, columns): the ensemble's, of the views of `data` (NEEDED of held-out
    patients); None where these are too few for one bin of sizes, or for ranks that a gate can reject by.

    Every other patient gives b2 and B_K, the others the ranks; no patient gives both. Bins: two halves of the sizes,
    where both have enough views, and one of tube potentials.
    Neglects: that views of one patient are more alike than those of two: ranks of few patients with many views say
    less than their number.
    """
    everyone = _views(members, data, spec)
    sizes, kvps = (np.array([getattr(one, name) for one in everyone]) for name in ("size_mm", "kvp"))
    order = by_patient(data[PATIENT], spec.seed)
    if len(order) < 2 * max(LEAST_PATIENTS, round(1.0 / GATE_LEVEL)):
        return None
    edges = [ends_of(sizes)[0], float(np.median(sizes)), ends_of(sizes)[1]]
    if len(order) < 5 * LEAST_PATIENTS:
        del edges[1]
    return calibrate([everyone[n] for n in order], network=network, held_out=held_out, size_edges_mm=edges,
                     kvp_edges=ends_of(kvps))


def with_novelty(calibration: Calibration, seen: Arrays) -> Calibration:
    """The same, with what training has seen: `seen` holds maps, conditions and patients of all views trained on.

    Without it where the ranked patients are too few for a gate that shares its level.
    """
    if calibration.distances.shape[1] < round(1.0 / (GATE_LEVEL - NOVELTY_LEVEL)):
        return calibration
    return replace(calibration, novelty=fit_novelty(features(seen["maps"], seen["conditions"]), seen[PATIENT]))


def by_patient(patient: NDArray[Any], seed: int) -> list[int]:
    """Views of one half of the patients and of the other by turns, as many of both, in random order."""
    mixed = np.argsort(Stream(seed, "order of held-out views").uniform64(np.arange(len(patient)))[:, 0])
    first = set(np.unique(patient)[0::2].tolist())
    halves = ([n for n in mixed.tolist() if (patient[n] in first) == side] for side in (True, False))
    return [n for pair in zip(*halves, strict=False) for n in pair]


def spreads(members: NDArray[Any]) -> NDArray[np.float64]:
    """(views,) e_S of the members (members, views, rows, columns) about their mean; 0 where they see no scatter."""
    mean = members.mean(axis=0)
    apart = np.sqrt(((members - mean) ** 2).mean(axis=(0, 2, 3)))
    return np.asarray(apart / np.maximum(mean.mean(axis=(1, 2)), 1e-300))


def _views(members: NDArray[Any], data: Arrays, spec: ScatterTraining) -> Sequence[HeldOut]:
    guess, spread = members.mean(axis=0), spreads(members)
    sizes, found = water_mm(data["maps"]), []
    for view, batches in enumerate(data["batches"].astype(np.float64)):
        looks = tuple(Batches(images=images, units=float(units))
                      for images, units in zip(batches, spec.looks, strict=True))
        found.append(HeldOut(
            size_mm=float(sizes[view]), kvp=float(data["drawn"][view, 0]), prior=np.asarray(guess[view], np.float64),
            truth=data["scatter"][view].astype(np.float64), looks=looks,
            truth_variance=float((data["error"][view].astype(np.float64) ** 2).mean()), spread=float(spread[view])))
    return found


def ends_of(values: NDArray[np.float64]) -> list[float]:
    """Of a bin of sizes or tube potentials that holds all of them, with a little room."""
    room = _ROOM * max(float(np.ptp(values)), 1.0)
    return [float(values.min()) - room, float(values.max()) + room]
