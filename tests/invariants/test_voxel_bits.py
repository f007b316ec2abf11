"""Voxels and chords have equal bits whatever instruction set numba compiles for."""

import os
import subprocess
import sys

import numpy as np
import pytest

import physsim as ps

PROGRAM = """
import hashlib
import numpy as np
import physsim as ps
from physsim.phantom.compiled import areal_density_g_cm2
fields = {"material": "water"}
scene = ps.Scene(name="mixed", background="air", shapes=(
    {"kind": "loft", "name": "a", **fields,
     "sections": ((-40, 20, -30, 20, 2, 2.5), (0, 30, -20, 30, 3, 2), (45, 10, -10, 12, 2, 2))},
    {"kind": "tube", "name": "b", **fields, "radius_mm": (5, 9, 4),
     "points_mm": ((-40, 0, 0), (0, 30, 10), (40, 0, -20))},
    {"kind": "ellipsoid", "name": "c", "material": "bone", "semi_axes_mm": (30, 9, 14), "rotation_deg": (20, 30, 40)}))
phantom = ps.voxelise(scene, spacing_mm=1.3)
rng = np.random.default_rng(0)
rays = areal_density_g_cm2(scene, rng.uniform(-200, 200, (5000, 3)), rng.uniform(-40, 40, (5000, 3)))
digest = hashlib.sha256(phantom.labels.tobytes() + phantom.density.tobytes() + phantom.truth.organ_labels.tobytes())
for values in rays.values():
    digest.update(values.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="instruction sets are named for x86-64 Linux")
def test_equal_bits_for_the_plainest_and_the_native_processor(tmp_path):
    digests = {}
    for cpu in ("x86-64", ""):
        chosen = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""} if cpu else {}
        run = subprocess.run([sys.executable, "-P", "-c", PROGRAM], capture_output=True, text=True, check=False,
                             env={**os.environ, "PHYSSIM_CACHE": "off",
                                  "NUMBA_CACHE_DIR": str(tmp_path / (cpu or "native")), **chosen})
        assert run.returncode == 0, run.stderr
        digests[cpu] = run.stdout
    assert digests["x86-64"] == digests[""]


DIRECTIONS = {"along x": (1, 0, 0), "along z": (0, 0, -1), "oblique": (0.6, -0.48, 0.64), "steep": (0.02, 0.999, -0.04)}


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_rows_of_rays_equal_single_rays(direction):
    """The vector loops of the voxeliser against the single rays of the exact chords, over every kind of piece."""
    from physsim.phantom.ray_kernels import piece_interval, row_intervals

    fields = {"material": "water"}
    scene = ps.Scene(name="all", background="air", shapes=(
        {"kind": "ellipsoid", "name": "a", **fields, "semi_axes_mm": (30, 9, 14), "rotation_deg": (20, 30, 40)},
        {"kind": "cylinder", "name": "b", **fields, "radius_mm": 20, "length_mm": 60},
        {"kind": "cylinder", "name": "c", **fields, "radius_mm": 20, "length_mm": 60, "axis": (1, 0, 0)},
        {"kind": "cone", "name": "d", **fields, "radius_mm": (25, 4), "length_mm": 50},
        {"kind": "box", "name": "e", **fields, "size_mm": (30, 40, 50)},
        {"kind": "tube", "name": "f", **fields, "radius_mm": (5, 9, 4),
         "points_mm": ((-40, 0, 0), (0, 30, 10), (40, 0, -20))}))
    tables, pieces = scene.compiled.piece_tables(), scene.compiled.pieces
    d = np.array(DIRECTIONS[direction], float)
    d /= np.sqrt(d @ d)
    rng, rays, hits = np.random.default_rng(1), 21, 0
    for piece in range(len(pieces)):
        work = np.empty((11, rays))
        origins = pieces[piece].centre + rng.uniform(-30, 30, (rays, 3)) - 100 * d
        work[:3], work[3], work[4] = origins.T, rng.uniform(0, 105, rays), rng.uniform(95, 300, rays)
        row_intervals(rays, d, piece, *tables, work)
        for ray, origin in enumerate(origins):
            first, last = piece_interval(origin, d, piece, *tables, work[3, ray], work[4, ray])
            assert (first < last) == (work[5, ray] < work[6, ray])
            if first < last:
                assert (first, last) == (work[5, ray], work[6, ray])
                hits += 1
    assert hits > 30
