"""A photon source and a detector as the photon transport reads them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.tables import ENERGY_MAX_KEV, ENERGY_MIN_KEV
from physsim.spec.geometry import Geometry
from physsim.spec.source import ConeField, PhotonSource
from physsim.spec.spectrum import Spectrum
from physsim.transport.montecarlo_field import FieldNodes, field_nodes
from physsim.transport.montecarlo_scene import PackedScene
from physsim.units import CM_PER_MM

_FIELD_NODES = 512  # of the inverse table along x; straight lines between: within 1e-6 of the field's width
_FINE_NODES = 16384


def pack_source(source: PhotonSource, scene: PackedScene) -> dict[str, Any]:
    """The fields of kernels/transport/source.h."""
    position = np.array(source.position_mm)
    packed: dict[str, Any] = {
        "position": _three(scene.local_cm(position)),
        "spot": tuple(CM_PER_MM * w for w in source.focal_spot_mm),
        "node": None,
        "nodes": (0, 0),
        "cone": isinstance(source.field, ConeField),
        "cone_height": 0.0,
        "x_quantile": np.zeros(2, np.float32),
        "x_nodes": 1,
        "y_low": 0.0,
        "y_high": 0.0,
        "turn_first": 0.0,
        "turn_range": 0.0,
        "axis_point": (0.0,) * 3,
        "axis": (0.0, 0.0, 1.0),
    }
    if isinstance(source.field, ConeField):
        forward = np.array(source.field.toward_mm) - position
        distance = float(np.linalg.norm(forward))
        forward /= distance
        across = np.cross(forward, np.eye(3)[int(np.abs(forward).argmin())])
        across /= np.linalg.norm(across)
        along = np.cross(forward, across)
        half = 0.5 * np.deg2rad(source.field.half_angle_deg)
        packed["cone_height"] = float(2.0 * np.sin(half) ** 2)
    else:
        across, along = np.array(source.field.across), np.array(source.field.along)
        forward = np.cross(across, along)
        way = np.array(source.field.centre_mm) - position
        distance = float(way @ forward)
        if distance < 0.0:
            forward, distance = -forward, -distance
        low_x, high_x = ((way @ across + side * source.field.size_mm[0]) / distance for side in (-0.5, 0.5))
        low_y, high_y = ((way @ along + side * source.field.size_mm[1]) / distance for side in (-0.5, 0.5))
        packed["x_quantile"] = field_quantiles(float(low_x), float(high_x), float(low_y), float(high_y))
        packed["x_nodes"] = _FIELD_NODES
        packed["y_low"], packed["y_high"] = float(low_y), float(high_y)
    energy = alias_table(*energy_bins(source.spectrum))
    if source.cathode is not None:
        bounds = float(low_x), float(high_x), float(low_y), float(high_y)
        shape, low, width = shaped_field(source, bounds, packed["x_quantile"])
        weights = shape.weights()
        packed["nodes"], packed["node"] = weights.shape[::-1], node_table(weights)
        rows = shape.photons.reshape(weights.size, -1)
        energy = np.concatenate([alias_table(row if row.any() else np.ones_like(row), low, width) for row in rows])
    packed["energy"], packed["energy_bins"] = energy, len(energy) // max(1, packed["nodes"][0] * packed["nodes"][1])
    packed["plane_cm"] = distance * CM_PER_MM
    for name, axis in (("across", across), ("along", along), ("forward", forward)):
        packed[name] = _three(scene.local_direction(axis))
    if source.sweep is not None:
        packed["turn_first"] = source.sweep.first_deg % 360.0 / 360.0
        packed["turn_range"] = source.sweep.range_deg / 360.0
        packed["axis_point"] = _three(scene.local_cm(source.sweep.centre_mm))
        handed = float(np.sign(np.linalg.det(np.array(scene.grid.direction))))  # a left-handed grid turns the other way
        packed["axis"] = _three(handed * scene.local_direction(source.sweep.axis))
    return packed


def pack_detector(
    geometry: Geometry | None,
    disc_mm: float | None,
    edges_kev: NDArray[np.float64],
    source: PhotonSource,
    scene: PackedScene,
) -> dict[str, Any]:
    """The fields of kernels/transport/detector.h of a geometry's one view; None: no detector."""
    bins = {
        "energy_low": float(edges_kev[0]),
        "energy_bins": len(edges_kev) - 1,
        "bins_per_kev": (len(edges_kev) - 1) / float(edges_kev[-1] - edges_kev[0]),
    }
    if geometry is None:
        zero = (0.0,) * 3
        return {
            "rows": 0,
            "columns": 0,
            "centre": zero,
            "u": zero,
            "v": zero,
            "normal": zero,
            "pixels_per_cm": (1.0, 1.0),
            "radius_squared": 0.0,
            "curvature_cm": 0.0,
            **bins,
        }
    centre, u, v = (
        scene.local_cm(geometry.centre_mm[0]),
        scene.local_direction(geometry.u[0]),
        scene.local_direction(geometry.v[0]),
    )
    normal = scene.local_direction(geometry.normal[0])
    pitch = [CM_PER_MM * step for step in geometry.pixel_mm]
    reach = (geometry.columns * pitch[0]) ** 2 + (geometry.rows * pitch[1]) ** 2
    return {
        "rows": geometry.rows,
        "columns": geometry.columns,
        "centre": _three(centre),
        "u": _three(u),
        "v": _three(v),
        "normal": _three(normal),
        "pixels_per_cm": (1.0 / pitch[0], 1.0 / pitch[1]),
        "radius_squared": reach if disc_mm is None else (CM_PER_MM * disc_mm) ** 2,
        "curvature_cm": 0.0 if geometry.radius_mm is None else CM_PER_MM * geometry.radius_mm,
        **bins,
    }


def energy_bins(spectrum: Spectrum) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Relative photons on the central ray, lower ends and widths (keV) of the bins; one energy has width 0."""
    bins = spectrum.replace(bowtie=None).sample()
    if not bins.fluence.sum() > 0.0:
        raise InvalidInput(message("spectrum", "no photon is left behind its filters", "Take thinner filters."))
    return bins.fluence, *_bins(spectrum, bins.edges_kev)


def _bins(spectrum: Spectrum, edges_kev: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if spectrum.energy_kev is not None:
        return np.array([spectrum.energy_kev]), np.zeros(1)
    low = np.clip(edges_kev[:-1], ENERGY_MIN_KEV, ENERGY_MAX_KEV)
    return low, np.clip(edges_kev[1:], ENERGY_MIN_KEV, ENERGY_MAX_KEV) - low


def shaped_field(
    source: PhotonSource, bounds: tuple[float, float, float, float], x_quantile: NDArray[np.float32]
) -> tuple[FieldNodes, NDArray[np.float64], NDArray[np.float64]]:
    """Spectra at nodes of the field of a source with a `cathode`, lower ends and widths (keV) of their bins.

    `bounds` as in field_nodes; `x_quantile`: field_quantiles(*bounds).
    """
    shares, x = np.arange(x_quantile.size) / (x_quantile.size - 1), x_quantile.astype(np.float64)
    shape = field_nodes(source, bounds, lambda share: np.interp(share, shares, x))
    return shape, *_bins(source.spectrum, shape.edges_kev)


def node_table(weights: NDArray[np.float64]) -> NDArray[np.int32]:
    """(nodes, 2) int32 alias table: float32 chance to keep the node, the other node."""
    keep, other = _walker(weights.ravel())
    return np.ascontiguousarray(np.stack([keep.view(np.int32), other], axis=1))


def alias_table(
    weights: NDArray[np.float64], low: NDArray[np.float64], width: NDArray[np.float64]
) -> NDArray[np.int32]:
    """(bins, 4) int32: float32 chance to keep the bin, the other bin, float32 lower end and width in keV.

    Reference: A. J. Walker, ACM Trans. Math. Softw. 3 (1977) 253; Vose's order.
    """
    keep, other = _walker(weights)
    columns = [
        keep.view(np.int32),
        other,
        low.astype(np.float32).view(np.int32),
        width.astype(np.float32).view(np.int32),
    ]
    return np.ascontiguousarray(np.stack(columns, axis=1))


def _walker(weights: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    count = len(weights)
    share = weights * (count / math.fsum(weights.tolist()))
    keep, other = np.ones(count, np.float32), np.arange(count, dtype=np.int32)
    small, large = [n for n in range(count) if share[n] < 1.0], [n for n in range(count) if share[n] >= 1.0]
    while small and large:
        less, more = small.pop(), large.pop()
        keep[less], other[less] = share[less], more
        share[more] -= 1.0 - share[less]
        (small if share[more] < 1.0 else large).append(more)
    return keep, other


def field_quantiles(low_x: float, high_x: float, low_y: float, high_y: float) -> NDArray[np.float32]:
    """(nodes + 1,) tangents x at equal steps of probability for photons uniform in solid angle over a rectangle.

    The density on the plane at distance 1 is (1 + x^2 + y^2)^(-3/2); over y it integrates to
    [y / ((1 + x^2) sqrt(1 + x^2 + y^2))] between low_y and high_y, over x numerically (trapezoids: exact within 1e-8).
    """
    x = np.linspace(low_x, high_x, _FINE_NODES + 1)
    square = 1.0 + x * x
    density = (high_y / np.sqrt(square + high_y**2) - low_y / np.sqrt(square + low_y**2)) / square
    total = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    share = np.arange(_FIELD_NODES + 1) / _FIELD_NODES
    return np.asarray(np.interp(share * total[-1], total, x), np.float32)


def source_points_mm(source: PhotonSource) -> NDArray[np.float64]:
    """(n, 3) world points that bound where the source may stand."""
    position = np.array(source.position_mm)
    if source.sweep is None:
        return position[None]
    centre, axis = np.array(source.sweep.centre_mm), np.array(source.sweep.axis)
    arm = position - centre
    along = axis * (arm @ axis)
    reach = float(np.linalg.norm(arm - along))
    return np.asarray(centre + along + np.concatenate([reach * np.eye(3), -reach * np.eye(3)]))


def _three(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(vector[0]), float(vector[1]), float(vector[2])
