"""Scatter of a CT scan: estimated on a coarse grid of places in some views, smoothed over the angle, a spline between.

Scatter is smooth over the detector and over the angle, so the views between cost nothing and noise is averaged over
neighbours as far as the images themselves allow (angle_smoother.py). What that bends is measured: each node view is
predicted from all the others, and in two views the grid is compared with one twice as fine.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.randomness import checked_seed
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo
from physsim.spec.spectrum import Spectrum
from physsim.transport.angle_smoother import AngleFit, fit_angle, product
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.node_spline import spline_weights
from physsim.transport.scan_nodes import NodeImages, NodeViews, detector_image, fine_weights
from physsim.transport.scatter import CELL_MM, scatter_scene
from physsim.transport.scatter_optics import Side, optics_of

Floats = NDArray[np.float64]

NODE_VIEWS = 72
_MOST_LOOKS = 60
_MOST_ROUNDS = 8  # of more node views
_CHECKED_VIEWS = 2  # for the error of the grid


@dataclass(frozen=True, eq=False)
class ScatterScan:
    """Scatter in every view of a scan (keV/cm2 per history), made for the views that are asked for.

    node_views: (nodes,) numbers of the views that were estimated; `nodes` (nodes, grid rows, grid columns) their
    images, each with its own noise, `variances` the squares of its standard errors. `angles` (views, nodes): what a
    node's image adds to a view; `rows` (rows, grid rows), `columns` (columns, grid columns) to a place.
    `histories` of multiple scatter and Sobol `points` (of each scramble) in each node view.

    Errors that are not noise, each RMS over the mean scatter. interpolation_error: of the angle, by predicting every
    node view from the others, noise taken off (a bound: the gap is then twice as wide as any that is used);
    interpolation_noise: one standard error of that figure, also where it reads 0. detector_error: of the grid's spline.
    multiple_error, multiple_noise: of the spline of multiple scatter over a view's nodes.
    """

    node_views: NDArray[np.int64]
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
        return product(self.angles[np.asarray(views)], self.nodes)

    def grid_errors(self, views: Sequence[int] | NDArray[np.int64]) -> Floats:
        """Standard errors of `grid`: the node views' own, carried through the weights of the angle."""
        return np.asarray(np.sqrt(product(self.angles[np.asarray(views)] ** 2, self.variances)))

    def images(self, views: Sequence[int] | NDArray[np.int64], threads: int | None = None) -> Floats:
        """(views, rows, columns) scatter on the detector's own pixels."""
        grids = self.grid(views)
        found = np.empty((len(grids), len(self.rows), len(self.columns)))

        def one(number: int) -> None:
            found[number] = detector_image(grids[number], self.columns, self.rows)

        with ThreadPoolExecutor(thread_count(threads)) as pool:
            list(pool.map(one, range(len(grids))))
        return found

    @property
    def relative_error(self) -> float:
        """e_S: RMS standard error over all views and places of the grid, over the mean scatter."""
        views = np.arange(len(self.angles))
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
    cell_mm: float | None = CELL_MM,
    seed: int = 0,
    threads: int | None = None,
) -> ScatterScan:
    """Scatter of a scan of many views of one phantom by a flat or curved detector.

    `node_views` views (at most all), spread evenly over the scan, are estimated on a grid of `grid` places (across,
    along the detector) that reaches the detector's edges. A scan whose last view is as far from the first as the second
    is closed in angle. `run`: `relative_error` is e_S of the scan, over all its views; where
    interpolation_error is beyond that and two standard errors, node views are added. `histories` counts photons
    of multiple scatter in each node view, `seconds` and `most_histories` the whole scan. `cathode`, `focal_spot_mm`,
    `anti_scatter_grid` and `cell_mm` as in scatter_image.

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
    optics = optics_of(geometry, spectrum, cathode, focal_spot_mm, anti_scatter_grid)
    scene = scatter_scene(phantom, optics.spectrum, run, cell_mm, count)
    period = float(views) if _closed(geometry) else None
    wanted = min(int(node_views), views)
    first = (
        np.arange(wanted) * views // wanted if period is not None else np.rint(np.linspace(0, views - 1, wanted))
    ).astype(np.int64)
    nodes = NodeViews(scene, geometry, optics, run, grid, seed, count)
    nodes.add(first.tolist())
    if run.histories is not None:
        nodes.grow_to(run.histories)
    fit, found, error, reached = _grown(nodes, run, views, period, began)
    order = np.argsort(nodes.views)
    bias, spread = fit.bias_squared()
    mean = max(float(found.images.mean()), 1e-300)
    along, across = fine_weights(grid[1]), fine_weights(grid[0])
    asked = order[:: max(1, len(order) // _CHECKED_VIEWS)][:_CHECKED_VIEWS]
    checks = [nodes.detector_error(nodes.views[view], across, along) for view in asked]
    result = ScatterScan(
        np.array(nodes.views)[order],
        found.images[order],
        found.variances[order],
        fit.weights(np.arange(views, dtype=np.float64)),
        spline_weights(*_places(geometry.rows, grid[1])),
        spline_weights(*_places(geometry.columns, grid[0])),
        nodes.photons() // len(nodes.views),
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


def _grown(
    nodes: NodeViews, run: MonteCarlo, views: int, period: float | None, began: float
) -> tuple[AngleFit, NodeImages, float, bool]:
    """Looks after pre-set numbers of photons until the aim is reached; the fit, its nodes, e_S and whether it was."""
    rounds, every = 0, np.arange(views, dtype=np.float64)
    for look in range(_MOST_LOOKS):
        found = nodes.images()
        mean, noise = nodes.noise()
        if not mean > 0.0:
            return _fit(nodes, found, period), found, np.inf, False
        fit = _fit(nodes, found, period)
        variances = found.variances.mean(axis=(1, 2))[np.argsort(nodes.views)]
        error = float(np.sqrt(product(fit.weights(every) ** 2, variances[:, None]).mean())) / mean
        aim = run.relative_error
        if aim is None:
            if run.histories is not None or time.monotonic() - began > (run.seconds or 0.0):
                return fit, found, error, True
            nodes.grow()
            continue
        spent = run.most_histories is not None and nodes.photons() >= run.most_histories
        if error <= aim or spent or look + 1 == _MOST_LOOKS:
            # what e_S allows is known best at the end: only then is it asked whether the interpolation does
            coarse = found.multiple_error**2 > (0.5 * aim) ** 2 + 2.0 * found.multiple_noise**2
            if coarse and not spent and nodes.refine_multiple():
                continue
            bias, spread = fit.bias_squared()
            bent = bias > (aim * mean) ** 2 + 2.0 * spread
            more = _between(fit, views, (aim * mean) ** 2) if bent and rounds < _MOST_ROUNDS else []
            if more and not spent:
                rounds += 1
                nodes.add(more)
                continue
            return fit, found, error, error <= aim and not coarse and not bent
        ratio = (error * mean) ** 2 / noise  # of smoothing: until it is near, looks need no new fit
        while not spent:
            nodes.grow()
            mean, noise = nodes.noise()
            spent = run.most_histories is not None and nodes.photons() >= run.most_histories
            if ratio * noise <= (aim * mean) ** 2:
                break
    raise AssertionError("unreachable")


def _fit(nodes: NodeViews, found: NodeImages, period: float | None) -> AngleFit:
    order = np.argsort(nodes.views)
    images = found.images[order].reshape(len(order), -1)
    places = np.array(nodes.views, dtype=np.float64)[order]
    return fit_angle(places, period, images, found.variances[order].mean(axis=(1, 2)))


def _between(fit: AngleFit, views: int, allowed: float) -> list[int]:
    """New node views beside those that their neighbours predict worst: until what is left alone is allowed."""
    squares = np.nan_to_num(fit.left_out_squares, nan=-np.inf)
    worst = np.argsort(-squares, kind="stable")
    parts = np.maximum(squares, 0.0) * fit.spans
    left = float(parts.sum()) - np.cumsum(parts[worst])
    chosen = worst[: 1 + int(np.searchsorted(-left, -allowed))]
    count, found = len(fit.nodes), set()
    for node in chosen.tolist():
        for low, high in ((node - 1, node), (node, node + 1)):
            if fit.period is None and (low < 0 or high >= count):
                continue
            start, end = fit.nodes[low % count], fit.nodes[high % count]
            middle = int((start + 0.5 * ((end - start) % views)) % views)
            if float(middle) not in fit.nodes:
                found.add(middle)
    return sorted(found)


def _warn(result: ScatterScan, run: MonteCarlo, error: float) -> None:
    if not result.nodes.max() > 0.0:
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
            f"grid of {result.nodes.shape[2]} x {result.nodes.shape[1]} places",
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
