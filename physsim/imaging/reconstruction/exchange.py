"""Geometries as other reconstruction packages read them: ASTRA's vectors, RTK's XML.

Reference: ASTRA toolbox, https://astra-toolbox.com/docs/geom3d.html; RTK, ThreeDCircularProjectionGeometry,
https://docs.openrtk.org (S. Rit et al., J. Phys. Conf. Ser. 489 (2014) 012079).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

Floats = NDArray[np.float64]

# RTK turns about y, from a source on z: its x, y, z are the patient's left, head and front (IEC 61217), ours x, z, -y
RTK_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def astra_geometry(geometry: Geometry, grid: Grid) -> tuple[dict[str, Any], dict[str, Any]]:
    """The projection and the volume geometry (proj_geom, vol_geom) as ASTRA's functions take them.

    Lengths are in mm, axes are the grid's. ASTRA's volumes are (z, y, x) as ours are; its projections are (rows, views,
    columns): `projections.transpose(1, 0, 2)`. "cone_vec" rows: source, detector's centre, from column to column, from
    row to row; "parallel3d_vec": direction of the rays first.
    Raises InvalidInput for curved detectors, which ASTRA does not know.
    """
    _check_flat(geometry, "ASTRA")
    axes = np.array(grid.direction)
    nz, ny, nx = grid.shape
    size = np.array(grid.size_mm)
    corner = axes @ np.array(grid.origin_mm) - 0.5 * np.array(grid.spacing_mm)
    centre, source = geometry.centre_mm @ axes.T, geometry.source_mm @ axes.T
    across, along = geometry.u @ axes.T * geometry.pixel_mm[0], geometry.v @ axes.T * geometry.pixel_mm[1]
    parallel = geometry.beam == "parallel"
    travel = (centre - source) / np.linalg.norm(centre - source, axis=1, keepdims=True)
    projections = {
        "type": "parallel3d_vec" if parallel else "cone_vec",
        "DetectorRowCount": geometry.rows,
        "DetectorColCount": geometry.columns,
        "Vectors": np.concatenate([travel if parallel else source, centre, across, along], axis=1),
    }
    window = {
        f"Window{end}{axis}": float(corner[i] + (size[i] if end == "Max" else 0.0))
        for i, axis in enumerate("XYZ")
        for end in ("Min", "Max")
    }
    return projections, {"GridRowCount": ny, "GridColCount": nx, "GridSliceCount": nz, "option": window}


def rtk_geometry_xml(geometry: Geometry) -> str:
    """The XML file of RTK's ThreeDCircularProjectionGeometry, with a matrix a view that projects onto the detector.

    RTK's frame is RTK_FROM_WORLD @ ours about the world's origin: x, z, -y. Its projections are stacks of our images:
    spacing `pixel_mm`, origin -(columns - 1) / 2 and -(rows - 1) / 2 pixels.
    Raises InvalidInput for curved detectors, parallel beams and detectors seen from behind (u x v points away from the
    source).
    """
    _check_flat(geometry, "physsim's export to RTK")
    if geometry.beam == "parallel":
        raise InvalidInput(message("beam='parallel'", "RTK's matrices need a source", "Export to ASTRA."))
    lines = ['<?xml version="1.0"?>', "<!DOCTYPE RTKGEOMETRY>", '<RTKThreeDCircularGeometry version="3">']
    for view in range(len(geometry)):
        fields = rtk_parameters(geometry, view)
        lines.append("  <Projection>")
        lines += [f"    <{name}>{value:.15g}</{name}>" for name, value in fields.items()]
        rows = [" ".join(f"{value:.15g}" for value in row) for row in rtk_matrix(fields)]
        lines += ["    <Matrix>", *(f"      {row}" for row in rows), "    </Matrix>", "  </Projection>"]
    return "\n".join([*lines, "</RTKThreeDCircularGeometry>", ""])


def rtk_parameters(geometry: Geometry, view: int) -> dict[str, float]:
    """RTK's nine numbers of one view (mm, degrees), in the order of its files."""
    u, v = RTK_FROM_WORLD @ geometry.u[view], RTK_FROM_WORLD @ geometry.v[view]
    turn = np.stack([u, v, np.cross(u, v)])
    source, centre = turn @ RTK_FROM_WORLD @ geometry.source_mm[view], turn @ RTK_FROM_WORLD @ geometry.centre_mm[view]
    if source[2] < centre[2]:
        raise InvalidInput(
            message(
                f"view {view} is mirrored",
                "RTK sees the detector from the source, its columns to the right of its rows",
                "Negate v and give images[:, ::-1].",
            )
        )
    flat = math.hypot(turn[2, 0], turn[2, 2])
    out_of_plane = math.atan2(turn[2, 1], flat)
    if flat > 1e-9:
        gantry, in_plane = math.atan2(-turn[2, 0], turn[2, 2]), math.atan2(-turn[0, 1], turn[1, 1])
    else:  # only the sum of the two shows
        gantry, in_plane = 0.0, math.atan2(turn[1, 0], turn[0, 0])
    return {
        "SourceToIsocenterDistance": float(source[2]),
        "SourceToDetectorDistance": float(source[2] - centre[2]),
        "GantryAngle": math.degrees(-gantry) % 360.0,
        "SourceOffsetX": float(source[0]),
        "SourceOffsetY": float(source[1]),
        "ProjectionOffsetX": float(centre[0]),
        "ProjectionOffsetY": float(centre[1]),
        "InPlaneAngle": math.degrees(-in_plane),
        "OutOfPlaneAngle": math.degrees(-out_of_plane),
    }


def rtk_matrix(fields: dict[str, float]) -> Floats:
    """(3, 4): homogeneous places on the detector (mm from its centre, along u and v) of points in RTK's frame (mm)."""
    x, y, z = (math.radians(-fields[name]) for name in ("OutOfPlaneAngle", "GantryAngle", "InPlaneAngle"))
    about_x = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_z = np.array([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
    turn = np.eye(4)
    turn[:3, :3] = about_z @ about_x @ about_y
    source, shift = np.eye(4), np.eye(3)
    source[:2, 3] = -fields["SourceOffsetX"], -fields["SourceOffsetY"]
    shift[0, 2] = fields["SourceOffsetX"] - fields["ProjectionOffsetX"]
    shift[1, 2] = fields["SourceOffsetY"] - fields["ProjectionOffsetY"]
    distance = fields["SourceToDetectorDistance"]
    magnify = np.array([
        [-distance, 0, 0, 0], [0, -distance, 0, 0], [0, 0, 1, -fields["SourceToIsocenterDistance"]],
    ])
    return np.asarray(shift @ magnify @ source @ turn)


def _check_flat(geometry: Geometry, whose: str) -> None:
    if geometry.radius_mm is not None:
        raise InvalidInput(
            message(
                f"radius_mm={geometry.radius_mm:g}",
                f"{whose} takes flat detectors",
                "Project onto a flat one: Geometry.circular(..., curved=False).",
            )
        )
