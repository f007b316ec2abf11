"""What structures weigh as painted in a motion, and density by which lungs keep their mass in it.

The lattice on which they are weighed hangs on the body alone, not on the voxels of a phantom: one person has one
density of lung at one depth of breath, whatever the spacing and the window.

Neglects: what spacing does to the volume that lungs hold among their neighbours, not quite the same at every depth of
breath.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import Tables, as_float32, as_int32
from physsim.body.painter import FIXED, operations
from physsim.body.space_map import world_box
from physsim.spec.grid import Grid
from physsim.units import CM3_PER_MM3

if TYPE_CHECKING:
    from physsim.body.body import Body
    from physsim.body.motion import Motion
    from physsim.body.program import Program
    from physsim.body.space_map import SpaceMap

Array = npt.NDArray[np.float64]


@lru_cache(maxsize=8)
def weigh_at_rest(
    body: Body, program: Program, weighed: tuple[int, ...], step_mm: float, space: SpaceMap | None
) -> Array:
    """(2, weighed) g and mm3 of structures as painted at rest: see `weigh`; kept for a body's other phases."""
    return weigh(body, program, weighed, step_mm, space)


def weigh(
    body: Body, program: Program, weighed: tuple[int, ...], step_mm: float, space: SpaceMap | None = None,
    motion: Motion | None = None,
) -> Array:  # fmt: skip
    """(2, weighed) g and mm3 of structures (by number) as painted in the world, under all that is painted over them.

    `program`: with what `motion` carries where it is now; `step_mm`: of the lattice, canonical; `space`: of a person of
    another size.
    """
    from physsim.body.voxelise import painted

    tables, names = program.tables, program.structures
    boxes = (motion.moved_boxes(program) if motion else tables.structure_float[:, :6]).astype(float)
    low, high = boxes[list(weighed), :3].min(0), boxes[list(weighed), 3:].max(0)
    near = (boxes[:, :3] <= high).all(1) & (boxes[:, 3:] >= low).all(1)
    chosen = np.flatnonzero(near[: max(weighed) + 1]).tolist()
    numbers = tables.structure_int[chosen]
    numbers[:, 6] &= np.diff(chosen, prepend=-1) == 1  # round a structure that is here, too
    own = replace(
        program, structures=tuple(names[n] for n in chosen),
        carried=frozenset(n for n, old in enumerate(chosen) if old in program.carried),
        tables=tables._replace(structure_int=as_int32(numbers),
                               structure_float=as_float32(tables.structure_float[chosen])),
    )  # fmt: skip
    grid = _lattice(low, high, step_mm, space)
    labels, organs = np.empty(grid.shape, np.uint16), np.empty(grid.shape, np.uint16)
    sums = painted(body, own, grid, space, labels, np.empty(grid.shape, np.float16), organs, motion)
    density = np.array([one.density_g_cm3 for one in body.materials]) * CM3_PER_MM3
    found = np.stack([density @ sums[1], sums[0].sum(0)]) * grid.voxel_volume_mm3 / FIXED
    organs_of = [[body.organs.index(name) for name in body.shown_by(names[n])] for n in weighed]
    return np.stack([found[:, own].sum(1) for own in organs_of], axis=1)


def _lattice(low: Array, high: Array, step: float, space: SpaceMap | None) -> Grid:
    """Of `step` mm in a canonical box; in the world, of as many voxels to the volume."""
    if space is not None:
        canonical = np.prod(high - low)
        low, high = world_box(space, low, high)
        step *= float((np.prod(high - low) / canonical) ** (1 / 3))
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / step) + 1)
    x, y, z = (float(v) for v in low)
    return Grid(shape=(nz, ny, nx), spacing_mm=step, origin_mm=(x, y, z))


def refilled(program: Program, factors: dict[int, float]) -> Program:
    """The program with densities of whole structures (by number) times a factor."""
    tables = program.tables
    code, data, layers = [tables.code], list[float](), tables.layer_int.copy()
    numbers, kinds, length = tables.layer_float.copy(), operations(), len(tables.code)
    for number, factor in factors.items():
        for layer in range(int(tables.structure_int[number, 4]), int(tables.structure_int[number, 5])):
            at, register = int(layers[layer, 3]), int(layers[layer, 4])
            if at < 0:
                numbers[layer, 1] *= factor
                continue
            last = at
            while tables.code[last, 0] != kinds["RETURN"]:
                last += 1
            times = [kinds["MUL_CONST"], register, register, 0, 0, len(tables.data) + len(data), 0, 0, 0]
            own = np.vstack([tables.code[at:last], as_int32([times]), tables.code[last : last + 1]])
            layers[layer, 3] = length
            code.append(own)
            data.append(factor)
            length += len(own)
    made: Tables = tables._replace(
        code=as_int32(np.vstack(code)), data=as_float32(np.r_[tables.data, data]), layer_int=layers, layer_float=numbers
    )
    return replace(program, tables=made)
