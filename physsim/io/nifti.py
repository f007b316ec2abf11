"""NIfTI-1 and NIfTI-2, one file (.nii, .nii.gz), read and written without further packages.

NIfTI's world is RAS (+x right, +y anterior, +z head); physsim's is LPS. The two differ by diag(-1, -1, 1) on the world
side, applied here and nowhere else; the voxels are never turned.
Reference: NIfTI-1 data format, https://nifti.nimh.nih.gov/nifti-1 (nifti1.h) and NIfTI-2 (nifti2.h).
"""

from __future__ import annotations

import itertools
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, InvalidInput, message
from physsim.io.atomic import written_whole
from physsim.io.deflate import deflated
from physsim.io.elements import ByteOrder, check_byte_order, element_dtype, input_file, is_gzip, read_elements
from physsim.io.image import Image, axes_from_matrix, header_problem, vector
from physsim.io.quaternion import quaternion_from_rotation, rotation_from_quaternion
from physsim.io.raw import little_endian_bytes

# nifti1.h, NIFTI1_DATATYPES
_DTYPE_FROM_CODE = {2: "uint8", 4: "int16", 8: "int32", 16: "float32", 64: "float64", 256: "int8", 512: "uint16",
                    768: "uint32", 1024: "int64", 1280: "uint64"}
_CODE_FROM_DTYPE = {dtype: code for code, dtype in _DTYPE_FROM_CODE.items()}
_MM_FROM_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units & 7: unknown (taken as mm), metre, mm, micron
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])
_MAGIC = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}
_CORRECT = "Correct the header."
_SHORT = "The file is truncated, or no NIfTI file."


@dataclass(frozen=True)
class _Layout:
    """Where the fields that physsim reads lie in a header: struct format of each and its byte."""

    magic: int
    dim: tuple[str, int]
    datatype: tuple[str, int]
    pixdim: tuple[str, int]
    vox_offset: tuple[str, int]
    scl: tuple[str, int]
    units: tuple[str, int]
    form_codes: tuple[str, int]
    quaternion: tuple[str, int]
    srow: tuple[str, int]


_LAYOUT = {  # by sizeof_hdr: nifti1.h, nifti2.h
    348: _Layout(344, ("8h", 40), ("2h", 70), ("8f", 76), ("f", 108), ("2f", 112), ("B", 123), ("2h", 252), ("6f", 256),
                 ("12f", 280)),
    540: _Layout(4, ("8q", 16), ("2h", 12), ("8d", 104), ("q", 168), ("2d", 176), ("i", 500), ("2i", 344), ("6d", 352),
                 ("12d", 400)),
}


def read_nifti(path: str | Path, trust_byte_order: bool = False) -> Image:
    """One volume from a NIfTI file; the dtype is kept unless the header scales the values (then float32).

    The sform is used where its code is above 0, else the qform. Raises FileFormatError for a file without either (its
    orientation would be a guess), with several volumes, sheared axes, or of another size than its header says.
    """
    path = input_file(path)
    compressed = is_gzip(path)
    header = _header_bytes(path, compressed)
    size, order = _version(path, header)
    layout = _LAYOUT[size]

    def field(place: tuple[str, int]) -> tuple[Any, ...]:
        return struct.unpack_from(("<" if order == "little" else ">") + place[0], header, place[1])

    shape = _shape(path, field(layout.dim))
    code, bits = field(layout.datatype)
    if code not in _DTYPE_FROM_CODE or bits != 8 * np.dtype(_DTYPE_FROM_CODE[code]).itemsize:
        known = ", ".join(_CODE_FROM_DTYPE)
        raise FileFormatError(message(f"{path}: datatype {code} of {bits} bits",
                                      f"physsim reads one real number a voxel ({known})", "Convert the file."))
    (offset,), slope_intercept = field(layout.vox_offset), field(layout.scl)
    if not (math.isfinite(offset) and size + 4 <= offset < 2**62 and offset == int(offset)):
        raise FileFormatError(message(f"{path}: vox_offset={offset}", f"voxels begin at byte {size + 4} or later",
                                      _CORRECT))
    pixdim = [_decimal(value, size) for value in field(layout.pixdim)]
    quaternion, srow = ([_decimal(value, size) for value in field(place)] for place in (layout.quaternion, layout.srow))
    affine = _lps_affine(path, pixdim, field(layout.form_codes), quaternion, srow)
    scale = _MM_FROM_UNIT.get(field(layout.units)[0] & 7, 1.0)
    with np.errstate(all="ignore"):
        spacing = np.linalg.norm(affine[:, :3], axis=0)
        near = np.abs(spacing - np.abs(pixdim[1:4])) <= 1e-5 * spacing
        spacing = np.where(near, np.abs(pixdim[1:4]), spacing)  # the digits that were written, not the norm's
        direction = axes_from_matrix(affine[:, :3] / spacing)
    if problem := header_problem(shape, vector(spacing * scale), vector(affine[:, 3] * scale), direction):
        raise FileFormatError(f"{path}: {problem}")
    array = _voxels(path, int(offset), shape, _DTYPE_FROM_CODE[code], order, compressed)
    if not trust_byte_order:
        check_byte_order(array, path)
    array = _scaled(path, array, *slope_intercept)
    return Image(array, vector(spacing * scale), vector(affine[:, 3] * scale), direction)


def write_nifti(path: str | Path, image: Image, overwrite: bool = False) -> None:
    """Write NIfTI-1 (.nii, or .nii.gz without name and time); qform and sform say the same.

    Neglects: positions beyond float32 (NIfTI-1's own; 0.03 um at 500 mm).
    """
    path = Path(path)
    dtype = element_dtype(image.array, tuple(_CODE_FROM_DTYPE), "NIfTI")
    if max(image.array.shape) > 32767:
        raise InvalidInput(message(f"shape={image.array.shape}", "NIfTI-1 counts up to 32767 voxels an axis",
                                   "Write .mha or .h5."))
    stream = itertools.chain([_header(image, dtype)], (little_endian_bytes(plane) for plane in image.array))
    with written_whole(path, overwrite) as temporary, temporary.open("wb") as file:
        for piece in deflated(stream, "gzip") if path.name.lower().endswith(".gz") else stream:
            file.write(piece)


def _header(image: Image, dtype: np.dtype[Any]) -> bytes:
    header = bytearray(352)  # 348 bytes and an empty extension flag
    layout = _LAYOUT[348]
    affine = _LPS_FROM_RAS @ image.world_from_voxel[:3]  # its own inverse
    rotation = affine[:, :3] / np.array(image.spacing_mm)
    handedness = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    quaternion = quaternion_from_rotation(rotation * np.array([1.0, 1.0, handedness]))

    def put(place: tuple[str, int], *values: Any) -> None:
        struct.pack_into("<" + place[0], header, place[1], *values)

    put(("i", 0), 348)
    put(layout.dim, 3, *image.array.shape[::-1], 1, 1, 1, 1)
    put(layout.datatype, _CODE_FROM_DTYPE[dtype.name], 8 * dtype.itemsize)
    put(layout.pixdim, handedness, *image.spacing_mm, 0, 0, 0, 0)
    put(layout.vox_offset, 352)
    put(layout.scl, 1, 0)
    put(layout.units, 2)
    put(layout.form_codes, 1, 1)  # NIFTI_XFORM_SCANNER_ANAT
    put(layout.quaternion, *quaternion[1:], *affine[:, 3])
    put(layout.srow, *affine.ravel())
    header[layout.magic:layout.magic + 4] = _MAGIC[348]
    return bytes(header)


def _header_bytes(path: Path, compressed: bool) -> bytes:
    with path.open("rb") as file:
        start = file.read(1 << 16)
    if compressed:
        try:
            start = zlib.decompressobj(wbits=47).decompress(start, 544)
        except zlib.error as error:
            raise FileFormatError(message(str(path), f"the gzip stream is damaged ({error})", _SHORT)) from None
    if len(start) < 348:
        raise FileFormatError(message(str(path), f"holds {len(start)} bytes, a NIfTI header takes 348", _SHORT))
    return start


def _version(path: Path, header: bytes) -> tuple[int, ByteOrder]:
    for size, layout in _LAYOUT.items():
        for order, mark in (("little", "<i"), ("big", ">i")):
            if struct.unpack_from(mark, header)[0] == size and len(header) >= size:
                if not header.startswith(_MAGIC[size], layout.magic):
                    found = header[layout.magic:layout.magic + 4]
                    raise FileFormatError(message(str(path), f"NIfTI magic is {found!r} in place of {_MAGIC[size]!r}",
                                                  "Convert .hdr/.img pairs to one .nii file."))
                return size, "little" if order == "little" else "big"
    raise FileFormatError(message(str(path), f"sizeof_hdr is {struct.unpack_from('<i', header)[0]}, not 348 nor 540 in "
                                  "either byte order", _SHORT))


def _shape(path: Path, dim: tuple[int, ...]) -> tuple[int, int, int]:
    count = dim[0]
    if not 1 <= count <= 7 or any(n < 1 for n in dim[1:count + 1]):
        raise FileFormatError(message(f"{path}: dim={list(dim)}", "dim[0] is 1 to 7, each size at least 1",
                                      _CORRECT))
    sizes = list(dim[1:count + 1]) + [1] * (7 - count)
    if math.prod(sizes[3:]) != 1:
        raise FileFormatError(message(f"{path}: dim={list(dim)}", "physsim reads one volume, one number a voxel",
                                      "Split the file into volumes."))
    return sizes[2], sizes[1], sizes[0]


def _lps_affine(path: Path, pixdim: list[float], codes: tuple[int, int], quaternion: list[float],
                srow: list[float]) -> npt.NDArray[np.float64]:
    """(3, 4) float64: voxel (i, j, k, 1) to LPS in the file's length unit."""
    qform_code, sform_code = codes
    if sform_code > 0:
        ras = np.reshape(srow, (3, 4))
    elif qform_code > 0:
        rotation = rotation_from_quaternion(quaternion[:3])
        if rotation is None:
            raise FileFormatError(message(f"{path}: quaternion {quaternion[:3]}", "is longer than 1", _CORRECT))
        handedness = -1.0 if pixdim[0] < 0 else 1.0
        scales = np.array([pixdim[1], pixdim[2], pixdim[3] * handedness])
        ras = np.column_stack([rotation * scales, quaternion[3:]])
    else:
        raise FileFormatError(message(f"{path}: qform_code=0, sform_code=0", "the file does not say how it is oriented",
                                      "Set the sform, for example with nibabel."))
    if not np.isfinite(ras).all() or np.abs(ras).max() > 1e12 or np.linalg.norm(ras[:, :3], axis=0).min() < 1e-12:
        raise FileFormatError(message(f"{path}: affine {ras.tolist()}", "is no regular grid", _CORRECT))
    lps: npt.NDArray[np.float64] = _LPS_FROM_RAS @ ras
    return lps


def _decimal(value: float, size: int) -> float:
    """A float32 header value as the shortest decimal that it stands for: 0.1, not 0.10000000149."""
    return float(str(np.float32(value))) if size == 348 else float(value)


def _voxels(path: Path, offset: int, shape: tuple[int, int, int], dtype: str, order: ByteOrder,
            compressed: bool) -> npt.NDArray[Any]:
    if compressed:  # the header is inside the stream
        return read_elements(path, 0, shape, dtype, order, compressed=True, skip=offset)
    return read_elements(path, offset, shape, dtype, order)


def _scaled(path: Path, array: npt.NDArray[Any], slope: float, intercept: float) -> npt.NDArray[Any]:
    if slope == 0 or (slope == 1 and intercept == 0):  # nifti1.h: a slope of 0 means no scaling
        return array
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise FileFormatError(message(f"{path}: scl_slope={slope}, scl_inter={intercept}", "must be finite",
                                      _CORRECT))
    with np.errstate(over="ignore", invalid="ignore"):
        return (array * np.float64(slope) + np.float64(intercept)).astype(np.float32)
