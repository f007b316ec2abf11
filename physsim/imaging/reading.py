"""One reading of a detector: expected signal, noise, numbers read out, the corrected image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.detected import detected
from physsim.imaging.detector.calibration import Calibration, calibrate, correct
from physsim.imaging.detector.readout import integrating, read_out
from physsim.imaging.hardness import hardness
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

FLAT_FRAMES = 16
_FLAT_LEVEL = 0.25  # of what the readout holds: exposure of the flats


@dataclass(frozen=True, eq=False)
class Reading:
    """expected: blurred signal (keV). raw: digital numbers, None without noise. image: corrected (keV). All (views,
    rows, columns). saturated: pixels and views at the limit of what can be read out."""

    expected: Images
    raw: NDArray[np.integer] | None
    image: Images
    saturated: int


def take_reading(
    detector: Detector,
    energies_kev: Floats,
    fluence: Floats,
    signal: Images,
    square: Images,
    flat: Images,
    *,
    noise: bool,
    seed: int,
    scanner_seed: int = 0,
    quanta: Images | None = None,
    threads: int | None = None,
) -> Reading:
    """Of `signal` keV and `square` keV^2, (views, rows, columns), the sums of what photons add and of its squares.

    `energies_kev`, `fluence` (E,): the beam's, of which hardness tells the rest (see imaging.hardness). `flat`: as
    `signal`, without object: its first view, at an exposure that the readout holds, is what gains are corrected by.
    `quanta`: their noise (keV), blurred, where not the chain's own is wanted (with `noise`). Flats are means of
    FLAT_FRAMES readings of the scanner of `scanner_seed`, their quantum noise averaged out.
    """
    law = hardness(detector, energies_kev, fluence)
    expected, drawn = detected(detector, law, signal, square, noise=noise and quanta is None, seed=seed,
                               threads=threads)
    drawn = quanta if quanta is not None else drawn
    if drawn is None:
        return Reading(expected, None, expected, 0)
    raw = read_out(expected + drawn, detector, seed=seed, scanner_seed=scanner_seed, threads=threads)
    image = correct(raw, even_calibration(detector, scanner_seed, threads))
    return Reading(expected, raw.dn, image, raw.saturated)


def readout_variance(detector: Detector, signal_kev: float) -> float:
    """Variance (keV^2) of a pixel of a corrected image by all but quanta: counts of light or charge, electronics,
    rounding, and what the dark scans' mean has of these. First views of a scan: nothing of the signal is held back from
    before.

    Rounding of a level that is normal with deviation s (in numbers) errs by exp(-4 pi^2 s^2 k^2) / (2 pi^2 k^2), summed
    over k, in the mean square over levels, alike in every reading: frames do not average it.
    Reference: B. Widrow, I. Kollar, Quantization Noise (Cambridge 2008), chapter 4.
    """
    readout, absorber = integrating(detector), detector.absorber
    gain = absorber.electrons_per_kev * (1.0 - sum(one.fraction for one in readout.lag))
    turns = 2.0 * np.pi * readout.electronic_noise_electrons * readout.gain_dn * np.arange(1, 5)
    alike = float((np.exp(-turns**2) / (2.0 * np.pi**2 * np.arange(1, 5) ** 2)).sum()) / readout.gain_dn**2
    still = readout.electronic_noise_electrons**2 + readout.gain_dn**-2 / 12.0
    return signal_kev * absorber.excess / gain + (still + alike + (still - alike) / FLAT_FRAMES) / gain**2


@lru_cache(maxsize=4)
def even_calibration(detector: Detector, scanner_seed: int, threads: int | None) -> Calibration:
    """By an even field: what differs is the pixels', and the beam's fall towards the edges stays in the image."""
    readout = integrating(detector)
    full = min(readout.full_well_electrons, (readout.highest_dn - readout.offset_dn) / readout.gain_dn)
    level = _FLAT_LEVEL * full / detector.absorber.electrons_per_kev
    flat = np.full((detector.rows, detector.columns), level, np.float32)
    return calibrate(detector, flat, frames=FLAT_FRAMES, seed=scanner_seed, scanner_seed=scanner_seed, threads=threads)
