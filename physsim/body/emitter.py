"""Emits instructions: registers, constants, expressions and shapes for the machine of kernels/body."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body import shapes
from physsim.body.arrays import FAR_MM
from physsim.body.body import Body
from physsim.body.declare import Part, Solid
from physsim.body.expression import Node, add, const, derivative, make, parse
from physsim.body.noise import octaves
from physsim.body.painter import operations
from physsim.body.shapes import Compiled
from physsim.errors import InvalidInput, message
from physsim.phantom.curves import monotone_cubic

Array = npt.NDArray[np.float64]
_TABLE_NODES = 512
_EXPRESSION_SLOPE = 2.0  # of distances made of expressions, unless the part declares another
_OPERATIONS = {
    "add": "ADD", "sub": "SUB", "mul": "MUL", "div": "DIV", "min": "MIN", "max": "MAX", "lt": "LT", "pow": "POW",
}  # fmt: skip
_CONSTANT_SECOND = {"add": "ADD_CONST", "mul": "MUL_CONST", "min": "MIN_CONST", "max": "MAX_CONST", "pow": "POW_CONST",
                    "lt": "LT_CONST"}  # fmt: skip
_UNARY = {"neg": "NEG", "abs": "ABS", "sqrt": "SQRT", "exp": "EXP", "log": "LOG", "sin": "SIN", "cos": "COS",
          "s": "SIGMOID"}  # fmt: skip




@dataclass(eq=False)
class Emitter:
    """Collects instructions and tables.

    Registers: three for each frame, four for each field (distance, cortex, organ, thin factor), four for the structure
    at hand, then temporary ones.
    """

    body: Body
    code: list[list[int]] = field(default_factory=list)
    consts: list[float] = field(default_factory=list)
    segments: list[Array] = field(default_factory=list)
    lofts: list[Array] = field(default_factory=list)
    triangles: list[Array] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"segments": 0, "lofts": 0, "triangles": 0})
    frames: dict[tuple[Any, ...], int] = field(default_factory=dict)
    kept: dict[tuple[float, ...], int] = field(default_factory=dict)
    branch_rows: list[tuple[int, int, int]] = field(default_factory=list)
    entries: dict[int, int] = field(default_factory=dict)
    parts: int = 0
    free: list[int] = field(default_factory=list)
    top: int = 0
    highest: int = 0
    first_field: int = 0
    first_temporary: int = 0

    def emit(
        self, op: str, dst: int = 0, a: int = 0, b: int = 0, c: int = 0, k: int = 0, i: int = 0, j: int = 0, f: int = 0
    ) -> int:
        """One more instruction; its number. Operands: see kernels/body/brick.h."""
        self.code.append([operations()[op], dst, a, b, c, k, i, j, f])
        return len(self.code) - 1

    def call(self, field: int) -> None:
        """Have a field evaluated, unless it was for this brick."""
        self.emit("CALL", i=field, j=self.entries[field])

    def constants(self, values: Any) -> int:
        """Where these constants stand, kept once."""
        key = tuple(float(v) for v in values)
        if key not in self.kept:
            self.kept[key] = len(self.consts)
            self.consts.extend(key)
        return self.kept[key]

    def take(self) -> int:
        """A free register."""
        if self.free:
            return self.free.pop()
        self.top += 1
        self.highest = max(self.highest, self.top)
        return self.top - 1

    def take_quad(self) -> int:
        """Four registers side by side."""
        self.top += 4
        self.highest = max(self.highest, self.top)
        return self.top - 4

    def give(self, register: int) -> None:
        """A temporary register is free again."""
        if register >= self.first_temporary and register not in self.free:
            self.free.append(register)

    def restart(self) -> None:
        """All temporary registers are free again."""
        self.top, self.free = self.first_temporary, []

    # --- frames and expressions

    def frame(self, solid: Solid) -> int:
        """Number of the frame of a solid's warp, side and scale."""
        warps = [warp.name for warp in self.body.declared.warp]
        warp = warps.index(solid.warp) if solid.warp else -1
        mirror = 1 if solid.name in self.body.mirrored else 2 if solid.mirror else 0
        scale = self.body.number(solid.scale)
        if scale <= 0:
            raise InvalidInput(message(f"scale={scale:g}", "sizes are larger than 0", "Give 1 for as declared."))
        anchor = tuple(self.body.number(c) for c in solid.anchor) if solid.anchor else self._middle(solid)
        key = (warp, mirror, scale, anchor if scale != 1 else (0.0, 0.0, 0.0))
        return self.frames.setdefault(key, len(self.frames))

    def _middle(self, solid: Solid) -> tuple[float, float, float]:
        if self.body.number(solid.scale) == 1:
            return 0.0, 0.0, 0.0
        boxes = [self.shape(part) for part in solid.parts if part.op == "add" and part.field is None]
        if not boxes or min(box.low.min() for box in boxes) <= -FAR_MM / 2:
            raise InvalidInput(
                message("scale", "its middle is not known", "Give the point that stays: anchor = [x, y, z].")
            )
        middle = 0.5 * (np.min([b.low for b in boxes], axis=0) + np.max([b.high for b in boxes], axis=0))
        return float(middle[0]), float(middle[1]), float(middle[2])

    def expression(self, node: Node, frame: int) -> int:
        """Instructions that leave the value of an expression in a register (which the caller gives back)."""
        uses: dict[Node, int] = {}

        def count(of: Node) -> None:
            uses[of] = uses.get(of, 0) + 1
            if uses[of] == 1:
                for a in of.args:
                    count(a)

        count(node)
        at: dict[Node, int] = {}

        def used(of: Node) -> None:
            uses[of] -= 1
            if uses[of] == 0 and of.op not in ("x", "y", "z", "field"):
                self.give(at[of])

        def value(of: Node) -> int:
            if of in at:
                return at[of]
            at[of] = self._instruction(of, frame, value, used)
            return at[of]

        return value(node)

    def _instruction(self, of: Node, frame: int, value: Any, used: Any) -> int:
        if of.op in ("x", "y", "z"):
            return 3 * frame + ("x", "y", "z").index(of.op)
        if of.op == "const":
            dst = self.take()
            self.emit("CONST", dst, k=self.constants([of.value]))
            return dst
        if of.op == "field":
            number = self.body.field_number(of.value, "expression")
            self.call(number)
            return self.first_field + 4 * number
        if of.op == "noise":
            dst = self.take()
            self.emit("CONST", dst, k=self.constants([0.0]))
            noise = next(n for n in self.body.declared.noise if n.name == of.value)
            for row, seed in octaves(noise, self.body.seed):
                self.emit("NOISE", dst, k=self.constants(row), i=seed, f=frame)
            return dst
        if of.op in ("table", "table_slope"):
            source = value(of.args[0])
            dst = self.take()
            self.emit("TABLE", dst, source, k=self.constants(_table_constants(of)))
            used(of.args[0])
            return dst
        if of.op in _UNARY:
            source = value(of.args[0])
            dst = self.take()
            self.emit(_UNARY[of.op], dst, source)
            used(of.args[0])
            return dst
        return self._binary(of, value, used)

    def _binary(self, of: Node, value: Any, used: Any) -> int:
        a, b = of.args
        if of.op in ("add", "mul", "min", "max") and a.op == "const":
            a, b = b, a
        if b.op == "const" and of.op in ("sub", *_CONSTANT_SECOND):
            source = value(a)
            dst = self.take()
            name = "ADD_CONST" if of.op == "sub" else _CONSTANT_SECOND[of.op]
            self.emit(name, dst, source, k=self.constants([-b.value if of.op == "sub" else b.value]))
            used(a)
            return dst
        if a.op == "const" and of.op in ("div", "lt"):
            source = value(b)
            dst = self.take()
            self.emit("CONST_DIV" if of.op == "div" else "CONST_LT", dst, source, k=self.constants([a.value]))
            used(b)
            return dst
        first, second = value(a), value(b)
        dst = self.take()
        self.emit(_OPERATIONS[of.op], dst, first, second)
        used(a)
        used(b)
        return dst

    # --- shapes

    def shape(self, part: Part) -> Compiled:
        """The numbers of a part that is not a field; expressions have bounds and slope only."""
        value = self.body.number
        kind = part.kind
        if part.branches is not None:
            made = shapes.branches(part.branches)
        elif kind in ("height", "implicit", "distance"):
            made = Compiled("EXPRESSION", np.zeros(0), *shapes.unbounded(), _EXPRESSION_SLOPE)
        else:
            makers: dict[str, Any] = {
                "ellipsoid": shapes.ellipsoid, "tube": shapes.tube, "loft": shapes.loft, "plane": shapes.plane,
                "plate": shapes.plate, "surface": shapes.surface,
            }  # fmt: skip
            made = makers[kind](getattr(part, kind), value)
        low, high, slope = made.low, made.high, part.lipschitz or made.slope
        if part.bounds is not None:
            low = np.maximum(low, shapes.point(part.bounds[0], value))
            high = np.minimum(high, shapes.point(part.bounds[1], value))
            if (low >= high).any():
                raise ValueError(f"bounds {part.bounds}: low must be below high along x, y and z. Mend them.")
        return Compiled(made.op, made.constants, low, high, slope, made.rows)

    def rows(self, table: str, rows: Array) -> int:
        """Add rows to a table; where they begin."""
        first = self.counts[table]
        getattr(self, table).append(rows)
        self.counts[table] += len(rows)
        return first

    def distance_node(self, part: Part) -> Node:
        """The distance of a part of expressions, normalised by its symbolic gradient."""
        names = self.body.names
        if part.height is not None:
            h = parse(part.height, names)
            hx, hy = derivative(h, "x"), derivative(h, "y")
            if derivative(h, "z") != const(0.0):
                raise ValueError("height: it cannot depend on z. Use implicit.")
            slope = make("sqrt", add(const(1.0), make("mul", hx, hx), make("mul", hy, hy)))
            return make("div", make("sub", Node("z"), h), slope)
        if part.implicit is not None:
            f = parse(part.implicit, names)
            slopes = [derivative(f, axis) for axis in ("x", "y", "z")]
            square = add(*[make("mul", s, s) for s in slopes])
            return make("div", f, make("max", make("sqrt", square), const(1e-6)))
        assert part.distance is not None
        return parse(part.distance, names)


def _table_constants(of: Node) -> list[float]:
    """Start, 1 / step, last node, values at even steps of a shape-keeping cubic or of its slope."""
    rows = np.array(of.value)
    at = np.linspace(rows[0, 0], rows[-1, 0], _TABLE_NODES)
    values = monotone_cubic(rows[:, 0], rows[:, 1:], at)[:, 0]
    step = at[1] - at[0]
    if of.op == "table_slope":
        values = np.round(np.gradient(values, step), 9)
        values[[0, -1]] = 0.0  # constant beyond the ends
    return [float(f"{v:.9g}") for v in (at[0], 1 / step, _TABLE_NODES - 1 - 1e-3)] + [float(v) for v in values]
