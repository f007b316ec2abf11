"""Figures of a scan of a test object, the same way from a scanner's files and from a simulated scan."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.evaluate.hounsfield import disc
from physsim.evaluate.noise_power import noise_power_spectrum
from physsim.evaluate.resolution import mtf_from_wire
from physsim.io.image import Image
from physsim.spec.measured import BeamStop, MeasuredScan, Square

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

BANDS = 3  # of frequency, up to that of the pixels
LEVELS = (0.5, 0.2)  # of the MTF


@dataclass(frozen=True)
class Figure:
    """`kind`: "HU" (value in HU), "noise" (logarithm of a band's power, HU^2 mm2), "MTF" (logarithm of the frequency of
    a level, 1/mm) or "SPR" (logarithm). `limit`: a difference that counts, in the value's own terms."""

    name: str
    kind: str
    value: float
    limit: float

    @property
    def shown(self) -> float:
        """The value without logarithm."""
        return self.value if self.kind == "HU" else float(np.exp(self.value))


def figures_of(scan: MeasuredScan, volume: Image | None, projections: Images | None) -> list[Figure]:
    """All figures that `scan` asks for, of a volume in HU whose place is the phantom's, and of -ln(signal / open beam).

    Raises InvalidInput for places outside the volume, and where no wire or no shadow is seen.
    """
    found, limits = [], scan.limits
    if volume is not None:
        slices, corner = _slices(volume, scan.slices_mm)
        pixel = volume.spacing_mm[0]
        middle = _middle(volume, corner)
        for region in scan.regions:
            place = region.centre_mm[0] - middle[0], region.centre_mm[1] - middle[1]
            inside = disc((slices.shape[1], slices.shape[2]), pixel, place, region.radius_mm)
            found.append(Figure(f"{scan.name}: {region.name}", "HU", float(slices[:, inside].mean()), limits.hu))
        if scan.noise is not None:
            found += [Figure(f"{scan.name}: noise power {name}", "noise", value, float(np.log1p(limits.noise_power)))
                      for name, value in _bands(_cut(slices, pixel, middle, scan.noise), pixel)]
        if scan.wire is not None:
            transfer = mtf_from_wire(_cut(slices, pixel, middle, scan.wire).mean(axis=0), pixel)
            found += [Figure(f"{scan.name}: frequency of MTF {level:g}", "MTF", float(np.log(transfer.frequency_of(
                level))), float(np.log1p(limits.resolution))) for level in LEVELS]
    if projections is not None:
        found += [Figure(f"{scan.name}: scatter to primary {n + 1}", "SPR", float(np.log(_ratio(projections, stop))),
                         float(np.log1p(limits.scatter))) for n, stop in enumerate(scan.beam_stops)]
    return found


def differences(measured: list[Figure], simulated: list[Figure]) -> Floats:
    """(figures,) measured less simulated."""
    return np.array([one.value - other.value for one, other in zip(measured, simulated, strict=True)])


def _slices(volume: Image, heights: tuple[float, float] | None) -> tuple[Floats, Floats]:
    """Slices between two heights, and where the first pixel lies."""
    direction = np.array(volume.direction, np.float64)
    if volume.origin_mm is None or np.abs(direction - np.eye(3)).max() > 1e-6:
        raise InvalidInput(message("volume", "its axes are not x to the left, y to the back, z to the head",
                                   "Store it with such axes."))
    z = volume.origin_mm[2] + volume.spacing_mm[2] * np.arange(len(volume.array))
    chosen = np.ones(len(z), bool) if heights is None else (z >= heights[0]) & (z <= heights[1])
    if not chosen.any():
        raise InvalidInput(message(f"slices_mm={heights}", f"the volume lies from {z[0]:g} to {z[-1]:g} mm",
                                   "Give heights inside, of the phantom."))
    if abs(volume.spacing_mm[0] - volume.spacing_mm[1]) > 1e-6 * volume.spacing_mm[0]:
        raise InvalidInput(message(f"pixels of {volume.spacing_mm[:2]} mm", "they are not square", "Give such slices."))
    return np.asarray(volume.array[chosen], np.float64), np.array(volume.origin_mm)


def _middle(volume: Image, corner: Floats) -> tuple[float, float]:
    """x and y (mm) of the middle of a slice."""
    rows, columns = volume.array.shape[1:]
    return (float(corner[0] + 0.5 * (columns - 1) * volume.spacing_mm[0]),
            float(corner[1] + 0.5 * (rows - 1) * volume.spacing_mm[1]))


def _cut(slices: Floats, pixel: float, middle: tuple[float, float], square: Square) -> Floats:
    rows, columns = slices.shape[1:]
    half = max(1, round(0.5 * square.side_mm / pixel))
    column = round((square.centre_mm[0] - middle[0]) / pixel + 0.5 * (columns - 1))
    row = round((square.centre_mm[1] - middle[1]) / pixel + 0.5 * (rows - 1))
    if min(row, column) < half or row + half > rows or column + half > columns:
        raise InvalidInput(message(f"square of {square.side_mm:g} mm at {square.centre_mm}",
                                   "it reaches beyond the slices", "Move it or make it smaller."))
    return slices[:, row - half : row + half, column - half : column + half]


def _bands(square: Floats, pixel: float) -> list[tuple[str, float]]:
    """Logarithm of the mean noise power of each band, of what differs from slice to slice: streaks and rings do not."""
    if len(square) < 2:
        raise InvalidInput(message("noise in 1 slice", "structure is told from noise by slices that differ",
                                   "Give two slices or more (slices_mm)."))
    noise = (square - square.mean(axis=0)) * np.sqrt(len(square) / (len(square) - 1.0))
    side = min(square.shape[1], square.shape[2])
    spectrum = noise_power_spectrum(noise, pixel, region=side if side < 64 else 32)
    edges = np.linspace(0.0, 0.5 / pixel, BANDS + 1)
    found = []
    for low, high in itertools.pairwise(edges.tolist()):
        inside = (spectrum.radial_frequency_mm > low) & (spectrum.radial_frequency_mm <= high)
        power = float(spectrum.radial_power[inside].mean()) if inside.any() else 0.0
        if power > 0.0:
            found.append((f"{low:.2f}-{high:.2f} /mm", float(np.log(power))))
    return found


def _ratio(projections: Images, stop: BeamStop) -> float:
    signal = np.exp(-np.asarray(projections[stop.views[0] : stop.views[1] + 1], np.float64))
    under, beside = (float(signal[:, r0 : r1 + 1, c0 : c1 + 1].mean()) for r0, r1, c0, c1 in (stop.under, stop.beside))
    if not beside > under > 0.0:
        raise InvalidInput(message(f"beam stop under {stop.under}", f"signal {under:.3g} there, {beside:.3g} beside: "
                                   "no shadow", "Look for the shadow's rows and columns."))
    return under / (beside - under)


def by_kind(figures: list[Figure], values: Floats) -> Mapping[str, float]:
    """Root mean square of `values` (..., figures) over the figures of each kind."""
    kinds = [one.kind for one in figures]
    return {kind: float(np.sqrt(np.mean(values[..., [n for n, one in enumerate(kinds) if one == kind]] ** 2)))
            for kind in dict.fromkeys(kinds)}
