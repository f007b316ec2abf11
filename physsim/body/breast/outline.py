"""The outline of a compressed breast as seen by the detector, and the depth below it."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import dataclasses
import math
import tomllib
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from physsim.body.breast.spec import Breast
from physsim.body.breast.trigonometry import cosine_and_sine
from physsim.phantom.compiled import in_threads
from physsim.phantom.curves import spline_through
from physsim.portable import exp, log
from physsim.resources import phantoms_path

Floats = npt.NDArray[np.float64]

DEPTH_STEP_MM = 0.5
_BEHIND_MM = 150.0  # how far the outline is drawn on behind the chest wall, so that the wall itself is no edge
_MARGIN_MM = 6.0
_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}


@dataclasses.dataclass(frozen=True, eq=False)
class Outline:
    """Signed depth on a grid, and the nipple's place; x from the chest wall, y across (mm).

    depth: (ny, nx) float32 mm, positive inside, at x = x0 + i DEPTH_STEP_MM, y = y0 + j DEPTH_STEP_MM.
    y_range: low and high y of the box of voxels; x_far: its far end along x.
    """

    depth: npt.NDArray[np.float32]
    x0: float
    y0: float
    nipple_x: float
    nipple_y: float
    y_range: tuple[float, float]
    x_far: float


def outline_of(breast: Breast) -> Outline:
    """The outline of a breast's view."""
    curve, nipple = _cc(breast) if breast.view == "CC" else _mlo(breast)
    nipple_x, nipple_y = nipple
    low, high = float(curve[:, 1].min()) - 1.0, float(curve[:, 1].max()) + 1.0
    if breast.view == "MLO":
        low, high = 0.0, breast.height_mm
    x_far = nipple_x + 2.0 + breast.tissue.nipple_radius_mm + 1.0
    x0, y0 = -_MARGIN_MM, low - _MARGIN_MM
    nx = math.ceil((x_far - x0 + _MARGIN_MM) / DEPTH_STEP_MM) + 1
    ny = math.ceil((high - y0 + _MARGIN_MM) / DEPTH_STEP_MM) + 1
    depth = np.empty((ny, nx), np.float32)
    closed = np.vstack([curve, [[-3 * _BEHIND_MM, curve[-1, 1]], [-3 * _BEHIND_MM, curve[0, 1]]]])
    in_threads(lambda row: depth_row(curve, closed, x0, y0 + row * DEPTH_STEP_MM, DEPTH_STEP_MM, depth[row]), range(ny))
    return Outline(depth, x0, y0, nipple_x, nipple_y, (low, high), x_far)


def _cc(breast: Breast) -> tuple[Floats, tuple[float, float]]:
    """A superellipse whose far side swells a little in two places."""
    shape = _shapes()["CC"]
    angle = np.linspace(-0.5 * math.pi, 0.5 * math.pi, 361)
    cos, sin = cosine_and_sine(angle)
    cos = np.maximum(cos, 1e-12)
    power = 2.0 / shape["exponent"]
    across = np.sign(sin) * exp(power * log(np.maximum(np.abs(sin), 1e-12)))
    first, second = breast.outline_phase
    swell = shape["swell"][0] + shape["swell"][1] * cosine_and_sine(3 * angle + first)[0] \
        - shape["swell"][2] * cosine_and_sine(5 * angle + second)[0]
    x = breast.length_mm * exp(power * log(cos)) * swell
    y = breast.half_width_mm * across * (1 + shape["lateral_fullness"] * across)
    points: Floats = np.array(np.c_[x, y], np.float64).round(6)
    behind = np.array([[-_BEHIND_MM, points[0, 1]]]), np.array([[-_BEHIND_MM, points[-1, 1]]])
    curve = np.vstack([behind[0], points, behind[1]])
    nipple_y = breast.nipple_shift * breast.half_width_mm
    near = points[np.argsort(np.abs(points[:, 1] - nipple_y), kind="stable")[:2]]
    return curve, (float(near[:, 0].max()), nipple_y)


def _mlo(breast: Breast) -> tuple[Floats, tuple[float, float]]:
    """A spline from the inframammary fold over the nipple to the axilla."""
    knots = np.array(_shapes()["MLO"]["points"]) * (breast.length_mm, breast.height_mm)
    curve, _ = spline_through(np.c_[knots, np.zeros(len(knots))], 1.5)
    curve = curve[:, :2].copy()
    for _ in range(_shapes()["MLO"]["smoothings"]):
        curve[1:-1] = 0.25 * curve[:-2] + 0.5 * curve[1:-1] + 0.25 * curve[2:]
    top = curve[-1] + (curve[-1] - curve[-2]) * (_BEHIND_MM / max(curve[-1, 1] - curve[-2, 1], 1e-6))
    curve = np.vstack([[[-_BEHIND_MM, curve[0, 1]]], curve, top[None]])
    tip = int(np.argmax(curve[:, 0]))
    return curve, (float(curve[tip, 0]), float(curve[tip, 1]))


def _shapes() -> dict[str, dict[str, Any]]:
    path = phantoms_path() / "anatomy" / "breast" / "outline.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


@numba.njit(**_COMPILE)
def depth_row(curve, closed, x0, y, step, row):
    """Distance of the points of one row to the curve, positive inside the closed polygon."""
    for i in range(len(row)):
        x = x0 + i * step
        best = 1e30
        for n in range(len(curve) - 1):
            ax, ay = curve[n, 0], curve[n, 1]
            dx, dy = curve[n + 1, 0] - ax, curve[n + 1, 1] - ay
            length = dx * dx + dy * dy
            t = 0.0
            if length > 0.0:
                t = min(max(((x - ax) * dx + (y - ay) * dy) / length, 0.0), 1.0)
            gx, gy = x - ax - t * dx, y - ay - t * dy
            best = min(best, gx * gx + gy * gy)
        inside = False
        m = len(closed) - 1
        for n in range(len(closed)):
            if (closed[n, 1] > y) != (closed[m, 1] > y):
                cut = closed[n, 0] + (y - closed[n, 1]) * (closed[m, 0] - closed[n, 0]) / (closed[m, 1] - closed[n, 1])
                if x < cut:
                    inside = not inside
            m = n
        distance = math.sqrt(best)
        row[i] = distance if inside else -distance
