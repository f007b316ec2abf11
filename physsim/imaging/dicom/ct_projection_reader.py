"""CT projections back from DICOM-CT-PD: physsim's own to the last bit, any other maker's by the tags of the format."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, message
from physsim.imaging.dicom.ct_projections import RAS_FROM_LPS, CylindricalPoses
from physsim.imaging.dicom.multiframe import POSE_GROUP, geometry_of
from physsim.io.dicom import read_dicom
from physsim.spec.geometry import Geometry

Floats = npt.NDArray[np.float64]


def read_ct_projections(folder: str | Path) -> tuple[npt.NDArray[np.float32], Geometry]:
    """Projections (views, rows, columns) and their poses from a folder of DICOM-CT-PD, in the order of the instances.

    Files without physsim's own poses are read by the tags of the format (float32: within a micrometre), their rotation
    axis at x = y = 0. Neglects: makers whose detector rows count towards the feet (turn both rows and v then).
    Raises FileFormatError for other files, and for detectors that are neither flat nor cylindrical.
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix == ".dcm")
    if not paths:
        raise FileFormatError(message(str(folder), "holds no .dcm files", "Give a folder of projections."))
    images = sorted((read_dicom(path) for path in paths), key=lambda image: int(image.dataset.InstanceNumber))
    datasets = [image.dataset for image in images]
    try:
        shape = str(_plain(datasets[0], 0x7029, 0x100B)).strip()
        pixel = float(_plain(datasets[0], 0x7029, 0x1002)), float(_plain(datasets[0], 0x7029, 0x1006))
        radius = float(_plain(datasets[0], 0x7031, 0x1031)) if shape == "CYLINDRICAL" else None
        if shape not in ("CYLINDRICAL", "FLAT"):
            raise FileFormatError(message(str(folder), f"the detector is {shape}",
                                          "Flat and cylindrical ones are read."))
        columns, rows = images[0].values.shape
        stack = [image.values.T for image in images]
        if (POSE_GROUP, 0x1001) not in datasets[0]:
            return np.stack(stack), _geometry_by_tags(datasets, rows, columns, pixel, radius)
    except KeyError as error:
        raise FileFormatError(message(str(folder), f"is no DICOM-CT-PD ({error})", "Give such projections.")) from None
    geometry = geometry_of(datasets, rows, columns, pixel, radius)
    poses = CylindricalPoses(geometry, (0.0, 0.0))
    return np.stack([poses.ordered(view, image) for view, image in enumerate(stack)]), geometry


def source_positions_mm(datasets: Sequence[Any], axis_mm: tuple[float, float] = (0.0, 0.0)) -> Floats:
    """(views, 3) world positions of the focal spot by the tags of DICOM-CT-PD alone (float32), any maker's."""
    angle, height, distance = (_each(datasets, 0x7031, 0x1001 + n) + _each(datasets, 0x7033, 0x100B + n)
                               for n in range(3))
    return np.asarray(_world(angle, distance, height) + np.array([*axis_mm, 0.0]))


def _geometry_by_tags(datasets: Sequence[Any], rows: int, columns: int, pixel_mm: tuple[float, float],
                      radius_mm: float | None) -> Geometry:
    angle, height, distance = (_each(datasets, 0x7031, 0x1001 + n) for n in range(3))
    reach, central = _each(datasets, 0x7031, 0x1031)[:, None], _each(datasets, 0x7031, 0x1033)
    level = np.zeros_like(angle)
    inward = np.stack([np.sin(angle), -np.cos(angle), level], 1) * RAS_FROM_LPS
    right = np.stack([np.cos(angle), np.sin(angle), level], 1) * RAS_FROM_LPS
    across = ((0.5 * (columns + 1) - central[:, 0]) * pixel_mm[0])[:, None]  # from the central element to the middle
    along = ((0.5 * (rows + 1) - central[:, 1]) * pixel_mm[1])[:, None]
    focal = _world(angle, distance, height)
    if radius_mm is None:
        u, centre = right, focal + reach * inward + across * right
    else:
        turn = across / reach
        u = np.cos(turn) * right - np.sin(turn) * inward
        centre = focal + reach * (np.cos(turn) * inward + np.sin(turn) * right)
    up = np.array([0.0, 0.0, 1.0])
    return Geometry(source_mm=source_positions_mm(datasets), centre_mm=centre + along * up, u=u,
                    v=np.broadcast_to(up, u.shape), rows=rows, columns=columns, pixel_mm=pixel_mm, radius_mm=radius_mm)


def _world(angle: Floats, distance: Floats, height: Floats) -> Floats:
    points = np.stack([-distance * np.sin(angle), distance * np.cos(angle), height], 1)
    return np.asarray(points * RAS_FROM_LPS)


def _each(datasets: Sequence[Any], group: int, element: int) -> Floats:
    return np.array([_plain(one, group, element) for one in datasets], np.float64)


def _plain(dataset: Any, group: int, element: int) -> Any:
    """A value, also where a file leaves the representation of private elements out (then they are bytes)."""
    value = dataset[group, element].value
    if not isinstance(value, bytes):
        return value
    if element == 0x100B and group == 0x7029:
        return value.decode("ascii", "replace")
    numbers = struct.unpack(f"<{len(value) // 4}f", value)
    return numbers[0] if len(numbers) == 1 else numbers
