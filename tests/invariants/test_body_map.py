"""A body seen through a curved map: an affine map tabulated is the affine map, and masses follow det J."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid

DECLARED = {
    "structure": [
        {"name": "ball", "order": 1, "material": "water",
         "parts": [{"ellipsoid": {"centre": [4, -3, 20], "semi": [19, 14, 23]}}]},
        {"name": "twigs", "order": 2, "material": "blood",
         "parts": [{"branches": [[0, 0, 10, 0.4, 8, 4, 30, 0.3], [0, 0, 10, 1.5, -8, 0, 30, 1.0]]}]},
    ]
}  # fmt: skip
GRID = Grid(shape=(45, 40, 50), spacing_mm=(1.3, 1.3, 1.3), origin_mm=(-32.0, -26.0, -8.0))


class Scaled:
    """x, y, z times numbers and a shear, tabulated every 5 mm."""

    lattice_mm = 5.0
    matrix = np.array([[0.8, 0, 0], [0.05, 0.9, 0], [0, 0.1, 0.75]])

    def world_from_canonical(self, points_mm):
        return np.asarray(points_mm) @ self.matrix.T

    def canonical_from_world(self, points_mm):
        return np.asarray(points_mm) @ np.linalg.inv(self.matrix).T


class Bent(Scaled):
    """Widths that change along z."""

    lattice_mm = 2.0

    def width(self, z):
        return 0.8 + 0.004 * (z - 20)

    def world_from_canonical(self, points_mm):
        p = np.array(points_mm, float)
        return np.c_[p[:, :2] * self.width(p[:, 2:]), p[:, 2]]

    def canonical_from_world(self, points_mm):
        p = np.array(points_mm, float)
        return np.c_[p[:, :2] / self.width(p[:, 2:]), p[:, 2]]


class Folded(Scaled):
    def canonical_from_world(self, points_mm):
        p = np.array(points_mm, float)
        return np.c_[np.abs(p[:, 0]), p[:, 1:]]


def test_a_tabulated_affine_map_is_the_affine_map():
    body = Body.of(DECLARED)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.inv(Scaled.matrix)
    one = voxelise_body(body, grid=GRID, canonical_from_world=affine, density_dtype=np.float32)
    other = voxelise_body(body, grid=GRID, canonical_from_world=Scaled(), density_dtype=np.float32)
    same = one.labels == other.labels
    assert np.abs(one.density - other.density)[same].max() < 1e-3  # the ramp follows a cube root in float32
    assert (~same).mean() < 1e-4
    for name in ("ball", "twigs"):
        assert other.truth.organ(name).mass_g == pytest.approx(one.truth.organ(name).mass_g, rel=1e-4)


def test_volume_through_a_bent_map_is_the_integral_of_its_jacobian():
    a, b, c = 19, 14, 23
    widths = 0.8**2 + 0.004**2 * c**2 / 5  # mean of (0.8 + 0.004 u)^2 over the ellipsoid: <u^2> = c^2 / 5
    truth = 4 / 3 * np.pi * a * b * c * widths
    found = voxelise_body(Body.of(DECLARED), grid=GRID, canonical_from_world=Bent(), vanishing="keep").truth
    total = found.organ("ball").volume_mm3 + found.organ("twigs").volume_mm3
    assert total == pytest.approx(truth, rel=2e-3)


def test_a_map_that_folds_is_refused():
    with pytest.raises(InvalidInput, match="folds"):
        voxelise_body(Body.of(DECLARED), grid=GRID, canonical_from_world=Folded())
