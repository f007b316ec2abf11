"""`import physsim` is quick and light, and so is `physsim --help`; every public name is there."""

import ast
import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import physsim

IMPORT_SECONDS = 0.5
HEAVY = ["torch", "cupy", "dask", "pydicom", "scipy.interpolate", "matplotlib", "numba"]
PROBE = """
import json, sys, time
began = time.perf_counter()
import physsim
seconds = time.perf_counter() - began
print(json.dumps([seconds, sorted(sys.modules)]))
"""
HELP = """
import json, sys
from physsim.cli import main
sys.argv = ["physsim", *{arguments}]
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)


def loaded_of(heavy: list[str], modules: list[str]) -> list[str]:
    return [name for name in heavy if any(m == name or m.startswith(name + ".") for m in modules)]


@pytest.mark.gate
def test_import_is_quick_and_light():
    seconds = []
    for _ in range(5):  # the least of five: other programs run on this machine too
        took, modules = json.loads(run(PROBE).stdout)
        assert not loaded_of(HEAVY, modules)
        seconds.append(took)
    assert min(seconds) < IMPORT_SECONDS


@pytest.mark.gate
@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_command_line_starts_light(arguments):
    done = run(HELP.format(arguments=arguments))
    assert not loaded_of([*HEAVY, "scipy"], json.loads(done.stderr.splitlines()[-1]))
    assert "Usage" in done.stdout or physsim.__version__ in done.stdout


def test_public_names_are_there():
    for name in physsim.__all__:
        assert getattr(physsim, name) is not None
    assert set(physsim.__all__) <= set(dir(physsim))


def test_type_checkers_see_the_public_names():
    tree = ast.parse(Path(physsim.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom)
            for alias in node.names}
    assert seen == physsim._PUBLIC


def test_no_public_name_hides_a_module():
    modules = {module.name for module in pkgutil.iter_modules(physsim.__path__)}
    assert not modules & set(physsim.__all__)


def test_unknown_name_is_answered_with_the_closest():
    with pytest.raises(AttributeError, match="no attribute 'Gird'"):
        physsim.Gird  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'Grid'"):
        getattr(physsim, "grid")  # noqa: B009
