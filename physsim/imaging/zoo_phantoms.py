"""Bodies and objects that no scatter network was trained on: what an audit's zoo puts into the beam.

Each function takes a phantom and draws what it changes by name. Voxels are painted whole, without partial volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.body import BODY_G_CM3, with_heights
from physsim.imaging.drawn_cases import Draw
from physsim.imaging.scatter_draws import stretched
from physsim.phantom.phantom import Phantom
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.spec.grid import Grid
from physsim.spec.material import Material, material

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

METALS = ("titanium", "stainless_steel_316l", "cocrmo")
STUFFS = ("water", "pmma", "polyethylene", "lung_inflated_icru44", "aluminium", "bone_cortical_icrp")
_AIR = "air_dry"
_LUNG_G_CM3 = (0.12, 0.6)  # thinner and denser is no lung
_EVEN = 48  # voxels along a simple object's longest side


@dataclass(frozen=True)
class _Inside:
    """mm from the middle of what is dense along the voxels' axes (each broadcasts to (z, y, x)), and half its sides."""

    x: Floats
    y: Floats
    z: Floats
    half: tuple[float, float, float]


def small(phantom: Phantom, draw: Draw) -> Phantom:
    """A body of 0.4 to 0.7 of its size."""
    size = draw.between((0.4, 0.7), "size")
    return stretched(phantom, (size, size, size))


def large(phantom: Phantom, draw: Draw) -> Phantom:
    """A body of 1.2 to 1.5 of its thickness and width."""
    size = draw.between((1.2, 1.5), "size")
    return stretched(phantom, (size, size, 1.0))


def turned(phantom: Phantom, draw: Draw) -> Phantom:
    """About the body's long axis by 20 to 340 degrees."""
    angle = np.radians(draw.between((20.0, 340.0), "angle"))
    turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
    grid = phantom.grid
    axes = (np.array(grid.direction) @ turn.T).tolist()
    origin = (turn @ np.array(grid.origin_mm)).tolist()
    return _on(phantom, Grid(shape=grid.shape, spacing_mm=grid.spacing_mm, origin_mm=tuple(origin),
                             direction=tuple(tuple(axis) for axis in axes)), phantom.labels, phantom.density)


def with_rods(phantom: Phantom, draw: Draw) -> Phantom:
    """One to three rods of metal through the body, as an implant's."""
    inside = _inside(phantom)
    metal = METALS[draw.of([1.0] * len(METALS), "metal")]
    for rod in range(1 + draw.of([1.0, 1.0, 1.0], "rods")):
        along = draw.of([1.0, 1.0, 2.0], f"axis {rod}")
        others = [axis for axis in range(3) if axis != along]
        radius = draw.between((0.03, 0.09), f"radius {rod}") * min(inside.half)
        away = [_from(inside, axis, draw.between((-0.5, 0.5), f"place {rod} {axis}")) for axis in others]
        mask = (away[0] ** 2 + away[1] ** 2 <= max(radius, 0.75 * max(phantom.grid.spacing_mm)) ** 2) \
            & (abs(_from(inside, along, 0.0)) <= draw.between((0.3, 0.9), f"length {rod}") * inside.half[along])
        phantom = _painted(phantom, mask, metal)
    return phantom


def with_plate(phantom: Phantom, draw: Draw) -> Phantom:
    """A sheet of metal, one voxel thick, over a part of the body: a shield, a pacemaker, a coin."""
    inside = _inside(phantom)
    across = draw.of([1.0, 1.0, 1.0], "axis")
    mask = abs(_from(inside, across, draw.between((-0.8, 0.8), "depth"))) <= 0.5 * phantom.grid.spacing_mm[across]
    for axis in range(3):
        if axis != across:
            half = draw.between((0.1, 0.5), f"half {axis}") * inside.half[axis]
            mask = mask & (abs(_from(inside, axis, draw.between((-0.4, 0.4), f"place {axis}"))) <= half)
    return _painted(phantom, mask, METALS[draw.of([1.0] * len(METALS), "metal")])


def with_contrast(phantom: Phantom, draw: Draw) -> Phantom:
    """A ball of iodine's contrast agent, pure or thinned."""
    inside = _inside(phantom)
    radius = draw.between((0.15, 0.4), "radius") * min(inside.half)
    away = [_from(inside, axis, draw.between((-0.4, 0.4), f"place {axis}")) for axis in range(3)]
    return _painted(phantom, np.asarray(sum(one**2 for one in away) <= radius**2),
                    ("iohexol_350", "blood_iodine_20mg_ml")[draw.of([1.0, 1.0], "agent")])


def with_cavity(phantom: Phantom, draw: Draw) -> Phantom:
    """An ellipsoid of air in the body, up to a half of its thickness: a pneumothorax, a bowel full of gas."""
    return _painted(phantom, _ellipsoid(phantom, draw, (0.25, 0.6)), _AIR)


def with_fluid(phantom: Phantom, draw: Draw) -> Phantom:
    """An ellipsoid of water in the body: an effusion, ascites, a cyst."""
    return _painted(phantom, _ellipsoid(phantom, draw, (0.3, 0.7)), "water")


def with_white_lungs(phantom: Phantom, draw: Draw) -> Phantom:
    """What is as thin as lung on one side, or on both, is as dense as muscle."""
    dense = phantom.density_g_cm3()
    lung = (dense > _LUNG_G_CM3[0]) & (dense < _LUNG_G_CM3[1])
    side = draw.of([1.0, 1.0, 1.0], "side")
    if side:
        inside = _inside(phantom)
        lung &= (inside.x > 0.0) if side == 1 else (inside.x < 0.0)
    return _painted(phantom, lung, "muscle_skeletal_icrp")


def on_table(phantom: Phantom, draw: Draw, along: int, end: int) -> Phantom:
    """A slab of 10 to 60 mm of PMMA behind the body: voxel axis `along`, at its low (-1) or high (1) end."""
    step = phantom.grid.spacing_mm[along]
    more = max(1, round(draw.between((10.0, 60.0), "table") / step))
    pads = [(0, 0)] * 3
    pads[2 - along] = (more, 0) if end < 0 else (0, more)
    air = _number(phantom, _AIR)
    labels = np.pad(phantom.labels, pads, constant_values=air[1])
    density = np.pad(_dense(phantom), pads, constant_values=1.0)
    place = [slice(None)] * 3
    place[2 - along] = slice(0, more) if end < 0 else slice(-more, None)
    grid = phantom.grid
    shift = -more * step if end < 0 else 0.0
    origin = np.array(grid.origin_mm) + shift * np.array(grid.direction[along])
    larger = _on(phantom.replace(materials=air[0]), Grid(
        shape=labels.shape, spacing_mm=grid.spacing_mm, origin_mm=tuple(origin.tolist()), direction=grid.direction),
        labels, density)
    mask = np.zeros(labels.shape, bool)
    mask[tuple(place)] = True
    return _painted(larger, mask, "pmma")


def simple_object(draw: Draw, side_mm: float, kev: float, along: int) -> Phantom:
    """A box, cylinder, ball or wedge of one stuff, a fifth to nine tenths of `side_mm` wide, which attenuates by 0.3 to
    5 (at `kev`) along axis `along`; some with a rod of metal."""
    stuff = STUFFS[draw.of([1.0] * len(STUFFS), "stuff")]
    deep = draw.between((0.3, 5.0), "attenuation") / float(linear_attenuation_per_mm(material(stuff), kev))
    sides = [draw.between((0.2, 0.9), f"side {axis}") * side_mm for axis in range(3)]
    sides[along] = min(max(deep, 0.01 * side_mm), 0.9 * side_mm)
    step = max(sides) / _EVEN
    counts = [max(2, round(side / step)) for side in sides]
    grid = Grid(shape=(counts[2] + 2, counts[1] + 2, counts[0] + 2), spacing_mm=tuple(
        side / count for side, count in zip(sides, counts, strict=True)))
    parts = [(np.arange(n + 2) - 0.5 * (n + 1)) / (0.5 * n) for n in counts]  # -1 to 1 within the object
    x, y, z = parts[0][None, None, :], parts[1][None, :, None], parts[2][:, None, None]
    box = (abs(x) < 1.0) & (abs(y) < 1.0) & (abs(z) < 1.0)
    others = [one for axis, one in enumerate((x, y, z)) if axis != along]
    mask = (box, box & (x**2 + y**2 <= 1.0), box & (x**2 + y**2 + z**2 <= 1.0),
            box & ((x, y, z)[along] <= others[0]))[draw.of([1.0] * 4, "shape")]
    made = Phantom(grid, mask.astype(np.uint8), (material(_AIR), material(stuff)), name=f"zoo {stuff}")
    return with_rods(made, draw) if draw.uniform("metal too") < 0.25 else made


def _ellipsoid(phantom: Phantom, draw: Draw, shares: tuple[float, float]) -> Mask:
    inside = _inside(phantom)
    away = [_from(inside, axis, draw.between((-0.4, 0.4), f"place {axis}"))
            / (draw.between(shares, f"half {axis}") * inside.half[axis]) for axis in range(3)]
    return np.asarray(sum(one**2 for one in away) <= 1.0) & (phantom.density_g_cm3() > BODY_G_CM3)


def _inside(phantom: Phantom) -> _Inside:
    filled = phantom.density_g_cm3() > BODY_G_CM3
    middles, halves = [], []
    for axis, step in enumerate(phantom.grid.spacing_mm):
        there = np.flatnonzero(filled.any(axis=tuple(one for one in range(3) if one != 2 - axis)))
        low, high = (float(there[0]), float(there[-1])) if there.size else (0.0, filled.shape[2 - axis] - 1.0)
        middles.append(np.asarray((np.arange(filled.shape[2 - axis]) - 0.5 * (low + high)) * step, np.float64))
        halves.append(0.5 * (high - low + 1.0) * step)
    return _Inside(middles[0][None, None, :], middles[1][None, :, None], middles[2][:, None, None],
                   (halves[0], halves[1], halves[2]))


def _from(inside: _Inside, axis: int, place: float) -> Floats:
    """mm along an axis from `place`, -1 to 1 within the body."""
    return (inside.x, inside.y, inside.z)[axis] - place * inside.half[axis]


def _number(phantom: Phantom, name: str) -> tuple[tuple[Material, ...], int]:
    """The phantom's materials with one more, where it is missing, and its label."""
    made = material(name)
    known = phantom.materials if made in phantom.materials else (*phantom.materials, made)
    return known, known.index(made)


def _painted(phantom: Phantom, mask: Mask, name: str) -> Phantom:
    known, number = _number(phantom, name)
    labels, density = phantom.labels.copy(), _dense(phantom)
    mask = np.broadcast_to(mask, labels.shape)
    labels[mask], density[mask] = number, 1.0
    return _on(phantom.replace(materials=known), phantom.grid, labels, density)


def _dense(phantom: Phantom) -> NDArray[np.float32]:
    """A copy of the relative density."""
    return np.ones(phantom.labels.shape, np.float32) if phantom.density is None else phantom.density.astype(np.float32)


def _on(phantom: Phantom, grid: Grid, labels: NDArray[np.generic], density: NDArray[np.generic] | None) -> Phantom:
    """Without truth: organs are where they were no longer; of the same heights, for all turn about the long axis."""
    return with_heights(Phantom(grid, labels, phantom.materials, density, name=phantom.name), phantom)
