"""Scatter on a detector's pixels in the units of its signal, from Monte Carlo on coarse ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import thread_count
from physsim.imaging.detector.table import moments_at
from physsim.imaging.nodes import lagrange
from physsim.imaging.scatter_orders import MULTIPLE, ORDERS
from physsim.imaging.totals import total
from physsim.phantom.phantom import Phantom
from physsim.spec.detector import Detector
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import MonteCarlo
from physsim.transport.node_spline import spline_weights
from physsim.transport.ordered import product
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter import CELL_MM, one_view, scatter_scene
from physsim.transport.scatter_optics import optics_of
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_SPLINE_PIXELS = 4  # a cubic takes as many
COARSE_PIXELS = 56  # along the longer side
_ROWS_AT_ONCE = 256  # of pixels, whose float64 values stay in the cache
_SQUARE_SHARE = 4.0  # the second moment, for noise alone, may err so many times as much


@dataclass(frozen=True, eq=False)
class Scattered:
    """Of each view: signal (views, rows, columns) keV and square keV^2 that scattered photons add to the detector, per
    mAs; errors: (views,) e_S, the RMS standard error of the signal over its mean, or what is guaranteed or stated of
    it; histories of multiple scatter; aim_reached; verdicts: of each view by a Hybrid, else none;
    network: hash of the weights of a Surrogate or Hybrid; orders: the signal by its layers of scatter_orders, if asked
    for."""

    signal: Images
    square: Images
    errors: tuple[float, ...]
    histories: int
    aim_reached: bool
    verdicts: tuple[dict[str, Any], ...] = ()
    network: str = ""
    orders: dict[str, Images] = field(default_factory=dict)


def scattered(
    phantom: Phantom,
    protocol: Protocol,
    geometry: Geometry,
    open_photons: Images,
    run: MonteCarlo,
    *,
    seed: int,
    threads: int | None = None,
    by_order: bool = False,
) -> Scattered:
    """Scatter in every view, each by itself; `open_photons` (views, rows, columns): per mAs, without phantom and grid.

    Photons behind the grid count as the detector's response has them. The second moment is that of all scatter of a
    view over its first: spectra of scattered photons change little over a detector.
    Neglects: as scatter_image; scatter that leaves the detector and comes back.
    """
    coarse, responses = coarse_geometry(geometry), signal_responses(protocol.detector)
    signal, square = np.empty(geometry.shape, np.float32), np.empty(geometry.shape, np.float32)
    area = float(np.prod(geometry.pixel_mm)) * CM_PER_MM**2
    orders = {name: np.empty(geometry.shape, np.float32) for name in (ORDERS if by_order else ())}
    errors, histories, reached, count = [], 0, True, thread_count(threads)
    scene = scatter_scene(phantom, protocol.spectrum, run, CELL_MM, count)
    for view in range(len(geometry)):
        optics = optics_of(coarse[view], protocol.spectrum, protocol.cathode, protocol.focal_spot_mm,
                           protocol.anti_scatter_grid)
        first, second = (one_view(scene, coarse[view], replace(optics, response=response.fields()), aim, seed + view,
                                  count) for aim, response in zip((run, _looser(run)), responses, strict=True))
        photons = total(open_photons[view]) * area
        signal[view] = on_pixels(first.image(), geometry.rows, geometry.columns, photons)
        for name, image in orders.items():
            multiple = first.image("multiple")
            coarser = multiple if name == MULTIPLE else first.image() - multiple
            image[view] = on_pixels(coarser, geometry.rows, geometry.columns, photons)
        ratio = second.mean()[0] / first.mean()[0] if first.mean()[0] > 0.0 else 0.0
        np.multiply(signal[view], np.float32(ratio), out=square[view])
        errors.append(first.relative_error)
        histories += first.multiple.histories if first.multiple is not None else 0
        reached = reached and first.aim_reached
    return Scattered(signal, square, tuple(errors), histories, reached, orders=orders)


def signal_responses(detector: Detector) -> tuple[ResponseTable, ResponseTable]:
    """What photons add to the detector's signal by energy and slant: the mean (keV) and its second moment (keV^2)."""
    def moment(order: int) -> ResponseTable:
        return ResponseTable.of(lambda kev, slant: moments_at(detector, kev, slant).sum(axis=0)[order])

    return moment(0), moment(1)


def coarse_geometry(geometry: Geometry) -> Geometry:
    """The same detector in square pixels as nearly as can be, COARSE_PIXELS along its longer side at most."""
    width, height = geometry.columns * geometry.pixel_mm[0], geometry.rows * geometry.pixel_mm[1]
    wanted = max(width, height) / COARSE_PIXELS
    columns = min(geometry.columns, max(4, round(width / wanted)))
    rows = min(geometry.rows, max(4, round(height / wanted)))
    return geometry.in_pixels(rows, columns)


def on_pixels(coarse: Floats, rows: int, columns: int, scale: float = 1.0) -> Images:
    """(rows, columns) float32, `scale` times the spline through the middles of coarse pixels; straight on beyond the
    outer ones, and not below 0."""
    down, across = (pixel_weights(n, wanted) for n, wanted in zip(coarse.shape, (rows, columns), strict=True))
    half, across = product(down, coarse), np.ascontiguousarray(across.T)
    found = np.empty((rows, columns), np.float32)
    for first in range(0, rows, _ROWS_AT_ONCE):
        part = product(half[first : first + _ROWS_AT_ONCE], across)
        np.maximum(part, 0.0, out=part)
        np.multiply(part, scale, out=found[first : first + _ROWS_AT_ONCE], casting="same_kind")
    return found


def pixel_weights(coarse: int, fine: int) -> Floats:
    """(fine, coarse) of the spline through coarse pixels' middles at those of fine ones; a parabola of 3."""
    if coarse == fine:
        return np.eye(fine)
    known, wanted = (np.arange(coarse) + 0.5) / coarse, (np.arange(fine) + 0.5) / fine
    return np.stack(lagrange(known, wanted), axis=1) if coarse < _SPLINE_PIXELS else spline_weights(known, wanted)


def _looser(run: MonteCarlo) -> MonteCarlo:
    if run.relative_error is not None:
        return run.replace(relative_error=min(_SQUARE_SHARE * run.relative_error, 0.2))
    if run.histories is not None:
        return run.replace(histories=max(1, round(run.histories / _SQUARE_SHARE**2)))
    return run.replace(seconds=run.seconds and run.seconds / _SQUARE_SHARE**2)
