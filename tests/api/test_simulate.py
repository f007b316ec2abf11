"""simulate(), protocols and exposures as their users meet them: names, files, provenance, bad input."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from exposure_cases import one_energy, slab

import physsim as ps
from physsim.errors import DeviceUnavailable, InvalidInput, OutputError
from physsim.io.hdf5 import read_layers

SMALL = ps.protocols.chest_pa(pixel_mm=10.0)


@pytest.fixture(scope="module")
def shot():
    phantom = ps.voxelise(ps.scene("water_20cm"), spacing_mm=10)
    organs = np.zeros(phantom.grid.shape, np.uint8)
    ball = phantom.replace(truth=type(phantom.truth)(organs, (ps.phantom.truth.OrganTruth("background", 0.0, 0.0),)))
    return ps.simulate(ball, SMALL, seed=11)


def test_protocols_are_listed_and_round_trip():
    assert {"chest_pa", "chest_lateral", "abdomen_ap"} <= set(ps.protocols)
    for name in ps.protocols:
        protocol = ps.protocols[name]
        assert protocol.name == name
        assert type(protocol).from_toml(protocol.to_toml()) == protocol
        assert type(protocol).from_json(protocol.to_json()) == protocol


def test_fields_are_changed_by_plain_names():
    protocol = ps.protocols.chest_pa(kvp=110, mas=1.5, pixel_mm=0.4, thickness_mm=0.5, source_detector_mm=1500)
    assert (protocol.spectrum.kvp, protocol.mas, protocol.detector.rows) == (110, 1.5, 1075)
    assert protocol.detector.absorber.thickness_mm == 0.5
    assert protocol.positioning.source_detector_mm == 1500


@pytest.mark.parametrize(("make", "says"), [
    (lambda: ps.protocols.chest_pa(kpv=100), "Did you mean 'kvp'"),
    (lambda: ps.protocols["chest_ap"], "Did you mean 'chest_pa'"),
    (lambda: ps.protocols.chest_pa(energy_kev=60.0), "photons per mAs"),
    (lambda: ps.protocols.chest_pa(energy_kev=160.0, output_factor=1.0), "1-150 keV"),
    (lambda: ps.protocols.chest_pa(energy_kev=0.5, output_factor=1.0), "1-150 keV"),
    (lambda: ps.protocols.chest_pa(energy_kev=60.0, output_factor=1.0, cathode="u+"), "no effect"),
    (lambda: ps.protocols.chest_pa(absorber=ps.IdealAbsorber()).changed(thickness_mm=0.3), "no effect"),
    (lambda: ps.protocols.chest_pa(rows=0), "field of view is empty"),
    (lambda: ps.protocols.chest_pa(pixel_mm=0.0), "Did you mean 0.2"),
    (lambda: ps.protocols.chest_pa(material="csl"), "csi"),
    (lambda: ps.protocols.chest_pa(source_detector_mm=0), "source lies in the detector plane"),
    (lambda: ps.protocols.chest_pa(source_detector_mm=-1800), "detector lies behind the source"),
    (lambda: ps.protocols.chest_pa(mas=0), "greater than 0"),
    (lambda: SMALL.replace(positioning=None), "neither positioning nor poses"),
    (lambda: SMALL.replace(poses=(ps.Pose(source_mm=(0, 9, 0), centre_mm=(0, 0, 0), u=(1, 0, 0), v=(0, 0, -1)),)),
     "positioning and poses"),
    (lambda: one_energy(positioning=None, poses=(
        ps.Pose(source_mm=(5, 0, 0), centre_mm=(0, 0, 0), u=(1, 0, 0), v=(0, 0, -1)),)), "lies in the detector plane"),
])
def test_a_protocol_that_cannot_be_is_refused_at_construction(make, says):
    with pytest.raises(InvalidInput, match=says):
        make()


@pytest.mark.parametrize(("request_", "says"), [
    ({"protocol": SMALL.changed(source_detector_mm=200.0)}, "source lies inside or behind it"),
    ({"protocol": SMALL.changed(aim_mm=(5000.0, 0.0, 0.0))}, "field of view is empty"),
    ({"scatter": "network"}, "or estimated by Monte Carlo"),
    ({"protocol": SMALL.changed(detector_air_kerma_ugy=3000.0)}, "600 mAs give"),
    ({"seed": -1}, "whole number"),
    ({"threads": 0}, "at least 1 thread"),
    ({"device": "gpu"}, "device='gpu'"),
])
def test_an_exposure_that_cannot_be_is_refused(request_, says):
    with pytest.raises(InvalidInput, match=says):
        ps.simulate(**({"phantom": slab(), "protocol": SMALL} | request_))


def test_a_device_by_name_is_used_or_an_error(monkeypatch):
    monkeypatch.setattr("physsim.device.choice.why_no_cuda", lambda: ("no CUDA device is visible", "Use the CPU."))
    with pytest.raises(DeviceUnavailable, match="no CUDA device is visible"):
        ps.simulate(slab(), SMALL, device="cuda")
    assert ps.simulate(slab(), SMALL, device="auto").provenance.device == "cpu"


def test_layers_have_units_and_names(shot):
    assert shot.layers["primary"].unit == "keV"
    assert shot.primary.shape == (1, 43, 43)
    assert shot.primary.dtype == np.float32
    with pytest.raises(InvalidInput, match="Did you mean 'primary'"):
        shot["primry"]
    assert (shot.transmission <= 1 + 2e-6).all()
    assert shot.transmission.min() < 0.1


def test_provenance_says_how_and_not_where(shot):
    record = json.loads(shot.provenance.to_json())
    assert record["scatter"] == "none"
    assert record["seed"] == 11
    assert "scattered photons" in record["neglects"]
    assert ps.Protocol.from_dict(record["protocol"]) == shot.protocol
    assert len(record["kernels_sha256"]) == len(record["tables_sha256"]) == 64
    assert type(shot.provenance).from_json(shot.provenance.to_json()) == shot.provenance


def test_a_changed_voxel_changes_the_record():
    one, other = slab(density=1.0), slab(density=1.0)
    changed = other.density.copy()
    changed[0, 0, 0] = 1.5
    hashes = {ps.simulate(phantom, SMALL).provenance.phantom.sha256 for phantom in (one, other,
                                                                                   other.replace(density=changed))}
    assert len(hashes) == 2


def test_files_hold_the_layers_and_say_that_scatter_is_missing(shot, tmp_path):
    shot.save(tmp_path / "a.h5")
    shot.save(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    read = read_layers(tmp_path / "a.h5")
    np.testing.assert_array_equal(read.layers["primary"].array, shot.primary)
    assert read.provenance["exposure"]["scatter"] == "none"
    assert read.provenance["exposure"]["seed"] == 11


def test_a_png_says_that_scatter_is_missing(shot, tmp_path):
    image = pytest.importorskip("PIL.Image")
    shot.save(tmp_path / "a.png")
    with image.open(tmp_path / "a.png") as picture:
        assert "Primary only, no scatter" in picture.text["Description"]
        assert picture.mode == "I;16"


def test_dicom_holds_the_signal_and_says_that_scatter_is_missing(shot, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    shot.save(tmp_path / "a.dcm")
    shot.save(tmp_path / "p.dcm", for_processing=True)
    shown, raw = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(tmp_path / "p.dcm")
    for one in (shown, raw):
        assert "Primary only, no scatter" in one.ImageComments
        assert (one.KVP, one.BitsStored, one.ViewPosition) == (125, 16, "PA")
        assert list(one.PatientOrientation) == ["L", "F"]
        assert one.EntranceDoseInmGy == pytest.approx(shot.entrance_air_kerma_mgy(), rel=1e-6)
    assert shown.StudyInstanceUID == raw.StudyInstanceUID
    slope = raw.RealWorldValueMappingSequence[0].RealWorldValueSlope
    np.testing.assert_allclose(raw.pixel_array * slope, shot["image"][0], atol=slope)


def test_files_are_not_replaced_unasked(shot, tmp_path):
    path = tmp_path / "a.h5"
    shot.save(path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(OutputError, match="exists already"):
        shot.save(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    shot.save(path, overwrite=True)
    with pytest.raises(InvalidInput, match=r"Known: \.h5"):
        shot.save(tmp_path / "a.jpg")
    with pytest.raises(InvalidInput, match="no effect"):
        shot.save(tmp_path / "a.png", for_processing=True)


def test_several_views_are_one_exposure(tmp_path):
    near, far = (ps.Pose(source_mm=(0, y, 0), centre_mm=(0, -300, 0), u=(1, 0, 0), v=(0, 0, -1)) for y in (900, 1500))
    protocol = one_energy(positioning=None, poses=(near, far))
    both, single = (ps.simulate(slab(), p) for p in (protocol, protocol.replace(poses=(far,))))
    assert both.primary.shape == (2, 15, 21)
    np.testing.assert_array_equal(both.primary[1], single.primary[0])
    with pytest.raises(InvalidInput, match="2 views"):
        both.save(tmp_path / "a.png")
    both.save(tmp_path / "b.png", view=1)


def test_lesions_are_known_in_the_image(tmp_path):
    body = ps.voxelise(ps.scene("water_20cm"), spacing_mm=5)
    from physsim.phantom.shapes import Sphere

    ball = body.insert(Sphere(name="ball", material="bone", centre_mm=(20.0, 10.0, 15.0), radius_mm=12.0, lesion=True))
    protocol = ps.protocols.chest_pa(pixel_mm=4.0)
    shot, bare = ps.simulate(ball, protocol), ps.simulate(body, protocol)
    mask = shot.truth.mask("ball")
    darker = shot.transmission < bare.transmission * 0.98
    assert mask.any()
    assert darker[mask].mean() > 0.9
    rows, columns = np.nonzero(mask[0])
    magnified = 1800.0 / (1800.0 - 40.0 - 100.0 - 10.0)
    low, high = (np.array(shot.provenance.phantom.body_low_mm), np.array(shot.provenance.phantom.body_high_mm))
    aim = 0.5 * (low + high)
    assert (columns.mean() - 53.0) * 4.0 == pytest.approx((20.0 - aim[0]) * magnified, abs=4.0)
    assert (rows.mean() - 53.0) * 4.0 == pytest.approx(-(15.0 - aim[2]) * magnified, abs=4.0)
    shot.truth.save(tmp_path / "truth.nii.gz")
    table = json.loads((tmp_path / "truth.json").read_text())
    assert table["lesions"][0]["name"] == "ball"
    assert table["lesions"][0]["pixels"] == mask.sum()
    shot.truth.save(tmp_path / "truth.h5")
    assert read_layers(tmp_path / "truth.h5").layers["lesion_0_mm"].array.max() == pytest.approx(24.0, abs=5.0)
    with pytest.raises(InvalidInput, match="Did you mean 'ball'"):
        shot.truth.mask("bal")


def test_the_page_of_radiographs_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    """docs/radiographs.md: its code makes an exposure of 2.5 uGy with scatter behind a grid, and saves every layer."""
    page = (Path(__file__).parents[2] / "docs" / "radiographs.md").read_text()
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], names)
    mas, index, ratio = map(float, capsys.readouterr().out.split())
    assert 0.3 < mas < 20.0
    assert index == pytest.approx(250.0, rel=0.1)
    assert 0.02 < ratio < 0.5
    assert {"primary", "scatter", "signal", "raw", "image"} <= set(read_layers(tmp_path / "chest.h5").layers)
