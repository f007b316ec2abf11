"""Tissues of the whole body: thickness of the skin and of bones, and how much of the muscles is connective tissue."""

from __future__ import annotations

from physsim.body.declare import Declared, Field, Layer, Maker, Mix, Part, Structure
from physsim.body.growth_makers import with_makers

CONNECTIVE = "connective_woodard_ligament"  # tendons and fasciae in the bellies
FASCIAE = "fasciae_mm"  # the number of fasciae.toml
_FASCIAE_MM = 12.5  # half thickness of the sheets in mm over the share of the volume that they fill
_BONE_MM = 4.0  # bones grow outward by this times (value - 1)
_DIGITS = 9


def with_tissue(declared: Declared, skin: float = 1.0, muscle: float = 1.0, bone: float = 1.0) -> Declared:
    """The body with its skin `skin` times as thick, a share 1 - `muscle` of its muscles connective, and thicker bones.

    `bone`: cortices that many times as thick, and surfaces moved outward by 4 mm (bone - 1), the head's apart: its
    sutures, sinuses and teeth leave no room. Where muscles hold a second tissue already (marbling), fasciae run through
    them instead (fasciae.toml).
    """
    if (skin, muscle, bone) == (1.0, 1.0, 1.0):
        return declared

    def changed(one: Structure) -> Structure:
        structure = one
        layers = structure.filled()
        if skin != 1.0 and layers[0].material == "skin" and len(layers) > 1:
            structure = _thicker_skin(structure, skin)
        if muscle < 1.0 and any(layer.material == "muscle" and layer.mix is None for layer in layers):
            structure = _sinewy(structure, 1.0 - muscle)
        return _thicker_bone(structure, bone) if bone != 1.0 and _is_bone(structure) else structure

    declared = with_makers(declared, None, changed)
    if bone != 1.0:
        used = {part.field for one in declared.structure for part in one.parts if part.field and _is_bone(one)}
        fields = tuple(_thicker_cortex(one, bone) if one.name in used else one for one in declared.field)
        makers = tuple(_thicker_maker(one, bone) for one in declared.maker)
        declared = declared.replace(field=fields, maker=makers)
    numbers = dict(declared.numbers)
    if FASCIAE in numbers:
        numbers[FASCIAE] = round(_FASCIAE_MM * max(1.0 - muscle, 0.0), 4)
    return declared.replace(numbers=numbers)


def _thicker_skin(structure: Structure, factor: float) -> Structure:
    """The second layer begins deeper by the factor, those below it by as much."""
    first, second, *rest = structure.filled()
    if not isinstance(second.depth_mm, (int, float)):
        return structure
    deeper = round(second.depth_mm * (factor - 1.0), _DIGITS)
    layers = [first, second.replace(depth_mm=round(second.depth_mm + deeper, _DIGITS))]
    layers += [one.replace(depth_mm=_plus(one.depth_mm, deeper)) for one in rest]
    return structure.replace(layers=tuple(layers))


def _sinewy(structure: Structure, share: float) -> Structure:
    mix = Mix(material=CONNECTIVE, fraction=round(share, _DIGITS))

    def sinewy(layer: Layer) -> Layer:
        return layer.replace(mix=mix) if layer.material == "muscle" and layer.mix is None else layer

    layers = tuple(sinewy(layer) for layer in structure.filled())
    return structure.replace(material=None, density=1.0, texture=None, layers=layers)


def _is_bone(structure: Structure) -> bool:
    return structure.filled()[0].material.startswith("bone_cortical") and not _of_the_head(structure)


def _thicker_bone(structure: Structure, factor: float) -> Structure:
    return structure.replace(
        parts=tuple(_grown(part, factor) for part in structure.parts), cortex_mm=_times(structure.cortex_mm, factor)
    )


def _grown(part: Part, factor: float) -> Part:
    if part.op != "add":
        return part
    more = round(_BONE_MM * (factor - 1.0), _DIGITS)
    return part.replace(grow_mm=_plus(part.grow_mm, more), cortex_mm=_times(part.cortex_mm, factor))


def _thicker_maker(maker: Maker, factor: float) -> Maker:
    """Spine and ribs name one cortex for all of their bones."""
    table = dict(maker.model_extra or {})
    if maker.kind not in ("spine", "ribs"):
        return maker
    table["cortex_mm"] = round(table["cortex_mm"] * factor, _DIGITS)
    return Maker(kind=maker.kind, when=maker.when, **table)


def _thicker_cortex(field: Field, factor: float) -> Field:
    parts = tuple(part.replace(cortex_mm=_times(part.cortex_mm, factor)) for part in field.parts)
    return field.replace(parts=parts, cortex_mm=_times(field.cortex_mm, factor))


def _of_the_head(structure: Structure) -> bool:
    """Bones of the head and neck: painted at orders of their own (phantoms/anatomy/head*.toml)."""
    return 59.0 <= structure.order < 70.0


def _plus(value: float | str, more: float) -> float | str:
    return round(value + more, _DIGITS) if isinstance(value, (int, float)) else f"({value}) + {more!r}"


def _times(value: float | str | None, factor: float) -> float | str | None:
    if value is None:
        return None
    return round(value * factor, _DIGITS) if isinstance(value, (int, float)) else f"({value}) * {factor!r}"
