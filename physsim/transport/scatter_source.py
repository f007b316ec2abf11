"""A photon source as scatter images read it: kernels/transport/scatter_source.h."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from physsim.spec.source import PhotonSource, RectangularField
from physsim.transport.montecarlo_source import energy_bins, field_quantiles, shaped_field
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]

_FIELD_STEPS = 4096
FIELD_CELLS = 64  # across and along the field
_SUBCELLS = 3  # of a cell along each axis, for its mean brightness


class Frame(Protocol):
    """What takes world coordinates to those of voxels."""

    def local_cm(self, points_mm: Any) -> Floats:
        """World points (..., 3) in mm to cm from the voxels' low corner along their axes x, y, z."""

    def local_direction(self, vectors: Any) -> Floats:
        """World vectors (..., 3) along the voxels' axes."""


class FieldSpectra:
    """What a beam sends where in its field, made once for all views in which the source sees the field alike."""

    def __init__(self) -> None:
        self._known: dict[tuple[float, ...], dict[str, Any]] = {}

    def fields(self, source: PhotonSource, low: Floats, high: Floats) -> dict[str, Any]:
        """`cumulative` (nodes along y, along x, bins): photons per solid angle up to a bin, their mean being 1;
        `low_kev`, `width_kev` (bins,); `x_quantile` (n + 1,): tangents at equal steps of the field's solid angle;
        `mean_kev` and `brightness`, see there."""
        key = tuple(np.round(np.concatenate([low, high]), 9).tolist())
        if key not in self._known:
            made = _spectra(source, low, high)
            bright = brightness({**made, "low": low, "high": high}, FIELD_CELLS)
            self._known[key] = {**made, "mean_kev": mean_kev(made), "brightness": bright}
        return self._known[key]


def _spectra(source: PhotonSource, low: Floats, high: Floats) -> dict[str, Any]:
    if source.cathode is None:
        photons, low_kev, width_kev = energy_bins(source.spectrum)
        nodes, x_quantile, mean = photons[None, None], np.zeros(2, np.float32), float(photons.sum())
    else:
        x_quantile = field_quantiles(float(low[0]), float(high[0]), float(low[1]), float(high[1]))
        shape, low_kev, width_kev = shaped_field(source, (low[0], high[0], low[1], high[1]), x_quantile)
        nodes, mean = shape.photons, shape.mean()
    return {
        "cumulative": (np.cumsum(nodes, axis=-1) / mean).astype(np.float32),
        "low_kev": low_kev.astype(np.float32),
        "width_kev": width_kev.astype(np.float32),
        "x_quantile": x_quantile,
    }


def source_fields(source: PhotonSource, frame: Frame, spectra: FieldSpectra) -> dict[str, Any]:
    """The fields of kernels/transport/scatter_source.h; the source has a rectangular field and does not turn."""
    field = source.field
    assert isinstance(field, RectangularField)
    assert source.sweep is None
    across, along, position = np.array(field.across), np.array(field.along), np.array(source.position_mm)
    forward, way = np.cross(across, along), np.array(field.centre_mm) - position
    distance = float(way @ forward)
    forward, distance = (forward, distance) if distance > 0.0 else (-forward, -distance)
    centre, half = np.array([way @ across, way @ along]) / distance, 0.5 * np.array(field.size_mm) / distance
    low, high = centre - half, centre + half
    return {
        "position": frame.local_cm(position).tolist(),
        "across": frame.local_direction(across).tolist(),
        "along": frame.local_direction(along).tolist(),
        "forward": frame.local_direction(forward).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "solid_angle": solid_angle(low, high),
        "plane_cm": distance * CM_PER_MM,
        "spot": [CM_PER_MM * width for width in source.focal_spot_mm],
        **spectra.fields(source, low, high),
    }


def solid_angle(low: Floats, high: Floats) -> float:
    """Solid angle (sr) of the rectangle low <= (x, y) <= high on the plane at distance 1.

    (1 + x^2 + y^2)^(-3/2) integrates over y to y / ((1 + x^2) sqrt(1 + x^2 + y^2)), over x by Simpson's rule:
    square roots alone give equal bits on every CPU; exact within 1e-12 for fields below 120 degrees.
    """
    x = np.linspace(low[0], high[0], _FIELD_STEPS + 1)
    square = 1.0 + x * x
    density = (high[1] / np.sqrt(square + high[1] ** 2) - low[1] / np.sqrt(square + low[1] ** 2)) / square
    weight = np.where(np.arange(x.size) % 2 == 1, 4.0, 2.0)
    weight[[0, -1]] = 1.0
    return math.fsum((weight * density).tolist()) * float(high[0] - low[0]) / (3.0 * _FIELD_STEPS)


def mean_kev(fields: dict[str, Any]) -> float:
    """Mean energy of the photons at the nodes."""
    cumulative = fields["cumulative"].astype(np.float64)
    by_bin = np.diff(cumulative, axis=-1, prepend=0.0).reshape(-1, cumulative.shape[-1])
    photons = np.cumsum(by_bin, axis=0)[-1]
    return float(np.cumsum(photons * (fields["low_kev"] + 0.5 * fields["width_kev"]))[-1] / np.cumsum(photons)[-1])


def brightness(fields: dict[str, Any], cells: int) -> Floats:
    """(cells along y, along x) photons per solid angle in equal cells of the field's plane; the field's mean is 1.

    Read from the nodes at a few places of each cell: it guides where points go, their weights are exact.
    """
    nodes = fields["cumulative"][..., -1].astype(np.float64)
    if nodes.size == 1:
        return np.ones((cells, cells))
    share = (np.arange(cells * _SUBCELLS) + 0.5) / (cells * _SUBCELLS)
    (x_low, y_low), (x_high, y_high) = fields["low"], fields["high"]
    x, y = x_low + share * (x_high - x_low), y_low + share * (y_high - y_low)
    quantile = fields["x_quantile"].astype(np.float64)
    column = np.interp(x, quantile, np.arange(quantile.size) / (quantile.size - 1))
    square = 1.0 + x * x
    sine, first, last = (end / np.sqrt(square + end * end) for end in (y[:, None], y_low, y_high))
    i, beside, a = _between(column, nodes.shape[1])
    j, above, b = _between(np.clip((sine - first) / (last - first), 0.0, 1.0), nodes.shape[0])
    found = (1.0 - b) * ((1.0 - a) * nodes[j, i] + a * nodes[j, beside])
    found = found + b * ((1.0 - a) * nodes[above, i] + a * nodes[above, beside])
    parts = [found[p::_SUBCELLS, q::_SUBCELLS] for p in range(_SUBCELLS) for q in range(_SUBCELLS)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return np.asarray(total / _SUBCELLS**2)


def _between(place: Floats, nodes: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The nodes before and behind places 0 to 1, and the share of the second."""
    at = place * (nodes - 1)
    first = np.minimum(at.astype(np.int64), max(nodes - 2, 0))
    return first, np.minimum(first + 1, nodes - 1), at - first
