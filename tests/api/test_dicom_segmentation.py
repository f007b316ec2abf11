"""Truth as DICOM SEG: judged by dciodvfy, read to the same voxels by highdicom, which knows segments."""

import numpy as np
import pytest
from dicom_judge import complaints

from physsim.errors import InvalidInput
from physsim.imaging.dicom.attributes import Subject
from physsim.imaging.dicom.codes import lesion_codes, organ_codes
from physsim.imaging.dicom.ct import CtTechnique, save_ct_series
from physsim.imaging.dicom.image_segmentation import save_image_segmentation
from physsim.imaging.dicom.radiograph import Technique, save_for_presentation
from physsim.imaging.dicom.segmentation import Segment, save_segmentation
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")

SUBJECT, IDENTITY = Subject(identifier="man-5", sex="M"), Identity('{"protocol": "chest_ct"}', 5)
AXES = (0.7, 0.9, 2.5), (-12.5, 3.25, 100.0), ((0.8, 0.6, 0.0), (-0.6, 0.8, 0.0), (0.0, 0.0, 1.0))
ARRAY = np.random.default_rng(2).integers(0, 4, (6, 13, 11)).astype(np.uint16)
ARRAY[2:4][ARRAY[2:4] == 3] = 0  # a segment that misses two slices
LABELS, SEGMENTS = Image(ARRAY, *AXES), (
    Segment(number=3, name="left kidney"), Segment(number=1, name="solid nodule 1", kind="lesion"),
    Segment(number=2, name="odd thing", category=("91723000", "Anatomical Structure"), type=("2748008", "Spinal cord")))


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ct")
    return save_ct_series(folder, Image(ARRAY.astype(np.float32), *AXES), CtTechnique(kvp=120.0, kernel="ramp"),
                          SUBJECT, IDENTITY)


@pytest.fixture(scope="module")
def truth(tmp_path_factory, series):
    path = tmp_path_factory.mktemp("seg") / "truth.dcm"
    assert save_segmentation(path, LABELS, SEGMENTS, SUBJECT, IDENTITY, sources=series) == 4 + 6 + 6
    return path


def test_dciodvfy_finds_neither_error_nor_warning(truth, tmp_path):
    assert complaints(truth, warnings=True) == []
    save_segmentation(tmp_path / "a.dcm", LABELS, SEGMENTS, SUBJECT, IDENTITY)
    assert complaints(tmp_path / "a.dcm", warnings=True) == []


def test_highdicom_reads_the_voxels(truth):
    highdicom = pytest.importorskip("highdicom")
    found = highdicom.seg.segread(truth)
    assert [found.get_segment_description(n).segment_label for n in (1, 2, 3)] == [one.name for one in SEGMENTS]
    for n, one in enumerate(SEGMENTS, 1):
        volume = found.get_volume(segment_numbers=[n])
        change = np.linalg.inv(volume.affine) @ LABELS.world_from_voxel
        indices = np.stack(np.meshgrid(*map(np.arange, ARRAY.shape[::-1]), indexing="ij"), -1).reshape(-1, 3)
        places = indices @ change[:3, :3].T + change[:3, 3]
        assert np.abs(places - np.rint(places)).max() < 1e-6
        got = volume.array[..., 0][tuple(np.rint(places).astype(int).T)]
        assert np.array_equal(got, (one.number == ARRAY)[tuple(indices[:, ::-1].T)])


def test_sources_are_named(truth, series):
    data = pydicom.dcmread(truth)
    uids = {path: pydicom.dcmread(path, stop_before_pixels=True) for path in series}
    heights = {str(one.SOPInstanceUID): float(one.ImagePositionPatient[2]) for one in uids.values()}
    for frame in data.PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert heights[source] == float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
    assert data.ReferencedSeriesSequence[0].SeriesInstanceUID == next(iter(uids.values())).SeriesInstanceUID
    assert data.FrameOfReferenceUID == next(iter(uids.values())).FrameOfReferenceUID
    assert data.StudyInstanceUID == next(iter(uids.values())).StudyInstanceUID


def test_codes(truth):
    items = pydicom.dcmread(truth).SegmentSequence
    kinds = [one.SegmentedPropertyTypeCodeSequence[0].CodeValue for one in items]
    assert kinds == ["64033007", "27925004", "2748008"]
    assert items[1].SegmentedPropertyCategoryCodeSequence[0].CodeMeaning == "Morphologically Abnormal Structure"
    for name, meaning in (("vertebral artery", "Artery"), ("ribs 3 left", "Rib"), ("left upper lung lobe",
                          "Upper lobe of left lung"), ("small bowel wall", "Small intestine"), ("foo", "Tissue")):
        assert organ_codes(name)[1]["CodeMeaning"] == meaning
    assert lesion_codes("something")[1]["CodeMeaning"] == "Lesion"


def test_equal_input_equal_bytes(truth, series, tmp_path):
    save_segmentation(tmp_path / "a.dcm", LABELS, SEGMENTS, SUBJECT, IDENTITY, sources=series)
    assert (tmp_path / "a.dcm").read_bytes() == truth.read_bytes()


@pytest.mark.parametrize(("call", "why"), [
    (lambda p, s: save_segmentation(p, Image(ARRAY.astype(np.float32), *AXES), SEGMENTS, SUBJECT, IDENTITY), "whole"),
    (lambda p, s: save_segmentation(p, LABELS, [*SEGMENTS, SEGMENTS[0]], SUBJECT, IDENTITY), "each number once"),
    (lambda p, s: save_segmentation(p, LABELS, [Segment(number=9, name="spleen")], SUBJECT, IDENTITY),
     "spleen: no voxel carries"),
    (lambda p, s: save_segmentation(p, LABELS, SEGMENTS, SUBJECT, IDENTITY, sources=s[1:]), "1 slices of the labels"),
    (lambda p, s: Segment(number=0, name="a"), "number=0"), (lambda p, s: Segment(number=1, name=""), "1 to 64")])
def test_bad_input(tmp_path, series, call, why):
    with pytest.raises(InvalidInput, match=why):
        call(tmp_path / "a.dcm", series)
    assert list(tmp_path.iterdir()) == []


MASKS = np.random.default_rng(6).random((3, 14, 9)) < 0.3  # they overlap, as shadows do


@pytest.fixture
def radiograph(tmp_path):
    technique = Technique(kvp=125.0, mas=2.0, pixel_mm=(0.4, 0.3), source_to_detector_mm=1800.0, scatter="",
                          patient_orientation=("L", "F"))
    save_for_presentation(tmp_path / "chest.dcm", np.random.default_rng(1).uniform(1, 9, (14, 9)), 10.0, technique,
                          SUBJECT, IDENTITY)
    return tmp_path / "chest.dcm"


def test_truth_in_a_radiograph(radiograph, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    save_image_segmentation(tmp_path / "a.dcm", MASKS, SEGMENTS, radiograph, SUBJECT, IDENTITY)
    assert complaints(tmp_path / "a.dcm", warnings=True) == []
    found = highdicom.seg.segread(tmp_path / "a.dcm")
    uid = pydicom.dcmread(radiograph).SOPInstanceUID
    assert np.array_equal(found.get_pixels_by_source_instance([uid])[0], np.moveaxis(MASKS, 0, -1))
    assert [one.segment_label for one in found.SegmentSequence] == [one.name for one in SEGMENTS]


@pytest.mark.parametrize(("masks", "segments", "why"), [
    (MASKS[:, :-1], SEGMENTS, r"the image has \(14, 9\)"), (MASKS[:2], SEGMENTS, "for 3 segments"),
    (MASKS & False, SEGMENTS, "no pixel shows it"), (MASKS.astype(np.uint8), SEGMENTS, "of bool"),
    (MASKS, SEGMENTS[:1] * 3, "each number once")])
def test_what_is_no_truth_of_a_radiograph(radiograph, tmp_path, masks, segments, why):
    with pytest.raises(InvalidInput, match=why):
        save_image_segmentation(tmp_path / "a.dcm", masks, segments, radiograph, SUBJECT, IDENTITY)
