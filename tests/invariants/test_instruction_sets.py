"""Equal bits whatever computes: instruction set, threads, dtype and strides of the volume."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from physsim import _engine
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.rays import voxel_rays

PRESENT = _engine.instruction_sets()
GRID = Grid(shape=(37, 70, 83), spacing_mm=(1.1, 0.9, 1.6), origin_mm=(-45.0, -31.0, -28.0))
CONE = {"source_axis_mm": 300.0, "source_detector_mm": 500.0}
TILT = np.array([[0.8, 0.36, 0.48], [-0.6, 0.48, 0.64], [0.0, -0.8, 0.6]])
GEOMETRIES = {
    "columns": Geometry.circular(views=5, rows=45, columns=53, pixel_mm=3.1, **CONE),
    "columns of a curved detector": Geometry.circular(views=3, rows=33, columns=40, pixel_mm=4.0, curved=True, **CONE),
    "columns, parallel beam": Geometry.parallel(views=4, rows=40, columns=37, pixel_mm=2.7),
    "helix": Geometry.circular(views=7, rows=16, columns=50, pixel_mm=3.0, pitch_mm=30.0, **CONE),
    "packets": Geometry.circular(views=4, rows=45, columns=53, pixel_mm=3.1, **CONE).moved(TILT),
    "packets of a curved detector":
        Geometry.circular(views=3, rows=30, columns=41, pixel_mm=4.0, curved=True, **CONE).moved(TILT),
    "packets, parallel beam": Geometry.parallel(views=3, rows=21, columns=37, pixel_mm=2.7).moved(TILT),
    "a fan of one row": Geometry.circular(views=9, rows=1, columns=101, pixel_mm=2.0, **CONE),
    "source in the volume": Geometry.circular(
        views=4, source_axis_mm=20.0, source_detector_mm=300.0, rows=40, columns=40, pixel_mm=6.0).moved(TILT),
}
PATHS = {"columns", "helix", "columns of a curved detector", "columns, parallel beam"}


def project(volume: np.ndarray, geometry: Geometry, isa: str = "", threads: int = 2) -> np.ndarray:
    rays = voxel_rays(geometry, GRID)
    image = np.zeros(geometry.shape, np.float32)
    _engine.project(volume, GRID.spacing_mm, rays.start, rays.end, rays.start_row, rays.end_row, rays.flat, rays.along,
                    image, threads, isa)
    return image


def fingerprint(image: np.ndarray) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def floats() -> np.ndarray:
    """(nz, ny, nx) float32 with a tail over many magnitudes, exact zeros and an empty border."""
    rng = np.random.default_rng(11)
    volume = rng.lognormal(0.0, 2.0, GRID.shape).astype(np.float32)
    volume[rng.random(GRID.shape) < 0.2] = 0
    volume[:, :3] = 0
    return volume


@pytest.fixture(scope="module")
def portable() -> dict[str, np.ndarray]:
    """The images of one thread on the portable lanes."""
    return {name: project(floats(), geometry, "portable", 1) for name, geometry in GEOMETRIES.items()}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_both_paths_are_walked(portable, name):
    along = voxel_rays(GEOMETRIES[name], GRID).along
    assert all((axis == 2) == (name in PATHS) for axis in along)
    assert np.isfinite(portable[name]).all()
    assert (portable[name] > 0).mean() > 0.2


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_instruction_sets_give_equal_bits(portable, name, isa):
    if isa not in PRESENT:
        pytest.skip(f"this CPU lacks {isa}")
    assert fingerprint(project(floats(), GEOMETRIES[name], isa)) == fingerprint(portable[name])


def joseph(volume: np.ndarray, geometry: Geometry, isa: str = "", threads: int = 2) -> list[np.ndarray]:
    """The image by Joseph's method, its transpose's volume and the gradient by the ends of its rays."""
    rays = voxel_rays(geometry, GRID)
    ends = (list(GRID.spacing_mm), rays.start, rays.end, rays.start_row, rays.end_row, rays.flat)
    image, back = np.zeros(geometry.shape, np.float32), np.zeros(GRID.shape, np.float32)
    _engine.project_joseph(volume, *ends, image, threads, isa)
    _engine.backproject_joseph(image, *ends, back, threads, isa)
    return [image, back, _engine.joseph_gradient(volume, *ends, image, threads, isa)]


@pytest.mark.parametrize("name", GEOMETRIES)
def test_instruction_sets_give_equal_bits_by_joseph(name):
    first = joseph(floats(), GEOMETRIES[name], "portable", 1)
    assert all(array.any() for array in first)
    for isa in PRESENT:
        for threads in (1, 3):
            for found, array in zip(joseph(floats(), GEOMETRIES[name], isa, threads), first, strict=True):
                assert fingerprint(found) == fingerprint(array), (isa, threads)


@pytest.mark.parametrize("isa", PRESENT)
@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("name", ["columns", "packets", "a fan of one row"])
def test_thread_counts_give_equal_bits(portable, name, threads, isa):
    assert fingerprint(project(floats(), GEOMETRIES[name], isa, threads)) == fingerprint(portable[name])


VOXELS = {
    "float16": lambda rng: rng.lognormal(-6.0, 3.0, GRID.shape).astype(np.float16),  # a tenth are denormal
    "uint8": lambda rng: rng.integers(0, 2**8, GRID.shape, np.uint8),
    "uint16": lambda rng: rng.integers(0, 2**16, GRID.shape, np.uint16),
    "int16": lambda rng: rng.integers(-2**15, 2**15, GRID.shape, np.int16),
}


@pytest.mark.parametrize("isa", PRESENT)
@pytest.mark.parametrize("dtype", VOXELS)
@pytest.mark.parametrize("name", ["columns", "packets"])
def test_dtypes_equal_their_conversion_to_float32(name, dtype, isa):
    volume = VOXELS[dtype](np.random.default_rng(5))
    direct, converted = (project(v, GEOMETRIES[name], isa) for v in (volume, volume.astype(np.float32)))
    assert fingerprint(direct) == fingerprint(converted)
    assert direct.any()


def embedded(volume: np.ndarray) -> np.ndarray:
    """The same voxels as every second one of a larger array, from an odd place on."""
    room = np.full([2 * n + 3 for n in volume.shape], np.array(7, volume.dtype))
    view = room[3:, 1:-2, 2:-1][::2, ::2, ::2]
    view[...] = volume
    return view


STRIDES = {
    "Fortran order": np.asfortranarray,
    "negative steps": lambda volume: np.ascontiguousarray(volume[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
    "y fastest": lambda volume: np.ascontiguousarray(volume.transpose(0, 2, 1)).transpose(0, 2, 1),
    "every second voxel": embedded,
    "unaligned rows": lambda volume: np.pad(volume, ((0, 0), (1, 1), (1, 2)), constant_values=9)[:, 1:-1, 1:-2],
}


@pytest.mark.parametrize("isa", PRESENT)
@pytest.mark.parametrize("dtype", ["float32", *VOXELS])
@pytest.mark.parametrize("strides", STRIDES)
def test_strides_equal_the_contiguous_copy(strides, dtype, isa):
    volume = floats() if dtype == "float32" else VOXELS[dtype](np.random.default_rng(6))
    view = STRIDES[strides](volume)
    assert np.array_equal(view, volume)
    assert view.strides != volume.strides
    for name in ("columns", "packets"):
        assert fingerprint(project(view, GEOMETRIES[name], isa)) == fingerprint(project(volume, GEOMETRIES[name], isa))


def test_one_value_everywhere_equals_its_array():
    everywhere = np.broadcast_to(np.float32(0.2), GRID.shape)  # strides of 0
    for name in ("columns", "packets"):
        assert fingerprint(project(everywhere, GEOMETRIES[name])) == fingerprint(
            project(np.full(GRID.shape, 0.2, np.float32), GEOMETRIES[name]))


FORCED = """
import hashlib
import numpy as np
import physsim as ps
rng = np.random.default_rng(4)
volume = rng.lognormal(0.0, 2.0, (30, 41, 52)).astype(np.float32)
flat = ps.Geometry.circular(views=3, source_axis_mm=300.0, source_detector_mm=500.0, rows=20, columns=31, pixel_mm=4.0)
turned = flat.moved([[0.8, 0.36, 0.48], [-0.6, 0.48, 0.64], [0.0, -0.8, 0.6]])
grid = ps.Grid(shape=volume.shape, spacing_mm=1.5)
cases = [(geometry, method) for geometry in (flat, turned) for method in ("siddon", "joseph")]
images = [ps.project(volume, geometry, grid=grid, method=method, device="cpu") for geometry, method in cases]
volumes = [ps.backproject(image, geometry, grid=grid, method=method, device="cpu")
           for image, (geometry, method) in zip(images, cases, strict=True)]
assert all(array.any() for array in images + volumes)
print(hashlib.sha256(b"".join(array.tobytes() for array in images + volumes)).hexdigest())
"""


def test_environment_forces_the_instruction_set():
    """PHYSSIM_ISA, one process each: equal hashes, also of one thread against three."""
    found = {}
    for isa in PRESENT:
        for threads in ("1", "3"):
            done = subprocess.run([sys.executable, "-P", "-c", FORCED], capture_output=True, text=True, check=True,
                                  env={**os.environ, "PHYSSIM_CACHE": "off", "PHYSSIM_ISA": isa,
                                       "PHYSSIM_THREADS": threads})
            found[isa, threads] = done.stdout
    assert len(set(found.values())) == 1, found
    refused = subprocess.run([sys.executable, "-P", "-c", FORCED], capture_output=True, text=True,
                             env={**os.environ, "PHYSSIM_ISA": "sse9"})
    assert "PHYSSIM_ISA='sse9'" in refused.stderr


def test_unknown_instruction_set_is_refused():
    with pytest.raises(RuntimeError, match="'sse9' is not there"):
        project(floats(), GEOMETRIES["columns"], "sse9")
