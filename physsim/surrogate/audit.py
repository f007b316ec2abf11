"""What an audit says of a hybrid: how often its guarantees hold, what its gate lets through, and where it errs most.

Needs no network: only images delivered, their verdicts, and truths that were made by other photons. The truth's own
noise is taken off each mean square error, which is then unbiased; what is left of it is a spread, which coverage is
freed of (judged_coverage). Limits are of patients whose views are alike (limits).
Neglects: that spread where a network's error is compared with the tolerance (the zoo's members that exceed it), and in
each view's own e_S, the root of what is left; means of these are put right, by one factor for all subgroups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.surrogate.calibration import Calibration
from physsim.surrogate.judged_coverage import Judged, held_share, pooled_freedom, root_factor
from physsim.surrogate.limits import limits_over, share_over
from physsim.surrogate.shards import PATIENT

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MODES = ("fast", "certified", "unbiased")  # in which every view is decided; the zoo's in the first alone
WORDS = ("CERTIFIED", "BLENDED", "REJECTED")
REFUSED, IN_DOMAIN = -1, -1  # a word, and a kind
_OF_MODES = ("word", "guarantee", "bound", "p_value", "weight", "units", "reached", "seconds", "along")
FIGURES = ("size_mm", "in_range", "size_bin", "kvp_bin", "noise_of_a_unit", "truth_units", "truth_freedom",
           "same_photons_square", "guess_seconds", "truth_seconds",
           *(f"{mode}_{name}" for mode in MODES for name in _OF_MODES))
_GRID_RATIO = 5  # among the numbers `drawn`


def audit_figures(views: Arrays, calibration: Calibration, tolerance: float, level: float,
                  subgroups: Mapping[str, Mask], kinds: Sequence[str]) -> dict[str, Any]:
    """All figures of an audit, as plain data.

    views: arrays of AuditCases, in-domain ones and the zoo's; `subgroups`: of the in-domain ones, by name; kinds: the
    zoo's, by number. Meaning of each figure: docs/hybrid.md.
    """
    inside = views["kind"] == IN_DOMAIN
    delivered_to = figure(views, "fast_word") != REFUSED
    own, zoo = _some(views, inside & delivered_to), _some(views, ~inside)
    subgroups = {name: some[delivered_to[inside]] for name, some in subgroups.items()}
    delivered = true_errors(own, "fast") * root_factor(judged_by_truth(own, "fast"))
    network = true_errors(own, "network")
    groups = {name: {"cases": int(some.sum()), "e_s": float(delivered[some].mean()),
                     "network_e_s": float(np.sqrt((network[some] ** 2).mean())),
                     "coverage": float(holding(own, "fast")[some].mean())}
              for name, some in subgroups.items() if some.any()}
    guarantees = {word: coverage(_some(own, _said(own, mode, word)), mode)
                  for word, mode in (("CERTIFIED", "certified"), ("BLENDED", "fast"), ("REJECTED", "fast"))}
    photons = {"photons_per_view_hybrid": float(figure(own, "fast_units").mean()),
               "photons_per_view_montecarlo": float(_alone(own, "units").mean()),
               "photons_per_view_truth": float(figure(own, "truth_units").mean())}
    seconds = figure(own, "guess_seconds") + figure(own, "fast_seconds"), _alone(own, "seconds")
    return {
        "guarantees": guarantees,
        "mean_e_s": float(delivered.mean()), "worst_subgroup_e_s": max(one["e_s"] for one in groups.values()),
        "network_e_s": float(np.sqrt((network**2).mean())),
        "worst_subgroup_network_e_s": max(one["network_e_s"] for one in groups.values()),
        "same_photons_e_s": float(np.sqrt(np.maximum(figure(own, "same_photons_square") - truth_squares(own), 0.0)
                                          / truth_means(own) ** 2).mean()),
        "bias": {name: _bias(own, name) for name in ("network", *MODES[:2])},
        "refused": int((inside & ~delivered_to).sum()),
        "gate_false_rate": float(dropped(own).mean()),
        "gate_false_rate_upper_95": share_over(dropped(own), own[PATIENT])[1],
        "out_of_range_rate": float((figure(own, "in_range") == 0.0).mean()),
        **_zoo_figures(zoo, calibration, tolerance, level, kinds),
        "seconds_per_view_hybrid": float(seconds[0].mean()), "seconds_per_view_montecarlo": float(seconds[1].mean()),
        "seconds_per_view_truth": float(figure(own, "truth_seconds").mean()), **photons,
        "words": {mode: _words(own, mode) for mode in MODES}, "subgroups": groups,
    }


def coverage(views: Arrays, mode: str) -> dict[str, Any]:
    """How many of the guarantees of a mode hold as the truths say (`covered`, `coverage`), the share that would without
    their noise (`coverage_extrapolated`), its standard error and its one-sided limits; `truth_noise`: median over the
    guarantee. None where there are none."""
    holds, judged = holding(views, mode), judged_by_truth(views, mode)
    patients = len(np.unique(judged.patient))
    found = {"cases": len(holds), "covered": int(holds.sum()), "patients": patients, "coverage": _share(holds)}
    if not len(holds):
        names = ("coverage_extrapolated", "coverage_error", "coverage_lower_95", "coverage_upper_95", "truth_noise")
        return found | dict.fromkeys(names)
    share, error = held_share(judged)
    low, high = limits_over(patients, share, error, len(holds))
    return found | {"coverage_extrapolated": share, "coverage_error": error if np.isfinite(error) else None,
                    "coverage_lower_95": low, "coverage_upper_95": high,
                    "truth_noise": float(np.sqrt(np.median(judged.noise)))}


def judged_by_truth(views: Arrays, mode: str) -> Judged:
    """Of images delivered in a mode; the truth's noise is taken to have as many parts behind equal grids."""
    unit = (figure(views, f"{mode}_guarantee") * truth_means(views)) ** 2
    noise = truth_squares(views) / unit
    freedom = pooled_freedom(noise, figure(views, "truth_freedom"), views["drawn"][:, _GRID_RATIO])
    return Judged(square=squared_errors(views, mode) / unit, noise=noise, freedom=freedom,
                  along=figure(views, f"{mode}_along") / unit**2,
                  patient=np.asarray(views[PATIENT], np.int64))


def figure(views: Arrays, name: str) -> Floats:
    """(views,) of FIGURES."""
    return np.asarray(views["figures"][:, FIGURES.index(name)], np.float64)


def true_errors(views: Arrays, image: str) -> Floats:
    """(views,) e_S of an image, the truth's noise taken off; NaN where nothing was delivered."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(np.maximum(squared_errors(views, image), 0.0)) / truth_means(views))


def squared_errors(views: Arrays, image: str) -> Floats:
    """(views,) mean square error of an image, the truth's noise taken off: unbiased, and so at times below 0."""
    apart = views[image].astype(np.float64) - views["truth"]
    return np.asarray((apart**2).mean(axis=(1, 2)) - truth_squares(views))


def truth_means(views: Arrays) -> Floats:
    """(views,) mean over places; NaN where there is no truth."""
    mean = views["truth"].astype(np.float64).mean(axis=(1, 2))
    return np.where(mean > 0.0, mean, np.nan)


def truth_squares(views: Arrays) -> Floats:
    """(views,) mean square of the truth's standard errors."""
    return np.asarray((views["truth_error"].astype(np.float64) ** 2).mean(axis=(1, 2)))


def dropped(views: Arrays) -> Mask:
    """(views,) whether the network was dropped in the fast mode: the gate fired, or size or kVp were not calibrated."""
    return np.asarray(figure(views, "fast_word") == WORDS.index("REJECTED"))


def ungated_errors(views: Arrays, calibration: Calibration, tolerance: float, level: float) -> Floats:
    """(views,) e_S that is expected of the blend that would be delivered, were there no gate: at the first of the
    calibration's budgets where its error bar reaches the tolerance, or at the last. Of views outside the calibrated
    range, which no blend is made of, the network's own."""
    alone = true_errors(views, "network")
    noise = figure(views, "noise_of_a_unit") / truth_means(views) ** 2
    bars, found = calibration.error_bars(level), []
    bins = zip(figure(views, "size_bin"), figure(views, "kvp_bin"), strict=True)
    for network, unit, (size, kvp) in zip(alone, noise, bins, strict=True):
        if size < 0.0 or not np.isfinite(unit):
            found.append(network)
            continue
        b2 = float(calibration.variance[int(size), int(kvp)])
        squares = unit / calibration.budgets
        weights = b2 / (b2 + squares)
        reached = np.flatnonzero(np.sqrt(weights * squares) * bars <= tolerance)
        look = int(reached[0]) if reached.size else len(bars) - 1
        weight = weights[look]
        found.append(float(np.hypot((1.0 - weight) * network, weight * np.sqrt(squares[look]))))
    return np.array(found)


def _alone(views: Arrays, name: str) -> Floats:
    """(views,) of Monte Carlo alone, from whichever of its first looks took less."""
    unbiased, certified = (figure(views, f"{mode}_{name}") for mode in MODES[:0:-1])
    return np.where(figure(views, "certified_weight") == 1.0, np.fmin(unbiased, certified), unbiased)


def _zoo_figures(zoo: Arrays, calibration: Calibration, tolerance: float, level: float, kinds: Sequence[str]
                 ) -> dict[str, Any]:
    """Power of the gate, and the coverage of what passed it."""
    fired, network = dropped(zoo), true_errors(zoo, "network")
    refused = figure(zoo, "fast_word") == REFUSED
    passed = ~fired & ~refused
    exceed = (ungated_errors(zoo, calibration, tolerance, level) > tolerance) & ~refused
    alone, ranged = (network > tolerance) & ~refused, figure(zoo, "in_range") == 1.0
    table = {}
    for number, name in enumerate(kinds):
        some = zoo["kind"] == number
        if some.any():
            table[name] = {"members": int(some.sum()), "refused": int(refused[some].sum()),
                           "dropped": int(fired[some].sum()),
                           "median_network_e_s": _median(network[some & ~refused]),
                           "exceed": int((exceed & some).sum()), "exceed_dropped": int((exceed & fired & some).sum()),
                           "passed": int(passed[some].sum()),
                           "passed_covered": int(holding(zoo, "fast")[passed & some].sum())}
    return {
        "gate_power": _share(fired[exceed]),
        "zoo": {"members": len(fired), "refused": int(refused.sum()), "dropped": int(fired.sum()),
                "out_of_range": int((figure(zoo, "in_range") == 0.0).sum()), "exceed": int(exceed.sum()),
                "gate_power_in_range": _share(fired[exceed & ranged]),
                "network_exceeds": int(alone.sum()), "gate_power_of_network": _share(fired[alone]),
                "not_rejected": coverage(_some(zoo, passed), "fast"),
                "rejected": coverage(_some(zoo, fired), "fast"), "kinds": table},
    }


def holding(views: Arrays, mode: str) -> Mask:
    """(views,) whether what was guaranteed in a mode is as large as the true error."""
    return np.asarray(true_errors(views, mode) <= figure(views, f"{mode}_guarantee"))


def _said(views: Arrays, mode: str, word: str) -> Mask:
    return np.asarray(figure(views, f"{mode}_word") == WORDS.index(word))


def _words(views: Arrays, mode: str) -> dict[str, int]:
    return {word: int(_said(views, mode, word).sum()) for word in WORDS}


def _bias(views: Arrays, image: str) -> dict[str, float | None]:
    """Mean over views of (mean of the image - mean of the truth) / mean of the truth; standard error over patients."""
    apart = (views[image].astype(np.float64).mean(axis=(1, 2)) / truth_means(views)) - 1.0
    own = np.array([apart[views["patient"] == one].mean() for one in np.unique(views["patient"])])
    error = float(own.std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else None
    return {"mean": float(apart.mean()), "error": error}


def _some(views: Arrays, mask: Mask) -> dict[str, NDArray[Any]]:
    return {name: values[mask] for name, values in views.items()}


def _share(found: Mask) -> float | None:
    return float(found.mean()) if len(found) else None


def _median(values: Floats) -> float | None:
    return float(np.median(values)) if len(values) else None
