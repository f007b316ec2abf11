"""Scatter at places spread over a detector by independent batches, linear in the photons: what statistics are made of.

scatter_image gives pictures, through splines of logarithms; means of these are no unbiased estimates where photons are
few. Here nothing is interpolated: a place is the mean over its share of the detector, its batches are independent, and
their mean is unbiased however few photons there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.randomness import stream_number
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo
from physsim.transport.scatter_optics import ScatterOptics
from physsim.transport.scatter_scene import ScatterScene
from physsim.transport.scatter_sums import ViewJob, in_strips

Floats = NDArray[np.float64]

BATCHES = 16  # each one scramble of Sobol points for single scatter, and one batch of histories for the rest
HISTORIES_A_POINT = 8  # as scatter_image has it


class ScatterPlaces:
    """Sums at rows x columns places, each the mean over its part of the detector of one view.

    `places`: (rows, columns). Photons are added by grow_to; the same seed gives the same bits on any number of
    threads, and the same photons come first.
    Neglects: as scatter_image, but for its interpolation.
    """

    def __init__(self, scene: ScatterScene, geometry: Geometry, optics: ScatterOptics, run: MonteCarlo,
                 places: tuple[int, int], seed: int, threads: int) -> None:
        rows, columns = places
        coarse = geometry.in_pixels(rows, columns)
        self._job = ViewJob(scene, coarse, optics.source_fields(geometry, scene), optics.target_fields(coarse, scene),
                            run, seed, threads, 1.0)
        row, column = (part.ravel() for part in np.indices(places, np.float64))
        self._column, self._row, self._place = in_strips(column - 0.5 * (columns - 1), row - 0.5 * (rows - 1),
                                                         self._job.targets["grid"])
        self._single = np.zeros((BATCHES, 2, self._column.size))
        self._multiple = np.zeros((BATCHES, self._column.size))
        self._points = self._each = 0

    @property
    def histories(self) -> int:
        """Of multiple scatter so far; an eighth as many Sobol points."""
        return self._each * BATCHES

    def grow_to(self, histories: int) -> None:
        """At least so many, in all batches together."""
        each = max(-(-histories // BATCHES), self._each)
        points = -(-each // HISTORIES_A_POINT)
        job = self._job
        targets = {**job.targets, "cell": (1.0, 1.0)}
        if points > self._points:
            job.focus.first(targets, self._column, self._row, job.seed, stream_number("scatter points"), self._points,
                            points - self._points, self._single, job.threads, job.isa)
            self._points = points
        if each > self._each:
            job.view.multiple(targets, self._column, self._row, job.seed, stream_number("scatter histories"),
                              self._each, each - self._each, self._multiple, job.threads, job.isa)
            self._each = each

    def batches(self) -> Floats:
        """(BATCHES, rows, columns) keV/cm2 per history (of the detector's response, if any): single and multiple."""
        return self.single() + self._images(self._multiple[:, self._place] / self._each)

    def single(self) -> Floats:
        """Likewise, of single scatter alone."""
        return self._images(self._single[:, :, self._place].sum(axis=1) / self._points)

    def _images(self, found: Floats) -> Floats:
        return found.reshape(BATCHES, self._job.geometry.rows, self._job.geometry.columns)
