"""`physsim mc run` and `mc replay`: files, figures, the picture, bad input."""

import json

import numpy as np
import pytest

from physsim.io.hdf5 import read_layers

SPEC = """
seed = 5
ambient = "air_dry"
[phantom]
scene = "water_20cm"
spacing_mm = 10.0
[source]
spectrum = { kvp = 90, filters = [["Al", 4.0]] }
position_mm = [0.0, -800.0, 0.0]
[detector]
centre_mm = [0.0, 300.0, 0.0]
u = [1.0, 0.0, 0.0]
v = [0.0, 0.0, 1.0]
rows = 4
columns = 5
pixel_mm = [60.0, 50.0]
[montecarlo]
histories = 2000
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(SPEC)
    return path


def test_a_gpu_that_is_absent(physsim, spec, monkeypatch):
    monkeypatch.setattr("physsim.device.choice.why_no_cuda", lambda: ("no CUDA device is visible", "Use device='cpu'."))
    status, out, err = physsim("mc", "run", spec, "--device", "cuda")
    assert (status, out) == (1, "")
    assert "device='cuda': no CUDA device is visible" in err


def test_a_photon_of_a_run_by_its_number(physsim, spec, tmp_path):
    """The file knows its spec: replaying from it and from the TOML is the same, and adds up."""
    status, out, err = physsim("mc", "run", spec, "--out", tmp_path / "run.h5", "--threads", "1", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report["histories"] == 2000
    assert {"detector, primary", "detector, multiple", "ambient"} < {row["where"] for row in report["rows"]}
    assert report["rows"][0]["error"] > 0
    status, out, err = physsim("mc", "replay", tmp_path / "run.h5", "--photon", "123", "--json")
    assert status == 0, err
    track = json.loads(out)
    assert track["photon"] == 123
    assert track["born_kev"] == track["deposited_kev"] + track["detected_kev"] + track["escaped_kev"]
    assert track["fingerprint"] == read_layers(tmp_path / "run.h5").provenance["fingerprint"]
    assert json.loads(physsim("mc", "replay", spec, "--photon", "123", "--json")[1]) == track
    status, out, _ = physsim("mc", "replay", spec, "--photon", "123")
    assert out.count("\n") == len(track["events"]) + 2
    status, out, _ = physsim("mc", "run", spec, "--out", tmp_path / "run.h5", "--json")  # nothing is left to do
    assert json.loads(out)["rows"] == report["rows"]


def test_the_picture(physsim, spec, tmp_path):
    """A white sheet with a grey disc of water, dark text, and red and other marks of events."""
    import matplotlib.image

    status, out, err = physsim("mc", "replay", spec, "--photon", "3", "--out", tmp_path / "track.png")
    assert status == 0, err
    assert "wrote" in out
    picture = matplotlib.image.imread(tmp_path / "track.png")[..., :3]
    assert min(picture.shape[:2]) > 300
    grey = np.ptp(picture, axis=2) < 0.01
    assert (picture.min(axis=2) > 0.99).mean() > 0.3
    assert (grey & (picture[..., 0] > 0.3) & (picture[..., 0] < 0.95)).mean() > 0.05
    assert (np.ptp(picture, axis=2) > 0.3).sum() > 100
    assert physsim("mc", "replay", spec, "--photon", "3", "--out", tmp_path / "track.png")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--photon", "2000"], "the last is 1999"),
        (["--photon", "-1"], "Give the number of a photon"),
        (["--photon", "1", "--out", "track.jpg"], "drawn as PNG"),
    ],
)
def test_bad_input(physsim, spec, arguments, text):
    status, _, err = physsim("mc", "replay", spec, *arguments)
    assert status == 2
    assert text in err


def test_a_file_without_a_spec(physsim, tmp_path):
    import physsim as ps

    water = ps.voxelise(ps.scene("slab60"), spacing_mm=50)
    field = ps.RectangularField(centre_mm=(150, 300, 150), across=(1, 0, 0), along=(0, 0, 1), size_mm=(300, 300))
    beam = ps.PhotonSource(spectrum=60, position_mm=(150, -800, 150), field=field)
    ps.transport_photons(water, beam, ps.MonteCarlo(histories=100), file=tmp_path / "run.h5", threads=1)
    status, _, err = physsim("mc", "replay", tmp_path / "run.h5", "--photon", "1")
    assert status == 2
    assert "holds no spec" in err


def test_the_shipped_example_is_read(physsim, tmp_path):
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / "docs" / "examples" / "transport.toml"
    from physsim.spec.transport_run import TransportRun

    run = TransportRun.from_toml(path)
    assert TransportRun.from_json(run.to_json()) == run
    assert run.source.field.size_mm == (432.0, 430.0)
    assert np.allclose(run.geometry.normal, (0, -1, 0))
