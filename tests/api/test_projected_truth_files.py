"""Truth of radiographs and mammograms as files: DICOM SEG of the image, HDF5, PNG masks, and the command."""

import json

import numpy as np
import pytest
from dicom_judge import complaints

import physsim as ps
from physsim.errors import InvalidInput, OutputError
from physsim.io.hdf5 import read_layers
from physsim.phantom.shapes import Sphere

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")


@pytest.fixture(scope="module")
def body():
    ball = Sphere(name="nodule", material="bone", centre_mm=(20.0, 10.0, 15.0), radius_mm=12.0, lesion=True)
    return ps.voxelise(ps.scene("water_20cm"), spacing_mm=10).insert(ball, overlay_spacing_mm=1.0)


@pytest.fixture(scope="module")
def shot(body):
    return ps.simulate(body, ps.protocols.chest_pa(pixel_mm=4.0), seed=3, noise=False)


def judged(path, image, truth):
    """The segmentation's masks by name; no complaint of dciodvfy, the image named, highdicom reads what truth knows."""
    highdicom = pytest.importorskip("highdicom")
    assert complaints(path) == []
    found, uid = highdicom.seg.segread(path), pydicom.dcmread(image).SOPInstanceUID
    names = [one.segment_label for one in found.SegmentSequence]
    pixels = found.get_pixels_by_source_instance([uid])[0]
    masks = {name: pixels[..., n].astype(bool) for n, name in enumerate(names)}
    for name in names:
        assert np.array_equal(masks[name], truth.mask(name)[0]), name
    return masks


def test_a_radiograph_and_its_segmentation(shot, tmp_path):
    shot.save(tmp_path / "a.dcm")
    shot.save_truth(tmp_path / "truth.dcm", image=tmp_path / "a.dcm")
    masks = judged(tmp_path / "truth.dcm", tmp_path / "a.dcm", shot.truth)
    assert set(masks) == {"water", "nodule"}
    assert (masks["nodule"] & masks["water"]).sum() == masks["nodule"].sum()  # they overlap, as shadows do
    kinds = [one.SegmentedPropertyTypeCodeSequence[0].CodeMeaning
             for one in pydicom.dcmread(tmp_path / "truth.dcm").SegmentSequence]
    assert "Nodule" in kinds


def test_windows_in_hdf5_hold_the_paths(shot, body, tmp_path):
    shot.save_truth(tmp_path / "truth.h5")
    file = read_layers(tmp_path / "truth.h5")
    (left, top, right, bottom), = file.provenance["truth"]["lesions"][0]["boxes"]
    layer = file.layers["lesion_0_mm"]
    assert f"from row {top}, column {left} " in layer.description
    assert np.array_equal(layer.array[0], shot.truth.path_mm("nodule")[0, top:bottom, left:right])
    number = body.truth.number("water")
    assert "in water;" in file.layers[f"organ_{number}_mm"].description
    again = tmp_path / "body.h5"
    body.save(again)
    assert np.array_equal(ps.Phantom.load(again).overlays[0].organ_labels, body.overlays[0].organ_labels)


def test_masks_as_pictures(shot, tmp_path):
    from PIL import Image

    shot.save_truth(tmp_path / "masks")
    table = json.loads((tmp_path / "masks" / "truth.json").read_text())
    assert {one["name"] for one in table["masks"]} == {"water", "nodule"}
    for one in table["masks"]:
        pixels = np.asarray(Image.open(tmp_path / "masks" / one["file"]))
        assert np.array_equal(pixels == 255, shot.truth.mask(one["name"])[0])
        assert set(np.unique(pixels)) == {0, 255}
    with pytest.raises(OutputError, match="exists"):
        shot.save_truth(tmp_path / "masks")


@pytest.mark.parametrize(("call", "why"), [
    (lambda s, p: s.save_truth(p / "a.dcm"), "image="), (lambda s, p: s.save_truth(p / "a.tif"), "no file that holds"),
    (lambda s, p: s.save_truth(p / "a.h5", image=p / "b.dcm"), r"only a \.dcm")])
def test_bad_input(shot, tmp_path, call, why):
    with pytest.raises(InvalidInput, match=why):
        call(shot, tmp_path)
    assert not list(tmp_path.iterdir())


def test_calcifications_of_a_mammogram(tmp_path):
    """Each of 0.4 to 0.6 mm has a mask that holds the ray through its centre, in voxels of 1 mm."""
    cluster = ps.CalcificationCluster(count=4, size_mm=(0.4, 0.6), seed=5)
    breast = cluster.inserted(ps.breast("D", spacing_mm=1.0, length_mm=40, half_width_mm=40))
    shot = ps.simulate(breast, ps.protocols.mammogram(pixel_mm=0.28), seed=7, noise=False)
    geometry = shot.geometry
    for row in breast.truth.lesions:
        ray = np.array(row.centre_mm) - geometry.source_mm[0]
        hit = geometry.source_mm[0] + ray * (geometry.distance_mm[0] / (ray @ geometry.normal[0])) - \
            geometry.centre_mm[0]
        column, line = (hit @ axis / 0.28 + 0.5 * (count - 1) for axis, count in
                        ((geometry.u[0], geometry.columns), (geometry.v[0], geometry.rows)))
        (left, top, right, bottom), = shot.truth.boxes(row.name)
        assert left - 1 <= column <= right
        assert top - 1 <= line <= bottom
        assert 0.2 < shot.truth.path_mm(row.name).max() < 0.9
    shot.save(tmp_path / "a.dcm")
    shot.save_truth(tmp_path / "truth.dcm", image=tmp_path / "a.dcm")
    assert {"calcification 1", "calcification 4", "ducts"} <= set(judged(tmp_path / "truth.dcm", tmp_path / "a.dcm",
                                                                         shot.truth))


def test_an_overlay_is_known_on_a_finer_grid(body):
    from physsim.imaging.scan.truth import scan_truth

    fine = ps.Grid(shape=(40, 40, 40), spacing_mm=1.0, origin_mm=(0.5, -9.5, -4.5))
    mask = scan_truth(body, fine).mask("nodule")
    assert mask.sum() == pytest.approx(4.0 / 3.0 * np.pi * 12.0**3, rel=0.03)


def test_the_command_writes_truth(physsim, tmp_path):
    common = ("simulate", "--phantom", "thorax", "--spacing-mm", "8", "--protocol", "chest_pa", "--pixel-mm", "4")
    status, _, err = physsim(*common, "--out", tmp_path / "a.dcm", "--truth", tmp_path / "t.dcm")
    assert status == 0, err
    assert complaints(tmp_path / "t.dcm") == []
    status, _, err = physsim(*common, "--out", tmp_path / "a.png", "--truth", tmp_path / "u.dcm")
    assert (status, "--out FILE.dcm" in err) == (2, True)
    status, _, err = physsim("simulate", "--protocol", "chest_ct", "--out", tmp_path / "ct", "--truth", tmp_path / "u")
    assert (status, "are a volume" in err) == (2, True)
    assert {one.name for one in tmp_path.iterdir()} == {"a.dcm", "t.dcm"}


@pytest.fixture(scope="module")
def breast():
    return ps.BreastMass(radius_mm=4.0, seed=5).inserted(ps.breast("D", spacing_mm=1.0, length_mm=40, half_width_mm=40))


@pytest.fixture(scope="module")
def sweep(breast):
    """Coarse views of a breast with a mass."""
    return ps.simulate(breast, ps.protocols.tomosynthesis(pixel_mm=1.12), seed=7, noise=False)


def test_truth_of_a_sweep_is_a_segmentation_of_its_slices(sweep, tmp_path):
    """A frame for each slice and structure, which names the slice's frame in slices.dcm; highdicom reads the labels."""
    from physsim.imaging.breast_slices import slice_truth

    highdicom = pytest.importorskip("highdicom")
    sweep.save(tmp_path / "dbt")
    slices = tmp_path / "dbt" / "slices.dcm"
    sweep.save_truth(tmp_path / "truth.dcm", image=slices)
    assert complaints(tmp_path / "truth.dcm", warnings=True) == []
    truth, images = slice_truth(sweep), pydicom.dcmread(slices)
    found = highdicom.seg.segread(tmp_path / "truth.dcm")
    names = [one.segment_label for one in found.SegmentSequence]
    assert {"mass", "ducts"} <= set(names)
    assert found.FrameOfReferenceUID == images.FrameOfReferenceUID
    assert [one.ReferencedSOPInstanceUID for one in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence] == \
        [images.SOPInstanceUID]
    frames = range(1, len(truth.image().array) + 1)
    pixels = found.get_pixels_by_source_frame(images.SOPInstanceUID, list(frames), assert_missing_frames_are_empty=True)
    for n, name in enumerate(names):
        assert np.array_equal(pixels[..., n].astype(bool), truth.mask(name)), name
    for frame in found.PerFrameFunctionalGroupsSequence:
        number = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        theirs = images.PerFrameFunctionalGroupsSequence[number - 1].PlanePositionSequence[0].ImagePositionPatient
        assert frame.PlanePositionSequence[0].ImagePositionPatient == theirs


def test_truth_of_a_sweep_needs_no_slices_but_refuses_others(sweep, shot, tmp_path):
    sweep.save_truth(tmp_path / "alone.dcm")
    assert complaints(tmp_path / "alone.dcm") == []
    assert "ReferencedSeriesSequence" not in pydicom.dcmread(tmp_path / "alone.dcm")
    sweep.save(tmp_path / "views.dcm")
    shot.save(tmp_path / "chest.dcm")
    from physsim.imaging.dicom.segmentation import Segment, save_segmentation
    from physsim.io.image import Image

    for name, why in (("views.dcm", "holds no slices"), ("chest.dcm", "holds no slices")):
        with pytest.raises((InvalidInput, ps.errors.FileFormatError), match=why):
            sweep.save_truth(tmp_path / "t.dcm", image=tmp_path / name)
    sweep.save(tmp_path / "dbt")
    small = Image(np.ones((2, 3, 4), np.uint8), (1.0, 1.0, 1.0))
    with pytest.raises(InvalidInput, match=r"slices of .* pixels: the labels have \(3, 4\)"):
        save_segmentation(tmp_path / "t.dcm", small, [Segment(number=1, name="a")], None, None,
                          sources=[tmp_path / "dbt" / "slices.dcm"])
    assert not (tmp_path / "t.dcm").exists()


def test_the_command_writes_truth_of_a_sweep(physsim, breast, tmp_path):
    breast.save(tmp_path / "breast.h5")
    status, _, err = physsim("simulate", "--phantom", tmp_path / "breast.h5", "--protocol", "tomosynthesis",
                             "--pixel-mm", 1.12, "--out", tmp_path / "dbt", "--truth", tmp_path / "truth.dcm")
    assert status == 0, err
    named = pydicom.dcmread(tmp_path / "truth.dcm").ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert named[0].ReferencedSOPInstanceUID == pydicom.dcmread(tmp_path / "dbt" / "slices.dcm").SOPInstanceUID
