"""Mammograms (MG): judged by dciodvfy, read back to dose, compression and pixels; exposure indices."""

import numpy as np
import pytest
from dicom_judge import complaints

from physsim.errors import InvalidInput
from physsim.imaging.dicom.attributes import Subject
from physsim.imaging.dicom.codes import BREAST_VIEWS
from physsim.imaging.dicom.mammogram import MammogramTechnique
from physsim.imaging.dicom.radiograph import (
    MAMMOGRAM_SOP_CLASS,
    save_for_presentation,
    save_for_processing,
    save_processed,
)
from physsim.io.dicom import read_dicom
from physsim.io.dicom_identity import Identity
from physsim.io.presentation import Window

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")

SUBJECT, IDENTITY = Subject(identifier="woman-3", sex="F", age_years=55.0), Identity('{"protocol": "mammogram"}', 3)
PLAIN = {"kvp": 28.0, "mas": 60.5, "scatter": "With scatter.", "source_to_detector_mm": 650.0, "pixel_mm": (0.1, 0.08),
         "patient_orientation": ("A", "L"), "laterality": "L", "view": "CC", "thickness_mm": 52.0,
         "compression_n": 90.0}
FULL = PLAIN | {"source_to_patient_mm": 585.0, "filters": (("RHODIUM", 0.05),), "glandular_dose_mgy": 1.25,
                "tilt_deg": 45.0, "view": "MLO", "laterality": "R", "patient_orientation": ("P", "FL"),
                "entrance_air_kerma_mgy": 4.2, "half_value_layer_mm": 0.55, "exposure_index": 400.0,
                "target_exposure_index": 350.0, "grid": ("RECIPROCATING", "FOCUSED"), "grid_ratio": 4.0,
                "grid_pitch_mm": 0.3, "grid_focus_mm": 650.0, "exposure_time_ms": 605.0, "tube_current_ma": 100.0,
                "focal_spot_mm": 0.3, "dose_area_product_mgy_cm2": 900.0, "implant": True}
SIGNAL = np.random.default_rng(1).uniform(10.0, 4e4, (48, 37))


def save(path, technique, intent):
    if intent == "FOR PROCESSING":
        return save_for_processing(path, SIGNAL, "keV", MammogramTechnique(**technique), SUBJECT, IDENTITY)
    return save_for_presentation(path, SIGNAL, 5e4, MammogramTechnique(**technique), SUBJECT, IDENTITY)


@pytest.mark.parametrize("technique", [PLAIN, FULL])
@pytest.mark.parametrize("intent", MAMMOGRAM_SOP_CLASS)
def test_dciodvfy_finds_neither_error_nor_warning(tmp_path, intent, technique):
    save(tmp_path / "a.dcm", technique, intent)
    assert complaints(tmp_path / "a.dcm", warnings=True) == []


@pytest.mark.parametrize("view", BREAST_VIEWS)
def test_dciodvfy_accepts_every_view(tmp_path, view):
    save(tmp_path / "a.dcm", PLAIN | {"view": view}, "FOR PROCESSING")
    assert complaints(tmp_path / "a.dcm", warnings=True) == []


def test_attributes(tmp_path):
    save(tmp_path / "a.dcm", FULL, "FOR PROCESSING")
    data = pydicom.dcmread(tmp_path / "a.dcm")
    assert (data.Modality, data.SOPClassUID) == ("MG", "1.2.840.10008.5.1.4.1.1.1.2.1")
    assert (data.ImageLaterality, data.ViewCodeSequence[0].CodeValue) == ("R", "399368009")
    assert (data.BodyPartThickness, data.CompressionForce, data.PositionerPrimaryAngle) == (52.0, 90.0, 45.0)
    assert float(data.OrganDose) == pytest.approx(0.0125)  # dGy
    assert (data.EntranceDoseInmGy, data.HalfValueLayer) == (4.2, 0.55)
    assert float(data.ImageAndFluoroscopyAreaDoseProduct) == pytest.approx(9.0)  # dGy cm2
    assert (data.AnodeTargetMaterial, data.FilterMaterial, data.DetectorType) == ("TUNGSTEN", "RHODIUM", "DIRECT")
    assert (data.XRayTubeCurrent, data.ExposureTime, data.ExposureInuAs) == (100, 605, 60500)
    assert data.GridAspectRatio == [4, 1]
    assert data.ImagerPixelSpacing == [0.08, 0.1]  # between rows, then between columns
    assert (data.ExposureIndex, data.TargetExposureIndex) == (400, 350)
    assert float(data.DeviationIndex) == pytest.approx(10 * np.log10(400 / 350), abs=0.005)
    assert data.BreastImplantPresent == "YES"


def test_other_readers_see_the_same(tmp_path):
    sitk, highdicom = pytest.importorskip("SimpleITK"), pytest.importorskip("highdicom")
    per_level = save(tmp_path / "a.dcm", PLAIN, "FOR PROCESSING")
    stored = np.rint(SIGNAL / per_level)
    image = sitk.ReadImage(str(tmp_path / "a.dcm"))
    assert np.array_equal(sitk.GetArrayFromImage(image)[0], stored)
    assert image.GetSpacing()[:2] == pytest.approx((0.1, 0.08))
    assert np.array_equal(highdicom.imread(tmp_path / "a.dcm").pixel_array, stored)
    assert np.abs(read_dicom(tmp_path / "a.dcm").values - SIGNAL).max() <= per_level / 2 + 0.01


def test_processed_image(tmp_path):
    image = np.random.default_rng(2).uniform(-0.2, 1.3, (20, 30))
    shown = save_processed(tmp_path / "a.dcm", image, MammogramTechnique(**FULL), SUBJECT, IDENTITY,
                           window=Window(0.0, 1.0))
    assert (shown.low, shown.high) == (0.0, 1.0)
    assert complaints(tmp_path / "a.dcm", warnings=True) == []
    back = read_dicom(tmp_path / "a.dcm")
    assert np.abs(back.values - image).max() < 1.5 / 65535
    assert (back.dataset.PresentationIntentType, back.dataset.ImageType[0]) == ("FOR PRESENTATION", "DERIVED")


@pytest.mark.parametrize(("change", "why"), [
    ({"view": "CCC"}, "view='CCC'.*Did you mean"), ({"laterality": "B"}, "left or right"),
    ({"thickness_mm": 0.0}, "thickness_mm=0"), ({"compression_n": -1.0}, "compression_n=-1"),
    ({"grid_ratio": 0.0}, "grid_ratio=0"), ({"exposure_index": -3.0}, "exposure_index=-3"),
    ({"pixel_mm": (0.1, 0.0)}, "larger than 0 mm"), ({"patient_orientation": ("A",)}, "two directions")])
def test_bad_input(change, why):
    with pytest.raises(InvalidInput, match=why):
        MammogramTechnique(**PLAIN | change)


def test_several_views_in_one_file_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="one view"):
        save_for_processing(tmp_path / "a.dcm", SIGNAL[None], "keV", MammogramTechnique(**PLAIN), SUBJECT, IDENTITY)
