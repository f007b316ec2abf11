"""Matrix products whose bits do not depend on the CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim import _engine

Floats = NDArray[np.float64]


def product(left: Floats, right: Floats) -> Floats:
    """(i, j) x (j, ...) summed over j in order."""
    found = _engine.ordered_product(left, right.reshape(len(right), -1))
    return found.reshape(len(left), *right.shape[1:])
