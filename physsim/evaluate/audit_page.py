"""An audit as one HTML page: what was guaranteed and held, the gate, subgroups, the zoo, and the worst views."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physsim.evaluate.plots import _BLUE, _GREY, _RED
from physsim.surrogate.audit import IN_DOMAIN, REFUSED, dropped, figure, true_errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physsim.evaluate.audit import Audit

WORST = 6  # views shown of each list
_STYLE = """body{font:15px/1.5 sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:.6em 0}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}img{max-width:100%}code{font-size:85%;overflow-wrap:anywhere}"""


def page(audit: Audit) -> str:
    """HTML that needs no other file."""
    told = audit.figures
    inside = audit.views["kind"] == IN_DOMAIN
    passed = ~inside & ~dropped(audit.views) & (figure(audit.views, "fast_word") != REFUSED)
    parts = [
        f"<h1>Audit: scatter by network and photons, single views of {html.escape(told['family'])}</h1>",
        f"<p>{told['cases']} views of {told['patients']} patients that no training has seen, {told['zoo_members']} "
        f"views of the zoo; seed {told['seed']}, tolerance {_share(told['tolerance'])}, guarantees that fail with "
        f"probability {told['level']:g}.</p>",
        *(f"<p>Failed: {html.escape(f'{number}, {why}')}</p>" for number, why in told["failed"].items()),
        _table(("guarantee", "views", "hold as seen", "share as seen", "without the truths' noise", "lower 95 %",
                "upper 95 %", "noise of the truth / guarantee"),
               [(name, *_covered(one)) for name, one in _guarantees(told).items()]),
        _picture(_coverage_plot(audit)),
        "<h2>Gate and errors</h2>", _table(("", ""), _figures(told)),
        "<h2>Error by subgroup</h2>",
        _table(("subgroup", "views", "e_S delivered", "e_S of the network", "guarantee holds"),
               [(name, str(one["cases"]), _share(one["e_s"]), _share(one["network_e_s"]), _share(one["coverage"]))
                for name, one in told["subgroups"].items()]),
        "<h2>Zoo</h2>",
        _table(("kind", "members", "refused", "network dropped", "network's median e_S", "would exceed",
                "of these dropped", "passed", "of these hold"),
               [_kind_row(name, one) for name, one in told["zoo"]["kinds"].items()]),
        _picture(_zoo_plot(audit)),
        "<h2>Worst views in domain</h2>", _worst(audit, inside),
        "<h2>Worst views of the zoo that the gate let pass</h2>", _worst(audit, passed),
        "<h2>What was audited</h2>",
        _table(("", ""), [(name, f"<code>{told[name]}</code>") for name in ("network", "zoo_sha256", "views_sha256")]),
    ]
    return f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Audit: {html.escape(told['family'])}</title>" \
           f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"


def _guarantees(told: Mapping[str, Any]) -> dict[str, Any]:
    zoo = told["zoo"]
    return {**told["guarantees"], "zoo, not rejected": zoo["not_rejected"], "zoo, rejected": zoo["rejected"]}


def _figures(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    zoo = told["zoo"]
    rows = [("network dropped in domain", f"{_share(told['gate_false_rate'])} "
                                          f"(at most {_share(told['gate_false_rate_upper_95'])})"),
            ("of these out of the calibrated range", _share(told["out_of_range_rate"])),
            (f"dropped of {zoo['exceed']} members whose blend would exceed the tolerance", _share(told["gate_power"])),
            ("the same within the calibrated range", _share(zoo["gate_power_in_range"])),
            (f"dropped of {zoo['network_exceeds']} members where the network alone exceeds it",
             _share(zoo["gate_power_of_network"])),
            ("mean e_S delivered; worst subgroup", f"{_share(told['mean_e_s'])}; {_share(told['worst_subgroup_e_s'])}"),
            ("e_S of the network alone; worst subgroup",
             f"{_share(told['network_e_s'])}; {_share(told['worst_subgroup_network_e_s'])}"),
            ("mean e_S of as many photons alone", _share(told["same_photons_e_s"]))]
    rows += [(f"bias, {name}", f"{_share(one['mean'])} +- {_share(one['error'])}")
             for name, one in told["bias"].items()]
    rows += [("CPU seconds a view: hybrid; Monte Carlo alone to the same tolerance",
              f"{told['seconds_per_view_hybrid']:.3f}; {told['seconds_per_view_montecarlo']:.3f}"),
             ("CPU seconds of a view's truth, and its photons",
              f"{told['seconds_per_view_truth']:.3f}; {told['photons_per_view_truth']:.0f}"),
             ("photons a view, likewise",
              f"{told['photons_per_view_hybrid']:.0f}; {told['photons_per_view_montecarlo']:.0f}")]
    return rows


def _covered(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (str(one["cases"]), str(one["covered"]), *(_share(one[name]) for name in (
        "coverage", "coverage_extrapolated", "coverage_lower_95", "coverage_upper_95")),
            "-" if one["truth_noise"] is None else f"{one['truth_noise']:.2f}")


def _kind_row(name: str, one: Mapping[str, Any]) -> tuple[str, ...]:
    return (name, str(one["members"]), str(one["refused"]), str(one["dropped"]), _share(one["median_network_e_s"]),
            str(one["exceed"]), str(one["exceed_dropped"]), str(one["passed"]), str(one["passed_covered"]))


def _coverage_plot(audit: Audit) -> Figure:
    """How far below their guarantee errors lie, in domain."""
    figure_of, axis = _axes(6.5, 3.2)
    inside = audit.views["kind"] == IN_DOMAIN
    for mode, colour in (("fast", _BLUE), ("certified", _RED)):
        ratio = (true_errors(audit.views, mode) / figure(audit.views, f"{mode}_guarantee"))[inside]
        ratio = np.sort(ratio[np.isfinite(ratio)])
        axis.plot(ratio, np.arange(1, len(ratio) + 1) / max(len(ratio), 1), color=colour, label=f"{mode} mode")
    axis.axvline(1.0, color=_GREY, linewidth=0.8)
    axis.axhline(0.95, color=_GREY, linewidth=0.8, linestyle=":")
    axis.set(xlabel="true e_S / what was guaranteed", ylabel="share of views", ylim=(0.0, 1.02))
    axis.legend(frameon=False)
    return figure_of


def _zoo_plot(audit: Audit) -> Figure:
    """The network's error of each member, by kind, and whether it was dropped."""
    figure_of, axis = _axes(7.5, 0.28 * len(audit.kinds) + 1.2)
    views = audit.views
    errors, gone = true_errors(views, "network"), dropped(views)
    for word, mask, colour in (("network dropped", gone, _BLUE), ("passed", ~gone, _RED)):
        some = mask & (views["kind"] != IN_DOMAIN) & np.isfinite(errors)
        per_cent = np.maximum(100.0 * errors[some], 0.1)
        axis.scatter(per_cent, views["kind"][some], s=9, color=colour, label=word, alpha=0.7)
    axis.axvline(100.0 * audit.figures["tolerance"], color=_GREY, linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yticks(range(len(audit.kinds)), audit.kinds, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("true e_S of the network alone (%)")
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return figure_of


def _worst(audit: Audit, some: NDArray[np.bool_]) -> str:
    """The views that err most, against what was guaranteed of them."""
    with np.errstate(invalid="ignore"):
        ratio = true_errors(audit.views, "fast") / figure(audit.views, "fast_guarantee")
    shown = [n for n in np.argsort(-np.where(some & np.isfinite(ratio), ratio, -1.0))[:WORST].tolist() if some[n]]
    return _picture(_gallery(audit, shown)) if shown else "<p>None.</p>"


def _gallery(audit: Audit, shown: Sequence[int]) -> Figure:
    """A row a view: transmission, truth, image delivered, and their difference over the truth's mean."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(8.6, 2.15 * len(shown)), layout="constrained")
    rows = made.subplots(len(shown), 4, squeeze=False)
    for axes, n in zip(rows, shown, strict=True):
        one = {name: audit.views[name][n].astype(float) for name in ("seen", "truth", "fast")}
        mean = float(one["truth"].mean())
        apart = 100.0 * (one["fast"] - one["truth"]) / mean
        top = float(max(one["truth"].max(), one["fast"].max()))
        reach = max(float(np.abs(apart).max()), 1.0)
        axes[0].imshow(np.log(np.maximum(one["seen"], 1e-4)), cmap="gray_r")
        for axis, name in zip(axes[1:3], ("truth", "fast"), strict=True):
            axis.imshow(one[name], cmap="gray", vmin=0.0, vmax=top)
        bar = axes[3].imshow(apart, cmap="RdBu_r", vmin=-reach, vmax=reach)
        made.colorbar(bar, ax=axes[3], label="% of the mean")
        for axis, title in zip(axes, (_title(audit, n), "truth", "delivered", "difference"), strict=True):
            axis.set_axis_off()
            axis.set_title(title, fontsize=8)
    return made


def _title(audit: Audit, n: int) -> str:
    kind, view = int(audit.views["kind"][n]), {name: values[n : n + 1] for name, values in audit.views.items()}
    what = f"{view['drawn'][0, 0]:.0f} kV, grid {view['drawn'][0, 5]:.0f}" if kind == IN_DOMAIN else audit.kinds[kind]
    error, stated = true_errors(view, "fast")[0], figure(view, "fast_guarantee")[0]
    return f"{what}\ne_S {100.0 * error:.1f} %, stated {100.0 * stated:.1f} %"


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots()


def _picture(made: Figure) -> str:
    held = io.BytesIO()
    made.savefig(held, format="png", dpi=110, metadata={"Software": None})
    return f"<img src='data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}' alt=''>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{row(heads, 'th')}{''.join(row(cells, 'td') for cells in rows)}</table>"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100.0 * value:.2f} %"
