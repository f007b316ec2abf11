"""MetaImage: `.mhd` with a voxel file beside it, or `.mha` with the voxels inside.

World frame: MetaImage's own is LPS, so nothing is turned. `AnatomicalOrientation`, where present, is compared with
`TransformMatrix`, never assumed; its letters name the side where each voxel axis BEGINS, as ITK writes (RAI: identity).
Reference: MetaIO documentation, https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, message
from physsim.io.atomic import written_whole
from physsim.io.deflate import deflated
from physsim.io.elements import check_byte_order, element_dtype, input_file, is_gzip, read_elements
from physsim.io.image import IDENTITY, Image, axes_from_matrix, header_problem, vector
from physsim.io.raw import little_endian_bytes, voxel_file, write_voxels

_NAME_FROM_DTYPE = {"int8": "MET_CHAR", "uint8": "MET_UCHAR", "int16": "MET_SHORT", "uint16": "MET_USHORT",
                    "int32": "MET_INT", "uint32": "MET_UINT", "int64": "MET_LONG_LONG", "uint64": "MET_ULONG_LONG",
                    "float32": "MET_FLOAT", "float64": "MET_DOUBLE"}
_DTYPE_FROM_NAME = {name: dtype for dtype, name in _NAME_FROM_DTYPE.items()}
_DTYPE_FROM_NAME |= {"MET_LONG": "int32", "MET_ULONG": "uint32"}  # four bytes in MetaIO, whatever the machine
_HEADER_LIMIT = 1 << 20  # bytes; a longer text header is a damaged file
_MATRIX_KEYS, _ORIGIN_KEYS = ("TransformMatrix", "Rotation", "Orientation"), ("Offset", "Position", "Origin")


def read_mhd(path: str | Path, trust_byte_order: bool = False) -> Image:
    """A MetaImage volume (.mhd, .mha), uncompressed voxels mapped from the file.

    Also finds the voxels when the header says `.raw` and the file beside it is `.raw.gz`. Raises FileFormatError when
    header and data contradict each other. Neglects: ASCII voxels, several channels, one file a slice (refused by name).
    """
    path = input_file(path)
    fields, end = _header(path)
    shape, dtype = _shape(path, fields), _dtype(path, fields)
    spacing = _numbers(path, fields, ("ElementSpacing", "ElementSize"), 1.0)
    origin = _numbers(path, fields, _ORIGIN_KEYS, 0.0)
    direction = _direction(path, fields, len(_words(fields, "DimSize")))
    if problem := header_problem(shape, vector(spacing), vector(origin), direction):
        raise FileFormatError(f"{path}: {problem}")
    _compare_orientation(path, fields, direction)
    array = _voxels(path, fields, end, shape, dtype)
    if not trust_byte_order:
        check_byte_order(array, path)
    return Image(array, vector(spacing), vector(origin), direction)


def write_mhd(path: str | Path, image: Image, compress: bool = False, overwrite: bool = False) -> None:
    """Write `.mha` (one file), or `.mhd` with `.raw` (`.zraw` when `compress`) beside it; little end first."""
    path = Path(path)
    dtype = element_dtype(image.array, tuple(_NAME_FROM_DTYPE), "MetaImage")
    local = path.suffix.lower() == ".mha"
    planes = (little_endian_bytes(plane) for plane in image.array)
    voxels = path.with_suffix(".zraw" if compress else ".raw")
    if local:
        pieces = [b"".join(deflated(planes, "zlib"))] if compress else planes
        size = len(pieces[0]) if isinstance(pieces, list) else 0
        with written_whole(path, overwrite) as temporary, temporary.open("wb") as file:
            file.write(_aligned(_text(image, dtype, "LOCAL", size)).encode())
            for piece in pieces:
                file.write(piece)
        return
    # Both files are complete before the first is published.
    with written_whole(path, overwrite) as header, written_whole(voxels, overwrite) as temporary:
        size = write_voxels(temporary, image, "zlib" if compress else None)
        header.write_text(_text(image, dtype, voxels.name, size if compress else 0), encoding="utf-8")


def orientation_letters(direction: tuple[Any, Any, Any]) -> str:
    """The sides where the voxel axes x, y, z begin, by the nearest world axis: RAI for the identity in LPS."""
    begins = (("R", "L"), ("A", "P"), ("I", "S"))  # along +x, +y, +z and against them
    return "".join(begins[int(np.argmax(np.abs(axis)))][int(axis[int(np.argmax(np.abs(axis)))] < 0)]
                   for axis in np.asarray(direction, float))


def _text(image: Image, dtype: np.dtype[Any], data_file: str, compressed_size: int) -> str:
    lines = ["ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False",
             f"CompressedData = {compressed_size > 0}"]
    if compressed_size:
        lines.append(f"CompressedDataSize = {compressed_size}")
    lines += ["TransformMatrix = " + " ".join(repr(float(x)) for axis in image.direction for x in axis),
              "Offset = " + " ".join(repr(float(x)) for x in image.origin_mm), "CenterOfRotation = 0 0 0",
              "AnatomicalOrientation = " + orientation_letters(image.direction),
              "ElementSpacing = " + " ".join(repr(float(x)) for x in image.spacing_mm),
              "DimSize = " + " ".join(str(n) for n in image.array.shape[::-1]),
              f"ElementType = {_NAME_FROM_DTYPE[dtype.name]}", f"ElementDataFile = {data_file}"]
    return "\n".join(lines) + "\n"


def _aligned(text: str) -> str:
    """The header with a comment so long that the voxels after it begin at a multiple of 16 bytes and can be mapped."""
    begin, comment = text.index("ElementDataFile"), "Comment = "
    padding = "-" * (1 + -(len(text) + len(comment) + 2) % 16)
    return f"{text[:begin]}{comment}{padding}\n{text[begin:]}"


def _header(path: Path) -> tuple[dict[str, str], int]:
    """The header's `key = value` lines and the byte at which it ends (after ElementDataFile, always its last line)."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        text = file.read(_HEADER_LIMIT)
    begin = 0
    while begin < len(text):
        end = text.find(b"\n", begin)
        end = len(text) if end < 0 else end + 1
        key, equals, value = text[begin:end].decode("latin-1").partition("=")
        if not equals and key.strip():
            break
        fields[key.strip()] = value.strip()
        begin = end
        if key.strip() == "ElementDataFile":
            return fields, begin
    raise FileFormatError(message(str(path), "its header has no line `ElementDataFile = ...`",
                                  "This is no MetaImage header, or it is truncated."))


def _shape(path: Path, fields: dict[str, str]) -> tuple[int, int, int]:
    words = _words(fields, "DimSize")
    if not (2 <= len(words) <= 3 and all(_is_count(word, 2**31) and int(word) > 0 for word in words)):
        raise _malformed(path, fields, "DimSize", "two or three whole numbers above 0")
    if "NDims" in fields and fields["NDims"] != str(len(words)):
        raise FileFormatError(message(f"{path}: NDims = {fields['NDims']}", f"DimSize has {len(words)} numbers",
                                      "Correct the header."))
    nx, ny, nz = [int(word) for word in words] + [1] * (3 - len(words))
    return nz, ny, nx


def _dtype(path: Path, fields: dict[str, str]) -> str:
    for key, refused in (("BinaryData", "false"), ("ElementNumberOfChannels", None)):
        value = fields.get(key, "True" if key == "BinaryData" else "1")
        if value.lower() == refused or (refused is None and value != "1"):
            raise FileFormatError(message(f"{path}: {key} = {value}", "physsim reads binary voxels of one channel",
                                          "Convert the file."))
    name = fields.get("ElementType", "")
    if name not in _DTYPE_FROM_NAME:
        raise _malformed(path, fields, "ElementType", "one of " + ", ".join(_DTYPE_FROM_NAME))
    return _DTYPE_FROM_NAME[name]


def _numbers(path: Path, fields: dict[str, str], keys: tuple[str, ...], missing: float) -> list[float]:
    key = next((key for key in keys if key in fields), None)
    if key is None:
        return [missing] * 3
    count = len(_words(fields, "DimSize"))
    return _floats(path, fields, key, count) + [missing] * (3 - count)


def _floats(path: Path, fields: dict[str, str], key: str, count: int) -> list[float]:
    try:
        values = [float(word) for word in _words(fields, key)]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise _malformed(path, fields, key, f"{count} numbers")
    return values


def _direction(path: Path, fields: dict[str, str], dimensions: int) -> Any:
    key = next((key for key in _MATRIX_KEYS if key in fields), None)
    if key is None:
        return IDENTITY
    matrix: npt.NDArray[np.float64] = np.eye(3)
    rows = np.reshape(_floats(path, fields, key, dimensions**2), (dimensions, dimensions))
    matrix[:dimensions, :dimensions] = rows.T  # MetaImage lists axis after axis
    return axes_from_matrix(matrix)


def _compare_orientation(path: Path, fields: dict[str, str], direction: Any) -> None:
    said = fields.get("AnatomicalOrientation", "").upper()
    if said and "?" not in said and len(said) == 3 and said != orientation_letters(direction):
        raise FileFormatError(message(
            f"{path}: AnatomicalOrientation = {said}", f"TransformMatrix says {orientation_letters(direction)} (the "
            "sides where the voxel axes begin)", "Find out which is true and correct the header."))


def _voxels(path: Path, fields: dict[str, str], end: int, shape: tuple[int, int, int], dtype: str) -> npt.NDArray[Any]:
    name = fields["ElementDataFile"]
    if name.upper().startswith("LIST") or "%" in name or not name or "\0" in name:
        raise FileFormatError(message(f"{path}: ElementDataFile = {name}", "physsim reads one voxel file a volume",
                                      "Join the slices into one file."))
    order = _byte_order(fields)
    compressed = fields.get("CompressedData", "False").lower() == "true"
    local = name.upper() == "LOCAL"
    file = path if local else voxel_file(path, name)
    size = math.prod(shape) * np.dtype(dtype).itemsize
    skip = _skip(path, fields, file, size) if not local else end
    length = None
    if compressed and _is_count(fields.get("CompressedDataSize", ""), 2**63):
        length = int(fields["CompressedDataSize"])
    if not local and not compressed and is_gzip(file) and file.stat().st_size - skip != size:
        compressed, skip = True, 0  # the header says .raw, the file is .raw.gz
    return read_elements(file, skip, shape, dtype, order, compressed, length)


def _byte_order(fields: dict[str, str]) -> Any:
    most_significant_first = [fields.get(key, "False").lower() == "true"
                              for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")]
    return "big" if any(most_significant_first) else "little"


def _skip(path: Path, fields: dict[str, str], file: Path, size: int) -> int:
    text = fields.get("HeaderSize", "0")
    if text == "-1":  # MetaIO: the voxels are the file's last bytes
        return max(file.stat().st_size - size, 0)
    if not _is_count(text, 2**63):
        raise _malformed(path, fields, "HeaderSize", "a number of bytes, or -1")
    return int(text)


def _is_count(text: str, limit: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) < limit


def _words(fields: dict[str, str], key: str) -> list[str]:
    return fields.get(key, "").replace(",", " ").split()


def _malformed(path: Path, fields: dict[str, str], key: str, wanted: str) -> FileFormatError:
    return FileFormatError(message(f"{path}: {key} = {fields.get(key, '(missing)')}", f"must be {wanted}",
                                   "Correct the header."))
