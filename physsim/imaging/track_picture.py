"""A photon's track over the phantom, in two planes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.io.atomic import written_whole
from physsim.phantom.phantom import Phantom
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.transport.montecarlo_track import Event, Track

Floats = NDArray[np.float64]

_MARKS = {  # kind -> marker, colour
    "Compton": ("o", "#d62728"),
    "Rayleigh": ("D", "#1f77b4"),
    "photoelectric": ("h", "#9467bd"),
    "fluorescence": ("H", "#e377c2"),
    "cut off": ("p", "#8c564b"),
    "detected": ("s", "#2ca02c"),
    "escaped": ("p", "#ff7f0e"),
    "lost": ("8", "black"),
}
_MARGIN = 0.08  # of the phantom's largest side, around it
_LISTED = 22  # events named beside the planes at most
_AXES = "xyz"


def draw_track(track: Track, phantom: Phantom, path: str | Path, overwrite: bool = False) -> None:
    """Write a PNG: the track projected on two planes through the phantom, axes in mm of the world.

    Both planes hold the world axis that the photon was born along; behind the track lies the phantom's attenuation at
    the photon's first energy, where the plane through the collisions' mean meets it. Events bear their numbers,
    those far off where the track leaves the picture; a list beside the planes names them.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    first = track.events[0]
    along = int(np.abs(first.direction).argmax())
    others = [axis for axis in range(3) if axis != along]
    collisions = [event.position_mm for event in track.events if event.material is not None]
    through = np.array(collisions or [np.mean(_box(phantom), axis=0)]).mean(axis=0)
    low, high = _box(phantom)
    margin = _MARGIN * float((high - low).max())
    low, high = low - margin, high + margin
    sides = [float((high - low)[a]) for a in (along, *others)]
    height = float(np.clip(5.6 * max(sides[1:]) / sides[0], 3.6, 8.0))
    figure, (*axes, beside) = plt.subplots(
        1, 3, figsize=(14, height), layout="constrained", gridspec_kw={"width_ratios": (1, 1, 0.62)}
    )
    for axis, across in zip(axes, others, strict=True):
        fixed = 3 - along - across
        _phantom(axis, phantom, along, across, fixed, through, first.energy_kev)
        _track(axis, track, along, across, low, high)
        axis.set_xlim(low[along], high[along])
        axis.set_ylim(low[across], high[across])
        axis.set_aspect("equal")
        axis.set_xlabel(f"{_AXES[along]} (mm)")
        axis.set_ylabel(f"{_AXES[across]} (mm)")
        axis.set_title(f"phantom at {_AXES[fixed]} = {through[fixed]:.0f} mm", fontsize=10)
    _list(beside, track)
    parts = {"deposited": track.deposited_kev, "detected": track.detected_kev, "escaped": track.escaped_kev}
    shares = ", ".join(f"{value:.3f} keV {name}" for name, value in parts.items() if value > 0.0)
    figure.suptitle(f"photon {track.number} (seed {track.seed}): born with {track.born_kev:.3f} keV; {shares}")
    with written_whole(path, overwrite) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": None})
    plt.close(figure)


def _box(phantom: Phantom) -> tuple[Floats, Floats]:
    """Corners of the world's box around the voxels."""
    corners = np.array(np.meshgrid(*([-0.5, n - 0.5] for n in phantom.grid.shape[::-1]))).reshape(3, -1)
    matrix = phantom.grid.world_from_voxel
    world = matrix[:3, :3] @ corners + matrix[:3, 3:]
    return world.min(axis=1), world.max(axis=1)


def _phantom(
    axis: Any, phantom: Phantom, along: int, across: int, fixed: int, through: Floats, energy_kev: float
) -> None:
    """The attenuation where the plane meets the voxels, sampled on a raster: the voxels may lie askew."""
    low, high = _box(phantom)
    step = min(phantom.grid.spacing_mm) * 0.5
    counts = [max(int(np.ceil((high[a] - low[a]) / step)), 2) for a in (along, across)]
    counts = [min(count, 1500) for count in counts]
    centres = [
        low[a] + (np.arange(n) + 0.5) * (high[a] - low[a]) / n for a, n in zip((along, across), counts, strict=True)
    ]
    world = np.empty((counts[1], counts[0], 3))
    world[..., along], world[..., across] = centres[0], centres[1][:, None]
    world[..., fixed] = through[fixed]
    matrix = phantom.grid.voxel_from_world
    index = np.floor(world @ matrix[:3, :3].T + matrix[:3, 3] + 0.5).astype(int)[..., ::-1]
    inside = ((index >= 0) & (index < phantom.grid.shape)).all(axis=-1)
    voxel = tuple(np.moveaxis(index[inside], -1, 0))
    own = np.array([float(linear_attenuation_per_mm(one, energy_kev)) for one in phantom.materials])
    values = own[phantom.labels[voxel]]
    if phantom.density is not None:
        values = values * phantom.density[voxel]
    picture = np.full(inside.shape, np.nan)
    picture[inside] = values
    top = float(np.nanmax(picture)) if inside.any() else 1.0
    extent = (low[along], high[along], low[across], high[across])
    axis.imshow(picture, origin="lower", extent=extent, cmap="gray_r", vmin=0.0, vmax=2.2 * top, aspect="auto")


def _track(axis: Any, track: Track, along: int, across: int, low: Floats, high: Floats) -> None:
    points = np.array([event.position_mm for event in track.events])[:, [along, across]]
    axis.plot(points[:, 0], points[:, 1], color="black", linewidth=1.0, zorder=2)
    window = np.array([low[[along, across]], high[[along, across]]])
    for number, event in enumerate(track.events):
        if event.kind not in _MARKS:
            continue
        place = _held(points[number - 1], points[number], window)
        _mark(axis, place, number, event, axis.transData)


def _mark(axis: Any, place: tuple[float, float], number: int, event: Event, frame: Any) -> None:
    """The event's number in its coloured mark."""
    marker, colour = _MARKS[event.kind]
    style = {"marker": marker, "color": colour, "markersize": 13, "markeredgecolor": "white", "clip_on": False}
    (mark,) = axis.plot(*place, transform=frame, zorder=3 + 0.01 * number, **style)
    text = axis.text(
        *place,
        str(number),
        transform=frame,
        fontsize=7,
        color="white",
        ha="center",
        va="center_baseline",
        zorder=3.005 + 0.01 * number,
    )
    mark.set_in_layout(False)
    text.set_in_layout(False)


def _list(axis: Any, track: Track) -> None:
    """The events by number: mark, kind, energy after it and energy left there; the first and last of many."""
    axis.set_axis_off()
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    shown = [(number, event) for number, event in enumerate(track.events) if event.kind in _MARKS]
    if len(shown) > _LISTED:
        shown = [*shown[: _LISTED // 2], *shown[-(_LISTED // 2) :]]
    axis.text(0.12, 0.97, "event", fontsize=9, va="center")
    axis.text(0.72, 0.97, "keV after", fontsize=9, ha="right", va="center")
    axis.text(1.0, 0.97, "deposited", fontsize=9, ha="right", va="center")
    for line, (number, event) in enumerate(shown):
        y = 0.97 - 0.97 * (line + 1) / (_LISTED + 1)
        _mark(axis, (0.05, y), number, event, axis.transAxes)
        axis.text(0.12, y, event.kind, fontsize=9, va="center")
        axis.text(0.72, y, f"{event.energy_kev:.3f}", fontsize=9, ha="right", va="center")
        axis.text(1.0, y, f"{event.deposited_kev:.3f}", fontsize=9, ha="right", va="center")


def _held(start: Floats, end: Floats, window: Floats) -> tuple[float, float]:
    """The end of a step, or where it leaves the window."""
    share, way = 1.0, end - start
    for a in range(2):
        beyond = window[0, a] if end[a] < window[0, a] else window[1, a] if end[a] > window[1, a] else end[a]
        if beyond != end[a] and way[a] != 0.0:
            share = min(share, float((beyond - start[a]) / way[a]))
    place = np.clip(start + share * way, window[0], window[1])  # a step that lies outside altogether: the nearest edge
    return float(place[0]), float(place[1])
