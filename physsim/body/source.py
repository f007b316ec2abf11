"""A phantom by what a spec or a command line says of it: a scene, a file, or a patient."""

from __future__ import annotations

import inspect
from typing import Any

from physsim.body.patient import Patient, anatomy
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.phantom.phantom import Phantom
from physsim.phantom.source import phantom_from
from physsim.spec.run import PhantomSource

ADULT = {"age": 45.0}  # who is taken where nobody is named
_SHORT = {"height": "height_cm", "weight": "weight_kg"}


def body_from(source: PhantomSource, state: dict[str, Any] | None = None) -> Patient | Phantom:
    """The patient, or the phantom, that `source` names; `state`: posture, arms, respiration of a patient without.

    Raises InvalidInput as anatomy, voxelise and load_phantom do.
    """
    if source.patient is None:
        return phantom_from(source)
    fields: dict[str, Any] = {**(state or {}), **source.patient}
    if "seed" in fields:
        fields["seed"] = int(fields["seed"])
    return anatomy(**fields)


def whole_phantom(source: PhantomSource) -> Phantom:
    """The same as voxels; a patient from head to foot, at `spacing_mm` or 2 mm."""
    body = body_from(source)
    if not isinstance(body, Patient):
        return body
    return body.phantom(source.spacing_mm or 2.0, vanishing="warn" if source.spacing_mm else "keep")


def patient_fields(text: str) -> dict[str, str | float | bool]:
    """What a command line says of a patient: "sex=F age=54 height=165" as parameters of anatomy.

    Raises InvalidInput for words that are not NAME=VALUE and names that no patient has.

    >>> patient_fields("sex=F age=54 height=165")
    {'sex': 'F', 'age': 54.0, 'height_cm': 165.0}
    """
    known = [*(name for name in inspect.signature(anatomy).parameters if name != "others"), *Patient.model_fields]
    found: dict[str, str | float | bool] = {}
    for word in text.replace(",", " ").split():
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if not equals or not value:
            raise InvalidInput(message(f"patient {word!r}", "a patient is told by NAME=VALUE",
                                       'Give for example "sex=F age=54 height=165 weight=70".'))
        if name not in known:
            raise InvalidInput(message(f"patient {word!r}", "no patient has that parameter",
                                       did_you_mean(name, [*known, *_SHORT])))
        found[name] = _value(value)
    return found


def _value(text: str) -> str | float | bool:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text
