"""One breast in all views: what is where in CC, MLO and uncompressed follows from one material breast."""

import numpy as np
import pytest

import physsim as ps
from physsim.body.breast import Breast, carried, form_of
from physsim.body.breast.deformation import volumes
from physsim.body.breast.lesion_site import breast_of

VIEWS = [("CC", 0.0, None), ("CC", -20.0, 50.0), ("MLO", 45.0, None), ("MLO", 60.0, 62.0), ("MLO", 90.0, None)]


def inner_points(form, margin_mm, count=6000):
    """Points of a view, within the breast proper and at least `margin_mm` below the skin."""
    low, high = form.outline.y_range
    points = np.random.default_rng(3).uniform(
        (0, low, 0), (form.outline.nipple_x, high, 2 * form.half_mm), (count, 3))
    forward = points[:, 0] - form.outline.wall_at(points[:, 1])
    keep = (form.depth(points) > form.skin_mm + margin_mm) & (forward > 1.0) & (points[:, 1] < high - 1.0)
    return points[keep]


@pytest.fixture(scope="module")
def drawn():
    return Breast.draw("B", seed=4)


@pytest.mark.parametrize(("view", "angle_deg", "thickness_mm"), VIEWS)
def test_forward_and_inverse_agree(drawn, view, angle_deg, thickness_mm):
    """Within 1e-6 mm everywhere, skin to skin: the maps are one set of tables read both ways."""
    form = form_of(drawn.seen(view, angle_deg, thickness_mm))
    points = inner_points(form, 0.2)
    there = form.deformation.material(points)
    assert np.abs(form.deformation.view(there) - points).max() < 1e-6
    assert (form.dome.depth(there) > -1e-6).all()
    assert (there[:, 0] > 0).all()


@pytest.mark.parametrize(("view", "angle_deg", "thickness_mm"), VIEWS)
def test_volume_is_kept_everywhere(drawn, view, angle_deg, thickness_mm):
    """det J = 1 within 2 % in 99 % of places 3 mm below the skin, and no fold anywhere (differences over 1 mm)."""
    form = form_of(drawn.seen(view, angle_deg, thickness_mm))
    points = inner_points(form, 1.7)
    move = form.deformation.material
    columns = [move(points + step) - move(points - step) for step in 0.5 * np.eye(3)]
    determinant = np.linalg.det(np.stack(columns, -1))
    assert determinant.min() > 0.5
    assert np.percentile(np.abs(determinant - 1.0), 99) < 0.02
    assert determinant.mean() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("view", "angle_deg", "thickness_mm"), VIEWS)
def test_skin_and_breast_keep_their_volumes(drawn, view, angle_deg, thickness_mm):
    form = form_of(drawn.seen(view, angle_deg, thickness_mm))
    usual = form_of(drawn)
    assert volumes(form.outline, form.half_mm, form.skin_mm) == pytest.approx(
        volumes(usual.outline, usual.half_mm, usual.skin_mm), rel=1e-5)
    assert volumes(form.outline, form.half_mm, form.skin_mm)[0] == pytest.approx(form.dome.volume_mm3, rel=1e-5)
    assert 1.0 < form.skin_mm < 1.6
    assert form.half_mm * 2 == pytest.approx(thickness_mm or drawn.tissue.thickness_mm)


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_painted_fields_follow_the_exact_map(drawn, view):
    """Cells are cut by a map on nodes; between them it is the exact one (warps included) within 0.06 mm (RMS)."""
    from physsim.body.breast.coarse import STEP_MM, _channels, coarse_fields

    form = form_of(drawn.seen(view))
    fields = coarse_fields(form)
    points = inner_points(form, 2.5, 2500)
    at = (points - (fields.x0, fields.y0, fields.z0)) / (STEP_MM, STEP_MM, fields.step_z)
    whole = at.astype(int)
    f = at - whole
    mapped = np.zeros((len(points), 3))
    for corner in np.ndindex(2, 2, 2):
        i, j, k = (whole + corner).T
        weight = np.prod(np.where(corner, f, 1 - f), axis=1)
        mapped += weight[:, None] * fields.nodes[j, i, k, :3]
    exact = _channels(form.breast, form, form.deformation.material(points), fields.table, form.breast.tissue)[:, :3]
    off = np.sqrt(((mapped - exact) ** 2).sum(-1))
    assert np.sqrt((off**2).mean()) < 0.06


@pytest.fixture(scope="module")
def phantoms():
    """A small breast in three views, with a mass and calcifications: voxels of 0.5 mm."""
    made = {}
    for view in ("CC", "MLO", "uncompressed"):
        drawn = Breast.draw("C", view, seed=5, length_mm=58.0, half_width_mm=60.0)
        made[view] = ps.breast(drawn, spacing_mm=0.5)
    return made


def test_tissues_have_one_volume_in_all_views(phantoms):
    """Fat, gland, and skin with the nipple within 1 %; ducts and vessels, thinner than the voxels, within 10 %."""
    volume = {view: {row.name: row.volume_mm3 for row in made.truth.organs} for view, made in phantoms.items()}
    for own in volume.values():
        own["skin and nipple"] = own["skin"] + own["nipple"]
    for view in ("MLO", "uncompressed"):
        for name in ("adipose tissue", "fibroglandular tissue", "skin and nipple"):
            assert volume[view][name] == pytest.approx(volume["CC"][name], rel=0.01), (view, name)
        for name in ("ducts", "vessels"):
            assert volume[view][name] == pytest.approx(volume["CC"][name], rel=0.1), (view, name)


def test_gland_is_where_the_map_carries_it(phantoms):
    """The tissue at material places is one in all views: gland in CC is gland in MLO and uncompressed."""
    form = form_of(breast_of(phantoms["CC"]))
    places = form.deformation.material(inner_points(form, 4.0, 30000))
    shares = {}
    for view, phantom in phantoms.items():
        world = np.array(carried(breast_of(phantom), places))
        index = np.rint(world @ phantom.grid.voxel_from_world[:3, :3].T + phantom.grid.voxel_from_world[:3, 3])
        i, j, k = index.astype(int).T
        label = phantom.labels[k, j, i].astype(float)
        shares[view] = np.where((label >= 1) & (label <= 33), (label - 1) / 32, np.nan)
    for view in ("MLO", "uncompressed"):
        both = np.isfinite(shares["CC"]) & np.isfinite(shares[view])
        assert both.mean() > 0.95
        assert np.corrcoef(shares["CC"][both], shares[view][both])[0, 1] > 0.75
        shuffled = np.random.default_rng(1).permutation(shares[view][both])
        assert abs(np.corrcoef(shares["CC"][both], shuffled)[0, 1]) < 0.05


@pytest.mark.parametrize("lesion", [ps.BreastMass(seed=3, radius_mm=3.5), ps.CalcificationCluster(seed=3, count=6)])
def test_a_lesion_is_one_in_all_views(phantoms, lesion):
    """The same material place; its volume within 2 %; and it lies in the world where that place is carried to."""
    rows = {view: lesion.inserted(phantom).truth.lesions for view, phantom in phantoms.items()}
    for view, own in rows.items():
        assert len(own) == len(rows["CC"])
        for row, other in zip(own, rows["CC"], strict=True):
            assert row.site == other.site
            assert row.volume_mm3 == pytest.approx(other.volume_mm3, rel=0.02)
        middle = np.mean([row.centre_mm for row in own], axis=0)
        words = own[0].site.split()
        place = [float(words[1]), float(words[4]), float(words[7])]
        assert np.abs(middle - carried(breast_of(phantoms[view]), [place])[0]).max() < 2.5


def test_left_and_right_are_mirror_images(drawn):
    places = [[20.0, 10.0, -5.0], [40.0, -8.0, 6.0]]
    left, right = (np.array(carried(drawn.seen("MLO").replace(side=side), places)) for side in ("L", "R"))
    assert right == pytest.approx(left * (-1, 1, 1))
