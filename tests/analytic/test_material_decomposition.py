"""Material decomposition against poly-energetic line integrals summed exactly, and its errors against draws."""

import itertools

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.reconstruction.materials import decompose_images, decompose_projections

ENERGIES = np.arange(25.5, 140.0)
MU = {name: ps.mass_attenuation_cm2_g(name, ENERGIES) for name in ("water", "I", "Ca", "Al", "Sn")}


def tube(kvp, tin_mm=0.0):
    """Photons x energy per keV of a tungsten tube as an integrating detector sees it: Kramers' law and filters."""
    filtered = np.exp(-MU["Al"] * 2.7 * 0.4 - MU["Sn"] * 7.3 * 0.1 * tin_mm)
    return np.maximum(kvp / ENERGIES - 1.0, 0.0) * filtered * ENERGIES


DUAL = np.stack([tube(80.0), tube(140.0, tin_mm=0.4)])
EDGES = (25.0, 51.0, 65.0, 83.0, 140.0)
COUNTING = np.stack([
    tube(120.0) / ENERGIES * (0.01 + (np.digitize(ENERGIES, (low, high)) == 1))
    for low, high in itertools.pairwise(EDGES)
])  # bins of 120 kVp, with a few photons of all energies in each


def measured(responses, amounts):
    """(bins, ...): -ln of the sums over energies, of amounts {material: g/cm2}."""
    depth = sum(np.multiply.outer(MU[name], amount) for name, amount in amounts.items())
    share = responses / responses.sum(axis=1, keepdims=True)
    return -np.log(np.tensordot(share, np.exp(-depth), 1))


@pytest.mark.parametrize(("responses", "names"), [
    (DUAL, ("water", "I")), (DUAL, ("water", "Ca")), (COUNTING, ("water", "I")), (COUNTING, ("water", "I", "Ca"))])
def test_amounts_are_found_again(responses, names):
    """Water 0-40 g/cm2 with iodine to 0.1 and calcium to 1.5 g/cm2: within 1e-7 g/cm2, hardening and all."""
    water, other = np.meshgrid([0.0, 1.0, 10.0, 40.0], [0.0, 0.3, 1.0])
    amounts = {"water": water, **{name: other * {"I": 0.1, "Ca": 1.5}[name] for name in names[1:]}}
    found = decompose_projections(measured(responses, amounts), ENERGIES, responses, names)
    for name, amount in zip(names, found.amounts, strict=True):
        assert np.abs(amount - amounts[name]).max() < 1e-7, name
    assert found.covariance is None


def test_images_at_one_energy():
    """Virtual mono-energetic integrals are those of the materials at that energy, on both sides of iodine's edge."""
    amounts = {"water": np.array([20.0]), "I": np.array([0.05])}
    found = decompose_projections(measured(DUAL, amounts), ENERGIES, DUAL, ("water", "I"))
    for energy in (33.0, 34.0, 70.0, 140.0):
        true = 20.0 * ps.mass_attenuation_cm2_g("water", energy) + 0.05 * ps.mass_attenuation_cm2_g("I", energy)
        assert found.monoenergetic(energy)[0] == pytest.approx([true], rel=1e-7)
        assert found.monoenergetic(energy)[1] is None


def test_errors_are_those_of_draws():
    """4000 draws of Gaussian noise on two bins: spreads of water, iodine and two mono-energetic images are as stated
    within 5 % (4.5 standard errors of a spread: fails 1 in 30,000 by chance); the seed is fixed."""
    noise = np.array([0.004, 0.003])
    exact = measured(DUAL, {"water": np.array(20.0), "I": np.array(0.03)})
    draws = exact[:, None] + noise[:, None] * np.random.default_rng(11).normal(size=(2, 4000))
    found = decompose_projections(draws, ENERGIES, DUAL, ("water", "I"), variance=(noise**2)[:, None])
    assert found.sigma.shape == (2, 4000)
    assert found.amounts.std(axis=1) == pytest.approx(found.sigma.mean(axis=1), rel=0.05)
    for energy in (40.0, 70.0):
        value, sigma = found.monoenergetic(energy)
        assert value.std() == pytest.approx(sigma.mean(), rel=0.05)


def test_more_bins_than_materials_are_weighted_by_their_noise():
    """Four bins, two materials: a bin of huge variance does not count; errors are smaller than those of two bins."""
    exact = measured(COUNTING, {"water": np.array([15.0]), "I": np.array([0.02])})
    variance = np.full((4, 1), 1e-5)
    both = decompose_projections(exact, ENERGIES, COUNTING, ("water", "I"), variance=variance)
    outer = decompose_projections(
        exact[[0, 3]], ENERGIES, COUNTING[[0, 3]], ("water", "I"), variance=variance[[0, 3]]
    )
    assert (both.sigma < outer.sigma).all()
    spoiled = exact + np.array([[0.0], [0.2], [0.0], [0.0]])
    noisy = decompose_projections(
        spoiled, ENERGIES, COUNTING, ("water", "I"), variance=variance * [[1.0], [1e8], [1.0], [1.0]]
    )
    assert noisy.amounts == pytest.approx(both.amounts, abs=1e-5)


def test_images_of_two_energies():
    """Voxels of water with 5 mg/ml of iodine, attenuations at 65 and 100 keV: densities within rounding, CT numbers at
    70 keV, errors by the linear law."""
    kev, water, iodine = np.array([65.0, 100.0]), np.array([1.0, 1.05]), np.array([0.0, 0.005])
    matrix = 0.1 * np.stack([ps.mass_attenuation_cm2_g(name, kev) for name in ("water", "I")], 1)  # per mm
    images = matrix @ np.stack([water, iodine])
    variance = np.array([1e-8, 4e-8])
    found = decompose_images(images, kev, ("water", "I"), variance=variance[:, None])
    assert found.amounts == pytest.approx(np.stack([water, iodine]), abs=1e-12)
    inverse = np.linalg.inv(matrix)
    assert found.covariance[:, :, 0] == pytest.approx(inverse @ np.diag(variance) @ inverse.T, rel=1e-9)
    ratio = ps.mass_attenuation_cm2_g("I", 70.0) / ps.mass_attenuation_cm2_g("water", 70.0)
    assert found.hounsfield(70.0)[0] == pytest.approx([0.0, 1000.0 * (0.05 + 0.005 * ratio)], abs=1e-9)
    plain = decompose_images(images, kev, ("water", "I"))
    assert plain.amounts == pytest.approx(found.amounts, abs=1e-12)
    with pytest.raises(InvalidInput, match="no errors were asked for"):
        assert plain.sigma


@pytest.mark.parametrize(("change", "text"), [
    ({"materials": ("water", "I", "Ca")}, "3 materials from 2 bins"), ({"materials": ()}, "nothing to look for"),
    ({"materials": ("water", "water")}, "look the same"), ({"responses": DUAL[:, 1:]}, r"\(bins, energies\)"),
    ({"responses": -DUAL}, "none negative"), ({"projections": np.ones((3, 4))}, "3 measured bins"),
    ({"projections": np.array([[1.0], [np.inf]])}, "NaN or infinite"),
    ({"variance": np.zeros((2, 4))}, "variance <= 0")])
def test_bad_input(change, text):
    given = {"projections": np.ones((2, 4)), "responses": DUAL, "materials": ("water", "I"), **change}
    with pytest.raises(InvalidInput, match=text):
        decompose_projections(
            given["projections"], ENERGIES, given["responses"], given["materials"], variance=given.get("variance")
        )
