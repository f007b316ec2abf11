"""What error of scatter costs: none, kernels, Monte Carlo of few and many photons, denoised, networks, hybrids.

Honest because: every estimator makes the same image, scatter on the detector's pixels of patients that no training has
seen, from the same voxels to the same array, on one thread, in CPU seconds; all that it needs for a new patient counts
(cells, maps, importance), what a session makes once does not (weights, kernels' tables: a first call, not timed).
Errors are e_S over all pixels against Monte Carlo of other photons, whose own noise is taken off the mean square; the
error that each states stands beside. Few photons within the same seconds are the rival of all: `speed-up` is the time
that Monte Carlo takes to the same error, between its own points, over the estimator's. The denoiser is a Gaussian whose
width is the best for each image, chosen with the truth in hand: no filter of its kind does better.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import machine
from .scatter_jobs import took

AIMS = (0.4, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01)  # relative errors asked of Monte Carlo
TOLERANCES = (0.05, 0.02, 0.01)  # of hybrids
DENOISED = (0.4, 0.2, 0.1)
WIDTHS_MM = (0.0, 5.0, 10.0, 20.0, 40.0, 80.0)
TRUTH = {"chest_pa": 0.01, "chest_pa without grid": 0.005}
_NONE = "none"


def measure(quick: bool = False, patients: int = 2, weights: str | None = None,
            say: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Run all estimators on `patients` adults; `quick`: a miniature, whose figures mean nothing. Rows of each image,
    summary of each protocol and estimator, figures (speed-ups), notes and what failed."""
    told = say or (lambda text: print(text, file=sys.stderr))
    result: dict[str, Any] = {
        "kind": "pareto", "machine": machine.describe(),
        "settings": {"threads": 1, "rounds": 1, "patients": patients, "quick": quick},
        "rows": [], "figures": {}, "summary": {}, "notes": {}, "failed": [],
    }  # fmt: skip
    for name in TRUTH:
        for number in range(patients):
            told(f"{name}, patient {number}")
            result["rows"] += _image(name, number, quick, weights, result["notes"])
        summary = _summed([row for row in result["rows"] if row["job"] == name])
        result["summary"][name] = summary
        result["figures"] |= {f"{name}: {estimator}, speed-up": one["speed_up"] for estimator, one in summary.items()
                              if "speed_up" in one}  # fmt: skip
    return result


def _image(name: str, number: int, quick: bool, weights: str | None, notes: dict[str, str]) -> list[dict[str, Any]]:
    """Rows of all estimators on one patient."""
    from scipy.ndimage import gaussian_filter

    import physsim as ps
    from physsim.imaging.body import body_box_mm
    from physsim.imaging.kernel_scatter import kernel_scattered
    from physsim.imaging.network_scatter import network_scattered, weights_for
    from physsim.imaging.primary_layers import PrimaryLayers
    from physsim.imaging.scattered import scattered
    from physsim.imaging.sub_poses import sub_poses

    grid = {"anti_scatter_grid": None, "mas": 2.0} if name.endswith("without grid") else {}
    protocol = ps.protocols.chest_pa(pixel_mm=8.0 if quick else 2.0, **grid)
    patient = ps.anatomy(sex="FM"[number % 2], age=25 + 13 * (number % 5), seed=9000 + number)
    phantom = patient.phantom(8.0 if quick else 3.0, "chest", vanishing="keep")
    box = body_box_mm(phantom)
    geometry = protocol.geometry(box, phantom.grid)
    layers = PrimaryLayers(phantom, protocol, geometry, sub_poses(protocol, box), "cpu", 1)
    seen, free = layers.seen["signal"], layers.free

    def montecarlo(aim: float, seed: int = 2) -> Any:
        return scattered(phantom, protocol, geometry, free["photons"], ps.MonteCarlo(relative_error=aim), seed=seed,
                         threads=1)  # fmt: skip

    def network(run: Any) -> Callable[[], Any]:
        networks = weights_for(run, protocol)
        return lambda: network_scattered(phantom, protocol, geometry, free["signal"], run, networks, 3, 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tolerances that are not reached stand in the rows
        exact = montecarlo(0.2 if quick else TRUTH[name], seed=1)
        truth = exact.signal[0].astype(np.float64)

        def row(estimator: str, image: Any, seconds: float, stated: float | None, **more: Any) -> dict[str, Any]:
            square = np.mean((np.asarray(image, np.float64) - truth) ** 2) / truth.mean() ** 2 - exact.errors[0] ** 2
            return {"job": name, "patient": number, "estimator": estimator, "cpu_seconds": seconds,
                    "e_s": float(np.sqrt(max(square, 0.0))), "stated": stated, **more}  # fmt: skip

        def run(estimator: str, call: Callable[[], Any]) -> dict[str, Any]:
            call()  # what a session makes once
            _, spent, made = took(call)
            word = made.verdicts[0]["word"] if made.verdicts else ""
            return row(estimator, made.signal[0], spent, made.errors[0], photons=made.histories, verdict=word)

        rows = [row(_NONE, np.zeros_like(truth), 0.0, None, photons=0, verdict="")]
        rows.append(run("kernel", lambda: kernel_scattered(phantom, protocol, geometry, seen, free["signal"], 1)))
        for aim in AIMS[:2] if quick else AIMS:
            _, spent, made = took(lambda aim=aim: montecarlo(aim))
            rows.append(row(f"Monte Carlo {100 * aim:g} %", made.signal[0], spent, made.errors[0],
                            photons=made.histories, verdict=""))  # fmt: skip
            if aim in DENOISED:
                pixel = geometry.pixel_mm[0]
                smooth = [row(f"Monte Carlo {100 * aim:g} %, denoised",
                              gaussian_filter(made.signal[0], width / pixel) if width else made.signal[0], spent, None,
                              photons=made.histories, verdict="") for width in WIDTHS_MM]  # fmt: skip
                best = min(smooth, key=lambda one: one["e_s"])
                rows.append(best)
        try:
            rows.append(run("network", network(ps.Surrogate(weights=weights))))
            for tolerance in TOLERANCES[:1] if quick else TOLERANCES:
                named = ps.Hybrid(tolerance=0.3 if quick else tolerance, weights=weights)
                rows.append(run(f"hybrid {100 * tolerance:g} %", network(named)))
        except ps.errors.InvalidInput as error:  # no torch, no weights
            notes["network"] = str(error)
    return rows


def _summed(rows: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """By estimator over patients: root of the mean square of e_S and of what is stated, mean seconds, and by how much
    faster and by how many photons' worth than Monte Carlo to the same error (None where its points do not reach)."""
    found: dict[str, dict[str, float | None]] = {}
    for name in dict.fromkeys(row["estimator"] for row in rows):
        some = [row for row in rows if row["estimator"] == name]
        stated = [row["stated"] for row in some if row["stated"] is not None]
        found[name] = {
            "e_s": float(np.sqrt(np.mean([row["e_s"] ** 2 for row in some]))),
            "stated": float(np.sqrt(np.mean(np.square(stated)))) if stated else None,
            "cpu_seconds": float(np.mean([row["cpu_seconds"] for row in some])),
            "photons": float(np.mean([row["photons"] for row in some])),
        }  # fmt: skip
    plain = [one for name, one in found.items() if name.startswith("Monte Carlo") and not name.endswith("denoised")]
    for name, one in found.items():
        if one in plain or name == _NONE:
            continue
        seconds, photons = (_at(one["e_s"], plain, of) for of in ("cpu_seconds", "photons"))
        one["speed_up"] = None if seconds is None else seconds / max(one["cpu_seconds"] or 0.0, 1e-9)
        one["equivalent_photons"] = photons
    return found


def _at(error: float | None, points: list[dict[str, Any]], of: str) -> float | None:
    """What Monte Carlo takes to an error, straight between its points in logarithms; None beyond them."""
    known = sorted((one["e_s"], one[of]) for one in points if one["e_s"] > 0.0)
    if error is None or len(known) < 2 or not known[0][0] <= error <= known[-1][0]:
        return None
    errors, values = np.log(np.array(known)).T
    return float(np.exp(np.interp(np.log(error), errors, values)))


def markdown(result: dict[str, Any]) -> str:
    """The page of one machine."""
    lines = [f"## Error of scatter against time on {result['machine']['cpu']}, one thread", "",
             machine.line(result["machine"], result["settings"]), ""]  # fmt: skip
    for job, estimators in result["summary"].items():
        lines += [f"### {job}", "", "| estimator | e_S % | stated % | CPU s | photons | speed-up | worth photons |",
                  "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
        for name, one in estimators.items():
            told = [_shown(one["e_s"], 100.0), _shown(one["stated"], 100.0), _shown(one["cpu_seconds"]),
                    _shown(one["photons"]), _shown(one.get("speed_up")), _shown(one.get("equivalent_photons"))]
            lines.append(f"| {name} | " + " | ".join(told) + " |")
        lines.append("")
    lines += [f"- {name}: {reason}" for name, reason in result["notes"].items()]
    return "\n".join(lines).rstrip() + "\n"


def _shown(value: float | None, times: float = 1.0) -> str:
    return "-" if value is None else format(value * times, ".3g")


def picture(result: dict[str, Any], path: Path) -> None:
    """Error against CPU seconds, one panel a protocol (.png)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(result["summary"]), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    kinds = {"Monte Carlo": ("#555555", "o-"), "denoised": ("#999999", "s:"), "kernel": ("#b8860b", "^"),
             "network": ("#1f5fa8", "D"), "hybrid": ("#c0392b", "v")}  # fmt: skip
    for axes, (job, estimators) in zip(np.atleast_1d(figure.subplots(1, len(result["summary"]))),
                                       result["summary"].items(), strict=True):  # fmt: skip
        for kind, (colour, mark) in kinds.items():
            points = [(one["cpu_seconds"], 100.0 * one["e_s"]) for name, one in estimators.items()
                      if _kind(name) == kind and one["e_s"] > 0.0]  # fmt: skip
            if points:
                axes.plot(*np.array(points).T, mark, color=colour, label=kind, markersize=6)
        for name, one in estimators.items():
            if _kind(name) == "hybrid":
                axes.annotate(name.removeprefix("hybrid "), (one["cpu_seconds"], 100.0 * one["e_s"]), fontsize=7,
                              xytext=(0, -11), textcoords="offset points", ha="center", color="#c0392b")  # fmt: skip
        none = 100.0 * estimators[_NONE]["e_s"]
        axes.axhline(none, color="#888888", linewidth=1, linestyle=":")
        axes.text(0.98, none, "no scatter", fontsize=8, color="#666666", ha="right", va="bottom",
                  transform=axes.get_yaxis_transform())  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="CPU seconds an image", title=job)
        axes.grid(True, which="both", linewidth=0.3)
    first = figure.axes[0]
    first.set_ylabel("error of scatter e_S (%)")
    first.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def _kind(name: str) -> str:
    if name.endswith("denoised"):
        return "denoised"
    return next((kind for kind in ("Monte Carlo", "kernel", "network", "hybrid") if name.startswith(kind)), name)
