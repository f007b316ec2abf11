"""The outline of a breast as seen along the beam, the depth below it, and where the chest wall begins."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import dataclasses
import math
import tomllib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.breast.trigonometry import cosine_and_sine
from physsim.phantom.curves import spline_through
from physsim.portable import exp, log
from physsim.resources import phantoms_path

Floats = npt.NDArray[np.float64]

DEPTH_STEP_MM = 0.5
BEHIND_MM = 150.0  # how far the outline is drawn on behind the chest wall, so that the wall itself is no edge
_MARGIN_MM = 6.0


@dataclasses.dataclass(frozen=True, eq=False)
class Outline:
    """Signed depth on a grid, the nipple's place and the chest wall; x from the film's edge, y across (mm).

    depth: (ny, nx) float32 mm, positive inside, at x = x0 + i step_mm, y = y0 + j step_mm.
    wall: (ny,) float32 x of the breast's own back in these rows, 0 where it is the film's edge: the pectoral muscle's
    front, and above it the line to the armpit. muscle: likewise the muscle's front.
    y_range: low and high y of the box of voxels; height_mm: of an oblique view, from the fold to the film's upper edge.
    """

    depth: npt.NDArray[np.float32]
    wall: npt.NDArray[np.float32]
    muscle: npt.NDArray[np.float32]
    step_mm: float
    x0: float
    y0: float
    nipple_x: float
    nipple_y: float
    y_range: tuple[float, float]
    height_mm: float

    def scaled(self, factor: float) -> Outline:
        """The same form, larger by a factor."""
        f = np.float32(factor)
        low, high = self.y_range
        return Outline(self.depth * f, self.wall * f, self.muscle * f, self.step_mm * factor, self.x0 * factor,
                       self.y0 * factor, self.nipple_x * factor, self.nipple_y * factor, (low * factor, high * factor),
                       self.height_mm * factor)

    def wall_at(self, y: Floats) -> Floats:
        """x of the chest wall (mm) at y."""
        rows = np.arange(len(self.wall)) * self.step_mm + self.y0
        return np.asarray(np.interp(y, rows, self.wall.astype(np.float64)))

    def muscle_at(self, y: Floats) -> Floats:
        """x of the pectoral muscle's front (mm) at y."""
        rows = np.arange(len(self.muscle)) * self.step_mm + self.y0
        return np.asarray(np.interp(y, rows, self.muscle.astype(np.float64)))

    def depth_at(self, x: Floats, y: Floats) -> Floats:
        """Signed depth (mm) at points x, y of one shape, bilinear; held constant beyond the grid."""
        ny, nx = self.depth.shape
        i = np.clip((x - self.x0) / self.step_mm, 0, nx - 1.001)
        j = np.clip((y - self.y0) / self.step_mm, 0, ny - 1.001)
        i0, j0 = i.astype(int), j.astype(int)
        fx, fy = i - i0, j - j0
        d = self.depth.astype(np.float64).ravel()
        at = j0 * nx + i0
        low = (1 - fx) * d[at] + fx * d[at + 1]
        return np.asarray((1 - fy) * low + fy * ((1 - fx) * d[at + nx] + fx * d[at + nx + 1]))


@lru_cache(maxsize=16)
def cc_outline(length_mm: float, half_width_mm: float, shift: float, phases: tuple[float, float],
               crescent: bool) -> Outline:
    """From above: a superellipse, fuller on one side, whose far side swells a little in two places."""
    shape = _shapes()["CC"]
    angle = np.linspace(-0.5 * math.pi, 0.5 * math.pi, 361)
    cos, sin = cosine_and_sine(angle)
    cos = np.maximum(cos, 1e-12)
    power = 2.0 / shape["exponent"]
    across = np.sign(sin) * exp(power * log(np.maximum(np.abs(sin), 1e-12)))
    first, second = phases
    swell = shape["swell"][0] + shape["swell"][1] * cosine_and_sine(3 * angle + first)[0] \
        - shape["swell"][2] * cosine_and_sine(5 * angle + second)[0]
    x = length_mm * exp(power * log(cos)) * swell * (1 + shift * across)
    y = half_width_mm * across * (1 + shape["lateral_fullness"] * across)
    points: Floats = np.array(np.c_[x, y], np.float64).round(6)
    behind = np.array([[-BEHIND_MM, points[0, 1]]]), np.array([[-BEHIND_MM, points[-1, 1]]])
    curve = np.vstack([behind[0], points, behind[1]])
    tip = points[int(np.argmax(points[:, 0]))]
    rim = shape["crescent_mm"] if crescent else [0.0, 1.0]

    def wall(y: Floats) -> Floats:
        share = np.clip((y - tip[1]) / rim[1], -1.0, 1.0)
        return np.asarray(rim[0] * (1.0 - share * share) ** 2)

    return _outline(curve, (float(curve[:, 1].min()) - 1.0, float(curve[:, 1].max()) + 1.0), wall, wall, 0.0)


@lru_cache(maxsize=16)
def mlo_outline(length_mm: float, half_width_mm: float) -> Outline:
    """Obliquely: a spline from the inframammary fold over the nipple to the armpit, the muscle's edge behind it."""
    shape = _shapes()["MLO"]
    height = shape["height"] * half_width_mm
    knots = np.array(shape["points"]) * (length_mm, height)
    curve, _ = spline_through(np.c_[knots, np.zeros(len(knots))], 1.5)
    curve = curve[:, :2].copy()
    for _ in range(shape["smoothings"]):
        curve[1:-1] = 0.25 * curve[:-2] + 0.5 * curve[1:-1] + 0.25 * curve[2:]
    top = curve[-1] + (curve[-1] - curve[-2]) * (BEHIND_MM / max(curve[-1, 1] - curve[-2, 1], 1e-6))
    curve = np.vstack([[[-BEHIND_MM, curve[0, 1]]], curve, top[None]])
    reach, lowest = shape["muscle"][0] * length_mm, shape["muscle"][1] * height
    soft = 0.05 * height  # over which the muscle's edge bends into the film's
    begin, rise = shape["armpit"][0] * height, shape["armpit"][1] * length_mm / height**2

    def muscle(y: Floats) -> Floats:
        q = (height - y) / (height - lowest)
        edge = reach * (1.0 - q) * (1.0 + 0.7 * np.clip(q * (1.0 - q), 0.0, 1.0))
        return np.asarray(np.maximum(0.5 * (edge + np.sqrt(edge * edge + soft * soft)) - 0.12 * soft, 0.0))

    def wall(y: Floats) -> Floats:
        return np.asarray(muscle(y) + rise * np.maximum(y - begin, 0.0) ** 2)

    return _outline(curve, (0.0, height), wall, muscle, height)


@lru_cache(maxsize=16)
def dome_outline(length_mm: float, radius_mm: float) -> Outline:
    """Half an ellipse: the profile of the uncompressed breast, in x and the distance from its axis."""
    angle = np.linspace(-0.5 * math.pi, 0.5 * math.pi, 721)
    cos, sin = cosine_and_sine(angle)
    points: Floats = np.array(np.c_[length_mm * cos, radius_mm * sin], np.float64).round(6)
    curve = np.vstack([[[-BEHIND_MM, points[0, 1]]], points, [[-BEHIND_MM, points[-1, 1]]]])
    return _outline(curve, (-radius_mm - 1.0, radius_mm + 1.0), np.zeros_like, np.zeros_like, 0.0)


def _outline(curve: Floats, y_range: tuple[float, float], wall: Any, muscle: Any, height: float) -> Outline:
    """Depths below a curve, and the nipple: the point farthest from the chest wall."""
    from physsim import _engine
    from physsim.device.choice import instruction_set, thread_count

    low, high = y_range
    inside = curve[(curve[:, 1] >= low) & (curve[:, 1] <= high)]
    forward = inside[:, 0] - wall(inside[:, 1])
    tip = inside[int(np.argmax(forward))]
    x0, y0 = -_MARGIN_MM, low - _MARGIN_MM
    nx = math.ceil((float(inside[:, 0].max()) - x0 + 4 * _MARGIN_MM) / DEPTH_STEP_MM) + 1
    ny = math.ceil((high - y0 + _MARGIN_MM) / DEPTH_STEP_MM) + 1
    depth = np.empty((ny, nx), np.float32)
    closed = np.vstack([curve, [[-3 * BEHIND_MM, curve[-1, 1]], [-3 * BEHIND_MM, curve[0, 1]]]])
    _engine.breast_outline(
        np.ascontiguousarray(curve), np.ascontiguousarray(closed), x0, y0, DEPTH_STEP_MM, depth, thread_count(),
        instruction_set())
    rows = y0 + np.arange(ny) * DEPTH_STEP_MM
    return Outline(depth, wall(rows).astype(np.float32), muscle(rows).astype(np.float32), DEPTH_STEP_MM, x0, y0,
                   float(tip[0]), float(tip[1]), y_range, height)


@lru_cache(maxsize=1)
def _shapes() -> dict[str, dict[str, Any]]:
    path = phantoms_path() / "anatomy" / "breast" / "outline.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
