"""How dose is estimated in photon transport: the shares that collisions leave, and where candidates stand close."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.physics.expected_deposit import share_deposited
from physsim.physics.photon_tables import PhotonTables
from physsim.spec.scatter import MonteCarlo
from physsim.units import CM_PER_MM

CANDIDATES = 3.0  # along the edge of a cube of a region's volume


def pack_dose(run: MonteCarlo, tables: PhotonTables) -> dict[str, Any]:
    """What MonteCarloJob (kernels/transport/interact.h) needs: None for the analog estimator."""
    return {"share_deposited": _shares(tables, run.cutoff_kev) if run.dose == "expected" else None}


@lru_cache(maxsize=8)
def _shares(tables: PhotonTables, cutoff_kev: float) -> NDArray[np.float32]:
    return share_deposited(tables, cutoff_kev)


def least_majorants(run: MonteCarlo, names: tuple[str, ...], volume_mm3: NDArray[np.float64]) -> NDArray[np.float32]:
    """(regions,) 1/cm: the majorant is at least that in cells of each region; 0 for those not in `dose_regions`.

    Along a chord L the number of candidates is Poisson distributed: beside the variance of the chords' expected deposit
    there is 1 / (majorant x L) of their mean square. Raises InvalidInput for names that are no regions, or empty ones.
    """
    least = np.zeros(len(names), np.float32)
    for name in run.dose_regions:
        if name not in names:
            raise InvalidInput(message(f"dose_regions: {name!r}", "no such region", did_you_mean(name, names)))
        number = names.index(name)
        if not volume_mm3[number] > 0.0:
            raise InvalidInput(message(f"dose_regions: {name!r}", "it has no voxels", "Leave it out."))
        least[number] = CANDIDATES / (np.cbrt(volume_mm3[number]) * CM_PER_MM)
    return least


def cell_majorants(labels: NDArray[Any], least: NDArray[np.float32], edge: Sequence[int]) -> NDArray[np.float32]:
    """(cells z, y, x) 1/cm: the largest of `least` (by label) among the voxels of each cell.

    `edge`: voxels of a cell along x, y, z. Neglects: voxels of overlays.
    """
    layers = []
    for z in range(0, labels.shape[0], edge[2]):
        slab = least[labels[z : z + edge[2]]].max(axis=0)
        rows = np.maximum.reduceat(slab, np.arange(0, slab.shape[0], edge[1]), axis=0)
        layers.append(np.maximum.reduceat(rows, np.arange(0, slab.shape[1], edge[0]), axis=1))
    return np.array(layers, np.float32)
