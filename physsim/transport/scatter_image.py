"""Images of once scattered photons by forced detection from Sobol points: smooth, fast, with a standard error.

For every point of a Sobol sequence a photon's direction, depth of collision and energy follow; the energy that the
collision sends to each pixel is known without further chance: see kernels/transport/{single_scatter,forced_detection}.h
for the law. Independent scrambles of the sequence (replicates) give independent images, and these the error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.physics.photon_tables import PhotonTables, build
from physsim.randomness import checked_seed, stream_number
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.spectrum import Spectrum
from physsim.transport.montecarlo_result import HEAVY_TAIL
from physsim.transport.packed_voxels import check_tables, pack_voxels
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter_focus import lit
from physsim.transport.scatter_optics import Side, check_one_view, optics_of

Floats = NDArray[np.float64]
Process = Literal["compton", "rayleigh", "multiple"]

STREAM = "scatter points"
PROCESSES: tuple[Process, ...] = ("compton", "rayleigh")  # rows of the kernel's sums
LEAST_REPLICATES = 8
MOST_POINTS = 2**24


@dataclass(frozen=True, eq=False)
class MultipleScatter:
    """Photons that scattered twice or more, and lines of fluorescence: an interpolated image.

    image: (rows, columns) keV/cm2 per history. deviations: (batches, rows, columns), whose products sum to the
    covariance of pixels. `nodes`: across and along the detector. interpolation_error: RMS difference of interpolated
    and direct values at checks amid the nodes over the mean of the image, noise taken off; `interpolation_noise`: what
    of it noise alone would give. `vov`: relative variance of the variance of the image's mean, from batches.
    """

    image: Floats
    deviations: Floats
    histories: int
    events: int
    nodes: tuple[int, int]
    interpolation_error: float
    interpolation_noise: float
    vov: float


@dataclass(frozen=True, eq=False)
class ScatterImage:
    """Scattered energy per area and photon emitted into the field (keV/cm2 per history), by process and order.

    replicates: (replicates, 2 processes, rows, columns) float64, independent estimates of single scatter; its errors
        and covariances follow from their spread. `points`: Sobol points of each.
    multiple: photons that scattered more than once; None where they were not asked for.
    aim_reached: False when a run ended before its aim. `basis_error`: largest relative error of mu/rho on the rays.
    `cell_mm`: width of the cells that the rays were traced in, None: the voxels. single_nodes: of single scatter across
    and along the detector, None: all pixels; single_interpolation_error: RMS error of the spline between them at checks
    over the mean of all scatter, noise taken off.
    """

    replicates: Floats
    points: int
    seed: int
    multiple: MultipleScatter | None = None
    aim_reached: bool = True
    basis_error: float = 0.0
    cell_mm: tuple[float, float, float] | None = None
    single_nodes: tuple[int, int] | None = None
    single_interpolation_error: float = 0.0

    def image(self, process: Process | None = None) -> Floats:
        """(rows, columns) keV/cm2 per history: single "compton", single "rayleigh", "multiple", or the sum of all."""
        parts = [self._of(process).mean(axis=0)] if process != "multiple" else []
        if self._with_multiple(process):
            parts.append(self._multiple().image)
        return np.asarray(sum(parts))

    def error(self, process: Process | None = None) -> Floats:
        """(rows, columns) standard error of `image`, in its unit."""
        deviations = self.deviations(process)
        return np.asarray(np.sqrt((deviations * deviations).sum(axis=0)))

    def deviations(self, process: Process | None = None) -> Floats:
        """(n, rows, columns) D such that sum over n of D[i] D[j] is the covariance of pixels i, j."""
        parts = []
        if process != "multiple":
            images = self._of(process)
            parts.append((images - images.mean(axis=0)) / math.sqrt(len(images) * (len(images) - 1)))
        if self._with_multiple(process):
            parts.append(self._multiple().deviations)
        return np.concatenate(parts)

    def mean(
        self, window: tuple[slice, slice] = (slice(None), slice(None)), process: Process | None = None
    ) -> tuple[float, float]:
        """Mean over a window of pixels and its standard error: pixels are correlated, so not from `error`."""
        apart = self.deviations(process)[(slice(None), *window)].mean(axis=(1, 2))
        return float(self.image(process)[window].mean()), float(np.sqrt((apart * apart).sum()))

    @property
    def relative_error(self) -> float:
        """e_S: the RMS over pixels of the standard error over the mean scatter; infinite where nothing scatters."""
        mean = float(self.image().mean())
        return float(np.sqrt((self.error() ** 2).mean())) / mean if mean > 0.0 else math.inf

    @property
    def heavy_tailed(self) -> bool:
        """Whether the error of multiple scatter is too uncertain to be believed: variance of the variance >= 0.1."""
        return self.multiple is not None and not self.multiple.vov < HEAVY_TAIL

    def _with_multiple(self, process: Process | None) -> bool:
        return process == "multiple" or (process is None and self.multiple is not None)

    def _multiple(self) -> MultipleScatter:
        if self.multiple is None:
            raise InvalidInput(
                message("process='multiple'", "single_scatter gives one order", "Ask scatter_image for all orders.")
            )
        return self.multiple

    def _of(self, process: Process | None) -> Floats:
        if process is None:
            return np.asarray(self.replicates.sum(axis=1))
        if process not in PROCESSES:
            raise InvalidInput(
                message(
                    f"process={process!r}",
                    "photons scatter by 'compton' or 'rayleigh' once, or 'multiple' times",
                    "Give one of these, or None for all.",
                )
            )
        return self.replicates[:, PROCESSES.index(process)]


def single_scatter(
    phantom: Phantom,
    geometry: Geometry,
    spectrum: Spectrum | float,
    *,
    points: int = 256,
    replicates: int = 16,
    relative_error: float | None = None,
    most_points: int = 2**16,
    cathode: Side | None = None,
    focal_spot_mm: tuple[float, float] = (0.0, 0.0),
    anti_scatter_grid: AntiScatterGrid | None = None,
    response: ResponseTable | None = None,
    tables: PhotonTables | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> ScatterImage:
    """Images of photons that scattered once, on the pixels of a view (its own, coarse ones), flat or curved.

    A history is a photon of `spectrum` (or of one energy in keV) that the source emits into the outline of the
    detector. `cathode`, `focal_spot_mm`, `anti_scatter_grid`, `response`: as in scatter_image.
    `points`: Sobol points of each of `replicates` scrambles, a power of 2; with `relative_error` they are doubled
    until that of the result is not above it, at `most_points` at the latest. `tables`: of the phantom's materials in
    their order, else made with free-atom form factors. The same seed gives the same bits on any number of threads.

    Raises InvalidInput for a parallel beam, several views, a bowtie without a `cathode`, a grid that does not suit the
    detector, and numbers that make no sense.

    Neglects: Doppler broadening (its shift of the mean energy too), fluorescence, scatter outside the voxels, what
    overlays hold within a voxel of the phantom (they are averaged into it). Where a pixel is nearer to the phantom than
    some pixel widths the error grows.

    Reference: I. M. Sobol, USSR Comput. Math. Math. Phys. 7 (1967) 86; A. B. Owen, Ann. Stat. 25 (1997) 1541.

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("slab60"), spacing_mm=20)
    >>> view = ps.Geometry(source_mm=[(150, -800, 150)], centre_mm=[(150, 300, 150)], u=[(1, 0, 0)], v=[(0, 0, 1)],
    ...                    rows=5, columns=6, pixel_mm=(50, 60))
    >>> scatter = ps.single_scatter(water, view, 60, points=64)
    >>> 0.0005 < float(scatter.image("compton")[2, 3]) < 0.0007
    True
    """
    seed = checked_seed(seed)
    check_one_view(geometry)
    optics = optics_of(geometry, spectrum, cathode, focal_spot_mm, anti_scatter_grid, response)
    _check(points, replicates, relative_error, most_points)
    photon_tables = tables if tables is not None else build([dict(one.mass_fractions) for one in phantom.materials])
    check_tables(photon_tables, phantom)
    voxels = pack_voxels(phantom)
    arrays: dict[str, Any] = dict(photon_tables.arrays())
    source, targets = lit(optics.source_fields(geometry, voxels)), optics.target_fields(geometry, voxels)
    column, row = _pixels(geometry)
    sums = np.zeros((replicates, len(PROCESSES), column.size))
    done, count = 0, points
    while True:
        _engine.single_scatter(
            voxels.words,
            voxels.voxel_cm,
            arrays,
            source,
            targets,
            column,
            row,
            seed,
            stream_number(STREAM),
            done,
            count,
            sums,
            thread_count(threads),
            instruction_set(),
        )
        done += count
        images = sums[:, :, : geometry.rows * geometry.columns].reshape(replicates, len(PROCESSES), *geometry.shape[1:])
        result = ScatterImage(images / done, done, seed)
        if relative_error is None or result.relative_error <= relative_error or 2 * done > most_points:
            return result
        count = done


def _check(points: int, replicates: int, relative_error: float | None, most_points: int) -> None:
    for name, value, most in (("points", points, MOST_POINTS), ("most_points", most_points, MOST_POINTS)):
        if isinstance(value, bool) or int(value) != value or not 1 <= value <= most or int(value) & (int(value) - 1):
            raise InvalidInput(
                message(f"{name}={value}", f"Sobol points come in powers of 2 up to {most}", "Give for example 256.")
            )
    if int(replicates) != replicates or not LEAST_REPLICATES <= replicates <= 4096:
        raise InvalidInput(
            message(
                f"replicates={replicates}", f"a standard error needs {LEAST_REPLICATES} to 4096", "Give for example 16."
            )
        )
    if relative_error is not None and not 0.0 < relative_error < 1.0:
        raise InvalidInput(
            message(f"relative_error={relative_error}", "it lies between 0 and 1", "Give for example 0.02.")
        )


def _pixels(geometry: Geometry) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row of each pixel from the detector's centre; the last pixel is repeated up to a multiple of 16."""
    pixel = np.minimum(np.arange(-(-geometry.rows * geometry.columns // 16) * 16), geometry.rows * geometry.columns - 1)
    row, column = np.divmod(pixel, geometry.columns)
    return (
        (column - 0.5 * (geometry.columns - 1)).astype(np.float32),
        (row - 0.5 * (geometry.rows - 1)).astype(np.float32),
    )
