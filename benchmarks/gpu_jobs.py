"""What the GPU benchmark runs: rays through cubes, spectra through blocks of materials, photons through a slab."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from physsim import _engine
from physsim.device import arrays, instruction_set, thread_count
from physsim.device.cuda import CudaKernels
from physsim.evaluate.mcgpu import slab60, slab60_beam
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.spec.scatter import MonteCarlo
from physsim.transport.cuda import backproject_cuda, project_cuda
from physsim.transport.montecarlo_cuda import CudaPhotons
from physsim.transport.montecarlo_job import Problem, pack_job
from physsim.transport.pose_gradient_cuda import column_gradient_cuda
from physsim.transport.rays import VoxelRays, voxel_rays
from physsim.transport.spectral_cuda import project_spectral_cuda

from .gpu_clock import timed

CHECKED_VIEWS = 2
PHOTONS, CHECKED_PHOTONS, SLAB_VOXEL_MM = 200_000_000, 200_000, 2.0


@dataclasses.dataclass(frozen=True)
class Job:
    """A cone beam around a cube of `edge` voxels of 1 mm."""

    name: str
    edge: int
    views: int
    pixels: int
    pixel_mm: float
    oblique: bool = False
    dtype: str = "float32"
    spectral: bool = False

    @property
    def grid(self) -> Grid:
        return Grid(shape=(self.edge, self.edge, self.edge))

    @property
    def geometry(self) -> Geometry:
        circle = Geometry.circular(views=self.views, source_axis_mm=1000.0, source_detector_mm=1500.0, rows=self.pixels,
                                   columns=self.pixels, pixel_mm=self.pixel_mm)
        return circle.moved(_turn(0, 0.35) @ _turn(1, 0.2)) if self.oblique else circle


JOBS = (
    Job("p256", 256, 90, 256, 1.6, spectral=True),
    Job("p256 oblique", 256, 90, 256, 1.6, oblique=True, spectral=True),
    Job("p256 float16", 256, 90, 256, 1.6, dtype="float16"),
    Job("p256 uint8", 256, 90, 256, 1.6, dtype="uint8"),
    Job("512", 512, 360, 512, 1.6),
    Job("512 oblique", 512, 360, 512, 1.6, oblique=True),
)


def _turn(axis: int, angle: float) -> np.ndarray:
    i, j = ((1, 2), (0, 2), (0, 1))[axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def crossings(rays: VoxelRays, edge: int) -> float:
    """Voxels crossed by all rays: those of at most 8 views, counted from the planes between entry and exit."""
    views = np.unique(np.linspace(0, len(rays.along) - 1, 8).astype(int))
    rows, total = np.arange(rays.rows)[:, None, None], 0.0
    for view in views:
        start = rays.start[view] + rows * rays.start_row[view]
        turn = rays.end[view] + rows * rays.end_row[view] - start
        with np.errstate(divide="ignore", invalid="ignore"):
            first, last = -start / turn, (edge - start) / turn
        entry = np.fmax(np.fmin(first, last).max(-1), 0.0)[..., None]
        leave = np.fmin(np.fmax(first, last).min(-1), 1.0)[..., None]
        first, last = np.floor(start + (entry + 1e-9) * turn), np.floor(start + (leave - 1e-9) * turn)
        planes = np.abs(last - first).sum(-1) + 1
        total += float(planes[leave[..., 0] > entry[..., 0]].sum())
    return total * len(rays.along) / len(views)


def error(image: np.ndarray, truth: np.ndarray) -> float:
    """RMS of the difference over the RMS of the truth."""
    return float(np.sqrt(((image - truth) ** 2).mean() / (truth**2).mean()))


def run_job(kernels: CudaKernels, job: Job) -> list[dict[str, Any]]:
    """Rows of the forward projection and of its transpose."""
    rng, grid, geometry = np.random.default_rng(0), job.grid, job.geometry
    volume = (rng.random(grid.shape, np.float32) * 200).astype(job.dtype)
    rays, there = voxel_rays(geometry, grid), kernels.xp.asarray(volume)
    steps = crossings(rays, job.edge)
    image = project_cuda(kernels, there, grid.spacing_mm, rays)
    views = np.linspace(0, job.views - 1, CHECKED_VIEWS).astype(int)
    some = voxel_rays(geometry[views], grid)
    truth = np.zeros((len(views), job.pixels, job.pixels))
    _engine.project_plain(volume.astype(np.float32), grid.spacing_mm, some.start, some.end, some.start_row,
                          some.end_row, truth, thread_count())
    head = {"job": job.name, "code": "physsim cuda", "dtype": job.dtype, "crossings": steps}
    forward = timed(kernels, lambda: project_cuda(kernels, there, grid.spacing_mm, rays))
    rows = [{**head, "what": "forward", **forward, "gsteps_per_s": steps / forward["seconds"] / 1e9,
             "rms_vs_float64": error(arrays.to_numpy(image)[views], truth)}]
    if job.dtype == "float32":
        values = kernels.xp.asarray(rng.random(geometry.shape, np.float32))
        back = backproject_cuda(kernels, values, grid.shape, grid.spacing_mm, rays)
        again = backproject_cuda(kernels, values, grid.shape, grid.spacing_mm, rays)
        inside, outside = (float((a * b).sum(dtype="f8")) for a, b in ((there, back), (image, values)))
        adjoint = timed(kernels, lambda: backproject_cuda(kernels, values, grid.shape, grid.spacing_mm, rays))
        rows.append({**head, "what": "adjoint", **adjoint, "gsteps_per_s": steps / adjoint["seconds"] / 1e9,
                     "dot_error": abs(inside / outside - 1), "same_bits_again": bool((back == again).all()),
                     "over_forward": adjoint["seconds"] / forward["seconds"]})
    return rows


def run_joseph(kernels: CudaKernels, job: Job) -> list[dict[str, Any]]:
    """Rows of Joseph's projection, its transpose and its derivatives by the poses."""
    rng, grid, geometry = np.random.default_rng(0), job.grid, job.geometry
    rays = voxel_rays(geometry, grid)
    volume = kernels.xp.asarray(rng.random(grid.shape, np.float32))
    values = kernels.xp.asarray(rng.random(geometry.shape, np.float32))
    steps = float(job.views) * job.pixels * job.pixels * job.edge  # a plane a voxel along the fastest axis
    image = project_cuda(kernels, volume, grid.spacing_mm, rays, "joseph")
    back = backproject_cuda(kernels, values, grid.shape, grid.spacing_mm, rays, method="joseph")
    inside, outside = (float((a * b).sum(dtype="f8")) for a, b in ((volume, back), (image, values)))
    runs: dict[str, Callable[[], Any]] = {
        "joseph forward": lambda: project_cuda(kernels, volume, grid.spacing_mm, rays, "joseph"),
        "joseph adjoint": lambda: backproject_cuda(
            kernels, values, grid.shape, grid.spacing_mm, rays, method="joseph"),
        "joseph pose gradient": lambda: column_gradient_cuda(kernels, volume, values, grid.spacing_mm, rays)}
    head = {"job": job.name, "code": "physsim cuda", "dtype": job.dtype, "samples": steps,
            "dot_error": abs(inside / outside - 1)}
    rows = []
    for what, run in runs.items():
        spent = timed(kernels, run)
        rows.append({**head, "what": what, **spent, "gsteps_per_s": steps / spent["seconds"] / 1e9})
    return rows


def run_spectral(kernels: CudaKernels, job: Job, channels: int | None) -> dict[str, Any]:
    """Row of the signal of 60 energies from 20 materials, by their paths or by `channels` basis functions."""
    materials, energies, rng = 20, 60, np.random.default_rng(1)
    edges = -(-job.edge // 8)
    blocks = rng.integers(0, materials, (edges, edges, edges)).astype(np.uint8)  # a material stays for some 8 voxels
    labels = np.repeat(np.repeat(np.repeat(blocks, 8, 0), 8, 1), 8, 2)[:job.edge, :job.edge, :job.edge]
    density = rng.uniform(0.9, 1.1, labels.shape).astype(np.float32)
    count, every = channels or materials, np.arange(materials, dtype=np.int32)
    coefficients = None if channels is None else rng.uniform(0.0, 1.0, (count, materials)).astype(np.float32)
    attenuation = rng.uniform(0.001, 0.03, (energies, count)).astype(np.float32)
    weights = rng.random((1, 1, 1, energies)).astype(np.float32)
    rays, there = voxel_rays(job.geometry, job.grid), (kernels.xp.asarray(labels), kernels.xp.asarray(density))

    def run() -> Any:
        return project_spectral_cuda(kernels, *there, job.grid.spacing_mm, rays, number=every, weights=weights,
                                     coefficients=coefficients, attenuation=attenuation)[0]

    views = np.linspace(0, job.views - 1, CHECKED_VIEWS).astype(int)
    some = voxel_rays(job.geometry[views], job.grid)
    paths = np.zeros((materials, len(views), job.pixels, job.pixels))
    for material in range(materials):
        one = np.where(labels == material, density, np.float32(0))
        _engine.project_plain(one, job.grid.spacing_mm, some.start, some.end, some.start_row, some.end_row,
                              paths[material], thread_count())
    sums = paths if coefficients is None else np.einsum("km,mvrc->kvrc", coefficients.astype(float), paths)
    one = weights[0, 0, 0].astype(float)
    truth = np.einsum("e,evrc->vrc", one, 2.0 ** -np.einsum("ek,kvrc->evrc", attenuation, sums))
    wrong = np.abs(arrays.to_numpy(run())[views, 0] / truth - 1).max()
    steps = crossings(rays, job.edge)
    spent = timed(kernels, run)
    return {"job": job.name, "code": "physsim cuda", "dtype": "uint8 + float32", "crossings": steps,
            "what": f"spectral, {count} channels", **spent, "gsteps_per_s": steps / spent["seconds"] / 1e9,
            "largest_relative_error": float(wrong)}


def run_photons(kernels: CudaKernels) -> dict[str, Any]:
    """Row of analog transport through SLAB60, full physics, onto 48 x 40 pixels; are its sums those of the CPU?"""
    source, geometry = slab60_beam(40, 48)
    phantom = slab60(False, SLAB_VOXEL_MM)
    job = pack_job(Problem(phantom, source, MonteCarlo(histories=PHOTONS), geometry, 1), thread_count())
    there = CudaPhotons(kernels, job, False)

    def sums(engine: Any, count: int) -> np.ndarray:
        found = [np.zeros(shape, np.int64) for shape in (len(job.scene.regions.names), job.image, 6)]
        engine.run(0, count, found[0], found[1], None, found[2], thread_count(), instruction_set())
        return np.concatenate([part.ravel() for part in found])

    same = bool((sums(there, CHECKED_PHOTONS) == sums(job.engine, CHECKED_PHOTONS)).all())
    spent = timed(kernels, lambda: sums(there, PHOTONS))
    return {"job": "slab60", "code": "physsim cuda", "dtype": str(phantom.labels.dtype), "what": "photons", **spent,
            "histories": PHOTONS, "histories_per_s": PHOTONS / spent["seconds"], "same_bits_as_cpu": same}
