"""From the scan's measurements to a volume: corrections, filter and grid."""

from __future__ import annotations

from typing import Literal

import pydantic

from physsim.spec.base import Spec
from physsim.spec.grid import Box, Grid

Kernel = Literal["ramp", "shepp_logan", "cosine", "hann", "hamming", "smooth", "sharp"]


class Reconstruction(Spec):
    """A volume of `matrix` x `matrix` pixels over a square of `field_mm`, slices of `slice_mm` apart, in CT numbers.

    `kernel`: of the filter (see physsim.fdk). `beam_hardening`: "water" turns each measurement into the length of water
    that would give it, pixel by pixel of the detector, so that CT numbers of water are 0 everywhere; "none" divides by
    the open beam's attenuation of water. `scatter_correction`: "known" takes the expected scatter off, which leaves
    its noise, as a scanner with a perfect scatter model would; "none" leaves it. `count_rate_correction`: of detectors
    that count: "law" gives back, on average, what dead time took from the counts, "none" leaves them; "law" where they
    have a dead time if left out.
    """

    kernel: Kernel = "hann"
    field_mm: float = pydantic.Field(default=400.0, gt=0.0)
    matrix: int = pydantic.Field(default=512, ge=16, le=4096)
    slice_mm: float = pydantic.Field(default=1.0, gt=0.0)
    beam_hardening: Literal["water", "none"] = "water"
    scatter_correction: Literal["known", "none"] = "known"
    count_rate_correction: Literal["law", "none"] | None = None

    def grid(self, body_box_mm: Box, range_mm: tuple[float, float], aim_mm: tuple[float, float] | None) -> Grid:
        """Slices whose middles fill the range, about the axis of rotation."""
        x, y = aim_mm or tuple(0.5 * (a + b) for a, b in zip(*(corner[:2] for corner in body_box_mm), strict=True))
        low, high = range_mm
        count, pixel = max(1, round((high - low) / self.slice_mm)), self.field_mm / self.matrix
        middle, half = 0.5 * (low + high), 0.5 * (self.matrix - 1) * pixel
        return Grid(shape=(count, self.matrix, self.matrix), spacing_mm=(pixel, pixel, self.slice_mm),
                    origin_mm=(x - half, y - half, middle - 0.5 * (count - 1) * self.slice_mm))
