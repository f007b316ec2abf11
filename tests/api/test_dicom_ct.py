"""CT series: judged by dciodvfy, read by pydicom, highdicom and SimpleITK to the volume and the scan that made it."""

import numpy as np
import pytest
from dicom_judge import complaints

import physsim.io.atomic
from physsim.errors import InvalidInput, OutputError
from physsim.imaging.dicom.attributes import Subject
from physsim.imaging.dicom.ct import CtTechnique, save_ct_series
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image
from physsim.io.presentation import Window

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")

SUBJECT, IDENTITY = Subject(identifier="man-5", sex="M", age_years=61.0), Identity('{"protocol": "chest_ct"}', 5)
AXIAL = {"kvp": 120.0, "kernel": "smooth"}
HELICAL = AXIAL | {
    "tube_current_ma": 240.5, "exposure_time_s": 0.5, "pitch": 0.9, "slice_collimation_mm": 0.6, "collimation_mm": 38.4,
    "scan_diameter_mm": 500.0, "reconstruction_diameter_mm": 360.0, "source_to_detector_mm": 950.0,
    "source_to_axis_mm": 540.0, "focal_spot_mm": 1.0, "filters": ("ALUMINUM", "TITANIUM"), "modulation": "XYZ",
    "ctdi_vol_mgy": 7.25, "water_equivalent_diameter_mm": 271.0, "scatter": "Scatter corrected."}
HU = Image(np.random.default_rng(2).integers(-1024, 3071, (6, 24, 20)).astype(np.float32), (0.7, 0.9, 2.5),
           (-12.5, 3.25, 100.0), ((0.8, 0.6, 0.0), (-0.6, 0.8, 0.0), (0.0, 0.0, 1.0)))


def save(folder, technique=HELICAL, image=HU, **options):
    return save_ct_series(folder, image, CtTechnique(**technique), SUBJECT, IDENTITY, **options)


@pytest.mark.parametrize("technique", [AXIAL, HELICAL, AXIAL | {"body_part": "HEAD", "ctdi_vol_mgy": 50.0,
                                                                "ctdi_phantom_cm": 16, "windows": ()}])
def test_dciodvfy_finds_neither_error_nor_warning(tmp_path, technique):
    assert complaints(save(tmp_path, technique)[2], warnings=True) == []


def test_attributes(tmp_path):
    data = pydicom.dcmread(save(tmp_path, current_ma=np.linspace(100.0, 300.0, 6))[1])
    assert (data.XRayTubeCurrent, data.Exposure, data.ExposureInuAs) == (140, 70, 70000)
    assert (data.SpiralPitchFactor, data.ScanOptions, data.RevolutionTime) == (0.9, "HELICAL", 0.5)
    assert data.TableFeedPerRotation == pytest.approx(34.56)
    assert data.TableSpeed == pytest.approx(69.12)
    assert (data.CTDIvol, data.CTDIPhantomTypeCodeSequence[0].CodeValue) == (7.25, "113691")
    assert (data.ConvolutionKernel, data.FilterType, data.FilterMaterial[1]) == ("smooth", "BUTTERFLY", "TITANIUM")
    assert (data.ReconstructionDiameter, data.DataCollectionDiameter) == (360, 500)
    assert (data.DistanceSourceToDetector, data.DistanceSourceToPatient) == (950, 540)
    assert (data.WindowCenter[0], data.WindowWidth[0], data.WindowCenterWidthExplanation[0]) == (-600, 1500, "lung")
    assert (data.RescaleSlope, data.RescaleIntercept, data.RescaleType) == (1, 0, "HU")
    assert data.SyntheticData == "YES"
    assert data.SliceLocation == 102.5


def test_axial_scan_has_no_pitch(tmp_path):
    data = pydicom.dcmread(save(tmp_path, AXIAL)[0])
    assert data.ScanOptions == "AXIAL"
    assert "SpiralPitchFactor" not in data
    assert data.ReconstructionDiameter == pytest.approx(24 * 0.9)


def test_other_readers_see_the_volume(tmp_path):
    sitk, highdicom = pytest.importorskip("SimpleITK"), pytest.importorskip("highdicom")
    paths = save(tmp_path)
    reader = sitk.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(str(tmp_path))
    assert [str(path) for path in paths] == list(names)
    reader.SetFileNames(names)
    image = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(image), HU.array)
    assert image.GetSpacing() == pytest.approx(HU.spacing_mm)
    assert image.GetOrigin() == pytest.approx(HU.origin_mm)
    assert np.abs(np.reshape(image.GetDirection(), (3, 3)).T - HU.direction).max() < 1e-9
    volume = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in paths])
    place = np.linalg.inv(volume.affine) @ HU.world_from_voxel @ [3, 4, 5, 1]  # of voxel x 3, y 4, z 5
    index = tuple(np.rint(place[:3]).astype(int))
    assert np.abs(place[:3] - index).max() < 1e-6
    assert volume.array[index] == HU.array[5, 4, 3]


def test_equal_input_equal_bytes(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        save(folder)
    for one, other in zip(*(sorted(folder.iterdir()) for folder in folders), strict=True):
        assert one.read_bytes() == other.read_bytes()
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in folders[0].iterdir()}
    assert len(uids) == 6


@pytest.mark.parametrize(("change", "why"), [
    ({"pitch": 0.0}, "pitch=0"), ({"ctdi_phantom_cm": 20}, "16 or 32"), ({"modulation": "XYY"}, "Did you mean 'XYZ'"),
    ({"collimation_mm": -1.0}, "collimation_mm=-1")])
def test_bad_input(change, why):
    with pytest.raises(InvalidInput, match=why):
        CtTechnique(**HELICAL | change)


def test_a_current_for_each_slice(tmp_path):
    with pytest.raises(InvalidInput, match="each of 6 slices"):
        save(tmp_path, current_ma=[100.0, 200.0])
    assert list(tmp_path.iterdir()) == []


def test_no_slice_without_the_others(tmp_path, monkeypatch):
    publish, count = physsim.io.atomic._publish, []

    def failing(temporary, path, overwrite):
        count.append(path)
        if len(count) == 4:
            raise OSError(28, "No space left on device")
        publish(temporary, path, overwrite)

    monkeypatch.setattr(physsim.io.atomic, "_publish", failing)
    with pytest.raises(OutputError, match=r"slice_0004.dcm: could not be written whole \(No space left on device\)"):
        save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_window_of_ones_own(tmp_path):
    data = pydicom.dcmread(save(tmp_path, AXIAL | {"windows": (("liver", Window(0.0, 200.0)),)})[0])
    assert (data.WindowCenter, data.WindowWidth) == (100, 200)
