# `make demo` makes pictures, `make test` runs every test. All that they install goes into .venv of this folder.
PYTHON ?= python3
PYTEST_ARGS ?=
# Processes that share the tests; each uses all cores where a kernel of ours does. 0: one process, for a debugger.
TEST_PROCESSES ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# One thread each for matrices: those of BLAS wait for one another by turning, and take half of all cores where two processes do.
PYTEST := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -P -m pytest --import-mode=importlib -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
# The install is editable: a change in Python needs no new one, a change of what follows does.
BUILT_FROM := setup.py pyproject.toml physsim/_version.py $(shell find kernels -type f ! -name '*.py[co]')

.PHONY: help demo test check clean
help:
	@echo "make demo    build, install into .venv and make pictures in demo/ (no torch)"
	@echo "make test    every test; installs torch and the other extras of [test] too"
	@echo "make check   ruff, mypy, and the tests that guard layers, imports, kernels and packaging"
	@echo "make clean   remove .venv, build and demo"

demo: .venv/has-demo
	$(BIN)/physsim demo --out demo --overwrite
	@echo "The pictures are in $(CURDIR)/demo:" && ls demo/*.png

test: .venv/has-test
	$(PYTEST) $(PYTEST_ARGS)

check: .venv/has-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(PYTEST) -m gate

clean:
	rm -rf .venv build demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis physsim/_engine*.so

# Stamps: what is there is not installed again until a source changes.
.venv/has-pip:
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and \
		f"{sys.executable} is Python {v}: physsim needs 3.11 or newer. Give one: make PYTHON=python3.11")'
	@$(PYTHON) -c 'import pathlib, sysconfig, sys; h = pathlib.Path(sysconfig.get_path("include"), "Python.h"); \
		sys.exit(not h.exists() and f"{h} is missing: the extension needs Python'"'"'s headers. Install python3-dev.")'
	@command -v $${CXX:-g++} >/dev/null || { echo "g++ is missing: the extension needs a C++17 compiler."; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@touch $@

.venv/has-demo: .venv/has-pip $(BUILT_FROM)
	@echo "Building physsim and installing it with its dependencies into .venv"
	@$(PIP) install --quiet --editable '.[dicom]'
	@touch $@

.venv/has-test: .venv/has-pip $(BUILT_FROM) constraints.txt
	@echo "Building physsim and installing it with all that the tests need into .venv"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch .venv/has-demo $@
