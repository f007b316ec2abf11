"""What one view's scatter image is summed from: Sobol points and histories, each on nodes and their checks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import instruction_set
from physsim.randomness import stream_number
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo
from physsim.transport.montecarlo_result import variance_of_variance
from physsim.transport.node_spline import NodeSpline, node_spline
from physsim.transport.scatter_focus import focused
from physsim.transport.scatter_image import MultipleScatter
from physsim.transport.scatter_importance import guided
from physsim.transport.scatter_scene import ScatterScene

Floats = NDArray[np.float64]

REPLICATES = 8  # of the Sobol points
BATCHES = 32  # of the histories: the variance of the variance of normal ones is 2 / 32
NODE_LEVELS = ((7, 6), (12, 10), (17, 14))  # across, along: with their checks all but whole groups of 16
FEW_CHECKS = (3, 2)  # of the first level, 8 of the others
SINGLE_LEVELS: tuple[tuple[int, int] | None, ...] = ((16, 14), (24, 20), None)  # of order 1; None: all pixels
SINGLE_CHECKS = (8, 4)  # with these nodes whole groups of 16
FINE_PIXELS = 4  # a node: wider ones are not what their middles are, by 1 % in 6 x 5 of SLAB60
NODE_CELL = 0.25  # of the distance of two nodes: what a node is the mean of
_TARGETS_AT_ONCE = 16  # kernels/launch/scatter_nodes_table.h
_POINT_RAYS = 160  # of detection, as long as a first collision takes
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

    def __post_init__(self) -> None:
        cutoff = self.run.cutoff_kev
        focus = self.scene.view(focused(self.scene, self.source, self.threads), cutoff)
        view = guided(self.scene, self.geometry, self.source, self.targets, cutoff, self.threads)
        object.__setattr__(self, "view", view)
        object.__setattr__(self, "focus", focus)
        object.__setattr__(self, "isa", instruction_set())

    view: Any = None  # for multiple scatter
    focus: Any = None  # for single scatter
    isa: str = ""


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
        fill = np.minimum(np.arange(_padded(len(column))), len(column) - 1)
        self._column, self._row = column[fill].astype(np.float32), row[fill].astype(np.float32)
        self._kept = len(column)
        self._sums = np.zeros((REPLICATES, 2, fill.size))

    def grow(self) -> None:
        """To the next of the pre-set numbers."""
        self.grow_to(next_count(self.points, FIRST_POINTS))

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
        values, shape = self._sums[:, :, : self._kept] / self.points, self._job.geometry.shape[1:]
        if self._spline is None:
            return np.asarray(values.reshape(REPLICATES, 2, *shape))
        return self._spline.straight(values[..., : self._spline.nodes])[0]

    def interpolation(self) -> tuple[float, float]:
        """RMS difference of interpolated and direct values at the checks, noise taken off, and what of it noise alone
        would give; both in keV/cm2. The same photons make both, so that little noise is left."""
        if self._spline is None:
            return 0.0, 0.0
        values, nodes = self._sums[:, :, : self._kept].sum(axis=1) / self.points, self._spline.nodes
        off = self._spline.straight(values[:, :nodes])[1] - values[:, nodes:]
        noise = off.var(axis=0, ddof=1) / REPLICATES
        squared = float((off.mean(axis=0) ** 2 - noise).mean())
        return float(np.sqrt(max(squared, 0.0))), float(np.sqrt(noise.mean()))

    def mean_and_variance(self) -> tuple[float, float]:
        """Mean over pixels or nodes, and the mean variance of one."""
        if self._known[0] != self.points:
            kept = self._kept if self._spline is None else self._spline.nodes
            images = self._sums[:, :, :kept].sum(axis=1) / self.points
            self._known = self.points, float(images.mean()), float(images.var(axis=0, ddof=1).mean()) / REPLICATES
        return self._known[1:]

    @property
    def cost(self) -> float:
        """Rays so far, points counted as rays."""
        return float(self.points * REPLICATES * (len(self._column) + _POINT_RAYS))


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
        column, row = self.spline.targets()
        fill = np.minimum(np.arange(_padded(len(column))), len(column) - 1)
        self._column, self._row = column[fill].astype(np.float32), row[fill].astype(np.float32)
        self._kept = len(column)
        self._sums = np.zeros((BATCHES, fill.size))
        self._cell = _node_cell(geometry, nodes)

    def grow(self) -> None:
        """To the next of the pre-set numbers."""
        self.grow_to(next_count(self.histories, FIRST_HISTORIES))

    def grow_to(self, histories: int) -> None:
        """Of each batch."""
        if histories <= self.histories:
            return
        job = self._job
        self.events += job.view.multiple(
            {**job.targets, "cell": self._cell},
            self._column,
            self._row,
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
        return np.asarray(self._sums[:, : self._kept] / self.histories)

    def mean_and_variance(self) -> tuple[float, float]:
        """Mean over nodes, and the mean variance of a node."""
        if self._known[0] != self.histories:
            values = self.values()
            self._known = self.histories, float(values.mean()), float(values.var(axis=0, ddof=1).mean()) / BATCHES
        return self._known[1:]

    @property
    def cost(self) -> float:
        """Rays so far, histories counted as rays."""
        return float(self.events * (len(self._column) + _HISTORY_RAYS))

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
        image, checks = self.spline.image(mean[:nodes])
        deviations, check_apart = self.spline.deviations(mean[:nodes], apart[:, :nodes])
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


def next_count(count: int, first: int) -> int:
    """The next of first x (1, 1.5, 2, 3, 4, 4.5, 5, ..., 8, 8.5, ...): halves, eighths, then sixteenths of powers of 2.

    Far from an aim a look would cost more than it saves, near it less than what is made past it.
    """
    step = first
    while True:
        for parts in range(16, 32, 8 if step < 4 * first else 2 if step < 8 * first else 1):
            if parts * step // 16 > count:
                return parts * step // 16
        step *= 2


def _node_cell(geometry: Geometry, nodes: tuple[int, int]) -> tuple[float, float]:
    """Widths in pixels of what a node is the mean of."""
    return NODE_CELL * geometry.columns / (nodes[0] - 1), NODE_CELL * geometry.rows / (nodes[1] - 1)


def _padded(count: int) -> int:
    return -(-count // _TARGETS_AT_ONCE) * _TARGETS_AT_ONCE
