"""Changing a protocol by the plain names of its fields, wherever in it they live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.spec.absorber import IdealAbsorber, layer_fields
from physsim.spec.base import Spec
from physsim.spec.breast_positioning import BreastPositioning
from physsim.spec.detector import Detector
from physsim.spec.exposure_control import UNITS, ExposureControl
from physsim.spec.reconstruction import Reconstruction
from physsim.spec.rotation import Rotation
from physsim.spec.spectrum import Spectrum

if TYPE_CHECKING:
    from physsim.spec.protocol import Protocol

_BEAMS = ("kvp", "energy_kev", "table")
_TUBE_ONLY = ("target", "anode_angle_deg", "bin_kev")


def changed(protocol: Protocol, changes: dict[str, Any]) -> Protocol:
    """`protocol` with `changes` by field name; see Protocol.changed."""
    from physsim.spec.protocol import PLACED, Positioning

    own = dict.fromkeys(type(protocol).model_fields)
    placed: dict[str, type[Spec]] = {"positioning": Positioning, "breast": BreastPositioning, "rotation": Rotation}
    there = {part: spec for part, spec in placed.items() if getattr(protocol, part) is not None}
    if "rotation" in there:
        there["reconstruction"] = Reconstruction
    parts: dict[str, type[Spec]] = {"spectrum": Spectrum, "detector": Detector, **(there or placed),
                                    "exposure_control": ExposureControl}
    absorber = layer_fields()
    known = [*own, *(name for part in parts.values() for name in part.model_fields), *absorber]
    for name in changes:
        if name not in known:
            raise InvalidInput(message(f"protocol {protocol.name}: {name}", "no such parameter",
                                       did_you_mean(name, known)))
    fields: dict[str, Any] = {name: value for name, value in changes.items() if name in own}
    for part, spec in parts.items():
        inner = {name: value for name, value in changes.items() if name in spec.model_fields and name not in own}
        if part == "detector":
            inner |= _absorber(protocol, {name: changes[name] for name in absorber if name in changes}, inner)
        if not inner:
            continue
        current = getattr(protocol, part)
        target = {name: inner[name] for name in UNITS if name in inner}
        if current is None and target:
            current = ExposureControl(**target)
        elif target:
            inner = {**dict.fromkeys(UNITS), **inner}
        if part in changes or current is None:
            why = f"{part} is given as a whole beside it" if part in changes else f"this protocol has no {part}"
            raise InvalidInput(message(f"{next(iter(inner))}={next(iter(inner.values()))!r}", why,
                                       f"Give it inside {part}."))
        fields[part] = _detector(current, inner) if part == "detector" else \
            _beam(current, inner) if part == "spectrum" else current.replace(**inner)
    placing = [name for name in PLACED if fields.get(name)]
    for name in PLACED if placing else ():  # the new one takes the other's place
        fields.setdefault(name, () if name == "poses" else None)
    if fields.get("rotation", protocol.rotation) is None:
        fields.setdefault("reconstruction", None)
    if fields.get("breast") is not None and "cathode" not in fields:
        fields["cathode"] = None  # the chest wall's side
    for one, other in (("mas", "exposure_control"), ("exposure_control", "mas")):
        if fields.get(one) is not None and other not in fields:
            fields[other] = None
    if "spectrum" in fields and "cathode" not in fields and not _has_axis(fields["spectrum"]):
        fields["cathode"] = None
    return protocol.replace(**fields)


def _detector(detector: Detector, inner: dict[str, Any]) -> Detector:
    if "pixel_mm" in inner and not {"rows", "columns"} & set(inner):
        detector = detector.with_pixels(inner["pixel_mm"])
    return detector.replace(**inner)


def _beam(spectrum: Spectrum, inner: dict[str, Any]) -> Spectrum:
    """Another kind of source takes the place of the one before, and the tube's fields with it."""
    if any(inner.get(name) is not None for name in ("energy_kev", "table")):
        inner = {**dict.fromkeys((*_BEAMS, *_TUBE_ONLY)), **inner}
    elif "target" in inner and "anode_angle_deg" not in inner:
        inner = {"anode_angle_deg": None, **inner}
    return spectrum.replace(**inner)


def _absorber(protocol: Protocol, wanted: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    if not wanted:
        return {}
    name, value = next(iter(wanted.items()))
    if "absorber" in inner:
        raise InvalidInput(message(f"{name}={value!r}", "absorber is given as a whole beside it",
                                   "Give it inside absorber."))
    layer = protocol.detector.absorber
    if isinstance(layer, IdealAbsorber):
        raise InvalidInput(message(f"{name}={value!r}", "it has no effect: an ideal absorber has no layer",
                                   "Leave it out, or give absorber=Scintillator(...)."))
    return {"absorber": layer.replace(**wanted)}


def _has_axis(spectrum: Any) -> bool:
    return isinstance(spectrum, Spectrum) and (spectrum.has_heel or spectrum.bowtie is not None)
