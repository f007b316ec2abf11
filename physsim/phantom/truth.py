"""What is known about a phantom because it was made: organs and lesions, as masks and as tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.spec.grid import Vector
from physsim.units import CM3_PER_MM3


@dataclass(frozen=True)
class OrganTruth:
    """One organ: what is left of it after later shapes were painted over it; inside the grid."""

    name: str
    volume_mm3: float
    mass_g: float


@dataclass(frozen=True)
class LesionTruth:
    """One lesion. `centre_mm` is its centre of volume (x, y, z); `diameter_mm` that of a ball of equal volume.

    `type`, `site` (the organ in which it was placed) and `seed` are those of a Lesion, empty for a plain shape.
    """

    name: str
    material: str
    centre_mm: Vector
    volume_mm3: float
    mass_g: float
    type: str = ""
    site: str = ""
    seed: int | None = None

    @property
    def density_g_cm3(self) -> float:
        """Mass over volume."""
        return self.mass_g / self.volume_mm3 / CM3_PER_MM3

    @property
    def diameter_mm(self) -> float:
        """Diameter of the ball of equal volume (mm)."""
        return float((6 * self.volume_mm3 / math.pi) ** (1 / 3))


    def row(self) -> dict[str, Any]:
        """The lesion as a row of plain data: what a table of truth holds."""
        return {
            "name": self.name, "type": self.type, "site": self.site, "material": self.material,
            "centre_mm": list(self.centre_mm), "volume_mm3": self.volume_mm3, "diameter_mm": self.diameter_mm,
            "mass_g": self.mass_g, "density_g_cm3": self.density_g_cm3, "seed": self.seed,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Truth:
    """Organs and lesions of a phantom.

    `organ_labels`: (nz, ny, nx) uint8/uint16 on the phantom's grid, index into `organs` (the organ with the largest
    volume in the voxel), or None; `organs[0]` is "background".
    """

    organ_labels: npt.NDArray[Any] | None = None
    organs: tuple[OrganTruth, ...] = ()
    lesions: tuple[LesionTruth, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Names of the organs, in the order of the labels."""
        return tuple(organ.name for organ in self.organs)

    def number(self, name: str) -> int:
        """Index of an organ in `organs`, or InvalidInput."""
        if name not in self.names():
            raise InvalidInput(
                message(f"organ {name!r}", "this phantom has none of that name", did_you_mean(name, self.names()))
            )
        return self.names().index(name)

    def organ(self, name: str) -> OrganTruth:
        """The row of an organ."""
        return self.organs[self.number(name)]

    def lesion(self, name: str) -> LesionTruth:
        """The row of a lesion."""
        for lesion in self.lesions:
            if lesion.name == name:
                return lesion
        raise InvalidInput(
            message(
                f"lesion {name!r}",
                "this phantom has none of that name",
                did_you_mean(name, [lesion.name for lesion in self.lesions]),
            )
        )

    def mask(self, name: str) -> npt.NDArray[np.bool_]:
        """(nz, ny, nx) bool: voxels of an organ or lesion (majority by volume)."""
        if self.organ_labels is None:
            raise InvalidInput(
                message(
                    f"mask of {name!r}",
                    "this phantom carries no organ labels",
                    "Voxelise the scene with truth=True, or load the mask with the phantom.",
                )
            )
        return np.asarray(self.organ_labels == self.number(name))
