"""Vessel trees grown into a lobe: each branch heads for the middle of the tissue it serves, then splits it in two."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from physsim.phantom.pieces import Array
from physsim.randomness import Stream

Segment = tuple[float, float, float, float, float, float, float, float]
MURRAY = 2.36  # exponent of radius against end points served; between 2.33 proximal and 2.92 (published)
END_RADIUS_MM = 0.205  # of a branch that serves one of 3 end points per ml
END_POINTS_PER_ML = 3.0
REACH = 0.44  # of the way to the middle of the cloud
_LARGEST_TURN_COSINE = 0.35


def grow_tree(root: Array, direction: Array, ends: Array, per_ml: float, stream: Stream) -> list[Segment]:
    """Branches from `root` to the cloud `ends` (n, 3) of end points, of which there are `per_ml` in a millilitre.

    Rows are (x, y, z, radius, x, y, z, radius) in mm; a pure function of its arguments.
    Reference: the radius law of Murray with a measured exponent; see phantoms/thorax.
    """
    segments: list[Segment] = []
    work: list[tuple[Array, Array, npt.NDArray[np.int64]]] = [
        (root, direction / np.linalg.norm(direction), np.arange(len(ends)))
    ]
    table = stream.uniform64(np.arange(4 * len(ends))[:, None], [0, 1]).reshape(
        -1, 4
    )  # more rows than there are branches
    drawn = 0
    while work:
        start, heading, own = work.pop()
        random = table[drawn]
        drawn += 1
        middle = ends[own].mean(0)
        goal = ends[own[0]] if len(own) == 1 else start + REACH * (middle - start)
        step = goal - start
        length = float(np.linalg.norm(step))
        if length < 0.5:
            continue
        aim = step / length
        if aim @ heading < _LARGEST_TURN_COSINE:
            side = aim - (aim @ heading) * heading
            side /= max(float(np.linalg.norm(side)), 1e-9)
            aim = _LARGEST_TURN_COSINE * heading + np.sqrt(1 - _LARGEST_TURN_COSINE**2) * side
        end = np.round(start + length * aim + 0.02 * length * (2 * random[:3] - 1), 4)
        radius = END_RADIUS_MM * (len(own) * END_POINTS_PER_ML / per_ml) ** (1 / MURRAY)
        segments.append((*map(float, start), radius, *map(float, end), radius))
        if len(own) == 1:
            continue
        # split perpendicular to the branch, along the cloud's longest extent, at a random quantile
        across = ends[own] - end
        across = across - np.outer(across @ aim, aim)
        _, axes = np.linalg.eigh(across.T @ across)
        order = np.argsort(
            np.round(across @ axes[:, 2] * np.sign(axes[np.abs(axes[:, 2]).argmax(), 2]), 6), kind="stable"
        )
        cut = min(max(1, round(len(own) * (0.32 + 0.36 * float(random[3])))), len(own) - 1)
        travelled = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
        work.append((end, travelled, own[order[cut:]]))
        work.append((end, travelled, own[order[:cut]]))
    return segments
