"""Displacement fields as files that registration tools read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.io.atomic import write_bytes


def save_field(
    path: Path, field: npt.NDArray[np.float64], origin_mm: npt.NDArray[np.float64], step_mm: float, overwrite: bool
) -> None:
    """Write displacements (nz, ny, nx, 3) in mm, LPS, as MetaImage with three channels (.mha), float32.

    ITK and its kin read it as a displacement field: a point p of the grid goes to p + field(p).
    """
    if path.suffix != ".mha":
        raise InvalidInput(message(f"path={path}", "displacement fields are written as .mha", "Name it so."))
    nz, ny, nx, _ = field.shape
    header = "\n".join(
        (
            "ObjectType = Image",
            "NDims = 3",
            "BinaryData = True",
            "BinaryDataByteOrderMSB = False",
            "CompressedData = False",
            "TransformMatrix = 1 0 0 0 1 0 0 0 1",
            "Offset = " + " ".join(f"{v:.9g}" for v in origin_mm),
            "CenterOfRotation = 0 0 0",
            "AnatomicalOrientation = RAI",
            f"ElementSpacing = {step_mm:.9g} {step_mm:.9g} {step_mm:.9g}",
            f"DimSize = {nx} {ny} {nz}",
            "ElementNumberOfChannels = 3",
            "ElementType = MET_FLOAT",
            "ElementDataFile = LOCAL",
            "",
        )
    )
    write_bytes(path, header.encode("ascii") + np.ascontiguousarray(field, "<f4").tobytes(), overwrite)
