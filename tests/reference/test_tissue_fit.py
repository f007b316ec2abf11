"""The fit to a patient's weight: tissues of the body that is painted, against the masses aimed at."""

import pytest

import physsim as ps
from physsim.body.anatomy import patient_body
from physsim.body.growth_solve import masses_of
from physsim.body.masses import mass_g

TISSUES = ("total_body", "adipose", "skin", "skeletal_muscle", "skeleton_total_incl_marrow")


def test_a_patients_tissues_have_their_masses_after_few_bodies(monkeypatch):
    monkeypatch.setenv("PHYSSIM_CACHE", "off")
    patient = ps.anatomy(sex="F", age=54, height_cm=165, weight_kg=72, seed=7)
    made = patient_body(patient)
    masses = masses_of(made.body, made.growth, 7.0 * made.growth.mean_scale)  # not the spacing of the fit
    for organ in TISSUES:
        assert mass_g(organ, masses) == pytest.approx(patient.target_mass_g(organ), rel=0.008), organ
