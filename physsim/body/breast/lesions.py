"""Lesions of the breast: a spiculated mass that pulls its surroundings in, and a cluster of calcifications."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.body.breast import levels, noise
from physsim.body.breast.lesion_site import Site, site_of
from physsim.errors import did_you_mean, message
from physsim.phantom.insert import sub_grid
from physsim.phantom.overlay import Overlay
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import LesionTruth, OrganTruth, Truth
from physsim.portable import exp, log
from physsim.randomness import Stream
from physsim.spec.base import Spec
from physsim.spec.grid import Grid, Vector
from physsim.spec.material import Material, material
from physsim.units import CM3_PER_MM3

Floats = npt.NDArray[np.float64]
Block = tuple[slice, slice, slice]

MASS_LEVELS = 8
MASS_MATERIAL, FAT_MATERIAL = "breast_mass_victre", "breast_adipose_hammerstein"
MINERALS = {"calcium oxalate": "calcium_oxalate_victre", "hydroxyapatite": "hydroxyapatite"}


class BreastMass(Spec):
    """A spiculated mass of glandular composition at 1.06 g/cm3.

    radius_mm: of its body; spicules: thin tapered strands from its surface; pull: how far ligaments around it are drawn
    in, as a share of their distance. Where it lies: `place_mm` in the uncompressed breast (X from the chest wall, Y
    lateral, Z cranial), `centre_mm` in the world of the phantom's view, or neither: a place drawn from the seed. What
    is given or drawn in the breast is the same tissue in every view.

    Reference: density and composition as in A. Badano et al., JAMA Netw Open 1 (2018) e185474 (VICTRE).
    Neglects: oedema, skin thickening; the pull is cut at the skin.

    >>> import physsim as ps
    >>> phantom = ps.BreastMass(seed=4, radius_mm=4.0).inserted(
    ...     ps.breast("D", spacing_mm=1.0, length_mm=50, half_width_mm=50))
    >>> 7.0 < phantom.truth.lesion("mass").diameter_mm < 10.0
    True
    """

    radius_mm: float = pydantic.Field(default=4.6, gt=0.5, le=30.0)
    spicules: int = pydantic.Field(default=46, ge=0, le=400)
    pull: float = pydantic.Field(default=0.45, ge=0.0, lt=0.9)
    centre_mm: Vector | None = None
    place_mm: Vector | None = None
    seed: int = pydantic.Field(default=1, ge=0)
    name: str = "mass"

    @pydantic.model_validator(mode="after")
    def _one_place(self) -> BreastMass:
        _refuse_both(self.centre_mm, self.place_mm)
        return self

    def inserted(self, phantom: Phantom) -> Phantom:
        """The breast with this mass painted into its voxels, and a row in its truth."""
        reach = 2.6 * self.radius_mm + 6.0
        site = site_of(phantom, self.centre_mm, self.place_mm, self.radius_mm, self.seed, f"{self.name} of the breast")
        block = _block(phantom.grid, site.index, reach)
        places = _places_mm(phantom.grid, block, site.index)
        fraction = _body(self, phantom, site.material_axes(places))
        _draw_spicules(self, places, fraction, phantom.grid.spacing_mm[0], site)
        materials = phantom.materials + _mass_levels()
        labels = phantom.labels.copy()
        own = _pulled_in(phantom, block, places, self.pull, 1.65 * self.radius_mm)
        free = _tissue(own)
        fraction *= free
        gland = _gland_share(own)
        shares = np.floor((fraction + (1.0 - fraction) * gland) * MASS_LEVELS + 0.5).astype(int)
        painted = free & (fraction > np.maximum(0.12, 0.5 * gland)) & (shares > 0)
        own[painted] = len(phantom.materials) + shares[painted] - 1
        labels[block] = own
        return _with_row(phantom, labels, materials, block, fraction, self, site)


class CalcificationCluster(Spec):
    """Small calcifications in an overlay of fine voxels.

    count: how many, within a ball of `extent_mm` diameter; size_mm: smallest and largest; each is 2 to 4 ellipsoids.
    mineral: "hydroxyapatite" (type II) or "calcium oxalate" (type I); density: share of the solid mineral's (0.68 of
    hydroxyapatite attenuates 1.6 / mm at 19 keV). Every one has its own row in the truth. centre_mm, place_mm: as of
    BreastMass; each calcification goes with the tissue in which it lies.
    """

    count: int = pydantic.Field(default=8, ge=1, le=60)
    extent_mm: float = pydantic.Field(default=5.0, ge=1.0, le=20.0)
    size_mm: tuple[float, float] = (0.2, 0.5)
    mineral: str = "hydroxyapatite"
    density: float = pydantic.Field(default=0.68, gt=0.0, le=1.0)
    overlay_spacing_mm: float = pydantic.Field(default=0.05, ge=0.01, le=0.2)
    centre_mm: Vector | None = None
    place_mm: Vector | None = None
    seed: int = pydantic.Field(default=1, ge=0)
    name: str = "calcification"

    @pydantic.model_validator(mode="after")
    def _sound(self) -> CalcificationCluster:
        if self.mineral not in MINERALS:
            mend = did_you_mean(self.mineral, MINERALS)
            raise ValueError(message(f"mineral={self.mineral!r}", "no such mineral", mend))
        _refuse_both(self.centre_mm, self.place_mm)
        low, high = self.size_mm
        if not 0.05 <= low <= high <= 0.5 * self.extent_mm:
            raise ValueError(message(
                f"size_mm={self.size_mm}",
                f"sizes rise, from 0.05 mm to half the cluster ({0.5 * self.extent_mm:g} mm)",
                "Give (smallest, largest)."))
        return self

    def inserted(self, phantom: Phantom) -> Phantom:
        """The breast with an overlay that holds the cluster, and a row a calcification in its truth."""
        half = 0.5 * self.extent_mm + self.size_mm[1]
        site = site_of(phantom, self.centre_mm, self.place_mm, half, self.seed, f"{self.name} of the breast")
        draws = Stream(self.seed, f"{self.name} shapes").uniform64(np.arange(self.count)[:, None], np.arange(16))
        draws = draws.reshape(self.count, -1)
        offsets = site.offsets_mm(np.array([_offset(self, row) for row in draws]))
        block = _block(phantom.grid, site.index, float(np.abs(offsets).max()) + self.size_mm[1])
        coarse = sub_grid(phantom.grid, block)
        factor = max(1, math.ceil(phantom.grid.spacing_mm[0] / self.overlay_spacing_mm - 1e-6))
        grid = _refined(coarse, factor)
        mineral = material(MINERALS[self.mineral])
        materials = phantom.materials if mineral in phantom.materials else (*phantom.materials, mineral)
        number = materials.index(mineral)
        labels = np.repeat(np.repeat(np.repeat(phantom.labels[block], factor, 0), factor, 1), factor, 2)
        density = np.ones(labels.shape, np.float32)
        own = np.array([one.density_g_cm3 for one in materials])
        rows: list[LesionTruth] = []
        masks = phantom.truth.organ_labels
        beneath = np.zeros(coarse.shape, np.uint8) if masks is None else masks[block]
        organs = np.repeat(np.repeat(np.repeat(beneath, factor, 0), factor, 1), factor, 2)
        first = np.array([part.start for part in block[::-1]])
        middle = (site.index - first + 0.5) * phantom.grid.spacing_mm[0]
        for n in range(self.count):
            fraction, window = _speck(self, draws[n], middle + offsets[n], grid, site)
            part, weight = labels[window], density[window]
            mineral_mass = fraction * self.density * mineral.density_g_cm3
            rest = (1.0 - fraction) * own[part] * weight
            whole = mineral_mass + rest
            heavy = mineral_mass > rest
            part[heavy] = number
            weight[...] = (whole / own[part]).astype(np.float32)
            organs[window][fraction > 0.5] = len(phantom.truth.organs) + n
            volume = float(fraction.sum()) * grid.voxel_volume_mm3
            index = [float((fraction.sum(axis=axes) * np.arange(window[axis].start, window[axis].stop)).sum())
                     / max(float(fraction.sum()), 1e-12) for axis, axes in ((2, (0, 1)), (1, (0, 2)), (0, (1, 2)))]
            world = grid.world_from_voxel @ np.array([*index, 1.0])
            rows.append(LesionTruth(f"{self.name} {n + 1}", mineral.name,
                                    (float(world[0]), float(world[1]), float(world[2])), volume,
                                    volume * CM3_PER_MM3 * self.density * mineral.density_g_cm3, site=site.name,
                                    seed=self.seed))
        overlay = Overlay(grid, labels, density, f"{self.name}s", organs)
        specks = tuple(OrganTruth(row.name, row.volume_mm3, row.mass_g) for row in rows)
        truth = Truth(masks, (*phantom.truth.organs, *specks), (*phantom.truth.lesions, *rows))
        return phantom.replace(materials=materials, overlays=(*phantom.overlays, overlay), truth=truth)


def _offset(cluster: CalcificationCluster, u: Floats) -> Floats:
    """One calcification's place in the ball of the cluster (mm)."""
    offset = (2 * u[1:4] - 1) * 0.5 * cluster.extent_mm
    length = math.sqrt(float((offset**2).sum()))
    limit = 0.5 * cluster.extent_mm
    return np.asarray(offset * (min(1.0, limit / length) if length > 0 else 1.0))


def _speck(cluster: CalcificationCluster, u: Floats, place: Floats, grid: Grid, site: Site) -> tuple[Floats, Block]:
    """One calcification: volume fractions of the overlay's voxels in a window, from 2 to 4 ellipsoids."""
    h = grid.spacing_mm[0]
    low, high = cluster.size_mm
    size = low + (high - low) * u[0] * u[0]  # small ones are more frequent
    first = np.maximum(np.floor((place - size) / h).astype(int) - 1, 0)
    last = np.minimum(np.ceil((place + size) / h).astype(int) + 1, np.array(grid.shape[::-1]))
    axes = [(np.arange(a, b) + 0.5) * h - p for a, b, p in zip(first, last, place, strict=True)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    x, y, z = np.moveaxis(site.material_axes(np.stack([x, y, z], -1)), -1, 0)
    fraction = np.zeros(x.shape)
    for n in range(2 + int(3 * u[4])):
        own = u[5 + 6 * n:11 + 6 * n]
        semi = 0.5 * size * (0.45 + 0.35 * own[:3])
        shift = (2 * own[3:] - 1) * 0.22 * size
        r = np.sqrt(((x - shift[0]) / semi[0]) ** 2 + ((y - shift[1]) / semi[1]) ** 2 + ((z - shift[2]) / semi[2]) ** 2)
        fraction = np.maximum(fraction, np.clip((1.0 - r) * float(semi.min()) / h + 0.5, 0.0, 1.0))
    return fraction, (slice(int(first[2]), int(last[2])), slice(int(first[1]), int(last[1])),
                      slice(int(first[0]), int(last[0])))


def _body(mass: BreastMass, phantom: Phantom, places: Floats) -> Floats:
    """Fraction of mass tissue in the body: a lumpy ellipsoid, looser towards its edge."""
    fine = noise.tile(noise.lattice(mass.seed))
    scaled = places / np.array([1.08, 0.95, 0.92])
    r = np.sqrt((scaled**2).sum(-1))
    unit = (scaled / np.maximum(r, 1e-6)[..., None]).reshape(-1, 3)
    lumps = noise.tile_values(fine, (unit * 9).astype(np.float32))
    grain = noise.tile_values(fine, (places.reshape(-1, 3) / 0.4).astype(np.float32))
    surface = mass.radius_mm * (1 + 0.13 * lumps.reshape(r.shape) + 0.05 * grain.reshape(r.shape))
    depth = surface - r
    h = phantom.grid.spacing_mm[0]
    inside = np.clip(depth / h + 0.5, 0.0, 1.0)
    return np.asarray(inside * (0.55 + 0.45 * np.clip(depth / 1.6, 0.0, 1.0)), np.float64)


def _draw_spicules(mass: BreastMass, places: Floats, fraction: Floats, h: float, site: Site) -> None:
    """Tapered wavy strands from the body outward, with a few branches, added to `fraction`."""
    u = Stream(mass.seed, "mass spicules").uniform64(np.arange(max(mass.spicules, 1))[:, None], np.arange(24)).reshape(
        max(mass.spicules, 1), -1)
    steps = 9
    for n in range(mass.spicules):
        heading = 2 * u[n, :3] - 1
        heading[2] *= 0.45
        heading /= max(float(np.sqrt((heading**2).sum())), 1e-6)
        gamma = -2.7 * 1.3 * float(log(u[n, 3]) + log(u[n, 4]))  # sum of two exponentials: a gamma of shape 2
        length = 0.3 * mass.radius_mm + min(gamma, 1.6 * mass.radius_mm)
        base = 0.3 + 0.55 * u[n, 5]
        place = 0.7 * mass.radius_mm * heading
        for k in range(steps):
            heading = heading + 0.28 * (2 * u[n, 6 + k:9 + k] - 1)
            heading /= max(float(np.sqrt((heading**2).sum())), 1e-6)
            there = place + heading * (length / steps)
            radii = [base * float(exp(1.4 * log(max(1 - at / steps, 1e-3)))) + 0.07 for at in (k, k + 1)]
            _add_capsule(places, fraction, site.voxel_axes(place), site.voxel_axes(there), radii[0], radii[1], h)
            if k == steps // 2 and u[n, 20] < 0.07 * 5:  # some 7 % of the pieces branch
                side = there + (heading + 0.9 * (2 * u[n, 21:24] - 1)) * (0.4 * length)
                _add_capsule(places, fraction, site.voxel_axes(there), site.voxel_axes(side), radii[1], 0.07, h)
            place = there


def _add_capsule(places: Floats, fraction: Floats, a: Floats, b: Floats, r0: float, r1: float, h: float) -> None:
    """Raise `fraction` by a tapered capsule; one thinner than a voxel keeps its volume."""
    wide = max(r0, r1) + h
    low, high = np.minimum(a, b) - wide, np.maximum(a, b) + wide
    window = tuple(slice(int(np.searchsorted(axis, lo)), int(np.searchsorted(axis, hi))) for axis, lo, hi in (
        (places[:, 0, 0, 2], low[2], high[2]), (places[0, :, 0, 1], low[1], high[1]),
        (places[0, 0, :, 0], low[0], high[0])))
    own = places[window]
    if own.size == 0:
        return
    line = b - a
    t = np.clip(((own - a) * line).sum(-1) / max(float((line**2).sum()), 1e-12), 0.0, 1.0)
    distance = np.sqrt(((own - a - t[..., None] * line) ** 2).sum(-1))
    radius = r0 + t * (r1 - r0)
    value = np.clip((radius - distance) / h + 0.5, 0.0, 1.0)
    thin = 2 * radius < h
    wide_radius = radius + 0.5 * h
    value = np.where(thin, value * 3 * h * radius**2 / wide_radius**3, value)
    fraction[window] = np.maximum(fraction[window], 0.9 * value)


def _pulled_in(phantom: Phantom, block: Block, places: Floats, pull: float, sigma_mm: float) -> npt.NDArray[Any]:
    """Labels of the block with the tissue around the mass drawn towards it: each voxel shows one farther out."""
    own = phantom.labels[block].copy()
    if pull == 0.0:
        return own
    r2 = (places**2).sum(-1)
    shift = pull * exp(-np.minimum(0.5 * r2 / sigma_mm**2, 60.0))[..., None] * places
    h = phantom.grid.spacing_mm[0]
    source = [np.clip(np.rint((places + shift)[..., 2 - axis] / h - places[0, 0, 0, 2 - axis] / h).astype(int), 0,
                      own.shape[axis] - 1) for axis in range(3)]
    moved = own[tuple(source)]
    both = _tissue(own) & _tissue(moved)
    return np.asarray(np.where(both, moved, own))


def _tissue(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Voxels of fat and gland alone."""
    return np.asarray((labels >= levels.FAT_LABEL) & (labels < levels.SKIN_LABEL + 1))


def _gland_share(labels: npt.NDArray[Any]) -> Floats:
    return np.clip((labels.astype(np.float64) - levels.FAT_LABEL) / levels.GLAND_LEVELS, 0.0, 1.0)


def _mass_levels() -> tuple[Material, ...]:
    whole = material(MASS_MATERIAL)
    return (*(Material.from_volumes([(MASS_MATERIAL, k / MASS_LEVELS), (FAT_MATERIAL, 1 - k / MASS_LEVELS)],
                                    name=f"{MASS_MATERIAL}_{k}_{MASS_LEVELS}_in_{FAT_MATERIAL}")
              for k in range(1, MASS_LEVELS)), whole)


def _refuse_both(centre_mm: Vector | None, place_mm: Vector | None) -> None:
    if centre_mm is not None and place_mm is not None:
        raise ValueError(message(f"centre_mm={centre_mm} and place_mm={place_mm}",
                                 "one of them says where a lesion lies", "Give place_mm: one tissue in every view."))


def _block(grid: Grid, centre: Floats, reach_mm: float) -> Block:
    reach = reach_mm / grid.spacing_mm[0]
    first = np.maximum(np.floor(centre - reach).astype(int), 0)
    last = np.minimum(np.ceil(centre + reach).astype(int) + 1, np.array(grid.shape[::-1]))
    return (slice(int(first[2]), int(last[2])), slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0])))


def _places_mm(grid: Grid, block: Block, centre: Floats) -> Floats:
    """(nz, ny, nx, 3) places x, y, z of the block's voxels from the lesion's centre, along the voxel axes (mm)."""
    h = grid.spacing_mm[0]
    z, y, x = np.meshgrid(*(np.arange(part.start, part.stop, dtype=np.float64) for part in block), indexing="ij")
    return np.stack([x - centre[0], y - centre[1], z - centre[2]], -1) * h


def _refined(grid: Grid, factor: int) -> Grid:
    """The same box in voxels `factor` times smaller."""
    nz, ny, nx = grid.shape
    h = grid.spacing_mm[0] / factor
    corner = grid.world_from_voxel @ np.array([*[0.5 / factor - 0.5] * 3, 1.0])
    return grid.replace(shape=(nz * factor, ny * factor, nx * factor), spacing_mm=(h, h, h),
                        origin_mm=(float(corner[0]), float(corner[1]), float(corner[2])))


def _with_row(phantom: Phantom, labels: npt.NDArray[Any], materials: tuple[Material, ...], block: Block,
              fraction: Floats, lesion: BreastMass, site: Site) -> Phantom:
    """The phantom with new labels, a lesion's row, and its mask as an organ where there are organ labels."""
    total = float(fraction.sum())
    index = [float((fraction.sum(axis=axes) * np.arange(block[axis].start, block[axis].stop)).sum()) / total
             for axis, axes in ((2, (0, 1)), (1, (0, 2)), (0, (1, 2)))]
    world = phantom.grid.world_from_voxel @ np.array([*index, 1.0])
    volume = total * phantom.grid.voxel_volume_mm3
    of = material(MASS_MATERIAL)
    mass = volume * CM3_PER_MM3 * of.density_g_cm3
    row = LesionTruth(lesion.name, of.name, (float(world[0]), float(world[1]), float(world[2])), volume, mass,
                      type="spiculated mass", site=site.name, seed=lesion.seed)
    organs, masks = phantom.truth.organs, phantom.truth.organ_labels
    if masks is not None:
        masks = masks.copy()
        masks[block][fraction > 0.5] = len(organs)
        organs = (*organs, OrganTruth(lesion.name, volume, mass))
    return phantom.replace(labels=labels, materials=materials,
                           truth=Truth(masks, organs, (*phantom.truth.lesions, row)))
