"""How long phantoms take: bodies and breasts by spacing, meshes into voxels beside trimesh, rays through meshes.

Honest because: each code takes turns in one process and the least of its turns counts; compiling is done before; both
voxelisers fill the same grid with the same mesh, and their volumes are compared with the mesh's own; the rays go
through a closed surface of 79,000 triangles, a ball with bumps, which covers half of the picture.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import machine

GVXR_READ_S = 0.172  # 512^2 rays, 79,000 triangles, one energy, software rendering: measured by others on two cores
_TRIANGLES_SIDE = 282  # of the bumpy ball: 78,960 triangles


def measure(
    quick: bool = False, threads: int | None = None, rounds: int = 3, bodies: tuple[str, ...] = ("trunk",),
    breasts: bool = True,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run the jobs; `quick`: miniature ones, whose figures mean nothing. Rows, figures, notes and what failed."""
    from physsim.device.choice import thread_count
    from physsim.errors import PhyssimError

    told = say or (lambda text: print(text, file=sys.stderr))
    result: dict[str, Any] = {
        "kind": "phantom", "machine": machine.describe(),
        "settings": {"threads": thread_count(threads), "rounds": rounds, "quick": quick},
        "rows": [], "figures": {}, "notes": {}, "failed": [],
    }  # fmt: skip
    jobs: list[tuple[str, Callable[[dict[str, Any], bool, int], None]]] = [
        ("mesh tracing", _mesh_tracing), ("mesh voxels", _mesh_voxels),
        *([("new patient", _new_patient)] if bodies else []), *([("breast", _breast)] if breasts else []),
        *((f"body {region}", _body_job(region)) for region in bodies),
    ]  # fmt: skip
    for name, job in jobs:
        told(name)
        try:
            job(result, quick, rounds)
        except (PhyssimError, ImportError, MemoryError) as error:  # others are faults of this file
            result["failed"].append(name)
            result["notes"][name] = f"{type(error).__name__}: {error}"
    return result


def bumpy_ball(radius_mm: float = 60.0, sides: int = _TRIANGLES_SIDE) -> Any:
    """A closed mesh of about sides^2 triangles: a ball with bumps of a tenth of its radius."""
    from physsim.phantom.mesh import Mesh
    from physsim.phantom.mesh_shapes import ball

    plain = ball(radius_mm, "bumpy ball", sides)
    x, y, z = (plain.vertices_mm / radius_mm).T
    relief = 1.0 + 0.1 * np.sin(7 * x + 1) * np.sin(6 * y + 2) * np.sin(5 * z + 3)
    return Mesh(plain.vertices_mm * relief[:, None], plain.triangles, plain.name)


def _body_job(region: str) -> Callable[[dict[str, Any], bool, int], None]:
    def job(result: dict[str, Any], quick: bool, rounds: int) -> None:
        from physsim.body.anatomy import forget_bodies, patient_body
        from physsim.body.patient import reference_patient
        from physsim.body.voxelise import voxelise_body

        patient = reference_patient("M", 35)
        patient.phantom(12.0, region=region, vanishing="keep")  # numba compiles
        forget_bodies()
        begin, _ = _least(lambda: patient_body(patient).body.program, 1)
        _row(result, f"man, {region}, declarations to a program", "physsim", begin, None)
        result["figures"][f"{region}_program_seconds"] = begin
        made = patient_body(patient)
        space = None if made.growth.is_identity else made.growth
        for spacing in (8.0,) if quick else (4.0, 2.0, 1.0):
            grid = made.grid(spacing, region)
            work = partial(voxelise_body, made.body, grid=grid, canonical_from_world=space, vanishing="keep")
            seconds, found = _least(work, 1 if quick else rounds)
            _row(result, f"man, {region}, {spacing:g} mm", "physsim", seconds, found.labels.size / 1e6)
            result["figures"][f"{region}_{spacing:g}mm_seconds"] = seconds
            del found

    return job


# A patient whom nobody has seen: her organs and tissues are fitted; then the first voxels of her trunk.
_NEW_PATIENT = """
import json, time
import physsim as ps
from physsim.body.anatomy import patient_body
began = time.process_time()
patient = ps.anatomy("F", age=47, height_cm=168, weight_kg=74, seed=5)
patient_body(patient).body.program
fitted = time.process_time()
patient.phantom({spacing}, region="trunk", vanishing="keep")
print(json.dumps([fitted - began, time.process_time() - began]))
"""


def _new_patient(result: dict[str, Any], quick: bool, rounds: int) -> None:
    """CPU seconds, all threads together, in a process of its own that keeps nothing and finds nothing kept."""
    spacing = 8.0 if quick else 2.0
    least = [math.inf, math.inf]
    for _ in range(1 if quick else min(rounds, 2)):
        made = subprocess.run(
            [sys.executable, "-P", "-c", _NEW_PATIENT.format(spacing=spacing)], capture_output=True, text=True,
            check=True, env=os.environ | {"PHYSSIM_CACHE": "off"},
        )  # fmt: skip
        least = [min(pair) for pair in zip(least, json.loads(made.stdout), strict=True)]
    _row(result, "new patient: fit, CPU", "physsim", least[0], None)
    _row(result, f"new patient: fit and trunk, {spacing:g} mm, nothing kept, CPU", "physsim", least[1], None)
    result["figures"] |= {"new_patient_fit_cpu_seconds": least[0], "cold_phantom_cpu_seconds": least[1]}


def _breast(result: dict[str, Any], quick: bool, rounds: int) -> None:
    from physsim.body.breast import Breast, breast

    def seen(density: str, view: str, spacing: float) -> float:
        drawn = Breast.draw("B", length_mm=45.0, half_width_mm=45.0) if quick else Breast.draw(density, view)
        seconds, made = _least(partial(breast, drawn, spacing_mm=spacing, organ_labels=False), 1)
        _row(result, f"breast {density} {view}, {spacing:g} mm", "physsim", seconds, made.labels.size / 1e6)
        return seconds

    for spacing in (1.2,) if quick else (0.4, 0.2, 0.1):
        result["figures"][f"breast_{spacing:g}mm_seconds"] = seen("B", "CC", spacing)
    for view in () if quick else ("CC", "MLO"):
        result["figures"][f"breast_D_{view}_0.1mm_seconds"] = seen("D", view, 0.1)


def _mesh_voxels(result: dict[str, Any], quick: bool, rounds: int) -> None:
    from physsim.phantom.mesh import mesh_coverage
    from physsim.spec.grid import Grid

    size, mesh = (48, bumpy_ball(sides=48)) if quick else (256, bumpy_ball())
    low, high = mesh.bounds_mm()
    step = float((high - low).max()) * 1.02 / size
    x, y, z = (float(v) for v in (low + high) / 2 - step * (size - 1) / 2)
    grid = Grid(shape=(size, size, size), spacing_mm=step, origin_mm=(x, y, z))
    job = f"{len(mesh.triangles)} triangles into {size}^3"
    mesh_coverage(mesh, Grid(shape=(4, 4, 4), spacing_mm=step * size / 4, origin_mm=(x, y, z)))  # compiles
    ours, made = _least(partial(mesh_coverage, mesh, grid), rounds)
    error = float(made.sum(dtype=np.float64)) * step**3 / mesh.volume_mm3 - 1
    _row(result, job, "physsim", ours, size**3 / 1e6, error)
    result["figures"] |= {"mesh_voxels_seconds": ours, "mesh_voxels_volume_error": error}
    if importlib.util.find_spec("trimesh") is None:
        result["notes"]["trimesh"] = 'not installed: pip install "physsim[mesh]"'
        result["figures"]["mesh_voxels_over_trimesh"] = None
        return
    import trimesh

    other = trimesh.Trimesh(mesh.vertices_mm, mesh.triangles, process=False)
    theirs, filled = _least(lambda: other.voxelized(pitch=step).fill(), 1)
    volume = float(filled.filled_count) * step**3 / mesh.volume_mm3 - 1
    _row(result, job, f"trimesh {trimesh.__version__}", theirs, size**3 / 1e6, volume)
    result["figures"] |= {"mesh_voxels_over_trimesh": theirs / ours, "trimesh_volume_error": volume}


def _mesh_tracing(result: dict[str, Any], quick: bool, rounds: int) -> None:
    import physsim as ps
    from physsim.transport.mesh import mesh_path_lengths_mm, traced_meshes
    from physsim.transport.spectral import project_signal

    pixels, mesh = (64, bumpy_ball(sides=48)) if quick else (512, bumpy_ball())
    view = ps.Geometry.radiograph(source_detector_mm=1000.0, detector_object_mm=200.0, rows=pixels, columns=pixels,
                                  pixel_mm=0.42 * 512 / pixels)  # fmt: skip
    seconds, made = _least(partial(mesh_path_lengths_mm, [mesh], view), rounds)
    rays, job = pixels**2 / 1e6, f"{pixels}^2 rays, {len(mesh.triangles)} triangles"
    paths = made[0, 0].astype(float)
    result["figures"]["mesh_tracing_volume_error"] = _volume(paths, view, mesh) / mesh.volume_mm3 - 1
    _row(result, job, "physsim, with the tree", seconds, rays)
    result["figures"] |= {"mesh_tracing_seconds": seconds, "mesh_tracing_over_gvxr_read": GVXR_READ_S / seconds}
    grid = ps.Grid(shape=(64, 64, 64), spacing_mm=2.5)
    water = ps.Phantom(grid=grid, labels=np.zeros(grid.shape, np.uint8), materials=(ps.material("water"),))
    laid = water.lay(ps.MeshPart(mesh, "ti6al4v"))
    own, table = [one.density_g_cm3 for one in laid.materials], [[0.18], [0.27]]

    def over_voxels() -> None:
        project_signal(laid.labels, None, own, table, [1.0], grid, view, meshes=traced_meshes(laid), device="cpu")

    both, _ = _least(over_voxels, rounds)
    _row(result, f"{job}, over 64^3 voxels", "physsim", both, rays)
    result["figures"]["mesh_over_voxels_seconds"] = both
    _gvxr(result, job, mesh, pixels, 0.42 * 512 / pixels, rounds, rays)


def _volume(paths: np.ndarray, view: Any, mesh: Any) -> float:
    """Volume (mm3) from paths: each ray stands for the solid angle of its pixel, which widens with the distance."""
    start, end = view.rays_mm(0)
    turn = end - start
    length = np.linalg.norm(turn, axis=-1).reshape(paths.shape)
    beam = np.linalg.norm(view.centre_mm[0] - view.source_mm[0])
    at = ((np.array(mesh.centre_mm) - start) * turn).sum(-1).reshape(paths.shape) / length
    solid = view.pixel_mm[0] * view.pixel_mm[1] * beam / length**3  # solid angle of a pixel
    return float((solid * (at**2 * paths + paths**3 / 12.0)).sum())


def _gvxr(result: dict[str, Any], job: str, mesh: Any, pixels: int, pixel_mm: float, rounds: int, rays: float) -> None:
    """gVXR on the same mesh and pixels, where it is installed."""
    result["figures"]["mesh_tracing_over_gvxr"] = None
    if importlib.util.find_spec("gvxrPython3") is None:
        result["notes"]["gvxr"] = f"not installed (pip install gvxr); read: {GVXR_READ_S} s for this job on two cores"
        return
    import tempfile
    from pathlib import Path

    from gvxrPython3 import gvxr

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.stl"
        mesh.save(file)
        gvxr.createOffscreenContext()
        gvxr.setSourcePosition(0.0, 800.0, 0.0, "mm")
        gvxr.usePointSource()
        gvxr.setMonoChromatic(60.0, "keV", 1000)
        gvxr.setDetectorPosition(0.0, -200.0, 0.0, "mm")
        gvxr.setDetectorUpVector(0, 0, -1)
        gvxr.setDetectorNumberOfPixels(pixels, pixels)
        gvxr.setDetectorPixelSize(pixel_mm, pixel_mm, "mm")
        gvxr.loadMeshFile("mesh", str(file), "mm")
        gvxr.setElement("mesh", "Ti")
        seconds, _ = _least(gvxr.computeXRayImage, rounds + 1)
    _row(result, job, "gVXR", seconds, rays)
    result["figures"]["mesh_tracing_over_gvxr"] = seconds / result["figures"]["mesh_tracing_seconds"]


def _least(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Seconds of the fastest of some turns, and what the last one made."""
    least, made = math.inf, None
    for _ in range(rounds):
        made = None  # two of them need not fit into memory
        began = time.perf_counter()
        made = work()
        least = min(least, time.perf_counter() - began)
    return least, made


def _row(
    result: dict[str, Any], job: str, code: str, seconds: float, millions: float | None,
    volume_error: float | None = None,
) -> None:
    from physsim.cli.stages import peak_memory_mb

    result["rows"].append({
        "job": job, "code": code, "seconds": seconds, "millions": millions,
        "ms_per_million": None if millions is None else 1000 * seconds / millions, "volume_error": volume_error,
        "peak_mb": peak_memory_mb(),
    })  # fmt: skip
