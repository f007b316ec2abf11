"""A phantom as the photon transport reads it: labels, media, regions, coarse cells and their majorants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.physics.photon_tables import PhotonTables, build
from physsim.spec.grid import Grid
from physsim.spec.material import Material, material
from physsim.spec.scatter import MonteCarlo, form_factor_name
from physsim.transport.montecarlo_dose import cell_majorants, least_majorants
from physsim.transport.montecarlo_overlays import (
    lists_of_cells,
    measure_overlays,
    overlay_labels,
    voxels_with_overlays,
)
from physsim.units import CM_PER_MM

AMBIENT = "ambient"
_MEDIA_MAX = 65535
_FINEST_CELL_VOXELS = 4
_CELLS_MAX = 1 << 18
_ROUND_MASK = np.int32((1 << 19) - 1)  # of a float32's mantissa, all but 4 bits
_MAJORANT_SHIFT = 4  # kernels/transport/woodcock.h
_HEADROOM = 1.0 + 1e-5  # of a majorant over the float32 rounding of densities and tables
_CROSSING_COST = 0.1  # of entering a cell, in candidate collisions (measured on one core)


@dataclass(frozen=True, eq=False)
class Regions:
    """What deposited energy is summed by: names, volumes and masses of regions; the last is ambient."""

    names: tuple[str, ...]
    volume_mm3: NDArray[np.float64]
    mass_g: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PackedScene:
    """Arrays of kernels/transport/scene.h and their tables; cm from the voxels' low corner, along their axes.

    substances: the material of each label, by name; the last is the ambient medium's.
    """

    fields: dict[str, Any]
    substances: tuple[str, ...]
    tables: PhotonTables
    regions: Regions
    grid: Grid

    def local_cm(self, points_mm: Any) -> NDArray[np.float64]:
        """World points (..., 3) in mm to the scene's frame in cm."""
        voxel = (
            np.asarray(points_mm, np.float64) @ self.grid.voxel_from_world[:3, :3].T + self.grid.voxel_from_world[:3, 3]
        )
        return np.asarray((voxel + 0.5) * np.array(self.grid.spacing_mm) * CM_PER_MM)

    def world_mm(self, points_cm: Any) -> NDArray[np.float64]:
        """Points (..., 3) of the scene's frame in cm to the world in mm."""
        voxel = np.asarray(points_cm, np.float64) / (np.array(self.grid.spacing_mm) * CM_PER_MM) - 0.5
        return np.asarray(voxel @ self.grid.world_from_voxel[:3, :3].T + self.grid.world_from_voxel[:3, 3])

    def local_direction(self, vectors: Any) -> NDArray[np.float64]:
        """World vectors (..., 3) to the scene's frame."""
        return np.asarray(np.asarray(vectors, np.float64) @ np.array(self.grid.direction).T)


def pack_scene(
    phantom: Phantom,
    ambient: Material | str | None,
    regions: NDArray[Any] | None,
    region_names: tuple[str, ...] | None,
    reach_mm: NDArray[np.float64],
    energy_kev: float,
    run: MonteCarlo,
    threads: int,
    apart: tuple[str, ...] = (),
) -> PackedScene:
    """The scene of a phantom in an ambient medium (None: vacuum) that reaches to the world points `reach_mm` (n, 3).

    `regions`: (nz, ny, nx) whole numbers into `region_names`; None: the organs of the phantom's truth, else its
    materials. `apart`: more regions, which hold no voxels. `energy_kev` is typical of the beam: the size of the cells
    is chosen for it.
    """
    if phantom.meshes:
        mend = "Paint them into the voxels: physsim.phantom.laid.painted_meshes(phantom)."
        raise InvalidInput(message(f"{len(phantom.meshes)} meshes over the phantom", "photons see voxels only", mend))
    names, numbers = _regions(phantom, regions, region_names)
    labels, pairs = _combined(phantom.labels, numbers, len(phantom.materials), len(names), threads)
    patches, pairs = overlay_labels(phantom, numbers, pairs)
    _check_pairs(pairs)
    names = (*names, *apart, AMBIENT)
    around = None if ambient is None else ambient if isinstance(ambient, Material) else material(ambient)
    substances = [*phantom.materials, *([around] if around is not None else [])]
    unique: dict[tuple[tuple[tuple[str, float], ...], str | None], int] = {}
    of = [
        unique.setdefault((tuple(sorted(one.mass_fractions.items())), _form_factor(one, run)), len(unique))
        for one in substances
    ]
    tables = build(
        [dict(fractions) for fractions, _ in unique],
        fluorescence=run.fluorescence,
        doppler=run.doppler,
        binding=run.binding,
        form_factors=[factor for _, factor in unique],
    )
    media = np.zeros((len(pairs) + 1, 3), np.int32)
    media[:-1, 0] = [of[label] for label, _ in pairs]
    media[:-1, 1] = [region for _, region in pairs]
    media[:-1, 2] = np.array([phantom.materials[label].density_g_cm3 for label, _ in pairs], np.float32).view(np.int32)
    surrounding = np.float32(around.density_g_cm3 if around is not None else 0.0)
    media[-1] = of[-1] if around is not None else 0, len(names) - 1, surrounding.view(np.int32)
    grid = phantom.grid
    size_cm = np.array(grid.size_mm) * CM_PER_MM
    fields: dict[str, Any] = {
        "shape": grid.shape[::-1],
        "labels": labels,
        "density": phantom.density,
        "patches": None,
        "patch_lists": None,
        "media": media,
        "ambient": len(pairs),
        "voxel_cm": tuple(CM_PER_MM * step for step in grid.spacing_mm),
        "world_low": (0.0, 0.0, 0.0),
        "world_high": tuple(size_cm.astype(np.float32).tolist()),
        "cell_voxels": (1, 1, 1),
        "cell_class": None,
        "cell_label": None,
        "cell_density": None,
        "majorant": None,
        "energy_bins": 0,
    }
    changes = measure_overlays(phantom, labels, patches, len(media))
    called = [phantom.materials[label].name for label, _ in pairs] + ["vacuum" if around is None else around.name]
    packed = PackedScene(fields, tuple(called), tables, _measured(fields, names, grid, changes, threads), grid)
    if patches:
        fields |= voxels_with_overlays(phantom, labels, patches)
    if around is not None:
        reach = packed.local_cm(reach_mm)
        fields["world_low"] = tuple(np.minimum(0.0, reach.min(axis=0)).tolist())
        fields["world_high"] = tuple(np.maximum(size_cm, reach.max(axis=0)).tolist())
    least = least_majorants(run, names, packed.regions.volume_mm3)[media[:-1, 1]]
    _add_majorants(packed, float(surrounding), media[-1, 0], energy_kev, labels, least, threads)
    if patches:
        fields["patch_lists"] = lists_of_cells(grid, phantom.overlays, fields["cell_voxels"], fields["cell_label"])
    return packed


def _form_factor(of: Material, run: MonteCarlo) -> str | None:
    return form_factor_name(of.name) if run.interference else None


def _regions(
    phantom: Phantom, regions: NDArray[Any] | None, names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], NDArray[Any]]:
    if regions is None:
        if phantom.truth.organ_labels is not None and names is None:
            return phantom.truth.names(), phantom.truth.organ_labels
        return names or tuple(one.name for one in phantom.materials), phantom.labels
    numbers = np.asarray(regions)
    if numbers.shape != phantom.grid.shape or numbers.dtype.kind not in "iu":
        raise InvalidInput(
            message(
                f"regions of dtype {numbers.dtype} and shape {numbers.shape}",
                f"regions are whole numbers of the phantom's shape {phantom.grid.shape} (z, y, x)",
                "Give an array like the phantom's labels.",
            )
        )
    most = int(numbers.max())
    if int(numbers.min()) < 0 or (names is not None and most >= len(names)):
        raise InvalidInput(
            message(
                f"regions from {int(numbers.min())} to {most}",
                f"they count into {len(names) if names is not None else 'names'} names from 0",
                "Give a name for each region, and no negative numbers.",
            )
        )
    return names or tuple(f"region {n}" for n in range(most + 1)), numbers


def _combined(
    labels: NDArray[Any], regions: NDArray[Any], materials: int, count: int, threads: int
) -> tuple[NDArray[Any], list[tuple[int, int]]]:
    """One label for each pair of material and region that occurs, and the pairs."""
    if regions is labels:
        return labels, [(n, n) for n in range(materials)]
    if regions.dtype not in (np.uint8, np.uint16):
        regions = regions.astype(np.uint32)
    joined, rows = _engine.join_labels(
        np.ascontiguousarray(labels), np.ascontiguousarray(regions), materials, count, threads
    )
    present = [(int(label), int(region)) for label, region in rows]
    _check_pairs(present)
    return joined.astype(np.uint8) if len(present) < 256 else joined, present


def _check_pairs(pairs: list[tuple[int, int]]) -> None:
    if len(pairs) > _MEDIA_MAX:
        raise InvalidInput(
            message(
                f"{len(pairs)} pairs of material and region",
                f"at most {_MEDIA_MAX} are counted apart",
                "Give fewer regions.",
            )
        )


def _measured(
    fields: dict[str, Any],
    names: tuple[str, ...],
    grid: Grid,
    changes: tuple[NDArray[np.float64], NDArray[np.float64]],
    threads: int,
) -> Regions:
    """Volumes and masses of the regions, from the voxels and from what overlays change (see measure_overlays)."""
    media = fields["media"]
    own = media[:, 2].copy().view(np.float32).astype(np.float64)
    voxels, relative = _engine.measure_labels(fields, len(media), threads)
    volume, mass = np.zeros(len(names)), np.zeros(len(names))
    np.add.at(volume, media[:, 1], voxels * grid.voxel_volume_mm3 + changes[0])
    np.add.at(mass, media[:, 1], (relative * grid.voxel_volume_mm3 + changes[1]) * own * CM_PER_MM**3)
    return Regions(names, volume, mass)


def _add_majorants(
    packed: PackedScene,
    ambient_density: float,
    ambient_material: int,
    energy_kev: float,
    labels: NDArray[Any],
    least: NDArray[np.float32],
    threads: int,
) -> None:
    """Choose the cells' size and fill `cell_voxels`, `cell_class`, `majorant`, `energy_bins`.

    `least`: by label, 1/cm, no majorant is smaller where there are voxels of it; `labels`: of the body alone.
    """
    fields, tables = packed.fields, packed.tables
    highest = _highest_attenuation(tables)  # (materials, bins)
    shape = np.array(packed.grid.shape[::-1])
    edge = np.minimum(np.full(3, _FINEST_CELL_VOXELS), shape)
    while np.prod(-(-shape // edge)) > _CELLS_MAX:
        edge = np.minimum(edge * 2, shape)
    fields["cell_voxels"] = tuple(edge.tolist())
    greatest = _engine.survey_cells(fields, tables.materials, threads)
    if least.any():  # as one more material, which attenuates by 1 / cm at density 1
        greatest = np.concatenate([greatest, cell_majorants(labels, least, edge.tolist())[..., None]], axis=3)
        highest = np.concatenate([highest, np.ones((1, highest.shape[1]))])
    edge, greatest = _cells(edge, greatest, highest[:, _bin_of(energy_kev)], shape, np.array(fields["voxel_cm"]))
    density = np.pad(greatest, ((1, 1), (1, 1), (1, 1), (0, 0)), constant_values=-1.0)
    inner = np.zeros(density.shape[:3], bool)
    inner[1:-1, 1:-1, 1:-1] = True
    around = np.full(len(highest), -1.0, np.float32)
    around[ambient_material] = ambient_density
    density[~inner] = around
    steps = _rounded_up(np.maximum(density, 0.0)).reshape(-1, len(highest))
    first, numbers = _engine.number_rows(steps.view(np.uint32))
    rows = steps[first]
    if len(rows) > _MEDIA_MAX:
        raise InvalidInput(
            message(
                f"{len(rows)} kinds of cells",
                f"at most {_MEDIA_MAX} majorants are kept",
                "Round the phantom's density, for example to float16.",
            )
        )
    fields["majorant"] = ((rows[:, :, None].astype(np.float64) * highest[None]).max(axis=1) * _HEADROOM).astype(
        np.float32
    )
    fields["cell_class"] = numbers.reshape(density.shape[:3])
    fields["cell_voxels"] = tuple(int(n) for n in edge)
    fields["energy_bins"] = highest.shape[1]
    inner_labels, inner_densities = _engine.label_cells(fields, threads)
    fields["cell_density"] = np.pad(inner_densities, 1, constant_values=1.0)
    fields["cell_label"] = np.pad(inner_labels, 1, constant_values=fields["ambient"])


def _cells(
    edge: NDArray[np.int64],
    greatest: NDArray[np.float32],
    typical: NDArray[np.float64],
    shape: NDArray[np.int64],
    voxel_cm: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The cells' edge (voxels along x, y, z) with the least work for a photon, and the densities in these cells.

    Work per cm: candidate collisions (the mean majorant) and cells entered. From the finest
    cells on, the shortest edges are doubled until one cell holds all. `math.fsum`: the choice is the same on every CPU.
    """
    best: tuple[float, NDArray[np.int64], NDArray[np.float32]] | None = None
    while True:
        majorant = (np.maximum(greatest, 0.0) * typical).max(axis=-1)
        lengths = edge * voxel_cm
        x, y, z = (np.diff(np.append(np.arange(0, n, step), n)) / n for n, step in zip(shape, edge, strict=True))
        volume = z[:, None, None] * y[:, None] * x
        cost = math.fsum((majorant * volume).ravel().tolist())
        cost += 0.5 * _CROSSING_COST * math.fsum((1.0 / lengths)[edge < shape].tolist())
        if best is None or cost < best[0]:
            best = (cost, edge, greatest)
        if (edge >= shape).all():
            return best[1], best[2]
        shortest = lengths[edge < shape].min()
        wider = np.where(lengths <= 1.5 * shortest, np.minimum(edge * 2, shape), edge)
        for axis in np.flatnonzero(wider != edge):
            along = 2 - int(axis)
            greatest = np.maximum.reduceat(greatest, np.arange(0, greatest.shape[along], 2), axis=along)
        edge = wider


def _rounded_up(density: NDArray[np.float32]) -> NDArray[np.float32]:
    """Densities with 4 bits of mantissa, none smaller than before: so that few kinds of cells remain."""
    bits = density.view(np.int32)
    return ((bits + _ROUND_MASK) & ~_ROUND_MASK).view(np.float32)


def _highest_attenuation(tables: PhotonTables) -> NDArray[np.float64]:
    """(materials, bins): the largest mu/rho within each energy bin of the majorants."""
    low, slope = tables.row[:, :, 0].astype(np.float64), tables.row[:, :, 4].astype(np.float64)
    ends = np.maximum(low, low + slope)
    bins = np.arange(0, len(tables.cell_row), 1 << _MAJORANT_SHIFT)
    return np.asarray(np.maximum.reduceat(ends, tables.cell_row[bins], axis=1))


def _bin_of(energy_kev: float) -> int:
    bits = int(np.float32(energy_kev).view(np.int32)) - 0x3F800000
    return bits >> (15 + _MAJORANT_SHIFT)
