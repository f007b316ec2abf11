"""The controls of any patient: organs from the table of reference bodies, skin and fat fitted to their own weight."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from physsim.body.declare import Declared
from physsim.body.growth import GrowthMap
from physsim.body.growth_controls import WHOLE, Control, present_controls
from physsim.body.growth_solve import solved
from physsim.body.growth_table import values_at
from physsim.body.reference_masses import reference_size, target_mass_g

if TYPE_CHECKING:
    from physsim.body.patient import Patient

_COARSE_MM = 8.0  # canonical; masses of the whole body differ from those at 5 mm by 0.1 %
_ROUNDS, _TOLERANCE = 4, 0.005
# What a unit of fat and of girth weighs, in weights of the reference body (measured: man of 121 kg, 39 kg/m2).
_FAT_OF_WEIGHT, _GIRTH_OF_WEIGHT = 0.53, 0.49
_CLOSE = 0.004  # relative: so near to what the table's body has, nothing needs to be fitted
_KEPT = 64
_fitted: OrderedDict[str, dict[str, float]] = OrderedDict()


def controls_of(
    patient: Patient, declared: Declared, space: GrowthMap, numbers: Mapping[str, float]
) -> dict[str, float]:
    """Controls by name: a pure function of the patient and the body's files.

    Organs are those of the reference bodies of that age, their masses following the body's size; factors of
    `organ_scale` act through the controls' powers. Girth, fat, skin and muscle are found by a few coarse bodies unless
    the weight is what the table's body would have at that height.

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
    key = patient.replace(lesions=(), sampling_weight=1.0, seed=0).to_json()
    if key not in _fitted:
        body = patient.replace(seed=0)
        guess = {**values, **_guessed(patient, tissues, values)}
        found = solved(body, declared, space, numbers, guess, _COARSE_MM * space.mean_scale, _ROUNDS, _TOLERANCE,
                       "tissues")  # fmt: skip
        _fitted[key] = {name: found.values[name] for name in (one.name for one in tissues)}
        while len(_fitted) > _KEPT:
            _fitted.popitem(last=False)
    return {**values, **_fitted[key]}


def _guessed(patient: Patient, tissues: list[Control], values: Mapping[str, float]) -> dict[str, float]:
    """Fat and girth by their weights: most of the way to the solution."""
    found = {}
    for kind, unit in (("fat", _FAT_OF_WEIGHT), ("girth", _GIRTH_OF_WEIGHT)):
        for one in tissues:
            if one.kind == kind:
                own, reference = _own_and_reference(one.organ, patient)
                weight = _own_and_reference("total_body", patient)[1]
                guess = values[one.name] + (own - reference) / (unit * weight)
                found[one.name] = min(max(guess, one.limits[0]), one.limits[1])
    return found


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
