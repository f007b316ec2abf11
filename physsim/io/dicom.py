"""DICOM files: attributes by keyword and an array in, the same bytes for the same input out; and back.

Needs pydicom (the extra `dicom`). Which attributes an image gets is decided in physsim.imaging.dicom.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim._version import __version__
from physsim.errors import FileFormatError, InvalidInput, message
from physsim.io.atomic import check_output, write_bytes
from physsim.io.dicom_encoding import Attributes, element_head, encode, file_meta
from physsim.io.dicom_identity import uid_from
from physsim.io.elements import input_file
from physsim.io.image import Image, header_problem, vector

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_PIXEL_DATA = 0x7FE00010
IMPLEMENTATION_UID = uid_from("physsim", "implementation")


@dataclass(frozen=True)
class DicomImage:
    """A DICOM image read back.

    `stored`: (rows, columns) or (frames, rows, columns) as in the file; `values`: the same as float32 in `unit`, by the
    real world value mapping, else the rescale slope and intercept. `dataset` is pydicom's.
    """

    stored: npt.NDArray[Any]
    values: npt.NDArray[np.float32]
    unit: str
    dataset: Any


def write_dicom(path: str | Path, attributes: Attributes, pixels: npt.NDArray[Any], overwrite: bool = False) -> None:
    """Write `pixels`, (rows, columns) or (frames, rows, columns) of uint8, uint16 or int16, with `attributes`.

    `attributes` maps DICOM keywords to values; a sequence is a list of such maps. Rows, Columns, bits and Pixel Data
    are filled in here. Raises InvalidInput for an unknown keyword or a value that its representation cannot hold.
    """
    check_output(path, overwrite)
    write_bytes(path, dicom_bytes(attributes, pixels), overwrite)


def dicom_bytes(attributes: Attributes, pixels: npt.NDArray[Any]) -> bytes:
    """The bytes of the DICOM file (see write_dicom)."""
    _pydicom()
    fits = pixels.ndim in (2, 3) and min(pixels.shape) > 0 and max(pixels.shape[-2:]) <= 65535
    if not fits or pixels.dtype not in (np.uint8, np.uint16, np.int16):
        raise InvalidInput(message(f"pixels of shape {pixels.shape} and dtype {pixels.dtype}",
                                   "DICOM images are (frames,) rows, columns of uint8, uint16 or int16, up to 65535",
                                   "Scale the image to whole numbers first."))
    bits = 8 * pixels.itemsize
    data = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data.cast("B")
    stored = {"SamplesPerPixel": 1, "Rows": pixels.shape[-2], "Columns": pixels.shape[-1], "BitsAllocated": bits,
              "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(pixels.dtype.kind == "i")}
    return _whole_file({**attributes, **stored}, data, "OB" if bits == 8 else "OW", pixels.dtype.kind == "i")


def bytes_without_pixels(attributes: Attributes) -> bytes:
    """The bytes of a DICOM file that holds no image, such as a structured report."""
    _pydicom()
    return _head(attributes, encode({"SpecificCharacterSet": "ISO_IR 192", **attributes}))


def packed_bits(frames: Iterable[npt.NDArray[np.bool_]]) -> bytes:
    """Frames (rows, columns) of one size as one bit a pixel without gaps, the first pixel lowest (PS3.5 8.1.1)."""
    parts, rest = [], iter(frames)
    while group := list(itertools.islice(rest, 8)):  # eight frames end at a whole byte
        parts.append(np.packbits(np.stack(group), bitorder="little").tobytes())
    return b"".join(parts)


def bit_packed_bytes(attributes: Attributes, packed: bytes, shape: tuple[int, int, int]) -> bytes:
    """The bytes of a DICOM file of one bit a pixel; `packed`: packed_bits of `shape` (frames, rows, columns)."""
    _pydicom()
    pixels = shape[0] * shape[1] * shape[2]
    if min(shape) < 1 or max(shape[1:]) > 65535 or len(packed) != (pixels + 7) // 8:
        raise InvalidInput(message(f"{len(packed)} bytes of bits for shape {shape}",
                                   f"{(pixels + 7) // 8} are wanted", "Give packed_bits of (frames, rows, columns)."))
    stored = {"SamplesPerPixel": 1, "Rows": shape[1], "Columns": shape[2], "BitsAllocated": 1,
              "BitsStored": 1, "HighBit": 0, "PixelRepresentation": 0}
    return _whole_file({**attributes, **stored}, memoryview(packed), "OB", False)


def _whole_file(attributes: Attributes, data: memoryview, representation: str, signed: bool) -> bytes:
    dataset = encode({"SpecificCharacterSet": "ISO_IR 192", **attributes}, signed)
    padding = len(data) % 2
    head = element_head(_PIXEL_DATA, representation, len(data) + padding)
    return b"".join((_head(attributes, dataset), head, data, b"\0" * padding))


def _head(attributes: Attributes, dataset: bytes) -> bytes:
    meta = file_meta(attributes["SOPClassUID"], attributes["SOPInstanceUID"], EXPLICIT_LITTLE_ENDIAN,
                     IMPLEMENTATION_UID, f"PHYSSIM {__version__}")
    return meta + dataset


def read_dicom(path: str | Path) -> DicomImage:
    """Read one uncompressed grey image and map its stored values to real ones."""
    pydicom, path = _pydicom(), input_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns of values that the checks below judge
            dataset = pydicom.dcmread(path)
            stored = _pixels(path, dataset)
            slope, intercept, unit = _mapping(dataset)
    except FileFormatError:
        raise
    except Exception as error:  # pydicom has no common base for the faults of damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(message(str(path), f"is no whole DICOM image ({reason})", "Copy it again.")) from None
    with np.errstate(over="ignore", invalid="ignore"):
        values = (stored * np.float64(slope) + np.float64(intercept)).astype(np.float32)
    return DicomImage(stored, values, unit, dataset)


def read_dicom_series(folder: str | Path) -> Image:
    """A CT series (one file a slice in `folder`) as a float32 volume in HU, slices sorted along their normal.

    Raises FileFormatError when slices are missing, doubled, of different series, shape or orientation.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidInput(message(str(folder), "is no folder", "Give the folder of a CT series."))
    slices = [read_dicom(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != "DICOMDIR"]
    if not slices:
        raise InvalidInput(message(str(folder), "holds no files", "Give the folder of a CT series."))
    try:
        series = {(str(s.dataset.SeriesInstanceUID), s.stored.shape, _six(s.dataset.ImageOrientationPatient),
                   tuple(map(float, s.dataset.PixelSpacing))) for s in slices}
        positions = np.array([vector(s.dataset.ImagePositionPatient) for s in slices])
    except (AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(message(str(folder), f"a slice does not say where it lies ({error})",
                                      "Give a CT series.")) from None
    if len(series) != 1:
        raise FileFormatError(message(str(folder), f"holds {len(series)} different series, shapes or orientations",
                                      "Keep one series a folder."))
    _, shape, cosines, (row_mm, column_mm) = series.pop()
    x, y = np.array(cosines[:3]), np.array(cosines[3:])
    z = np.cross(x, y)
    order = np.argsort(positions @ z)
    heights = (positions @ z)[order]
    gaps = np.diff(heights)
    step = float(gaps.mean()) if len(gaps) else float(getattr(slices[0].dataset, "SliceThickness", 1.0) or 1.0)
    first = positions[order[0]]
    off_line = np.abs(positions[order] - first - np.outer(heights - heights[0], z)).max()
    if len(gaps) and (gaps.min() <= 1e-3 or np.ptp(gaps) > 0.01 * step + 1e-3 or off_line > 1e-2):
        raise FileFormatError(message(
            str(folder), f"slices lie {gaps.min():.4g} to {gaps.max():.4g} mm apart, {off_line:.4g} mm off a line",
            "A slice is missing or doubled, or the gantry was tilted."))
    spacing, direction = vector([column_mm, row_mm, step]), (vector(x), vector(y), vector(z))
    if problem := header_problem((len(slices), *shape), spacing, vector(first), direction):
        raise FileFormatError(f"{folder}: {problem}")
    return Image(np.stack([slices[i].values for i in order]), spacing, vector(first), direction)


def _six(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 6:
        raise ValueError(f"{len(numbers)} direction cosines in place of 6")
    return numbers


def _pydicom() -> Any:
    try:
        import pydicom
        import pydicom.dataset
    except ImportError:
        raise InvalidInput(message("DICOM", "pydicom is not installed", "Run pip install 'physsim[dicom]'.")) from None
    return pydicom


def _pixels(path: Path, dataset: Any) -> npt.NDArray[Any]:
    if dataset.file_meta.TransferSyntaxUID.is_compressed or dataset.SamplesPerPixel != 1:
        raise FileFormatError(message(str(path), "physsim reads uncompressed grey images",
                                      "Convert it, for example by gdcmconv --raw."))
    shape = (int(dataset.get("NumberOfFrames", 1) or 1), int(dataset.Rows), int(dataset.Columns))
    kind = "i" if dataset.PixelRepresentation else "u"
    if dataset.BitsAllocated not in (8, 16, 32) or min(shape) < 1:
        raise FileFormatError(message(f"{path}: BitsAllocated={dataset.BitsAllocated}, shape {shape}",
                                      "must be 8, 16 or 32 bits and at least one pixel", "Correct the header."))
    order = "<" if dataset.original_encoding[1] else ">"
    element = np.dtype(f"{order}{kind}{dataset.BitsAllocated // 8}")
    data, size = bytes(dataset.PixelData), int(np.prod(shape, dtype=object)) * element.itemsize
    if len(data) not in (size, size + size % 2):
        raise FileFormatError(message(
            str(path), f"the header says {' x '.join(map(str, shape))} pixels (frames, rows, columns) of "
            f"{element.itemsize} bytes = {size} bytes, the file holds {len(data)}", "Copy it again."))
    array = np.frombuffer(data[:size], element).reshape(shape).astype(element.newbyteorder("="), copy=False)
    unused = dataset.BitsAllocated - dataset.get("BitsStored", dataset.BitsAllocated)
    if not 0 <= unused < dataset.BitsAllocated or dataset.get("HighBit", 0) != dataset.BitsAllocated - unused - 1:
        raise FileFormatError(message(
            str(path), f"BitsStored={dataset.get('BitsStored')} and HighBit={dataset.get('HighBit')} do not fit "
            f"BitsAllocated={dataset.BitsAllocated}", "Correct the header."))
    if unused:
        array = (array << unused) >> unused  # old files keep overlays in the unused bits; also extends the sign
    return array[0] if shape[0] == 1 else array


def _mapping(dataset: Any) -> tuple[float, float, str]:
    shared = dataset.get("SharedFunctionalGroupsSequence") or [dataset]
    holder = dataset if dataset.get("RealWorldValueMappingSequence") else shared[0]
    if holder.get("RealWorldValueMappingSequence"):
        item = holder.RealWorldValueMappingSequence[0]
        unit = item.MeasurementUnitsCodeSequence[0]
        return float(item.RealWorldValueSlope), float(item.RealWorldValueIntercept), str(unit.CodeValue)
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    return float(slope), float(intercept), str(dataset.get("RescaleType", "") or "")
