"""A plain PNG writer: grey or RGB, 8 or 16 bits, the same bytes for the same pixels (no software name, no time).

Reference: PNG specification, third edition, https://www.w3.org/TR/png-3/.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.io.atomic import write_bytes

_GREY, _RGB, _FILTER_UP, _LEVEL = 0, 2, 2, 6


def write_png(path: str | Path, pixels: npt.NDArray[Any], pixel_mm: float | None = None,
              texts: Mapping[str, str] | None = None, overwrite: bool = False) -> None:
    """Write `pixels`, (rows, columns) grey or (rows, columns, 3) RGB, uint8 or uint16, first row on top.

    `pixel_mm` goes into the file as the physical pixel size, `texts` as Latin-1 keyword and text.
    """
    write_bytes(path, png_bytes(pixels, pixel_mm, texts), overwrite)


def png_bytes(pixels: npt.NDArray[Any], pixel_mm: float | None = None, texts: Mapping[str, str] | None = None) -> bytes:
    """The bytes of the PNG file of `pixels` (see write_png)."""
    grey = pixels.ndim == 2
    if pixels.dtype not in (np.uint8, np.uint16) or not (grey or (pixels.ndim == 3 and pixels.shape[2] == 3)) \
            or pixels.size == 0:
        raise InvalidInput(message(f"pixels of shape {pixels.shape} and dtype {pixels.dtype}",
                                   "a PNG is (rows, columns) or (rows, columns, 3) of uint8 or uint16",
                                   "Window the image first (physsim.io.presentation.display_levels)."))
    rows, columns = pixels.shape[:2]
    lines = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder(">")).view(np.uint8).reshape(rows, -1)
    above = np.zeros_like(lines)
    above[1:] = lines[:-1]
    filtered = np.empty((rows, lines.shape[1] + 1), np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[:, 1:] = lines - above  # modulo 256, as the filter is defined
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8 * pixels.itemsize, _GREY if grey else _RGB,
                                          0, 0, 0))]
    if pixel_mm is not None:
        per_metre = round(1000.0 / pixel_mm)
        chunks.append(_chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)))
    for key, text in (texts or {}).items():
        chunks.append(_chunk(b"tEXt", key.encode("latin-1", "replace") + b"\0" + text.encode("latin-1", "replace")))
    chunks += [_chunk(b"IDAT", zlib.compress(filtered.tobytes(), _LEVEL)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
