"""Organs without a voxel of their own: an error names those that are too small, not those that the grid only cuts."""

import numpy as np
import pytest

from physsim.body.body import Body
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
