"""Rows of projections weighted by the cosines of their rays and convolved with a kernel, laid for backprojection."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set
from physsim.imaging.reconstruction.kernels import cosine_sine, fourier_length, fourier_table, response

Floats = NDArray[np.float64]

FILTERED_BYTES = 32 << 20  # of filtered views at a time: new pages cost more than more passes over the volume


class RowFilter:
    """Filters views (rows, columns); `size` floats a view of the result.

    across (columns,), along (rows,): tangents of the rays' angles with the central ray. angle_step: radians between
    columns at equal angles, 0 for columns at equal places.
    """

    def __init__(self, across: Floats, along: Floats, kernel: str, angle_step: float = 0.0) -> None:
        self.across, self.along = (across**2).astype(np.float32), (along**2).astype(np.float32)
        length = fourier_length(len(across))
        self.cosine, self.sine = (one.astype(np.float32) for one in fourier_table(length))
        self.response = response(kernel, length, angle_step).astype(np.float32)
        margin, group = _engine.FILTERED_MARGIN, _engine.FILTERED_ROWS
        self.size = (2 * margin + -(-len(along) // group) * group) * (len(across) + 2)

    def about(self, across: Floats, along: Floats) -> RowFilter:
        """The same filter for rays of other tangents."""
        other = copy.copy(self)
        other.across, other.along = (across**2).astype(np.float32), (along**2).astype(np.float32)
        return other

    def __call__(self, images: NDArray[np.float32], weights: Floats, out: NDArray[np.float32], threads: int) -> None:
        """Filters images (views, rows, columns) into `out` (views, size), which is 0 at first.

        weights: (views, columns), of each ray beside the cosine of its angle with the central one.
        """
        _engine.filter_views(
            images, weights.astype(np.float32), self.across, self.along, self.response, self.cosine, self.sine, out,
            threads, instruction_set(),
        )


def tangent(angle: Floats) -> Floats:
    """The same bits on every CPU."""
    cosine, sine = cosine_sine(angle)
    return np.asarray(sine / cosine)
