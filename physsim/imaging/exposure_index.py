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


def behind_body(signal: Images, free: Images) -> NDArray[np.bool_]:
    """Pixels (rows, columns) whose unscattered signal is lessened by more than BARE_BEAM of its `free` one."""
    return np.asarray(signal < math.exp(-BARE_BEAM) * free)


def control_windows(protocol: Protocol, behind: NDArray[np.bool_]) -> list[tuple[slice, slice]]:
    """Rows and columns of the exposure control's fields in an image.

    They are parts of the image, in mammography of the box around what lies `behind` (rows, columns) the breast.
    """
    box = [(0, count) for count in behind.shape]
    if protocol.breast is not None and behind.any():
        hit = [np.flatnonzero(behind.any(axis)) for axis in (1, 0)]
        box = [(int(places[0]), int(places[-1]) + 1) for places in hit]

    def part(low: float, high: float, axis: int) -> slice:
        start, count = box[axis][0], box[axis][1] - box[axis][0]
        first = math.floor(low * count)
        return slice(start + first, start + max(math.ceil(high * count), first + 1))

    return [(part(top, bottom, 0), part(left, right, 1)) for left, top, right, bottom in protocol.control_fields]


def controlled_mean(image: Images, protocol: Protocol, behind: NDArray[np.bool_]) -> float:
    """Mean of an image (rows, columns) over the control's fields, each counted alike.

    In mammography pixels beside the breast do not count (`behind`: (rows, columns)), unless a field has no others.
    """
    means = []
    for window in control_windows(protocol, behind):
        inside, counted = image[window].astype(np.float64), behind[window]
        if protocol.breast is None or not counted.any():
            counted = np.ones(inside.shape, np.bool_)
        summed = np.cumsum(np.cumsum(np.where(counted, inside, 0.0), axis=0)[-1])[-1]
        means.append(float(summed) / int(np.count_nonzero(counted)))
    return sum(means) / len(means)


def exposure_index(image_kev: Images, relevant: NDArray[np.bool_], detector: Detector, quality: str = "RQA5") -> float:
    """Of an image (rows, columns): from the median of its `relevant` pixels (rows, columns)."""
    return 100.0 * float(np.median(image_kev[relevant])) / signal_kev_per_ugy(detector, quality)


def deviation_index(index: float, target: float) -> float:
    """0 where the exposure is as wanted, 1 for 26 % more, -1 for 21 % less."""
    return 10.0 * math.log10(index / target)
