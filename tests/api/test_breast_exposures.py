"""Mammograms and tomosynthesis as files: judged by dciodvfy, read back to dose, view, poses and pixels."""

import re
from pathlib import Path

import numpy as np
import pytest
from breast_cases import mammogram, small_breast, tomosynthesis
from dicom_judge import complaints

import physsim as ps
from physsim.errors import InvalidInput, OutputError
from physsim.imaging.dicom.breast_projections import read_breast_projections
from physsim.io.volume import read_volume

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
# In the standard since, or allowed beside it: as in test_dicom_breast.
BESIDE = ("RealWorldValueMappingSequence", "FrameAcquisitionSequence", "<TOMO_PROJ>")


@pytest.fixture(scope="module")
def oblique():
    return ps.simulate(small_breast("MLO", "R"), mammogram("MLO", "R"), seed=5)


@pytest.fixture(scope="module")
def scan():
    return ps.simulate(small_breast(), tomosynthesis(), seed=5)


@pytest.mark.parametrize("for_processing", [False, True])
def test_a_mammogram_is_valid_and_says_how_it_was_taken(oblique, tmp_path, for_processing):
    oblique.save(tmp_path / "a.dcm", for_processing=for_processing)
    assert complaints(tmp_path / "a.dcm", warnings=True) == []
    data = pydicom.dcmread(tmp_path / "a.dcm")
    assert (data.Modality, data.ImageLaterality, data.ViewCodeSequence[0].CodeMeaning) == (
        "MG", "R", "medio-lateral oblique")
    assert data.PatientOrientation[0] == "P"
    assert (data.BodyPartThickness, data.PositionerPrimaryAngle, data.FilterMaterial) == (35.0, 45.0, "RHODIUM")
    assert float(data.OrganDose) == pytest.approx(0.01 * oblique.figures()["glandular_dose_mgy"], rel=1e-6)
    assert float(data.DistanceSourceToPatient) == pytest.approx(700.0 - 15.0 - 35.0)
    assert 0.45 < float(data.HalfValueLayer) < 0.55  # W/Rh, 28 kVp: 0.5 mm of aluminium in surveys


def test_the_picture_shows_the_breast_and_black_around(oblique, tmp_path):
    assert oblique.saturated == 0
    oblique.save(tmp_path / "a.dcm")
    shown = pydicom.dcmread(tmp_path / "a.dcm").pixel_array
    assert (shown[:, :5] == shown.min()).mean() > 0.9  # beyond the nipple of a right breast
    assert shown[:, -5:].max() > 0.5 * shown.max()


@pytest.mark.parametrize("for_processing", [False, True])
def test_projections_are_valid_and_come_back(scan, tmp_path, for_processing):
    scan.save(tmp_path / "a.dcm", for_processing=for_processing)
    assert [line for line in complaints(tmp_path / "a.dcm", warnings=True)
            if line.startswith("Error") or not any(word in line for word in BESIDE)] == []
    values, _, geometry = read_breast_projections(tmp_path / "a.dcm")
    np.testing.assert_allclose(geometry.source_mm, scan.geometry.source_mm, atol=1e-4)
    if for_processing:
        assert np.abs(values - scan["image"]).max() <= scan["image"].max() / 30000
    angles = [frame.PositionerPositionSequence[0].PositionerPrimaryAngle for frame in
              pydicom.dcmread(tmp_path / "a.dcm").PerFrameFunctionalGroupsSequence]
    np.testing.assert_allclose(np.abs(angles), [25.0, 12.5, 0.0, 12.5, 25.0], atol=1e-6)


def test_a_scan_goes_to_a_folder_with_slices_and_truth(scan, tmp_path):
    scan.save(tmp_path / "scan")
    assert {one.name for one in (tmp_path / "scan").iterdir()} == {"projections.dcm", "slices.dcm", "truth.nii.gz",
                                                                   "truth.json"}
    assert complaints(tmp_path / "scan" / "slices.dcm") == []
    data = pydicom.dcmread(tmp_path / "scan" / "slices.dcm")
    volume, truth = scan.slices(), read_volume(tmp_path / "scan" / "truth.nii.gz")
    assert (data.SOPClassUID.name, data.pixel_array.shape) == ("Breast Tomosynthesis Image Storage", volume.array.shape)
    assert truth.array.shape == volume.array.shape
    np.testing.assert_allclose(truth.world_from_voxel, volume.world_from_voxel, atol=1e-4)
    inside = volume.array > volume.array.min()
    assert inside[truth.array > 0].mean() > 0.95  # what every view sees as breast holds the breast
    assert (inside & (truth.array == 0)).sum() < 0.3 * inside.sum()  # and some air beside its round edge
    with pytest.raises(OutputError, match="exists already"):
        scan.save(tmp_path / "scan")


def test_a_scan_of_stated_dose_has_it(scan):
    assert scan.glandular_dose.mgy == pytest.approx(1.5)
    assert scan.glandular_dose.relative_error < 0.03
    with pytest.raises(InvalidInput, match="hold every view"):
        scan.save("never.dcm", view=1)


def test_exposure_control_looks_for_the_breast_on_the_detector(oblique):
    """Its mean behind the middle of the breast is what was asked for, wherever on the detector the breast lies."""
    beside = ps.simulate(small_breast("MLO", "R"), mammogram("MLO", "R", rows=160, columns=80), seed=5)
    assert beside.mas == pytest.approx(oblique.mas, rel=0.02)
    assert abs(beside.figures()["deviation_index"]) < 1.0


def test_dose_and_kerma_are_linear_in_mas():
    one, two = (ps.simulate(small_breast(), mammogram(mas=mas), seed=5, noise=False).figures() for mas in (10.0, 20.0))
    for name in ("glandular_dose_mgy", "entrance_air_kerma_mgy", "dose_area_product_mgy_cm2"):
        assert two[name] == pytest.approx(2.0 * one[name], rel=1e-6)
    assert one["half_value_layer_mm"] == two["half_value_layer_mm"]


def test_the_page_of_mammography_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "mammography.md").read_text()
    monkeypatch.chdir(tmp_path)
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), {})
    dose, layer, mas = map(float, capsys.readouterr().out.split())
    assert 0.2 < dose < 3.0
    assert 0.45 < layer < 0.55
    assert 5.0 < mas < 200.0
    assert (tmp_path / "mlo.h5").exists()


@pytest.mark.parametrize(("make", "says"), [
    (lambda: ps.protocols.chest_pa(glandular_dose_mgy=1.0, mas=None), None),
    (lambda: ps.simulate(small_breast(), tomosynthesis(most_mas=0.01)), "Raise kvp or most_mas"),
    (lambda: ps.simulate(ps.voxelise(ps.scene("slab60"), spacing_mm=20), tomosynthesis(body_part="PHANTOM")),
     "which of its materials hold gland"),
])
def test_a_dose_that_cannot_be_controlled_is_refused(make, says):
    if says is None:
        with pytest.raises(InvalidInput, match="no breast is in the beam"):
            ps.simulate(ps.voxelise(ps.scene("slab60"), spacing_mm=20), make())
        return
    with pytest.raises(InvalidInput, match=says):
        make()
