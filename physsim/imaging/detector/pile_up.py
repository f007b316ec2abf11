"""Pulses that come too close: the rate that is registered, and heights that add.

Laws, n the true rate of pulses of a pixel and tau the dead time: paralysable m = n exp(-n tau), nonparalysable m = n /
(1 + n tau). Pulses that fall into the dead time of one add to its height: a paralysable detector registers groups of k
pulses with the chance (1 - q) q^(k - 1), q = 1 - exp(-n tau); a nonparalysable one with that of k - 1 Poisson pulses of
mean n tau. Reference: G. F. Knoll, Radiation detection and measurement, 4th ed. (2010), ch. 4 VII; K. Taguchi et al.,
Med. Phys. 37 (2010) 3957 (heights).

Neglects: the shape of pulses (heights add whole), and that registered counts vary less than Poisson counts do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.counting import counting
from physsim.portable import exp
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]

_LARGEST_GROUP = 40


def registered_rate(detector: Detector, rate: ArrayLike) -> Floats:
    """Registered pulses per s of a pixel for true ones, both (...,)."""
    readout = counting(detector)
    true = _checked(rate)
    load = true * readout.dead_s
    if readout.pile_up == "paralysable":
        return np.asarray(true * exp(-np.minimum(load, 700.0)))
    return np.asarray(true / (1.0 + load))


def variance_over_mean(detector: Detector, rate: ArrayLike) -> Floats:
    """Of registered counts in a frame much longer than the dead time: 1 without dead time."""
    readout = counting(detector)
    load = _checked(rate) * readout.dead_s
    if readout.pile_up == "paralysable":
        return np.asarray(1.0 - 2.0 * load * exp(-np.minimum(load, 700.0)))
    return np.asarray(1.0 / (1.0 + load) ** 2)


def piled_up(detector: Detector, rate: float, heights: Floats) -> Floats:
    """Registered pulses per s by height (n,) from the chances `heights` (n,) of single pulses.

    Heights are equal steps, the first one step above 0; what adds to more than the last is in the last.
    """
    single = np.asarray(heights, np.float64)
    if single.ndim != 1 or not (single >= 0.0).all() or not abs(single.sum() - 1.0) < 1e-6:
        raise InvalidInput(message(f"heights with the sum {float(single.sum()):g}", "they are chances of one pulse",
                                   "Divide them by their sum."))
    readout = counting(detector)
    load = float(_checked(rate)) * readout.dead_s
    found, group = np.zeros_like(single), single
    chance = float(exp(-load))
    paralysable = readout.pile_up == "paralysable"
    left = 1.0
    for k in range(1, _LARGEST_GROUP + 1):
        found = found + chance * group
        left -= chance
        chance *= (1.0 - float(exp(-load))) if paralysable else load / k
        longer = np.convolve(group, single)  # step i + step j is step i + j + 1
        group = np.zeros_like(single)
        group[1:] = longer[: len(single) - 1]
        group[-1] += longer[len(single) - 1 :].sum()
    found[-1] += max(left, 0.0)
    return np.asarray(found * float(registered_rate(detector, rate)))


def _checked(rate: ArrayLike) -> Floats:
    true = np.asarray(rate, np.float64)
    if not (true >= 0.0).all():
        raise InvalidInput(message(f"rate={float(true.min()):g}", "pulses per s are not negative", "Give 0 or more."))
    return true
