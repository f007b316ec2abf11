"""A breast's form: the material dome, the outline of the view, and the deformation between the two."""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from physsim.body.breast.deformation import Compression, Deformation, Uncompressed, fitted, volumes
from physsim.body.breast.dome import Dome
from physsim.body.breast.outline import Outline, cc_outline, dome_outline, mlo_outline
from physsim.body.breast.spec import UNCOMPRESSED, Breast
from physsim.body.breast.trigonometry import cosine_and_sine
from physsim.spec.grid import Vector

Floats = npt.NDArray[np.float64]

SKIN_MM = 1.3  # between the plates, of the CC view at the class's usual thickness; breast CT: 0.75 to 1.5 mm


@dataclasses.dataclass(frozen=True, eq=False)
class Form:
    """One view of one breast without its tissue.

    half_mm: half the extent along the beam; skin_mm: the skin's thickness; deformation: view <-> material.
    """

    breast: Breast
    dome: Dome
    outline: Outline
    half_mm: float
    skin_mm: float
    deformation: Deformation

    @property
    def is_dome(self) -> bool:
        """Whether it is the material breast, which has no plates."""
        return self.breast.view == UNCOMPRESSED

    @property
    def x_far_mm(self) -> float:
        """Far end of the voxels' box along x."""
        return self.outline.nipple_x + 2.0 + self.breast.tissue.nipple_radius_mm + 1.0

    @property
    def axes(self) -> tuple[Floats, Floats, Floats]:
        """World directions of x, y, z of a left breast's view: to the nipple, across, against the beam."""
        return _axes(self.breast.angle_deg)

    def depth(self, points: Floats) -> Floats:
        """Depth (n,) below the skin's outer face (mm) of points (n, 3) of the view, without the nipple."""
        x, y, z = points[:, 0], points[:, 1], points[:, 2] - self.half_mm
        if self.is_dome:
            return self.outline.depth_at(x, np.sqrt(y * y + z * z))
        e = self.outline.depth_at(x, y)
        outer = np.maximum(self.half_mm - e, 0.0)
        return np.asarray(self.half_mm - np.where(e < self.half_mm, np.sqrt(outer * outer + z * z), np.abs(z)))

    def within(self, points: Floats, depth_mm: float) -> Floats:
        """Points (n, 3) of the view, those less than `depth_mm` below the surface moved inward to that depth."""
        moved = np.array(points, np.float64)
        if self.outline.height_mm > 0:  # the film ends in the armpit: no map beyond
            moved[:, 1] = np.minimum(moved[:, 1], self.outline.height_mm - 0.5)
        for _ in range(2):
            lack = depth_mm - self.depth(moved)
            shallow = np.flatnonzero(lack > 0)
            own = moved[shallow]
            slope = np.stack([self.depth(own + step) - self.depth(own - step) for step in 0.5 * np.eye(3)], -1)
            size = np.sqrt(slope[:, 0] ** 2 + slope[:, 1] ** 2 + slope[:, 2] ** 2)
            moved[shallow] = own + slope * (lack[shallow] / np.maximum(size, 0.1))[:, None]
        return moved

    @property
    def middle_y_mm(self) -> float:
        """y of the view that lies at the world's origin."""
        return 0.5 * self.outline.height_mm

    def world(self, points: Floats) -> Floats:
        """World places (n, 3) (mm) of points (n, 3) of the view."""
        shifted = np.asarray(points) - (0.0, self.middle_y_mm, self.half_mm)
        x, y, z = self.axes
        world = shifted[:, :1] * x + shifted[:, 1:2] * y + shifted[:, 2:] * z
        return np.asarray(world * ((1.0, 1.0, 1.0) if self.breast.side == "L" else (-1.0, 1.0, 1.0)))

    def from_world(self, places: Floats) -> Floats:
        """Points (n, 3) of the view of world places (n, 3) (mm)."""
        left = np.asarray(places) * ((1.0, 1.0, 1.0) if self.breast.side == "L" else (-1.0, 1.0, 1.0))
        along = [left[:, 0] * axis[0] + left[:, 1] * axis[1] + left[:, 2] * axis[2] for axis in self.axes]
        return np.asarray(np.add(np.stack(along, -1), (0.0, self.middle_y_mm, self.half_mm)))


def _axes(angle_deg: float) -> tuple[Floats, Floats, Floats]:
    cos, sin = (float(value) for value in cosine_and_sine(math.radians(angle_deg)))
    return np.array([0.0, -1.0, 0.0]), np.array([cos, 0.0, sin]), np.array([-sin, 0.0, cos])


def form_of(breast: Breast) -> Form:
    """The form of a breast's view; does not hang on its threshold."""
    return _form(breast.replace(threshold=None))


@lru_cache(maxsize=12)
def _form(breast: Breast) -> Form:
    tissue = breast.tissue
    lengths = (breast.length_mm, breast.half_width_mm)
    plain = cc_outline(*lengths, breast.nipple_shift, breast.outline_phase, False)
    dome = Dome.of(*volumes(plain, 0.5 * tissue.thickness_mm, SKIN_MM))
    if breast.view == UNCOMPRESSED:
        half, skin = dome.radius_mm + dome.skin_mm, dome.skin_mm
        outline = dome_outline(dome.length_mm + skin, half)
        return Form(breast, dome, outline, half, skin, Uncompressed(half))
    half = 0.5 * breast.thickness_mm
    first = mlo_outline(*lengths) if breast.view == "MLO" else (
        cc_outline(*lengths, breast.nipple_shift, breast.outline_phase, True) if breast.crescent else plain)
    outline, skin = fitted(first, half, SKIN_MM, dome)
    return Form(breast, dome, outline, half, skin, Compression(dome, outline, half, skin, breast.angle_deg))


def carried(breast: Breast, places_mm: npt.ArrayLike) -> tuple[Vector, ...]:
    """World places (mm) in a breast's view of material places (n, 3): X to the nipple, Y lateral, Z cranial (mm).

    The same material place is the same tissue in every view of a breast.

    >>> from physsim.body.breast import Breast
    >>> drawn = Breast.draw("D", "uncompressed", length_mm=40, half_width_mm=40)
    >>> carried(drawn, [[10.0, 5.0, -3.0]])
    ((5.0, -10.0, -3.0),)
    """
    form = form_of(breast)
    world = form.world(form.deformation.view(np.array(places_mm, np.float64).reshape(-1, 3)))
    return tuple((round(float(x), 9), round(float(y), 9), round(float(z), 9)) for x, y, z in world)
