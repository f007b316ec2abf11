"""Dual-energy scans: iodine and water by amount, CT numbers as at one energy, errors that the noise has."""

import json

import numpy as np
import pytest
from dicom_judge import complaints
from iodine_cases import MG_ML, body, middles

import physsim as ps
from physsim.body.contrast import contrast_material

COARSE = {"views": 240, "pixel_mm": 4.0, "rows": 4, "columns": 225, "pitch": None, "stops": 1, "modulation": None,
          "offset_mm": (1.0, 0.0), "range_mm": (-4.0, 4.0), "slice_mm": 4.0, "field_mm": 240.0, "matrix": 80,
          "kernel": "smooth"}


@pytest.fixture(scope="module")
def scan():
    return ps.simulate(body(), ps.protocols.chest_dual_energy_ct(**COARSE), noise=False)


def test_iodine_is_found_by_amount_and_water_where_it_is(scan):
    """Within 5 % + 0.1 mg/ml: beam hardening by iodine itself is left."""
    found = middles(scan["I"])
    for mg, value in zip((*MG_ML, 0.0), found, strict=True):
        assert value == pytest.approx(mg, rel=0.05, abs=0.1)
    assert middles(scan["water"])[2] == pytest.approx(1000.0, rel=0.003)


def test_images_at_one_energy_read_the_attenuation_there(scan):
    """CT numbers of the rods from our own attenuation, within 5 HU or 5 %; water reads 0."""
    for kev in (50.0, 70.0, 100.0):
        found = middles(scan[f"mono {kev:g} keV"])
        water = float(ps.linear_attenuation_per_mm("water", kev))
        for number, mg in enumerate(MG_ML):
            rod = float(ps.linear_attenuation_per_mm(contrast_material(ps.material("water"), "iodine", mg), kev))
            assert found[number] == pytest.approx(1000.0 * (rod / water - 1.0), rel=0.05, abs=5.0)
        assert abs(found[2]) < 3.0
    low, high = scan.effective_kev
    assert 45.0 < low < 65.0 < 80.0 < high < 100.0


def test_stated_errors_are_those_that_repeated_scans_have():
    """Over 7 noisy scans: sigma by ensemble over sigma stated, mean over the body, within 10 %."""
    small = COARSE | {"views": 120, "rows": 2, "slice_mm": 8.0, "matrix": 40, "pixel_mm": 8.0, "columns": 112,
                      "offset_mm": (2.0, 0.0)}
    protocol, phantom = ps.protocols.chest_dual_energy_ct(**small, mas=20.0), body()
    scans = [ps.simulate(phantom, protocol, seed=seed) for seed in range(7)]
    y, x = np.mgrid[:40, :40] * 6.0 - 117.0
    inside = np.hypot(x, y) < 70.0
    for name in ("I", "mono 70 keV"):
        spread = np.stack([one[name].array[0] for one in scans]).var(axis=0, ddof=1)[inside].mean()
        stated = np.mean([(one.errors[name].array[0][inside] ** 2).mean() for one in scans])
        assert np.sqrt(spread / stated) == pytest.approx(1.0, abs=0.1)
    apart = [one.volume.array[0][inside] - np.mean([other.channels[name].volume.array[0][inside] for other in scans],
                                                   axis=0) for name, one in scans[0].channels.items()]
    assert abs(np.corrcoef(*apart)[0, 1]) < 0.3  # the beams' noise is not the same


def test_the_folder_holds_channels_and_images(scan, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    scan.save(tmp_path / "ct")
    folders = sorted(path.name for path in (tmp_path / "ct").iterdir())
    assert folders == ["140_kv", "80_kv", "i", "mono_100_kev", "mono_50_kev", "mono_70_kev", "spectral.h5", "water"]
    iodine = pydicom.dcmread(tmp_path / "ct" / "i" / "slice_0001.dcm")
    single = pydicom.dcmread(tmp_path / "ct" / "mono_70_kev" / "slice_0001.dcm")
    channel = pydicom.dcmread(tmp_path / "ct" / "80_kv" / "slice_0001.dcm")
    assert list(iodine.ImageType)[:2] == ["DERIVED", "PRIMARY"]
    assert (iodine.RescaleType, single.RescaleType) == ("MGML", "HU")
    shown = iodine.pixel_array * float(iodine.RescaleSlope)
    assert np.abs(shown - scan["I"].array[0]).max() <= 0.501 * float(iodine.RescaleSlope)
    assert len({one.StudyInstanceUID for one in (iodine, single, channel)}) == 1
    assert len({one.SeriesInstanceUID for one in (iodine, single, channel)}) == 3
    for name in ("i", "water", "mono_70_kev", "80_kv"):
        assert complaints(tmp_path / "ct" / name / "slice_0001.dcm") == []
    figures = scan.figures()
    assert figures["ctdi_vol_mgy"] == pytest.approx(figures["80 kV: ctdi_vol_mgy"] + figures["140 kV: ctdi_vol_mgy"])
    assert json.dumps(figures)


def test_what_dual_energy_refuses(tmp_path):
    dual = ps.protocols.chest_dual_energy_ct
    for call, words in (
        (lambda: dual(second_beam={"spectrum": dual().spectrum, "mas": 10.0}), "the first beam's"),
        (lambda: dual(second_beam=None), "without second_beam"),
        (lambda: dual(spectral={"materials": ["water", "water"]}), "one material"),
        (lambda: dual(spectral={"energies_kev": [5.0]}), "20 to 150 keV"),
        (lambda: ps.protocols.chest_pa(second_beam={"spectrum": {"kvp": 80.0}, "mas": 1.0}), "without rotation"),
    ):
        with pytest.raises(ps.errors.InvalidInput, match=words):
            call()
