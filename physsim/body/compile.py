"""From a body to its program: fields, warps, structures and layers in the order that the kernels need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import FAR_MM
from physsim.body.body import Body
from physsim.body.declare import Expression, Field, Layer, Part, Solid, Structure
from physsim.body.emitter import Emitter
from physsim.body.expression import Node, const, make, names_used, parse
from physsim.body.interval import interval
from physsim.body.noise import octave_amplitudes
from physsim.body.program import Program
from physsim.body.shapes import Compiled
from physsim.errors import InvalidInput, message

Array = npt.NDArray[np.float64]
_JOINS = {"add": 0, "subtract": 1, "keep": 2}
_FIRST_ORDER = 1.5  # boxes are widened by this times the reach: first-order distances may be too small far away
STEEPEST_WARP = 0.7  # mm a mm; a steeper one would soon fold
_NOISE_PEAK = 2.2  # largest size of an octave of noise, in its standard deviations (values are bounded)


class Box(NamedTuple):
    """Bounds in the canonical frame (mm)."""

    low: Array
    high: Array

    def grown(self, by: float) -> Box:
        """Moved outward."""
        return Box(self.low - by, self.high + by)

    @property
    def empty(self) -> bool:
        """Nothing in it."""
        return bool((self.low >= self.high).any())


@dataclass(frozen=True)
class CompiledSolid:
    """What compiling a field or structure found: bounds (before warps), slope of d, which payloads it carries."""

    box: Box
    slope: float
    cortex: bool
    organ: bool
    thin: bool


class Compiler:
    """The state of a compilation."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.out = Emitter(body)
        self.out.frames[(-1, 0, 1.0, (0.0, 0.0, 0.0))] = 0
        for solid in (*body.fields, *body.structures):
            self._blame(solid, self.out.frame, solid)
        self.warp_frames = len(self.out.frames)
        self.out.first_field = 3 * len(self.out.frames)
        self.quad = self.out.first_field + 4 * len(body.fields)
        self.out.first_temporary = self.quad + 4
        self.out.top = self.out.highest = self.out.first_temporary
        self.solids: dict[int, CompiledSolid] = {}
        self.noises = {
            noise.name: _NOISE_PEAK * sum(octave_amplitudes(noise)) for noise in body.declared.noise
        }  # fmt: skip

    # --- errors name what is compiled

    def _blame(self, solid: Solid, function: Callable[..., Any], *arguments: Any) -> Any:
        kind = "field" if isinstance(solid, Field) else "structure"
        try:
            return function(*arguments)
        except InvalidInput as error:
            text = str(error)
            if text.startswith(self.body.where):
                raise
            raise InvalidInput(f"{self.body.where}: {kind} {solid.name!r}: {text}") from None
        except ValueError as error:
            raise InvalidInput(f"{self.body.where}: {kind} {solid.name!r}: {error}") from None

    # --- which fields a solid needs

    def _needs(self, solid: Solid) -> list[str]:
        found = [part.field for part in solid.parts if part.field is not None]
        clips = (*solid.inside, *solid.outside)
        found += [self.body.fields[self.body.clip(text, solid.name)[0]].name for text in clips]
        texts: list[Expression | None] = [solid.cortex_mm]
        for part in solid.parts:
            texts += [part.cortex_mm, part.grow_mm, part.height, part.implicit, part.distance]
        for text in texts:
            if isinstance(text, str):
                found += sorted(names_used(parse(text, self.body.names), "field"))
        return found

    def order_of_fields(self) -> list[int]:
        """Fields, each after those it needs. Raises InvalidInput for a circle."""
        order: list[int] = []
        state: dict[int, int] = {}

        def visit(number: int, path: list[str]) -> None:
            field = self.body.fields[number]
            if state.get(number) == 2:
                return
            if state.get(number) == 1:
                circle = " -> ".join([*path[path.index(field.name) :], field.name])
                raise InvalidInput(
                    message(
                        f"{self.body.where}: field {field.name!r}",
                        f"fields need one another in a circle: {circle}",
                        "Break the circle.",
                    )
                )
            state[number] = 1
            for name in self._blame(field, self._needs, field):
                visit(self.body.field_number(name, field.name), [*path, field.name])
            state[number] = 2
            order.append(number)

        for number in range(len(self.body.fields)):
            visit(number, [])
        return order

    # --- solids

    def solid(self, solid: Solid, base: int, reach: float, depth: float, organ: int) -> CompiledSolid:
        """Instructions that leave a solid's distance (and payload) in the registers from `base` on."""
        out, body = self.out, self.body
        frame = out.frame(solid)
        scale = body.number(solid.scale)
        blend = body.number(solid.blend_mm)
        cortex = solid.cortex_mm is not None or any(part.cortex_mm is not None for part in solid.parts)
        organs = any(part.organ is not None for part in solid.parts)
        thin = any(part.branches is not None for part in solid.parts)
        for part in solid.parts:
            if part.field is not None:
                own = self.solids[body.field_number(part.field, solid.name)]
                cortex, organs, thin = cortex or own.cortex, organs or own.organ, thin or own.thin
        payload = cortex or organs or thin
        out.emit("FRAME", i=frame)
        out.emit("CONST", base, k=out.constants([FAR_MM]))
        if payload:
            for register, value in ((1, 0.0), (2, float(organ)), (3, 1.0)):
                out.emit("CONST", base + register, k=out.constants([value]))
        whole = Box(np.full(3, np.inf), np.full(3, -np.inf))
        limits: list[Box] = []
        steepest = 1.0
        radii = [body.number(part.blend_mm) if part.blend_mm is not None else blend for part in solid.parts]
        clip_radius = body.number(solid.clip_blend_mm) if solid.inside or solid.outside else 0.0
        for n, (part, k) in enumerate(zip(solid.parts, radii, strict=True)):
            if k < 0:
                raise ValueError(f"blend_mm={k:g}: radii are not negative. Give 0 for a sharp edge.")
            later = max([clip_radius, *radii[n + 1 :]])  # from so far away it is still blended with what comes after it
            box, slope = self._part(solid, part, base, frame, scale, k, reach + later, depth + later, organ, payload)
            steepest = max(steepest, slope)
            if part.op == "add":
                whole = Box(np.minimum(whole.low, box.low - k), np.maximum(whole.high, box.high + k))
            elif part.op == "keep":
                whole = Box(np.maximum(whole.low, box.low), np.minimum(whole.high, box.high))
        k = body.number(solid.clip_blend_mm)
        for text, mode in [*((t, "keep") for t in solid.inside), *((t, "subtract") for t in solid.outside)]:
            number, offset = body.clip(text, solid.name)
            own = self.solids[number]
            self._clip(base, number, offset, mode, k, own, reach, depth)
            steepest = max(steepest, own.slope)
            if mode == "keep":
                limits.append(own.box.grown(-offset))
        for limit in limits:
            whole = Box(np.maximum(whole.low, limit.low), np.minimum(whole.high, limit.high))
        return CompiledSolid(whole, steepest, cortex, organs, thin)

    def _part(
        self,
        solid: Solid,
        part: Part,
        base: int,
        frame: int,
        scale: float,
        k: float,
        reach: float,
        depth: float,
        organ: int,
        payload: bool,
    ) -> tuple[Box, float]:
        """One part; its box in the canonical frame and the slope of its distance."""
        out, body = self.out, self.body
        mode = _JOINS[part.op]
        grow = parse(part.grow_mm, body.names)
        most = max(0.0, interval(grow, _ANYWHERE, self.noises)[1])
        p = out.take_quad() if payload else out.take()
        if part.organ is not None:  # an organ of a field that nothing paints has no number
            organ = body.organs.index(part.organ) if part.organ in body.organs else 0
        if part.field is not None:
            number = body.field_number(part.field, solid.name)
            own = self.solids[number]
            box_frame, box, slope = 0, own.box, part.lipschitz or own.slope
            local, unit = box, 1.0
        else:
            made = out.shape(part)
            box_frame, local, slope, unit = frame, Box(made.low, made.high), made.slope, scale
            box = self._canonical(local, frame)
        inward = depth if part.op != "add" else reach
        room = _FIRST_ORDER * (k + inward + most) / unit
        wide = local.grown(min(room, FAR_MM))
        index = out.parts
        out.parts += 1
        limits = out.constants([*_held(wide.low), *_held(wide.high)])
        begin = out.emit("PART", base, mode, k=limits, i=index, f=box_frame)
        self.call_fields(solid.cortex_mm, part.cortex_mm, part.grow_mm, part.height, part.implicit, part.distance)
        if part.field is not None:
            source = out.first_field + 4 * number
            out.call(number)
            out.emit("COPY", p, source)
            if payload:
                for offset, carried, default in ((1, own.cortex, 0.0), (3, own.thin, 1.0)):
                    if carried:
                        out.emit("COPY", p + offset, source + offset)
                    else:
                        out.emit("CONST", p + offset, k=out.constants([default]))
                self._organ_of_field(p + 2, source + 2, own.organ and part.organ is None, organ)
        else:
            self._shape(part, made, p, frame, payload, organ)
            if scale != 1.0:
                scaled = out.take()
                out.emit("MUL_CONST", scaled, p, k=out.constants([scale]))
                out.emit("COPY", p, scaled)
                out.give(scaled)
        cortex = part.cortex_mm if part.cortex_mm is not None else solid.cortex_mm
        if payload and cortex is not None and (part.field is None or part.cortex_mm is not None):
            self._store(p + 1, parse(cortex, body.names), frame)
        if grow != const(0.0):
            grown = out.expression(make("neg", grow), frame)
            total = out.take()
            out.emit("ADD", total, p, grown)
            out.emit("COPY", p, total)
            out.give(grown)
            out.give(total)
        if payload and part.op == "add":
            out.emit("JOIN_PAYLOAD", base, p, k=out.constants([k]))
        if grow.op != "const":
            slope += 1.0  # of what it grows by, from place to place
        moved = out.first_field + 4 * number if part.field is not None and grow.op == "const" else 0
        joins = out.constants([k, slope * unit, _FIRST_ORDER * reach, _FIRST_ORDER * depth])
        out.emit("JOIN", base, p, mode, moved, joins, i=index, f=box_frame)
        out.code[begin][7] = len(out.code)
        if not payload:
            out.give(p)
        bent = 1.0 + STEEPEST_WARP if part.field is None and solid.warp else 1.0
        return box.grown(most), slope * bent

    def _organ_of_field(self, dst: int, source: int, carried: bool, default: int) -> None:
        """The field's organ, or `default` where it has none (-1)."""
        out = self.out
        if not carried:
            out.emit("CONST", dst, k=out.constants([float(default)]))
            return
        none, more = out.take(), out.take()
        out.emit("LT_CONST", none, source, k=out.constants([-0.5]))
        out.emit("MUL_CONST", more, none, k=out.constants([default + 1.0]))
        out.emit("ADD", dst, source, more)
        out.give(none)
        out.give(more)

    def _shape(self, part: Part, made: Compiled, p: int, frame: int, payload: bool, organ: int) -> None:
        out = self.out
        if payload:
            for offset, value in ((1, 0.0), (2, float(organ)), (3, 1.0)):
                out.emit("CONST", p + offset, k=out.constants([value]))
        if made.op == "EXPRESSION":
            self._store(p, out.distance_node(part), frame)
            return
        k = out.constants(made.constants) if len(made.constants) else 0
        first = count = 0
        if len(made.rows):
            table = {"LOFT": "lofts", "SHEET": "triangles"}.get(made.op, "segments")
            first, count = out.rows(table, made.rows), len(made.rows)
        if made.op == "BRANCHES":
            out.branch_rows.append((first, count, frame))
        out.emit(made.op, p, a=p + 3 if payload else 0, k=k, i=first, j=count, f=frame)

    def call_fields(self, *texts: Expression | None) -> None:
        """Have the fields in expressions evaluated now: in the midst of one they would overwrite its temporaries."""
        names = {name for text in texts if isinstance(text, str) for name in self._fields_in(text)}
        for name in sorted(names):
            self.out.call(self.body.field_number(name, "expression"))

    def _fields_in(self, text: str) -> set[str]:
        return set(names_used(parse(text, self.body.names), "field"))

    def _store(self, dst: int, node: Node, frame: int) -> None:
        source = self.out.expression(node, frame)
        self.out.emit("COPY", dst, source)
        self.out.give(source)

    def _clip(
        self, base: int, number: int, offset: float, mode: str, k: float, own: CompiledSolid, reach: float, depth: float
    ) -> None:
        """max(d, field + offset) for inside, max(d, -(field + offset)) for outside."""
        out = self.out
        join = _JOINS[mode]
        index = out.parts
        out.parts += 1
        room = _FIRST_ORDER * (k + (reach if mode == "keep" else depth)) + abs(offset)
        wide = own.box.grown(min(room, FAR_MM))
        begin = out.emit("PART", base, join, k=out.constants([*_held(wide.low), *_held(wide.high)]), i=index, f=0)
        out.call(number)
        p = out.take()
        out.emit("ADD_CONST", p, out.first_field + 4 * number, k=out.constants([offset]))
        joins = out.constants([k, own.slope, _FIRST_ORDER * reach, _FIRST_ORDER * depth])
        out.emit("JOIN", base, p, join, out.first_field + 4 * number, joins, i=index)
        out.give(p)
        out.code[begin][7] = len(out.code)

    def _canonical(self, box: Box, frame: int) -> Box:
        """Where a box of a frame can lie in the canonical frame, before the warp (which adds its displacement)."""
        key = list(self.out.frames)[frame]
        _, mirror, scale, anchor = key
        low, high = (np.array(anchor) + (corner - np.array(anchor)) * scale for corner in box)
        if mirror == 1:
            low, high = np.array([-high[0], *low[1:]]), np.array([-low[0], *high[1:]])
        elif mirror == 2:
            low = np.array([-high[0], *low[1:]])
        return Box(np.maximum(low, -FAR_MM), np.minimum(high, FAR_MM))


_ANYWHERE = dict.fromkeys(("x", "y", "z"), (-2000.0, 2000.0))


def _held(values: Array) -> Array:
    return np.clip(np.round(values, 6), -FAR_MM, FAR_MM)


def compile_body(body: Body) -> Program:
    """Compile a body. Raises InvalidInput, with file, kind and name, for what cannot be."""
    c = Compiler(body)
    out = c.out
    order = c.order_of_fields()
    for number in order:
        field = body.fields[number]
        out.restart()
        out.entries[number] = len(out.code)
        base = out.first_field + 4 * number
        c.solids[number] = c._blame(field, c.solid, field, base, field.reach_mm, field.reach_mm, -1)
        out.emit("RETURN")
    structures = sorted(body.structures, key=lambda s: s.order)[::-1]  # later ones of equal order lie on top
    table = LayerTable([], [], [])
    above = [None, *(structure.name for structure in structures)]
    boxes = [c._blame(structure, _structure, c, structure, name, table)
             for structure, name in zip(structures, above, strict=False)]  # fmt: skip
    from physsim.body.assemble import assembled

    return assembled(c, structures, boxes, table)


class LayerTable(NamedTuple):
    """Rows of structures (but their boxes) and layers, as Tables describes them."""

    structures: list[list[float]]
    layers: list[list[float]]
    numbers: list[list[float]]


def _structure(c: Compiler, structure: Structure, above: str | None, table: LayerTable) -> CompiledSolid:
    """Compile one structure and its layers; `above`: the one painted before it."""
    body, out = c.body, c.out
    layers = structure.filled()
    name = structure.organ or structure.name
    own = body.organs.index(name) if name in body.organs else 0  # 0 where all of it has other names
    out.restart()
    start, first = len(out.code), len(table.layers)
    if structure.around is not None and above != structure.around:
        raise ValueError(f"around = {structure.around!r}: painted just before it is {above!r}. Mend the orders.")
    depths: list[float] = [0.0]
    nodes: list[Node | None] = [None]
    for layer in layers[1:]:
        if layer.depth_mm == "cortex":
            nodes.append(Node("cortex"))
            depths.append(_cortex_bound(c, structure))
            continue
        node = parse(layer.depth_mm, body.names)
        nodes.append(node)
        depths.append(interval(node, _ANYWHERE, c.noises)[1])
    deepest = min(max(0.0, *depths), FAR_MM)
    found = c.solid(structure, c.quad, 0.0, deepest, own)
    frame = out.frame(structure)
    c.call_fields(*_texts_of_layers(c, structure))  # before the depths, which stay in temporaries
    for layer, depth in zip(layers, nodes, strict=True):
        register, constant = -1, 0.0
        if depth is not None and depth.op == "cortex":
            if not found.cortex:
                raise ValueError('depth_mm = "cortex": no part has a cortex_mm. Give cortex_mm to the parts.')
            register = c.quad + 1
        elif depth is not None and depth.op == "const":
            constant = float(depth.value)
        elif depth is not None:
            register = out.expression(depth, frame)
        organ = body.organs.index(layer.organ) if layer.organ else -1 if found.organ else own
        table.layers.append([body.material_names.index(layer.material), organ, register])
        table.numbers.append([constant])
    out.emit("RETURN")
    out.free = []  # the depths stay while the layers are painted
    for number, layer in enumerate(layers, first):
        _layer_density(c, layer, frame, table.layers[number], table.numbers[number])
    organs, thin = (c.quad + 2 if found.organ else -1), (c.quad + 3 if found.thin else -1)
    around = float(structure.around is not None)
    table.structures.append([start, c.quad, organs, thin, first, len(table.layers), around, deepest])
    return found


def _texts_of_layers(c: Compiler, structure: Structure) -> list[Expression]:
    """Expressions of a structure's layers: depths, densities, textures and fractions."""
    factors = {texture.name: texture.factor for texture in c.body.declared.texture}
    found: list[Expression] = []
    for layer in structure.filled():
        found += [layer.density, *([layer.depth_mm] if layer.depth_mm != "cortex" else [])]
        found += [factors[layer.texture]] if layer.texture is not None else []
        found += [layer.mix.fraction] if layer.mix is not None else []
    return found


def _cortex_bound(c: Compiler, solid: Solid, deep: int = 0) -> float:
    """Upper bound of the cortex (mm) of a solid and of the fields among its parts."""
    most = 0.0
    for part in solid.parts:
        text = part.cortex_mm if part.cortex_mm is not None else solid.cortex_mm
        if text is not None:
            most = max(most, interval(parse(text, c.body.names), _ANYWHERE, c.noises)[1])
        if part.field is not None and deep < 32:
            field = c.body.fields[c.body.field_number(part.field, solid.name)]
            most = max(most, _cortex_bound(c, field, deep + 1))
    return most


def _layer_density(c: Compiler, layer: Layer, frame: int, row: list[float], numbers: list[float]) -> None:
    """Append the density's and the second material's columns."""
    body = c.body
    node = parse(layer.density, body.names)
    if node.op == "const" and not 0 <= node.value <= 7.5:
        raise ValueError(f"density={node.value:g}: relative densities lie from 0 to 7.5. Choose a denser material.")
    if layer.texture is None:
        numbers.append(float(node.value) if node.op == "const" else 1.0)
        row += [-1, -1] if node.op == "const" else _program_of(c, node, frame)
    else:
        factor = next(t.factor for t in body.declared.texture if t.name == layer.texture)
        numbers.append(1.0)
        row += _textured(c, node, parse(factor, body.names), frame)
    if layer.mix is None:
        row += [-1, -1, -1]
        return
    fraction = parse(layer.mix.fraction, body.names)
    row += [body.material_names.index(layer.mix.material), *_program_of(c, fraction, frame)]


def _textured(c: Compiler, density: Node, factor: Node, frame: int) -> list[float]:
    """The little program of a density times a texture: that of the canonical frame, unlike on both sides of a pair."""
    out = c.out
    if density.op == "const":
        return _program_of(c, make("mul", density, factor), 0)
    start = len(out.code)
    out.emit("FRAME", i=frame)
    own = out.expression(density, frame)
    out.emit("FRAME", i=0)
    other, product = out.expression(factor, 0), out.take()
    out.emit("MUL", product, own, other)
    out.emit("RETURN")
    return [start, product]


def _program_of(c: Compiler, node: Node, frame: int) -> list[float]:
    """First instruction and register of a little program for an expression."""
    start = len(c.out.code)
    c.out.emit("FRAME", i=frame)
    register = c.out.expression(node, frame)
    c.out.emit("RETURN")
    return [start, register]
