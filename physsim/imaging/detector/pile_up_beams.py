"""Pile-up in the bins of a counting detector behind a body: tables of a beam hardened by water, kept between runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.detector.counting import counting
from physsim.imaging.detector.counting_table import what_counts
from physsim.imaging.detector.pile_up_table import PileUpTable, pile_up_table
from physsim.imaging.detector.table import sources_sha256
from physsim.io.kept import kept_array
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.spectra.quantities import transmission
from physsim.spec.detector import Detector
from physsim.spec.provenance import tables_sha256

Floats = NDArray[np.float64]

_WATER_G_CM2 = (0.0, 3.0, 8.0, 18.0, 35.0)
_STEP_KEV = 2.0  # of energies whose pulses are taken as alike


def pile_up_of_beam(detector: Detector, energies_kev: Floats, fluence: Floats) -> PileUpTable | None:
    """pile_up_table of a beam of `fluence` (E,) behind some lengths of water; None without dead time."""
    readout = counting(detector)
    if readout.dead_time_ns == 0.0:
        return None
    number = np.floor(np.asarray(energies_kev) / _STEP_KEV).astype(int)
    behind = fluence * transmission(np.array(_WATER_G_CM2)[:, None] * mass_attenuation_cm2_g("water", energies_kev))
    some = np.unique(number[fluence > 0.0])
    few = np.stack([np.bincount(number, weights=one, minlength=some[-1] + 1)[some] for one in behind])
    energies = np.bincount(number, weights=fluence * energies_kev, minlength=some[-1] + 1)[some] / few[0]
    photons = few / few.sum(axis=1, keepdims=True)
    like = what_counts(detector, dead_time_ns=readout.dead_time_ns, pile_up=readout.pile_up)
    key = f"pile-up {like} {energies.tolist()} {photons.tolist()} {tables_sha256()} {sources_sha256()}"

    def made() -> Floats:
        table = pile_up_table(Detector.from_json(like), energies, photons)
        head = np.broadcast_to(table.mean_bin[:, None, None], (len(table.mean_bin), 1, table.ratio.shape[2]))
        step = np.full_like(head, table.load_step)
        return np.concatenate([head, step, table.ratio], axis=1)

    found = kept_array("counting", key, made)
    return PileUpTable(found[:, 0, 0], found[:, 2:], float(found[0, 1, 0]))
