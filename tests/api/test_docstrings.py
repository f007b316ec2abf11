"""The examples in the docstrings run and answer what they say."""

import doctest
import importlib
import importlib.util
import pkgutil

import pytest

import physsim as ps

MODULES = sorted(module.name for module in pkgutil.walk_packages(ps.__path__, "physsim.")
                 if not module.ispkg and not module.name.endswith(("__main__", "._engine")))
PUBLIC = sorted(set(ps.__all__) - {"__version__"})


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    if name == "physsim.imaging.torch":
        pytest.importorskip("torch")
    module = importlib.import_module(name)
    result = doctest.testmod(module)
    assert result.failed == 0


def test_examples_are_many():
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(name) for name in MODULES if name != "physsim.imaging.torch"]
    found = [test for module in modules for test in finder.find(module)]
    assert sum(len(test.examples) for test in found) > 40


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_says_what_it_is(name):
    if name in ("ForwardModel", "SpectralForwardModel"):
        pytest.importorskip("torch")
    assert (getattr(ps, name).__doc__ or "").strip()
