"""Where source and detector stand about a compressed breast: half a cone, hung images, the arc of tomosynthesis."""

import numpy as np
import pytest
from breast_cases import mammogram, small_breast, tomosynthesis

import physsim as ps


def posed(protocol, phantom):
    return protocol.geometry(((0, 0, 0), (1, 1, 1)), phantom.grid)


@pytest.mark.parametrize("side", ["L", "R"])
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_the_source_stands_over_the_chest_walls_edge(view, side):
    phantom, protocol = small_breast(view, side), mammogram(view, side)
    geometry = posed(protocol, phantom)
    x_axis, _, z_axis = (np.array(axis) for axis in phantom.grid.direction)
    edge = geometry.source_mm[0] - 700.0 * z_axis  # straight below, on the detector
    towards_nipple = geometry.u[0] if side == "L" else -geometry.u[0]
    np.testing.assert_allclose(towards_nipple, x_axis, atol=1e-12)
    width = 52 * protocol.detector.pixel_mm[0]
    np.testing.assert_allclose(geometry.centre_mm[0] - edge, 0.5 * width * x_axis, atol=1e-9)
    assert float((edge - phantom.grid.origin_mm) @ x_axis) == pytest.approx(-0.5)  # the voxels' face
    assert float((edge - phantom.grid.origin_mm) @ z_axis) == pytest.approx(-0.5 - 15.0)
    assert protocol.cathode == ("u-" if side == "L" else "u+")


def test_images_are_hung_with_lateral_or_axilla_on_top():
    for side, left in (("L", 1.0), ("R", -1.0)):
        cc, mlo = (posed(mammogram(view, side), small_breast(view, side)) for view in ("CC", "MLO"))
        np.testing.assert_allclose(-cc.v[0], (left, 0.0, 0.0), atol=1e-12)  # lateral
        assert -mlo.v[0] @ np.array([left, 0.0, 1.0]) == pytest.approx(np.sqrt(2.0))  # lateral and up


def test_no_ray_of_an_oblique_view_passes_above_the_voxels():
    phantom, geometry = small_breast("MLO"), posed(mammogram("MLO"), small_breast("MLO"))
    grid, up, against = phantom.grid, np.array(phantom.grid.direction[1]), np.array(phantom.grid.direction[2])
    top = geometry.centre_mm[0] - 0.5 * geometry.rows * geometry.pixel_mm[1] * geometry.v[0]
    ray = geometry.source_mm[0] - top
    at_support = top + ray * (15.0 / (ray @ against))
    end = (np.array(grid.origin_mm) + (grid.shape[1] - 0.5) * grid.spacing_mm[1] * up) @ up
    assert at_support @ up == pytest.approx(end)


def test_a_right_breast_is_the_mirror_image_of_a_left_one():
    images = [ps.simulate(small_breast("MLO", side), mammogram("MLO", side), noise=False) for side in "LR"]
    np.testing.assert_allclose(images[0]["image"], images[1]["image"][:, :, ::-1], rtol=2e-5)
    assert images[0].mas == pytest.approx(images[1].mas, rel=1e-5)


def test_the_grid_passes_the_primary_everywhere():
    """Strips run from chest wall to nipple, so that no ray over the half cone meets them aslant."""
    protocol = mammogram(mas=10.0)
    seen = [ps.simulate(small_breast(), one, noise=False).open_field[0]
            for one in (protocol, protocol.replace(anti_scatter_grid=None))]
    share = seen[0] / seen[1]
    assert 0.70 < share.min() < share.max() < 0.83
    assert share.max() - share.min() < 0.03


def test_tomosynthesis_turns_about_its_axis():
    phantom, protocol = small_breast(), tomosynthesis(views=25)
    geometry = posed(protocol, phantom)
    _, across, z_axis = (np.array(axis) for axis in phantom.grid.direction)
    edge = geometry.centre_mm[0] - 0.5 * 52 * protocol.detector.pixel_mm[0] * geometry.u[0]
    arm = geometry.source_mm - (edge + 47.0 * z_axis)
    np.testing.assert_allclose(np.linalg.norm(arm, axis=1), 655.0 - 47.0, rtol=1e-12)
    np.testing.assert_allclose(np.degrees(np.arctan2(arm @ across, arm @ z_axis)), np.linspace(-25, 25, 25), atol=1e-9)
    np.testing.assert_allclose(arm @ geometry.u[0], 0.0, atol=1e-9)
    assert np.ptp(geometry.centre_mm, axis=0).max() == 0.0
