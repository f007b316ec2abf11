"""What held-out patients say of an image at each look: the blend, its error bar, and the gate's p-value."""

from __future__ import annotations

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Batches, Floats
from physsim.surrogate.blend import Blend, blend, mean_for_truth
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.gate import gate_distance, rank_p_value

ERRS_MORE = "the network errs here more than on held-out patients"


class HeldOutLooks:
    """Looks at one image, whose size and tube potential lie in the bin `place` and whose own spread makes the `factor`
    (Calibration.factor). The gate is asked once, at the look that delivers: its T2 is ranked among those of the
    held-out patients at the looks that would have delivered theirs, so that the image and they are treated alike.
    `tolerance`: where the error bar ends the looks; None: where it does not, then ranks are of the same look.

    variance: b2 of such an image.
    """

    def __init__(self, calibration: Calibration, place: tuple[int, int], factor: float, tolerance: float | None,
                 level: float) -> None:
        self.variance = factor * float(calibration.variance[place])
        self._calibration, self._covariance = calibration, factor * calibration.covariance[place]
        self._noise, self._bars = calibration.noise[place], calibration.error_bars(level)
        self._delivered = None if tolerance is None else calibration.distances_delivered(tolerance, level)

    def judge(self, number: int, prior: Floats, batches: Batches, beside: float = 0.0) -> tuple[Blend, float]:
        """At look `number`: the blend, and the error bar of it."""
        mixed = blend(prior, batches, self.variance, beside=beside)
        return mixed, mixed.error * float(self._bars[number])

    def p_value(self, number: int, prior: Floats, batches: Batches, beside: float = 0.0) -> float:
        """Of the gate, were the image of look `number` delivered."""
        scale = mean_for_truth(batches.mean, beside)
        distance = gate_distance(prior, batches, self._covariance, self._noise, scale)
        ranks = self._calibration.distances[number] if self._delivered is None else self._delivered
        return rank_p_value(distance, ranks)


def check_ranks(calibration: Calibration, gate_level: float) -> None:
    """InvalidInput where ranks are too few to reject at `gate_level`."""
    ranked = calibration.distances.shape[1]
    if 1.0 / (1.0 + ranked) > gate_level:
        raise InvalidInput(message(f"{ranked} ranked patients", f"too few to reject at gate_level={gate_level}",
                                   f"Calibrate with {int(np.ceil(1.0 / gate_level))} ranked patients or more."))
