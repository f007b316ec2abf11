"""Draws of patients against the distributions that they are drawn from. Fixed seeds; bounds are five standard errors
of the sample, so that a right program fails one such comparison in two million."""

import numpy as np
import pytest

import physsim as ps
from physsim.body.patient import anatomy
from physsim.body.population import Choice, Population, Quantiles, Stratum, Uniform

PATIENTS = 1500


@pytest.fixture(scope="module")
def everybody():
    population = Population(seed=5)
    return [population.patient(number) for number in range(PATIENTS)]


def test_sexes_and_ages_are_those_of_the_survey(everybody):
    women = np.mean([one.sex == "F" for one in everybody])
    assert women == pytest.approx(0.5112, abs=5 * 0.5 / np.sqrt(PATIENTS))
    old = np.mean([one.age_years >= 65 for one in everybody])
    assert old == pytest.approx(0.157, abs=5 * np.sqrt(0.157 * 0.843 / PATIENTS))  # 0.143 of men, 0.171 of women


def test_adult_sizes_are_those_of_the_survey(everybody):
    """NHANES 2017-2020, not pregnant, 20 years and more, weighted: mean height 175.2 and 161.2 cm; indices 29-30."""
    for sex, height in (("M", 175.2), ("F", 161.3)):
        own = [one for one in everybody if one.sex == sex and one.age_years >= 20]
        heights = np.array([one.height_cm for one in own])
        assert heights.mean() == pytest.approx(height, abs=0.3 + 5 * heights.std() / np.sqrt(len(own)))
        indices = np.array([one.bmi_kg_m2 for one in own])
        assert indices.mean() == pytest.approx(29.6, abs=0.6 + 5 * indices.std() / np.sqrt(len(own)))


def test_dense_breasts_are_as_common_as_in_screening():
    """43.3 % of women of 40 to 74 years (Sprague et al. 2014)."""
    screened = Population(strata=(Stratum(sex="F", age_years=Uniform(low=40, high=74)),), seed=2)
    dense = np.mean([screened.patient(n).breast_density in "CD" for n in range(PATIENTS)])
    assert dense == pytest.approx(0.40, abs=0.04 + 5 * 0.49 / np.sqrt(PATIENTS))


def test_a_patient_depends_on_the_population_and_its_number_alone():
    population = Population(seed=9)
    assert population.patient(40) == Population.from_toml(population.to_toml()).patient(40)
    assert population.patient(40) != population.patient(41)
    assert population.patient(40) != Population(seed=10).patient(40)


def test_fixing_one_parameter_leaves_the_other_draws():
    drawn, fixed = anatomy(sex="F", age=50, seed=4), anatomy(sex="F", age=50, height_cm=160, seed=4)
    assert drawn.build == fixed.build
    assert drawn.height_cm != fixed.height_cm


def test_weights_undo_over_sampling():
    """A rare part drawn as often as the rest: the weighted share is the true one."""
    rare = Population(
        strata=(Stratum(name="children", share=0.05, drawn=0.5, age_years=Uniform(low=2, high=12)),
                Stratum(name="others", share=0.95, drawn=0.5, age_years=Uniform(low=20, high=80))), seed=1)  # fmt: skip
    patients = [rare.patient(n) for n in range(400)]
    weights = np.array([one.sampling_weight for one in patients])
    young = np.array([one.age_years < 15 for one in patients])
    assert young.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(400))
    assert weights[young].sum() / weights.sum() == pytest.approx(0.05, abs=0.02)
    assert set(weights) == {0.1, 1.9}


def test_distributions_are_their_quantiles():
    assert Uniform(low=2, high=6).at(0.25) == 3
    assert Quantiles(values=(0, 10, 30), shares=(0, 0.5, 1)).at(0.75) == 20
    assert [Choice(values=(1, 2), shares=(3, 1)).at(u) for u in (0.1, 0.74, 0.76)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Population(strata=(Stratum(share=0.5),)), ["0.5", "add up to 1"]),
        (lambda: Uniform(low=5, high=2), ["low=5", "swapped"]),
        (lambda: Quantiles(values=(1, 2), shares=(0, 0.5)), ["0 to 1"]),
        (lambda: Choice(values=(1, 2), shares=(1,)), ["1 shares of 2 values"]),
        (lambda: Stratum(fixed={"sex": "F"}), ["'sex'", "Known"]),
        (lambda: Population().patient(-1), ["number=-1", "0"]),
    ],
)
def test_impossible_populations_are_refused_in_words(make, words):
    with pytest.raises(ps.errors.InvalidInput) as caught:
        make()
    for word in words:
        assert word in str(caught.value)
