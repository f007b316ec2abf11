"""Girth, fat, skin, muscle and bone of one patient: Newton steps on a few coarse bodies that differ in these alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from physsim.body.body import Body, _evaluated
from physsim.body.declare import Declared
from physsim.body.expression import Names
from physsim.body.growth import GrowthMap
from physsim.body.growth_controls import Control, controlled
from physsim.body.growth_solve import masses_of, step_within
from physsim.body.makers import with_growths
from physsim.body.masses import mass_g
from physsim.body.presence import present

if TYPE_CHECKING:
    from physsim.body.patient import Patient

Array = npt.NDArray[np.float64]
_COARSE_MM = 8.0  # canonical; masses of the whole body differ from those at 5 mm by 0.1 %
_BODIES = 4  # at most
_TOLERANCE = 0.004  # relative, of each mass
_FORESEEN = 0.2  # of an error is left by the next step, at most: where that is little enough nobody looks again
_DIGITS = 6  # of the values kept: below any effect on a mass
_VESSELS = ("tree", "surface vessels")  # makers that are left out
_VESSELS_SHARE = 0.0024  # what these add to the weight of woman and child (0.0022 and 0.0026)
_GROWN_YEARS = 15.0
# d mass / d control, in weights of the body: measured on a woman of 54 (26 kg/m2), and the mean of a boy of 8
# and men of 18 and 32 kg/m2, who differ by a fifth. Rows are masses, columns controls. What fat gains muscle loses.
_KINDS = ("girth", "fat", "skin", "muscle", "bone")
_WOMAN = np.array([
    [0.404, -0.019, 0.004, -0.014, 0.024],
    [0.224, 0.165, -0.024, 0.008, -0.009],
    [0.005, 0.000, 0.050, 0.000, 0.000],
    [0.166, -0.175, -0.020, 0.191, -0.024],
    [0.000, 0.000, 0.000, 0.000, 0.058],
])  # fmt: skip
_OTHERS = np.array([
    [0.420, -0.023, 0.004, -0.017, 0.028],
    [0.130, 0.230, -0.018, 0.007, -0.008],
    [0.010, 0.000, 0.050, 0.000, 0.000],
    [0.250, -0.242, -0.028, 0.250, -0.029],
    [0.000, 0.000, 0.000, 0.000, 0.073],
])  # fmt: skip


def foreseen(
    patient: Patient, tissues: list[Control], values: Mapping[str, float], missing: Mapping[str, float]
) -> dict[str, float]:
    """Controls by name at which a body would have gained the masses `missing` (in its weights, by organ): one step."""
    start = np.array([values[one.name] for one in tissues])
    wanted = np.array([missing[one.organ] for one in tissues])
    return _named(tissues, start + _step(_slopes(patient, tissues), wanted, start, tissues))


def fitted_tissues(
    patient: Patient,
    declared: Declared,
    space: GrowthMap,
    numbers: Mapping[str, float],
    values: Mapping[str, float],
    tissues: list[Control],
) -> dict[str, float]:
    """The controls `tissues` by name, at which the patient's tissues have their masses; `values`: where to begin.

    All other controls stay as they are in `values`. Each round paints the whole body at 8 canonical mm, learns from
    what the last step did (Broyden's update) and takes a Newton step; a control at its limit stops there. The bowel is
    that of the first body in all rounds.

    Neglects: vessels of lungs, liver, kidneys and heart, whose share of the weight is added.
    """
    where, names = "patient", {one.name for one in tissues}
    others = controlled(declared, {name: value for name, value in values.items() if name not in names})
    others = others.replace(maker=tuple(maker for maker in others.maker if maker.kind not in _VESSELS))
    x = np.array([values[one.name] for one in tissues])
    first = controlled(others, _named(tissues, x))
    known = _evaluated({**first.numbers, **numbers}, where)
    others = with_growths(others, present(first, Names(known), where), known, where, patient.seed)
    coarse_mm = _COARSE_MM * space.mean_scale
    coarse = replace(space, lattice_mm=max(space.lattice_mm, 2.0 * coarse_mm))
    target = np.array([patient.target_mass_g(one.organ) for one in tissues])
    weight = 1000.0 * patient.weight_kg
    slopes, last = _slopes(patient, tissues), None
    for _ in range(_BODIES):
        body = Body.of(controlled(others, _named(tissues, x)), numbers, patient.seed, where)
        masses = masses_of(body, coarse, coarse_mm)
        found = np.array([mass_g(one.organ, masses) for one in tissues])
        found *= [1.0 + _VESSELS_SHARE * (one.organ == "total_body") for one in tissues]
        if last is not None:
            moved, changed = x - last[0], (found - last[1]) / weight
            if moved @ moved > 0.0:
                slopes = slopes + np.outer(changed - slopes @ moved, moved) / (moved @ moved)
        last = (x, found)
        x = x + _step(slopes, (target - found) / weight, x, tissues)
        left = np.abs(found / target - 1.0)
        free = np.array([one.limits[0] < value < one.limits[1] for one, value in zip(tissues, x, strict=True)])
        if _FORESEEN * left[free].max(initial=0.0) <= _TOLERANCE:
            break
    return _named(tissues, x)


def _step(slopes: Array, wanted: Array, at: Array, tissues: list[Control]) -> Array:
    limits = np.array([one.limits for one in tissues])
    return step_within(slopes, wanted, limits - at[:, None], np.ones(len(tissues), bool), math.inf)


def _slopes(patient: Patient, tissues: list[Control]) -> Array:
    places = [_KINDS.index(one.kind) for one in tissues]
    woman = patient.sex == "F" and patient.age_years >= _GROWN_YEARS
    return (_WOMAN if woman else _OTHERS)[np.ix_(places, places)]


def _named(tissues: list[Control], values: Array) -> dict[str, float]:
    return {
        one.name: min(max(float(f"{value:.{_DIGITS}g}"), one.limits[0]), one.limits[1])
        for one, value in zip(tissues, values, strict=True)
    }
