"""A bowtie filter as a shape: how much of one material a ray meets, by its fan angle."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pydantic
from numpy.typing import ArrayLike, NDArray

from physsim.errors import FileFormatError, InvalidInput, message
from physsim.physics.spectra.tube import obliquity
from physsim.spec.base import Spec
from physsim.spec.material import KnownMaterial, Material, resolved_material

Array = NDArray[np.float64]


class Bowtie(Spec):
    """Path through a bowtie, measured along the ray in the fan plane, against the fan angle.

    Either a table (`fan_angles_deg` rising, `thickness_mm` beside it; linear between, an error outside) or a polynomial
    (`coefficients_mm`: c0 + c1 a + c2 a^2 ..., a in degrees, up to `max_angle_deg`). With `symmetric` (the default) the
    shape is given for angles >= 0 and mirrored. A ray that leaves the fan plane by the cone angle meets 1/cos(cone)
    more. A shape wider than the fan is used as far as the fan reaches (as where a wide scanner's beam is collimated);
    simulate() warns of one that is more than three times as wide. One that is narrower is refused by the protocol, for
    nothing is known beyond it.

    Neglects: scatter from the bowtie. Errors: InvalidInput for unsorted angles, negative thickness, unknown material.

    >>> Bowtie(material="Al", fan_angles_deg=(0, 10, 20), thickness_mm=(1, 4, 14)).path_mm([-15, 0, 5]).tolist()
    [9.0, 1.0, 2.5]
    """

    material: KnownMaterial
    fan_angles_deg: tuple[float, ...] | None = None
    thickness_mm: tuple[float, ...] | None = None
    coefficients_mm: tuple[float, ...] | None = None
    max_angle_deg: float | None = None
    symmetric: bool = True

    @pydantic.model_validator(mode="after")
    def _one_shape(self) -> Bowtie:
        table = self.fan_angles_deg is not None and self.thickness_mm is not None
        polynomial = self.coefficients_mm is not None and self.max_angle_deg is not None
        given = [name for name in ("fan_angles_deg", "thickness_mm", "coefficients_mm", "max_angle_deg")
                 if getattr(self, name) is not None]
        if table == polynomial or len(given) != 2:
            raise ValueError(message(f"bowtie with {', '.join(given) or 'no shape'}", "it is a table or a polynomial",
                                     "Give fan_angles_deg and thickness_mm, or coefficients_mm and max_angle_deg."))
        if self.fan_angles_deg is not None and self.thickness_mm is not None:
            _check_table(self.fan_angles_deg, self.thickness_mm, self.symmetric)
        elif self.coefficients_mm is not None and self.max_angle_deg is not None:
            if not (self.coefficients_mm and 0.0 < self.max_angle_deg < 90.0):
                raise ValueError(f"max_angle_deg={self.max_angle_deg:g} with {len(self.coefficients_mm)} coefficients: "
                                 "a polynomial needs coefficients and an angle in 0-90 degrees. Give both.")
            start = 0.0 if self.symmetric else -self.max_angle_deg
            least = float(self.path_mm(np.linspace(start, self.max_angle_deg, 721)).min())
            if least < 0.0:
                raise ValueError(f"coefficients_mm={self.coefficients_mm}: the path falls to {least:.4g} mm, "
                                 "below 0. Mend the coefficients or reduce max_angle_deg.")
        return self

    @classmethod
    def from_csv(cls, path: str | Path, substance: str | Material, symmetric: bool | None = None) -> Bowtie:
        """Read a table with the header `fan_angle_deg,thickness_mm` (comments begin with #).

        `symmetric` None: mirrored when the file has no negative angle. Errors: FileFormatError.
        """
        name, rows = str(path), []
        try:
            lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(message(name, str(error), "Give a readable text file.")) from None
        lines = [line for line in lines if line and line[0] != "#"]
        if not lines or [word.strip() for word in lines[0].split(",")] != ["fan_angle_deg", "thickness_mm"]:
            raise FileFormatError(message(f"{name}: {lines[0] if lines else 'empty'!r}", "no header of a bowtie",
                                          "Begin with the line `fan_angle_deg,thickness_mm`."))
        for line in lines[1:]:
            try:
                angle, thickness = (float(word) for word in line.split(","))
            except ValueError:
                why = "two numbers belong on each line"
                raise FileFormatError(message(f"{name}: {line!r}", why, "Mend it.")) from None
            rows.append((angle, thickness))
        angles, thicknesses = zip(*rows, strict=True) if rows else ((), ())
        mirrored = min(angles, default=0.0) >= 0.0 if symmetric is None else symmetric
        return cls(material=substance, fan_angles_deg=angles, thickness_mm=thicknesses, symmetric=mirrored)

    @property
    def substance(self) -> Material:
        """The bowtie's material."""
        return resolved_material(self.material)

    @property
    def fan_range_deg(self) -> tuple[float, float]:
        """Least and largest fan angle that the shape covers."""
        most = self.fan_angles_deg[-1] if self.fan_angles_deg is not None else self.max_angle_deg
        least = self.fan_angles_deg[0] if self.fan_angles_deg is not None else None
        assert most is not None
        return (-most, most) if self.symmetric or least is None else (least, most)

    def path_mm(self, fan_deg: ArrayLike, cone_deg: ArrayLike = 0.0) -> Array:
        """Path through the bowtie in mm, for fan and cone angles in degrees that broadcast."""
        angle = np.asarray(fan_deg, dtype=np.float64)
        low, high = self.fan_range_deg
        if angle.size and not (low - 1e-9 <= angle.min() and angle.max() <= high + 1e-9):
            raise InvalidInput(message(f"fan angle {angle.min():.4g} to {angle.max():.4g} degrees",
                                       f"the bowtie is given for {low:g} to {high:g} degrees",
                                       "Extend the bowtie's shape, or narrow the fan."))
        angle = np.abs(angle) if self.symmetric else angle
        if self.coefficients_mm is not None:
            path = np.zeros_like(angle)
            for coefficient in reversed(self.coefficients_mm):
                path = path * angle + coefficient
        else:
            assert self.fan_angles_deg is not None
            assert self.thickness_mm is not None
            path = np.interp(angle, self.fan_angles_deg, self.thickness_mm)
        return np.asarray(path * obliquity(cone_deg))


def _check_table(angles: tuple[float, ...], thicknesses: tuple[float, ...], symmetric: bool) -> None:
    if len(angles) != len(thicknesses) or len(angles) < 2:
        raise ValueError(f"{len(angles)} angles and {len(thicknesses)} thicknesses: a table has as many of each, "
                         "at least two. Complete the table.")
    if any(b <= a for a, b in itertools.pairwise(angles)) or not all(math.fabs(a) < 90.0 for a in angles):
        raise ValueError(f"fan_angles_deg={angles}: angles must rise and stay within 90 degrees. Sort them.")
    if symmetric and angles[0] != 0.0:
        raise ValueError(f"fan_angles_deg begin at {angles[0]:g}: a symmetric bowtie begins at 0 degrees. "
                         "Add the centre, or set symmetric=False.")
    if min(thicknesses) < 0.0:
        raise ValueError(f"thickness_mm={min(thicknesses):g}: a thickness is not negative. Mend the table.")
