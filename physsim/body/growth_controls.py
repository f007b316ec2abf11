"""Controls: what of the declared body is made larger or smaller so that an organ meets its mass."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Literal

import pydantic

from physsim.body.declare import Declared, Layer, Maker, Part, Solid, Structure, TubeShape
from physsim.body.growth_fat import DEPTH, stouter
from physsim.body.growth_tissue import with_tissue
from physsim.errors import InvalidInput, message
from physsim.resources import phantoms_path
from physsim.spec.base import Spec
from physsim.spec.grid import Vector

Kind = Literal["scale", "radius", "wall", "bone", "density", "number", "maker", "girth", "fat", "skin", "muscle"]
WHOLE = ("girth", "fat", "skin", "muscle", "bone")  # kinds that change the whole body


class Control(Spec):
    """One number that an organ's mass follows.

    `organ`: a row of ICRP 89; `kind`: "scale" the named fields and structures (patterns) about `anchors`, one for all
    or one a pattern; the "radius" of their tubes with the depth of their layers; the thickness of their "wall" (the
    depth of their layers, and what fields in their parts shrink by); the relative "density" of their layers (lungs); a
    "number" of the body, `solids` naming it; what a "maker" (its name in `solids`) has at `key`; or of the whole body
    (physsim.body.growth_fat, growth_tissue): "girth", "fat" and "skin", the "muscle" in what is muscle and connective
    tissue, and thickness of "bone" and its cortex. `power`: of the control's value that the mass follows, about;
    `effects`: the same for other organs' masses; `limits`: between which the value stays, 1 is as declared.
    """

    organ: str
    kind: Kind
    solids: tuple[str, ...] = ("*",)
    anchors: tuple[Vector, ...] = ()
    key: str = ""
    power: float = 3.0
    effects: dict[str, float] = pydantic.Field(default_factory=dict)
    limits: tuple[float, float] = (0.5, 2.0)
    name: str = ""

    @pydantic.model_validator(mode="after")
    def _anchored(self) -> Control:
        if (self.kind == "maker") != bool(self.key):
            raise ValueError(f"{self.organ}: makers have a key, and nothing else has. Mend key.")
        wanted = (1, len(self.solids)) if self.kind == "scale" else (0,)
        if len(self.anchors) not in wanted:
            raise ValueError(f"{self.organ}: {len(self.anchors)} anchors, where {wanted[-1]} belong. Mend anchors.")
        if not self.name:
            object.__setattr__(self, "name", self.organ)
        return self


@cache
def controls() -> tuple[Control, ...]:
    """Those of phantoms/anatomy/growth/controls.toml."""
    path = phantoms_path() / "anatomy" / "growth" / "controls.toml"
    fields = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(Control.from_dict(one) for one in fields["control"])


def present_controls(declared: Declared) -> tuple[Control, ...]:
    """The controls whose structures a body has."""
    names = [solid.name for solid in (*declared.field, *declared.structure)]
    found = []
    for control in controls():
        if control.kind == "number":
            if control.solids[0] in declared.numbers:
                found.append(control)
        elif control.kind == "maker":
            if any(_of_maker(maker, control) for maker in declared.maker):
                found.append(control)
        elif control.kind in WHOLE:
            if DEPTH in declared.expressions:
                found.append(control)
        elif any(_named(name, control) for name in names):
            found.append(control)
    return tuple(found)


def controlled(declared: Declared, values: Mapping[str, float]) -> Declared:
    """The declarations with controls at these values, by their names (1: as declared; numbers: in place of theirs)."""
    known = {control.name: control for control in controls()}
    for name in values:
        if name not in known:
            raise InvalidInput(message(f"control {name!r}", "no such control", f"Known: {', '.join(known)}."))
    kinds = {known[name].kind: value for name, value in values.items() if known[name].kind in WHOLE}
    used = [
        (known[name], value) for name, value in values.items()
        if known[name].kind not in ("number", "maker", *WHOLE) and value != 1.0
    ]  # fmt: skip
    changes: dict[str, Any] = {}
    for kind in ("field", "structure"):
        solids: list[Solid] = list(getattr(declared, kind))
        for place, solid in enumerate(solids):
            for control, value in used:
                if _named(solid.name, control) and (kind == "structure" or control.kind not in ("wall", "density")):
                    solids[place] = _changed(solids[place], control, value)
        changes[kind] = tuple(solids)
    makers = list(declared.maker)
    for name, value in values.items():
        if known[name].kind == "maker" and value != 1.0:
            makers = [_remade(one, known[name], value) if _of_maker(one, known[name]) else one for one in makers]
    numbers = {known[name].solids[0]: value for name, value in values.items() if known[name].kind == "number"}
    made = declared.replace(**changes, maker=tuple(makers), numbers={**declared.numbers, **numbers})
    made = stouter(made, _offset(kinds.get("girth", 1.0)), _offset(kinds.get("fat", 1.0)))
    return with_tissue(made, kinds.get("skin", 1.0), kinds.get("muscle", 1.0), kinds.get("bone", 1.0))


def _of_maker(maker: Maker, control: Control) -> bool:
    return (maker.model_extra or {}).get("name") == control.solids[0]


def _remade(maker: Maker, control: Control, value: float) -> Maker:
    """The maker with the number at the control's key (names and places in lists, by dots) times a factor."""
    table = copy.deepcopy({"kind": maker.kind, "when": maker.when, **(maker.model_extra or {})})
    *way, last = (int(one) if one.isdigit() else one for one in control.key.split("."))
    at: Any = table
    for step in way:
        at = at[step]
    at[last] = float(f"{at[last] * value:.9g}")
    return Maker(**table)


def _offset(value: float) -> float:
    return float(f"{value - 1.0:.9g}")


def _named(name: str, control: Control) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in control.solids)


def _changed(solid: Solid, control: Control, value: float) -> Solid:
    factor = float(f"{value:.9g}")
    if control.kind == "scale":
        which = next(n for n, pattern in enumerate(control.solids) if fnmatchcase(solid.name, pattern))
        anchor = control.anchors[which if len(control.anchors) > 1 else 0]
        return solid.replace(scale=_times(solid.scale, factor), anchor=solid.anchor or anchor)
    if control.kind == "radius":
        solid = solid.replace(parts=tuple(_thicker(part, factor) for part in solid.parts))
        if isinstance(solid, Structure) and solid.layers:
            solid = solid.replace(layers=tuple(_deeper(one, factor) for one in solid.layers))
        return solid
    assert isinstance(solid, Structure)
    if control.kind == "density":
        if not solid.layers:
            return solid.replace(density=_times(solid.density, factor))
        layers = tuple(one.replace(density=_times(one.density, factor)) for one in solid.layers)
        return solid.replace(layers=layers)
    layers = tuple(_deeper(one, factor) for one in solid.layers)
    shrunk = tuple(
        part if part.field is None else part.replace(grow_mm=_times(part.grow_mm, factor)) for part in solid.parts
    )
    return solid.replace(layers=layers, parts=shrunk)


def _deeper(layer: Layer, factor: float) -> Layer:
    return layer if layer.depth_mm in (0, "cortex") else layer.replace(depth_mm=_times(layer.depth_mm, factor))


def _thicker(part: Part, factor: float) -> Part:
    if part.tube is None:
        return part
    tube: TubeShape = part.tube
    if tube.radii is not None:
        radii = tuple((_times(a, factor), _times(b, factor)) for a, b in tube.radii)
        return part.replace(tube=tube.replace(radii=radii))
    assert tube.radius is not None
    if isinstance(tube.radius, tuple):
        return part.replace(tube=tube.replace(radius=tuple(_times(one, factor) for one in tube.radius)))
    return part.replace(tube=tube.replace(radius=_times(tube.radius, factor)))


def _times(value: float | str, factor: float) -> float | str:
    """A declared value times a factor."""
    return value * factor if isinstance(value, (int, float)) else f"({value}) * {factor!r}"
