"""Organ doses of a radiograph, by photon transport through the phantom that was exposed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.imaging.dose.organs import HISTORIES, OrganDoses
from physsim.imaging.totals import total
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource
from physsim.transport.montecarlo import transport_photons
from physsim.transport.montecarlo_result import KEV_PER_COUNT, standard_error


def exposure_organ_doses(phantom: Phantom, protocol: Protocol, geometry: Geometry, open_photons: npt.NDArray[Any], *,
                         histories: int = HISTORIES, seed: int = 0, threads: int | None = None) -> OrganDoses:
    """Of all views together, collimated to the detector; organs of the phantom's truth, or materials.

    `open_photons`: (views, rows, columns) that would reach the detector without phantom and grid. `histories`: of all
    views, shared alike. Organs that the phantom shows in part have the dose of that part. Kerma: electrons stay where
    they are freed. Raises InvalidInput as transport_photons does.
    Neglects: what lies outside the phantom's grid and would scatter into it; scatter from table, grid and detector.
    """
    energy, variance = [], []
    for view in range(len(geometry)):
        source = PhotonSource.of_view(geometry, protocol.spectrum, view, focal_spot_mm=protocol.focal_spot_mm,
                                      cathode=protocol.cathode)
        found = transport_photons(phantom, source, MonteCarlo(histories=max(histories // len(geometry), 1)),
                                  seed=seed + view, threads=threads)
        by_photon = found.region_counts * (KEV_PER_COUNT / found.batch_histories[:, None])
        photons = total(open_photons[view])
        energy.append(found.region_counts.sum(axis=0) * (KEV_PER_COUNT / found.histories * photons))
        variance.append((standard_error(by_photon, found.batch_histories) * photons) ** 2)
    return OrganDoses.of_energy(found.regions, np.add.accumulate(energy)[-1],
                                np.sqrt(np.add.accumulate(variance)[-1]))
