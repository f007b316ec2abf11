"""Mean glandular dose of an exposure: of every view, in proportion to the photons that its beam holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.imaging.dose.glandular import GlandularDose, gland_shares, glandular_dose
from physsim.imaging.totals import total
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource

HISTORIES = 2**16  # of all views: 1 % of the dose where the breast covers a quarter of the field
MOST_VIEWS = 5


def check_dose(phantom: Phantom, protocol: Protocol) -> bool:
    """Whether gland is known in what lies on a breast's support.

    Raises InvalidInput where exposure control asks for a dose and it is not.
    """
    control = protocol.exposure_control
    wanted = control is not None and control.glandular_dose_mgy is not None
    if protocol.breast is not None:
        try:
            return bool(gland_shares(phantom))
        except InvalidInput:
            if not wanted:
                return False
            raise
    if wanted:
        raise InvalidInput(message(f"protocol {protocol.name}: glandular_dose_mgy", "no breast is in the beam",
                                   "Give detector_air_kerma_ugy or mas."))
    return False


def dose_per_mas(phantom: Phantom, protocol: Protocol, geometry: Geometry, open_photons: npt.NDArray[Any],
                 seed: int, threads: int | None) -> GlandularDose:
    """Mean glandular dose (mGy) of all views together, per mAs of each.

    `open_photons`: (views, rows, columns), per mAs, without phantom. Of a sweep MOST_VIEWS views are followed; the
    others lie between them, linearly in the view's number.
    Neglects: scatter from paddle and support.
    """
    views = len(geometry)
    chosen = sorted({round(n) for n in np.linspace(0.0, views - 1.0, min(views, MOST_VIEWS)).tolist()})
    run = MonteCarlo(histories=HISTORIES // len(chosen))
    found, errors = [], []
    for view in chosen:
        source = PhotonSource.of_view(geometry, protocol.spectrum, view, focal_spot_mm=protocol.focal_spot_mm,
                                      cathode=protocol.cathode)
        dose = glandular_dose(phantom, source, run, seed=seed + view, threads=threads)
        photons = total(open_photons[view])
        found.append(dose.mgy * photons)
        errors.append(dose.relative_error * dose.mgy * photons)
    whole = float(np.cumsum(np.interp(np.arange(views), chosen, found))[-1])
    spread = float(np.sqrt(np.cumsum(np.square(errors))[-1])) * views / len(chosen)
    return GlandularDose(whole, spread / whole)
