"""A phantom as scatter images read it: its voxels, and cells of basis densities for the rays.

Layout and law: kernels/transport/{scatter_scene,basis_voxels}.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set
from physsim.errors import InvalidInput, message
from physsim.phantom.merge import merged_overlays
from physsim.phantom.phantom import Phantom
from physsim.physics.photon_tables import PhotonTables
from physsim.spec.grid import Grid
from physsim.transport.packed_voxels import check_tables
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]

MOST_BASIS = 3  # kernels/transport/basis_voxels.h
BASIS_TOLERANCE = 2e-3  # of mu/rho between _LOWEST_KEV and the spectrum's end, where fewer than MOST_BASIS functions do
BASIS_LIMIT = 0.03  # of the same error: more is refused
_LOWEST_KEV = 15.0
STEP = 1.5  # of the rays' midpoint rule, in widths of a cell wider than a voxel: moves order 1 by 0.15 to 0.3 %, RMS
LONG_STEP = 2.0  # of the rays of multiple scatter, whose nodes are means of many: +0.1 % against STEP, 0.15 % RMS
_MOST_CELLS = 2**24  # float32 counts them


@dataclass(frozen=True, eq=False)
class ScatterScene:
    """Arrays of one phantom for every view of it.

    `cells`: (z + 2, y + 2, x + 2) int32 words of basis densities; `spread`: the same shape, how uneven each
    is within. `cell_cm` along x, y, z. `coefficients`:
    (materials, 3) and `functions`: (rows of the tables, 8) float32, per count of a word. `basis_error`: largest
    relative error of mu/rho by the basis, 15 keV and above. `edges`: whether an absorption edge lies there. `row_kev`:
    (rows of the tables,) where each begins.
    """

    fine: tuple[NDArray[Any], NDArray[Any] | None, NDArray[np.float32]]
    cells: NDArray[np.int32]
    spread: NDArray[np.float32]
    cell_cm: tuple[float, float, float]
    voxel_cm: tuple[float, float, float]
    coefficients: NDArray[np.float32]
    functions: NDArray[np.float32]
    tables: dict[str, Any]
    grid: Grid
    basis_error: float
    edges: bool
    row_kev: Floats

    def view(self, source: dict[str, Any], cutoff_kev: float, step: float = STEP) -> Any:
        """The engine's object for photons of one source (fields of kernels/transport/single_scatter.h); `step`: of the
        rays to targets, in widths of a cell, where cells are wider than voxels."""
        return _engine.ScatterView(
            *self.fine,
            self.cells,
            self.spread,
            self.cell_cm,
            self.voxel_cm,
            self.coefficients,
            self.functions,
            self.tables,
            source,
            cutoff_kev,
            1.0 / ((1.0 if self.cell_cm == self.voxel_cm else step) * min(self.cell_cm)),
            self.edges,
        )

    def local_cm(self, points_mm: Any) -> Floats:
        """World points (..., 3) in mm to cm from the voxels' low corner along their axes x, y, z."""
        inverse = self.grid.voxel_from_world
        at = np.asarray(points_mm, np.float64)
        voxel = inverse[:3, 3] + sum(at[..., axis, None] * inverse[:3, axis] for axis in range(3))
        return np.asarray((voxel + 0.5) * np.array(self.grid.spacing_mm) * CM_PER_MM)

    def local_direction(self, vectors: Any) -> Floats:
        """World vectors (..., 3) along the voxels' axes."""
        given, axes = np.asarray(vectors, np.float64), np.array(self.grid.direction)
        return np.asarray(sum(given[..., axis, None] * axes[:, axis] for axis in range(3)))

    @property
    def cell_grid(self) -> Grid:
        """Where the cells lie, without their border; those at the ends may reach beyond the voxels."""
        wide = tuple(size / CM_PER_MM for size in self.cell_cm)
        first = 0.5 * (np.array(self.cell_cm) / np.array(self.voxel_cm) - 1.0)  # in voxels
        corner = self.grid.world_from_voxel @ np.append(first, 1.0)
        shape = tuple(int(n) - 2 for n in self.cells.shape)
        return Grid(shape=shape, spacing_mm=wide, origin_mm=tuple(corner[:3].tolist()), direction=self.grid.direction)

    def attenuation_per_mm(self, kev: float) -> NDArray[np.float32]:
        """(z, y, x) of the cells at an energy, as the rays of scatter have it: within `basis_error`."""
        words = self.cells[1:-1, 1:-1, 1:-1]
        row = int(np.searchsorted(self.row_kev, np.float32(kev), side="right")) - 1
        along = (kev - self.row_kev[row]) / (self.row_kev[row + 1] - self.row_kev[row])
        known = self.functions[row, :4] + along * self.functions[row, 4:]  # per cm and count
        counts = (words & 0xFFF, (words << 9) >> 21, words >> 23)
        found = sum(np.float32(one * CM_PER_MM) * part.astype(np.float32) for one, part in zip(known, counts,
                                                                                              strict=False))
        return np.maximum(found, np.float32(0.0))

    def corners_cm(self) -> Floats:
        """(8, 3) corners of the cells' box."""
        size = np.array(self.cell_cm) * (np.array(self.cells.shape[::-1]) - 2)
        return np.asarray(np.stack(np.meshgrid(*([0.0, end] for end in size), indexing="ij"), axis=-1).reshape(8, 3))


def pack_scatter_scene(
    phantom: Phantom, tables: PhotonTables, most_kev: float, cell_mm: float | None, threads: int
) -> ScatterScene:
    """`tables`: of phantom.materials in their order. `cell_mm`: about the width of a cell; None: a voxel is a cell.

    Overlays are averaged into the voxels (see merged_overlays).
    Raises InvalidInput for too many cells and materials that the basis does not describe.
    """
    phantom = merged_overlays(phantom)
    check_tables(tables, phantom)
    spacing = np.array(phantom.grid.spacing_mm)
    factor = [
        1 if cell_mm is None else voxels_of_a_cell(count, cell_mm / step)
        for count, step in zip(phantom.grid.shape[::-1], spacing, strict=True)
    ]
    cells = np.prod([-(-n // f) + 2 for n, f in zip(phantom.grid.shape[::-1], factor, strict=True)])
    if cells > _MOST_CELLS:
        raise InvalidInput(
            message(f"{cells} cells", f"scatter traces at most {_MOST_CELLS}", "Give wider cells: cell_mm=8.")
        )
    coefficients, functions, error = basis_of(tables, most_kev)
    if error > BASIS_LIMIT:
        raise InvalidInput(
            message(
                f"materials {', '.join(one.name for one in phantom.materials)}",
                f"the {MOST_BASIS} functions that the rays of scatter know miss an attenuation by {100 * error:.2g} %",
                "Take fewer materials with K edges or of heavy elements, or use transport_photons.",
            )
        )
    density = np.array([one.density_g_cm3 for one in phantom.materials], np.float32)
    fine = (np.ascontiguousarray(phantom.labels), None if phantom.density is None else _dense(phantom.density), density)
    words, units, spread = _engine.basis_cells(*fine, coefficients, tuple(factor), threads, instruction_set())
    scaled = np.zeros((len(functions), 8))
    used = functions.shape[1] // 2
    scaled[:, :used] = functions[:, :used] * units[:used]
    scaled[:, 4 : 4 + used] = functions[:, used:] * units[:used]
    own = coefficients / np.where(units > 0.0, units, 1.0)
    size = spacing * CM_PER_MM
    wide = size * np.array(factor)
    return ScatterScene(
        fine,
        words,
        spread,
        (float(wide[0]), float(wide[1]), float(wide[2])),
        (float(size[0]), float(size[1]), float(size[2])),
        own.astype(np.float32),
        scaled.astype(np.float32),
        dict(tables.arrays()),
        phantom.grid,
        error,
        bool((tables.cell_edge[(tables.cell_edge > _LOWEST_KEV)] < most_kev).any()),
        _row_energies(tables),
    )


def voxels_of_a_cell(voxels: int, wanted: float) -> int:
    """About `wanted` (within 25 %), so that the last cell is filled as far as can be: half empty ones cost variance."""
    nearest = max(1, round(wanted))
    choices = range(max(1, -(-3 * nearest // 4)), min(voxels, max(1, 5 * nearest // 4)) + 1)
    return min(choices, key=lambda f: (-voxels % f, abs(f - nearest)), default=voxels)


def basis_of(tables: PhotonTables, most_kev: float) -> tuple[NDArray[np.float32], Floats, float]:
    """Coefficients (materials, 3), functions (rows, 2 K: at the row's lower end, slopes), largest relative error.

    Singular vectors of mu/rho over its material's and its energy's mean: K of them leave out the least. The sums run
    in a fixed order, so that the bits are the same on every CPU.
    """
    low, slope = tables.row[:, :, 0].astype(np.float64), tables.row[:, :, 4].astype(np.float64)
    energy = _row_energies(tables)
    span = (energy >= _LOWEST_KEV) & (energy <= max(most_kev, 2.0 * _LOWEST_KEV))
    chosen = np.flatnonzero(span)[:: max(1, int(span.sum()) // 96)]
    table = np.ascontiguousarray(low[:, chosen])
    by_energy = _sum(table) / len(table)
    by_material = _sum((table / by_energy).T) / len(chosen)
    left, _ = _engine.singular_vectors(np.ascontiguousarray(table / by_energy / by_material[:, None]))
    left = left / np.sqrt(_sum(left * left))
    left = left * np.where(_sum(left) < 0.0, -1.0, 1.0)  # the first is positive throughout
    coefficients = np.zeros((tables.materials, MOST_BASIS))
    count, error = 0, np.inf
    while error > BASIS_TOLERANCE and count < min(MOST_BASIS, left.shape[1]):
        count += 1
        coefficients[:, :count] = left[:, :count] * by_material[:, None]
        parts = [_sum(left[:, k, None] * table / by_material[:, None]) for k in range(count)]
        found = sum(coefficients[:, k, None] * parts[k] for k in range(count))
        error = float(np.abs(found / table - 1.0).max())
    ends = [[_sum(left[:, k, None] * part / by_material[:, None]) for k in range(count)] for part in (low, slope)]
    return coefficients.astype(np.float32), np.stack(ends[0] + ends[1], axis=1), error


def _row_energies(tables: PhotonTables) -> Floats:
    """keV at the lower end of each row: kernels/physics/photon_tables.h."""
    bits = np.int32(0x3F800000) + (np.arange(len(tables.cell_row), dtype=np.int32) << np.int32(15))
    energy, split = np.zeros(tables.row.shape[1]), tables.cell_edge < 1e29
    energy[tables.cell_row] = bits.view(np.float32)
    energy[tables.cell_row[split] + 1] = tables.cell_edge[split]  # a cell with an edge has two rows
    return energy


def _dense(density: NDArray[Any]) -> NDArray[Any]:
    kept = density if density.dtype in (np.float16, np.float32) else density.astype(np.float32)
    return np.ascontiguousarray(kept)


def _sum(values: Floats) -> Floats:
    """Over the first axis, one after the other: numpy's own order depends on the CPU."""
    total = np.zeros(values.shape[1:])
    for value in values:
        total = total + value
    return total
