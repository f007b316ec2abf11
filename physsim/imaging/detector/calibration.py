"""Correcting raw numbers by dark and flat scans, themselves simulated by the same readout.

corrected = (raw - dark) x reference / (flat - dark), keV; pixels whose flat stands out are replaced by the mean of
their good neighbours, as a scanner's map of defects does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.readout import Raw, integrating, pixel_maps, read_out
from physsim.spec.detector import Detector

Images = NDArray[np.float32]

_LEAST_GAIN = 0.5  # of the expected, below which a pixel is a defect


@dataclass(frozen=True, eq=False)
class Calibration:
    """Means of dark and flat scans, (rows, columns) float32 DN; flat_kev: (rows, columns), the signal that the flats
    were taken with; defects: (rows, columns) bool."""

    dark_dn: Images
    flat_dn: Images
    flat_kev: Images
    defects: NDArray[np.bool_]

    @cached_property
    def kev_per_dn(self) -> Images:
        """(rows, columns) float32; 0 of defects."""
        useful = np.where(self.defects, np.float32(1.0), self.flat_dn - self.dark_dn)
        return np.asarray(np.where(self.defects, np.float32(0.0), self.flat_kev / useful), np.float32)


def calibrate(
    detector: Detector, flat_kev: Images, *, frames: int = 16, seed: int, scanner_seed: int = 0,
    noise: bool = True, threads: int | None = None,
) -> Calibration:
    """Takes `frames` dark and `frames` flat readings of the scanner, the latter of the signal `flat_kev` (rows,
    columns) each, and finds its defects. Charge and electronic noise are those of the readout; the quantum noise of
    flats is that of `flat_kev`, if it has any.

    Raises InvalidInput where flats saturate or hold no signal.
    """
    if frames < 1:
        raise InvalidInput(message(f"frames={frames}", "a mean needs one", "Give for example 16."))
    readout = integrating(detector)
    maps = pixel_maps(detector, scanner_seed, threads=threads)
    flat_kev = np.asarray(flat_kev, np.float32)
    whole = np.uint32 if readout.bits <= 16 and frames <= 2**16 else np.int64
    sums = []
    for number, signal in enumerate((np.zeros_like(flat_kev), flat_kev)):
        total = np.zeros((detector.rows, detector.columns), whole)
        for frame in range(frames):
            raw = read_out(signal[None], detector, seed=seed, first_view=2 * frame + number, maps=maps, noise=noise,
                           threads=threads)
            if raw.saturated:
                raise InvalidInput(message(f"flat field of up to {float(flat_kev.max()):.3g} keV",
                                           f"{raw.saturated} pixels saturate, so their gain cannot be known",
                                           "Take the flats with less exposure."))
            total += raw.dn[0]
        sums.append(total / frames)
    return _calibration(detector, sums[0], sums[1], flat_kev)


def calibration_from_scans(detector: Detector, dark: Raw, flat: Raw, flat_kev: Images) -> Calibration:
    """The same from scans at hand (of any views each), the flat one expected to give `flat_kev` (rows, columns)."""
    return _calibration(detector, dark.dn.mean(axis=0), flat.dn.mean(axis=0), np.asarray(flat_kev, np.float32))


def _calibration(
    detector: Detector, dark: NDArray[np.float64], flat: NDArray[np.float64], flat_kev: Images
) -> Calibration:
    if not (flat_kev > 0.0).all():
        raise InvalidInput(message("flat field", f"{int((~(flat_kev > 0.0)).sum())} pixels get no signal",
                                   "Open the field to the whole detector."))
    expected = flat_kev * np.float32(detector.absorber.electrons_per_kev * integrating(detector).gain_dn)
    gain = (flat - dark) / expected
    return Calibration(dark_dn=dark.astype(np.float32), flat_dn=flat.astype(np.float32), flat_kev=flat_kev,
                       defects=~(gain > _LEAST_GAIN))


def correct(raw: Raw | ArrayLike, calibration: Calibration) -> Images:
    """(views, rows, columns) float32 keV from raw numbers (views, rows, columns): dark, gain and defects corrected.

    Raises InvalidInput for another size, and where defects have no good neighbour within 4 pixels.
    """
    dn = np.asarray(raw.dn if isinstance(raw, Raw) else raw)
    if dn.ndim != 3 or dn.shape[1:] != calibration.dark_dn.shape:
        raise InvalidInput(message(f"raw images of shape {dn.shape}",
                                   f"the calibration is of {calibration.dark_dn.shape}",
                                   "Give (views, rows, columns) of the same detector."))
    out = dn.astype(np.float32)
    out -= calibration.dark_dn
    out *= calibration.kev_per_dn
    for row, column in np.argwhere(calibration.defects):
        for reach in (1, 2, 4):
            part = (slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1))
            good = ~calibration.defects[part]
            if good.any():
                out[:, row, column] = out[:, *part][:, good].mean(axis=1, dtype=np.float64)
                break
        else:
            raise InvalidInput(message(f"pixel ({row}, {column})", "no good pixel lies within 4 pixels of it",
                                       "Give a smaller dead_pixel_fraction."))
    return out
