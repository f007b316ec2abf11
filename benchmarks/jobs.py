"""What is measured: volumes, rays and the folders in which a job reaches a child process.

P256: 256^3 float32 voxels of 1 mm -> 90 views on a circle, 256 x 256 pixels of 1.6 mm, SAD 1000, SDD 1500 mm. The
others derive from it: the same with a random pose a view, 512^3 voxels of 0.5 mm, 20 materials with 60 energies, the
adjoint, and its central slice as a fan beam. `size=64` makes miniatures of them for tests; their figures mean nothing.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import physsim as ps

SOURCE_AXIS_MM, SOURCE_DETECTOR_MM = 1000.0, 1500.0
FIELD_MM = 256.0
OBLIQUE_SEED = 20260101
SCALE_VIEWS = 24  # of 360: the cost of a crossing needs no more
FAN_VIEWS = 720
MATERIALS = (
    "air_dry",
    "adipose_icru44",
    "blood_icru44",
    "bone_cortical_icru44",
    "brain_icru44",
    "breast_icru44",
    "eye_lens_icru44",
    "lung_inflated_icru44",
    "muscle_icru44",
    "skin_icru46",
    "red_marrow_icru46",
    "yellow_marrow_icru46",
    "spongiosa_icru46",
    "cartilage_icru46",
    "liver_icru46",
    "kidney_icru46",
    "blood_iodine_10mg_ml",
    "water",
    "aluminium",
    "titanium",
)
ENERGIES = 60


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """kind: "forward", "spectral" or "adjoint". arrays: what that kind reads (volume; labels, density, ...; image)."""

    name: str
    title: str
    kind: str
    threads: int
    grid: ps.Grid
    geometry: ps.Geometry
    arrays: dict[str, NDArray[Any]]

    def with_views(self, views: Any) -> Job:
        """The same job over a subset of its views."""
        return dataclasses.replace(self, geometry=self.geometry[views])

    def with_arrays(self, **arrays: NDArray[Any]) -> Job:
        """The same rays through another object."""
        return dataclasses.replace(self, arrays=self.arrays | arrays)

    def write(self, folder: Path, code: str) -> Path:
        """Put the job into `folder` for a child process that runs `code`."""
        folder.mkdir(parents=True, exist_ok=True)
        geometry, grid = self.geometry, self.grid
        poses = {"source": geometry.source_mm, "centre": geometry.centre_mm, "u": geometry.u, "v": geometry.v}
        for name, array in (self.arrays | poses).items():
            np.save(folder / f"{name}.npy", array)
        (folder / "job.json").write_text(
            json.dumps(
                {
                    "kind": self.kind,
                    "code": code,
                    "threads": self.threads,
                    "rows": geometry.rows,
                    "columns": geometry.columns,
                    "pixel_mm": geometry.pixel_mm,
                    "shape": grid.shape,
                    "spacing_mm": grid.spacing_mm,
                    "origin_mm": grid.origin_mm,
                }
            )
        )
        return folder


def p256(size: int, threads: int) -> Job:
    """The reference job."""
    return Job(
        f"p{size}",
        f"{size}^3 -> {_views(size)} x {size}^2, circle",
        "forward",
        threads,
        _grid(size),
        _circle(size),
        {"volume": volume(size)},
    )


def oblique(job: Job) -> Job:
    """P256's object and rays, each view turned by a random rotation of its own about the centre.

    Rotations are uniform over all; one is drawn again when the detector's columns or the beam come within 5 degrees of
    a volume axis, so that no view can use what axis-parallel columns make cheap.
    """
    rng = np.random.default_rng(OBLIQUE_SEED)
    circle = job.geometry
    poses = []
    while len(poses) < len(circle):
        turn = _rotation(rng)
        view = circle[len(poses)].moved(turn)
        if max(np.abs(view.v).max(), np.abs(view.normal).max()) < np.cos(np.deg2rad(5)):
            poses.append(view)
    stacked = {
        name: np.concatenate([getattr(pose, name) for pose in poses]) for name in ("source_mm", "centre_mm", "u", "v")
    }
    return dataclasses.replace(
        job,
        name=f"{job.name}-oblique",
        title=f"{job.title}, a random pose a view",
        geometry=dataclasses.replace(circle, **stacked),
    )


def scale(size: int, threads: int) -> Job:
    """Twice as fine in each direction: 512^3 voxels of 0.5 mm, 512^2 pixels of 0.8 mm, some of 360 views."""
    fine = 2 * size
    geometry = _circle(fine, 360)[:: 360 // SCALE_VIEWS]
    return Job(
        f"p{fine}",
        f"{fine}^3 -> {len(geometry)} of 360 x {fine}^2, circle",
        "forward",
        threads,
        _grid(fine),
        geometry,
        {"volume": volume(fine)},
    )


def adjoint(job: Job) -> Job:
    """P256's rays back into the volume, from an image of random values."""
    image = np.random.default_rng(2).random(job.geometry.shape, dtype=np.float32)
    return dataclasses.replace(
        job, name=f"{job.name}-adjoint", title=f"adjoint of {job.name}", kind="adjoint", arrays={"image": image}
    )


def spectral(job: Job) -> Job:
    """P256's rays through 300 random ellipsoids of 20 materials in a body; density +-10 %; 120 kV in 60 bins."""
    size = job.grid.shape[0]
    rng = np.random.default_rng(3)
    materials = [ps.material(name) for name in MATERIALS]
    bins = ps.Spectrum(kvp=120, filters=[("Al", 2.5)]).at().rebinned(ENERGIES)
    weights = bins.fluence * bins.energies_kev
    labels = _ellipsoids(size, rng)
    return dataclasses.replace(
        job,
        name=f"{job.name}-spectral",
        title=f"signal of {len(materials)} materials and {ENERGIES} energies on {job.name}",
        kind="spectral",
        arrays={
            "labels": labels,
            "density": rng.uniform(0.9, 1.1, labels.shape).astype(np.float32),
            "nominal": np.array([one.density_g_cm3 for one in materials]),
            "attenuation": np.stack([ps.mass_attenuation_cm2_g(one, bins.energies_kev) for one in materials]),
            "weights": weights / weights.sum(),
        },
    )


def fan(job: Job) -> Job:
    """The central slice of P256 as a 2D fan beam, 720 angles; one thread, since the peers' 2D code on CPUs has one."""
    nz, ny, nx = job.grid.shape
    spacing = job.grid.spacing_mm
    circle = ps.Geometry.circular(
        views=FAN_VIEWS,
        source_axis_mm=SOURCE_AXIS_MM,
        source_detector_mm=SOURCE_DETECTOR_MM,
        rows=1,
        columns=job.geometry.columns,
        pixel_mm=job.geometry.pixel_mm,
    )
    return Job(
        f"fan{nx}",
        f"{nx}^2 -> {FAN_VIEWS} x {nx}, fan beam in 2D",
        "forward",
        1,
        ps.Grid(shape=(1, ny, nx), spacing_mm=spacing),
        circle,
        {"volume": job.arrays["volume"][nz // 2][None]},
    )


def volume(size: int) -> NDArray[np.float32]:
    """Random and smooth: uniform noise in [0, 0.5) a voxel on three Gaussian blobs; nothing is empty or constant."""
    values = np.random.default_rng(0).random((size, size, size), dtype=np.float32)
    values *= 0.5
    place = (np.arange(size) + 0.5) / size
    for centre, width, height in (
        ((0.5, 0.5, 0.5), 0.25, 1.0),
        ((0.4, 0.6, 0.3), 0.08, 1.5),
        ((0.6, 0.35, 0.6), 0.05, 2.0),
    ):
        z, y, x = (np.exp(-0.5 * ((place - c) / width) ** 2).astype(np.float32) for c in centre)
        plane = height * y[:, None] * x
        for k in range(size):
            values[k] += z[k] * plane
    return values


def _views(size: int) -> int:
    return 90 if size >= 256 else 12


def _grid(size: int) -> ps.Grid:
    return ps.Grid(shape=(size, size, size), spacing_mm=(FIELD_MM / size,) * 3)


def _circle(size: int, views: int | None = None) -> ps.Geometry:
    return ps.Geometry.circular(
        views=views or _views(size),
        source_axis_mm=SOURCE_AXIS_MM,
        source_detector_mm=SOURCE_DETECTOR_MM,
        rows=size,
        columns=size,
        pixel_mm=1.6 * FIELD_MM / size,
    )


def _rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """(3, 3), uniform over all rotations: from a quaternion of four normal deviates."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _ellipsoids(size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(size, size, size) uint8: air around a body of label 1, in which ellipsoids of every label lie."""
    axis = (np.arange(size) + 0.5) / size
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    labels = (((z - 0.5) / 0.6) ** 2 + ((y - 0.5) / 0.38) ** 2 + ((x - 0.5) / 0.47) ** 2 < 1).astype(np.uint8)
    for index in range(300):
        centre, half = rng.uniform(0.15, 0.85, 3), rng.uniform(0.015, 0.12, 3)
        low, high = np.searchsorted(axis, centre - half), np.searchsorted(axis, centre + half)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        z, y, x = (((axis[part] - c) / h) ** 2 for part, c, h in zip(box, centre, half, strict=True))
        inside = z[:, None, None] + y[:, None] + x < 1
        labels[box][inside & (labels[box] > 0)] = index % len(MATERIALS)
    return labels
