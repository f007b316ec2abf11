"""CT numbers to tissue (Schneider 2000) against tabulated tissues; the stated uncertainty is the measured one."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.physics.hounsfield import (
    UNCERTAINTY,
    UNCERTAINTY_HU_FROM,
    density_from_hu,
    segment_index_from_hu,
    tissue_from_hu,
    tissue_segments,
)
from physsim.physics.library import library_entry, library_names

ENERGIES = np.arange(40.0, 121.0, 5.0)
GROUPS = ("icru", "icrp", "breast", "icrp_reference_phantoms")
NO_TISSUE = ("oxalate", "hydroxyapatite", "contents", "air", "victre")


def tabulated_tissues() -> list[tuple[float, np.ndarray]]:
    """(CT number at 70 keV, converted / tabulated attenuation - 1 over ENERGIES) of each tabulated tissue."""
    water = float(ps.linear_attenuation_per_mm("water", 70.0))
    tissues = []
    for name in library_names():
        entry = library_entry(name)
        if entry.group not in GROUPS or any(word in name for word in NO_TISSUE):
            continue
        hu = 1000.0 * (float(ps.linear_attenuation_per_mm(entry, 70.0)) / water - 1.0)
        if hu <= 2000.0:
            converted = ps.linear_attenuation_per_mm(ps.Material.from_hu(hu), ENERGIES)
            tissues.append((hu, converted / ps.linear_attenuation_per_mm(entry, ENERGIES) - 1.0))
    return tissues


def test_stated_uncertainty_is_the_measured_one():
    tissues = tabulated_tissues()
    assert len(tissues) > 600
    hu = np.array([tissue[0] for tissue in tissues])
    deviation = np.array([tissue[1] for tissue in tissues])
    bounds = [*UNCERTAINTY_HU_FROM, 2001.0]
    for low, high, stated in zip(bounds[:-1], bounds[1:], UNCERTAINTY, strict=True):
        inside = (hu >= low) & (hu < high)
        assert inside.sum() >= 10
        measured = np.sqrt(np.mean(deviation[inside] ** 2))
        assert 0.75 * stated <= measured <= stated, (low, high, measured)


def test_tissues_of_adults_come_back_within_twice_the_uncertainty_at_60_kev():
    water = float(ps.linear_attenuation_per_mm("water", 70.0))
    for name in ("adipose", "muscle", "liver", "blood", "brain", "lung", "bone", "skin", "spongiosa"):
        tissue = ps.material(name)
        hu = 1000.0 * (float(ps.linear_attenuation_per_mm(tissue, 70.0)) / water - 1.0)
        converted = ps.Material.from_hu(hu)
        ratio = float(ps.linear_attenuation_per_mm(converted, 60.0) / ps.linear_attenuation_per_mm(tissue, 60.0))
        assert abs(ratio - 1.0) <= 2.0 * converted.attenuation_uncertainty, (name, hu, ratio)


def test_plastics_have_the_ct_numbers_that_their_maker_states():
    # The Phantom Laboratory, Catphan 503 manual: ranges over scanners and voltages.
    stated = {"pmp": (-220, -172), "ldpe": (-121, -87), "polystyrene_ct": (-65, -29), "acrylic_ct": (92, 137),
              "delrin_ct": (344, 387), "teflon_ct": (941, 1060)}
    water = float(ps.linear_attenuation_per_mm("water", 70.0))
    for name, (low, high) in stated.items():
        hu = 1000.0 * (float(ps.linear_attenuation_per_mm(name, 70.0)) / water - 1.0)
        assert low - 10 <= hu <= high + 10, (name, hu)


def test_tissues_that_were_checked_against_icrp():
    energies = np.array([30.0, 60.0, 100.0])
    for ours, theirs, limit in (("kidney_icru46", "icrp_am_35_kidneys", 0.003),
                                ("ovary_icru44", "icrp_af_42_ovaries", 0.001),
                                ("cartilage_icru46", "icrp_am_26_cartilage", 1e-6),
                                ("yellow_marrow_icru46", "icrp_am_24_lower_arm_bones_medullary_cavity", 0.004)):
        ratio = ps.mass_attenuation_cm2_g(ours, energies) / ps.mass_attenuation_cm2_g(theirs, energies)
        assert np.abs(ratio - 1.0).max() <= limit, ours


def test_published_points():
    # Schneider 2000: H = -1000 air, -98 adipose 0.930, 14 1.0305, 23-100 connective 1.003 + 1.169e-3 H, 1524 bone 1.92.
    np.testing.assert_allclose(density_from_hu([-1000.0, -98.0, 14.0, 40.0, 1524.0]),
                               [0.00121, 0.930, 1.0305, 1.0498, 1.92], rtol=2e-3)
    assert tissue_from_hu(-700.0).segment == "lung"
    assert tissue_from_hu(-1024.0).mass_fractions == pytest.approx({"N": 0.755, "O": 0.232, "Ar": 0.013})
    assert tissue_from_hu(1600.0).mass_fractions["Ca"] == pytest.approx(0.225)


def test_volumes_convert_elementwise():
    hu = np.array([[-1000.0, -500.0], [40.0, 1200.0]], dtype=np.float32)
    labels = segment_index_from_hu(hu)
    assert labels.dtype == np.uint8
    assert labels.shape == density_from_hu(hu).shape == (2, 2)
    assert [tissue_segments()[i].name for i in labels.ravel()] == ["air", "lung", "soft_tissue", "marrow_bone_12"]
    assert (np.diff([segment.hu_from for segment in tissue_segments()]) > 0.0).all()


@pytest.mark.parametrize("hu", [-1025.0, 2001.0, float("nan"), float("inf")])
def test_numbers_that_are_no_tissue_are_refused(hu):
    with pytest.raises(InvalidInput, match=r"hu=.*-1024 to 2000 HU"):
        ps.Material.from_hu(hu)
