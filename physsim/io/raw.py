"""Bare voxels with a description beside them: `name.raw` (or `.raw.gz`) and `name.toml`.

The description holds `shape` (z, y, x), `dtype`, `byte_order`, `spacing_mm`, `origin_mm`, `direction` (three axes,
LPS), and if need be `file` (the voxels' file, beside the description) and `offset` (bytes to skip); x runs fastest.
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import tomli_w

from physsim.errors import FileFormatError, InvalidInput, did_you_mean, message
from physsim.io.atomic import written_whole
from physsim.io.deflate import deflated
from physsim.io.elements import ByteOrder, check_byte_order, element_dtype, input_file, is_gzip, read_elements
from physsim.io.image import IDENTITY, Image, Vector, header_problem, vector

RAW_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64")
_KEYS = ("schema_version", "shape", "dtype", "byte_order", "spacing_mm", "origin_mm", "direction", "file", "offset")


def read_raw(path: str | Path, shape: tuple[int, int, int], dtype: str, spacing_mm: Vector = (1.0, 1.0, 1.0),
             origin_mm: Vector | None = None, direction: tuple[Vector, Vector, Vector] = IDENTITY,
             byte_order: ByteOrder = "little", offset: int = 0, trust_byte_order: bool = False) -> Image:
    """Bare voxels, x fastest; gzip is told by the file's signature.

    `shape` is (nz, ny, nx). The volume is centred on the world's origin when `origin_mm` is None.
    Raises FileFormatError when the file's size is not the shape's.
    """
    path = input_file(path)
    if dtype not in RAW_DTYPES:
        raise InvalidInput(message(f"dtype={dtype!r}", "no such element type", did_you_mean(str(dtype), RAW_DTYPES)))
    if byte_order not in get_args(ByteOrder):
        raise InvalidInput(message(f"byte_order={byte_order!r}", "bytes run little or big end first",
                                   "Give 'little' or 'big'."))
    if origin_mm is None:
        origin_mm = vector(-0.5 * (np.array(shape[::-1]) - 1) * np.array(spacing_mm) @ np.array(direction))
    if problem := header_problem(tuple(shape), spacing_mm, origin_mm, direction):
        raise InvalidInput(problem)
    size = math.prod(shape) * np.dtype(dtype).itemsize + offset
    compressed = is_gzip(path) and path.stat().st_size != size
    array = read_elements(path, offset, tuple(shape), dtype, byte_order, compressed)
    if not trust_byte_order:
        check_byte_order(array, path)
    return Image(array, spacing_mm, origin_mm, direction)


def read_described_raw(path: str | Path, trust_byte_order: bool = False) -> Image:
    """The volume that the TOML description at `path` describes."""
    path = input_file(path)
    try:
        header = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileFormatError(message(str(path), f"is not TOML ({error})", "Mend the description.")) from None
    for key in header:
        if key not in _KEYS:
            raise FileFormatError(message(f"{path}: {key}", "no such key", did_you_mean(key, _KEYS)))
    shape = _whole_numbers(path, header, "shape")
    spacing = _numbers(path, header, "spacing_mm")
    origin = _numbers(path, header, "origin_mm") if "origin_mm" in header else None
    rows = header.get("direction", [list(axis) for axis in IDENTITY])
    if not isinstance(rows, list) or len(rows) != 3:
        raise _malformed(path, "direction", rows, "three axes of three numbers")
    axes = tuple(_numbers(path, {"direction": row}, "direction") for row in rows)
    name, offset = header.get("file", f"{path.stem}.raw"), header.get("offset", 0)
    if not isinstance(name, str) or "\0" in name:
        raise _malformed(path, "file", name, "the name of a file")
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset < 2**63:
        raise _malformed(path, "offset", offset, "a whole number of bytes")
    try:
        return read_raw(voxel_file(path, name), shape, header.get("dtype", ""), spacing, origin,
                        (axes[0], axes[1], axes[2]), header.get("byte_order", "little"), offset, trust_byte_order)
    except InvalidInput as error:
        raise FileFormatError(f"{path}: {error}") from None


def write_described_raw(path: str | Path, image: Image, compress: bool = False, overwrite: bool = False) -> None:
    """Write `path` (the description, `.toml`) and the voxels beside it (`.raw`, or `.raw.gz` when `compress`)."""
    path = Path(path)
    dtype = element_dtype(image.array, RAW_DTYPES, "raw")
    voxels = path.with_suffix(".raw.gz" if compress else ".raw")
    header = {"schema_version": 1, "file": voxels.name, "shape": list(image.array.shape), "dtype": dtype.name,
              "byte_order": "little", "spacing_mm": list(image.spacing_mm), "origin_mm": list(image.origin_mm),
              "direction": [list(axis) for axis in image.direction]}
    # Both files are complete before the first is published.
    with written_whole(path, overwrite) as description, written_whole(voxels, overwrite) as temporary:
        write_voxels(temporary, image, "gzip" if compress else None)
        description.write_text(tomli_w.dumps(header), encoding="utf-8")


def write_voxels(path: Path, image: Image, compression: Literal["gzip", "zlib"] | None) -> int:
    """Write the bare voxels, little end first, plane by plane; returns how many bytes the file holds."""
    planes = (little_endian_bytes(plane) for plane in image.array)
    with path.open("wb") as file:
        for piece in deflated(planes, compression) if compression else planes:
            file.write(piece)
        return file.tell()


def little_endian_bytes(array: Any) -> bytes:
    """The voxels of an array as bytes, x fastest, little end first."""
    data: bytes = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return data


def voxel_file(header: Path, name: str) -> Path:
    """The voxels' file named by a header: beside it, also when only `name.gz` (or `name` without `.gz`) is there."""
    named = header.parent / name
    for candidate in (named, Path(f"{named}.gz"), Path(str(named).removesuffix(".gz"))):
        try:
            if candidate.is_file():
                return candidate
        except OSError:  # a name too long for the file system
            break
    raise FileFormatError(message(str(header), f"names the voxel file {name!r}, which is not beside it (nor its .gz)",
                                  "Put it there, or correct the header."))


def _numbers(path: Path, header: dict[str, Any], key: str) -> Vector:
    value = header.get(key)
    if not isinstance(value, list) or len(value) != 3 or any(
            isinstance(x, bool) or not isinstance(x, (int, float)) or not abs(x) < 1e30 for x in value):
        raise _malformed(path, key, value, "three numbers (x, y, z)")
    return vector(value)


def _whole_numbers(path: Path, header: dict[str, Any], key: str) -> tuple[int, int, int]:
    value = header.get(key)
    if not isinstance(value, list) or len(value) != 3 or any(
            isinstance(n, bool) or not isinstance(n, int) or not 0 < n < 2**31 for n in value):
        raise _malformed(path, key, value, "three whole numbers (nz, ny, nx) above 0")
    return value[0], value[1], value[2]


def _malformed(path: Path, key: str, value: object, wanted: str) -> FileFormatError:
    return FileFormatError(message(f"{path}: {key}={value!r}", f"must be {wanted}", "Mend the description."))
