"""An exposure of a patient sees no end of the voxels: they reach as far as its rays do, and it is of the region."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging import scatter_draws
from physsim.imaging.body import beyond_mm, body_box_mm, region_heights_mm, region_voxels
from physsim.imaging.drawn_cases import Draw
from physsim.imaging.scatter_draws import drawn_patient, drawn_view, stretched
from physsim.imaging.zoo_phantoms import turned
from physsim.phantom.overlay import box_corners
from physsim.phantom.phantom import Phantom
from physsim.surrogate.ensemble import shipped_specs

SPACING = 8.0
COARSE = {"pixel_mm": 8.0, "views": 24, "offset_mm": (2.0, 0.0), "matrix": 32, "slice_mm": 8.0, "modulation": None}
HELIX, TURNS = ps.protocols.chest_ct(**COARSE), ps.protocols.chest_ct(**COARSE, pitch=None)


@pytest.fixture(scope="module")
def man():
    return ps.reference_patient("M", 35)


@pytest.fixture(scope="module")
def cut(man):
    """What ended at the region."""
    return man.phantom(SPACING, "chest", vanishing="keep")


@pytest.fixture(scope="module")
def whole(man):
    return man.phantom(SPACING, vanishing="keep")


@pytest.fixture(scope="module")
def made(man):
    return man.phantom(SPACING, "chest", beyond_mm=beyond_mm(man, HELIX, SPACING, "chest"), vanishing="keep")


def planes(phantom, like):
    """Its relative densities and labels where another phantom's voxels are."""
    low = np.rint((np.array(like.grid.origin_mm) - phantom.grid.origin_mm) / SPACING).astype(int)
    block = tuple(slice(a, a + n) for a, n in zip(low[::-1], like.grid.shape, strict=True))
    return phantom.density[block].astype(np.float32), phantom.labels[block]


def test_voxels_go_on_beyond_the_region(man, cut, made):
    """More of the same body below and above, at least as much as asked for; the box is the region's."""
    below, above = beyond_mm(man, HELIX, SPACING, "chest")
    own, wide = ((z.min(), z.max()) for z in (box_corners(one.grid)[:, 2] for one in (cut, made)))
    assert 0.0 <= own[0] - wide[0] - below < SPACING
    assert 0.0 <= wide[1] - own[1] - above < SPACING
    assert region_heights_mm(made) == pytest.approx(own)
    assert region_heights_mm(cut) is None
    for shared, there in zip(planes(made, cut), (cut.density, cut.labels), strict=True):
        assert np.mean(shared == there) > 0.995
    assert body_box_mm(made) == body_box_mm(cut)
    assert all(one.mass_g >= other.mass_g * (1.0 - 1e-4) for one, other in zip(made.truth.organs, cut.truth.organs,
                                                                                strict=True))


@pytest.mark.parametrize(("age", "spacing", "name"), [
    (35, SPACING, "chest_ct"), (35, SPACING, "head_ct"), (35, SPACING, "chest_4d_ct"), (5, 4.0, "abdomen_ct")])
def test_the_scan_is_of_the_region(age, spacing, name):
    """Poses and slices are those of voxels that end at the region."""
    who, protocol = ps.reference_patient("M", age), ps.protocols[name]
    region = {"CHEST": "chest", "ABDOMEN": "abdomen", "HEAD": "head"}[protocol.body_part]
    ended = who.phantom(spacing, region, vanishing="keep")
    made = region_voxels(who, protocol, spacing, vanishing="keep")
    assert made.grid.shape[0] > ended.grid.shape[0]
    assert body_box_mm(made) == body_box_mm(ended)


@pytest.mark.parametrize("protocol", [HELIX, TURNS], ids=["helix", "turns"])
def test_no_view_sees_the_body_end(man, cut, whole, protocol):
    """Half a turn at both ends is as that of the whole body, within 6 mm of water (one in 1000 of such coarse voxels
    depends on its grid's origin), all views within 0.5 mm RMS; sawn off, the body lacks 100 mm in the first and last.
    """
    fixed = protocol.changed(range_mm=tuple(corner[2] for corner in body_box_mm(cut)),
                             aim_mm=tuple(0.5 * (a + b) for a, b in zip(*body_box_mm(cut), strict=True))[:2])
    made = region_voxels(man, protocol, SPACING, vanishing="keep")
    seen = [ps.simulate(one, fixed, noise=False).lengths_mm for one in (whole, made, cut)]
    assert np.sqrt(np.mean((seen[1] - seen[0]) ** 2)) < 0.5
    for view in [*range(12), *range(-12, 0)]:
        assert np.abs(seen[1][view] - seen[0][view]).max() < 6.0
    for view in (0, -1):
        assert np.abs(seen[2][view] - seen[0][view]).max() > 100.0
    plain = ps.simulate(made, protocol, noise=False)
    assert np.array_equal(plain.lengths_mm, seen[1])
    assert plain.figures()["dlp_mgy_cm"] == ps.simulate(cut, protocol, noise=False).figures()["dlp_mgy_cm"]


def test_rays_meet_what_is_between_the_heights_seen():
    """By rays: where those to the lowest and the highest edge of the detector leave a cylinder about the axis."""
    box = ((-90.0, -70.0, -100.0), (110.0, 80.0, 130.0))
    for protocol in (HELIX, TURNS, ps.protocols.c_arm_ct(views=70), HELIX.changed(offset_mm=(2.0, 40.0))):
        geometry, away = protocol.geometry(box), 150.0
        low, high = protocol.rotation.seen_mm(protocol.detector, box, protocol.reconstruction.field_mm, away)
        axis = np.array([10.0, 5.0])
        ends = []
        for edge in (-0.5, 0.5):
            rise = (geometry.centre_mm + edge * geometry.rows * geometry.pixel_mm[1] * geometry.v - geometry.source_mm)
            toward = rise[:, :2] / np.linalg.norm(rise[:, :2], axis=1)[:, None]
            reach = ((axis - geometry.source_mm[:, :2]) * toward).sum(axis=1)
            slope = rise[:, 2] / np.linalg.norm(rise[:, :2], axis=1)
            ends += [geometry.source_mm[:, 2] + slope * (reach + side * away) for side in (-1.0, 1.0)]
        assert (low, high) == pytest.approx((np.min(ends), np.max(ends)), abs=1e-3)


@pytest.mark.parametrize("name", ["chest_pa", "chest_lateral", "abdomen_ap"])
def test_radiographs_see_what_the_whole_body_shows(name):
    """Of a small woman, whose region ends within the field: cut there, lines of mass lack a tenth of the longest.

    A voxel in a thousand depends on where its grid begins: one pixel in fifty may differ, by a hundredth.
    """
    small = ps.anatomy(sex="F", age=25, height_cm=148, weight_kg=42)
    protocol = ps.protocols[name].changed(rows=48, columns=48, pixel_mm=430.0 / 48)
    region = {"CHEST": "chest", "ABDOMEN": "abdomen"}[protocol.body_part]
    box = body_box_mm(small.phantom(SPACING, region, vanishing="keep"))
    aim = protocol.positioning.replace(aim_mm=tuple((0.5 * (np.array(box[0]) + box[1])).tolist()))
    images = []
    for voxels in (region_voxels(small, protocol, SPACING, vanishing="keep"), small.phantom(SPACING, vanishing="keep"),
                   small.phantom(SPACING, region, vanishing="keep")):
        geometry = aim.geometry(protocol.detector, box)
        mass = np.array([one.density_g_cm3 for one in voxels.materials], np.float32)[voxels.labels] * voxels.density
        body = np.where(mass > 0.1, mass, np.float32(0.0)).astype(np.float32)
        images.append(ps.project(body, geometry, grid=voxels.grid, device="cpu")[0])
    seen, all_of_it, cut = images
    off = np.abs(seen - all_of_it) / all_of_it.max()
    assert off.max() < 0.01
    assert np.quantile(off, 0.98) < 1e-3
    assert np.abs(cut - all_of_it).max() > 0.1 * all_of_it.max()


def test_rays_that_end_within_the_region_ask_for_nothing(man):
    assert beyond_mm(man, HELIX, SPACING, "whole") == (0.0, 0.0)
    assert beyond_mm(man, ps.protocols.chest_pa(), SPACING, "whole") == (0.0, 0.0)
    assert beyond_mm(man, HELIX.changed(range_mm=(250.0, 300.0)), SPACING, "chest") == (0.0, 0.0)
    assert beyond_mm(man, ps.protocols.chest_pa().changed(rows=100), SPACING, "chest") == (0.0, 0.0)


def test_wrong_ends_are_refused(man):
    for wrong in ({"region": "whole"}, {"region": "chest", "beyond_mm": (-1.0, 0.0)},
                  {"region": "chest", "beyond_mm": (0.0, np.inf)}):
        with pytest.raises(InvalidInput, match="beyond_mm"):
            man.phantom(SPACING, **({"beyond_mm": (8.0, 8.0)} | wrong))


def test_files_and_stretched_bodies_keep_the_heights(made, cut, tmp_path):
    """What training draws is of the region, longer or shorter as the body is; so is a phantom read from a file."""
    factors = (1.03, 0.98, 0.94)
    boxes = [body_box_mm(stretched(one, factors)) for one in (cut, made)]
    assert boxes[0] == boxes[1]
    round_ = turned(stretched(made, factors), Draw(1, 0))
    assert (body_box_mm(round_)[0][2], body_box_mm(round_)[1][2]) == (boxes[0][0][2], boxes[0][1][2])
    made.save(tmp_path / "chest.h5")
    assert body_box_mm(Phantom.load(tmp_path / "chest.h5")) == body_box_mm(cut)


@pytest.mark.parametrize("family", ["ct", "cbct"])
def test_training_draws_what_scans_see(man, family, monkeypatch):
    """The shortest body drawn reaches beyond its region by all that its views see; the range stays the region's."""
    spec = ps.ScatterTraining.from_toml(shipped_specs()[family]).replace(spacing_mm=SPACING)
    monkeypatch.setattr(scatter_draws, "drawn_person", lambda spec, draw: (man, 0))
    voxels = drawn_patient(spec, Draw(1, 0)).voxels
    base = ps.protocols[spec.techniques[0].protocol]
    region = {"CHEST": "chest", "ABDOMEN": "abdomen"}[base.body_part]
    plain = man.phantom(SPACING, region, vanishing="keep")
    factors = (spec.stretch[1], spec.stretch[1], spec.stretch[0])
    short, box = stretched(voxels, factors), body_box_mm(stretched(plain, factors))
    assert body_box_mm(short) == box
    away = 0.5 * float(np.hypot(box[1][0] - box[0][0], box[1][1] - box[0][1]))
    low, high = base.rotation.seen_mm(base.detector, box, base.reconstruction.field_mm, away)
    first = short.grid.origin_mm[2] - 0.5 * short.grid.spacing_mm[2]
    assert first < low
    assert first + short.grid.spacing_mm[2] * short.grid.shape[0] > high


@pytest.mark.parametrize("family", ["chest", "abdomen"])
def test_training_draws_what_any_radiograph_sees(man, family, monkeypatch):
    """The shortest body reaches beyond whatever its techniques' distances and aims let rays meet."""
    spec = ps.ScatterTraining.from_toml(shipped_specs()[family]).replace(spacing_mm=SPACING)
    monkeypatch.setattr(scatter_draws, "drawn_person", lambda spec, draw: (man, 0))
    voxels, technique = drawn_patient(spec, Draw(1, 0)).voxels, spec.techniques[0]
    short = stretched(voxels, (spec.stretch[1], spec.stretch[1], spec.stretch[0]))
    beam = ps.protocols[technique.protocol]
    ends = box_corners(short.grid)[:, 2].min(), box_corners(short.grid)[:, 2].max()
    for number in range(40):
        _, view = drawn_view(short, beam, technique, Draw(1, number), "0 0")
        corners = box_corners(short.grid)
        shares = ((corners - view.source_mm[0]) @ view.normal[0]) / view.distance_mm[0]
        half = 0.5 * view.rows * view.pixel_mm[1]
        for edge in (view.centre_mm[0, 2] - half, view.centre_mm[0, 2] + half):
            met = view.source_mm[0, 2] + shares.max() * (edge - view.source_mm[0, 2])
            assert ends[0] + 30.0 < met < ends[1] - 30.0  # of the 50 mm that also scatter, for the voxels' own steps


def test_lesions_lie_where_they_lay(man):
    """Places are drawn within the region; a site beyond it is refused as it was."""
    ill = man.insert(ps.Lesion(site="left lower lobe", diameter_mm=16.0, seed=4))
    found = [ill.phantom(SPACING, "chest", vanishing="keep", **more).truth.lesions[0].centre_mm
             for more in ({}, {"beyond_mm": (60.0, 60.0)})]
    assert found[0] == found[1]
    with pytest.raises(InvalidInput, match="outside these voxels"):
        man.insert(ps.Lesion(site="liver", diameter_mm=9.0)).phantom(
            SPACING, "head", beyond_mm=(400.0, 0.0), vanishing="keep")
