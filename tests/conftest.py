"""How the suite is dealt to the processes of pytest-xdist: a file is a piece of work, the longest first.

A file stays whole (`--dist loadfile`), because its fixtures are made once for all of its tests.
"""

import os
import shutil
import tempfile

import pytest

CACHE = "PHYSSIM_CACHE"  # see physsim.io.kept

# What takes longest (compiling, most of it) begins first, so that no process waits for another at the end.
FIRST = ("test_packaging.py", "test_body_bits.py", "test_cuda_compiles.py", "test_breast.py", "test_breast_anatomy.py",
         "test_body_voxels.py", "test_scatter_optics.py")


def pytest_configure(config: pytest.Config) -> None:
    """Processes keep tables and fits for each other in a folder of this run, which begins empty: no test hangs on what
    the user's other work has left. Tests that compare ways to make them turn it off."""
    if CACHE in os.environ:  # the user's choice, or a process of pytest-xdist, which is told by the first
        return
    os.environ[CACHE] = folder = tempfile.mkdtemp(prefix="physsim-tests-")

    def forgotten() -> None:
        del os.environ[CACHE]
        shutil.rmtree(folder, ignore_errors=True)

    config.add_cleanup(forgotten)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(FIRST)))
