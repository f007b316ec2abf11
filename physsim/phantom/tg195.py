"""TG-195 case 5: the voxel thorax of AAPM Report 195, from the user's own copy of its file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

from physsim.errors import FileFormatError, message
from physsim.io.raw import read_raw
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import OrganTruth, Truth
from physsim.resources import phantoms_path
from physsim.spec.grid import Grid
from physsim.spec.material import material
from physsim.units import CM3_PER_MM3

PATH_VARIABLE = "PHYSSIM_TG195_CASE5"  # tests and benchmarks find the file through this environment variable


def tg195_case5(path: str | Path) -> Phantom:
    """The voxel thorax: 500 x 320 x 260 voxels (x, y, z) of 1 mm, uint8, x fastest, centred at the origin; .gz or not.

    Every index keeps its own entry of `materials`, so that organs of equal tissue stay apart (labels = organ indices).
    The report's frame is kept as it is: x and y of the file, z its third axis.
    Raises FileFormatError for a file of another size or with an index that the report does not name.

    Reference: I. Sechopoulos et al., Med. Phys. 42 (2015) 5679, case 5.
    """
    table = tomllib.loads((phantoms_path() / "published" / "tg195_case5.toml").read_text(encoding="utf-8"))
    image = read_raw(path, tuple(table["shape"]), "uint8", spacing_mm=(table["spacing_mm"],) * 3)
    grid = Grid(shape=tuple(table["shape"]), spacing_mm=table["spacing_mm"])
    labels, organs = image.array, table["organs"]
    counts = np.bincount(labels.ravel(), minlength=len(organs))
    if len(counts) > len(organs):
        raise FileFormatError(
            message(
                str(path),
                f"holds index {len(counts) - 1}; case 5 ends at {len(organs) - 1}",
                "Give the file case5world.bin of AAPM Report 195.",
            )
        )
    materials = tuple(material(organ["material"]) for organ in organs)
    rows = tuple(
        OrganTruth(
            organ["name"],
            float(n) * grid.voxel_volume_mm3,
            float(n) * grid.voxel_volume_mm3 * own.density_g_cm3 * CM3_PER_MM3,
        )
        for organ, own, n in zip(organs, materials, counts, strict=True)
    )
    return Phantom(grid=grid, labels=labels, materials=materials, truth=Truth(labels, rows), name="tg195_case5")
