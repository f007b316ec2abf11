"""Builds the extension and maps kernels/, phantoms/ and benchmarks/ into the package; the rest is in pyproject.toml."""

import platform
import sys
import sysconfig
from pathlib import Path

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension, build_ext
from setuptools import find_packages, setup

KERNELS = Path("kernels")
HEADERS = sorted(KERNELS.rglob("*.h"))
UNITS = ("cpu.cpp", "cpu_baseline.cpp", "cpu_avx2.cpp", "cpu_avx512.cpp",
         "montecarlo_baseline.cpp", "montecarlo_avx2.cpp", "montecarlo_avx512.cpp",
         "scatter_baseline.cpp", "scatter_avx2.cpp",
         "nodes_baseline.cpp", "nodes_avx2.cpp", "nodes_avx512.cpp",
         "body_baseline.cpp", "body_avx2.cpp", "body_avx512.cpp",
         "image_baseline.cpp", "image_avx2.cpp", "image_avx512.cpp")


def older_than_its_sources(built: str, source: str) -> bool:
    """Whether an object must be compiled again: its unit, a header or this file is newer."""
    age = Path(built).stat().st_mtime
    return any(path.stat().st_mtime > age for path in (Path(source), Path(__file__), *HEADERS))


# The engine and its baseline kernels run on every x86-64. This stands behind the CFLAGS: with a -march=native of a
# cluster's newest node, an older one would die of an illegal instruction.
ANY_CPU = ["-march=x86-64"] if platform.machine() in ("x86_64", "AMD64") else []

engine = Pybind11Extension(
    "physsim._engine",
    # One body (launch/cpu_body.h), one translation unit an instruction set; only cpu.cpp knows pybind11.
    sources=[str(KERNELS / "launch" / name) for name in UNITS],
    depends=[str(path) for path in HEADERS],
    include_dirs=[str(KERNELS)],
    cxx_std=17,
    # No contraction: AVX2 and AVX-512 must give equal bits (docs/design/bits.md).
    extra_compile_args=[
        *ANY_CPU, "-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-pthread", "-Wall", "-Wextra"],
    extra_link_args=["-pthread", "-Wl,--strip-debug"],
)

# One place for the objects of every kind of install, editable ones too, so that each compiles only what changed.
OBJECTS = f"build/temp.{sysconfig.get_platform()}-{sys.implementation.cache_tag}"

ParallelCompile("PHYSSIM_BUILD_JOBS", needs_recompile=older_than_its_sources).install()

setup(
    ext_modules=[engine],
    cmdclass={"build_ext": build_ext},
    options={"build_ext": {"build_temp": OBJECTS}},
    packages=[*find_packages(include=["physsim", "physsim.*"]), "physsim._kernels", "physsim._phantoms",
              "physsim._benchmarks", "physsim._benchmarks.runners"],
    package_dir={"physsim": "physsim", "physsim._kernels": "kernels", "physsim._phantoms": "phantoms",
                 "physsim._benchmarks": "benchmarks"},
    package_data={
        "physsim": ["py.typed", "*.pyi", "**/*.html", "**/*.npz", "**/*.json", "**/*.toml", "**/*.csv", "**/*.h5",
                    "**/*.safetensors"],
        "physsim._kernels": ["**/*.h", "**/*.cpp", "**/*.cu"],
        "physsim._phantoms": ["**/*.toml", "**/*.json", "**/*.csv", "**/*.md"],
    },
)
