"""The compiled kernels that run a body's program on bricks of voxels (kernels/body), with what they take."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import Floats, Moves

if TYPE_CHECKING:
    from physsim.body.program import Program

BRICK = (16, 8, 8)  # voxels along x, y, z
FIXED = 2**18  # a voxel, in the whole numbers that volumes are summed in

Sums = npt.NDArray[np.int64]


@cache
def operations() -> dict[str, int]:
    """Numbers of the machine's instructions by their names."""
    from physsim import _engine

    return _engine.body_operations()


def paint_bricks(
    tables: dict[str, Any],
    moves: Moves,
    place: dict[str, Any],
    reach: Floats,
    labels: npt.NDArray[Any],
    organs: npt.NDArray[Any],
    density: npt.NDArray[Any],
    threads: int | None = None,
) -> tuple[Sums, Sums]:
    """Fill labels and organs (z, y, x) of one or two bytes, density in float16 or float32: equal bits of any threads.

    `tables`: those of `table_fields`; `place`: affine (12,) and extent (7,) float32, voxel (mm), and lattice (3, z, y,
    x) float32 or None, as PaintJob of kernels/body/brick.h says; `reach` (segments, 6): low and high voxel indices of
    what branches come near. Returns sums (materials, organs) of volume and of relative mass in FIXED parts of a voxel.
    """
    from physsim import _engine
    from physsim.device.choice import instruction_set, thread_count

    return _engine.paint_body(
        tables, moves._asdict(), place, reach, labels, organs, density, thread_count(threads), instruction_set()
    )


def values_at(program: Program, at: int, register: int, points: Floats, margin_mm: float) -> Floats:
    """(n,) numbers of a register after the program from instruction `at`, at points (n, 3) of the canonical frame (mm).

    Distances are right to `margin_mm` from a surface; parts that do not matter there are left out, of 1024 points.
    """
    from physsim import _engine
    from physsim.device.choice import instruction_set

    values = np.zeros(len(points), np.float32)
    _engine.body_values(table_fields(program), at, register, points, values, float(margin_mm), instruction_set())
    return values


def table_fields(program: Program) -> dict[str, Any]:
    """A program's tables and sizes by name, as the kernels take them."""
    return {
        **program.tables._asdict(), "organs": program.organs, "fields": program.fields, "parts": program.parts,
        "registers": program.registers, "longest": program.longest,
    }  # fmt: skip
