"""A scene: shapes painted one over another in a box; ray-traced exactly, or voxelised."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pydantic

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.phantom.pieces import FAR_MM
from physsim.phantom.shapes import (
    Box,
    Cone,
    Cylinder,
    Ellipsoid,
    HalfSpace,
    Polyhedron,
    Prism,
    Shape,
    Sphere,
    Vector,
)
from physsim.phantom.swept import Branches, Capsule, Loft, Ribbon, Tube
from physsim.spec.base import Spec
from physsim.spec.material import Material, material

if TYPE_CHECKING:
    from physsim.phantom.compiled import CompiledScene

_KINDS: tuple[type[Shape], ...] = (
    Sphere,
    Ellipsoid,
    Box,
    Cylinder,
    Cone,
    Prism,
    HalfSpace,
    Polyhedron,
    Capsule,
    Tube,
    Branches,
    Ribbon,
    Loft,
)
KINDS: dict[str, type[Shape]] = {kind.model_fields["kind"].default: kind for kind in _KINDS}
BACKGROUND = "background"


def shape_from(fields: Any) -> Shape:
    """A shape from plain data with its `kind`; shapes pass through."""
    if isinstance(fields, Shape):
        return fields
    if not isinstance(fields, dict) or fields.get("kind") not in KINDS:
        kind = fields.get("kind") if isinstance(fields, dict) else fields
        raise InvalidInput(message(f"kind={kind!r}", "no such shape", did_you_mean(str(kind), KINDS)))
    return KINDS[fields["kind"]](**fields)


AnyShape = Annotated[Shape, pydantic.BeforeValidator(shape_from), pydantic.SerializeAsAny()]


class Scene(Spec):
    """Shapes in painting order: later ones lie over earlier ones.

    `background`: material that fills the box, or None for vacuum; `materials`: the scene's own, by name, before the
    tissue library's; `box_mm`: low and high corner (x, y, z) of the world drawn, default the bounds of all shapes;
    `spacing_mm`: voxels when none are asked for. Lengths in mm, LPS.

    >>> import physsim as ps
    >>> ps.scene("water_20cm").organs()
    ('water',)
    """

    name: str
    title: str = ""
    source: str = ""
    background: str | None = None
    box_mm: tuple[Vector, Vector] | None = None
    spacing_mm: Vector = (1.0, 1.0, 1.0)
    materials: dict[str, Material] = pydantic.Field(default_factory=dict)
    shapes: tuple[AnyShape, ...]

    @pydantic.field_validator("spacing_mm", mode="before")
    @classmethod
    def _one_number_is_three(cls, value: object) -> object:
        return (value, value, value) if isinstance(value, (int, float)) else value

    @pydantic.field_validator("materials", mode="before")
    @classmethod
    def _named_by_key(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: {"name": key, **fields} if isinstance(fields, dict) else fields for key, fields in value.items()}

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Scene:
        known = {BACKGROUND, *(shape.counted_as for shape in self.shapes)}
        for shape in self.shapes:
            for organ in shape.over:
                if organ not in known:
                    raise ValueError(
                        message(
                            f"{shape.name}: over={organ!r}",
                            "no shape of this scene has that organ",
                            did_you_mean(organ, known),
                        )
                    )
            self.material_named(shape.material)
        if self.background is not None:
            self.material_named(self.background)
        low, high = self.bounds_mm()
        if not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(
                message(
                    f"box_mm from {low} to {high}",
                    "the box has no volume",
                    "Give box_mm as [low, high] corners with low < high along x, y and z.",
                )
            )
        if max(map(abs, (*low, *high))) >= FAR_MM:
            raise ValueError(message("box_mm", "a half-space has no bounds of its own", "Give box_mm = [low, high]."))
        return self

    def material_named(self, name: str) -> Material:
        """The scene's own material of that name, or the library's."""
        return self.materials[name] if name in self.materials else material(name)

    def bounds_mm(self) -> tuple[Vector, Vector]:
        """Low and high corner of the box (mm)."""
        if self.box_mm is not None:
            return self.box_mm
        if not self.shapes:
            raise ValueError(message("shapes=()", "an empty scene has no bounds", "Give shapes or box_mm."))
        pieces = [piece for shape in self.shapes for piece in shape.pieces()]
        low = np.min([piece.low for piece in pieces], axis=0)
        high = np.max([piece.high for piece in pieces], axis=0)
        return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))

    @cached_property
    def compiled(self) -> CompiledScene:
        """The scene as flat tables, made once."""
        from physsim.phantom.compiled import CompiledScene

        return CompiledScene.of(self)

    def organs(self) -> tuple[str, ...]:
        """Names that truth counts, in painting order, the background not among them."""
        return tuple(dict.fromkeys(shape.counted_as for shape in self.shapes))

    def with_shapes(self, *shapes: Shape) -> Scene:
        """The scene with shapes painted last."""
        return self.replace(shapes=(*self.shapes, *shapes), box_mm=self.bounds_mm())
