"""A table, a support or a compression plate: a layer of voxels laid against one side of a phantom."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import OrganTruth
from physsim.spec.material import Material, material
from physsim.units import CM3_PER_MM3

Side = Literal["x-", "x+", "y-", "y+", "z-", "z+"]
SIDES: tuple[Side, ...] = ("x-", "x+", "y-", "y+", "z-", "z+")


def with_layer(
    phantom: Phantom,
    substance: Material | str,
    thickness_mm: float,
    side: Side,
    *,
    gap_mm: float = 0.0,
    gap: Material | str = "air_dry",
    name: str = "table",
) -> Phantom:
    """The phantom with a layer of `substance` along a whole side of its grid, behind a gap; nothing else moves.

    `side`: of the grid's own axes; "y+" is under a patient who lies on the back. `gap_mm`: whole voxels of `gap`. The
    layer takes as many whole voxels as it needs, thinned so that its areal density is that of `thickness_mm`.
    Where the phantom knows its organs, the layer is one more, called `name`, so that its dose is counted apart.

    Raises InvalidInput for an unknown side, a thickness that is not larger than 0, a gap of broken voxels, a name that
    an organ has.

    >>> import physsim as ps
    >>> lying = ps.with_layer(ps.voxelise(ps.scene("slab60"), spacing_mm=20), "pmma", 10.0, "y+", gap_mm=40)
    >>> lying.grid.shape, lying.materials[-1].name
    ((15, 13, 15), 'pmma')
    """
    if side not in SIDES:
        raise InvalidInput(message(f"side={side!r}", "a grid has six sides", "Give one of " + ", ".join(SIDES) + "."))
    if not (thickness_mm > 0.0 and math.isfinite(thickness_mm)):
        raise InvalidInput(message(f"thickness_mm={thickness_mm}", "a layer is thicker than 0 mm", "Give it in mm."))
    axis, forward = "xyz".index(side[0]), side[1] == "+"
    step = phantom.grid.spacing_mm[axis]
    empty = round(gap_mm / step)
    if gap_mm < 0.0 or abs(empty * step - gap_mm) > 1e-6 * step:
        raise InvalidInput(
            message(
                f"gap_mm={gap_mm:g}",
                f"a gap is made of whole voxels, and they are {step:g} mm along {side[0]}",
                f"Give for example {max(empty, 1) * step:g}.",
            )
        )
    thick = math.ceil(thickness_mm / step - 1e-9)
    share = thickness_mm / (thick * step)
    own, between = (one if isinstance(one, Material) else material(one) for one in (substance, gap))
    materials, number = _numbered(phantom.materials, [between] * (empty > 0) + [own])
    layers = [number[0]] * empty + [number[-1]] * thick
    shape = list(phantom.grid.shape)
    shape[2 - axis] += empty + thick

    def grown(values: NDArray[Any], more: list[float], dtype: Any) -> NDArray[Any]:
        block = np.array(more if forward else more[::-1], dtype)
        size = [*phantom.grid.shape]
        size[2 - axis] = len(block)
        wide = np.broadcast_to(np.moveaxis(block[:, None, None], 0, 2 - axis), size)
        parts = (values.astype(dtype), wide) if forward else (wide, values.astype(dtype))
        return np.ascontiguousarray(np.concatenate(parts, axis=2 - axis))

    labels = grown(phantom.labels, [float(n) for n in layers], np.uint8 if len(materials) <= 256 else np.uint16)
    density = phantom.density
    if density is not None or share != 1.0:
        before = np.ones(phantom.grid.shape, np.float32) if density is None else density
        density = grown(before, [1.0] * empty + [share] * thick, before.dtype)
    origin = np.array(phantom.grid.origin_mm)
    if not forward:
        origin = origin - np.array(phantom.grid.direction[axis]) * step * (empty + thick)
    truth = phantom.truth
    if truth.organ_labels is not None:
        if name in truth.names():
            raise InvalidInput(message(f"name={name!r}", "an organ of the phantom is called so", "Give another name."))
        face = float(np.prod(phantom.grid.size_mm)) / phantom.grid.size_mm[axis]
        background = truth.organs[0]
        wider = replace(
            background,
            volume_mm3=background.volume_mm3 + face * empty * step,
            mass_g=background.mass_g + face * empty * step * CM3_PER_MM3 * between.density_g_cm3,
        )
        mass = face * thickness_mm * CM3_PER_MM3 * own.density_g_cm3
        organs = (wider, *truth.organs[1:], OrganTruth(name, face * thick * step, mass))
        organ = [0.0] * empty + [float(len(truth.organs))] * thick
        kind = np.uint8 if len(organs) <= 256 else np.uint16
        truth = replace(truth, organ_labels=grown(truth.organ_labels, organ, kind), organs=organs)
    grid = phantom.grid.replace(shape=tuple(shape), origin_mm=tuple(origin.tolist()))
    return replace(phantom, grid=grid, labels=labels, density=density, materials=materials, truth=truth)


def _numbered(known: tuple[Material, ...], more: list[Material]) -> tuple[tuple[Material, ...], list[int]]:
    """The materials with those that are new at the end, and the numbers of `more`."""
    materials = list(known)
    for one in more:
        if one not in materials:
            materials.append(one)
    return tuple(materials), [materials.index(one) for one in more]
