"""DICOM files judged by dciodvfy (Debian package dicom3tools), read back to physical values, equal for equal input."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_judge import complaints
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physsim.errors import FileFormatError, InvalidInput, OutputError, PhyssimError
from physsim.imaging.dicom.attributes import Subject, age_string, orientation_letters
from physsim.imaging.dicom.ct import CtTechnique, save_ct_series
from physsim.imaging.dicom.radiograph import SOP_CLASS, VIEWS, Technique, save_for_presentation, save_for_processing
from physsim.io.dicom import read_dicom, read_dicom_series, write_dicom
from physsim.io.dicom_identity import Identity, uid_from
from physsim.io.image import Image
from physsim.io.presentation import Window

pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")

SUBJECT = Subject(identifier="patient-0007", sex="F", age_years=54.3, height_cm=165.0, weight_kg=72.0)
IDENTITY = Identity('{"protocol": "chest_pa"}', 7)
PLAIN = {"kvp": 125.0, "mas": 2.0, "pixel_mm": (0.4, 0.3), "source_to_detector_mm": 1800.0,
         "patient_orientation": ("L", "F"), "scatter": "Primary only (no scatter)."}
FULL = PLAIN | {"mas": 0.4, "source_to_patient_mm": 1587.3, "exposure_time_ms": 5.0, "focal_spot_mm": 1.2,
                "filters": (("ALUMINUM", 2.5), ("COPPER", 0.1)), "entrance_air_kerma_mgy": 0.123456789012345678,
                "body_part": "ABDOMEN", "view_position": "AP", "laterality": "R", "detector_type": "DIRECT"}


def signal():
    y, x = np.mgrid[-1:1:61j, -1:1:50j]
    return 1.2345e5 * np.exp(-3 * np.clip(1 - x**2 - y**2, 0, None))


def save(path, intent, exposure=None, **options):
    exposure = Technique(**PLAIN) if exposure is None else exposure
    if intent == "FOR PROCESSING":
        return save_for_processing(path, signal(), "keV/mm2", exposure, SUBJECT, IDENTITY, **options)
    return save_for_presentation(path, signal(), 1.2345e5, exposure, SUBJECT, IDENTITY, **options)


@pytest.mark.parametrize("exposure", [PLAIN, FULL, PLAIN | {"body_part": "PHANTOM"}])
@pytest.mark.parametrize("intent", SOP_CLASS)
def test_dciodvfy_finds_no_error(tmp_path, intent, exposure):
    save(tmp_path / "a.dcm", intent, Technique(**exposure))
    assert complaints(tmp_path / "a.dcm") == []


@pytest.mark.parametrize("view", VIEWS)
def test_dciodvfy_accepts_every_view(tmp_path, view):
    save(tmp_path / "a.dcm", "FOR PROCESSING", Technique(**PLAIN | {"view_position": view}))
    assert complaints(tmp_path / "a.dcm") == []


def test_dciodvfy_is_listened_to(tmp_path):
    import pydicom
    save(tmp_path / "a.dcm", "FOR PROCESSING")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    del dataset.ImagerPixelSpacing
    dataset.save_as(tmp_path / "b.dcm")
    assert any("ImagerPixelSpacing" in line for line in complaints(tmp_path / "b.dcm"))


def test_linear_signal_comes_back(tmp_path):
    per_level = save(tmp_path / "a.dcm", "FOR PROCESSING")
    back = read_dicom(tmp_path / "a.dcm")
    assert per_level == 2.0
    assert back.unit == "keV/mm2"
    assert np.abs(back.values - signal()).max() <= per_level / 2 + 0.01  # rounding to levels, and float32
    assert back.stored.dtype == np.uint16


def test_logarithm_comes_back(tmp_path):
    window = save(tmp_path / "a.dcm", "FOR PRESENTATION", window=Window(0.0, 2.5))
    back = read_dicom(tmp_path / "a.dcm")
    attenuation = -np.log(signal() / 1.2345e5)
    assert np.abs(back.values - attenuation).max() <= attenuation.max() / 65535
    assert back.stored.min() == 0
    assert back.stored.max() == 65535
    # A viewer's LINEAR window (PS3.3 C.11.2.1.2.1) shows the same part of the logarithm.
    center, width = float(back.dataset.WindowCenter), float(back.dataset.WindowWidth)
    slope = back.dataset.RealWorldValueMappingSequence[0].RealWorldValueSlope
    ends = [(center - 0.5 - (width - 1) / 2) * slope, (center - 0.5 + (width - 1) / 2) * slope]
    assert ends == pytest.approx([window.low, window.high], abs=1e-9)


def test_attributes(tmp_path):
    save(tmp_path / "a.dcm", "FOR PROCESSING", Technique(**FULL))
    data = read_dicom(tmp_path / "a.dcm").dataset
    assert str(data.PatientName) == "PHYSSIM^patient-0007"
    assert "not for clinical use" in data.PatientComments
    assert "Primary only (no scatter)." in data.ImageComments
    assert data.Manufacturer == "physsim"
    assert data.KVP == 125
    assert data.ExposureInuAs == 400
    assert "Exposure" not in data  # 0.4 mAs is no whole number of mAs
    assert data.ImagerPixelSpacing == [0.3, 0.4]  # DICOM: between rows, then between columns
    assert data.PatientOrientation == ["L", "F"]
    assert data.ImageType == ["ORIGINAL", "PRIMARY", ""]
    assert (data.PixelIntensityRelationship, data.PixelIntensityRelationshipSign) == ("LIN", 1)
    assert float(data.EstimatedRadiographicMagnificationFactor) == pytest.approx(1800 / 1587.3)
    assert data.PatientAge == "054Y"
    assert float(data.EntranceDoseInmGy) == pytest.approx(0.123456789012345678, abs=1e-13)
    assert data.BurnedInAnnotation == "NO"
    assert data.FilterMaterial == ["ALUMINUM", "COPPER"]
    assert data.SyntheticData == "YES"
    assert "not for clinical use" in data.ContributingEquipmentSequence[0].ContributionDescription
    assert data[0x7051, 0x1001].value == IDENTITY.content
    assert data[0x7051, 0x1002].value == "7"


@pytest.mark.parametrize("intent", SOP_CLASS)
def test_other_readers_see_the_same(tmp_path, intent):
    """Pixels, spacing (columns first in SimpleITK, rows first in DICOM), intent: pydicom, highdicom and SimpleITK."""
    sitk, highdicom = pytest.importorskip("SimpleITK"), pytest.importorskip("highdicom")
    import pydicom
    save(tmp_path / "a.dcm", intent)
    stored = read_dicom(tmp_path / "a.dcm").stored
    data = pydicom.dcmread(tmp_path / "a.dcm")
    assert np.array_equal(data.pixel_array, stored)
    assert [float(one) for one in data.ImagerPixelSpacing] == [0.3, 0.4]
    assert data.PresentationIntentType == intent
    image = sitk.ReadImage(str(tmp_path / "a.dcm"))
    assert np.array_equal(sitk.GetArrayFromImage(image)[0], stored)
    assert image.GetSpacing()[:2] == pytest.approx((0.4, 0.3))
    seen = highdicom.imread(tmp_path / "a.dcm")
    assert seen.SOPClassUID == SOP_CLASS[intent]
    assert np.array_equal(seen.pixel_array, stored)


def test_equal_input_equal_bytes(tmp_path):
    for intent in SOP_CLASS:
        for name in ("a", "b"):
            save(tmp_path / f"{name}.dcm", intent, overwrite=True)
        assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_identifiers(tmp_path):
    save(tmp_path / "raw.dcm", "FOR PROCESSING")
    save(tmp_path / "shown.dcm", "FOR PRESENTATION")
    save_for_processing(tmp_path / "other.dcm", signal() / 2, "keV/mm2", Technique(**PLAIN), SUBJECT, IDENTITY)
    raw, shown, other = (read_dicom(tmp_path / f"{name}.dcm").dataset for name in ("raw", "shown", "other"))
    assert raw.StudyInstanceUID == shown.StudyInstanceUID
    assert raw.SeriesInstanceUID != shown.SeriesInstanceUID
    assert len({raw.SOPInstanceUID, shown.SOPInstanceUID, other.SOPInstanceUID}) == 3
    assert Identity("x", 1).uid("study") != Identity("x", 2).uid("study") != Identity("y", 2).uid("study")
    assert uid_from("ab", "c") != uid_from("a", "bc")
    for seed in range(200):
        uid, moment = Identity("x", seed).uid("study"), Identity("x", seed).moment
        assert len(uid) <= 64
        assert uid.startswith("2.25.")
        assert not uid.startswith("2.25.0")
        assert 2000 <= moment.year <= 2019


def test_saturation_is_refused_not_clipped(tmp_path):
    with pytest.raises(InvalidInput, match=r"signal_per_level=1.0.*Give at least 1.88"):
        save(tmp_path / "a.dcm", "FOR PROCESSING", signal_per_level=1.0)
    assert not (tmp_path / "a.dcm").exists()


def test_existing_file_is_kept(tmp_path):
    save(tmp_path / "a.dcm", "FOR PROCESSING")
    with pytest.raises(OutputError, match="exists already"):
        save(tmp_path / "a.dcm", "FOR PROCESSING")


class TestSeries:
    HU = Image(np.random.default_rng(2).integers(-1000, 2000, (5, 6, 7)).astype(np.float32), (0.7, 0.9, 2.5),
               (-12.5, 3.25, 100.0), ((0.8, 0.6, 0.0), (-0.6, 0.8, 0.0), (0.0, 0.0, 1.0)))

    def save(self, folder, image=HU):
        return save_ct_series(folder, image, CtTechnique(kvp=120.0, kernel="ramp"), SUBJECT, IDENTITY)

    def test_round_trip(self, tmp_path):
        paths = self.save(tmp_path)
        paths[0].rename(tmp_path / "z_last.dcm")  # the order comes from the positions, not from the names
        back = read_dicom_series(tmp_path)
        assert np.array_equal(back.array, self.HU.array)
        assert np.abs(back.world_from_voxel - self.HU.world_from_voxel).max() < 1e-9

    def test_dciodvfy_finds_no_error(self, tmp_path):
        assert complaints(self.save(tmp_path)[2]) == []

    def test_missing_slice(self, tmp_path):
        self.save(tmp_path)[2].unlink()
        with pytest.raises(FileFormatError, match=r"slices lie 2.5 to 5 mm apart"):
            read_dicom_series(tmp_path)

    def test_two_series(self, tmp_path):
        self.save(tmp_path)
        save(tmp_path / "a.dcm", "FOR PROCESSING")
        with pytest.raises(FileFormatError, match="does not say where it lies"):
            read_dicom_series(tmp_path)

    @pytest.mark.parametrize(("image", "why"), [
        (Image(np.full((1, 2, 2), 40000.0)), "16 bits hold"), (Image(np.full((1, 2, 2), np.nan)), "CT numbers"),
        (Image(np.zeros((1, 2, 2)), direction=((1, 0, 0), (0, 1, 0), (0, 0, -1))), "Flip the z axis")])
    def test_what_ct_cannot_hold(self, tmp_path, image, why):
        with pytest.raises(InvalidInput, match=why):
            self.save(tmp_path, image)


@pytest.mark.parametrize(("representation", "expected"), [(0, [5, 4095]), (1, [5, -1])])
def test_twelve_stored_bits(tmp_path, representation, expected):
    import pydicom
    save(tmp_path / "a.dcm", "FOR PROCESSING")
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    del dataset.RealWorldValueMappingSequence
    dataset.Rows, dataset.Columns, dataset.BitsStored, dataset.HighBit = 1, 2, 12, 11
    dataset.PixelRepresentation, dataset.RescaleSlope, dataset.RescaleIntercept = representation, 2, -1000
    dataset.PixelData = np.array([0xF005, 0x0FFF], "<u2").tobytes()  # overlay bits above the stored ones
    dataset.save_as(tmp_path / "b.dcm")
    back = read_dicom(tmp_path / "b.dcm")
    assert back.stored.tolist() == [expected]
    assert back.values.tolist() == [[2 * value - 1000 for value in expected]]


def test_letters_of_directions():
    assert [orientation_letters(d) for d in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))] == [
        "L", "R", "P", "A", "H", "F"]
    assert orientation_letters((0.05, 0.6, -0.8)) == "FP"
    assert [age_string(age) for age in (90.0, 2.0, 1.99, 0.02)] == ["090Y", "002Y", "023M", "007D"]


@pytest.mark.parametrize(("call", "why"), [
    (lambda: Technique(**PLAIN | {"kvp": 0.0}), "kvp=0"), (lambda: Technique(**PLAIN | {"mas": -1.0}), "mas=-1"),
    (lambda: Technique(**PLAIN | {"pixel_mm": (0.0, 0.2)}), "larger than 0 mm"),
    (lambda: Technique(**PLAIN | {"view_position": "PAA"}), r"Did you mean 'PA'"),
    (lambda: Technique(**PLAIN | {"patient_orientation": ("L", "")}), "two directions"),
    (lambda: Subject(identifier="a^b"), "ASCII"), (lambda: Subject(identifier=""), "ASCII"),
    (lambda: Subject(identifier="a", sex="X"), "sex='X'"),
    (lambda: Subject(identifier="a", age_years=-1.0), "age_years"),
    (lambda: save("x.dcm", "FOR PROCESSING", Technique(**PLAIN | {"body_part": "CHST"})), r"Did you mean 'CHEST'"),
    (lambda: write_dicom("x.dcm", {"NoSuchKeyword": 1}, np.zeros((2, 2), np.uint16)), "no such keyword"),
    (lambda: write_dicom("x.dcm", {"KVP": 1}, np.zeros((2, 2))), "uint8, uint16 or int16"),
    (lambda: save_for_processing("x.dcm", -signal(), "1", Technique(**PLAIN), SUBJECT, IDENTITY), "not negative")])
def test_bad_input(tmp_path, monkeypatch, call, why):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=why):
        call()
    assert list(tmp_path.iterdir()) == []


def test_without_pydicom_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(InvalidInput, match=r"pip install 'physsim\[dicom\]'"):
        save(tmp_path / "a.dcm", "FOR PROCESSING")


@settings(max_examples=200, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
       front=st.booleans(), cut=st.none() | st.floats(0, 1))
def test_damaged_files(tmp_path, edits, front, cut):
    if not (tmp_path / "a.dcm").exists():
        save(tmp_path / "a.dcm", "FOR PROCESSING")
    whole = bytearray((tmp_path / "a.dcm").read_bytes())
    for place, value in edits:
        whole[int(place * (0.3 if front else 1.0) * len(whole))] = value
    (tmp_path / "b.dcm").write_bytes(bytes(whole if cut is None else whole[:int(cut * len(whole))]))
    try:
        image = read_dicom(tmp_path / "b.dcm")
    except PhyssimError:
        return
    assert image.values.size == 61 * 50


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.02, 0.0])
def test_truncated(tmp_path, keep):
    save(tmp_path / "a.dcm", "FOR PROCESSING")
    data = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(data[:int(keep * len(data))])
    with pytest.raises(FileFormatError):
        read_dicom(tmp_path / "a.dcm")


def test_example_of_the_page_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "dicom.md").read_text()
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1), {})
    assert complaints(tmp_path / "chest.dcm") == []
    assert float(read_dicom(tmp_path / "chest.dcm").dataset.DeviationIndex) == pytest.approx(0.79)
