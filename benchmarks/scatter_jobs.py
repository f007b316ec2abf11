"""What photon transport is measured on, and what is run in a child process of its own: one task, one dictionary.

SLAB60: 300 x 200 x 300 mm of water in voxels of 2 mm, 60 keV, detector 1.1 m from the source (evaluate/mcgpu.py).
THORAX90: physsim's thorax in voxels of 2 mm, 90 kVp and 4 mm Al, from the back, detector at 1.8 m. Scatter images have
48 x 40 pixels. CHEST is THORAX90 at 125 kVp. CT turns around the thorax: 120 kVp and 6 mm Al, 1000 views of 900 x 64
pixels of 1 mm, axis at 570 and flat detector at 1040 mm from the source. START has 500 x 320 x 260 voxels of 12
materials with uneven density.
`fine=False` makes miniatures for tests; their figures mean nothing.
"""

from __future__ import annotations

import dataclasses
import resource
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import physsim as ps
from physsim.evaluate.mcgpu import slab60, slab60_beam
from physsim.units import CM2_PER_MM2, EV_PER_KEV

COLUMNS, ROWS = 48, 40
NODES = (10, 12)  # of the spline that analog images are smoothed by: along rows and columns
TARGETS = (0.05, 0.02, 0.01)
VIEWS_AT_ONCE = 25  # of 900 x 64 pixels: memory stays small
Floats = NDArray[np.float64]
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """A phantom, a beam and a coarse detector."""

    phantom: ps.Phantom
    spectrum: ps.Spectrum
    geometry: ps.Geometry

    @property
    def source(self) -> ps.PhotonSource:
        """Photons over the detector's outline."""
        return ps.PhotonSource.of_view(self.geometry, self.spectrum)


def job(name: str, fine: bool) -> Job:
    """A job by its name."""
    if name == "slab60":
        return Job(slab60(False, 2.0 if fine else 20.0), ps.Spectrum(energy_kev=60.0), slab60_beam(ROWS, COLUMNS)[1])
    if name == "start":
        return Job(_start(fine), ps.Spectrum(kvp=90.0, filters=[("Al", 4.0)]), _chest_view(np.zeros(3)))
    body = _thorax(2.0 if fine else 10.0)
    if name == "ct":
        return Job(body, ps.Spectrum(kvp=120.0, filters=[("Al", 6.0)]), _rotation_views(fine))
    kvp = {"thorax90": 90.0, "chest": 125.0}[name]
    return Job(body, ps.Spectrum(kvp=kvp, filters=[("Al", 4.0)]), _chest_view(np.array([0.0, 0.0, 285.0])))


def _chest_view(centre_mm: Floats) -> ps.Geometry:
    return ps.Geometry(
        source_mm=centre_mm + np.array([0.0, 1600.0, 0.0]),
        centre_mm=centre_mm - np.array([0.0, 200.0, 0.0]),
        u=np.array([1.0, 0.0, 0.0]),
        v=np.array([0.0, 0.0, -1.0]),
        rows=ROWS,
        columns=COLUMNS,
        pixel_mm=(430.0 / COLUMNS, 430.0 / ROWS),
    )


@cache
def _thorax(spacing_mm: float) -> ps.Phantom:
    return ps.thorax(spacing_mm=spacing_mm)


def _rotation_views(fine: bool) -> ps.Geometry:
    views, rows, columns, pixel_mm = (1000, 64, 900, 1.0) if fine else (16, 4, 30, 30.0)
    return ps.Geometry.circular(
        views=views,
        source_axis_mm=570.0,
        source_detector_mm=1040.0,
        rows=rows,
        columns=columns,
        pixel_mm=pixel_mm,
        centre_mm=(0.0, 5.0, 285.0),
    )


def _start(fine: bool) -> ps.Phantom:
    """An ellipsoid of waves of 12 materials in air; density uneven from voxel to voxel."""
    shape = (260, 320, 500) if fine else (13, 16, 25)
    z, y, x = (((np.arange(n) + 0.5) / n - 0.5).astype(np.float32) for n in shape)
    names = ("air_dry", "adipose_icru44", "muscle_icru44", "lung_inflated_icru44", "bone_cortical_icru44")
    names += ("blood_icru44", "skin_icru46", "liver_icru46", "kidney_icru46", "cartilage_icru46", "water")
    names += ("red_marrow_icru46",)
    labels = np.zeros(shape, np.uint8)
    density = np.ones(shape, np.float16)
    rng = np.random.default_rng(5)
    for k in range(shape[0]):
        wave = np.sin(31.0 * x + 9.0 * z[k]) + np.sin(23.0 * y + 17.0 * z[k])[:, None]
        inside = x**2 / 0.2 + y[:, None] ** 2 / 0.16 + z[k] ** 2 / 0.3 < 1.0
        labels[k] = np.where(inside, 1 + ((wave + 2.0) * 2.7).astype(np.uint8) % (len(names) - 1), 0)
        density[k] = np.where(inside, 0.95 + 0.1 * rng.random(shape[1:], dtype=np.float32), 1.0)
    grid = ps.Grid(
        shape=shape, spacing_mm=tuple(mm / n for mm, n in zip((500.0, 320.0, 260.0), shape[::-1], strict=True))
    )
    return ps.Phantom(grid=grid, labels=labels, density=density, materials=tuple(ps.material(name) for name in names))


def run(task: dict[str, Any]) -> Row:
    """Do a task {"what", "job", "fine", "threads", ...} and say what it took: called in a fresh process."""
    begin_job = time.perf_counter()
    made = job(task["job"], task["fine"])
    tasks = {"analog": _analog, "dose": _dose, "forced": _forced, "rotation": _rotation, "start": _start_up}
    row = tasks[task["what"]](made, task)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    voxels = "x".join(str(n) for n in made.phantom.grid.shape[::-1])
    return {**row, "voxels": voxels, "rss_mb": peak, "task_seconds": time.perf_counter() - begin_job}


def took(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall and CPU seconds of a call, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def _photons(made: Job, histories: int, threads: int, **options: Any) -> ps.MonteCarloResult:
    return ps.transport_photons(
        made.phantom,
        made.source,
        ps.MonteCarlo(histories=histories),
        geometry=made.geometry,
        seed=1,
        threads=threads,
        **options,
    )


def _analog(made: Job, task: dict[str, Any]) -> Row:
    """Rate and error of analog transport, on raw pixels and smoothed; the least time of the rounds counts."""
    histories, threads = task["histories"], task["threads"]
    _photons(made, 64, threads)  # tables are read, caches are warm
    start = min(took(lambda: _photons(made, 1, threads))[0] for _ in range(2))
    wall, cpu, result = min(
        (took(lambda: _photons(made, histories, threads)) for _ in range(task["rounds"])), key=_wall
    )
    seconds = max(wall - start, 1e-9)
    single = result.batch_images("compton") + result.batch_images("rayleigh")
    whole = result.batch_images("scatter")
    errors = {
        "raw": relative_error(whole),
        "smoothed": relative_error(smoothed(whole)),
        "single": relative_error(single),
    }
    row = {"histories": histories, "seconds": seconds, "cpu_seconds": cpu, "startup_seconds": start, "errors": errors}
    return row | {"histories_per_s": histories / seconds, "scatter_ev_per_history": result.total("scatter").value}


def _dose(made: Job, task: dict[str, Any]) -> Row:
    """Analog transport with dose by voxel too."""
    histories, threads = task["histories"], task["threads"]
    start = min(took(lambda: _photons(made, 64, threads, voxel_dose=True))[0] for _ in range(2))
    wall, cpu, result = took(lambda: _photons(made, histories, threads, voxel_dose=True))
    seconds = max(wall - start, 1e-9)
    values, errors = result.voxel_energy(), result.voxel_error()
    high = values > 0.5 * values.max()  # the usual figure: mean relative error of voxels above half of the maximum
    error = float((errors[high] / values[high]).mean())
    row = {"histories": histories, "seconds": seconds, "cpu_seconds": cpu, "startup_seconds": start}
    return row | {"histories_per_s": histories / seconds, "errors": {"raw": error}}


def _forced(made: Job, task: dict[str, Any]) -> Row:
    """A scatter image until its error is reached, for each target: measured, not scaled."""
    estimate, threads = ESTIMATORS[task["code"]], task["threads"]
    cold = took(lambda: estimate(made, 0.5, threads))[0]
    start = min(took(lambda: estimate(made, 0.5, threads))[0] for _ in range(6))  # of two one read 15 ms too long
    row: Row = {"cold_startup_seconds": cold, "startup_seconds": min(start, cold), "targets": []}
    for target in TARGETS if task["fine"] else TARGETS[:2]:
        wall, cpu, image = min(
            (took(partial(estimate, made, target, threads)) for _ in range(task["rounds"])), key=_wall
        )
        nodes, interpolation = _interpolation(image)
        row["targets"].append(
            {
                "target": target,
                "seconds": wall,
                "cpu_seconds": cpu,
                "error": image.relative_error,
                "nodes": nodes,
                "interpolation_error": interpolation,
            }
        )
    area_cm2 = ROWS * COLUMNS * made.geometry.pixel_mm[0] * made.geometry.pixel_mm[1] * CM2_PER_MM2
    return row | {"scatter_ev_per_history": float(image.image().mean()) * area_cm2 * EV_PER_KEV}


def _interpolation(image: ps.ScatterImage) -> tuple[tuple[Any, Any], float]:
    """Nodes of multiple and of single scatter, and the RMS error of their splines over the mean of all scatter."""
    if image.multiple is None:
        return (None, None), 0.0
    share = float(image.multiple.image.mean()) / float(image.image().mean())
    error = float(np.hypot(share * image.multiple.interpolation_error, image.single_interpolation_error))
    return (image.multiple.nodes, image.single_nodes), error


def _rotation(made: Job, task: dict[str, Any]) -> Row:
    """Scatter of a CT rotation: nodes, and then every view on the detector's own pixels."""
    options = {} if task["fine"] else {"node_views": 6, "grid": (8, 4)}
    scan = partial(ps.scatter_scan, made.phantom, made.geometry, made.spectrum, seed=1, threads=task["threads"])
    start = took(lambda: scan(ps.MonteCarlo(histories=1), **options))[0]
    error = 0.02 if task["fine"] else 0.3
    wall, cpu, found = took(lambda: scan(ps.MonteCarlo(relative_error=error), **options))
    views = np.array_split(np.arange(len(made.geometry)), max(1, len(made.geometry) // VIEWS_AT_ONCE))
    images = sum(took(partial(found.images, some))[0] for some in views)
    row = {"seconds": wall, "cpu_seconds": cpu, "startup_seconds": start, "images_seconds": images}
    more = {"interpolation_error": found.interpolation_error, "interpolation_noise": found.interpolation_noise}
    return row | more | {"error": found.relative_error, "node_views": len(found.node_views)}


def _start_up(made: Job, task: dict[str, Any]) -> Row:
    """From the voxels to the first photon, the first time in a process."""
    wall, cpu, _ = took(lambda: _photons(made, 1, task["threads"]))
    return {"histories": 1, "seconds": wall, "cpu_seconds": cpu, "startup_seconds": wall}


def _single(made: Job, error: float, threads: int) -> ps.ScatterImage:
    return ps.single_scatter(
        made.phantom, made.geometry, made.spectrum, points=16, relative_error=error, seed=1, threads=threads
    )


def _scatter(made: Job, error: float, threads: int) -> ps.ScatterImage:
    run = ps.MonteCarlo(relative_error=error)
    return ps.scatter_image(made.phantom, made.geometry, made.spectrum, run, seed=1, threads=threads)


def _scatter_in_voxels(made: Job, error: float, threads: int) -> ps.ScatterImage:
    run = ps.MonteCarlo(relative_error=error)
    return ps.scatter_image(made.phantom, made.geometry, made.spectrum, run, cell_mm=None, seed=1, threads=threads)


# Forced detection by name: (job, relative error, threads) -> an image that knows its relative_error.
ESTIMATORS: dict[str, Callable[[Job, float, int], ps.ScatterImage]] = {
    "scatter_image": _scatter,
    "scatter_image, voxels": _scatter_in_voxels,
    "single_scatter": _single,
}
FASTEST = "scatter_image"


def relative_error(batches: Floats) -> float:
    """e_S of the mean of equal batches (batches, rows, columns): RMS of its standard error over its mean."""
    mean = float(batches.mean())
    variance = batches.var(axis=0, ddof=1) / len(batches)
    return float(np.sqrt(variance.mean())) / mean if mean > 0.0 else float("inf")


def smoothed(images: Floats) -> Floats:
    """Images (..., rows, columns) as the cubic spline on 12 x 10 nodes that fits their pixels best (least squares)."""
    along, across = _projector(images.shape[-2], NODES[0]), _projector(images.shape[-1], NODES[1])
    return np.asarray(np.einsum("ij,...jk,lk->...il", along, images, across))


@cache
def _projector(pixels: int, nodes: int) -> Floats:
    """(pixels, pixels): onto not-a-knot cubic splines through `nodes` equal steps from edge to edge."""
    from scipy.interpolate import CubicSpline

    places = (np.arange(pixels) + 0.5) / pixels
    basis = CubicSpline(np.linspace(0.0, 1.0, nodes), np.eye(nodes))(places)
    return np.asarray(basis @ np.linalg.pinv(basis))


def _wall(taken: tuple[float, float, Any]) -> float:
    return taken[0]
