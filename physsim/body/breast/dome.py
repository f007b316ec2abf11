"""The material breast: half a spheroid on the chest wall, in whose coordinates all of a breast is declared.

Material coordinates (mm): X from the chest wall to the nipple, Y lateral, Z cranial, the nipple on the X axis. Skin is
a shell around the dome; what lies behind the chest wall (X < 0) is muscle and the armpit's fat.
"""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from physsim.body.breast.trigonometry import cosine_and_sine
from physsim.portable import arctan, exp, log

Floats = npt.NDArray[np.float64]

PROJECTION = 1.25  # length from the chest wall to the nipple / radius at the chest wall: a breast that hangs forward
_DIGITS = 9
_ANGLES = 4097


@dataclasses.dataclass(frozen=True)
class Dome:
    """A half spheroid without its skin.

    radius_mm: at the chest wall; length_mm: from there to the skin's inner face behind the nipple; skin_mm: thickness
    of the shell.
    """

    radius_mm: float
    length_mm: float
    skin_mm: float

    @classmethod
    def of(cls, volume_mm3: float, skin_mm3: float) -> Dome:
        """The dome with this volume inside its skin and this volume of skin."""
        third = float(exp(log(1.5 * volume_mm3 / (math.pi * PROJECTION)) / 3.0))
        radius = round(third, _DIGITS)
        length = PROJECTION * radius
        area, bend = area_and_bend(radius, length)
        thick = skin_mm3 / area
        for _ in range(30):  # Steiner: a shell of a convex body
            thick = skin_mm3 / (area + bend * thick)
        return cls(radius, length, round(thick, _DIGITS))

    @property
    def volume_mm3(self) -> float:
        """Volume inside the skin."""
        return 2.0 / 3.0 * math.pi * self.radius_mm**2 * self.length_mm

    def radius_at(self, x: Floats) -> Floats:
        """Radius of the dome's cross-section at X (mm); behind the chest wall that at the wall, beyond the tip 0."""
        share = np.clip(np.asarray(x) / self.length_mm, 0.0, 1.0)
        return np.asarray(self.radius_mm * np.sqrt(1.0 - share * share))

    def volume_behind(self, x: Floats) -> Floats:
        """Volume (mm3) between the chest wall and the plane X; straight on below 0."""
        share = np.asarray(x) / self.length_mm
        held = np.clip(share, 0.0, 1.0)
        cubic = 0.5 * held * (3.0 - held * held) + 1.5 * np.minimum(share, 0.0)
        return np.asarray(self.volume_mm3 * cubic)

    def plane_of(self, volume_mm3: Floats) -> Floats:
        """X (mm) of the plane that has this volume behind it: the inverse of `volume_behind`."""
        share = np.minimum(np.asarray(volume_mm3) / self.volume_mm3, 1.0)
        held = np.maximum(share, 0.0)
        angle = arctan(held / np.sqrt(np.maximum(1.0 - held * held, 1e-30))) / 3.0  # 3 sin - 4 sin^3 = sin of thrice
        root = 2.0 * cosine_and_sine(angle)[1]
        return np.asarray(self.length_mm * (root + np.minimum(share, 0.0) / 1.5))

    def depth(self, points: Floats) -> Floats:
        """Depth (n,) below the skin's inner face (mm) of material points (n, 3): exact at the face and for a ball."""
        along = np.maximum(points[..., 0], 0.0) / self.length_mm
        off2 = (points[..., 1] ** 2 + points[..., 2] ** 2) / self.radius_mm**2
        level = np.sqrt(along * along + off2)
        slope = np.sqrt((along / self.length_mm) ** 2 + off2 / self.radius_mm**2)
        return np.asarray((1.0 - level) * np.where(level > 1e-9, level / np.maximum(slope, 1e-12), self.radius_mm))


def share_of_disc(t: Floats) -> Floats:
    """Share of a disc's area on the low side of the chord at t = Y / radius, in -1..1."""
    t = np.clip(t, -1.0, 1.0)
    across = np.sqrt(1.0 - t * t)
    angle = np.where(t < 0, arctan(across / np.maximum(-t, 1e-30)), math.pi - arctan(across / np.maximum(t, 1e-30)))
    return np.asarray((angle + t * across) / math.pi)


def chord_of_disc(share: Floats) -> Floats:
    """t of the chord that has this share of the disc on its low side: the inverse of `share_of_disc`."""
    shares, angles = _disc_table()
    angle = np.interp(share, shares, angles)
    for _ in range(2):  # Newton
        cos, sin = cosine_and_sine(angle)
        slope = np.maximum(2.0 * sin * sin, 1e-7)
        angle = np.clip(angle - (angle - sin * cos - math.pi * np.asarray(share)) / slope, 0.0, math.pi)
    return np.asarray(-cosine_and_sine(angle)[0])


@lru_cache(maxsize=1)
def _disc_table() -> tuple[Floats, Floats]:
    angle = np.arange(_ANGLES, dtype=np.float64) * (math.pi / (_ANGLES - 1))
    cos, sin = cosine_and_sine(angle)
    return np.asarray((angle - sin * cos) / math.pi), np.asarray(angle)


def area_and_bend(radius: float, length: float) -> tuple[float, float]:
    """Area of the half spheroid's curved face, and the integral of its mean curvature."""
    steps = 2000
    angle = (np.arange(steps) + 0.5) * (0.5 * math.pi / steps)
    cos, sin = cosine_and_sine(angle)  # X = length sin, r = radius cos
    arc = np.sqrt((length * cos) ** 2 + (radius * sin) ** 2)
    area = 2 * math.pi * radius * cos * arc
    curve = 0.5 * (radius * length / arc**3 + length / (radius * arc))
    step = 0.5 * math.pi / steps
    return math.fsum(area.tolist()) * step, math.fsum((area * curve).tolist()) * step
