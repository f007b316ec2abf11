"""The tables of photon transport have equal bits whatever instructions numpy uses."""

import os
import subprocess
import sys

PROGRAM = """
import hashlib
from physsim.physics.photon_tables import build
tables = build(["water", "bone_cortical", "I", "adipose"], form_factors=["water", None, None, "fat"])
print(hashlib.sha256(b"".join(array.tobytes() for array in tables.arrays().values())).hexdigest())
"""
# numpy's names; those that this CPU lacks only warn
FEATURES = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX2 FMA3"


def test_tables_do_not_depend_on_the_cpu():
    hashes = set()
    for disabled in ("", FEATURES):
        environment = {**os.environ, "PHYSSIM_CACHE": "off", "NPY_DISABLE_CPU_FEATURES": disabled}
        done = subprocess.run([sys.executable, "-P", "-W", "ignore", "-c", PROGRAM], capture_output=True, text=True,
                              check=True, env=environment)
        hashes.add(done.stdout)
    assert len(hashes) == 1
