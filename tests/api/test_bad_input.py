"""Every kind of bad input once more where a user meets it: the command line. Status, the value, and what to do.

What each part of the library refuses is tested beside that part (test_errors, test_project_input, test_spectral_input,
test_volume_files, test_output_files, test_device, test_damaged_files); here the message must come through whole.
"""

import resource
import signal

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput

SPEC = """
[phantom]
scene = "{scene}"
spacing_mm = {spacing}
[protocol]
preset = "chest_pa"
{protocol}
"""
BEAM = 'kvp = 110\npixel_mm = 20.0'


@pytest.fixture
def command(physsim):
    """Run a command line; returns exit status and stderr as one line."""

    def run(*words):
        status, _, err = physsim(*words)
        return status, " ".join(err.split())

    return run


@pytest.fixture
def simulate(command, tmp_path):
    """`physsim simulate` of a spec text with more words; returns as `command` does."""

    def run(*words, scene="water_20cm", spacing=20.0, protocol=BEAM):
        (tmp_path / "run.toml").write_text(SPEC.format(scene=scene, spacing=spacing, protocol=protocol))
        return command("simulate", tmp_path / "run.toml", *words)

    return run


@pytest.mark.parametrize(("changes", "says"), [
    ({"scene": "water_20"}, "Did you mean 'water_20cm'"),
    ({"protocol": BEAM + '\nfilters = [["Alu", 2.5]]'}, "or 'Al'?"),
    ({"protocol": BEAM.replace("kvp", "kpv")}, "Did you mean 'kvp'"),
    ({"spacing": 0.0}, "spacing_mm"),
    ({"spacing": -2.0}, "-2.0"),
    ({"protocol": "energy_kev = 150.5\noutput_factor = 1.0"}, "1-150 keV"),
    ({"protocol": "energy_kev = 0.9\noutput_factor = 1.0"}, "1-150 keV"),
    ({"protocol": BEAM + "\nsource_detector_mm = 0"}, "the source lies in the detector plane"),
    ({"protocol": BEAM + "\nsource_detector_mm = -1800"}, "the detector lies behind the source"),
    ({"protocol": BEAM + "\nrows = 0"}, "the field of view is empty"),
    ({"protocol": BEAM + "\naim_mm = [5000.0, 0.0, 0.0]"}, "the field of view is empty"),
])
def test_a_spec_that_cannot_be(simulate, tmp_path, changes, says):
    status, err = simulate("--out", tmp_path / "a.h5", **changes)
    assert status == 2
    assert says in err
    assert "Traceback" not in err
    assert not (tmp_path / "a.h5").exists()


def phantom_file(path):
    body = ps.Phantom(
        grid=ps.Grid(shape=(12, 11, 10), spacing_mm=20.0), labels=np.indices((12, 11, 10)).sum(0).astype(np.uint8) % 2,
        materials=(ps.material("water"), ps.material("bone")), density=np.full((12, 11, 10), 0.9, np.float32))
    body.save(path)
    return path


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def lengthened(path):
    raw = path.with_suffix(".raw")
    raw.write_bytes(raw.read_bytes() + b"\0" * 7)


def another_size(path):
    path.write_text(path.read_text().replace("DimSize = 10 11 12", "DimSize = 10 11 13"))


@pytest.mark.parametrize(("name", "damage", "says"), [
    ("p.h5", cut, "truncated"), ("p.mhd", lengthened, "bytes"), ("p.mhd", another_size, "bytes"),
    ("p.nii.gz", cut, "p.nii.gz")])
def test_a_damaged_phantom(command, tmp_path, name, damage, says):
    path = phantom_file(tmp_path / name)
    damage(path)
    status, err = command("phantom", "info", path)
    assert status == 2
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [
    ("phantom", "build", "water_20cm", "--spacing-mm", "20", "-o", "out.h5"),
    ("phantom", "view", "water_20cm", "--spacing-mm", "20", "-o", "out.png"),
    ("simulate", "--phantom", "water_20cm", "--protocol", "chest_pa", "--out", "out.h5")])
def test_every_command_keeps_an_existing_file(command, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / words[-1]).write_text("mine")
    status, err = command(*words)
    assert status == 1
    assert "exists already" in err
    assert "--overwrite" in err
    assert (tmp_path / words[-1]).read_text() == "mine"


def test_a_full_disk_leaves_no_file(command, tmp_path):
    """No file may grow beyond 10 kB: what a full disk does, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    (tmp_path / "out").mkdir()
    words = ("phantom", "build", "water_20cm", "--spacing-mm", "5", "-o", tmp_path / "out" / "a.mha")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        status, err = command(*words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert status == 1
    assert "could not be written whole" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_is_not_there(simulate, tmp_path):
    status, err = simulate("--out", tmp_path / "missing" / "a.h5")
    assert status == 1
    assert "mkdir -p" in err


def test_an_absent_device(simulate, tmp_path):
    status, err = simulate("--out", tmp_path / "a.h5", "--device", "cuda:99")
    assert status == 1
    assert "device='cuda:99'" in err


def test_a_cpu_too_old_for_what_is_asked(simulate, tmp_path, monkeypatch):
    """Every x86-64 can run the build (tests/api/test_packaging.py); PHYSSIM_ISA can ask for more than there is."""
    from physsim import _engine

    monkeypatch.setattr(_engine, "instruction_sets", lambda: ["portable"])
    monkeypatch.setenv("PHYSSIM_ISA", "avx512")
    status, err = simulate("--out", tmp_path / "a.h5")
    assert status == 1
    assert "PHYSSIM_ISA='avx512': this CPU lacks it; it has portable. Unset PHYSSIM_ISA" in err
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(("labels", "density", "says"), [
    (2, 1.0, "label 2"), (0, np.nan, "nan"), (0, np.inf, "inf"), (0, -0.5, "-0.5")])
def test_voxels_without_a_meaning(labels, density, says):
    with pytest.raises(InvalidInput, match=says):
        ps.Phantom(grid=ps.Grid(shape=(2, 2, 2)), labels=np.full((2, 2, 2), labels, np.uint8),
                   materials=(ps.material("water"), ps.material("bone")),
                   density=np.full((2, 2, 2), density, np.float32))
