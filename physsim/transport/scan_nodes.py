"""The node views of a scatter scan: all grow together, so that what is compared and averaged holds equally much.

Each view has random numbers of its own: errors are independent from view to view and average out over the angle.
(With common ones neighbours' errors correlate by 0.7 and nothing averages out.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from physsim.portable import exp, log
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo
from physsim.transport.angle_smoother import independent_values
from physsim.transport.node_spline import FLOOR, NodeSpline, spline_weights
from physsim.transport.pre_set_counts import next_count
from physsim.transport.scatter_optics import ScatterOptics
from physsim.transport.scatter_scene import ScatterScene
from physsim.transport.scatter_sums import (
    BATCHES,
    NODE_CELL,
    REPLICATES,
    MultipleSums,
    SingleSums,
    ViewJob,
    above_noise,
    behind_strips,
    coarse_view,
    node_levels,
)

Floats = NDArray[np.float64]
Item = TypeVar("Item")
Result = TypeVar("Result")

FIRST_POINTS, FIRST_HISTORIES = 4, 4  # of a replicate, of a batch: views share the work
FLAT = 4.0  # a detector so many times wider than high: scatter bends little along it
FLAT_LEVELS = ((8, 4), (12, 4), (17, 6))  # nodes there, in place of NODE_LEVELS


@dataclass(frozen=True, eq=False)
class NodeImages:
    """What node views know: `images` (nodes, rows, columns) keV/cm2 per history of single and of multiple scatter on
    the grid, each in its own node views, `variances` (the same) of them. `independent`: values in
    the noise of a view's single and multiple scatter.

    multiple_error: RMS over views of the spline of multiple scatter against its checks, over the mean scatter, noise
    taken off; `multiple_noise`: one standard error of that, by the spread over views.
    """

    images: tuple[Floats, Floats]
    variances: tuple[Floats, Floats]
    independent: tuple[float, float]
    multiple_error: float
    multiple_noise: float


class NodeViews:
    """Sums of single and multiple scatter in some views of a scan, on a grid of places that reaches the edges.

    `views`: where single scatter is known; `multiple_views`: some of them, where multiple scatter is, which turns
    slowly with the angle.
    """

    def __init__(
        self,
        scene: ScatterScene,
        geometry: Geometry,
        optics: ScatterOptics,
        run: MonteCarlo,
        grid: tuple[int, int],
        seed: int,
        threads: int,
    ) -> None:
        self._scene, self._geometry, self._optics, self._run = scene, geometry, optics, run
        self._grid, self._seed, self._threads, self._level = grid, seed, threads, 0
        wide, high = (n * step for n, step in zip((geometry.columns, geometry.rows), geometry.pixel_mm, strict=True))
        flat = FLAT_LEVELS[1:] if behind_strips(optics.grid) else FLAT_LEVELS  # a strip sees little of the phantom
        self._levels = flat if wide > FLAT * high else node_levels(optics.grid)
        self.views: list[int] = []
        self.multiple_views: list[int] = []
        self._jobs: dict[int, ViewJob] = {}
        self._single: list[SingleSums] = []
        self._multiple: list[MultipleSums] = []
        self.points, self.histories = FIRST_POINTS, FIRST_HISTORIES

    def add(self, views: list[int], multiple: list[int]) -> None:
        """More views of single scatter, and of multiple scatter where that of order 1 is known too; they catch up."""
        views = views + [view for view in multiple if view not in self.views and view not in views]
        if views:
            self._optics.source_fields(self._geometry[views[0]], self._scene)  # the field's spectra, made once for all
        jobs = self._in_threads(lambda view: self._job(view, self._grid, NODE_CELL), views)
        self._jobs |= dict(zip(views, jobs, strict=True))
        self.views += views
        self._single += [SingleSums(job) for job in jobs]
        self.multiple_views += multiple
        self._multiple += [MultipleSums(self._jobs[view], self._levels[self._level]) for view in multiple]
        self._catch_up()

    def grow(self, kept: Floats, least: float = 1.0) -> None:
        """Grows the part that lowers the mean variance most for its cost, `least` times at least; `kept` (2,): shares
        that smoothing leaves."""
        variance = kept * self.noise()[1]
        cost = [sum(one.cost for one in part) for part in (self._single, self._multiple)]
        if variance[0] * cost[1] > variance[1] * cost[0]:
            self.points = next_count(self.points, FIRST_POINTS, least)
        else:
            self.histories = next_count(self.histories, FIRST_HISTORIES, least)
        self._catch_up()

    def grow_to(self, histories: int) -> None:
        """Photons of the multiple scatter of each view; an eighth as many Sobol points."""
        self.points = max(self.points, -(-histories // (8 * REPLICATES)))
        self.histories = max(self.histories, -(-histories // BATCHES))
        self._catch_up()

    def refine_multiple(self) -> bool:
        """Starts multiple scatter anew on more nodes; False where there are no more."""
        if self._level + 1 == len(self._levels):
            return False
        self._level += 1
        self._multiple = [MultipleSums(self._jobs[view], self._levels[self._level]) for view in self.multiple_views]
        self._catch_up()
        return True

    def noise(self) -> tuple[float, Floats]:
        """Mean scatter, and the mean variances (2,) of a place by single and multiple scatter, quickly: by nodes."""
        parts = (self._single, self._multiple)
        means, variances = np.array([np.mean([one.mean_and_variance() for one in part], axis=0) for part in parts]).T
        return float(means.sum()), variances

    def photons(self) -> int:
        """Histories of multiple scatter so far, all views."""
        return self.histories * BATCHES * len(self.multiple_views)

    def images(self) -> NodeImages:
        """In the order of `views` and `multiple_views`."""
        single = np.stack([one.images().sum(axis=1) for one in self._single])
        values = np.stack([one.values() for one in self._multiple])
        everywhere = _everywhere(self._multiple[0].spline)
        nodes = self._multiple[0].spline.nodes
        mean = values.mean(axis=1)
        apart = (values - mean[:, None]) / np.sqrt(BATCHES * (BATCHES - 1.0))
        safe = np.maximum(above_noise(mean, apart), FLOOR * max(float(mean.max()), 1e-300))
        found = exp(_weighted(log(safe[:, :nodes]), everywhere))
        relative = _weighted(_relative(mean, apart, safe)[..., :nodes], everywhere)
        places = self._grid[0] * self._grid[1]
        checked = found[:, places:]
        noise = ((checked[:, None] * relative[..., places:] - apart[..., nodes:]) ** 2).sum(axis=1)
        off = (((checked - mean[:, nodes:]) ** 2) - noise).mean(axis=1)
        shape = (len(self.multiple_views), self._grid[1], self._grid[0])
        absolute = found[:, None, :places] * relative[..., :places]
        variances = (absolute**2).sum(axis=1).reshape(shape)
        single_variances = single.var(axis=1, ddof=1) / REPLICATES
        single_apart = (single - single.mean(axis=1, keepdims=True)).reshape(len(single), REPLICATES, places)
        independent = independent_values(single_apart), independent_values(absolute)
        images = single.mean(axis=1), found[:, :places].reshape(shape)
        scale = max(float(images[0].mean() + images[1].mean()), 1e-300)
        error = float(np.sqrt(max(float(off.mean()), 0.0))) / scale
        spread = float(np.sqrt(float(off.std()) / np.sqrt(len(off)))) / scale
        return NodeImages(images, (single_variances, variances), independent, error, spread)

    def detector_error(self, view: int, across: Floats, along: Floats) -> tuple[float, float]:
        """Mean squared error of single scatter between the grid's places in a view, and its mean.

        The same photons are scored on a grid twice as fine, so that chance cancels. `across`, `along`: weights
        (fine, grid) of the interpolation.
        """
        job = self._job(view, (2 * self._grid[0] - 1, 2 * self._grid[1] - 1), 2.0 * NODE_CELL)
        sums = SingleSums(job)
        sums.grow_to(self.points)
        direct = sums.images().sum(axis=1).mean(axis=0)
        found = detector_image(np.ascontiguousarray(direct[::2, ::2]), across, along)
        return float(((found - direct) ** 2).mean()), float(direct.mean())

    def _job(self, view: int, grid: tuple[int, int], cell: float) -> ViewJob:
        geometry = self._geometry[view]
        coarse = coarse_view(geometry, grid)
        digest = hashlib.blake2b(f"view {view} of scan {self._seed}".encode(), digest_size=8).digest()
        return ViewJob(
            self._scene,
            coarse,
            self._optics.source_fields(geometry, self._scene),
            self._optics.target_fields(coarse, self._scene),
            self._run,
            int.from_bytes(digest, "little"),
            1,
            cell,
        )

    def _catch_up(self) -> None:
        """Views side by side, one thread each: the same bits on any number of threads."""

        self._in_threads(lambda sums: sums.grow_to(self.histories), self._multiple)
        self._in_threads(lambda sums: sums.grow_to(self.points), self._single)

    def _in_threads(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """What `work` makes of each item, in order."""
        if self._threads == 1:
            return [work(item) for item in items]
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(work, items))


def _relative(mean: Floats, apart: Floats, safe: Floats) -> Floats:
    """Deviations of log(safe) in each batch: of the mean, or of the standard error that stands in its place.

    The jackknife of a variance: it scatters by 2 / batches, however little the mean beneath it is known.
    """
    at = safe[:, None]
    return np.where((mean < safe)[:, None], 0.5 * ((apart / at) ** 2 - 1.0 / apart.shape[1]), apart / at)


def fine_weights(count: int) -> Floats:
    """(2 count - 1, count) weights of the spline through evenly spaced places at them and amid them."""
    return spline_weights(np.arange(count, dtype=np.float64), 0.5 * np.arange(2 * count - 1, dtype=np.float64))


def detector_image(grid: Floats, across: Floats, along: Floats) -> Floats:
    """(places along, places across) from (rows, columns): a spline of the logarithm across, a plain one along.

    Few rows change slowly; the plain one spares the exponential of every pixel.
    """
    lowest = FLOOR * max(float(grid.max()), 1e-300)
    known = log(np.maximum(grid, lowest))
    rows = np.zeros((len(grid), len(across)))
    for c in range(grid.shape[1]):
        rows += known[:, c, None] * across[:, c]
    rows = exp(rows)
    found = np.zeros((len(along), len(across)))
    for r in range(len(rows)):
        found += along[:, r, None] * rows[r]
    return np.maximum(found, lowest)


def _everywhere(spline: NodeSpline) -> Floats:
    """(places and then checks, nodes)."""
    tensor = spline.rows[:, None, :, None] * spline.columns[None, :, None, :]
    return np.concatenate([tensor.reshape(-1, spline.nodes), spline.check])


def _weighted(values: Floats, weights: Floats) -> Floats:
    """(..., nodes) x (places, nodes) summed over nodes in order."""
    found = np.zeros((*values.shape[:-1], len(weights)))
    for j in range(weights.shape[1]):
        found += values[..., j, None] * weights[:, j]
    return found
