"""`pip install .`, `pip install -e .` and a wheel built from the sdist: each works away from the source tree.

The kernels are compiled once, for the wheel; the other two installs take those objects and link them again, and so
does the next run of these tests in this tree (`make test` after `make check`) while sources and compiler are the same.
"""

import dataclasses
import hashlib
import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import physsim

ROOT = Path(__file__).resolve().parents[2]
X86_64 = platform.machine() in ("x86_64", "AMD64")
# What a user's shell may ask of every compilation; the kernels must still run on any x86-64.
NEWER = {"CFLAGS": "-march=x86-64-v3", "CXXFLAGS": "-march=x86-64-v3"} if X86_64 else {}
KEPT = ROOT / "build" / "packaging"  # objects, and what the compiler said of them
NOT_SOURCE = shutil.ignore_patterns(".*", "build", "dist", "demo", "__pycache__", "*.so", "*.egg-info", "*.py[co]")
PROBE = """
import json, sys
import numpy as np
import physsim
from physsim import _engine
from physsim.physics import tables
from physsim.resources import kernels_path, phantoms_path
image = np.zeros((1, 1, 1))
start, end, row = np.array([[[-1.0, 0.5, 0.5]]]), np.array([[[5.0, 0.5, 0.5]]]), np.zeros((1, 3))
_engine.project_plain(np.full((1, 1, 3), 2, np.float32), (0.5, 1, 1), start, end, row, row, image, 1)
print(json.dumps([physsim.__file__, str(kernels_path()), str(phantoms_path()), physsim.__version__, image.item(),
                  _engine.__file__]))
"""


@dataclasses.dataclass
class Built:
    source: Path  # a copy of the source tree, without what git ignores
    unpacked: Path  # the sdist, in which the wheel was built
    sdist: Path
    wheel: Path
    log: str


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """The command's output, both streams; its text is the message when it fails. `variables`: of its environment."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CFLAGS", "CXXFLAGS"))}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=keep | {"PHYSSIM_CACHE": "off"} | variables,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


def what_is_compiled(unpacked: Path) -> str:
    """Equal for equal objects: all that the compiler reads, the compiler and its options."""
    paths = sorted([unpacked / "setup.py", *(unpacked / "kernels").rglob("*.[hc]*")])
    compiler = run(*(os.environ.get("CXX", "g++").split()), "--version", cwd=unpacked)
    found = hashlib.sha256(f"{compiler} {NEWER} {sys.version}".encode())
    for path in paths:
        found.update(f"{path.relative_to(unpacked)} {path.stat().st_size} ".encode() + path.read_bytes())
    return found.hexdigest()


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    place = tmp_path_factory.mktemp("packaging")
    source = Path(shutil.copytree(ROOT, place / "source", ignore=NOT_SOURCE))
    run(sys.executable, "-P", "-m", "build", "--no-isolation", "--sdist", "--outdir", place, source, cwd=place)
    (sdist,) = place.glob("*.tar.gz")
    run("tar", "-xzf", sdist, cwd=place)
    unpacked = place / sdist.name.removesuffix(".tar.gz")
    kept = KEPT / what_is_compiled(unpacked)
    if kept.is_dir():
        shutil.copytree(kept / "build", unpacked / "build", copy_function=shutil.copy)  # newer than the sources
    log = run(sys.executable, "-P", "-m", "pip", "wheel", "-v", "--no-index", "--no-deps", "--no-build-isolation",
              "--wheel-dir", place, unpacked, cwd=place, **NEWER)
    (wheel,) = place.glob("*.whl")
    (objects,) = (unpacked / "build").glob("temp*")
    shutil.copytree(objects, source / "build" / objects.name)
    if kept.is_dir():
        log = (kept / "log").read_text()
    else:
        shutil.rmtree(KEPT, ignore_errors=True)
        shutil.copytree(objects, KEPT / "new" / "build" / objects.name)
        (KEPT / "new" / "log").write_text(log)
        (KEPT / "new").rename(kept)  # whole or not at all
    return Built(source, unpacked, sdist, wheel, log)


def fresh_environment(place: Path) -> Path:
    """An interpreter that sees every installed package but physsim."""
    venv.create(place / "venv", with_pip=False)
    python = place / "venv" / "bin" / "python"
    others = place / "packages"
    others.mkdir()
    for folder in site.getsitepackages() + [path for path in sys.path if path.endswith("site-packages")]:
        for entry in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if not re.match(r"(__editable__.*|physsim.*|.*\.pth|__pycache__)$", entry.name) \
                    and not (others / entry.name).exists():
                (others / entry.name).symlink_to(entry)
    library = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place).strip()
    (Path(library) / "others.pth").write_text(f"{others}\n")
    return python


def data_files(tree: Path) -> list[str]:
    """What is neither Python nor built, in the three folders that become the package."""
    return sorted(str(path.relative_to(tree)) for folder in ("physsim", "kernels", "phantoms")
                  for path in (tree / folder).rglob("*")
                  if path.is_file() and path.suffix not in (".py", ".so") and "__pycache__" not in path.parts)


@pytest.mark.parametrize("way", ["wheel from the sdist", "pip install .", "pip install -e ."])
def test_installed_package_works_away_from_the_tree(built, tmp_path, way):
    python = fresh_environment(tmp_path)
    what = {"wheel from the sdist": [built.wheel], "pip install .": [built.source],
            "pip install -e .": ["-e", built.source]}[way]
    run(python, "-P", "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation", *what, cwd=tmp_path)
    package, kernels, phantoms, version, integral, engine = json.loads(
        run(python, "-P", "-c", PROBE, cwd=tmp_path).splitlines()[-1])
    home = built.source if "-e" in what else tmp_path
    assert Path(package).is_relative_to(home)
    assert Path(engine).is_relative_to(home)
    assert version == physsim.__version__
    assert integral == pytest.approx(3.0, abs=1e-12)  # 3 voxels of 0.5 mm x 2
    folders = {"physsim": Path(package).parent, "kernels": Path(kernels), "phantoms": Path(phantoms)}
    wanted = data_files(ROOT)
    assert len(wanted) > 20
    missing = [name for name in wanted if not (folders[name.split("/")[0]] / name.split("/", 1)[1]).is_file()]
    assert not missing, f"not in package_data of setup.py or MANIFEST.in: {missing}"
    assert run(python.with_name("physsim"), "--version", cwd=tmp_path).strip() == version


def test_sdist_is_complete(built):
    tree = {str(path.relative_to(built.source)) for path in built.source.rglob("*") if path.is_file()
            and path.relative_to(built.source).parts[0] not in ("build", "physsim.egg-info")
            and path.suffix != ".so" and "__pycache__" not in path.parts}
    sent = {str(path.relative_to(built.unpacked)) for path in built.unpacked.rglob("*") if path.is_file()}
    assert not tree - sent, f"not in MANIFEST.in: {sorted(tree - sent)}"


def test_wheel_holds_the_package_alone(built):
    with zipfile.ZipFile(built.wheel) as wheel:
        tops = {name.split("/")[0] for name in wheel.namelist()}
        (engine,) = (name for name in wheel.namelist() if name.endswith(".so"))
        binary = wheel.read(engine)
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        assert "License-Expression: Apache-2.0" in wheel.read(metadata).decode()
    assert tops == {"physsim", f"physsim-{physsim.__version__}.dist-info"}
    assert sysconfig.get_config_var("SOABI") in engine
    assert b".debug_info" not in binary


@pytest.mark.gate
def test_kernels_compile_without_a_warning(built):
    warnings = [line for line in built.log.splitlines() if "warning:" in line and "kernels/" in line]
    assert not warnings, "\n".join(warnings)
    assert "-Wall -Wextra" in built.log


@pytest.mark.gate
@pytest.mark.skipif(not X86_64, reason="instruction sets of x86-64")
def test_no_x86_64_is_too_old_for_the_build(built):
    """Built with CFLAGS of a newer CPU, what runs on all still holds no AVX: PHYSSIM_ISA alone can ask too much."""
    assert "-march=x86-64-v3" in built.log
    newer = re.compile(r"%[yz]mm|\tv[a-z]+ ")
    units = {"cpu": False, "scatter_baseline": False, "montecarlo_baseline": False, "body_baseline": False,
             "cpu_avx2": True}
    for name, expected in units.items():
        (unit,) = (built.unpacked / "build").glob(f"temp*/kernels/launch/{name}.o")
        code = run("objdump", "--disassemble", "--no-show-raw-insn", unit, cwd=unit.parent)
        assert code.count("\n") > 5_000
        assert bool(newer.search(code)) == expected, name


@pytest.mark.gate
@pytest.mark.parametrize(
    ("name", "isa"),
    [
        ("cpu_avx2", "avx2"),
        ("cpu_avx512", "avx512"),
        ("montecarlo_avx2", "montecarlo_fma"),
        ("montecarlo_avx512", "montecarlo_512"),
        ("body_avx2", "body_fma"),
        ("body_avx512", "body_512"),
    ],
)
def test_no_symbol_of_a_newer_instruction_set_can_win_the_link(built, name, isa):
    """A weak std:: symbol compiled for AVX-512 may replace the one for any CPU; start-up code would run everywhere."""
    (unit,) = (built.unpacked / "build").glob(f"temp*/kernels/launch/{name}.o")
    symbols = [line.split()[-2:] for line in run("nm", unit, cwd=unit.parent).splitlines()]
    assert any(name.startswith("_ZN7physsim") for _, name in symbols)
    own = re.compile(rf"_Z[A-Z]*7physsim{len(isa)}{isa}")
    shared = [name for kind, name in symbols if kind in "WVu" and not own.match(name)]
    assert not shared, f"weak symbols outside physsim::{isa}: {shared}"
    assert not [name for _, name in symbols if name.startswith(("_GLOBAL__sub_I", "__cxx_global_var_init"))]
