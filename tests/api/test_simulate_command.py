"""`physsim demo`, `simulate` and `protocols` from the command line: files, figures, exit statuses."""

import json
from pathlib import Path

import numpy as np
import pytest

import physsim as ps
from physsim.io.hdf5 import read_layers

ROOT = Path(__file__).resolve().parents[2]
SPEC = """
seed = 5
[phantom]
scene = "water_20cm"
spacing_mm = 10.0
[protocol]
preset = "chest_pa"
kvp = 110
pixel_mm = 10.0
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(SPEC)
    return path


def test_demo_makes_every_file(physsim, tmp_path):
    pytest.importorskip("pydicom")
    status, out, _ = physsim("demo", "--fast", "--out", tmp_path / "demo", "--json")
    assert status == 0
    report = json.loads(out)
    names = {"chest.png", "chest.h5", "chest.dcm", "chest_for_processing.dcm", "chest_truth.nii.gz", "chest_truth.json"}
    assert {path.name for path in (tmp_path / "demo").iterdir()} == names
    assert report["scatter"] == "montecarlo within 0.05"
    assert 0.0 < report["scatter_error"] <= 0.05
    assert 0.03 < report["entrance_air_kerma_mgy"] < 0.3  # adults, PA: 0.05-0.3 mGy in surveys
    assert report["seconds"]["all"] > 0
    assert report["peak_memory_mb"] > 0
    layers = read_layers(tmp_path / "demo" / "chest.h5").layers
    transmission = layers["transmission"].array[0]
    lungs, spine = transmission[200:330, 120:190], transmission[350:480, 262:276]
    assert np.median(lungs) > 3 * np.median(spine)  # lungs dark, spine white
    assert layers["lesion_0_mm"].array.max() > 6.0
    status, _, err = physsim("demo", "--fast", "--out", tmp_path / "demo")
    assert status == 1
    assert "exists already" in err


def test_demo_names_the_extra_that_it_needs(physsim, tmp_path, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "pydicom" else found(name, *a))
    status, _, err = physsim("demo", "--fast", "--out", tmp_path / "demo")
    assert status == 2
    assert "physsim[dicom]" in err
    assert not (tmp_path / "demo").exists()


def test_uncertain_inputs_reach_image_and_figures(physsim, spec, tmp_path):
    status, out, _ = physsim("simulate", spec, "--out", tmp_path / "a.h5", "--uncertainty", tmp_path / "u.h5", "--json")
    assert status == 0
    report, made = json.loads(out), read_layers(tmp_path / "u.h5")
    assert 0.0 < report["uncertainty"]["transmission_min"] < 0.2 * report["transmission_min"]
    assert {"image", "uncertainty", "change_cross_sections", "change_tube_voltage"} <= set(made.layers)
    relative = made.layers["uncertainty"].array / made.layers["image"].array
    assert 0.001 < float(np.median(relative)) < 0.2  # exposure control holds the mean
    assert made.provenance["endpoints"][0]["endpoint"]
    status, _, err = physsim("simulate", "--protocol", "photon_counting_ct", "--out", tmp_path / "ct", "--uncertainty",
                             tmp_path / "b.h5")
    assert (status, "more than one image" in err) == (2, True)


def test_a_spec_makes_an_exposure(physsim, spec, tmp_path):
    status, out, _ = physsim("simulate", spec, "--out", tmp_path / "a.h5", "--out", tmp_path / "a.png", "--json")
    assert status == 0
    report = json.loads(out)
    assert report["files"] == [str(tmp_path / "a.h5"), str(tmp_path / "a.png")]
    made = read_layers(tmp_path / "a.h5")
    assert made.provenance["exposure"]["seed"] == 5
    direct = ps.simulate(ps.voxelise(ps.scene("water_20cm"), spacing_mm=10.0),
                         ps.protocols.chest_pa(kvp=110, pixel_mm=10.0), seed=5)
    np.testing.assert_array_equal(made.layers["primary"].array, direct.primary)


def test_a_bowtie_in_the_spec(physsim, tmp_path):
    """Table and shape in TOML; the sides of the fan get less; DICOM and provenance say so."""
    import pydicom

    path = tmp_path / "run.toml"
    path.write_text(SPEC + "rows = 5\ncolumns = 43\n[protocol.bowtie]\nmaterial = \"Al\"\nfan_angles_deg = [0, 3, 14]\n"
                    "thickness_mm = [1.0, 4.0, 30.0]\n")
    for out in ("a.h5", "a.dcm"):
        assert physsim("simulate", path, "--out", tmp_path / out)[0] == 0
    made = read_layers(tmp_path / "a.h5")
    row = made.layers["open_air_kerma"].array[0, 2]
    assert row[0] < 0.5 * row[row.size // 2]
    assert made.provenance["exposure"]["protocol"]["spectrum"]["bowtie"]["thickness_mm"] == [1.0, 4.0, 30.0]
    assert pydicom.dcmread(tmp_path / "a.dcm").FilterType == "MULTIPLE"


def test_options_make_the_same_exposure(physsim, spec, tmp_path):
    physsim("simulate", spec, "--out", tmp_path / "a.h5")
    words = ("--phantom", "water_20cm", "--spacing-mm", 10, "--protocol", "chest_pa", "--kvp", 110, "--pixel-mm", 10)
    status, out, _ = physsim("simulate", *words, "--seed", 5, "--scatter", "none", "--out", tmp_path / "b.h5")
    assert status == 0
    assert "no scatter" in out
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize("ending", [".h5", ".nii.gz", ".mhd"])
def test_phantoms_come_from_files(physsim, tmp_path, ending):
    phantom = ps.voxelise(ps.scene("water_20cm"), spacing_mm=10.0)
    phantom.save(tmp_path / f"body{ending}")
    status, _, err = physsim("simulate", "--phantom", tmp_path / f"body{ending}", "--protocol", "chest_lateral",
                             "--pixel-mm", 10, "--out", tmp_path / "a.h5")
    assert (status, err) == (0, "")
    made = read_layers(tmp_path / "a.h5").layers["primary"].array
    np.testing.assert_array_equal(made, ps.simulate(phantom, ps.protocols.chest_lateral(pixel_mm=10.0)).primary)


def test_the_voxels_of_tg195_are_known_by_their_name(physsim, tmp_path):
    labels = np.zeros((260, 320, 500), np.uint8)
    labels[60:200, 100:220, 150:350] = 3
    labels.tofile(tmp_path / "case5world.bin")
    for name in (f"tg195:{tmp_path / 'case5world.bin'}", tmp_path / "case5world.bin"):
        status, _, err = physsim("simulate", "--phantom", name, "--protocol", "chest_pa", "--pixel-mm", 20,
                                 "--out", tmp_path / "a.h5", "--overwrite")
        assert (status, err) == (0, "")
    record = read_layers(tmp_path / "a.h5").provenance["exposure"]["phantom"]
    assert record["name"] == "tg195_case5"
    assert record["materials"][3]["name"] == "tg195_soft_tissue"


def test_an_existing_file_is_seen_before_the_work(physsim, spec, tmp_path, monkeypatch):
    (tmp_path / "a.h5").write_text("mine")
    monkeypatch.setattr("physsim.phantom.source.phantom_from", lambda source: pytest.fail("the work began"))
    for words in (("--out", tmp_path / "a.h5"), ("--out", tmp_path / "nowhere" / "a.h5")):
        status, _, err = physsim("simulate", spec, *words)
        assert status == 1
        assert "exists already" in err or "no folder" in err
    assert (tmp_path / "a.h5").read_text() == "mine"


@pytest.mark.parametrize(("words", "status", "says"), [
    (("--out", "a.jpg"), 2, "Known: .h5"),
    (("--out", "a.h5", "--scatter", "full"), 2, "scatter"),
    (("--out", "a.h5", "--device", "tpu"), 2, "device='tpu'"),
    (("--out", "a.h5", "--seed", "-3"), 2, "seed"),
    (("--out", "a.h5", "--phantom", "x.nii.gz"), 2, "the spec says it already"),
    (("--out", "a.h5", "--for-processing"), 2, "no effect"),
    (("--out", "a.h5", "--pixel-mm", "0"), 2, "Did you mean 0.2"),
    ((), 2, "--out"),
])
def test_bad_input_ends_with_status_2(physsim, spec, words, status, says):
    got, _, err = physsim("simulate", spec, *words)
    assert got == status
    assert says in err


@pytest.mark.parametrize(("text", "says"), [
    (SPEC.replace("spacing_mm", "spacing"), "spacing_mm"),
    (SPEC.replace("chest_pa", "chest_pb"), "Did you mean 'chest_pa'"),
    (SPEC.replace("water_20cm", "water_2cm"), "water_20cm"),
    (SPEC.replace("kvp", "kvpp"), "Did you mean 'kvp'"),
    (SPEC.replace("seed = 5", "seed = "), "Mend the TOML"),
    (SPEC.replace('scene = "water_20cm"', ""), "Give scene, patient or file"),
])
def test_a_spec_that_cannot_be_says_why(physsim, tmp_path, text, says):
    (tmp_path / "run.toml").write_text(text)
    status, _, err = physsim("simulate", tmp_path / "run.toml", "--out", tmp_path / "a.h5")
    assert status == 2
    assert says in err


def test_a_misspelt_table_is_told_before_what_is_missing_for_it(physsim, tmp_path):
    (tmp_path / "run.toml").write_text(SPEC.replace("[phantom]", "[phantm]"))
    status, _, err = physsim("simulate", tmp_path / "run.toml", "--out", tmp_path / "a.h5")
    assert status == 2
    assert err.startswith("physsim: Run: phantm: no such key. Did you mean 'phantom'?\nRun: phantom: is missing.")


@pytest.mark.parametrize(("lines", "says"), [
    ('scatter = "monte"', "scatter='monte': there is no such way to scatter. Did you mean 'none' or 'montecarlo'?"),
    ("[scatter]\nrelative_eror = 0.02", "MonteCarlo: relative_eror: no such key. Did you mean 'relative_error'?"),
    ("[scatter]\nrelative_error = -1.0", "MonteCarlo: relative_error=-1.0: it must be greater than 0."),
    ('[scatter]\nkind = "hybrid"\ntolerence = 0.02', "Hybrid: tolerence: no such key. Did you mean 'tolerance'?"),
    ('[scatter]\nkind = "hybird"', "kind='hybird' has no fields. Did you mean 'hybrid'?"),
    ('noise = "poisson"', "noise='poisson': noise is drawn from photons, by a network or not at all."),
])
def test_scatter_and_noise_that_cannot_be_are_told_in_one_line(physsim, tmp_path, lines, says):
    """What each other kind of scatter would want instead is not told."""
    (tmp_path / "run.toml").write_text(SPEC + lines if lines.startswith("[") else lines + SPEC)
    status, _, err = physsim("simulate", tmp_path / "run.toml", "--out", tmp_path / "a.h5")
    assert status == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("words", [("docs/examples/chest.toml",), ("docs/examples/bowtie.toml",),
                                   ("--phantom", "water_20cm", "--protocol", "docs/examples/protocol.toml")])
def test_the_examples_run(physsim, tmp_path, words):
    words = [ROOT / word if word.startswith("docs") else word for word in words]
    status, _, err = physsim("simulate", *words, "--pixel-mm", 4, "--out", tmp_path / "a.h5")
    assert (status, err) == (0, "")
    assert read_layers(tmp_path / "a.h5").layers["transmission"].array.min() < 0.5


def test_missing_files_are_bad_input(physsim, tmp_path):
    for words in ((tmp_path / "no.toml",), ("--phantom", tmp_path / "no.nii.gz", "--protocol", "chest_pa"),
                  ("--phantom", "thorax", "--protocol", tmp_path / "no.toml"), ("--phantom", "thorax")):
        status, _, err = physsim("simulate", *words, "--out", tmp_path / "a.h5")
        assert (status, bool(err)) == (2, True)


def test_protocols_are_printed(physsim):
    status, out, _ = physsim("protocols")
    assert status == 0
    assert "chest_pa" in out
    _, out, _ = physsim("protocols", "--json")
    assert {row["name"] for row in json.loads(out)} == set(ps.protocols)
    _, out, _ = physsim("protocols", "chest_lateral")
    assert ps.Protocol.from_toml(out) == ps.protocols["chest_lateral"]
    status, _, err = physsim("protocols", "chest_lat")
    assert status == 2
    assert "chest_lateral" in err
