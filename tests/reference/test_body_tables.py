"""Growth and size of bodies against ICRP 89, the CDC growth charts and a national survey."""

import numpy as np
import pytest

import physsim as ps
from physsim.body.body_size import distribution, height_and_weight, weight_given_height, z_scores
from physsim.body.patient import Patient, anatomy, reference_patient
from physsim.body.reference_masses import (
    REFERENCE_AGES_YEARS,
    body_fat_percent,
    organ_names,
    reference_masses,
    target_mass_g,
)


@pytest.mark.parametrize("sex", ["F", "M"])
@pytest.mark.parametrize("age", REFERENCE_AGES_YEARS)
def test_reference_bodies_have_the_masses_of_icrp_89(sex, age):
    body = reference_patient(sex, age)
    rows = reference_masses(sex, age)
    for name in organ_names():
        if name in rows:
            assert body.target_mass_g(name) == pytest.approx(rows[name].mass_g, rel=1e-9, abs=1e-6), name


@pytest.mark.parametrize(
    ("sex", "age", "height_cm", "weight_kg"),
    [("M", 0, 51, 3.5), ("M", 1, 76, 10), ("F", 5, 109, 19), ("M", 10, 138, 32), ("F", 15, 161, 53), ("M", 15, 167, 56),
     ("M", 35, 176, 73), ("F", 35, 163, 60)],
)  # fmt: skip
def test_reference_bodies_have_the_sizes_of_icrp_89(sex, age, height_cm, weight_kg):
    body = reference_patient(sex, age)
    assert (body.height_cm, body.weight_kg) == pytest.approx((height_cm, weight_kg), rel=1e-6)


@pytest.mark.parametrize(
    ("quantity", "sex", "age", "z", "value"),
    [  # percentiles printed with the LMS values in the CDC's tables: 5th and 95th at z = -+1.6448536
        ("height_cm", "M", 2.0, -1.6448536, 80.72977),
        ("height_cm", "M", 0.0, -1.6448536, 45.56841),
        ("weight_kg", "M", 0.0, 1.6448536, 4.34029),
        ("weight_kg", "M", 0.0, -1.6448536, 2.52690),
        ("bmi_kg_m2", "M", 2.0, -1.6448536, 14.73732),
        ("head_circumference_cm", "M", 0.0, -1.6448536, 32.14881),
    ],
)
def test_percentiles_are_those_of_the_growth_charts(quantity, sex, age, z, value):
    assert distribution(quantity, sex, age).value(z) == pytest.approx(value, rel=2e-5)


def test_adults_are_those_of_the_survey():
    """Medians and percentiles of NHANES 2017-2020, adults of 40 to 49 years, weighted: men's body mass index."""
    men = distribution("bmi_kg_m2", "M", 44.3)
    assert men.value(0) == pytest.approx(29.5, abs=0.1)
    assert 21.5 < men.value(-1.645) < 23.5
    assert 40 < men.value(1.645) < 44


def test_scores_give_back_heights_and_weights():
    for age in (0.2, 1.7, 4.0, 16.0, 44.0, 85.0):
        height, weight = height_and_weight("F", age, 0.7, -1.1)
        assert weight_given_height("F", age, height, -1.1) == pytest.approx(weight, rel=1e-9)
        assert z_scores("F", age, height, weight)[0] == pytest.approx(0.7, abs=1e-9)


def test_body_fat_of_the_adult_references_is_that_of_their_adipose_tissue():
    """Deurenberg's equation meets ICRP 89's adipose tissue (80 % lipid) within one percent of body mass."""
    for sex, bmi, adipose_g, weight_g in (("M", 73 / 1.76**2, 18200, 73000), ("F", 60 / 1.63**2, 22500, 60000)):
        assert body_fat_percent(sex, 35, bmi) == pytest.approx(100 * 0.8 * adipose_g / weight_g, abs=1.0)


def test_tissues_make_up_the_weight_at_any_size():
    """What the listed tissues lack of the weight stays what ICRP 89 lacks, as long as no lower bound holds."""
    weighed = ("skeletal_muscle", "adipose", "skeleton_total_incl_marrow", "skin", "liver", "brain", "lungs_with_blood",
               "heart_with_blood", "spleen", "kidneys_both", "pancreas", "stomach_wall", "stomach_contents",
               "small_intestine_wall", "small_intestine_contents", "right_colon_wall", "left_colon_wall",
               "rectosigmoid_wall")  # fmt: skip

    def rest(height_cm, weight_kg):
        return 1000 * weight_kg - sum(target_mass_g(o, "M", 35, height_cm, weight_kg) for o in weighed)

    at_reference = rest(176, 73)
    assert 0.03 * 73000 < at_reference < 0.08 * 73000
    for height_cm, weight_kg in ((165, 80), (190, 75), (180, 120)):
        assert rest(height_cm, weight_kg) == pytest.approx(at_reference, abs=1e-6)


def test_masses_grow_without_a_jump_and_heavier_bodies_are_fatter():
    ages = np.exp(np.linspace(np.log(0.75), np.log(25.75), 400)) - 0.75
    for organ in ("liver", "brain", "skeletal_muscle"):
        masses = np.array([target_mass_g(organ, "F", a, *height_and_weight("F", a, 0, 0)) for a in ages])
        assert (np.abs(np.diff(masses)) < 0.03 * masses[1:]).all(), organ
    lean, stout = anatomy(sex="M", age=40, height_cm=178, bmi=20), anatomy(sex="M", age=40, height_cm=178, bmi=35)
    assert stout.target_mass_g("adipose") > 2.5 * lean.target_mass_g("adipose")
    assert stout.target_mass_g("liver") == lean.target_mass_g("liver")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sex": "F", "age": 30, "height_cm": 110},
         ["height_cm=110", "percentile of women of 30 years", "Possible are 129 to"]),
        ({"sex": "M", "age": 5, "weight_kg": 80},
         ["weight_kg=80", "kg/m2", "percentile", "boys of 5 years", "Possible are"]),
        ({"sex": "M", "age": 91}, ["age_years=91", "from 0 to 90"]),
        ({"sex": "X"}, ["sex='X'", "'F' or 'M'"]),
        ({"sex": "F", "organ_scale": {"livr": 1.1}}, ["'livr'", "Did you mean 'liver'"]),
        ({"sex": "F", "organ_scale": {"liver": 9.0}}, ["9.0", "0.2 to 5"]),
        ({"sex": "M", "breast_density": "B"}, ["breast_density='B'", "women"]),
        ({"weight_kg": 70, "bmi": 24}, ["bmi=24", "Give one"]),
        ({"bmi": 400}, ["bmi=400", "5 to 100"]),
        ({"sex": "F", "agee": 30}, ["agee", "no such key"]),
    ],
)
def test_impossible_patients_are_refused_in_words(given, words):
    with pytest.raises(ps.errors.InvalidInput) as caught:
        anatomy(**given)
    for word in words:
        assert word in str(caught.value)


def test_patients_survive_toml_and_json():
    patient = anatomy(seed=11, organ_scale={"liver": 1.2})
    assert Patient.from_toml(patient.to_toml()) == patient
    assert Patient.from_json(patient.to_json()) == patient
