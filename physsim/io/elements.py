"""Voxels out of bytes: sizes compared before anything is allocated, byte order doubted, no needless copy."""

from __future__ import annotations

import math
import os
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, InvalidInput, message

ByteOrder = Literal["little", "big"]
_TRUNCATED = "The file is truncated, or its header is wrong; copy it again."
_CHUNK = 1 << 20
_DEFLATE_LIMIT = 1032  # deflate cannot shrink more than 1032 : 1 (zlib technical notes)
_SAMPLE_ROWS, _ROUGH, _ODD = 64, 16.0, 0.01


def input_file(path: str | Path) -> Path:
    """`path` as a Path when it is a readable file, else InvalidInput."""
    path = Path(path)
    if not path.is_file():
        why = "is a folder" if path.is_dir() else "no such file"
        raise InvalidInput(message(str(path), why, "Give the path of a file."))
    if not os.access(path, os.R_OK):
        raise InvalidInput(message(str(path), "no permission to read it", "Change its permissions."))
    return path


def read_elements(path: Path, offset: int, shape: tuple[int, ...], dtype: npt.DTypeLike, byte_order: ByteOrder,
                  compressed: bool = False, length: int | None = None, skip: int = 0) -> npt.NDArray[Any]:
    """`shape` voxels of `dtype` from `path`, starting at byte `offset`; native byte order.

    Uncompressed voxels in native byte order come as a read-only map of the file (no copy; do not shorten the file while
    it is in use). `compressed` reads a zlib or gzip stream of `length` bytes (None: to the end of the file) and drops
    the first `skip` bytes of what it holds.
    Raises FileFormatError, before any allocation, when the file cannot hold that many voxels.
    """
    element = np.dtype(dtype).newbyteorder("<" if byte_order == "little" else ">")
    expected = math.prod(shape) * element.itemsize
    there = max(path.stat().st_size - offset, 0)
    if compressed:
        if length is not None and length > there:
            raise FileFormatError(message(
                str(path), f"the header promises {length} compressed bytes, the file holds {there}", _TRUNCATED))
        stream = _inflated(path, offset, there if length is None else length, skip, shape, element)
        flat = np.frombuffer(stream, element, offset=skip)
    else:
        if there != expected:
            mend = _TRUNCATED if there < expected else "Correct the header: shape, element type or offset."
            raise FileFormatError(message(str(path), f"{_promise(shape, element)}, the file holds {there}", mend))
        if element.isnative and offset % element.itemsize == 0:
            return np.memmap(path, element, "r", offset, shape)
        flat = np.fromfile(path, element, math.prod(shape), offset=offset)
    return flat.reshape(shape).astype(element.newbyteorder("="), copy=False)


def _promise(shape: tuple[int, ...], element: np.dtype[Any]) -> str:
    voxels, size = " x ".join(map(str, shape)), math.prod(shape) * element.itemsize
    return f"the header says {voxels} voxels (z, y, x) of {element.itemsize} bytes = {size} bytes"


def is_gzip(path: Path) -> bool:
    """Whether the file begins with the gzip signature (RFC 1952)."""
    with path.open("rb") as file:
        return file.read(3) == b"\x1f\x8b\x08"


def _inflated(path: Path, offset: int, length: int, skip: int, shape: tuple[int, ...],
              element: np.dtype[Any]) -> bytearray:
    """`skip` bytes and the voxels' out of a zlib stream or of gzip members one after the other."""
    expected = skip + math.prod(shape) * element.itemsize
    if expected > length * _DEFLATE_LIMIT:
        raise FileFormatError(message(
            str(path), f"{_promise(shape, element)}, which {length} compressed bytes cannot hold", _TRUNCATED))
    voxels = bytearray(expected)
    filled, surplus = 0, 0
    decoder = zlib.decompressobj(wbits=47)  # 32 + 15: zlib or gzip, told by the stream itself
    with path.open("rb") as file:
        file.seek(offset)
        left, waiting = length, b""
        while left or waiting:
            if not waiting:
                waiting = file.read(min(_CHUNK, left))
                if not waiting:
                    break
                left -= len(waiting)
            if decoder.eof:  # a further gzip member, or padding
                if not waiting.startswith(b"\x1f\x8b"):
                    break
                decoder = zlib.decompressobj(wbits=47)
            try:
                piece = decoder.decompress(waiting, min(_CHUNK, expected - filled + 1))
            except zlib.error as error:
                raise FileFormatError(message(str(path), f"the compressed voxels are damaged ({error})",
                                              "Copy the file again.")) from None
            surplus = max(0, filled + len(piece) - expected)
            if surplus:
                break
            voxels[filled:filled + len(piece)] = piece
            filled += len(piece)
            waiting = decoder.unconsumed_tail or (decoder.unused_data if decoder.eof else b"")
    if surplus or filled != expected or not decoder.eof:
        found = f"more than {expected}" if surplus else str(filled) + ("" if decoder.eof else " and break off")
        after = f" and {skip} before them" if skip else ""
        raise FileFormatError(message(str(path), f"{_promise(shape, element)}{after}, the compressed data hold {found}",
                                      _TRUNCATED))
    return voxels


def check_byte_order(array: npt.NDArray[Any], path: Path) -> None:
    """Raise FileFormatError when the voxels make sense only with their bytes swapped.

    A doubt, not a proof: whole numbers whose low bytes are all zero or that become much smoother along x when swapped
    (half precision too), real numbers of which 1 % are NaN or beyond 1e-30 to 1e30 and none are when swapped. Looks at
    64 rows.
    """
    if array.itemsize == 1 or array.dtype.kind not in "iuf":
        return
    rows = array.reshape(-1, array.shape[-1])
    with np.errstate(all="ignore"):  # the sample may hold any bits, signalling NaNs included
        _doubt_byte_order(rows, path)


def _doubt_byte_order(rows: npt.NDArray[Any], path: Path) -> None:
    sample = np.array(rows[np.unique(np.linspace(0, len(rows) - 1, _SAMPLE_ROWS).astype(int))])
    swapped = sample.byteswap()
    if sample.dtype.kind == "f" and sample.itemsize > 2:
        doubtful = _odd_share(sample) > _ODD and _odd_share(swapped) == 0
    else:  # half precision is judged by its bits, which rise with the value
        bits, other = (values.view(np.uint16) if values.dtype.kind == "f" else values for values in (sample, swapped))
        low_bytes_zero = bool(bits.any()) and not (bits & bits.dtype.type(255)).any()
        rough = bits.shape[1] > 8 and _roughness(bits) > _ROUGH * _roughness(other)
        doubtful = rough and not low_bytes_zero if sample.dtype.kind == "f" else rough or low_bytes_zero
    if doubtful:
        raise FileFormatError(message(
            str(path), f"the {rows.dtype} voxels make sense only with their bytes swapped (values such as "
            f"{sample.ravel()[np.argmax(sample != 0)]} would be {swapped.ravel()[np.argmax(sample != 0)]})",
            "Correct the byte order in the header, or read with trust_byte_order=True."))


def _odd_share(values: npt.NDArray[Any]) -> float:
    size = np.abs(values.astype(np.float64))
    return float((~np.isfinite(size) | ((size > 0) & (size < 1e-30)) | (size > 1e30)).mean())


def _roughness(values: npt.NDArray[Any]) -> float:
    return float(np.abs(np.diff(values.astype(np.float64), axis=1)).mean())


def element_dtype(array: npt.NDArray[Any], allowed: tuple[str, ...], form: str) -> np.dtype[Any]:
    """The dtype of `array` when the format `form` has it, else InvalidInput (dtypes are kept, never converted)."""
    if array.dtype.name not in allowed:
        raise InvalidInput(message(f"dtype {array.dtype}", f"{form} holds {', '.join(allowed)}",
                                   "Convert the array, or write .h5."))
    return array.dtype
