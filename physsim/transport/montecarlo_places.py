"""Photon transport from one place of a source after another: what each leaves in the regions of one packed phantom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.phantom.phantom import Phantom
from physsim.randomness import checked_seed, stream_number
from physsim.spec.grid import Vector
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource, Sweep
from physsim.transport.montecarlo_dose import pack_dose
from physsim.transport.montecarlo_grid import pack_grid
from physsim.transport.montecarlo_job import STREAM
from physsim.transport.montecarlo_result import KEV_PER_COUNT
from physsim.transport.montecarlo_scene import Regions, pack_scene
from physsim.transport.montecarlo_source import pack_detector, pack_source, source_points_mm

Floats = NDArray[np.float64]

BATCHES = 4  # at each place
_ANY_ENERGY = np.array([1.0, 150.0])  # of a detector that is not there


@dataclass(frozen=True)
class Place:
    """Where a source stands, and how it turns there."""

    position_mm: Vector
    sweep: Sweep


@dataclass(frozen=True, eq=False)
class PlacesResult:
    """energy_kev: (places, batches, regions) deposited per photon, of batches of equal size."""

    energy_kev: Floats
    regions: Regions

    def weighted(self, photons: Floats) -> tuple[Floats, Floats]:
        """(regions,) keV when `photons` (places,) start at the places, and its standard error."""
        mean = self.energy_kev.mean(axis=1)
        spread = self.energy_kev.var(axis=1, ddof=1) / self.energy_kev.shape[1]
        return (np.add.accumulate(mean * photons[:, None])[-1],
                np.sqrt(np.add.accumulate(spread * photons[:, None] ** 2)[-1]))


def photons_from_places(phantom: Phantom, source: PhotonSource, places: Sequence[Place], run: MonteCarlo, *,
                        seed: int = 0, threads: int | None = None) -> PlacesResult:
    """As many photons from each place, together those of `run` (or a few more); `source` says all but its place.

    Regions are the organs of the phantom's truth, or its materials; around its grid is vacuum. The same bits for any
    `threads`. Raises InvalidInput as transport_photons does.
    """
    count, isa = thread_count(threads), instruction_set()
    scene = pack_scene(phantom, None, None, None, source_points_mm(source),
                       source.spectrum.sample().mean_energy_kev, run, count)
    tables, dose = dict(scene.tables.arrays()), pack_dose(run, scene.tables)
    nothing = pack_detector(None, None, _ANY_ENERGY, source, scene) | pack_grid(None, None, 0)
    packed = pack_source(source, scene)
    size = max(1, -(-(run.histories or 1) // (len(places) * BATCHES)))
    found = np.zeros((len(places), BATCHES, len(scene.regions.names)), np.int64)
    image, balance = np.zeros((4, 1, 0, 0), np.int64), np.zeros(6, np.int64)
    for number, place in enumerate(places):
        packed |= {"position": tuple(scene.local_cm(place.position_mm).tolist()),
                   "axis_point": tuple(scene.local_cm(place.sweep.centre_mm).tolist()),
                   "turn_first": place.sweep.first_deg % 360.0 / 360.0, "turn_range": place.sweep.range_deg / 360.0}
        engine = _engine.MonteCarlo(scene.fields, tables, packed, nothing, dose, checked_seed(seed),
                                    stream_number(STREAM), run.cutoff_kev)
        for batch in range(BATCHES):
            first = (number * BATCHES + batch) * size
            engine.run(first, size, found[number, batch], image, None, balance, count, isa)
    return PlacesResult(found.astype(np.float64) * (KEV_PER_COUNT / size), scene.regions)
