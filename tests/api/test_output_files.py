"""Files appear whole or not at all: existing names, missing folders, a full disk, an interrupted writer."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from physsim.errors import OutputError
from physsim.io.atomic import check_output, write_bytes, written_whole
from physsim.io.hdf5 import Layer, write_layers
from physsim.io.image import Image
from physsim.io.volume import write_volume

ENDINGS = (".nii", ".nii.gz", ".mhd", ".mha", ".h5", ".toml")


def noise(n=60):
    return Image(np.random.default_rng(1).random((n, n, n)).astype(np.float32))


@pytest.fixture
def small_files_only():
    """No file may grow beyond 100 kB: what a full disk does to a writer, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("ending", ENDINGS)
def test_full_disk_leaves_nothing(tmp_path, ending, small_files_only):
    with pytest.raises(OutputError, match=r"could not be written whole \(File too large\); nothing is left behind"):
        write_volume(tmp_path / f"a{ending}", noise())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_full_disk_keeps_the_old_file(tmp_path, ending, small_files_only):
    write_volume(tmp_path / f"a{ending}", noise(4))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError):
        write_volume(tmp_path / f"a{ending}", noise(), overwrite=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_interpreter_ends_well_after_a_failed_hdf5_file(tmp_path):
    script = (f"import numpy as np, resource, signal\nfrom physsim.errors import OutputError\n"
              f"from physsim.io.hdf5 import Layer, write_layers\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
              f"resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
              f"try:\n    write_layers({str(tmp_path / 'a.h5')!r}, "
              f"{{'x': Layer(np.zeros(100_000), '', ('u',))}}, {{}})\n"
              f"except OutputError:\n    print('refused')\n")
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


def test_existing_output_is_kept(tmp_path):
    write_bytes(tmp_path / "a", b"old")
    with pytest.raises(OutputError, match=r"exists already.*--overwrite"):
        write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    write_bytes(tmp_path / "a", b"new", overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_writer_refuses_to_replace(tmp_path, ending):
    write_volume(tmp_path / f"a{ending}", noise(4))
    with pytest.raises(OutputError, match="exists already"):
        write_volume(tmp_path / f"a{ending}", noise(4))


def test_missing_folder(tmp_path):
    with pytest.raises(OutputError, match=r"there is no folder .*mkdir -p"):
        check_output(tmp_path / "no" / "a")
    assert not (tmp_path / "no").exists()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path, overwrite=True)


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null"])
def test_devices_are_not_replaced(device):
    with pytest.raises(OutputError, match="cannot be replaced"):
        write_bytes(device, b"x", overwrite=True)
    assert Path(device).is_char_device()


def test_what_a_link_points_to_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a")
    write_bytes(tmp_path / "link", b"1")
    write_bytes(tmp_path / "link", b"2", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a").read_bytes() == b"2"


def test_read_only_folder(tmp_path):
    if os.geteuid() == 0:
        folder = Path("/proc")  # closed even to root
        with pytest.raises(OutputError):
            write_bytes(folder / "physsim-test", b"x")
        return
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        write_bytes(tmp_path / "a", b"x")


def test_a_failing_writer_leaves_nothing(tmp_path):
    def half_written():
        with written_whole(tmp_path / "a") as temporary:
            temporary.write_bytes(b"half")
            raise KeyError("the writer's own mistake")

    with pytest.raises(KeyError):
        half_written()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_visible_before_the_end(tmp_path):
    with written_whole(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"all")
        assert temporary.parent == tmp_path
        assert not (tmp_path / "a.bin").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_rival_that_was_faster_is_not_replaced(tmp_path):
    def overtaken():
        with written_whole(tmp_path / "a") as temporary:
            temporary.write_bytes(b"ours")
            (tmp_path / "a").write_bytes(b"theirs")

    with pytest.raises(OutputError, match="another process"):
        overtaken()
    assert (tmp_path / "a").read_bytes() == b"theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_longest_names_fit(tmp_path):
    name = "x" * 252 + ".h5"
    write_layers(tmp_path / name, {"x": Layer(np.zeros(3), "", ("u",))}, {})
    assert (tmp_path / name).is_file()
