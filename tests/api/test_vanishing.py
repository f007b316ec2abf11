"""Organs without a voxel: errors and warnings name those that are too small, not those that the grid only cuts."""

import warnings

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.lesion import Lesion
from physsim.body.patient import reference_patient
from physsim.body.vanishing import VanishedOrgansWarning
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid


def ball(name, order, x, radius):
    shape = {"ellipsoid": {"centre": [x, 0, 0], "semi": [radius] * 3}}
    return {"name": name, "order": order, "material": "water", "parts": [shape]}


BODY = Body.of({"structure": [ball("large", 1, 0, 20), ball("beside", 2, 33, 12)]})
CUT = Grid(shape=(24, 24, 22), spacing_mm=2.0, origin_mm=(-21.0, -23.0, -23.0))  # ends at x = 22 mm


@pytest.mark.parametrize("space", [None, np.eye(4)])
def test_what_the_grid_cuts_has_not_vanished(space):
    phantom = voxelise_body(BODY, grid=CUT, canonical_from_world=space, vanishing="error")
    cap = np.pi * 1.0**2 * (3 * 12.0 - 1.0) / 3.0  # 1 mm of it lies in the last plane
    assert phantom.truth.organ("beside").volume_mm3 == pytest.approx(cap, rel=0.05)
    assert not (phantom.truth.organ_labels == 2).any()


def test_what_is_too_small_for_its_voxels_is_still_named():
    body = Body.of({"structure": [ball("large", 1, 0, 20), ball("small", 2, 1, 0.9), ball("beside", 3, 33, 12)]})
    with pytest.raises(InvalidInput, match="'small' holds no voxel"):
        voxelise_body(body, grid=CUT)


def test_a_warning_names_what_is_too_small():
    body = Body.of({"structure": [ball("large", 1, 0, 20), ball("small", 2, 1, 0.9), ball("beside", 3, 33, 12)]})
    with pytest.warns(VanishedOrgansWarning, match="'small' holds no voxel") as said:
        voxelise_body(body, grid=CUT, vanishing="warn")
    assert "beside" not in str(said[0].message)
    with pytest.raises(InvalidInput, match=r'vanishing=.*"warn" or "keep"'):
        voxelise_body(body, grid=CUT, vanishing="never")


def test_a_patient_in_coarse_voxels_names_what_vanishes():
    """By default; --vanishing keep, or vanishing="keep", says nothing."""
    patient = reference_patient("M", 35)
    with pytest.warns(VanishedOrgansWarning, match=r"so coarse that .*'left optic nerve'.* holds no voxel") as said:
        coarse = patient.phantom(8.0, region="head")
    assert len(said) == 1
    assert coarse.truth.organ("left optic nerve").mass_g > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        patient.phantom(8.0, region="head", vanishing="keep")
    with pytest.raises(InvalidInput, match="vanishing='never'"):
        patient.phantom(8.0, vanishing="never")


def test_a_lesion_beyond_the_voxels_or_in_none_is_refused():
    patient = reference_patient("M", 35)
    head = patient.phantom(8.0, region="head", vanishing="keep")
    for centre in (None, (-70.0, 0.0, 330.0)):
        with pytest.raises(InvalidInput, match=r"site 'right upper lobe': it lies outside these voxels.*region 'head'"):
            head.insert(Lesion(site="right upper lobe", diameter_mm=9, centre_mm=centre))
    with pytest.raises(InvalidInput, match=r"site 'left optic nerve': its .* mm3 fill no voxel"):
        head.insert(Lesion(site="left optic nerve", diameter_mm=3))
    with pytest.raises(InvalidInput, match="none of that name"):
        head.insert(Lesion(site="right uper lobe", diameter_mm=9))
