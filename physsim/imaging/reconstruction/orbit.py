"""The orbit of a scan as filtered backprojection sees it: an axis, angles, and what each ray's weight is.

Every line through the object must count once in all. Over a whole turn each is measured twice: half the weight each. On
a short scan (half a turn and the fan) some are measured twice: Parker's weights. A detector that is shifted aside
measures the outer lines once: Wang's weights. Only arithmetic that gives the same bits on every CPU is used.

Reference: D. L. Parker, Med. Phys. 9 (1982) 254; M. D. Silver, Med. Phys. 27 (2000) 773 (scans longer than the
shortest); G. Wang, Med. Phys. 29 (2002) 1634 (shifted detectors).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.reconstruction.kernels import cosine_sine
from physsim.portable import arctan
from physsim.spec.geometry import Geometry

Floats = NDArray[np.float64]

_TILT = 1e-5  # radians that the detector's normal may miss the axis by
_EVEN = 1e-3  # of a step between views


@dataclass(frozen=True, eq=False)
class Orbit:
    """Views about an axis parallel to the detector's columns.

    centre_mm (3,), radius_mm: of the source's circle (parallel beams: 0 and 1). toward, aside (views, 3): unit vectors
    from the source to the axis, and at right angles to it in the sense of u. angle (views,): by which the source has
    turned about the axis. step: radians from view to view. fan (columns,): angle of each column's ray with the ray
    through the axis, in the sense in which u grows; for parallel beams the distance from the axis (mm). sense: 1 where
    the rays of larger `fan` point the way that the source turns, else -1. height_mm: of the source of view 0 along v.
    rise_mm: of the source along v, from view to view (0 on a circle).
    """

    centre_mm: Floats
    radius_mm: float
    toward: Floats
    aside: Floats
    angle: Floats
    step: float
    fan: Floats
    sense: float
    height_mm: float
    rise_mm: float


def orbit_of(geometry: Geometry) -> Orbit:
    """The orbit of a circular, helical or parallel scan. Raises InvalidInput for other scans."""
    if len(geometry) < 3:
        raise InvalidInput(
            message(f"{len(geometry)} views", "filtered backprojection needs a scan", "Give half a turn of views.")
        )
    v = geometry.v[0]
    if np.abs(geometry.v - v).max() > 1e-6:
        raise InvalidInput(
            message("v", "the detector's columns turn during the scan", "Give views whose v is the rotation axis.")
        )
    height = _along(geometry.source_mm, v)
    still = 1e-6 * max(1.0, float(np.abs(geometry.source_mm).max()))
    rise = float(height[-1] - height[0]) / (len(height) - 1)
    if geometry.beam == "parallel" or np.ptp(height) <= still:
        rise = 0.0
    elif np.abs(height - (height[0] + rise * np.arange(len(height)))).max() > max(still, _EVEN * abs(rise)):
        raise InvalidInput(
            message(
                f"source_mm moves {np.ptp(height):.3g} mm along v",
                "but not by equal steps, as on a helix",
                "Give a circular or helical scan.",
            )
        )
    if geometry.beam == "parallel":
        centre, radius = np.zeros(3), 1.0
        toward = geometry.centre_mm - geometry.source_mm
        toward = toward / np.sqrt(_along(toward, toward))[:, None]
    else:
        e, f = geometry.u[0], np.cross(v, geometry.u[0])
        (x, y), radius = _circle(_along(geometry.source_mm, e), _along(geometry.source_mm, f))
        centre = x * e + y * f + height[0] * v
        toward = (centre + (height - height[0])[:, None] * v - geometry.source_mm) / radius
    aside = np.cross(v, toward)
    side = np.sign(_along(aside, geometry.u))
    before, after = toward[:-1], toward[1:]
    turned = _along(np.cross(before, after), v)
    steps = 2.0 * arctan(turned / (1.0 + _along(before, after)))
    step = float(np.abs(steps).max())
    if step == 0.0 or np.abs(steps - steps[0]).max() > _EVEN * step or np.abs(side - side[0]).max() > 0.0:
        raise InvalidInput(
            message(
                f"angles between views from {np.degrees(steps.min()):.4g} to {np.degrees(steps.max()):.4g} degrees",
                "filtered backprojection weighs all views alike",
                "Give equal steps.",
            )
        )
    angle = np.concatenate([[0.0], np.cumsum(steps)])
    step = abs(float(angle[-1])) / len(steps)
    fan = _fan(geometry, toward, side[0] * aside)
    sense = float(np.sign(steps[0]) * side[0])
    return Orbit(centre, float(radius), toward, side[0] * aside, angle, step, fan, sense, float(height[0]), rise)


def line_weights(geometry: Geometry, orbit: Orbit) -> Floats:
    """(views, columns) of each ray of a circular or parallel scan; those of a line's measurements add up to the step.

    Raises InvalidInput for incomplete scans.
    """
    return _weights(geometry, np.abs(orbit.angle), orbit.step, orbit.fan, orbit.sense)


def _along(vectors: Floats, others: Floats) -> Floats:
    """Scalar products, summed in order."""
    product = vectors * others
    return np.asarray(product[:, 0] + product[:, 1] + product[:, 2])


def _circle(x: Floats, y: Floats) -> tuple[tuple[float, float], float]:
    """Centre and radius of the circle through points (least squares). Raises InvalidInput when they are on none."""
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    x, y = x - mean_x, y - mean_y
    square = x * x + y * y
    xx, xy, yy, xs, ys = (math.fsum(one) for one in (x * x, x * y, y * y, x * square, y * square))
    determinant = xx * yy - xy * xy
    if determinant <= 1e-12 * (xx + yy) ** 2:
        raise InvalidInput(message("source_mm", "does not go round the object", "Give a scan of half a turn or more."))
    middle_x, middle_y = 0.5 * (xs * yy - ys * xy) / determinant, 0.5 * (ys * xx - xs * xy) / determinant
    distance = np.sqrt((x - middle_x) ** 2 + (y - middle_y) ** 2)
    radius = math.fsum(distance) / len(distance)
    if np.abs(distance - radius).max() > 1e-5 * radius:
        raise InvalidInput(
            message(
                f"source_mm lies {distance.min():.4g} to {distance.max():.4g} mm from its middle",
                "filtered backprojection is for circles",
                "Give a circular scan with the detector across its rays.",
            )
        )
    return (mean_x + middle_x, mean_y + middle_y), radius


def _fan(geometry: Geometry, toward: Floats, aside: Floats) -> Floats:
    """Angle (parallel: mm from the axis) of each column in view 0; the same in all, or InvalidInput."""
    travel = geometry.centre_mm - geometry.source_mm
    across = (np.arange(geometry.columns) - 0.5 * (geometry.columns - 1)) * geometry.pixel_mm[0]
    if geometry.beam == "parallel":
        return np.asarray(across)
    shift, ahead, offsets = _along(travel, aside), _along(travel, toward), _along(geometry.u, aside)
    turn = arctan(shift / ahead)
    if np.ptp(turn) > _TILT:
        raise InvalidInput(
            message("the detector", "moves against the source during the scan", "Let both turn together.")
        )
    if geometry.radius_mm is None:
        if np.abs(offsets - 1.0).max() > _TILT:
            raise InvalidInput(
                message(
                    f"the detector is turned by {np.degrees(np.arccos(min(1.0, offsets.min()))):.4g} degrees",
                    "filtered backprojection needs it at right angles to the ray through the axis",
                    "Give a circular scan with the detector across its rays.",
                )
            )
        return arctan((float(shift[0]) + across) / float(ahead[0]))
    level = travel[0] - (travel[0] * geometry.v[0]).sum() * geometry.v[0]
    if abs(geometry.radius_mm / float(np.sqrt((level**2).sum())) - 1.0) > 1e-6:
        raise InvalidInput(
            message(
                f"radius_mm={geometry.radius_mm:g}",
                "filtered backprojection needs the detector's arc about the source",
                "Give a circular scan with the detector across its rays.",
            )
        )
    return np.asarray(float(turn[0]) + across / geometry.radius_mm)


def _weights(geometry: Geometry, angle: Floats, step: float, fan: Floats, sense: float) -> Floats:
    """(views, columns) for views turned by `angle`; the weights of a line's measurements add up to `step`."""
    parallel = geometry.beam == "parallel"
    half, span = np.pi, step * len(angle)
    edge = float(np.abs(fan).max()) if parallel else float(np.abs(fan).max() + 0.5 * np.ptp(fan) / max(1, len(fan) - 1))
    short_side = float(min(-fan.min(), fan.max()))
    shifted = not parallel and abs(fan.min() + fan.max()) > 1.01 * np.ptp(fan) / max(1, len(fan) - 1)
    turns = span / (2.0 * np.pi)
    if abs(turns - round(turns)) < 0.5 / len(angle) and round(turns) >= 1:
        if shifted:
            if short_side <= 0.0:
                raise InvalidInput(
                    message("the detector", "does not reach over the axis", "Shift it by less than half its width.")
                )
            grown = np.clip(fan * np.sign(fan.min() + fan.max()) / short_side, -1.0, 1.0)
            share = 0.5 * (1.0 + cosine_sine(0.5 * np.pi * grown)[1])
            return np.broadcast_to(share * step / round(turns), (len(angle), len(fan)))
        return np.full((len(angle), len(fan)), 0.5 * step / round(turns))
    if parallel:
        if abs(span / half - round(span / half)) < 0.5 / len(angle) and round(span / half) >= 1:
            return np.full((len(angle), len(fan)), step / round(span / half))
        raise _incomplete(span, half, "half a turn, or whole multiples of it")
    if shifted:
        raise _incomplete(span, 2.0 * np.pi, "a whole turn, as the detector is shifted aside")
    delta = 0.5 * (span - half)
    if delta < edge - 0.5 * step:
        raise _incomplete(span, half + 2.0 * edge, "half a turn and the fan")
    delta = max(delta, edge)
    beta = (angle + 0.5 * step)[:, None]
    gamma = sense * fan[None, :]
    rising = np.clip(beta / np.maximum(delta - gamma, 1e-9), 0.0, 2.0)
    falling = np.clip((half + 2.0 * delta - beta) / np.maximum(delta + gamma, 1e-9), 0.0, 2.0)
    first, last = (cosine_sine(0.25 * np.pi * one)[1] ** 2 for one in (rising, falling))
    rises, falls = beta < 2.0 * (delta - gamma), beta > half - 2.0 * gamma
    return step * np.where(rises, first, np.where(falls, last, 1.0))


def _incomplete(span: float, needed: float, words: str) -> InvalidInput:
    return InvalidInput(
        message(
            f"the scan spans {np.degrees(span):.4g} degrees",
            f"filtered backprojection needs {words}: {np.degrees(needed):.4g} degrees",
            f"Add views; to the rotation of a protocol give arc_deg={_whole_tenths(np.degrees(needed)):g}.",
        )
    )


def _whole_tenths(degrees: float) -> float:
    """The next tenth of a degree above; a whole turn is one."""
    return math.ceil(10.0 * degrees - 1e-6) / 10.0
