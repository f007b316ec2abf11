"""A photon's track over the phantom, in the two planes that hold the axis it was born along, as radiologists look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physsim.io.atomic import written_whole
from physsim.phantom.overlay import Overlay
from physsim.phantom.phantom import Phantom
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.spec.grid import Grid
from physsim.transport.montecarlo_track import Event, Track

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
_PIXELS_MAX = 1500  # along a side of a plane
_OUTSIDE = "#edf1f6"  # where no voxels are
_AXES = "xyz"
_ENDS = (("R", "L"), ("A", "P"), ("F", "H"))  # of the patient, at the low and high end of x, y, z

# inches
_PLANES_WIDTH, _PLANE_HEIGHT = 9.2, 6.4  # of both planes together, and of one, at most
_LEFT, _BETWEEN, _TOP, _BOTTOM = 0.8, 0.95, 0.85, 0.65
_LIST_WIDTH, _LINE = 3.7, 0.26
_LETTER_POINTS = 10  # of the patient's sides, from the edge


@dataclass(frozen=True)
class View:
    """A plane of the world: axis across, axis upright, and whether that one grows downward."""

    name: str
    across: int
    upright: int
    downward: bool

    @property
    def fixed(self) -> int:
        """The axis that the plane is met by."""
        return 3 - self.across - self.upright


AXIAL = View("axial", 0, 1, True)  # from the feet: the patient's left on the right, the front above
CORONAL = View("coronal", 0, 2, False)  # from the front
SAGITTAL = View("sagittal", 1, 2, False)  # the front on the left


def views_along(axis: int) -> tuple[View, View]:
    """The two planes that hold a world axis (0 x, 1 y, 2 z)."""
    return ((AXIAL, CORONAL), (AXIAL, SAGITTAL), (CORONAL, SAGITTAL))[axis]


def draw_track(track: Track, phantom: Phantom, path: str | Path, overwrite: bool = False) -> None:
    """Write a PNG of `track_figure`."""
    figure = track_figure(track, phantom)
    with written_whole(path, overwrite) as temporary:
        figure.savefig(temporary, dpi=110, format="png", metadata={"Software": None})


def track_figure(track: Track, phantom: Phantom) -> Figure:
    """The track projected on two planes through the phantom, in mm of the world, at one scale.

    Both planes hold the world axis that the photon was born along; behind the track lies the phantom's attenuation at
    the photon's first energy, where the plane through the collisions' mean meets it. Events bear their numbers,
    those far off where the track leaves the picture; a list beside the planes names them.
    """
    from matplotlib.figure import Figure

    first = track.events[0]
    views = views_along(int(np.abs(first.direction).argmax()))
    collisions = [event.position_mm for event in track.events if event.material is not None]
    low, high = _box(phantom.grid)
    through = np.array(collisions).mean(axis=0) if collisions else 0.5 * (low + high)
    margin = _MARGIN * float((high - low).max())
    low, high = low - margin, high + margin
    sides = high - low
    across, upright = [float(sides[one.across]) for one in views], [float(sides[one.upright]) for one in views]
    inches = min(_PLANES_WIDTH / sum(across), _PLANE_HEIGHT / max(upright))  # a mm
    shown = _shown(track)
    tall = max(inches * max(upright), _LINE * (len(shown) + 2))
    width, height = _LEFT + inches * sum(across) + 2 * _BETWEEN + _LIST_WIDTH, _TOP + tall + _BOTTOM
    figure = Figure(figsize=(width, height))
    left = _LEFT
    for view, wide, deep in zip(views, across, upright, strict=True):
        sheet = (left, _BOTTOM + tall - inches * deep, inches * wide, inches * deep)
        axis = figure.add_axes((sheet[0] / width, sheet[1] / height, sheet[2] / width, sheet[3] / height))
        left += inches * wide + _BETWEEN
        _phantom(axis, phantom, view, through, first.energy_kev)
        _frame(axis, view, low, high, through)
        _track(axis, track, view, low, high)
    beside = figure.add_axes(((left - 0.4) / width, _BOTTOM / height, _LIST_WIDTH / width, tall / height))
    _list(beside, shown, tall)
    parts = {"deposited": track.deposited_kev, "detected": track.detected_kev, "escaped": track.escaped_kev}
    shares = ", ".join(f"{value:.3f} keV {name}" for name, value in parts.items() if value > 0.0)
    title = f"photon {track.number} (seed {track.seed}): born with {track.born_kev:.3f} keV; {shares}"
    figure.text(_LEFT / width, 1 - 0.3 / height, title, fontsize=12, va="center")
    return figure


def _box(grid: Grid) -> tuple[Floats, Floats]:
    """Corners of the world's box around the voxels."""
    corners = np.array(np.meshgrid(*([-0.5, n - 0.5] for n in grid.shape[::-1]))).reshape(3, -1)
    matrix = grid.world_from_voxel
    world = matrix[:3, :3] @ corners + matrix[:3, 3:]
    return world.min(axis=1), world.max(axis=1)


def _frame(axis: Any, view: View, low: Floats, high: Floats, through: Floats) -> None:
    """Limits, labels, and the patient's sides at the edges."""
    axis.set_xlim(low[view.across], high[view.across])
    upright = (low[view.upright], high[view.upright])
    axis.set_ylim(*(upright[::-1] if view.downward else upright))
    axis.set_facecolor(_OUTSIDE)
    axis.set_xlabel(f"{_AXES[view.across]} (mm)")
    axis.set_ylabel(f"{_AXES[view.upright]} (mm)", labelpad=1)
    axis.set_title(f"{view.name}, {_AXES[view.fixed]} = {through[view.fixed]:.0f} mm", fontsize=10)
    style = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "center"}
    below, above = _ENDS[view.upright][:: -1 if view.downward else 1]
    before, after = _ENDS[view.across]
    for x, y, letter in ((0, 0.5, before), (1, 0.5, after), (0.5, 0, below), (0.5, 1, above)):
        inward = (_LETTER_POINTS * (1 - 2 * x), _LETTER_POINTS * (1 - 2 * y))
        axis.annotate(letter, (x, y), inward, fontsize=10, color="#44566c", **style)


def _phantom(axis: Any, phantom: Phantom, view: View, through: Floats, energy_kev: float) -> None:
    """The attenuation where the plane meets the voxels, sampled on a raster: the voxels may lie askew."""
    low, high = _box(phantom.grid)
    parts: tuple[Phantom | Overlay, ...] = (phantom, *phantom.overlays)
    step = 0.5 * min(min(part.grid.spacing_mm) for part in parts)
    ends = [(float(low[a]), float(high[a])) for a in (view.across, view.upright)]
    counts = [min(max(int(np.ceil((b - a) / step)), 2), _PIXELS_MAX) for a, b in ends]
    across, upright = ((np.arange(n) + 0.5) * (b - a) / n + a for (a, b), n in zip(ends, counts, strict=True))
    world = np.empty((counts[1], counts[0], 3))
    world[..., view.across], world[..., view.upright] = across, upright[:, None]
    world[..., view.fixed] = through[view.fixed]
    own = np.array([float(linear_attenuation_per_mm(one, energy_kev)) for one in phantom.materials])
    picture = np.full(world.shape[:2], np.nan)
    for part in parts:
        matrix = part.grid.voxel_from_world
        index = np.floor(world @ matrix[:3, :3].T + matrix[:3, 3] + 0.5).astype(int)[..., ::-1]
        inside = ((index >= 0) & (index < part.grid.shape)).all(axis=-1)
        voxel = tuple(np.moveaxis(index[inside], -1, 0))
        picture[inside] = own[part.labels[voxel]] * (1.0 if part.density is None else part.density[voxel])
    top = float(np.nanmax(picture)) if np.isfinite(picture).any() else 1.0
    axis.imshow(
        picture,
        origin="lower",
        extent=(*ends[0], *ends[1]),
        cmap="gray_r",
        vmin=0.0,
        vmax=2.2 * top,
        aspect="auto",
        interpolation="nearest",
    )


def _track(axis: Any, track: Track, view: View, low: Floats, high: Floats) -> None:
    plane = [view.across, view.upright]
    points = np.array([event.position_mm for event in track.events])[:, plane]
    axis.plot(points[:, 0], points[:, 1], color="black", linewidth=1.0, zorder=2)
    window = np.array([low[plane], high[plane]])
    first = 1 if track.events[1].kind == "entered" else 0
    _arrow(axis, points[first], points[first + 1], window)
    for number, event in enumerate(track.events):
        if event.kind in _MARKS:
            _mark(axis, _held(points[number - 1], points[number], window), number, event, axis.transData)


def _arrow(axis: Any, start: Floats, end: Floats, window: Floats) -> None:
    """An arrowhead in the middle of a step's visible part."""
    a, b = np.array(_held(end, start, window)), np.array(_held(start, end, window))
    style = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 12}
    axis.annotate("", a + 0.55 * (b - a), a + 0.45 * (b - a), arrowprops=style)


def _mark(axis: Any, place: tuple[float, float], number: int, event: Event, frame: Any) -> None:
    """The event's number in its coloured mark."""
    marker, colour = _MARKS[event.kind]
    style = {"marker": marker, "color": colour, "markersize": 11, "markeredgecolor": "white", "clip_on": False}
    axis.plot(*place, transform=frame, zorder=3 + 0.01 * number, **style)
    axis.text(
        *place,
        str(number),
        transform=frame,
        fontsize=6.5,
        color="white",
        ha="center",
        va="center_baseline",
        zorder=3.005 + 0.01 * number,
    )


def _shown(track: Track) -> list[tuple[int, Event]]:
    """The events of the list: the first and last of many."""
    marked = [(number, event) for number, event in enumerate(track.events) if event.kind in _MARKS]
    return marked if len(marked) <= _LISTED else [*marked[: _LISTED // 2], *marked[-(_LISTED // 2) :]]


def _list(axis: Any, shown: list[tuple[int, Event]], tall: float) -> None:
    """The events by number: mark, kind, energy after it and energy left there. `tall`: inches of the list."""
    axis.set_axis_off()
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    columns = ((0.12, "left"), (0.68, "right"), (1.0, "right"))

    def line(n: int, *texts: str) -> float:
        y = 1.0 - (n + 0.5) * _LINE / tall
        for (x, side), text in zip(columns, texts, strict=True):
            axis.text(x, y, text, fontsize=9, ha=side, va="center")
        return y

    line(0, "event", "keV after", "keV left there")
    previous = shown[0][0] - 1 if shown else 0
    at = 1
    for number, event in shown:
        if number > previous + 1:
            line(at, f"{number - previous - 1} more", "", "")
            at += 1
        y = line(at, event.kind, f"{event.energy_kev:.3f}", f"{event.deposited_kev:.3f}")
        _mark(axis, (0.05, y), number, event, axis.transAxes)
        previous = number
        at += 1


def _held(start: Floats, end: Floats, window: Floats) -> tuple[float, float]:
    """The end of a step, or where it leaves the window."""
    share, way = 1.0, end - start
    for a in range(2):
        beyond = window[0, a] if end[a] < window[0, a] else window[1, a] if end[a] > window[1, a] else end[a]
        if beyond != end[a] and way[a] != 0.0:
            share = min(share, float((beyond - start[a]) / way[a]))
    place = np.clip(start + share * way, window[0], window[1])  # a step that lies outside altogether: the nearest edge
    return float(place[0]), float(place[1])
