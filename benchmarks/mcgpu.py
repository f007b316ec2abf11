"""MC-GPU 1.3 on SLAB60: its input files, one run, and what it says about it.

Neither code nor data of MC-GPU come with physsim: the user names an executable (CPU or GPU), and beside it (or by
--mcgpu-water) its material file of water lies. Reference: A. Badal, A. Badano, Med. Phys. 36 (2009) 4878.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from physsim.errors import FileFormatError, InvalidInput, PhyssimError, message
from physsim.io.elements import input_file

MEASURED_PER_S = {"slab60": 575_000.0, "thorax90": 295_000.0}  # one core of an AVX-512 Xeon, gcc 12 -O3 -ffast-math
_WATER = ("water__5-120keV.mcgpu.gz", "water__5-120keV.mcgpu")
_FOLDERS = (".", "materials", "MC-GPU_material_files", "../materials", "../MC-GPU_material_files")
_INPUT = """#[SECTION SIMULATION CONFIG v.2009-05-12]
{histories}
{seed}
0
128
150
#[SECTION SOURCE v.2011-07-12]
beam.spc
15.0 -80.0 15.0
0.0 1.0 0.0
-15.0 -15.0
#[SECTION IMAGE DETECTOR v.2009-12-02]
image.dat
{columns} {rows}
30.0 30.0
110.0
#[SECTION CT SCAN TRAJECTORY v.2011-10-25]
1
0.0
0.0 5000.0
60.0
0.0
#[SECTION DOSE DEPOSITION v.2012-12-12]
NO
NO
dose.dat
1 1
1 1
1 1
#[SECTION VOXELIZED GEOMETRY FILE v.2009-11-30]
slab60.vox
#[SECTION MATERIAL FILE LIST v.2009-11-30]
{water}
"""
_VOXELS = """[SECTION VOXELS HEADER v.2008-04-13]
150 100 150   voxels along x, y, z
0.2 0.2 0.2   their size (cm)
1             column of the material
2             column of the density (g/cm3)
0             no blank lines
[END OF VXH SECTION]
"""


def check(executable: Path, water: Path | None) -> tuple[Path, Path]:
    """The executable and its water, as whole paths. InvalidInput where one is missing."""
    executable = input_file(executable).resolve()
    if water is not None:
        return executable, input_file(water).resolve()
    for folder in _FOLDERS:
        for name in _WATER:
            if (found := executable.parent / folder / name).is_file():
                return executable, found.resolve()
    raise InvalidInput(
        message(
            f"--mcgpu {executable.name}",
            f"no {_WATER[0]} lies beside it or in {', '.join(_FOLDERS[1:3])}",
            "Name MC-GPU's material file of water: --mcgpu-water FILE.",
        )
    )


def run_slab60(
    executable: Path, water: Path, place: Path, histories: int, rows: int, columns: int, seconds: float = 600.0
) -> dict[str, Any]:
    """Run SLAB60 in the folder `place`: histories, seconds, histories_per_s, scatter (eV per history), image."""
    write_slab60(place, water, histories, rows, columns)
    try:
        done = subprocess.run(
            [str(executable), "slab60.in"], cwd=place, capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PhyssimError(message(executable.name, str(error), "Try it by hand on its own example.")) from None
    image = place / "image.dat"
    if done.returncode or not image.is_file():
        last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["it said nothing"]
        raise PhyssimError(
            message(executable.name, f"status {done.returncode}: {last[0].strip()}", "Is it MC-GPU 1.3?")
        )
    return read_image(image, rows, columns)


def write_slab60(place: Path, water: Path, histories: int, rows: int, columns: int) -> None:
    """slab60.in, slab60.vox and beam.spc."""
    text = _INPUT.format(
        histories=f"{max(histories, 100_001):d}", seed=271828182, rows=rows, columns=columns, water=water
    )
    (place / "slab60.in").write_text(text)
    (place / "slab60.vox").write_text(_VOXELS + "1 1.0\n" * (150 * 100 * 150))
    (place / "beam.spc").write_text("60000.0 1.0\n60001.0 -1.0\n")


def read_image(path: Path, rows: int, columns: int) -> dict[str, Any]:
    """An image file of MC-GPU: pixels (rows, columns, 4 orders) in eV/cm2 per history, and its report."""
    text = path.read_text(errors="replace")
    found = {
        name: re.search(rf"^#\s*{pattern}\s*([\d.eE+]+)\s*$", text, re.MULTILINE)
        for name, pattern in (("histories", "Simulated x rays:"), ("seconds", r"Simulation time \[s\]:"))
    }
    numbers = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    try:
        pixels = np.array(numbers, np.float64).reshape(rows, columns, 4)
        histories, seconds = (float(found[name][1]) for name in ("histories", "seconds"))  # type: ignore[index]
    except (ValueError, TypeError):
        raise FileFormatError(
            message(str(path.name), f"is no image of {rows} x {columns} pixels with its report", "Is it MC-GPU 1.3?")
        ) from None
    area_cm2 = 30.0 * 30.0 / (rows * columns)
    rate = histories / seconds if seconds > 0.0 else float("inf")
    return {"histories": histories, "seconds": seconds, "histories_per_s": rate, "pixels": pixels,
            "ev_per_history": (pixels.sum(axis=(0, 1)) * area_cm2).tolist()}  # fmt: skip
