"""A phantom as the scatter's rays read it: density and material in one word a voxel.

Layout: kernels/transport/packed_voxels.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.phantom.merge import merged_overlays
from physsim.phantom.phantom import Phantom
from physsim.physics.photon_tables import PhotonTables
from physsim.spec.grid import Grid
from physsim.units import CM_PER_MM

MOST_MATERIALS = 256
MOST_VOXELS = 2**31 - 1
_MATERIAL_BITS = np.int32(0xFF)
_HALF = np.int32(0x80)


@dataclass(frozen=True, eq=False)
class PackedVoxels:
    """`words`: (nz + 2, ny + 2, nx + 2) int32, float32 bits of the density (g/cm3) with the material in the low eight.

    The density is within 2^-16 of its value; the border is vacuum. `voxel_cm` along x, y, z.
    """

    words: NDArray[np.int32]
    voxel_cm: tuple[float, float, float]
    grid: Grid

    def local_cm(self, points_mm: Any) -> NDArray[np.float64]:
        """World points (..., 3) in mm to cm from the voxels' low corner along their axes x, y, z."""
        inverse = self.grid.voxel_from_world
        voxel = np.asarray(points_mm, np.float64) @ inverse[:3, :3].T + inverse[:3, 3]
        return np.asarray((voxel + 0.5) * np.array(self.grid.spacing_mm) * CM_PER_MM)

    def local_direction(self, vectors: Any) -> NDArray[np.float64]:
        """World vectors (..., 3) along the voxels' axes."""
        return np.asarray(np.asarray(vectors, np.float64) @ np.array(self.grid.direction).T)


def pack_voxels(phantom: Phantom) -> PackedVoxels:
    """The phantom's voxels with a border; material numbers are those of `phantom.materials`.

    Overlays are averaged into the voxels (see merged_overlays).
    Raises InvalidInput for more than 256 materials and more voxels than a 32-bit index counts.
    """
    phantom = merged_overlays(phantom)
    if len(phantom.materials) > MOST_MATERIALS:
        raise InvalidInput(
            message(
                f"{len(phantom.materials)} materials",
                f"a voxel's word names at most {MOST_MATERIALS}",
                "Merge materials of like composition.",
            )
        )
    shape = tuple(n + 2 for n in phantom.grid.shape)
    if shape[0] * shape[1] * shape[2] > MOST_VOXELS:
        raise InvalidInput(
            message(
                f"{phantom.grid.shape} voxels",
                f"scatter counts at most {MOST_VOXELS}",
                "Crop the phantom or voxelise coarser.",
            )
        )
    words = np.zeros(shape, np.int32)
    own = np.array([one.density_g_cm3 for one in phantom.materials], np.float32)
    inner = words[1:-1, 1:-1, 1:-1]
    for layer, labels in enumerate(phantom.labels):
        density = own[labels]
        if phantom.density is not None:
            density *= phantom.density[layer].astype(np.float32)
        inner[layer] = ((density.view(np.int32) + _HALF) & ~_MATERIAL_BITS) | labels.astype(np.int32)
    spacing = phantom.grid.spacing_mm
    return PackedVoxels(words, (CM_PER_MM * spacing[0], CM_PER_MM * spacing[1], CM_PER_MM * spacing[2]), phantom.grid)


def check_tables(tables: PhotonTables, phantom: Phantom) -> None:
    """Refuse photon tables of another number of materials than the phantom's."""
    if tables.materials != len(phantom.materials):
        raise InvalidInput(
            message(
                f"tables of {tables.materials} materials",
                f"the phantom has {len(phantom.materials)}",
                "Build them from phantom.materials.",
            )
        )
