"""What one view's scatter image is summed from: Sobol points and histories, each on nodes and their checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import instruction_set
from physsim.randomness import stream_number
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo
from physsim.transport.montecarlo_result import variance_of_variance
from physsim.transport.node_spline import NodeSpline, fit_weights, node_spline
from physsim.transport.ordered import product
from physsim.transport.pre_set_counts import next_count
from physsim.transport.scatter_focus import focused
from physsim.transport.scatter_image import MultipleScatter
from physsim.transport.scatter_importance import guided
from physsim.transport.scatter_scene import ScatterScene

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Numbers = NDArray[np.int64]

REPLICATES = 8  # of the Sobol points
BATCHES = 32  # of the histories: the variance of the variance of normal ones is 2 / 32
NODE_LEVELS = ((7, 6), (12, 10), (17, 14))  # across, along: with their checks all but whole groups of 16
FEW_CHECKS = (3, 2)  # of the first level, 8 of the others
SINGLE_LEVELS: tuple[tuple[int, int] | None, ...] = ((16, 14), (24, 20), None)  # of order 1; None: all pixels
STRIP_NODE_LEVELS = ((12, 6), (17, 8), (24, 14))  # across, along the strips of a grid, in place of NODE_LEVELS
STRIP_SINGLE_LEVELS = ((16, 14), (40, 20), (54, 34), None)  # a strip sees little of the phantom, as the shadows do
SINGLE_CHECKS = (8, 4)  # with these nodes whole groups of 16
FINE_PIXELS = 4  # a node: wider ones are not what their middles are, by 1 % in 6 x 5 of SLAB60
ACROSS_STRIPS = 6  # targets a node behind a grid: a collision reaches those whose strips lean towards it
NODE_CELL = 0.25  # of the distance of two nodes: what a node is the mean of
_TARGETS_AT_ONCE = 16  # kernels/launch/scatter_nodes_table.h
_POINT_RAYS = 160  # of detection, as long as a first collision takes
_FIRST_BEHIND_GRID, _MORE_BEHIND_GRID = 0.4, 0.12  # of a target's ray: most are left out (THIN_FIRST, THIN_MORE)
_HISTORY_RAYS = 70  # of detection, as long as it takes to make an event
FIRST_POINTS, FIRST_HISTORIES = 8, 16  # of a replicate, of a batch


@dataclass(frozen=True, eq=False)
class ViewJob:
    """What the sums of one view share: the photons' start and the targets' detector (scatter_optics.py) among it."""

    scene: ScatterScene
    geometry: Geometry
    source: dict[str, Any]
    targets: dict[str, Any]
    run: MonteCarlo
    seed: int
    threads: int
    cell: float  # of a place of single scatter, in pixels

    @cached_property
    def view(self) -> Any:
        """For multiple scatter: photons go where they are worth most."""
        cutoff = self.run.cutoff_kev
        return guided(self.scene, self.geometry, self.source, self.targets, cutoff, self.threads)

    @cached_property
    def focus(self) -> Any:
        """For single scatter: photons meet the phantom."""
        return self.scene.view(focused(self.scene, self.source, self.threads), self.run.cutoff_kev)

    @cached_property
    def isa(self) -> str:
        """Instruction set of the kernels."""
        return instruction_set()


def node_levels(grid: dict[str, Any] | None) -> tuple[tuple[int, int], ...]:
    """Nodes of multiple scatter along rows and columns, from few to many, behind a grid (scatter_optics.py)."""
    axis = _across(grid)
    return NODE_LEVELS if axis is None else tuple((a, b) if axis == 0 else (b, a) for a, b in STRIP_NODE_LEVELS)


def single_levels(grid: dict[str, Any] | None, geometry: Geometry) -> list[tuple[int, int] | None]:
    """Those of single scatter: with fewer nodes than pixels along each axis, and then all pixels."""
    axis = _across(grid)
    levels = SINGLE_LEVELS if axis is None else STRIP_SINGLE_LEVELS
    turned = (one if one is None or axis != 1 else (one[1], one[0]) for one in levels)
    return [one for one in turned if one is None or (geometry.columns > one[0] and geometry.rows > one[1])]


def behind_strips(grid: dict[str, Any] | None) -> bool:
    """Whether there is a grid that is more than a cover."""
    return grid is not None and grid["grid_strip"] > 0.0


def _across(grid: dict[str, Any] | None) -> int | None:
    """0: strips along columns of pixels, 1: along rows; None: neither."""
    if grid is None or not behind_strips(grid) or 0.0 not in grid["grid_across"]:
        return None
    return 0 if grid["grid_across"][1] == 0.0 else 1


class SingleSums:
    """Sums of the Sobol points on nodes and checks, or on all pixels where `nodes` is None."""

    def __init__(self, job: ViewJob, nodes: tuple[int, int] | None = None) -> None:
        self._job, self.points, self.nodes = job, 0, nodes
        self._spline: NodeSpline | None = None
        self._known = (0, 0.0, 0.0)  # points, mean and variance of the last look
        rows, columns = job.geometry.rows, job.geometry.columns
        if nodes is None:
            row, column = (part.ravel() for part in np.indices((rows, columns), np.float64))
            column, row = column - 0.5 * (columns - 1), row - 0.5 * (rows - 1)
            self._cell = (job.cell, job.cell)
        else:
            self._spline = node_spline(columns, rows, *nodes, checks=SINGLE_CHECKS)
            column, row = self._spline.targets()
            self._cell = _node_cell(job.geometry, nodes)
        self._column, self._row, self._place = in_strips(column, row, job.targets["grid"])
        self._sums = np.zeros((REPLICATES, 2, self._column.size))

    def grow(self, least: float = 1.0) -> None:
        """To the next of the pre-set numbers that is `least` times as many."""
        self.grow_to(next_count(self.points, FIRST_POINTS, least))

    def grow_to(self, points: int) -> None:
        """Points of each replicate."""
        if points <= self.points:
            return
        job = self._job
        job.focus.first(
            {**job.targets, "cell": self._cell},
            self._column,
            self._row,
            job.seed,
            stream_number("scatter points"),
            self.points,
            points - self.points,
            self._sums,
            job.threads,
            job.isa,
        )
        self.points = points

    def images(self) -> Floats:
        """(replicates, 2 processes, rows, columns)."""
        values, shape = self._sums[:, :, self._place] / self.points, self._job.geometry.shape[1:]
        if self._spline is None:
            return np.asarray(values.reshape(REPLICATES, 2, *shape))
        return self._spline.straight(values[..., : self._spline.nodes])[0]

    def interpolation(self) -> tuple[float, float]:
        """RMS difference of interpolated and direct values at the checks, noise taken off, and what of it noise alone
        would give; both in keV/cm2. The same photons make both, so that little noise is left."""
        if self._spline is None:
            return 0.0, 0.0
        values, nodes = self._sums[:, :, self._place].sum(axis=1) / self.points, self._spline.nodes
        off = self._spline.straight(values[:, :nodes])[1] - values[:, nodes:]
        noise = off.var(axis=0, ddof=1) / REPLICATES
        squared = float((off.mean(axis=0) ** 2 - noise).mean())
        return float(np.sqrt(max(squared, 0.0))), float(np.sqrt(noise.mean()))

    def mean_and_variance(self) -> tuple[float, float]:
        """Mean over pixels or nodes, and the mean variance of one."""
        if self._known[0] != self.points:
            kept = self._place if self._spline is None else self._place[: self._spline.nodes]
            images = self._sums[:, :, kept].sum(axis=1) / self.points
            self._known = self.points, float(images.mean()), float(images.var(axis=0, ddof=1).mean()) / REPLICATES
        return self._known[1:]

    @property
    def cost(self) -> float:
        """Rays so far, points counted as rays."""
        rays = len(self._column) * (_FIRST_BEHIND_GRID if behind_strips(self._job.targets["grid"]) else 1.0)
        return float(self.points * REPLICATES * (rays + _POINT_RAYS))


class MultipleSums:
    """Sums of the histories on nodes and checks."""

    def __init__(self, job: ViewJob, nodes: tuple[int, int]) -> None:
        self._job, self._shape, self.histories, self.events = job, nodes, 0, 0
        self._known = (0, 0.0, 0.0)  # histories, mean and variance of the last look
        geometry = job.geometry
        coarse = geometry.columns < FINE_PIXELS * nodes[0] or geometry.rows < FINE_PIXELS * nodes[1]
        split = 2 if coarse and job.cell == 1.0 else 1  # a scan's places are places
        checks = FEW_CHECKS if nodes == NODE_LEVELS[0] else None
        self.spline: NodeSpline = node_spline(geometry.columns, geometry.rows, *nodes, split, checks)
        self._strips = StripTargets.of(self.spline, job.targets["grid"])
        self._sums = np.zeros((BATCHES, self._strips.column.size))
        self._cell = _node_cell(geometry, self._strips.nodes)

    def grow(self, least: float = 1.0) -> None:
        """To the next of the pre-set numbers that is `least` times as many."""
        self.grow_to(next_count(self.histories, FIRST_HISTORIES, least))

    def grow_to(self, histories: int) -> None:
        """Of each batch."""
        if histories <= self.histories:
            return
        job = self._job
        self.events += job.view.multiple(
            {**job.targets, "cell": self._cell},
            self._strips.column,
            self._strips.row,
            job.seed,
            stream_number("scatter histories"),
            self.histories,
            histories - self.histories,
            self._sums,
            job.threads,
            job.isa,
        )
        self.histories = histories

    def values(self) -> Floats:
        """(batches, nodes and then checks)."""
        return self._strips.values(self._sums / self.histories)

    def mean_and_variance(self) -> tuple[float, float]:
        """Mean over nodes, and the mean variance of a node."""
        if self._known[0] != self.histories:
            values = self.values()[:, : self.spline.nodes]
            self._known = self.histories, float(values.mean()), float(values.var(axis=0, ddof=1).mean()) / BATCHES
        return self._known[1:]

    @property
    def cost(self) -> float:
        """Rays so far, histories counted as rays."""
        return float(self.events * (self._strips.rays + _HISTORY_RAYS))

    def result(self) -> MultipleScatter:
        """The image of all pixels with its errors."""
        values, nodes = self.values(), self.spline.nodes
        mean = values.mean(axis=0)
        apart = (values - mean) / np.sqrt(BATCHES * (BATCHES - 1.0))
        shape = self._job.geometry.shape[1:]
        if not mean[:nodes].max() > 0.0:
            nothing = np.zeros(shape)
            return MultipleScatter(
                nothing, np.zeros((BATCHES, *shape)), self.histories * BATCHES, self.events, self._shape, 0.0, 0.0, 0.0
            )
        known = above_noise(mean[:nodes], apart[:, :nodes])
        image, checks = self.spline.image(known)
        deviations, check_apart = self.spline.deviations(known, apart[:, :nodes])
        off = checks - mean[nodes:]
        noise = ((check_apart - apart[:, nodes:]) ** 2).sum(axis=0)
        scale = float(image.mean())
        squared = float((off * off - noise).mean()) / scale**2
        return MultipleScatter(
            image,
            deviations,
            self.histories * BATCHES,
            self.events,
            self._shape,
            float(np.sqrt(max(squared, 0.0))),
            float(np.sqrt(noise.mean())) / scale,
            variance_of_variance(values[:, :nodes].mean(axis=1)),
        )


def coarse_view(geometry: Geometry, grid: tuple[int, int]) -> Geometry:
    """The same view with `grid` pixels across and along, the outer ones centred on the detector's edges."""
    pitch = tuple(
        n * step / (m - 1)
        for n, step, m in zip((geometry.columns, geometry.rows), geometry.pixel_mm, grid, strict=True)
    )
    return replace(geometry, columns=grid[0], rows=grid[1], pixel_mm=(pitch[0], pitch[1]))


def above_noise(mean: Floats, apart: Floats) -> Floats:
    """(..., nodes) means, or their own standard error where that is more: `apart` (..., batches, nodes) make it up. A
    logarithm of less says nothing; such nodes saw a photon or none, and a fit may take them below 0."""
    return np.asarray(np.maximum(mean, np.sqrt((apart * apart).sum(axis=-2))))


def _node_cell(geometry: Geometry, nodes: tuple[int, int]) -> tuple[float, float]:
    """Widths in pixels of what a node is the mean of."""
    return NODE_CELL * geometry.columns / (nodes[0] - 1), NODE_CELL * geometry.rows / (nodes[1] - 1)


@dataclass(frozen=True, eq=False)
class StripTargets:
    """Targets of a spline's nodes and checks as the kernel takes them: in sixteens, the last one repeated.

    Behind a grid those along one strip stand together, so that a collision reaches few of the sixteens, and there are
    ACROSS_STRIPS times as many across: the nodes are those of the spline that fits them best. column, row: of the
    targets. place: of each node (or target of the fit) and then each check among them. nodes: targets across, along.
    fit: (axis of (rows, columns), weights of the nodes by the targets) or None. rays: what they cost to a collision.
    """

    column: Singles
    row: Singles
    place: Numbers
    nodes: tuple[int, int]
    fit: tuple[int, Floats] | None
    rays: float

    @staticmethod
    def of(spline: NodeSpline, grid: dict[str, Any] | None) -> StripTargets:
        """Of nodes row by row and then the checks."""
        known, fit = [spline.node_column, spline.node_row], None
        axis = _across(grid)
        if axis is not None:
            few = known[axis]
            known[axis] = np.linspace(few[0], few[-1], ACROSS_STRIPS * (len(few) - 1) + 1)
            fit = 1 - axis, fit_weights(few, known[axis])
        column = np.concatenate([np.tile(known[0], len(known[1])), spline.check_place[:, 0]])
        row = np.concatenate([np.repeat(known[1], len(known[0])), spline.check_place[:, 1]])
        singles = in_strips(column, row, grid)
        rays = float(len(singles[0])) * (_MORE_BEHIND_GRID if behind_strips(grid) else 1.0)
        return StripTargets(*singles, (len(known[0]), len(known[1])), fit, rays)

    def values(self, sums: Floats) -> Floats:
        """(n, nodes and then checks) of (n, targets)."""
        known = sums[:, self.place]
        if self.fit is None:
            return np.asarray(known)
        axis, weights = self.fit
        count = self.nodes[0] * self.nodes[1]
        image = np.moveaxis(known[:, :count].reshape(-1, self.nodes[1], self.nodes[0]), 1 + axis, 0)
        fitted = product(weights, np.ascontiguousarray(image).reshape(len(image), -1)).reshape(-1, *image.shape[1:])
        return np.concatenate([np.moveaxis(fitted, 0, 1 + axis).reshape(len(known), -1), known[:, count:]], axis=1)


def in_strips(column: Floats, row: Floats, grid: dict[str, Any] | None) -> tuple[Singles, Singles, Numbers]:
    """Targets as the kernel takes them: in sixteens, the last repeated, and each one's place among them.

    Behind a grid those along one strip stand together: a collision then reaches few of the sixteens.
    """
    order = np.arange(len(column))
    if grid is not None and behind_strips(grid):
        across, along = grid["grid_across"]
        order = np.lexsort((row * across - column * along, column * across + row * along))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    filled = order[np.minimum(np.arange(-(-len(order) // _TARGETS_AT_ONCE) * _TARGETS_AT_ONCE), len(order) - 1)]
    return column[filled].astype(np.float32), row[filled].astype(np.float32), place
