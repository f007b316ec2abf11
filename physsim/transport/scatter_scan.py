"""Scatter of a CT scan: estimated on a coarse grid of places in some views, smoothed over the angle, a spline between.

Scatter is smooth over the detector and over the angle, so the views between cost nothing and noise is averaged over
neighbours as far as the images themselves allow (angle_smoother.py). What that bends is measured: each node view is
predicted from all the others, and in two views the grid is compared with one twice as fine.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.randomness import checked_seed
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo
from physsim.spec.spectrum import Spectrum
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.node_spline import FLOOR, spline_weights
from physsim.transport.ordered import product
from physsim.transport.response_table import ResponseTable
from physsim.transport.scan_growth import bent, grown, slow_views
from physsim.transport.scan_nodes import NodeViews, fine_weights
from physsim.transport.scatter import CELL_MM, scatter_scene
from physsim.transport.scatter_optics import Side, optics_of

Floats = NDArray[np.float64]

NODE_VIEWS = 72
_CHECKED_VIEWS = 2  # for the error of the grid


@dataclass(frozen=True, eq=False)
class ScatterScan:
    """Scatter in every view of a scan (keV/cm2 per history), made for the views that are asked for.

    node_views: (nodes,) numbers of the views that were estimated; `nodes` (2, nodes, grid rows, grid columns) their
    images of single and of multiple scatter, each with its own noise, `variances` the squares of its standard errors;
    multiple_views: those of multiple scatter, which is 0 in the others, that no view hears of.
    `angles` (2, views, nodes): what a node's image adds to a view, smoothed by its own kind of scatter; `rows` (rows,
    grid rows), `columns` (columns, grid columns) to a place.
    `histories` of multiple scatter and Sobol `points` (of each scramble) in each node view.

    Errors that are not noise, each RMS over the mean scatter. interpolation_error: of the angle, by predicting every
    node view from the others, noise taken off, of which the fit misses the share that a jump leaves (a bound: scatter
    bends, see jump_shares.py), squares of single and multiple scatter added;
    interpolation_noise: one standard error of that figure, also where it reads 0. detector_error: of the grid's spline.
    multiple_error, multiple_noise: of the spline of multiple scatter over a view's nodes.
    """

    node_views: NDArray[np.int64]
    multiple_views: NDArray[np.int64]
    nodes: Floats
    variances: Floats
    angles: Floats
    rows: Floats
    columns: Floats
    histories: int
    points: int
    interpolation_error: float
    interpolation_noise: float
    detector_error: float
    multiple_error: float
    multiple_noise: float
    aim_reached: bool

    def grid(self, views: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(views, grid rows, grid columns) scatter at the grid's places, the outer ones on the detector's edges."""
        return product(self._weights(views), self.nodes.reshape(-1, *self.nodes.shape[2:]))

    def grid_errors(self, views: Sequence[int] | NDArray[np.int64]) -> Floats:
        """Standard errors of `grid`: the node views' own, carried through the weights of the angle."""
        variances = self.variances.reshape(-1, *self.variances.shape[2:])
        return np.asarray(np.sqrt(product(self._weights(views) ** 2, variances)))

    def images(self, views: Sequence[int] | NDArray[np.int64], threads: int | None = None,
               order: Literal["single", "multiple"] | None = None) -> NDArray[np.float32]:
        """(views, rows, columns) scatter, or one order of it, on the detector's own pixels: float32, within 1e-5 of the
        same in float64."""
        weights = self._weights(views)
        if order is not None:
            count = self.angles.shape[2]
            weights[:, slice(count, None) if order == "single" else slice(0, count)] = 0.0
        return _engine.scan_views(
            weights,
            self.nodes.reshape(-1, *self.nodes.shape[2:]),
            np.ascontiguousarray(self.columns.T.astype(np.float32)),
            self.rows.astype(np.float32),
            FLOOR,
            thread_count(threads),
            instruction_set(),
        )

    def _weights(self, views: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(views, 2 x nodes)."""
        return np.concatenate(list(self.angles[:, np.asarray(views)]), axis=1)

    @property
    def relative_error(self) -> float:
        """e_S: RMS standard error over all views and places of the grid, over the mean scatter."""
        views = np.arange(self.angles.shape[1])
        return float(np.sqrt((self.grid_errors(views) ** 2).mean()) / self.grid(views).mean())


def scatter_scan(
    phantom: Phantom,
    geometry: Geometry,
    spectrum: Spectrum | float,
    run: MonteCarlo,
    *,
    node_views: int = NODE_VIEWS,
    grid: tuple[int, int] = (24, 6),
    cathode: Side | None = None,
    focal_spot_mm: tuple[float, float] = (0.0, 0.0),
    anti_scatter_grid: AntiScatterGrid | None = None,
    response: ResponseTable | None = None,
    cell_mm: float | None = CELL_MM,
    seed: int = 0,
    threads: int | None = None,
) -> ScatterScan:
    """Scatter of a scan of many views of one phantom by a flat or curved detector.

    `node_views` views (at most all), spread evenly over the scan, are estimated on a grid of `grid` places (across,
    along the detector) that reaches the detector's edges; multiple scatter, which turns slowly, in every other one of
    FEW_NODES views and more. A scan whose last view is as far from the first as the second
    is closed in angle. `run`: `relative_error` is e_S of the scan, over all its views; photons go on until the standard
    error of interpolation_error is half of that too, and where interpolation_error is beyond it and two
    standard errors, node views are added for the kind of scatter that errs more. `histories` counts photons
    of multiple scatter in each node view, `seconds` and `most_histories` the whole scan. `cathode`, `focal_spot_mm`,
    `anti_scatter_grid`, `response` and `cell_mm` as in scatter_image.

    Raises InvalidInput as scatter_image, for fewer than 8 views, and for nodes that make
    no sense. Warns (MonteCarloWarning) when nothing scatters and when the aim is not reached.
    Neglects: as scatter_image.
    """
    began = time.monotonic()
    seed, count = checked_seed(seed), thread_count(threads)
    views = len(geometry)
    if views < 8:
        raise InvalidInput(message(f"{views} views", "a scan has 8 at least", "Ask scatter_image view by view."))
    if int(node_views) != node_views or node_views < 6:
        raise InvalidInput(
            message(f"node_views={node_views}", "the angle takes 6 node views at least", "Give for example 72.")
        )
    if len(grid) != 2 or min(grid) < 4:
        raise InvalidInput(
            message(f"grid={grid}", "a spline takes 4 places along an axis", "Give for example (24, 6).")
        )
    optics = optics_of(geometry, spectrum, cathode, focal_spot_mm, anti_scatter_grid, response)
    scene = scatter_scene(phantom, optics.spectrum, run, cell_mm, count)
    first, period = node_places(geometry, int(node_views))
    nodes = NodeViews(scene, geometry, optics, run, grid, seed, count)
    nodes.add(first.tolist(), slow_views(first.tolist(), period is None))
    if run.histories is not None:
        nodes.grow_to(run.histories)
    fits, found, error, reached = grown(nodes, run, views, period, began)
    bias, spread = bent(fits)
    mean = max(sum(float(part.mean()) for part in found.images), 1e-300)
    estimated, every = np.sort(np.array(nodes.views)), np.arange(views, dtype=np.float64)
    images, variances = np.zeros((2, 2, len(estimated), grid[1], grid[0]))
    angles = np.zeros((2, views, len(estimated)))
    for part, (known, fit) in enumerate(zip((nodes.views, nodes.multiple_views), fits, strict=True)):
        own = np.argsort(known)
        at = np.searchsorted(estimated, np.array(known)[own])
        images[part, at], variances[part, at] = found.images[part][own], found.variances[part][own]
        angles[part][:, at] = fit.weights(every)
    along, across = fine_weights(grid[1]), fine_weights(grid[0])
    asked = estimated[:: max(1, len(estimated) // _CHECKED_VIEWS)][:_CHECKED_VIEWS].tolist()
    checks = [nodes.detector_error(view, across, along) for view in asked]
    result = ScatterScan(
        estimated,
        np.sort(np.array(nodes.multiple_views)),
        images,
        variances,
        angles,
        spline_weights(*_places(geometry.rows, grid[1])),
        spline_weights(*_places(geometry.columns, grid[0])),
        nodes.photons() // len(nodes.multiple_views),
        nodes.points,
        float(np.sqrt(max(bias, 0.0))) / mean,
        float(np.sqrt(spread)) / mean,
        float(np.sqrt(sum(square for square, _ in checks) / len(checks))) / mean,
        found.multiple_error,
        found.multiple_noise,
        reached,
    )
    _warn(result, run, error)
    return result


def node_places(geometry: Geometry, wanted: int) -> tuple[NDArray[np.int64], float | None]:
    """Numbers of views, spread evenly over a scan, and its period in views where it is closed in angle."""
    views, closed = len(geometry), _closed(geometry)
    return evenly(min(wanted, views), views, closed), float(views) if closed else None


def evenly(count: int, of: int, closed: bool) -> NDArray[np.int64]:
    """`count` numbers below `of`, spread evenly: around a closed circle, else from the first to the last one."""
    if closed:
        return np.arange(count) * of // count
    return np.rint(np.linspace(0, of - 1, count)).astype(np.int64)


def _warn(result: ScatterScan, run: MonteCarlo, error: float) -> None:
    if not result.nodes[0].max() > 0.0:
        text = message(
            "the field", "no photon scattered in the phantom", "Look at the source, the field and the phantom."
        )
    elif not result.aim_reached:
        text = message(
            f"relative_error={run.relative_error}",
            f"not reached: {error:.3g}, interpolation {result.interpolation_error:.3g}",
            "Allow more most_histories or node_views, or ask for less.",
        )
    elif run.relative_error is not None and result.detector_error > run.relative_error:
        text = message(
            f"grid of {result.nodes.shape[3]} x {result.nodes.shape[2]} places",
            f"its spline errs by {result.detector_error:.3g}",
            "Give a finer grid, for example (48, 12).",
        )
    else:
        return
    warnings.warn(text, MonteCarloWarning, stacklevel=3)


def _places(pixels: int, nodes: int) -> tuple[Floats, Floats]:
    known = pixels * (np.arange(nodes) / (nodes - 1) - 0.5)
    return np.asarray(known), np.arange(pixels, dtype=np.float64) - 0.5 * (pixels - 1)


def _closed(geometry: Geometry) -> bool:
    first, second, last = (geometry.source_mm[n] for n in (0, 1, -1))
    step, rest = float(((second - first) ** 2).sum()), float(((last - first) ** 2).sum())
    return abs(rest - step) < 1e-6 * max(step, 1e-12)
