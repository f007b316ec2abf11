"""How the suite is dealt to the processes of pytest-xdist: a file is a piece of work, the longest first.

A file stays whole (`--dist loadfile`), because its fixtures are made once for all of its tests.
"""

import os

import pytest

os.environ.setdefault("PHYSSIM_CACHE", "off")  # no test hangs on what the user's other work has left

# What takes longest (compiling, most of it) begins first, so that no process waits for another at the end.
FIRST = ("test_packaging.py", "test_body_bits.py", "test_cuda_compiles.py", "test_breast.py", "test_breast_anatomy.py",
         "test_body_voxels.py", "test_scatter_optics.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(FIRST)))
