"""Arrays that the compiled kernels write into: taken as they are or refused, never copied and thrown away."""

import numpy as np
import pytest

import physsim as ps
from physsim import _engine
from physsim.transport.rays import voxel_rays

GRID = ps.Grid(shape=(5, 6, 7))
GEOMETRY = ps.Geometry.parallel(views=2, rows=9, columns=4, pixel_mm=1.0)
VOLUME = np.ones(GRID.shape, np.float32)
PIXELS = np.ones(GEOMETRY.shape, np.float32)
SPACING = list(GRID.spacing_mm)
_RAYS = voxel_rays(GEOMETRY, GRID)
ENDS = (_RAYS.start, _RAYS.end, _RAYS.start_row, _RAYS.end_row)
ALONG = list(_RAYS.along)


def spectral(signal, areal):
    one = np.ones((1, 1, 1, 1), np.float32)
    _engine.project_spectral(
        VOLUME.astype(np.uint8), None, SPACING, *ENDS, True, ALONG, GEOMETRY.rows, np.zeros(65536, np.int32), 5, False,
        2.0**29, 1, None, [0], one[0, 0], one, None, None, signal, areal, np.zeros(1, np.int32),
        np.ones(1, np.float32), [], None, 1, "")


# Each takes the array to write into, of the shape that is named.
WRITERS = {
    "project": (GEOMETRY.shape, lambda out: _engine.project(VOLUME, SPACING, *ENDS, True, ALONG, out, 1, "")),
    "project_plain": (GEOMETRY.shape, lambda out: _engine.project_plain(VOLUME, SPACING, *ENDS, out, 1)),
    "project_joseph": (GEOMETRY.shape, lambda out: _engine.project_joseph(VOLUME, SPACING, *ENDS, True, out, 1, "")),
    "backproject": (GRID.shape, lambda out: _engine.backproject(PIXELS, SPACING, *ENDS, True, ALONG, out, 1, "")),
    "backproject_joseph": (
        GRID.shape, lambda out: _engine.backproject_joseph(PIXELS, SPACING, *ENDS, True, out, 1, "")),
    "replace_patch": (
        GEOMETRY.shape, lambda out: _engine.replace_patch(VOLUME, SPACING, *ENDS, 2 * VOLUME, *ENDS, out, 1)),
    "project_spectral, signal": ((2, 1, 9, 4), lambda out: spectral(out, None)),
    "project_spectral, areal": ((2, 1, 9, 4), lambda out: spectral(None, out)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_written_in_place(name):
    shape, write = WRITERS[name]
    out = np.zeros(shape, np.float32)
    write(out)
    assert out.any()


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    "wrong", ["int16", "uint8", "float16", "complex64", "sliced", "transposed", "read-only", "list"])
def test_refused_where_a_copy_would_be_needed(name, wrong):
    shape, write = WRITERS[name]
    out = np.zeros(shape, np.float32)
    if wrong == "sliced":
        out = np.zeros((*shape[:-1], 2 * shape[-1]), np.float32)[..., ::2]
    elif wrong == "transposed":
        out = np.zeros(shape[::-1], np.float32).T
    elif wrong == "read-only":
        out.flags.writeable = False
    elif wrong == "list":
        out = out.tolist()
    else:
        out = out.astype(wrong)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        write(out)
    assert not np.any(out)
