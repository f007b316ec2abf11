"""Breast Projection X-Ray and Breast Tomosynthesis: judged by dciodvfy, read back to values, poses, dose and angles."""

import dataclasses

import numpy as np
import pytest
from dicom_judge import complaints

from physsim.errors import FileFormatError, InvalidInput
from physsim.imaging.dicom.attributes import Subject
from physsim.imaging.dicom.breast_projections import (
    Sweep,
    read_breast_projections,
    save_breast_projections_for_presentation,
    save_breast_projections_for_processing,
)
from physsim.imaging.dicom.mammogram import MammogramTechnique
from physsim.imaging.dicom.multiframe import geometry_of
from physsim.imaging.dicom.tomosynthesis import save_tomosynthesis
from physsim.io.dicom import read_dicom
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image
from physsim.spec.geometry import Geometry

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")

SUBJECT, IDENTITY = Subject(identifier="woman-9", sex="F", age_years=48.0), Identity('{"protocol": "tomosynthesis"}', 9)
TECHNIQUE = MammogramTechnique(
    kvp=31.0, mas=62.5, scatter="Primary only.", source_to_detector_mm=650.0, filters=(("ALUMINUM", 0.7),),
    pixel_mm=(0.1, 0.12), patient_orientation=("A", "L"), laterality="L", view="CC", thickness_mm=50.0,
    compression_n=90.0, glandular_dose_mgy=1.5, entrance_air_kerma_mgy=5.0, tube_current_ma=125.0, focal_spot_mm=0.3,
    half_value_layer_mm=0.55)
GEOMETRY = dataclasses.replace(Geometry.tomosynthesis(
    views=5, arc_deg=50.0, source_detector_mm=650.0, pivot_mm=40.0, rows=30, columns=20, pixel_mm=0.1),
    pixel_mm=(0.1, 0.12))
SWEEP = Sweep(geometry=GEOMETRY, isocentre_mm=(0.0, 0.0, 40.0), toward_nipple=(1.0, 0.0, 0.0), support_mm=15.0,
              seconds=4.0, mas=(10.0, 12.5, 17.5, 12.5, 10.0))
SIGNAL = np.random.default_rng(4).uniform(1.0, 1e4, GEOMETRY.shape)
VOLUME = Image(np.random.default_rng(1).uniform(0.0, 0.1, (6, 12, 10)).astype(np.float32), (0.1, 0.12, 1.0),
               (1.0, 2.0, 3.0), ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("breast") / "raw.dcm"
    per_level = save_breast_projections_for_processing(path, SIGNAL, "keV", TECHNIQUE, SWEEP, SUBJECT, IDENTITY)
    return path, per_level


@pytest.fixture(scope="module")
def volume_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("breast") / "volume.dcm"
    save_tomosynthesis(path, VOLUME, "/mm", TECHNIQUE, SUBJECT, IDENTITY, algorithm="FBP, ramp", sweep=SWEEP)
    return path


# In the standard since, or allowed beside it: the real world mapping of frames, their mAs and times, that word.
BESIDE = ("RealWorldValueMappingSequence", "FrameAcquisitionSequence", "<TOMO_PROJ>")


def judged(path):
    return [line for line in complaints(path, warnings=True)
            if line.startswith("Error") or not any(word in line for word in BESIDE)]


def test_dciodvfy_accepts_projections(raw, tmp_path):
    assert judged(raw[0]) == []
    save_breast_projections_for_presentation(tmp_path / "a.dcm", SIGNAL, 2e4, TECHNIQUE, SWEEP, SUBJECT, IDENTITY)
    assert judged(tmp_path / "a.dcm") == []
    back = read_dicom(tmp_path / "a.dcm")
    logarithm = np.log(2e4 / SIGNAL)
    assert np.abs(back.values - logarithm).max() <= np.ptp(logarithm) / 65535
    assert back.dataset.PresentationIntentType == "FOR PRESENTATION"


def test_projections_come_back(raw):
    path, per_level = raw
    values, unit, geometry = read_breast_projections(path)
    assert unit == "keV"
    assert np.abs(values - SIGNAL).max() <= per_level / 2 + 0.01
    for name in ("source_mm", "centre_mm", "u", "v", "pixel_mm", "rows", "columns"):
        assert np.array_equal(getattr(geometry, name), getattr(GEOMETRY, name)), name


def test_isocentre_frame_says_where_the_source_is(raw):
    """Source and first pixel, from the standard's own angles and places, against the geometry."""
    data = pydicom.dcmread(raw[0])
    axes = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # x = y cross z; nipple; up
    for view, frame in enumerate(data.PerFrameFunctionalGroupsSequence):
        place = frame.IsocenterReferenceSystemSequence[0]
        first, second = np.radians([place.XRaySourceIsocenterPrimaryAngle, place.XRaySourceIsocenterSecondaryAngle])
        beam = np.array([np.sin(first) * np.cos(second), np.sin(second), np.cos(first) * np.cos(second)])
        reach = float(frame.XRayGeometrySequence[0].DistanceSourceToIsocenter)
        assert np.abs((reach * beam) @ axes + SWEEP.isocentre_mm - GEOMETRY.source_mm[view]).max() < 1e-6
        detector = np.array([place[f"Detector{axis}PositionToIsocenter"].value for axis in "XYZ"])
        corner = detector + place.DetectorActiveAreaTLHCPosition  # the detector is not turned
        assert np.abs(corner @ axes + SWEEP.isocentre_mm - GEOMETRY.pixel_centres_mm(view)[0, 0]).max() < 1e-6
        cosines = np.reshape(place.DetectorActiveAreaOrientation, (2, 3)) @ axes
        assert np.abs(cosines - [GEOMETRY.u[view], GEOMETRY.v[view]]).max() < 1e-9


def test_dose_and_exposure_by_view(raw):
    data = pydicom.dcmread(raw[0])
    frames = data.PerFrameFunctionalGroupsSequence
    assert [float(f.FrameAcquisitionSequence[0].ExposureInmAs) for f in frames] == list(SWEEP.mas)
    assert [float(f.FrameAcquisitionSequence[0].ExposureTimeInms) for f in frames] == [80, 100, 140, 100, 80]
    doses = [float(f.XRayAcquisitionDoseSequence[0].OrganDose) for f in frames]
    assert sum(doses) == pytest.approx(0.015)  # dGy
    assert doses[2] / doses[0] == pytest.approx(1.75)
    assert (data.BodyPartThickness, data.CompressionForce, data.ImageType[2]) == (50, 90, "TOMO_PROJ")
    assert data.NumberOfFrames == 5
    assert frames[0].FramePixelDataPropertiesSequence[0].ImagerPixelSpacing == [0.12, 0.1]


def test_dciodvfy_accepts_volumes(volume_file, tmp_path):
    assert judged(volume_file) == []
    save_tomosynthesis(tmp_path / "a.dcm", VOLUME, "/mm", TECHNIQUE, SUBJECT, IDENTITY, algorithm="FBP, ramp")
    assert judged(tmp_path / "a.dcm") == []


def test_volume_comes_back(volume_file):
    back = read_dicom(volume_file)
    assert back.unit == "/mm"
    assert np.abs(back.values - VOLUME.array).max() <= np.ptp(VOLUME.array) / 65535
    scan = back.dataset.XRay3DAcquisitionSequence[0]
    angles = [float(one.PositionerPrimaryAngle) for one in scan.PerProjectionAcquisitionSequence]
    assert sorted(angles) == pytest.approx([-25, -12.5, 0, 12.5, 25])
    assert (scan.ExposureInmAs, scan.KVP, scan.BodyPartThickness) == (62.5, 31, 50)
    assert back.dataset.XRay3DReconstructionSequence[0].AlgorithmDescription == "FBP, ramp"


def test_other_readers_see_the_volume(volume_file, raw):
    sitk, highdicom = pytest.importorskip("SimpleITK"), pytest.importorskip("highdicom")
    stored = read_dicom(volume_file).stored
    image = sitk.ReadImage(str(volume_file))
    assert np.array_equal(sitk.GetArrayFromImage(image), stored)
    assert image.GetSpacing() == pytest.approx(VOLUME.spacing_mm)
    assert image.GetOrigin() == pytest.approx(VOLUME.origin_mm)
    assert np.abs(np.reshape(image.GetDirection(), (3, 3)).T - VOLUME.direction).max() < 1e-9
    volume = highdicom.imread(volume_file).get_volume(apply_real_world_transform=False)
    place = np.linalg.inv(volume.affine) @ VOLUME.world_from_voxel @ [3, 4, 5, 1]
    index = tuple(np.rint(place[:3]).astype(int))
    assert np.abs(place[:3] - index).max() < 1e-6
    assert volume.array[index] == stored[5, 4, 3]
    stored = read_dicom(raw[0]).stored
    assert np.array_equal(highdicom.imread(raw[0]).pixel_array, stored)
    assert np.array_equal(pydicom.dcmread(raw[0]).pixel_array, stored)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(raw[0]))), stored)


def test_equal_input_equal_bytes(raw, tmp_path):
    save_breast_projections_for_processing(tmp_path / "a.dcm", SIGNAL, "keV", TECHNIQUE, SWEEP, SUBJECT, IDENTITY)
    assert (tmp_path / "a.dcm").read_bytes() == raw[0].read_bytes()


@pytest.mark.parametrize(("call", "why"), [
    (lambda: dataclasses.replace(SWEEP, mas=(1.0, 2.0)), "has 5 views"),
    (lambda: dataclasses.replace(SWEEP, seconds=0.0), "time runs"),
    (lambda: dataclasses.replace(SWEEP, toward_nipple=(0.0, 0.0, 1.0)).frame(), "along the beam"),
    (lambda: save_breast_projections_for_processing("a.dcm", SIGNAL[1:], "keV", TECHNIQUE, SWEEP, SUBJECT, IDENTITY),
     r"geometry's are \(5, 30, 20\)"),
    (lambda: save_breast_projections_for_processing(
        "a.dcm", SIGNAL, "keV", dataclasses.replace(TECHNIQUE, tube_current_ma=None), SWEEP, SUBJECT, IDENTITY),
     "tube_current_ma: a breast projection"),
    (lambda: save_tomosynthesis("a.dcm", dataclasses.replace(VOLUME, direction=((1, 0, 0), (0, 1, 0), (0, 0, -1))),
                                "/mm", TECHNIQUE, SUBJECT, IDENTITY, algorithm="x"), "Flip the z axis"),
    (lambda: save_tomosynthesis("a.dcm", VOLUME, "/mm", dataclasses.replace(TECHNIQUE, half_value_layer_mm=None),
                                SUBJECT, IDENTITY, algorithm="x", sweep=SWEEP), "must state them")])
def test_bad_input(call, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=why):
        call()
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_have_no_poses(volume_file):
    with pytest.raises(FileFormatError, match="no poses of physsim"):
        geometry_of(pydicom.dcmread(volume_file).PerFrameFunctionalGroupsSequence, 12, 10, (0.1, 0.1))
