"""The calibration of an ensemble of scatter networks for scans, from scans of patients that it never saw.

A scan, whole, is judged as one image, its node views side by side: as many in every scan, evenly over all its turns.
Photons correct the network only in modes over the views that are slow (slow_modes.py), where the noise of many views is
averaged: the batches that are blended and ranked are the network's images plus P (MC - NN). What the network errs by in
faster modes stays, and is in the error that the held-out scans had, so in b2 and in the error bars.
The truth of a held-out scan is Monte Carlo too, of few photons in each view. What the network errs by is smooth: the
error of a scan is taken as P (T - NN), of it the lowest third of the waves along the rows and half of those along the
columns, plus what the other modes have on average over all scans, noise taken off both.
Every scan is ranked by b2 and B_K of the other half of the patients (cross-fitted), so that all give ranks.
Neglects: how much what lies in those other modes differs from scan to scan; that scans of one patient's bodies are more
alike than those of two patients, so that ranks say less than their number (34 patients, were their bodies all alike: 1
in 35); that the image is judged by the average of both halves' b2 and B_K, not by each, so that the level of its rank
holds about, not exactly; that an error over all views is not quite that over the nodes, which are a sample of them;
that photons cannot mend what the network errs by in fast modes, so that bars are somewhat too small for scans of less
noise than held-out ones had at the same photons; protocols of one family share their ranks.
Reference: V. Vovk, Ann. Math. Artif. Intell. 74 (2015) 9, for ranks by halves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from physsim.spec.training import ScatterTraining
from physsim.surrogate.batches import Batches, Floats
from physsim.surrogate.calibration import LEAST_PATIENTS, NOVELTY_LEVEL, Calibration, HeldOut, calibrate
from physsim.surrogate.gate import GATE_LEVEL
from physsim.surrogate.pooled import low_modes_over_views
from physsim.surrogate.scatter_calibration import Arrays, by_patient, ends_of, spreads, water_mm
from physsim.surrogate.shards import PATIENT
from physsim.surrogate.slow_modes import slow_modes_of

NEEDED = ("maps", "conditions", "batches", "truth", "kvp", "turns", "periodic", PATIENT)
_SMOOTH = (2, 3)  # a part of the waves along the columns and the rows


def in_slow_modes(prior: Floats, batches: Floats, low: Floats) -> Floats:
    """(batches, views * rows, columns): the network's images (views, rows, columns) plus P (MC - NN) of each of batches
    (views, n, rows, columns)."""
    mixed = prior[:, None] + np.tensordot(low, batches - prior[:, None], 1)
    views, count, rows, columns = mixed.shape
    return np.ascontiguousarray(mixed.transpose(1, 0, 2, 3).reshape(count, views * rows, columns))


def as_one(images: Floats) -> Floats:
    """(views * rows, columns) of a scan's images (views, rows, columns)."""
    return images.reshape(-1, images.shape[-1])


def calibrated_scans(members: NDArray[np.floating], data: Arrays, spec: ScatterTraining, network: str, held_out: str
                     ) -> Calibration | None:
    """`members` (members, scans, views, rows, columns): the ensemble's, of the scans of `data` (NEEDED); None where
    these are too few for b2, or for ranks that a gate can reject by. Its budgets are histories in a scan together, its
    `turns` the fewest and the most of these scans."""
    everyone = _scans(members, data, spec)
    order = by_patient(data[PATIENT], spec.seed)
    if len(order) < max(2 * LEAST_PATIENTS, round(1.0 / (GATE_LEVEL - NOVELTY_LEVEL))):
        return None
    swapped = [n for pair in zip(order[1::2], order[0::2], strict=False) for n in pair]
    sizes, kvps = ([getattr(one, name) for one in everyone] for name in ("size_mm", "kvp"))
    halves = [calibrate([everyone[n] for n in one], network=network, held_out=held_out,
                        size_edges_mm=ends_of(np.array(sizes)), kvp_edges=ends_of(np.array(kvps)))
              for one in (order, swapped)]  # fmt: skip
    turns = data["turns"].astype(np.float64)
    return replace(crossed(*halves), turns=np.array([turns.min(), turns.max()]))


def crossed(first: Calibration, second: Calibration) -> Calibration:
    """One of two whose halves of patients gave b2 and ranks by turns."""
    shares = first.patients / np.maximum(first.patients + second.patients, 1.0)

    def mean(name: str) -> Floats:
        one, other = np.asarray(getattr(first, name)), np.asarray(getattr(second, name))
        part = shares.reshape(*shares.shape, *(1,) * (one.ndim - 2))
        return np.asarray(part * one + (1.0 - part) * other)

    def together(name: str) -> Floats:
        return np.concatenate([getattr(first, name), getattr(second, name)], axis=1)

    return replace(first, of="scans", patients=first.patients + second.patients,
                   spread_share=0.5 * (first.spread_share + second.spread_share), variance=mean("variance"),
                   covariance=mean("covariance"), noise=mean("noise"), spread=mean("spread"),
                   distances=together("distances"), ratios=together("ratios"), expected=together("expected"))


def _scans(members: NDArray[np.floating], data: Arrays, spec: ScatterTraining) -> Sequence[HeldOut]:
    guess = members.mean(axis=0, dtype=np.float64)
    lows = [slow_modes_of(len(one), float(turns), bool(closed))[0]
            for one, turns, closed in zip(guess, data["turns"], data["periodic"], strict=True)]
    judged = [_judged(*parts) for parts in zip(guess, data["truth"].astype(np.float64), lows, strict=True)]
    rest = max(float(np.mean([one[2] for one in judged])), 0.0)  # relative and squared
    found = []
    for number, (truth, noise, _) in enumerate(judged):
        views, mean = len(guess[number]), float(truth.mean())
        found.append(HeldOut(
            size_mm=float(np.median(water_mm(data["maps"][number]))), kvp=float(data["kvp"][number]),
            prior=as_one(guess[number]), truth=as_one(truth), truth_variance=noise - rest * mean**2,
            spread=float(np.median(spreads(members[:, number]))),
            looks=tuple(Batches(images=in_slow_modes(guess[number], look, lows[number]), units=float(views * units))
                        for look, units in zip(data["batches"][number].astype(np.float64), spec.scan_looks,
                                               strict=True))))
    return found


def _judged(prior: Floats, truth: Floats, low: Floats) -> tuple[Floats, float, float]:
    """Of a scan's truth (views, n, rows, columns): the network's images plus its smooth difference from the truth's
    mean; the mean square noise of that; and the mean square of the rest of the difference, noise taken off, over the
    mean, squared."""
    down, across = (low_modes_over_views(size, max(1, size // part))
                    for size, part in zip(truth.shape[-2:], _SMOOTH, strict=True))
    apart = truth - prior[:, None]
    smooth = down @ np.tensordot(low, apart, 1) @ across
    (found, noise), (left, own) = (_mean_and_noise(one) for one in (smooth, apart - smooth))
    mean = float(truth.mean())
    return prior + found, noise, (float((left**2).mean()) - own) / mean**2


def _mean_and_noise(batches: Floats) -> tuple[Floats, float]:
    """Mean over batches (views, n, rows, columns), and the mean square of its noise."""
    return batches.mean(axis=1), float(batches.var(axis=1, ddof=1).mean()) / batches.shape[1]
