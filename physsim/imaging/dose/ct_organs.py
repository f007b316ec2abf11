"""Organ doses of a CT scan, by photon transport through the phantom that was scanned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.dose.organs import HISTORIES, OrganDoses
from physsim.imaging.dose.turning_beam import turning_beam
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import Sweep
from physsim.transport.montecarlo_places import Place, photons_from_places

Floats = NDArray[np.float64]

PARTS_OF_TURN = 4  # whose views share a place of the source and its current


def organ_doses(phantom: Phantom, protocol: Protocol, geometry: Geometry, mas: Floats, axis_mm: tuple[float, float], *,
                histories: int = HISTORIES, seed: int = 0, threads: int | None = None) -> OrganDoses:
    """Of views of `mas` (views,) about the axis through `axis_mm` (x, y); organs of the phantom's truth, or materials.

    Quarters of turns are followed from the mean height of their views, with their mAs. Organs that the phantom shows
    in part have the dose of that part. Kerma: electrons stay where they are freed.
    Raises InvalidInput for a phantom with meshes.
    Neglects: over-beaming, table, what lies outside the phantom's grid and would scatter into it.
    """
    rotation = protocol.rotation
    assert rotation is not None
    beam = turning_beam(protocol)
    step = max(1, round(rotation.views / PARTS_OF_TURN))
    height = geometry.source_mm[:, 2]
    apart = np.flatnonzero(np.abs(np.diff(height, prepend=height[0])) > _jump(height))
    places, weights = [], []
    for low, high in zip([0, *apart], [*apart, len(geometry)], strict=True):
        for first in range(low, high, step):
            own = slice(first, min(first + step, high))
            x, y, z = *axis_mm, float(height[own].mean())
            across, ahead = geometry.source_mm[first, 0] - x, y - geometry.source_mm[first, 1]
            sweep = Sweep(first_deg=float(np.degrees(np.arctan2(across, ahead))),
                          range_deg=360.0 / rotation.views * (own.stop - own.start), centre_mm=(x, y, z))
            places.append(Place((x, y - rotation.source_axis_mm, z), sweep))
            weights.append(float(mas[own].sum()))
    source = beam.source((*axis_mm, places[0].sweep.centre_mm[2]))
    found = photons_from_places(phantom, source, places, MonteCarlo(histories=histories), seed=seed, threads=threads)
    energy, error = found.weighted(np.array(weights) * beam.photons())
    return OrganDoses.of_energy(found.regions, energy, error)


def _jump(height: Floats) -> float:
    """mm of height between views beyond which a new turn begins: more than a helix takes from view to view."""
    steps = np.abs(np.diff(height))
    return 2.0 * float(np.median(steps)) + 1e-6 if steps.size else 0.0
