"""A smooth positive image from values on a few nodes of a detector: a cubic spline of the logarithm, with its error.

Nodes reach the detector's outline, so that nothing is extrapolated. Values that are not positive (nothing scatters
there) take the place of a floor far below the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.portable import exp, log
from physsim.transport.ordered import product

Floats = NDArray[np.float64]

FLOOR = 1e-9  # of the largest node


@dataclass(frozen=True, eq=False)
class NodeSpline:
    """Tensor product of two cubic splines.

    `node_column`, `node_row`: places of the nodes along a row and a column of pixels, in pixels from the detector's
    centre. `columns` (pixels x split, nodes), `rows`: what each node adds to a place; a pixel is the mean of `split` x
    `split` places in it. `check`: (checks, nodes) the same for the places `check_place` (checks, 2: column, row), at
    which the estimate is compared with its own direct value.
    """

    node_column: Floats
    node_row: Floats
    columns: Floats
    rows: Floats
    check_place: Floats
    check: Floats
    split: int = 1

    @property
    def nodes(self) -> int:
        """Nodes in all."""
        return len(self.node_column) * len(self.node_row)

    def targets(self) -> tuple[Floats, Floats]:
        """Column and row of the nodes (row by row) and then of the checks."""
        column = np.concatenate([np.tile(self.node_column, len(self.node_row)), self.check_place[:, 0]])
        return column, np.concatenate([np.repeat(self.node_row, len(self.node_column)), self.check_place[:, 1]])

    def straight(self, values: Floats) -> tuple[Floats, Floats]:
        """(..., rows, columns) images and (..., checks) of node values (..., nodes) by the spline of the values
        themselves: linear in them, so that means and errors go through exactly."""
        shape = (len(self.node_row), len(self.node_column))
        images = self._pixels(_through(self.rows, values.reshape(*values.shape[:-1], *shape), self.columns))
        return images, self._checks(values)

    def image(self, values: Floats) -> tuple[Floats, Floats]:
        """(rows, columns) image and (checks,) interpolated values of node values (nodes,)."""
        positive = np.maximum(values, FLOOR * max(float(values.max()), 1e-300))
        known = log(positive).reshape(len(self.node_row), len(self.node_column))
        return self._pixels(self._places(known)), exp(self._checks(known.ravel()))

    def deviations(self, values: Floats, apart: Floats) -> tuple[Floats, Floats]:
        """Small changes `apart` (n, nodes) of the nodes: those of image (n, rows, columns) and checks (n, checks)."""
        positive = np.maximum(values, FLOOR * max(float(values.max()), 1e-300))
        relative, shape = apart / positive, (len(self.node_row), len(self.node_column))
        places, checks = self._places(log(positive).reshape(shape)), self.image(values)[1]
        images = self._pixels(places * _through(self.rows, relative.reshape(-1, *shape), self.columns))
        return images, checks * self._checks(relative)

    def _places(self, known: Floats) -> Floats:
        return exp(_through(self.rows, known, self.columns))

    def _checks(self, known: Floats) -> Floats:
        """(..., checks) of node values (..., nodes)."""
        return product(known.reshape(-1, self.nodes), np.ascontiguousarray(self.check.T)).reshape(*known.shape[:-1], -1)

    def _pixels(self, places: Floats) -> Floats:
        """Means over the places (..., down, across) in each pixel."""
        split = self.split
        total = sum(places[..., j::split, i::split] for j in range(split) for i in range(split))
        return np.asarray(total) / (split * split)


@lru_cache(maxsize=16)
def node_spline(
    columns: int, rows: int, across: int, along: int, split: int = 1, checks: tuple[int, int] | None = None
) -> NodeSpline:
    """`across` x `along` nodes on a detector of `columns` x `rows` pixels, and 8 checks amid them, or `checks` of them.

    `split`: 1 takes a pixel for its centre, 2 for its mean by Gauss's rule of two points along each axis.
    """
    node_column, node_row = _even(columns, across), _even(rows, along)
    gap_column, gap_row = node_column[1] - node_column[0], node_row[1] - node_row[0]
    if checks is None:
        spread = ((0, 0), (0, 2), (2, 0), (2, 2), (0, 1), (1, 0), (1, 2), (2, 1))  # cells: corners, then edges
        cells = [(round(0.5 * i * (across - 2)), round(0.5 * j * (along - 2))) for i, j in spread]
    else:
        cells = [
            (int((i + 0.25 + 0.5 * (j % 2)) / checks[0] * (across - 1)), int((j + 0.5) / checks[1] * (along - 1)))
            for j in range(checks[1])
            for i in range(checks[0])
        ]
    place = np.array([(node_column[0] + gap_column * (0.5 + i), node_row[0] + gap_row * (0.5 + j)) for i, j in cells])
    at_column, at_row = spline_weights(node_column, place[:, 0]), spline_weights(node_row, place[:, 1])
    check = (at_row[:, :, None] * at_column[:, None, :]).reshape(len(place), -1)
    within = np.zeros(1) if split == 1 else np.array([-1.0, 1.0]) / np.sqrt(12.0)
    pixel_column = (np.arange(columns)[:, None] - 0.5 * (columns - 1) + within).ravel()
    pixel_row = (np.arange(rows)[:, None] - 0.5 * (rows - 1) + within).ravel()
    return NodeSpline(
        node_column,
        node_row,
        spline_weights(node_column, pixel_column),
        spline_weights(node_row, pixel_row),
        place,
        check,
        split,
    )


def spline_weights(nodes: Floats, places: Floats, period: float | None = None) -> Floats:
    """(places, nodes) weights of the cubic spline through values at rising `nodes`.

    Not-a-knot at the ends, or, with a `period`, closed: the first node follows the last one. Solved by elimination in
    float64 without a library: the same bits on every CPU.
    """
    count = len(nodes)
    knots = nodes if period is None else np.append(nodes, nodes[0] + period)
    gap = np.diff(knots)
    system, right = np.zeros((count, count)), np.zeros((count, count))
    for i in range(count):
        before, after = (i - 1) % count, (i + 1) % count
        if period is None and i in (0, count - 1):
            outer, inner = (gap[0], gap[1]) if i == 0 else (gap[-1], gap[-2])
            step = 1 if i == 0 else -1
            system[i, i], system[i, i + step], system[i, i + 2 * step] = inner, -outer - inner, outer
            continue
        left_gap, right_gap = gap[i - 1], gap[i]
        system[i, before] += left_gap / 6.0
        system[i, i] += (left_gap + right_gap) / 3.0
        system[i, after] += right_gap / 6.0
        right[i, before] += 1.0 / left_gap
        right[i, i] -= 1.0 / left_gap + 1.0 / right_gap
        right[i, after] += 1.0 / right_gap
    curvature = _solved(system, right)
    where = np.asarray(places, np.float64)
    if period is not None:
        where = nodes[0] + np.mod(where - nodes[0], period)
    cell = np.clip(np.searchsorted(knots, where, side="right") - 1, 0, len(gap) - 1)
    wide = gap[cell]
    b = (where - knots[cell]) / wide
    a = 1.0 - b
    next_node = (cell + 1) % count
    square = (wide * wide / 6.0)[:, None]
    weights = square * ((a**3 - a)[:, None] * curvature[cell] + (b**3 - b)[:, None] * curvature[next_node])
    every = np.arange(len(cell))
    weights[every, cell] += a
    weights[every, next_node] += b
    return np.asarray(weights)


def fit_weights(nodes: Floats, places: Floats) -> Floats:
    """(nodes, places) what values at many `places` add to the nodes of the cubic spline that fits them best."""
    spline = spline_weights(nodes, places)
    across = np.ascontiguousarray(spline.T)
    return _solved(product(across, spline), across)


def _even(pixels: int, count: int) -> Floats:
    return np.asarray(pixels * (np.arange(count) / (count - 1) - 0.5))


def _through(rows: Floats, known: Floats, columns: Floats) -> Floats:
    """(..., places down, places across) of node values (..., rows, columns)."""
    half = np.moveaxis(product(rows, np.ascontiguousarray(np.moveaxis(known, -2, 0))), 0, -2)
    flat = np.ascontiguousarray(half).reshape(-1, known.shape[-1])
    return product(flat, np.ascontiguousarray(columns.T)).reshape(*half.shape[:-1], len(columns))


def _solved(system: Floats, right: Floats) -> Floats:
    """Gauss-Jordan with pivots."""
    system, right = system.copy(), right.copy()
    for i in range(len(system)):
        pivot = i + int(np.argmax(np.abs(system[i:, i])))
        system[[i, pivot]], right[[i, pivot]] = system[[pivot, i]], right[[pivot, i]]
        scale = system[i, i]
        system[i], right[i] = system[i] / scale, right[i] / scale
        factor = system[:, i].copy()
        factor[i] = 0.0
        system, right = system - factor[:, None] * system[i], right - factor[:, None] * right[i]
    return right

