"""Figures of image quality, one function a result; matplotlib is loaded on the first call, and no window is opened.

Each returns a matplotlib Figure: ``plot_roc({"a": (present, absent)}).savefig("roc.png")``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from physsim.evaluate.roc import auc, roc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from physsim.evaluate.hounsfield import HuRow, Uniformity
    from physsim.evaluate.mrmc import Mrmc
    from physsim.evaluate.noise_power import NoisePower
    from physsim.evaluate.observers import Observation
    from physsim.evaluate.resolution import Transfer
    from physsim.evaluate.similarity import Similarity

_BLUE, _RED, _GREY = "#1f5a94", "#b3402a", "#7a7a7a"


def plot_transfer(transfers: Mapping[str, Transfer]) -> Figure:
    """MTF over frequency, a curve a name."""
    figure, axis = _axis("frequency (1/mm)", "MTF")
    for name, one in transfers.items():
        axis.plot(one.frequency_mm, one.mtf, label=name)
    axis.set_ylim(0.0, 1.05)
    axis.legend(frameon=False)
    return figure


def plot_noise_power(spectra: Mapping[str, NoisePower], unit: str = "signal") -> Figure:
    """Radial noise power with its standard error, a curve a name; `unit` of the image."""
    figure, axis = _axis("frequency (1/mm)", f"noise power ({unit}$^2$ mm$^2$)")
    for name, one in spectra.items():
        axis.errorbar(one.radial_frequency_mm, one.radial_power, one.radial_error, label=name, elinewidth=0.8)
    axis.set_ylim(bottom=0.0)
    axis.legend(frameon=False)
    return figure


def plot_efficiency(frequency_mm: ArrayLike, efficiencies: Mapping[str, ArrayLike]) -> Figure:
    """DQE over frequency, a curve a name."""
    figure, axis = _axis("frequency (1/mm)", "DQE")
    for name, one in efficiencies.items():
        axis.plot(np.asarray(frequency_mm), np.asarray(one), label=name)
    axis.set_ylim(0.0, 1.0)
    axis.legend(frameon=False)
    return figure


def plot_hounsfield(rows: Sequence[HuRow], tolerance_hu: float = 5.0) -> Figure:
    """Difference of each region's CT number from the expected one, with its error, beside a band of tolerance."""
    figure, axis = _axis("", "mean - expected (HU)")
    axis.axhspan(-tolerance_hu, tolerance_hu, color=_BLUE, alpha=0.12, linewidth=0)
    axis.axhline(0.0, color=_GREY, linewidth=0.8)
    axis.errorbar(range(len(rows)), [row.difference for row in rows], [row.error or 0.0 for row in rows], fmt="o",
                  color=_BLUE)
    axis.set_xticks(range(len(rows)), [f"{row.name}\n{row.expected:.0f}" for row in rows])
    return figure


def plot_uniformity(found: Uniformity, tolerance_hu: float = 5.0) -> Figure:
    """CT numbers of the middle and the four edges, beside a band of tolerance about the middle."""
    figure, axis = _axis("", "CT number (HU)")
    axis.axhspan(found.centre - tolerance_hu, found.centre + tolerance_hu, color=_BLUE, alpha=0.12, linewidth=0)
    axis.plot(range(5), (found.centre, *found.edges), "o", color=_BLUE)
    axis.set_xticks(range(5), ["centre", "right", "lower", "left", "upper"])
    return figure


def plot_contrast(image: ArrayLike, regions: Mapping[str, Any]) -> Figure:
    """An image with the outlines of the regions that its contrast was taken from."""
    figure, axis = _picture(image, "gray")
    for name, colour in zip(regions, (_RED, "#e0a030", _BLUE, "#3a8a4a") * len(regions), strict=False):
        axis.contour(np.asarray(regions[name]), [0.5], colors=[colour])
        axis.plot([], [], color=colour, label=name)
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def plot_similarity(found: Similarity) -> Figure:
    """The map of structural similarity."""
    figure, axis = _picture(found.map, "viridis", low=min(0.0, float(found.map.min())), high=1.0, bar=True)
    axis.set_title(f"SSIM {found.value:.4f}")
    return figure


def plot_roc(scores: Mapping[str, tuple[ArrayLike, ArrayLike]], confidence: float = 0.95) -> Figure:
    """ROC curves of named (scores with the finding, scores without), their AUC and interval in the legend."""
    figure, axis = _axis("false positive fraction", "true positive fraction")
    axis.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    for name, (present, absent) in scores.items():
        area = auc(present, absent, confidence=confidence)
        axis.plot(*roc_curve(present, absent), label=f"{name}: {area.value:.3f} ({area.low:.3f} to {area.high:.3f})")
    axis.set_aspect("equal")
    axis.legend(frameon=False, loc="lower right", fontsize=8)
    return figure


def plot_observation(found: Observation) -> Figure:
    """An observer's template, and the histograms of its scores."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    reach = float(np.abs(found.template).max()) or 1.0
    left.imshow(found.template, cmap="RdBu_r", vmin=-reach, vmax=reach)
    left.set_axis_off()
    left.set_title("template")
    bins = np.histogram_bin_edges(np.concatenate([found.scores_present, found.scores_absent]), 30)
    for scores, name, colour in ((found.scores_absent, "absent", _GREY), (found.scores_present, "present", _RED)):
        right.hist(scores, bins, alpha=0.6, color=colour, label=name)
    right.set_xlabel("score / its noise")
    right.set_ylabel("images")
    right.set_title(f"AUC {found.auc.value:.3f} ({found.auc.low:.3f} to {found.auc.high:.3f})")
    right.legend(frameon=False)
    return figure


def plot_channels(channels: ArrayLike) -> Figure:
    """Channels (channels, rows, columns), each at its own grey scale."""
    from matplotlib.figure import Figure

    stack = np.asarray(channels)
    across = min(10, len(stack))
    down = -(-len(stack) // across)
    figure = Figure(figsize=(0.9 * across, 0.9 * down), layout="constrained")
    for axis, one in zip(np.ravel(figure.subplots(down, across, squeeze=False)), stack, strict=False):
        reach = float(np.abs(one).max()) or 1.0
        axis.imshow(one, cmap="gray", vmin=-reach, vmax=reach)
    for axis in figure.axes:
        axis.set_axis_off()
    return figure


def plot_mrmc(studies: Mapping[str, Mrmc]) -> Figure:
    """Each reader's value, and the mean with its interval, a column a study."""
    figure, axis = _axis("", "AUC, or difference of AUC")
    for place, (name, one) in enumerate(studies.items()):
        spread = np.linspace(-0.12, 0.12, len(one.by_reader)) if len(one.by_reader) > 1 else np.zeros(1)
        axis.plot(place - 0.2 + spread, one.by_reader, "o", color=_GREY, markersize=4)
        axis.errorbar([place + 0.2], [one.value], [[one.value - one.low], [one.high - one.value]], fmt="o", color=_RED,
                      capsize=4, label="mean and interval" if place == 0 else None)
        axis.annotate(name, (place, 0.0), (0, -8), xycoords=("data", "axes fraction"), textcoords="offset points",
                      ha="center", va="top")
    axis.set_xticks([])
    axis.set_xlim(-0.6, len(studies) - 0.4)
    axis.legend(frameon=False)
    return figure


def _axis(across: str, up: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    axis = figure.subplots()
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def _picture(image: ArrayLike, colours: str, low: float | None = None, high: float | None = None,
             bar: bool = False) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 3.9), layout="constrained")
    axis = figure.subplots()
    shown = axis.imshow(np.asarray(image), cmap=colours, vmin=low, vmax=high)
    axis.set_axis_off()
    if bar:
        figure.colorbar(shown)
    return figure, axis
