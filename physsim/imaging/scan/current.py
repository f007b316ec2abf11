"""The tube's current in each view of a scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.portable import exp, log
from physsim.spec.rotation import CurrentModulation
from physsim.transport.basis import in_order

Floats = NDArray[np.float64]

MIDDLE = 0.1  # of the detector's columns, about its middle: what a modulation looks at


def middle_columns(columns: int) -> slice:
    """Those that the modulation looks at."""
    half = max(1, round(0.5 * MIDDLE * columns))
    return slice(max(0, columns // 2 - half), columns // 2 + half)


def relative_current(modulation: CurrentModulation | None, transmission: Floats) -> Floats:
    """(views,) current over its mean, for the mean transmission (views,) of the beam's middle.

    Cut at `least` and `most`, then scaled so that its mean is 1 (which the cut values follow).
    """
    if modulation is None:
        return np.ones(len(transmission))
    power = exp(-modulation.exponent * log(np.maximum(transmission, 1e-12)))
    mean = float(in_order(power)) / len(power)
    cut = np.clip(power / mean, modulation.least, modulation.most)
    return np.asarray(cut * (len(cut) / float(in_order(cut))))
