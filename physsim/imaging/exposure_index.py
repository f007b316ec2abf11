"""Detector air kerma and the exposure index: what the detector's signal says of how much radiation it had.

The exposure index is 100 times the air kerma (uGy), of the beam RQA5, that would give the signal found in the relevant
region of the image (of RQA-M2 in mammography, which the standard leaves to others); the deviation index compares it
with its target, 10 log10(EI / EI_T).
Reference: IEC 62494-1 (2008); the beams, IEC 61267 (2005).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.detector.table import moments_at
from physsim.spec.detector import Detector
from physsim.spec.exposure_control import Field
from physsim.spec.protocol import Protocol
from physsim.spec.radiation_quality import radiation_quality
from physsim.units import CM_PER_MM

Images = NDArray[np.float32]

BARE_BEAM = 0.2  # ln(open field / signal) of rays that meet no body to speak of: 1 cm of tissue


def reference_beam(protocol: Protocol) -> str:
    """The beam in which the protocol's detector is calibrated: 70 kV, or 28 kV for breasts."""
    return "RQA5" if protocol.breast is None else "RQA-M2"


@lru_cache(maxsize=16)
def signal_kev_per_ugy(detector: Detector, quality: str = "RQA5") -> float:
    """Signal of a pixel (keV) per uGy of a standard beam at the detector's front."""
    beam = radiation_quality(quality).sample()
    signal = float(np.cumsum(beam.fluence * moments_at(detector, beam.energies_kev, 1.0).sum(axis=0)[0])[-1])
    return signal * detector.pixel_mm[0] * detector.pixel_mm[1] * CM_PER_MM**2 / beam.kerma_ugy_per_mas


def windows(shape: tuple[int, ...], fields: tuple[Field, ...]) -> list[tuple[slice, slice]]:
    """Rows and columns of an image of `shape` in rectangles (left, top, right, bottom) that are parts of it."""

    def part(low: float, high: float, count: int) -> slice:
        first = math.floor(low * count)
        return slice(first, max(math.ceil(high * count), first + 1))

    return [(part(top, bottom, shape[0]), part(left, right, shape[1])) for left, top, right, bottom in fields]


def mean_in_fields(image: Images, fields: tuple[Field, ...]) -> float:
    """Mean over the fields of an image (rows, columns), each counted alike."""
    parts = [image[window].astype(np.float64) for window in windows(image.shape, fields)]
    return sum(float(np.cumsum(np.cumsum(one, axis=0)[-1])[-1]) / one.size for one in parts) / len(parts)


def exposure_index(image_kev: Images, relevant: NDArray[np.bool_], detector: Detector, quality: str = "RQA5") -> float:
    """Of an image (rows, columns): from the median of its `relevant` pixels (rows, columns)."""
    return 100.0 * float(np.median(image_kev[relevant])) / signal_kev_per_ugy(detector, quality)


def deviation_index(index: float, target: float) -> float:
    """0 where the exposure is as wanted, 1 for 26 % more, -1 for 21 % less."""
    return 10.0 * math.log10(index / target)
