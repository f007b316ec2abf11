"""What held-out patients say of an image at each look: the gate's p-value, the blend and its error bar."""

from __future__ import annotations

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Batches, Floats
from physsim.surrogate.blend import Blend, blend, mean_for_truth
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.gate import gate_distance

ERRS_MORE = "the network errs here more than on held-out patients"


class HeldOutLooks:
    """Looks at one image, whose size and tube potential lie in the bin `place` and whose own spread makes the `factor`
    (Calibration.factor); `tolerance`: where the error bar ends the looks, None where it does not.

    variance: b2 of such an image.
    """

    def __init__(self, calibration: Calibration, place: tuple[int, int], factor: float, tolerance: float | None,
                 level: float) -> None:
        self.variance = factor * float(calibration.variance[place])
        self._calibration, self._covariance = calibration, factor * calibration.covariance[place]
        self._noise, self._bars = calibration.noise[place], calibration.error_bars(level)
        self._counts, self._least = calibration.gate_counts(tolerance, level), np.inf

    def judge(self, number: int, prior: Floats, batches: Batches, beside: float = 0.0) -> tuple[float, Blend, float]:
        """At look `number`, which follow one another: p-value over all looks so far, blend, and the error bar of it."""
        scale = mean_for_truth(batches.mean, beside)
        distance = gate_distance(prior, batches, self._covariance, self._noise, scale)
        as_far = self._calibration.distances[number] <= distance
        self._counts[number] += as_far
        self._least = min(self._least, 1.0 + float(np.count_nonzero(self._calibration.distances[number] >= distance)))
        least = self._counts.min(axis=0)
        mixed = blend(prior, batches, self.variance, beside=beside)
        p_value = (1.0 + float(np.count_nonzero(least <= self._least))) / (1.0 + len(least))
        return p_value, mixed, mixed.error * float(self._bars[number])


def check_ranks(calibration: Calibration, gate_level: float) -> None:
    """InvalidInput where ranks are too few to reject at `gate_level`."""
    ranked = calibration.distances.shape[1]
    if 1.0 / (1.0 + ranked) > gate_level:
        raise InvalidInput(message(f"{ranked} ranked patients", f"too few to reject at gate_level={gate_level}",
                                   f"Calibrate with {int(np.ceil(1.0 / gate_level))} ranked patients or more."))
