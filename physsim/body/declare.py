"""The grammar of the body: what a TOML file under phantoms/anatomy may say, checked as it is read.

Lengths in mm in the canonical frame (LPS: +x left, +y posterior, +z head). A `Value` is a number or an expression of
the body's numbers ("dome_z - 4"); an `Expression` may also use x, y, z, tables, noises, fields: docs/design/anatomy.md.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import pydantic

from physsim.body.place import placed
from physsim.body.side import Side
from physsim.errors import FileFormatError, InvalidInput, did_you_mean, message
from physsim.spec.base import Spec

Value = float | str
Expression = float | str
Point = tuple[Value, Value, Value]
SHAPES = (
    "ellipsoid", "tube", "branches", "loft", "plane", "height", "implicit", "distance", "plate", "surface", "field",
)  # fmt: skip


class EllipsoidShape(Spec):
    """Ellipsoid, or superellipsoid |x/a|^n + |y/b|^n + |z/c|^n <= 1; `turn_deg` about x, then y, then z."""

    centre: Point
    semi: Point
    turn_deg: Point = (0.0, 0.0, 0.0)
    n: Value = 2.0


class TubeShape(Spec):
    """A tube along a curve: round (`radius` one number, or one a point) or elliptic (`radii` [along normal, across]).

    `smooth`: a cubic spline through the points, else straight pieces; ends are round. `normal`: one, or one a point.
    """

    points: tuple[Point, ...] = pydantic.Field(min_length=2)
    radius: Value | tuple[Value, ...] | None = None
    radii: tuple[tuple[Value, Value], ...] | None = None
    normal: Point | tuple[Point, ...] | None = None
    smooth: bool = True
    step_mm: float = pydantic.Field(3.0, gt=0)

    @pydantic.model_validator(mode="after")
    def _as_many(self) -> TubeShape:
        count = len(self.points)
        if (self.radius is None) == (self.radii is None):
            raise ValueError("a tube is round or elliptic. Give one of radius and radii.")
        if isinstance(self.radius, tuple) and len(self.radius) != count:
            raise ValueError(f"{len(self.radius)} radii for {count} points. Give one radius, or one a point.")
        if self.radii is not None and len(self.radii) not in (1, count):
            raise ValueError(f"{len(self.radii)} pairs of radii for {count} points. Give one pair, or one a point.")
        if self.radii is not None and self.normal is None:
            raise ValueError("an elliptic tube needs the direction of its first radius. Give normal = [x, y, z].")
        if self.normal is not None and isinstance(self.normal[0], tuple) and len(self.normal) != count:
            raise ValueError(f"{len(self.normal)} normals for {count} points. Give one normal, or one a point.")
        return self


class LoftShape(Spec):
    """Horizontal superelliptic outlines joined by a shape-keeping cubic in z.

    `sections`: rows (z, half width, y front, y back, exponent front, exponent back), z increasing. `notch`: rows
    (z, depth): the back is drawn in by depth exp(-(x / notch_width_mm)^2). `cap_blend_mm`: rounding of the flat ends.
    """

    sections: tuple[tuple[Value, Value, Value, Value, Value, Value], ...] = pydantic.Field(min_length=2)
    centre_x: Value = 0.0
    notch: tuple[tuple[Value, Value], ...] = ()
    notch_width_mm: Value = 40.0
    cap_blend_mm: Value = 0.0


class PlaneShape(Spec):
    """The half-space behind a plane: solid on the side that `normal` points away from."""

    point: Point
    normal: Point


class PlateShape(Spec):
    """A flat plate: a polygon in one plane, `thickness` mm thick, its edge rounded by `rounding_mm`."""

    polygon: tuple[Point, ...] = pydantic.Field(min_length=3)
    thickness: Value
    rounding_mm: Value = 0.0


class SurfaceShape(Spec):
    """A curved sheet: a cubic spline through rows of points (each row equally many), `thickness` one or one a point."""

    rows: tuple[tuple[Point, ...], ...] = pydantic.Field(min_length=2)
    thickness: Value | tuple[tuple[Value, ...], ...]
    step_mm: float = pydantic.Field(6.0, gt=0)

    @pydantic.model_validator(mode="after")
    def _rectangular(self) -> SurfaceShape:
        counts = {len(row) for row in self.rows}
        if len(counts) != 1 or min(counts) < 2:
            raise ValueError(f"rows of {sorted(counts)} points: give rows with equally many points, two or more.")
        if isinstance(self.thickness, tuple) and [len(t) for t in self.thickness] != [len(row) for row in self.rows]:
            raise ValueError("thickness has another shape than rows. Give one number, or one a point.")
        return self


class Part(Spec):
    """One shape and how it joins what stands before it.

    `op`: add (smooth union), subtract, or keep (intersection), with radius `blend_mm`. `grow_mm` moves the surface
    outward. `cortex_mm` and `organ` go with the surface: blended, or that of the nearest part. `bounds` (low and high
    corner) says where a part of expressions can be; `lipschitz` how fast its distance changes at most, per mm. `when`:
    left out where this expression of the body's numbers is 0.
    """

    op: Literal["add", "subtract", "keep"] = "add"
    ellipsoid: EllipsoidShape | None = None
    tube: TubeShape | None = None
    branches: tuple[tuple[float, float, float, float, float, float, float, float], ...] | None = None
    loft: LoftShape | None = None
    plane: PlaneShape | None = None
    height: str | None = None
    implicit: str | None = None
    distance: str | None = None
    plate: PlateShape | None = None
    surface: SurfaceShape | None = None
    field: str | None = None
    grow_mm: Expression = 0.0
    blend_mm: Value | None = None
    cortex_mm: Expression | None = None
    organ: str | None = None
    bounds: tuple[Point, Point] | None = None
    lipschitz: float | None = pydantic.Field(None, gt=0)
    when: Value = 1.0

    @pydantic.model_validator(mode="after")
    def _one_shape(self) -> Part:
        given = [kind for kind in SHAPES if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"a part is ONE shape, this has {given or 'none'}. Give one of {', '.join(SHAPES)}.")
        return self

    @property
    def kind(self) -> str:
        """Which of SHAPES it is."""
        return next(kind for kind in SHAPES if getattr(self, kind) is not None)


class Mix(Spec):
    """A second material in a layer, in a share (0 to 1) of its volume."""

    material: str
    fraction: Expression


class Layer(Spec):
    """What fills a structure from `depth_mm` under its surface down to the next layer.

    `depth_mm`: a number, an expression, or "cortex" for the parts' cortex_mm. `density`: relative to the material's
    own, a number or an expression; `texture`: name of a [[texture]] that multiplies it. `organ`: its name in the truth.
    """

    depth_mm: Expression = 0.0
    material: str
    density: Expression = 1.0
    texture: str | None = None
    mix: Mix | None = None
    organ: str | None = None


class Solid(Spec):
    """What fields and structures have in common: parts, clips, a frame.

    `when`: left out of the body where this expression of its numbers ("female", "1 - female", "age > 12") is 0.
    """

    name: str
    when: Value = 1.0
    parts: tuple[Part, ...] = pydantic.Field(min_length=1)
    blend_mm: Value = 0.0
    cortex_mm: Expression | None = None
    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    clip_blend_mm: Value = 0.0
    warp: str | None = None
    pair: bool = False
    mirror: bool = False
    scale: Value = 1.0
    anchor: Point | None = None
    note: str = ""

    @pydantic.model_validator(mode="after")
    def _first_adds(self) -> Solid:
        if self.parts[0].op != "add":
            raise ValueError(f"{self.name}: the first part is {self.parts[0].op!r}, of nothing. Begin with an add.")
        if self.pair and self.mirror:
            raise ValueError(f"{self.name}: pair makes two, mirror one of both sides. Give one of them.")
        return self


class Field(Solid):
    """A named distance: painted nowhere, used by others as a part, a clip or in expressions.

    `reach_mm`: how far from its surface its value must be right (beyond it, it is only known to be farther).
    """

    reach_mm: float = pydantic.Field(20.0, ge=0)


class Structure(Solid):
    """Something painted: `material` (or layers) in the volume that its parts leave, over all of lower `order`.

    `organ`: its name in the truth (default: its own). `around`: the structure just above it in order that it encloses,
    as a wall its lumen: voxels that both surfaces cross hold what lies between them. A pair is declared on the left and
    gives "left NAME", "right NAME"; in a pair's strings {side} stands for the side.
    """

    material: str | None = None
    order: float
    organ: str | None = None
    around: str | None = None
    density: Expression = 1.0
    texture: str | None = None
    layers: tuple[Layer, ...] = ()

    @pydantic.model_validator(mode="after")
    def _filled(self) -> Structure:
        if (self.material is None) == (not self.layers):
            raise ValueError(f"{self.name}: a structure has one material or layers. Give one of them.")
        if self.layers and (self.texture is not None or self.density != 1.0):
            raise ValueError(f"{self.name}: texture and density belong into each of the layers.")
        if self.layers and self.layers[0].depth_mm not in (0, "0"):
            raise ValueError(f"{self.name}: the first layer begins at the surface. Give depth_mm = 0.")
        return self

    def filled(self) -> tuple[Layer, ...]:
        """The layers, one of them when a plain material was given."""
        if self.layers:
            return self.layers
        assert self.material is not None
        return (Layer(material=self.material, density=self.density, texture=self.texture),)


class Noise(Spec):
    """A random field of mean 0 and given rms; power spectrum falling as wavenumber^-beta between two wavelengths."""

    name: str
    wavelengths_mm: tuple[float, float]
    beta: float = 3.0
    rms: float = pydantic.Field(1.0, ge=0)

    @pydantic.field_validator("wavelengths_mm")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("wavelengths run from the shortest to the longest, above 0. Give for example [25, 120].")
        return value


class Texture(Spec):
    """A factor of the density with mean 1, an expression."""

    name: str
    factor: Expression


class Warp(Spec):
    """A smooth displacement in mm: a structure at p is looked up at p + (x, y, z). Tabulated every `step_mm`."""

    name: str
    x: Expression = 0.0
    y: Expression = 0.0
    z: Expression = 0.0
    step_mm: float = pydantic.Field(6.0, gt=0)


class Maker(Spec):
    """A generator in Python that turns its table into fields and structures (physsim/body/makers.py)."""

    model_config = pydantic.ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    kind: str
    when: Value = 1.0


class Declared(Spec):
    """One TOML file of the body, or several merged.

    `whole_organs`: labels are mended to phantoms/anatomy/topology.toml where the voxels made organs crumble
    (physsim/body/mend.py).
    """

    title: str = ""
    source: str = ""
    include: tuple[str, ...] = ()
    background: str = "air"
    whole_organs: bool = False
    numbers: dict[str, Value] = pydantic.Field(default_factory=dict)
    tables: dict[str, tuple[tuple[Value, Value], ...]] = pydantic.Field(default_factory=dict)
    expressions: dict[str, str] = pydantic.Field(default_factory=dict)
    noise: tuple[Noise, ...] = ()
    texture: tuple[Texture, ...] = ()
    warp: tuple[Warp, ...] = ()
    field: tuple[Field, ...] = ()
    structure: tuple[Structure, ...] = ()
    maker: tuple[Maker, ...] = ()
    side: tuple[Side, ...] = ()

    def merged(self, other: Declared) -> Declared:
        """Both; a name that both declare is an error, but the second's numbers replace the first's.

        Fields and structures may share a name with another `when` (a man's and a woman's): a body has one of them.
        """
        for kind in ("noise", "texture", "warp", "field", "structure", "side"):
            own = {(entry.name, getattr(entry, "when", None)) for entry in getattr(self, kind)}
            for entry in getattr(other, kind):
                if (entry.name, getattr(entry, "when", None)) in own:
                    raise InvalidInput(
                        message(f"{kind} {entry.name!r}", "is declared twice", "Rename or remove one of them.")
                    )
        both = {kind: (*getattr(self, kind), *getattr(other, kind)) for kind in _LISTS}
        return self.replace(
            numbers={**self.numbers, **other.numbers}, tables={**self.tables, **other.tables},
            expressions={**self.expressions, **other.expressions}, **both,
        )  # fmt: skip


_LISTS = ("noise", "texture", "warp", "field", "structure", "maker", "side")
_NAMED = {"noise": Noise, "texture": Texture, "warp": Warp, "field": Field, "structure": Structure, "maker": Maker,
          "side": Side}  # fmt: skip


def declared_from(fields: dict[str, Any], where: str) -> Declared:
    """Plain data as declarations; errors name the file, the kind and the name of what is wrong."""
    fields = dict(fields)
    fields.pop("schema_version", None)
    for key in fields:
        if key not in Declared.model_fields:
            raise InvalidInput(message(f"{where}: {key}", "no such key", did_you_mean(key, Declared.model_fields)))
    for kind, spec in _NAMED.items():
        entries = []
        for number, entry in enumerate(fields.get(kind, ())):
            if isinstance(entry, spec):
                entries.append(entry)
                continue
            name = entry.get("name", entry.get("kind", number)) if isinstance(entry, dict) else number
            try:
                entries.append(spec(**entry))
            except InvalidInput as error:
                raise InvalidInput(f"{where}: {kind} {name!r}: {error}") from None
            except TypeError:
                raise InvalidInput(
                    message(f"{where}: {kind} {name!r}", "is not a table", f"Write [[{kind}]] and its keys below it.")
                ) from None
        fields[kind] = tuple(entries)
    try:
        return Declared(**fields)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from None


def read_declared(path: Path) -> Declared:
    """A TOML file and those it includes (paths beside it), merged."""
    if not path.is_file():
        known = [other.name for other in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        raise InvalidInput(message(str(path), "no such file", did_you_mean(path.name, known)))
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(message(str(path), str(error), "Mend the TOML text.")) from None
    own = declared_from(placed(fields, path.name), path.name)
    whole = Declared(
        title=own.title, source=own.source, background=own.background, whole_organs=own.whole_organs
    )
    for name in own.include:
        whole = whole.merged(read_declared(path.parent / name))
    return whole.merged(own)
