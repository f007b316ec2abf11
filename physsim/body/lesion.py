"""Lesions: what they are made of, their shape as a pure function of position, and how they grow."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.randomness import Stream
from physsim.resources import phantoms_path
from physsim.spec.base import Spec
from physsim.spec.grid import Grid, Vector
from physsim.spec.material import material

if TYPE_CHECKING:
    from physsim.body.motion import Motion
    from physsim.phantom.phantom import Phantom

Margin = Literal["smooth", "lobulated", "spiculated"]
Floats = npt.NDArray[np.float64]
HU_ENERGY_KEV = 70.0  # of the CT numbers of types.toml: about the mean energy of 120 kVp behind a body

# Relative rms of the radius by degree of the spherical harmonics: how a margin looks.
_HARMONICS: dict[str, dict[int, float]] = {
    "smooth": {2: 0.05, 3: 0.03, 4: 0.01},
    "lobulated": {2: 0.07, 3: 0.08, 4: 0.08, 5: 0.06, 6: 0.04},
    "spiculated": {2: 0.06, 3: 0.06, 4: 0.05, 5: 0.05, 6: 0.05, 7: 0.04, 8: 0.03},
}
_SPICULES = 34


class Lesion(Spec):
    """A lesion of one of the types of phantoms/anatomy/lesions/types.toml.

    `type`: see `lesion_types()`; `site`: organ of the truth in which it lies; `diameter_mm`: of the ball of equal
    volume (spicules not counted); `margin`: default the type's first; `hu` (at 70 keV) or `density` (relative to the
    type's material) in place of the type's own; `edge_mm`: width of its margin's ramp; `centre_mm`: world point, drawn
    within the site when left out; `core_share`: diameter of a part-solid nodule's core over its own; `seed`: its
    individual shape and place.
    """

    type: str = "solid_nodule"
    site: str
    diameter_mm: pydantic.PositiveFloat
    margin: Margin | None = None
    hu: float | None = None
    density: pydantic.PositiveFloat | None = None
    edge_mm: float | None = pydantic.Field(default=None, ge=0.0)
    core_share: float | None = pydantic.Field(default=None, gt=0.0, lt=1.0)
    centre_mm: Vector | None = None
    name: str = "lesion"
    seed: int = pydantic.Field(default=0, ge=0, lt=2**64)

    @pydantic.model_validator(mode="after")
    def _of_a_type(self) -> Lesion:
        own = lesion_type(self.type)
        low, high = own["diameters_mm"]
        if not low <= self.diameter_mm <= high:
            raise InvalidInput(
                message(f"diameter_mm={self.diameter_mm:g}", f"a {self.type} has {low:g} to {high:g} mm", "Mend it.")
            )
        if self.margin is not None and self.margin not in own["margins"]:
            raise InvalidInput(
                message(f"margin={self.margin!r}", f"a {self.type} has none of that kind", f"Known: {own['margins']}.")
            )
        if self.hu is not None and self.density is not None:
            raise InvalidInput(message(f"hu={self.hu} and density={self.density}", "one follows from the other",
                                       "Give one of them."))  # fmt: skip
        if self.core_share is not None and "core" not in own:
            raise InvalidInput(
                message(f"core_share={self.core_share}", f"a {self.type} has no core", "Take a part_solid_nodule.")
            )
        return self

    def grown(self, days: float) -> Lesion:
        """The lesion after `days` (before, when negative): volume doubles in the type's doubling time.

        Reference: diameter d 2^(t / (3 T)) with the volume doubling time T of phantoms/anatomy/lesions/types.toml.
        """
        own = lesion_type(self.type)
        if "doubling_days" not in own:
            raise InvalidInput(message(f"growth of a {self.type}", "no doubling time is known", "Change diameter_mm."))
        return self.replace(diameter_mm=self.diameter_mm * 2.0 ** (days / (3.0 * own["doubling_days"])))

    def moved(self, motion: Motion, medium: str = "lung") -> Lesion:
        """The lesion where a motion of the canonical body brings its centre; it keeps its size, as solid things do.

        `centre_mm` is then in the canonical frame; `medium` that of its site: "lung", "body", or the bone's name.
        """
        if self.centre_mm is None:
            raise InvalidInput(message("centre_mm=None", "a lesion that moves needs a place", "Give centre_mm."))
        x, y, z = motion.present([self.centre_mm], medium)[0].tolist()
        return self.replace(centre_mm=(x, y, z))

    def inserted_into(self, phantom: Phantom, overlay_spacing_mm: float | None = None) -> Phantom:
        """The phantom with this lesion: see physsim.body.lesion_placement."""
        from physsim.body.lesion_placement import inserted_lesion

        return inserted_lesion(phantom, self, overlay_spacing_mm)

    def components(self, centre_mm: Vector) -> tuple[LesionPart, ...]:
        """The parts in the order in which they are inserted: the body, then the core of a part-solid nodule."""
        own = lesion_type(self.type)
        margin: Margin = self.margin or own["margins"][0]
        edge = self.edge_mm if self.edge_mm is not None else own.get("edge_mm", 0.0)
        hu = None if self.density is not None else self.hu if self.hu is not None else own.get("hu")
        density = self.density if self.density is not None else own.get("density", 1.0)
        if hu is not None:
            density = _density_of_hu(own["material"], hu)
        parts = [LesionPart(self.name, own["material"], density, centre_mm, self.diameter_mm, margin, edge, self.seed)]
        if "core" in own:
            core = own["core"]
            share = self.core_share or core["share_of_diameter"]
            parts.append(
                LesionPart(
                    f"{self.name} core",
                    core["material"],
                    _density_of_hu(core["material"], core["hu"]),
                    centre_mm,
                    share * self.diameter_mm,
                    "lobulated",
                    0.5 * edge,
                    Stream(self.seed, "lesion core").seed_for(0),
                )
            )
        return tuple(parts)


def lesion_types() -> tuple[str, ...]:
    """Names of the types."""
    return tuple(_types())


def lesion_type(name: str) -> dict[str, Any]:
    """The row of a type, or InvalidInput."""
    types = _types()
    if name not in types:
        raise InvalidInput(message(f"lesion type {name!r}", "there is none of that name", did_you_mean(name, types)))
    return types[name]


@dataclass(frozen=True)
class LesionPart:
    """One shape of a lesion in one material: inserted into a phantom like a mesh.

    Its surface is r(direction) = R (1 + sum of spherical harmonics) about `centre_mm`, scaled so that it encloses the
    volume of a ball of `diameter_mm`; a spiculated one carries tapered spicules beside. The fraction falls from 1 to 0
    over `edge_mm` or a part of a voxel, whichever is wider.

    Neglects: structure inside (necrosis, air, calcium): one density all over.
    """

    name: str
    material: str
    density: float
    centre_mm: Vector
    diameter_mm: float
    margin: Margin
    edge_mm: float
    seed: int
    over: tuple[str, ...] = ()
    lesion: bool = True

    def bounds_mm(self) -> tuple[Floats, Floats]:
        """Low and high corner of what it may touch (mm)."""
        reach = self._reach_mm()
        return np.array(self.centre_mm) - reach, np.array(self.centre_mm) + reach

    def coverage(self, grid: Grid, finer: int = 3) -> npt.NDArray[np.float32]:
        """(nz, ny, nx) fraction of each voxel inside; where the margin passes, the mean of finer^3 points."""
        nz, ny, nx = grid.shape
        index = np.stack(np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij"), -1).reshape(-1, 3)
        width = max(self.edge_mm, max(grid.spacing_mm) / finer)
        # Relief and taper make the distance steeper than 1 by up to about two: twice the half diagonal is safe.
        band = 0.5 * width + float(np.linalg.norm(grid.spacing_mm))
        at_centre = self.distance_mm(self._from_centre(grid, index))
        total = (at_centre < 0.0).astype(np.float32)
        near = np.flatnonzero(np.abs(at_centre) < band)
        steps = (np.arange(finer) + 0.5) / finer - 0.5
        offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
        for part in np.array_split(near, max(1, len(near) // 20000)):  # so that memory stays small
            points = self._from_centre(grid, (index[part][:, None] + offsets).reshape(-1, 3))
            inside = np.clip(0.5 - self.distance_mm(points) / width, 0.0, 1.0)
            total[part] = inside.reshape(len(part), -1).mean(axis=1)
        return total.reshape(grid.shape)

    def _from_centre(self, grid: Grid, index: npt.NDArray[Any]) -> Floats:
        """World position (n, 3) relative to the centre of voxel indices (n, 3) z, y, x."""
        matrix = grid.world_from_voxel
        return np.asarray(index[:, ::-1] @ matrix[:3, :3].T + (matrix[:3, 3] - np.array(self.centre_mm)))

    def distance_mm(self, points: Floats) -> Floats:
        """Distance (mm, negative inside) of points (..., 3) from the centre, first order at the surface."""
        radius = np.linalg.norm(points, axis=-1)
        direction = points / np.maximum(radius, 1e-9)[..., None]
        distance = radius - self._radius(direction)
        if self.margin == "spiculated":
            for start, end, thick in self._spicules():
                distance = np.minimum(distance, _cone_distance(points, start, end, thick))
        return np.asarray(distance)

    def volume_mm3(self) -> float:
        """Enclosed volume without spicules: that of a ball of `diameter_mm`, by construction."""
        return math.pi / 6.0 * self.diameter_mm**3

    def _reach_mm(self) -> float:
        longest = 1.6 * self.diameter_mm / 2 + self.edge_mm
        return longest + (1.1 * self.diameter_mm if self.margin == "spiculated" else 0.0)

    def _radius(self, direction: Floats) -> Floats:
        return self.diameter_mm / 2 * _scale(self.seed, self.margin) * _relief(direction, self.seed, self.margin)

    def _spicules(self) -> list[tuple[Floats, Floats, float]]:
        """(start, end, radius at the start) of each spicule, mm from the centre."""
        u = Stream(self.seed, "lesion spicules").uniform64(np.arange(_SPICULES)[:, None], np.arange(3)).reshape(-1, 6)
        radius = self.diameter_mm / 2
        spicules = []
        for row in u:
            z, angle = 2.0 * row[0] - 1.0, 2.0 * math.pi * row[1]
            flat = math.sqrt(1.0 - z * z)
            direction = np.array([flat * math.cos(angle), flat * math.sin(angle), z])
            length = radius * (0.35 + 0.55 * -math.log(1.0 - 0.9 * row[2]))
            bent = direction + 0.25 * (row[3:6] - 0.5)
            end = 0.8 * radius * direction + (0.2 * radius + min(length, 1.9 * radius)) * bent / np.linalg.norm(bent)
            spicules.append((0.7 * radius * direction, end, radius * (0.05 + 0.08 * row[4])))
        return spicules


def _relief(direction: Floats, seed: int, margin: str) -> Floats:
    """1 + sum of real spherical harmonics of the margin's degrees, of random orders; at least 0.35."""
    z, angle = direction[..., 2], np.arctan2(direction[..., 1], direction[..., 0])
    flat = np.sqrt(np.maximum(1.0 - z * z, 0.0))
    total = np.ones_like(z)
    for degree, rms in _HARMONICS[margin].items():
        u = Stream(seed, f"lesion degree {degree}").uniform64(np.arange(degree + 1))
        normal = np.sqrt(-2.0 * np.log(u[:, 0]))
        weights = np.stack([normal * np.cos(2 * np.pi * u[:, 1]), normal * np.sin(2 * np.pi * u[:, 1])], 1)
        weights[0, 1] = 0.0
        weights *= rms / math.sqrt(2 * degree + 1)
        for order in range(degree + 1):
            wave = weights[order, 0] * np.cos(order * angle) + weights[order, 1] * np.sin(order * angle)
            total = total + wave * _legendre(degree, order, z, flat)
    return np.asarray(np.maximum(total, 0.35))


def _legendre(degree: int, order: int, z: Floats, flat: Floats) -> Floats:
    """Associated Legendre function, normalised so that (order, wave) terms have mean square 1 over the sphere."""
    start = np.ones_like(z)
    for n in range(1, order + 1):
        start = start * flat * math.sqrt((2 * n + 1) / (2 * n))
    if order > 0:
        start = start * math.sqrt(2.0)
    below, here = np.zeros_like(z), start
    for n in range(order + 1, degree + 1):
        a = math.sqrt((4 * n * n - 1) / (n * n - order * order))
        b = math.sqrt(((n - 1) ** 2 - order**2) / (4 * (n - 1) ** 2 - 1)) if n > 1 else 0.0
        below, here = here, a * (z * here - b * below)
    return np.asarray(here)


@cache
def _scale(seed: int, margin: str) -> float:
    """Factor on the radius that makes the mean of its cube over all directions 1: Gauss-Legendre x uniform angles."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    angle = 2 * np.pi * np.arange(80) / 80
    flat = np.sqrt(1 - nodes**2)
    direction = np.stack(
        [flat[:, None] * np.cos(angle), flat[:, None] * np.sin(angle), np.broadcast_to(nodes[:, None], (40, 80))], -1
    )
    mean = float((weights[:, None] * _relief(direction, seed, margin) ** 3).sum() / (2 * 80))
    return float(mean ** (-1.0 / 3.0))


def _cone_distance(points: Floats, start: Floats, end: Floats, thick: float) -> Floats:
    """Distance from a spicule that tapers to a point."""
    axis = end - start
    along = np.clip(((points - start) @ axis) / float(axis @ axis), 0.0, 1.0)
    gap = np.linalg.norm(points - start - along[..., None] * axis, axis=-1)
    return np.asarray(gap - thick * (1.0 - along) ** 1.4)


def _density_of_hu(name: str, hu: float) -> float:
    """Density relative to a material's own at which it shows a CT number at 70 keV."""
    water = float(linear_attenuation_per_mm(material("water"), HU_ENERGY_KEV))
    own = float(linear_attenuation_per_mm(material(name), HU_ENERGY_KEV))
    if hu <= -1000.0:
        raise InvalidInput(message(f"hu={hu:g}", "a lesion has some density", "Give more than -1000."))
    return (1.0 + hu / 1000.0) * water / own


@cache
def _types() -> dict[str, dict[str, Any]]:
    return tomllib.loads((phantoms_path() / "anatomy" / "lesions" / "types.toml").read_text(encoding="utf-8"))
