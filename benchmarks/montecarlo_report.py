"""A page and a plot of `physsim bench montecarlo`: error of the scatter image against time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .machine import line

COLUMNS = (
    ("job", ""),
    ("code", ""),
    ("threads", "d"),
    ("histories_per_s", ".3g"),
    ("error", ".2%"),
    ("figure_of_merit", ".3g"),
    ("seconds_to_5_percent", ".3g"),
    ("seconds_to_2_percent", ".3g"),
    ("seconds_to_1_percent", ".3g"),
    ("startup_seconds", ".2g"),
    ("rss_mb", ".0f"),
    ("joules", ".3g"),
)
HEADER = (
    "job",
    "code",
    "threads",
    "histories/s",
    "error",
    "1/(e2 s)",
    "s to 5 %",
    "2 %",
    "1 %",
    "start-up",
    "MiB",
    "J",
)
FIGURES = {
    "analog_histories_per_s": "analog transport on SLAB60, histories/s",
    "scatter_2_percent_seconds": "scatter image at 2 %, start-up apart, s",
    "gain_over_mcgpu_rate": "times less than analog transport at MC-GPU's rate, raw pixels",
    "gain_over_smoothed_analog": "times less than analog transport at MC-GPU's rate, smoothed likewise",
    "gain_over_own_smoothed_analog": "times less than our own analog transport, smoothed likewise",
    "chest_2_percent_seconds": "adult chest at 2 %, start-up included, s",
    "ct_rotation_seconds": "scatter of a CT rotation at 2 %, two threads, images of all views included, s",
    "ct_rotation_nodes_seconds": "the same without the images: its nodes, s",
    "scatter_over_analog": "all scattered energy over that of the analog run",
    "mcgpu_histories_per_s": "MC-GPU on SLAB60 in this run, histories/s",
    "cuda_histories_per_s": "analog transport on a card, histories/s",
    "startup_seconds": "start-up for 500 x 320 x 260 voxels, s",
}
PERCENTS = (5, 2, 1)


def markdown(result: dict[str, Any], picture: str) -> str:
    """The page of one machine."""
    machine, settings = result["machine"], result["settings"]
    lines = [
        f"## Photon transport on {machine['cpu']}, {settings['threads']} thread{'s' * (settings['threads'] > 1)}",
        "",
        line(machine, settings),
        "",
        f"![error against time]({picture})",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|---|---" + "|---:" * (len(HEADER) - 2) + "|",
    ]
    for row in result["rows"]:
        cells = ("-" if row[name] is None else format(row[name], style) for name, style in COLUMNS)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| figure | value |", "|---|---:|"]
    for name, value in result["figures"].items():
        known = next((key for key in sorted(FIGURES, key=len, reverse=True) if name.startswith(key)), name)
        job = name.removeprefix(known).strip("_")
        title = FIGURES.get(known, known) + (f" ({job})" if job else "")
        lines.append(f"| {title} | {'-' if value is None else format(value, '.3g')} |")
    lines += ["", *(f"- {name}: {reason}" for name, reason in result["notes"].items())]
    return "\n".join(lines).rstrip() + "\n"


def plot(result: dict[str, Any], path: Path) -> None:
    """A panel a job: error of the scatter image against seconds, start-up apart; both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    jobs = [job for job in ("slab60", "thorax90") if any(row["job"] == job for row in result["rows"])]
    codes = list(dict.fromkeys(row["code"] for row in result["rows"]))
    figure, axes = plt.subplots(
        1, max(len(jobs), 1), figsize=(12, 5.2), layout="constrained", squeeze=False, sharey=True
    )
    for axis, job in zip(axes[0], jobs, strict=False):
        for row in (row for row in result["rows"] if row["job"] == job and row["code"] != "dose by voxel"):
            points = [
                (row[f"seconds_to_{p}_percent"], p) for p in PERCENTS if row[f"seconds_to_{p}_percent"] is not None
            ]
            if points:
                style = {"color": f"C{codes.index(row['code']) % 10}", "label": row["code"], "linewidth": 2}
                axis.plot(*zip(*points, strict=True), marker="o", markeredgecolor="white", **style)
        axis.set(xscale="log", yscale="log", title=job, xlabel="seconds, start-up apart  [faster to the left]")
        axis.set_yticks(PERCENTS, [f"{p} %" for p in PERCENTS])
        axis.minorticks_off()
        axis.grid(True, which="major", alpha=0.35)
    shown = {line.get_label(): line for axis in axes[0] for line in axis.get_lines()}
    if shown:
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4, frameon=False)
    axes[0][0].set_ylabel("error of the scatter image  [more accurate downwards]")
    figure.suptitle(f"Scatter images of 48 x 40 pixels on {result['machine']['cpu']}")
    figure.savefig(path, dpi=110)
    plt.close(figure)
