"""The default estimate of a scatter image: all orders, fast, with an error for every pixel.

Single scatter from Sobol points on all pixels; multiple scatter by Monte Carlo on a few nodes and a spline of the
logarithm between them. Law and tricks: kernels/transport/{scatter_history,node_detection}.h, docs/design/scatter.md.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.physics.photon_tables import build
from physsim.physics.tables import ENERGY_MAX_KEV
from physsim.randomness import checked_seed, stream_number
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo, form_factor_name
from physsim.spec.spectrum import Spectrum
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.montecarlo_result import variance_of_variance
from physsim.transport.node_spline import NodeSpline, node_spline
from physsim.transport.scatter_focus import focused
from physsim.transport.scatter_image import (
    MultipleScatter,
    ScatterImage,
    check_scatter_view,
    source_fields,
    target_fields,
)
from physsim.transport.scatter_scene import ScatterScene, pack_scatter_scene

Floats = NDArray[np.float64]

CELL_MM = 8.0
REPLICATES = 8  # of the Sobol points
BATCHES = 32  # of the histories: the variance of the variance of normal ones is 2 / 32
NODE_LEVELS = ((8, 7), (12, 10), (17, 14))  # across, along: with 8 checks in groups of 32
NODE_CELL = 0.25  # of the distance of two nodes: what a node is the mean of
_TARGETS_AT_ONCE = 32  # kernels/launch/scatter_nodes_table.h
_HISTORY_RAYS = 60  # of detection, as long as it takes to make an event
FIRST_POINTS, FIRST_HISTORIES = 8, 16  # of a replicate, of a batch
_MOST_STEPS = 40  # looks: 2^20 times the first


def scatter_image(
    phantom: Phantom,
    geometry: Geometry,
    spectrum: Spectrum | float,
    run: MonteCarlo,
    *,
    cell_mm: float | None = CELL_MM,
    seed: int = 0,
    threads: int | None = None,
) -> ScatterImage:
    """Scatter of all orders on the pixels of one view of a flat detector (its own, coarse ones: 48 x 40 is often fine).

    A history is a photon of `spectrum` (or of one energy in keV) that a point source emits into the outline of the
    detector, uniform in solid angle. `run`: `relative_error` is e_S, the RMS standard error of pixels over the mean
    scatter, looked at after pre-set numbers of points and histories only; `histories` counts photons of the multiple
    scatter (an eighth as many Sobol points carry the single one). Nodes become more where the interpolation of multiple
    scatter errs by more than half of the `relative_error` asked for. `cell_mm`: rays meet the phantom in cells about
    this wide, of mean density; None: in its voxels (slower). Means bias: those of 8 mm lower single Compton
    scatter of a thorax by 0.4 %, those of 4 mm by 0.1 % (docs/design/scatter.md); the standard errors do not hold that.
    The same seed gives the same bits on any number of threads.

    Raises InvalidInput for a curved detector, a parallel beam, several views, a spectrum with a bowtie.
    Warns (MonteCarloWarning) when nothing scatters and when the aim is not reached.
    Neglects: the focal spot's size, the heel effect, air around the phantom, the detector's response; the voxels of
    overlays within the phantom's, into which they are averaged (`merged_overlays`: mass is kept); Doppler
    broadening of the last scattering's energy (its mean falls by 0.05 % in water at 60 keV, 0.2 % at 30);
    the rest as in transport_photons.

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("slab60"), spacing_mm=20)
    >>> view = ps.Geometry(source_mm=[(150, -800, 150)], centre_mm=[(150, 300, 150)], u=[(1, 0, 0)], v=[(0, 0, 1)],
    ...                    rows=5, columns=6, pixel_mm=(50, 60))
    >>> scatter = ps.scatter_image(water, view, 60, ps.MonteCarlo(relative_error=0.05))
    >>> 0.0015 < float(scatter.image()[2, 3]) < 0.0035
    True
    """
    seed, count = checked_seed(seed), thread_count(threads)
    beam = spectrum if isinstance(spectrum, Spectrum) else Spectrum(energy_kev=float(spectrum))
    check_scatter_view(geometry, beam)
    scene = scatter_scene(phantom, beam, run, cell_mm, count)
    return one_view(scene, geometry, beam, run, seed, count)


def scatter_scene(
    phantom: Phantom, beam: Spectrum, run: MonteCarlo, cell_mm: float | None, threads: int
) -> ScatterScene:
    """The phantom for every view of it."""
    if cell_mm is not None and not cell_mm > 0.0:
        raise InvalidInput(message(f"cell_mm={cell_mm}", "a cell has a width", "Give for example 4, or None."))
    tables = build(
        [dict(one.mass_fractions) for one in phantom.materials],
        fluorescence=run.fluorescence,
        doppler=run.doppler,
        binding=run.binding,
        form_factors=[form_factor_name(one.name) if run.interference else None for one in phantom.materials],
    )
    most = beam.energy_kev or float(beam.sample().edges_kev[-1])
    return pack_scatter_scene(phantom, tables, min(most, ENERGY_MAX_KEV), cell_mm, threads)


def one_view(
    scene: ScatterScene,
    geometry: Geometry,
    beam: Spectrum,
    run: MonteCarlo,
    seed: int,
    threads: int,
) -> ScatterImage:
    """Looks at pre-set numbers; between two of them grows what lowers the error most for its cost."""
    job = ViewJob(scene, geometry, source_fields(geometry, beam, scene), run, seed, threads, 1.0)
    began, level = time.monotonic(), 0
    single, multiple = SingleSums(job), MultipleSums(job, NODE_LEVELS[0])
    while True:
        single.grow()
        multiple.grow()
        if run.histories is not None:
            single.grow_to(-(-run.histories // (8 * REPLICATES)))
            multiple.grow_to(-(-run.histories // BATCHES))
        reached = _until(job, single, multiple, began)
        found = multiple.result()
        wanted = 0.5 * (run.relative_error or 0.01)
        coarse = found.interpolation_error > max(wanted, found.interpolation_noise)  # beyond 2 sigma of 8 checks
        if not coarse or level + 1 == len(NODE_LEVELS):
            break
        level += 1
        multiple = MultipleSums(job, NODE_LEVELS[level])
    reached = reached and (run.relative_error is None or not coarse)
    result = ScatterImage(
        single.images(),
        single.points,
        seed,
        found,
        reached,
        scene.basis_error,
        (scene.cell_cm[0] * 10.0, scene.cell_cm[1] * 10.0, scene.cell_cm[2] * 10.0),
    )
    _warn(result, run)
    return result


def coarse_view(geometry: Geometry, grid: tuple[int, int]) -> Geometry:
    """The same view with `grid` pixels across and along, the outer ones centred on the detector's edges."""
    pitch = tuple(
        n * step / (m - 1)
        for n, step, m in zip((geometry.columns, geometry.rows), geometry.pixel_mm, grid, strict=True)
    )
    return replace(geometry, columns=grid[0], rows=grid[1], pixel_mm=(pitch[0], pitch[1]))


@dataclass(frozen=True, eq=False)
class ViewJob:
    """What the sums of one view share."""

    scene: ScatterScene
    geometry: Geometry
    source: dict[str, Any]
    run: MonteCarlo
    seed: int
    threads: int
    cell: float  # of a place of single scatter, in pixels

    def __post_init__(self) -> None:
        view = self.scene.view(self.source, self.run.cutoff_kev)
        focus = self.scene.view(focused(self.scene, self.source, self.threads), self.run.cutoff_kev)
        object.__setattr__(self, "view", view)
        object.__setattr__(self, "focus", focus)
        object.__setattr__(self, "fields", target_fields(self.geometry, self.scene))
        object.__setattr__(self, "isa", instruction_set())

    view: Any = None  # for multiple scatter: rare great weights off the focus would make its error heavy-tailed
    focus: Any = None  # for single scatter
    fields: Any = None
    isa: str = ""


class SingleSums:
    """Sums of the Sobol points on all pixels."""

    def __init__(self, job: ViewJob) -> None:
        self._job, self.points = job, 0
        rows, columns = job.geometry.rows, job.geometry.columns
        pixel = np.minimum(np.arange(_padded(rows * columns)), rows * columns - 1)
        row, column = np.divmod(pixel, columns)
        self._column = (column - 0.5 * (columns - 1)).astype(np.float32)
        self._row = (row - 0.5 * (rows - 1)).astype(np.float32)
        self._sums = np.zeros((REPLICATES, 2, pixel.size))

    def grow(self) -> None:
        """To the next of the pre-set numbers."""
        self.grow_to(next_count(self.points, FIRST_POINTS))

    def grow_to(self, points: int) -> None:
        """Points of each replicate."""
        if points <= self.points:
            return
        job = self._job
        job.focus.first(
            {**job.fields, "cell": (job.cell, job.cell)},
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
        shape = self._job.geometry.shape[1:]
        return np.asarray(self._sums[:, :, : shape[0] * shape[1]].reshape(REPLICATES, 2, *shape) / self.points)

    def mean_and_variance(self) -> tuple[float, float]:
        """Mean over pixels, and the mean variance of a pixel."""
        images = self.images().sum(axis=1)
        return float(images.mean()), float(images.var(axis=0, ddof=1).mean()) / REPLICATES

    @property
    def cost(self) -> float:
        """Rays so far."""
        return float(self.points * REPLICATES * len(self._column))


class MultipleSums:
    """Sums of the histories on nodes and checks."""

    def __init__(self, job: ViewJob, nodes: tuple[int, int]) -> None:
        self._job, self._shape, self.histories, self.events = job, nodes, 0, 0
        geometry = job.geometry
        self.spline: NodeSpline = node_spline(geometry.columns, geometry.rows, *nodes)
        column, row = self.spline.targets()
        fill = np.minimum(np.arange(_padded(len(column))), len(column) - 1)
        self._column, self._row = column[fill].astype(np.float32), row[fill].astype(np.float32)
        self._kept = len(column)
        self._sums = np.zeros((BATCHES, fill.size))
        self._cell = tuple(
            NODE_CELL * pixels / (count - 1)
            for pixels, count in zip((geometry.columns, geometry.rows), nodes, strict=True)
        )

    def grow(self) -> None:
        """To the next of the pre-set numbers."""
        self.grow_to(next_count(self.histories, FIRST_HISTORIES))

    def grow_to(self, histories: int) -> None:
        """Of each batch."""
        if histories <= self.histories:
            return
        job = self._job
        self.events += job.view.multiple(
            {**job.fields, "cell": self._cell},
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
        values = self.values()
        return float(values.mean()), float(values.var(axis=0, ddof=1).mean()) / BATCHES

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


def _until(job: ViewJob, single: SingleSums, multiple: MultipleSums, began: float) -> bool:
    """Whether the aim was reached."""
    run = job.run
    if run.histories is not None:
        return True
    for _ in range(_MOST_STEPS):
        mean, variance = single.mean_and_variance()
        more_mean, more_variance = multiple.mean_and_variance()
        total = mean + more_mean
        if not total > 0.0:
            return False
        if run.seconds is not None:
            if time.monotonic() - began > run.seconds:
                return True
        elif np.sqrt(variance + more_variance) <= (run.relative_error or 0.0) * total:
            return True
        if run.most_histories is not None and multiple.histories * BATCHES >= run.most_histories:
            return False
        if variance * multiple.cost > more_variance * single.cost:
            single.grow()
        else:
            multiple.grow()
    return False


def next_count(count: int, first: int) -> int:
    """The next of first x (1, 1.5, 2, 3, 4, 6, ...)."""
    step = first
    while True:
        for value in (step, step + step // 2):
            if value > count:
                return value
        step *= 2


def _padded(count: int) -> int:
    return -(-count // _TARGETS_AT_ONCE) * _TARGETS_AT_ONCE


def _warn(result: ScatterImage, run: MonteCarlo) -> None:
    interpolation = result.multiple.interpolation_error if result.multiple else 0.0
    if not result.image().max() > 0.0:
        text = message(
            "the field", "no photon scattered in the phantom", "Look at the source, the field and the phantom."
        )
    elif not result.aim_reached:
        text = message(
            f"relative_error={run.relative_error}",
            f"not reached: {result.relative_error:.3g}, interpolation {interpolation:.3g}",
            "Allow more most_histories, or ask for less.",
        )
    else:
        return
    warnings.warn(text, MonteCarloWarning, stacklevel=4)
