"""The controls of any patient: organs from the table of reference bodies, skin and fat fitted to their own weight."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physsim.body.declare import Declared
from physsim.body.growth import GrowthMap
from physsim.body.growth_controls import WHOLE, present_controls
from physsim.body.growth_table import values_at
from physsim.body.growth_tissues import fitted_tissues, foreseen
from physsim.body.reference_masses import reference_size, target_mass_g
from physsim.io.kept import digest_of_files, kept_numbers
from physsim.resources import phantoms_path

if TYPE_CHECKING:
    from physsim.body.patient import Patient

_CLOSE = 0.004  # relative: so near to what the table's body has, nothing needs to be fitted
_KEPT = 64
# What a fit does not hang on: it is of the healthy body at rest, with the shapes of seed 0.
_SAME_FIT: dict[str, Any] = {"lesions": (), "sampling_weight": 1.0, "seed": 0, "respiration": 1.0, "cardiac": 0.0}
_fitted: OrderedDict[str, dict[str, float]] = OrderedDict()


def controls_of(
    patient: Patient, declared: Declared, space: GrowthMap, numbers: Mapping[str, float]
) -> dict[str, float]:
    """Controls by name: a pure function of the patient and the body's files.

    Organs are those of the reference bodies of that age, their masses following the body's size; factors of
    `organ_scale` act through the controls' powers. Girth, fat, skin and muscle are found by a few coarse bodies unless
    the weight is what the table's body would have at that height; what was found is kept (physsim.io.kept).

    Neglects: organs of bodies between the references are not measured again: within about 3 % of their targets.
    """
    present = present_controls(declared)
    table = values_at(patient.sex, patient.age_years)
    values = {one.name: table[one.name] for one in present if one.name in table}
    for one in present:
        if one.organ in patient.organ_scale and one.name in values:
            value = values[one.name] * patient.organ_scale[one.organ] ** (1.0 / one.power)
            values[one.name] = min(max(value, one.limits[0]), one.limits[1])
    tissues = [one for one in present if one.kind in WHOLE and one.name in values]
    if not tissues or all(_meets(one.organ, patient) for one in tissues):
        return values
    same = patient.replace(**_SAME_FIT)
    key = f"{same.to_json()} {sorted(numbers.items())}"
    if key not in _fitted:

        def fit() -> dict[str, float]:
            own = {one.organ: _own_and_reference(one.organ, same) for one in tissues}
            weight = own["total_body"][1]
            missing = {organ: (wanted - there) / weight for organ, (wanted, there) in own.items()}
            guess = {**values, **foreseen(same, tissues, values, missing)}
            return fitted_tissues(same, declared, space, numbers, guess, tissues)

        _fitted[key] = kept_numbers("tissues", f"{_build()} {key}", fit)
        while len(_fitted) > _KEPT:
            _fitted.popitem(last=False)
    return {**values, **_fitted[key]}


def _build() -> str:
    """What fits hang on beside the patient: this build's code, and the phantom library."""
    engines = tuple(f"_engine{one}" for one in EXTENSION_SUFFIXES)
    return digest_of_files((Path(__file__).parents[1], phantoms_path()), (".py", ".toml", ".csv", ".json", *engines))


def _own_and_reference(organ: str, patient: Patient) -> tuple[float, float]:
    """Target of the patient, and what the table's body has at that height: masses go with the height's square."""
    height_cm, weight_kg = reference_size(patient.sex, patient.age_years)
    own = patient.target_mass_g(organ)
    reference = target_mass_g(organ, patient.sex, patient.age_years, height_cm, weight_kg)
    return own, reference * (patient.height_cm / height_cm) ** 2


def _meets(organ: str, patient: Patient) -> bool:
    """Whether the table's body, at this patient's height, has the tissue's mass."""
    own, reference = _own_and_reference(organ, patient)
    return abs(own / reference - 1.0) < _CLOSE
