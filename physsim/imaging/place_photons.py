"""Photons at places of a detector for the audited hybrid: batches over the open signal, at any budget."""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.randomness import Stream
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import MonteCarlo
from physsim.surrogate.batches import Batches
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter_optics import ScatterOptics, optics_of
from physsim.transport.scatter_places import ScatterPlaces
from physsim.transport.scatter_scene import ScatterScene

Floats = NDArray[np.float64]

RUN = MonteCarlo(histories=1)  # its physics; how many photons is said elsewhere


class PlacePhotons:
    """A source of `decide`: units (histories) -> batches over `open_per_history`, which it keeps by budget.

    A budget that was simulated costs nothing when it is asked for again, so several verdicts of one view share their
    photons. cpu_seconds: by budget, of all photons up to it, on all threads; spent_seconds: so far.
    """

    def __init__(self, photons: ScatterPlaces, open_per_history: float) -> None:
        self._photons, self._open = photons, open_per_history
        self._kept: dict[int, Batches] = {}
        self.spent_seconds = 0.0
        self.cpu_seconds: dict[float, float] = {}

    def __call__(self, units: float) -> Batches:
        """Of `units` histories together."""
        wanted = round(units)
        if wanted not in self._kept:
            began = time.process_time()
            self._photons.grow_to(wanted)
            self.spent_seconds += time.process_time() - began
            made = Batches(images=self._photons.batches() / self._open, units=float(self._photons.histories))
            self._kept[wanted] = made
            self.cpu_seconds[made.units] = self.spent_seconds
        return self._kept[wanted]

    @property
    def histories(self) -> int:
        """So far."""
        return self._photons.histories

    @property
    def kept(self) -> tuple[Batches, ...]:
        """Of all budgets so far, growing."""
        return tuple(self._kept[units] for units in sorted(self._kept))


class ScanPhotons:
    """Batches of all node views, which grow together; views side by side, one thread each."""

    def __init__(self, scene: ScatterScene, views: Geometry, optics: ScatterOptics, places: tuple[int, int], seed: int,
                 threads: int) -> None:
        optics.source_fields(views[0], scene)  # the field's spectra, made once for all
        photons = Stream(seed, "photons of a scan's views")
        self._threads = threads
        self._views = self._each(
            lambda view: ScatterPlaces(scene, views[view], optics, RUN, places, photons.seed_for(view), 1),
            range(len(views)))

    def batches(self, histories: int) -> Floats:
        """(views, batches, rows, columns) of so many histories in each view."""
        self._each(lambda one: one.grow_to(histories), self._views)
        return np.stack([one.batches() for one in self._views])

    def _each(self, work: Any, items: Any) -> list[Any]:
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(work, items))


def place_sums(scene: ScatterScene, protocol: Protocol, view: Geometry, response: ResponseTable,
               places: tuple[int, int], seed: int, threads: int) -> ScatterPlaces:
    """Of one view, before any photon; `response`: of the detector's signal, or of its second moment."""
    return ScatterPlaces(scene, view, view_optics(protocol, view, response)[0], RUN, places, seed, threads)


def view_optics(protocol: Protocol, view: Geometry, *responses: ResponseTable) -> list[ScatterOptics]:
    """For each response, which share the field's spectra."""
    first = optics_of(view, protocol.spectrum, protocol.cathode, protocol.focal_spot_mm, protocol.anti_scatter_grid,
                      responses[0])
    return [first, *(dataclasses.replace(first, response=other.fields()) for other in responses[1:])]
