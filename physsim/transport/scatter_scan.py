"""Scatter of a CT scan: estimated on a coarse grid of pixels in a few views, a spline of the logarithm between them.

Scatter is smooth over the detector and over the angle; what the splines make of it is checked against direct estimates
in views that lie amid the nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.portable import exp, log
from physsim.randomness import checked_seed
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo
from physsim.spec.spectrum import Spectrum
from physsim.transport.node_spline import FLOOR, spline_weights
from physsim.transport.scatter import CELL_MM, one_view, scatter_scene
from physsim.transport.scatter_image import ScatterImage, check_scatter_view

Floats = NDArray[np.float64]

CHECK_VIEWS = 4
_SEED_STEP = 1  # from a node view to the next


@dataclass(frozen=True, eq=False)
class ScatterScan:
    """Scatter in every view of a scan (keV/cm2 per history), made for the views that are asked for.

    node_views: numbers of the views that were estimated, `nodes` their images on the coarse grid. check_views, checks:
    the same for views that no spline was put through. `angles` (views, node views), `rows` (rows, grid rows), `columns`
    (columns, grid columns): what a node adds to a view and a place.
    interpolation_error: RMS over the checks of the difference of spline and direct estimate over their mean, noise
    taken off; interpolation_noise: what of it noise alone would give.
    """

    node_views: NDArray[np.int64]
    nodes: tuple[ScatterImage, ...]
    check_views: NDArray[np.int64]
    checks: tuple[ScatterImage, ...]
    angles: Floats
    rows: Floats
    columns: Floats
    interpolation_error: float
    interpolation_noise: float

    def images(self, views: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(views, rows, columns) scatter on the detector's own pixels."""
        known = _logarithm(np.stack([one.image() for one in self.nodes]))
        found = []
        for view in views:
            grid = sum(self.angles[view, node] * known[node] for node in range(len(known)))
            half = sum(self.rows[:, r, None] * np.asarray(grid)[r] for r in range(self.rows.shape[1]))
            found.append(sum(np.asarray(half)[:, c, None] * self.columns[:, c] for c in range(self.columns.shape[1])))
        return exp(np.asarray(found))

    @property
    def relative_error(self) -> float:
        """e_S on the coarse grid, RMS over the node views: the splines add no noise to it."""
        squares = [one.relative_error**2 for one in self.nodes]
        return float(np.sqrt(sum(squares) / len(squares)))


def scatter_scan(
    phantom: Phantom,
    geometry: Geometry,
    spectrum: Spectrum | float,
    run: MonteCarlo,
    *,
    node_views: int = 36,
    grid: tuple[int, int] = (24, 6),
    cell_mm: float | None = CELL_MM,
    seed: int = 0,
    threads: int | None = None,
) -> ScatterScan:
    """Scatter of a scan of many views of one phantom by a flat detector.

    `run` holds for each of `node_views` views, spread evenly over the scan, on a grid of `grid` places (across, along
    the detector) that reaches the detector's edges. A scan whose last view is as far from the first as the second is
    closed in angle. Otherwise as scatter_image.

    Raises InvalidInput as scatter_image, for fewer than 8 views, and for nodes that make no sense.
    Neglects: as scatter_image.
    """
    seed, count = checked_seed(seed), thread_count(threads)
    beam = spectrum if isinstance(spectrum, Spectrum) else Spectrum(energy_kev=float(spectrum))
    views = len(geometry)
    if views < 8:
        raise InvalidInput(message(f"{views} views", "a scan has 8 at least", "Ask scatter_image view by view."))
    if int(node_views) != node_views or not 4 <= node_views <= views:
        raise InvalidInput(
            message(f"node_views={node_views}", f"a spline takes 4 to {views} of the views", "Give for example 36.")
        )
    if len(grid) != 2 or min(grid) < 4:
        raise InvalidInput(
            message(f"grid={grid}", "a spline takes 4 places along an axis", "Give for example (24, 6).")
        )
    check_scatter_view(geometry[0], beam)
    scene = scatter_scene(phantom, beam, run, cell_mm, count)
    closed = _closed(geometry)
    numbers = (
        np.arange(node_views) * views // node_views
        if closed
        else np.rint(np.linspace(0, views - 1, node_views)).astype(np.int64)
    )
    amid = numbers[:-1] + np.diff(numbers) // 2
    asked = amid[:: max(1, len(amid) // CHECK_VIEWS)][:CHECK_VIEWS]
    images = [
        one_view(scene, geometry[int(view)], beam, run, seed + _SEED_STEP * n, count, grid)
        for n, view in enumerate([*numbers, *asked])
    ]
    nodes, checks = tuple(images[: len(numbers)]), tuple(images[len(numbers) :])
    angles = spline_weights(numbers.astype(np.float64), np.arange(views, dtype=np.float64), views if closed else None)
    known = _logarithm(np.stack([one.image() for one in nodes]))
    off, noise, mean = 0.0, 0.0, 0.0
    for view, check in zip(asked, checks, strict=True):
        found = exp(np.asarray(sum(angles[view, node] * known[node] for node in range(len(known)))))
        off += float(((found - check.image()) ** 2).mean())
        relative = sum((angles[view, node] * one.error() / one.image()) ** 2 for node, one in enumerate(nodes))
        noise += float((relative * found**2 + check.error() ** 2).mean())
        mean += float(check.image().mean())
    scale = mean / len(checks)
    place = [_places(n, m) for n, m in ((geometry.columns, grid[0]), (geometry.rows, grid[1]))]
    return ScatterScan(
        numbers,
        nodes,
        asked,
        checks,
        angles,
        spline_weights(*place[1]),
        spline_weights(*place[0]),
        float(np.sqrt(max(off - noise, 0.0) / len(checks))) / scale,
        float(np.sqrt(noise / len(checks))) / scale,
    )


def _places(pixels: int, nodes: int) -> tuple[Floats, Floats]:
    known = pixels * (np.arange(nodes) / (nodes - 1) - 0.5)
    return np.asarray(known), np.arange(pixels, dtype=np.float64) - 0.5 * (pixels - 1)


def _closed(geometry: Geometry) -> bool:
    first, second, last = (geometry.source_mm[n] for n in (0, 1, -1))
    step, rest = float(((second - first) ** 2).sum()), float(((last - first) ** 2).sum())
    return abs(rest - step) < 1e-6 * max(step, 1e-12)


def _logarithm(images: Floats) -> Floats:
    return log(np.maximum(images, FLOOR * max(float(images.max()), 1e-300)))
