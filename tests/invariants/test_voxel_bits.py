"""Voxels and chords have equal bits whatever instruction set numba compiles for."""

import os
import subprocess
import sys

import pytest

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
                             env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / (cpu or "native")), **chosen})
        assert run.returncode == 0, run.stderr
        digests[cpu] = run.stdout
    assert digests["x86-64"] == digests[""]
