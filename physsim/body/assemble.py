"""The last step of compiling: tables for the kernels, warps tabulated by running their own expressions, boxes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import FAR_MM, Tables, as_float32, as_int32
from physsim.body.body import Body
from physsim.body.compile import STEEPEST_WARP, Box, CompiledSolid, Compiler, LayerTable
from physsim.body.declare import Solid, Structure
from physsim.body.expression import parse
from physsim.body.painter import operations, values_at
from physsim.body.program import Program
from physsim.errors import InvalidInput, message

Array = npt.NDArray[np.float64]
_WARP_ROOM_MM = 30.0
_WIDTHS = {"segments": 24, "lofts": 6, "triangles": 31}
_TABLE_OF = {"ROUND_TUBE": "segments", "ELLIPTIC_TUBE": "segments", "BRANCHES": "segments", "LOFT": "lofts",
             "SHEET": "triangles"}  # fmt: skip


def assembled(c: Compiler, structures: list[Structure], solids: list[CompiledSolid], table: LayerTable) -> Program:
    """Tables of a compiled body."""
    body, out = c.body, c.out
    entries = [_warp_code(c, warp.name, (warp.x, warp.y, warp.z)) for warp in body.declared.warp]
    lattices = [_lattice(c, warp.name, warp.step_mm, structures, solids) for warp in body.declared.warp]
    data, begins = [np.array(out.consts)], {}
    for name, width in _WIDTHS.items():
        begins[name] = sum(map(len, data))
        rows = getattr(out, name)
        data.append(np.concatenate(rows).ravel() if rows else np.zeros(0))
        assert all(one.shape[1] == width for one in rows)
    _place_tables(out.code, begins)
    warp_first = sum(map(len, data)) + np.r_[0, np.cumsum([3 * int(np.prod(s)) for _, _, s in lattices])].astype(int)
    data.append(np.zeros(int(warp_first[-1]) - sum(map(len, data))))
    frame_int, frame_float = [], []
    for warp, mirror, scale, anchor in out.frames:
        shape = [0, 0, 0, 0] if warp < 0 else [int(warp_first[warp]), *lattices[warp][2][::-1]]
        frame_int.append([warp, mirror, *shape])
        place = [0.0] * 4 if warp < 0 else [*lattices[warp][0], 1 / lattices[warp][1]]
        frame_float.append([*anchor, 1 / scale, *place, 0, 0, 0, 0])
    tables = Tables(
        code=as_int32(out.code),
        data=as_float32(np.concatenate(data)),
        frame_int=as_int32(frame_int),
        frame_float=as_float32(frame_float),
        structure_int=as_int32([row[:7] for row in table.structures] or np.zeros((0, 7))),
        structure_float=as_float32([[0.0] * 6 + row[7:] for row in table.structures] or np.zeros((0, 7))),
        layer_int=as_int32(table.layers or np.zeros((0, 8))),
        layer_float=as_float32(table.numbers or np.zeros((0, 2))),
        material_density=as_float32([one.density_g_cm3 for one in body.materials]),
    )
    longest = max((len(one) for name in _WIDTHS for one in getattr(out, name)), default=1)
    made = Program(
        tables=tables,
        structures=tuple(structures),
        box_low=np.zeros(3),
        box_high=np.zeros(3),
        registers=out.highest,
        fields=len(body.fields),
        parts=out.parts,
        longest=max(longest, sum(count for _, count, _ in out.branch_rows)),
        organs=len(body.organs),
        field_register=tuple(out.first_field + 4 * n for n in range(len(body.fields))),
        field_entry=tuple(out.entries[n] for n in range(len(body.fields))),
        field_box=np.array([c.solids[n].box for n in range(len(body.fields))]).reshape(-1, 2, 3),
        structure_register=c.quad,
        branch_rows=tuple(
            (begins["segments"] + 24 * first, first, count, frame) for first, count, frame in out.branch_rows
        ),
        segments=out.counts["segments"],
    )
    for number, (entry, lattice) in enumerate(zip(entries, lattices, strict=True)):
        _tabulate(body, number, entry, lattice, int(warp_first[number]), made)
    low, high = _boxes(body, structures, solids, tables)
    return replace(made, box_low=low, box_high=high)


def _place_tables(code: list[list[int]], begins: dict[str, int]) -> None:
    """Where in the data the rows of each tube, loft and sheet begin."""
    table_of = {operations()[op]: name for op, name in _TABLE_OF.items()}
    for row in code:
        if row[0] in table_of:
            name = table_of[row[0]]
            row[4] = begins[name] + _WIDTHS[name] * row[6]


def _warp_code(c: Compiler, name: str, texts: tuple[float | str, ...]) -> list[tuple[int, int]]:
    """First instruction and register of the displacement along x, y and z."""
    entry = []
    for text in texts:
        c.out.restart()
        start = len(c.out.code)
        try:
            register = c.out.expression(parse(text, c.body.names), 0)
        except InvalidInput as error:
            raise InvalidInput(f"{c.body.where}: warp {name!r}: {error}") from None
        c.out.emit("RETURN")
        entry.append((start, register))
    return entry


def _warps_of(body: Body, solid: Solid) -> set[str]:
    """Warps of a solid and of the fields it uses as parts or clips."""
    found = {solid.warp} if solid.warp else set()
    names = [body.fields[body.clip(text, solid.name)[0]] for text in (*solid.inside, *solid.outside)]
    names += [body.fields[body.field_number(part.field, solid.name)] for part in solid.parts if part.field]
    return found.union(*(_warps_of(body, other) for other in names))


def _lattice(
    c: Compiler, name: str, step: float, structures: list[Structure], solids: list[CompiledSolid]
) -> tuple[Array, float, tuple[int, int, int]]:
    """Low corner, step and shape (z, y, x) of the lattice that a warp's users lie in."""
    users = [own.box for solid, own in zip(structures, solids, strict=True) if solid.warp == name]
    users += [own.box for number, own in c.solids.items() if c.body.fields[number].warp == name]
    whole = _hull([own.box for own in solids if np.abs(own.box).max() < FAR_MM / 2])
    users = [Box(np.maximum(box.low, whole.low), np.minimum(box.high, whole.high)) for box in users]
    box = _hull([one for one in users if not one.empty]).grown(_WARP_ROOM_MM)
    low = np.floor(box.low / step) * step
    nx, ny, nz = (int(n) for n in np.maximum(np.ceil((box.high - low) / step), 1) + 1)
    return low, step, (nz, ny, nx)


def _hull(boxes: list[Box]) -> Box:
    if not boxes:
        return Box(np.full(3, -300.0), np.full(3, 300.0))
    return Box(np.min([b.low for b in boxes], axis=0), np.max([b.high for b in boxes], axis=0))


def _tabulate(
    body: Body, number: int, entry: list[tuple[int, int]], lattice: Any, first: int, program: Program
) -> None:
    """Fill a warp's values, its largest displacement and its steepest slope."""
    low, step, shape = lattice
    tables = program.tables
    z, y, x = (low[a] + step * np.arange(n) for a, n in zip((2, 1, 0), shape, strict=True))
    points = np.empty((*shape, 3), np.float32)
    points[..., 0], points[..., 1], points[..., 2] = x, y[:, None], z[:, None, None]
    values = np.zeros((3, *shape), np.float32)
    for axis, (start, register) in enumerate(entry):
        values[axis] = values_at(program, start, register, points.reshape(-1, 3), FAR_MM).reshape(shape)
    steepest = _steepest(values, step)
    if not np.isfinite(values).all() or steepest > STEEPEST_WARP:
        raise InvalidInput(
            message(
                f"{body.where}: warp {body.declared.warp[number].name!r}",
                f"its displacement changes by up to {steepest:.2g} mm a mm, so that space nearly folds",
                f"Lessen its amplitude, or make its wavelengths longer, to below {STEEPEST_WARP:g}.",
            )
        )
    tables.data[first : first + values.size] = values.ravel()
    users = tables.frame_int[:, 0] == number
    tables.frame_float[users, 8:11] = np.abs(values).max(axis=(1, 2, 3))
    tables.frame_float[users, 11] = STEEPEST_WARP


def _steepest(values: npt.NDArray[np.float32], step: float) -> float:
    """Upper bound of the 2-norms of the Jacobians of displacements (3, z, y, x); exact where it is above what may be.

    A 2-norm is at most the Frobenius norm.
    """
    square = np.zeros(values.shape[1:], np.float32)
    for axis in range(3):
        for one in values:
            slope = np.gradient(one, step, axis=axis)
            square += slope * slope
    steep = square > STEEPEST_WARP**2
    if not steep.any():
        return float(np.sqrt(square.max()))
    slopes = [np.gradient(values, step, axis=1 + a)[:, steep] for a in range(3)]
    return float(np.linalg.norm(np.stack(slopes, axis=-1).swapaxes(0, 1), ord=2, axis=(1, 2)).max())


def _boxes(
    body: Body, structures: list[Structure], solids: list[CompiledSolid], tables: Tables
) -> tuple[Array, Array]:
    """Fill the structures' boxes, widened by their warps; bounds of the whole body."""
    names = [warp.name for warp in body.declared.warp]
    moved = {}
    for warp in names:
        users = tables.frame_int[:, 0] == names.index(warp)
        moved[warp] = tables.frame_float[users, 8:11].max(0) if users.any() else np.zeros(3)
    boxes = tables.structure_float[:, :6]
    for number, (structure, own) in enumerate(zip(structures, solids, strict=True)):
        room = sum((moved[warp] for warp in _warps_of(body, structure)), np.zeros(3))
        boxes[number, :3], boxes[number, 3:] = own.box.low - room, own.box.high + room
    finite = np.abs(boxes).max(1, initial=0.0) < FAR_MM / 2
    if not finite.any():
        return np.full(3, -FAR_MM), np.full(3, FAR_MM)
    kept = boxes[finite].astype(float)
    kept = kept[(kept[:, :3] < kept[:, 3:]).all(1)]
    if len(kept) == 0:  # nothing of the body is anywhere: its parts have cut each other away
        return np.zeros(3), np.zeros(3)
    return kept[:, :3].min(0), kept[:, 3:].max(0)
