"""Scans as their users meet them: the page's code, files, DICOM series, the command line, bad input."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from dicom_judge import complaints

import physsim as ps
from physsim.io.hdf5 import read_layers

SMALL = {"views": 120, "pixel_mm": 8.0, "rows": 4, "columns": 112, "matrix": 48, "field_mm": 256.0, "slice_mm": 4.0,
         "offset_mm": (2.0, 0.0), "range_mm": (-8.0, 8.0), "mas": 1.25}


@pytest.fixture(scope="module")
def scan():
    inserts = ps.voxelise(ps.scene("ct_numbers"), spacing_mm=4)
    return ps.simulate(inserts, ps.protocols.chest_ct(**SMALL), seed=7, keep=("raw", "image"))


def test_the_page_of_ct_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    """docs/ct.md: water reads 0 HU in the volume that its code makes; truth lies on the same grid."""
    page = (Path(__file__).parents[2] / "docs" / "ct.md").read_text()
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], names)
    mas, teflon = map(float, capsys.readouterr().out.split())
    assert (mas, names["scan"].saturated) == (pytest.approx(5.0, rel=1e-6), 0)
    volume, water = names["volume"], names["scan"].truth.mask("body")
    assert teflon == pytest.approx(np.pi * 12.5**2 * 16.0 / (256.0 / 96) ** 2 / 4.0, rel=0.1)
    assert abs(float(volume[:, 43:53, 43:53][water[:, 43:53, 43:53]].mean())) < 3.0
    assert (tmp_path / "ct.nii.gz").exists()
    assert json.loads((tmp_path / "ct_truth.json").read_text())["organs"]


def test_every_format_holds_the_scan(scan, tmp_path):
    for name in ("scan.h5", "scan.nii.gz", "scan.mha", "scan.png", "slices"):
        scan.save(tmp_path / name)
        with pytest.raises(ps.errors.PhyssimError, match="exists"):
            scan.save(tmp_path / name)
    layers = read_layers(tmp_path / "scan.h5").layers
    assert {"volume", "lengths", "mas", "raw", "image", "organs"} == set(layers)
    assert np.array_equal(layers["volume"].array, scan.volume.array)
    assert len(list((tmp_path / "slices").glob("*.dcm"))) == len(scan.volume.array)


def test_dicom_slices_say_how_they_were_taken(scan, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    scan.save(tmp_path / "slices")
    paths = sorted((tmp_path / "slices").glob("*.dcm"))
    one = pydicom.dcmread(paths[1])
    assert one.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert (float(one.KVP), one.ScanOptions, float(one.SpiralPitchFactor), one.FilterType) == (
        120.0, "HELICAL", 1.0, "BUTTERFLY")
    assert one.ExposureModulationType == "XYZ"
    hu = one.pixel_array * float(one.RescaleSlope) + float(one.RescaleIntercept)
    assert np.abs(hu - np.clip(scan.volume.array[1], -32768, 32767)).max() <= 0.5
    assert float(one.ImagePositionPatient[2]) == pytest.approx(scan.volume.origin_mm[2] + scan.volume.spacing_mm[2])
    assert float(one.CTDIvol) == pytest.approx(scan.dose.by_slice_mgy[1], rel=1e-5)
    assert one.CTDIPhantomTypeCodeSequence[0].CodeMeaning == "IEC Body Dosimetry Phantom"
    assert float(one.WaterEquivalentDiameter) == pytest.approx(scan.dose.water_diameter_mm[1], rel=1e-5)
    assert complaints(paths[1]) == []


def test_figures_hold_the_doses(scan):
    """ct_numbers: a cylinder of water of 20 cm with rods; chest_ct has 0.3 to 0.4 mGy per 5 mAs in the body phantom."""
    figures = scan.figures()
    assert 0.05 < figures["ctdi_vol_mgy"] / figures["mas_effective"] < 0.1
    assert figures["dlp_mgy_cm"] == pytest.approx(figures["ctdi_vol_mgy"] * figures["turns"]
                                                  * figures["collimation_mm"] / 10.0, rel=1e-9)
    assert figures["water_diameter_mm"] == pytest.approx(200.0, rel=0.05)
    assert figures["ssde_mgy"] == pytest.approx(figures["ctdi_vol_mgy"] * 1.78, rel=0.05)
    assert scan.dose.table()["body_cut"] is False


def test_the_dose_report_holds_the_doses(scan, tmp_path):
    """X-Ray Radiation Dose SR: read back by pydicom, judged by dciodvfy."""
    pydicom = pytest.importorskip("pydicom")
    scan.save_dose(tmp_path / "dose.dcm")
    scan.save_dose(tmp_path / "dose.json")
    report = pydicom.dcmread(tmp_path / "dose.dcm")
    found = {}

    def look(items):
        for item in items:
            name = item.ConceptNameCodeSequence[0].CodeMeaning
            if item.ValueType == "NUM":
                found[name] = float(item.MeasuredValueSequence[0].NumericValue)
            look(item.get("ContentSequence", []))

    look(report.ContentSequence)
    figures = scan.figures()
    assert found["Mean CTDIvol"] == pytest.approx(figures["ctdi_vol_mgy"], rel=1e-6)
    assert found["CT Dose Length Product Total"] == pytest.approx(figures["dlp_mgy_cm"], rel=1e-6)
    assert found["Size Specific Dose Estimation"] == pytest.approx(figures["ssde_mgy"], rel=1e-6)
    assert (found["KVP"], found["Pitch Factor"], found["Total Number of Irradiation Events"]) == (120.0, 1.0, 1.0)
    assert found["X-Ray Tube Current"] == pytest.approx(1.25 / 0.5, rel=1e-6)
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.67"
    assert complaints(tmp_path / "dose.dcm") == []
    assert json.loads((tmp_path / "dose.json").read_text())[""]["ctdi_vol_mgy"] == figures["ctdi_vol_mgy"]
    with pytest.raises(ps.errors.InvalidInput, match="names no format of doses"):
        scan.save_dose(tmp_path / "dose.txt")


def test_organ_doses_are_of_the_phantom_that_was_scanned(scan):
    """A cylinder of 20 cm, 50 mm long, of which half is exposed: below the size-specific estimate by the scatter that a
    long body would add."""
    inserts = ps.voxelise(ps.scene("ct_numbers"), spacing_mm=4)
    doses = scan.organ_doses(inserts, histories=2**16)
    body, error = doses.of("body")
    assert error < 0.02 * body
    share = scan.dose.length_mm / 50.0
    assert 0.6 < body / (scan.dose.ssde_mgy * share) < 0.9
    with pytest.raises(ps.errors.InvalidInput, match="that was imaged"):
        scan.organ_doses(ps.voxelise(ps.scene("water_20cm"), spacing_mm=20))


def test_what_scans_refuse(scan):
    chest = ps.protocols.chest_ct
    for call, words in (
        (lambda: chest(pitch=1.0, arc_deg=200.0), "no effect on a helix"),
        (lambda: chest(source_detector_mm=500.0), "behind the axis"),
        (lambda: chest(range_mm=(5.0, 5.0)), "begins below its end"),
        (lambda: chest(kernel="rampp"), "ramp"),
        (lambda: chest(positioning=ps.Positioning(view="PA", source_detector_mm=1800.0)).changed(pitch=1.0), "no such"),
        (lambda: ps.protocols.chest_pa(reconstruction={"kernel": "ramp"}), "without rotation"),
        (lambda: chest(detector_air_kerma_ugy=2.0), "tube current has no such control"),
    ):
        with pytest.raises(ps.errors.InvalidInput, match=words):
            call()
    water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=20)
    with pytest.raises(ps.errors.InvalidInput, match="gaps"):
        ps.simulate(water, ps.protocols.chest_ct(**SMALL, pitch=1.7))
    with pytest.raises(ps.errors.InvalidInput, match="narrow the fan"):
        ps.simulate(water, ps.protocols.chest_ct(**SMALL | {"columns": 140, "pitch": None}))
    with pytest.raises(ps.errors.InvalidInput, match=r"half a turn and the fan: 229\.\d degrees"):
        ps.simulate(water, ps.protocols.chest_ct(**SMALL | {"pitch": None, "arc_deg": 150.0, "stops": 1}), noise=False)
    with pytest.raises(ps.errors.InvalidInput, match="Did you mean 'scatter'"):
        ps.simulate(water, ps.protocols.chest_ct(**SMALL), keep=("scater",))
    with pytest.raises(ps.errors.InvalidInput, match="no effect"):
        ps.simulate(water, ps.protocols.chest_pa(pixel_mm=20.0), keep=("raw",))
    with pytest.raises(ps.errors.InvalidInput, match="without beam"):
        ps.simulate(water, ps.protocols.chest_ct(**SMALL | {"rows": 40, "pitch": None}))
    with pytest.raises(ps.errors.InvalidInput, match="kept none"):
        scan["primary"]


def test_the_command_writes_a_folder_of_slices(physsim, tmp_path):
    pytest.importorskip("pydicom")
    spec = tmp_path / "run.toml"
    fields = "\n".join(f"{name} = {list(value) if isinstance(value, tuple) else value}"
                       for name, value in SMALL.items())
    spec.write_text('seed = 5\n[phantom]\nscene = "water_20cm"\nspacing_mm = 10.0\n[protocol]\npreset = "head_ct"\n'
                    + fields)
    status, out, _ = physsim("simulate", spec, "--out", tmp_path / "ct", "--out", tmp_path / "ct.png", "--json")
    assert status == 0
    report = json.loads(out)
    assert report["mas_mean"] == pytest.approx(1.25, rel=1e-12)
    assert report["turns"] >= 1.0
    assert len(list((tmp_path / "ct").glob("slice_*.dcm"))) == 4
    views, truth = tmp_path / "views", tmp_path / "truth.dcm"
    status, out, _ = physsim("simulate", spec, "--out", tmp_path / "again", "--projections", views, "--truth", truth,
                             "--json")
    assert (status, len(list(views.iterdir())), truth.exists()) == (0, json.loads(out)["views"], True)
    status, _, error = physsim("simulate", "--protocol", "chest_pa", "--out", tmp_path / "a.png", "--truth", "t.dcm")
    assert (status, "Give --out FILE.dcm too" in error) == (2, True)
    status, _, error = physsim("simulate", spec, "--out", tmp_path / "ct.dcm")
    assert status == 2
    assert "folder" in error
