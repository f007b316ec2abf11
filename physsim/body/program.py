"""The compiled body: instructions and tables for the kernels, and distances from them at any point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import FAR_MM, Tables, as_float32
from physsim.body.body import Body
from physsim.body.declare import Structure

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Program:
    """The compiled body. `tables` for the kernels; `structures` in the order of tables (last painted first)."""

    tables: Tables
    structures: tuple[Structure, ...]
    box_low: Array
    box_high: Array
    registers: int
    fields: int
    parts: int
    longest: int
    organs: int
    field_register: tuple[int, ...]
    field_entry: tuple[int, ...]
    field_box: Array  # (fields, 2, 3) mm: low and high corner of each, before warps
    structure_register: int
    branch_rows: tuple[tuple[int, int, int, int], ...]  # where in data, first segment, how many, frame
    segments: int
    carried: frozenset[int] = frozenset()  # structures that lie where a motion has brought them, see motion_branches
    carried_rows: frozenset[int] = frozenset()  # where in data their segments begin

    def distance(
        self,
        points_mm: npt.ArrayLike,
        field: int | None = None,
        structure: int | None = None,
        margin_mm: float = FAR_MM,
    ) -> Array:
        """(n,) signed distance (mm) of a field or structure, by its number, at points (n, 3) of the canonical frame.

        Right to `margin_mm` from the surface, and only known to be farther beyond: a small margin is quicker where
        each thousand points lie together.
        """
        from physsim.body.painter import values_at

        points = as_float32(np.atleast_2d(np.asarray(points_mm, float)))
        if field is not None:
            entry, register = self.field_entry[field], self.field_register[field]
        else:
            assert structure is not None
            entry, register = int(self.tables.structure_int[structure, 0]), self.structure_register
        return values_at(self, entry, register, points, margin_mm).astype(np.float64)


def compiled(body: Body) -> Program:
    """Compile a body. Raises InvalidInput, with file, kind and name, for what cannot be."""
    from physsim.body.compile import compile_body

    return compile_body(body)
