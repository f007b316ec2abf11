"""A transport problem as the engine takes it: checked arguments, packed scene, source and detector, and its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.physics.tables import ENERGY_MAX_KEV, ENERGY_MIN_KEV
from physsim.randomness import checked_seed, stream_number
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.material import Material
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource
from physsim.transport.montecarlo_dose import pack_dose
from physsim.transport.montecarlo_grid import GRID, pack_grid
from physsim.transport.montecarlo_scene import PackedScene, pack_scene
from physsim.transport.montecarlo_source import pack_detector, pack_source, source_points_mm
from physsim.transport.montecarlo_sums import check_memory, fingerprint

STREAM = "photons"


@dataclass(frozen=True, eq=False)
class Problem:
    """What is asked of the engine, before any photon. Arguments: those of transport_photons."""

    phantom: Phantom
    source: PhotonSource
    run: MonteCarlo
    geometry: Geometry | None = None
    seed: int = 0
    ambient: Material | str | None = None
    regions: NDArray[Any] | None = None
    region_names: Sequence[str] | None = None
    disc_mm: float | None = None
    energy_edges_kev: Sequence[float] | None = None
    anti_scatter_grid: AntiScatterGrid | None = None


@dataclass(frozen=True, eq=False)
class PackedJob:
    """`engine`: histories by number. image: (orders, energy bins, rows, columns). mark: equal for equal problems.

    arrays: all that the engine reads, by the names that it knows them by.
    """

    engine: Any
    scene: PackedScene
    image: tuple[int, int, int, int]
    edges_kev: NDArray[np.float64]
    seed: int
    mark: str
    arrays: dict[str, NDArray[Any]]


def pack_job(problem: Problem, threads: int, batches: int = 1, voxel_dose: bool = False) -> PackedJob:
    """Check and pack. `batches`, `voxel_dose`: of the tallies to come, which must find room in memory."""
    seed, geometry, source, run = checked_seed(problem.seed), problem.geometry, problem.source, problem.run
    _check_detector(geometry, source, problem.disc_mm)
    edges = _checked_edges(problem.energy_edges_kev)
    rows, columns = geometry.shape[1:] if geometry is not None else (0, 0)
    image = (4, len(edges) - 1, rows, columns)
    check_memory(image, batches, problem.phantom.grid.shape if voxel_dose else None)
    scene = pack_scene(
        problem.phantom,
        problem.ambient,
        problem.regions,
        None if problem.region_names is None else tuple(problem.region_names),
        _reach_mm(source, geometry),
        _mean_energy_kev(source),
        run,
        threads,
        () if problem.anti_scatter_grid is None else (GRID,),
    )
    tables: dict[str, Any] = dict(scene.tables.arrays())
    packed = pack_source(source, scene)
    detector = pack_detector(geometry, problem.disc_mm, edges, source, scene)
    detector |= pack_grid(problem.anti_scatter_grid, geometry, len(scene.regions.names) - 2)
    dose, stream = pack_dose(run, scene.tables), stream_number(STREAM)
    engine = _engine.MonteCarlo(scene.fields, tables, packed, detector, dose, seed, stream, run.cutoff_kev)
    mark = fingerprint(scene.fields, tables, packed, detector, dose, {"seed": seed, "cutoff_kev": run.cutoff_kev})
    parts = {"scene": scene.fields, "tables": tables, "source": packed, "detector": detector, "dose": dose}
    arrays = {f"{part}.{name}": value for part, fields in parts.items() for name, value in fields.items()
              if isinstance(value, np.ndarray)}
    return PackedJob(engine, scene, image, edges, seed, mark, arrays)


def _reach_mm(source: PhotonSource, geometry: Geometry | None) -> NDArray[np.float64]:
    """World points (n, 3) that the ambient medium reaches to."""
    points = source_points_mm(source)
    if geometry is None:
        return points
    across, along = (0.5 * n * pitch for n, pitch in zip(geometry.shape[:0:-1], geometry.pixel_mm, strict=True))
    edge = geometry.surface_mm(0, np.linspace(-across, across, 65)[None, :], np.array([[-along], [along]]))
    return np.concatenate([points, edge.reshape(-1, 3)])


def _mean_energy_kev(source: PhotonSource) -> float:
    return source.spectrum.energy_kev or source.spectrum.sample().mean_energy_kev


def _check_detector(geometry: Geometry | None, source: PhotonSource, disc_mm: float | None) -> None:
    if geometry is None:
        if disc_mm is not None:
            raise InvalidInput(message(f"disc_mm={disc_mm}", "it has no effect without a geometry", "Leave it out."))
        return
    if len(geometry) != 1:
        raise InvalidInput(
            message(f"geometry of {len(geometry)} views", "photons are counted on one detector", "Give geometry[i].")
        )
    if disc_mm is not None and geometry.radius_mm is not None:
        raise InvalidInput(
            message(f"disc_mm={disc_mm}", "a curved detector is no disc", "Leave it out, or take a flat detector.")
        )
    if disc_mm is not None and not disc_mm > 0.0:
        raise InvalidInput(message(f"disc_mm={disc_mm}", "a disc has a radius larger than 0 mm", "Give it in mm."))
    ahead = (geometry.centre_mm[0] - source_points_mm(source)) @ geometry.normal[0]
    if ahead.max() <= 0.0:
        raise InvalidInput(
            message(
                f"position_mm={source.position_mm}",
                "the source stands behind the detector and sees none of it",
                "Move the source to the detector's front, or turn the detector.",
            )
        )


def _checked_edges(edges_kev: Sequence[float] | None) -> NDArray[np.float64]:
    if edges_kev is None:
        return np.array([ENERGY_MIN_KEV, ENERGY_MAX_KEV])
    edges = np.array(edges_kev, np.float64)
    if (
        edges.ndim != 1
        or len(edges) < 2
        or not np.isfinite(edges).all()
        or not np.allclose(np.diff(edges), (edges[-1] - edges[0]) / (len(edges) - 1))
        or edges[1] <= edges[0]
    ):
        raise InvalidInput(
            message(
                f"energy_edges_kev={edges_kev!r}"[:120],
                "energy bins are rising equal steps",
                "Give for example numpy.arange(10, 101, 5).",
            )
        )
    return edges
