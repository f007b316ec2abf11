"""Lesions of the breast: truth rows from geometry, mass kept, a pure function of the spec."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput


@pytest.fixture(scope="module")
def healthy():
    drawn = ps.Breast.draw("A", "CC", seed=5, length_mm=50.0, half_width_mm=50.0).replace(threshold=0.5)
    return ps.breast(drawn, spacing_mm=0.5)


def test_a_mass_is_where_and_what_its_row_says(healthy):
    made = ps.BreastMass(seed=4, radius_mm=4.0).inserted(healthy)
    row = made.truth.lesion("mass")
    where = np.argwhere(made.truth.mask("mass"))
    centre = made.grid.world_from_voxel @ np.array([*where.mean(0)[::-1], 1.0])
    assert np.abs(centre[:3] - row.centre_mm).max() < 1.0
    assert row.mass_g == pytest.approx(1.06e-3 * row.volume_mm3)
    assert 6.5 < row.diameter_mm < 10.5
    assert (made.labels >= len(healthy.materials)).sum() > 0.6 * row.volume_mm3 / made.grid.voxel_volume_mm3
    assert made.mass_g() > healthy.mass_g()
    assert (ps.BreastMass(seed=4, radius_mm=4.0).inserted(healthy).labels == made.labels).all()
    far = np.ones(made.labels.shape, bool)
    k, j, i = where.mean(0).astype(int)
    far[max(k - 45, 0):k + 45, max(j - 45, 0):j + 45, max(i - 45, 0):i + 45] = False
    assert (made.labels[far] == healthy.labels[far]).all()


def test_calcifications_add_the_mass_of_their_rows(healthy):
    """The overlay weighs the minerals more and the tissue they displace less."""
    made = ps.CalcificationCluster(seed=2, count=6).inserted(healthy)
    rows = made.truth.lesions
    assert len(rows) == 6
    assert all(0.08 < row.diameter_mm < 0.5 for row in rows)
    mineral = sum(row.mass_g for row in rows)
    displaced = sum(row.volume_mm3 for row in rows) * 0.95e-3
    assert made.mass_g() - healthy.mass_g() == pytest.approx(mineral - displaced, rel=0.15)
    centres = np.array([row.centre_mm for row in rows])
    assert np.ptp(centres, axis=0).max() < 5.5


def test_a_lesion_that_does_not_fit_is_refused(healthy):
    with pytest.raises(InvalidInput, match="the breast has no place for it"):
        ps.BreastMass(radius_mm=28.0).inserted(healthy)
    with pytest.raises(InvalidInput, match="is not all within the breast's fat and gland"):
        ps.BreastMass(centre_mm=(0.0, 500.0, 0.0)).inserted(healthy)
    with pytest.raises(InvalidInput, match="mineral='gold'"):
        ps.CalcificationCluster(mineral="gold")
    with pytest.raises(InvalidInput, match=r"made for the materials of ps\.breast"):
        ps.BreastMass().inserted(ps.voxelise(ps.scene("water_20cm"), spacing_mm=8))
