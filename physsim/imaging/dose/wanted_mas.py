"""The mAs of an exposure: the protocol's, or what gives the air kerma or dose that exposure control asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.imaging.dose.ct_index import dose_index
from physsim.imaging.dose.entrance import dose_area_product_mgy_cm2, entrance_air_kerma_mgy
from physsim.imaging.dose.glandular import GlandularDose
from physsim.imaging.dose.scan_dose import exposed_length_mm, phantom_cm
from physsim.imaging.dose.turning_beam import turning_beam
from physsim.imaging.exposure_index import behind_body, controlled_mean, reference_beam, signal_kev_per_ugy
from physsim.spec.exposure_control import ExposureControl
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box
from physsim.spec.protocol import Protocol

Images = npt.NDArray[np.float32]


def wanted_mas(protocol: Protocol, geometry: Geometry, box: Box, thickness_mm: float, seen: Mapping[str, Images],
               free: Mapping[str, Images], scatter: Images | None, glandular: GlandularDose | None) -> float:
    """Of each view. `seen`, `free`, `scatter`: (views, rows, columns) per mAs, behind the body, without it, and what
    scatter adds to the signal; detectors look at the first view. Raises InvalidInput for what the tube cannot give."""
    control = protocol.exposure_control
    if control is None:
        assert protocol.mas is not None
        return protocol.mas
    name = control.target[0]
    if name == "glandular_dose_mgy":
        assert glandular is not None
        return _within(control, glandular.mgy)
    if name == "entrance_air_kerma_mgy":
        kerma = entrance_air_kerma_mgy(free["air_kerma"], protocol, geometry, box, thickness_mm)
        if kerma is None:
            raise InvalidInput(message(f"protocol {protocol.name}: {name}", "bare poses do not say where the body "
                                       "begins", "Give dose_area_product_mgy_cm2, detector_air_kerma_ugy or mas."))
        return _within(control, kerma)
    if name == "dose_area_product_mgy_cm2":
        return _within(control, sum(dose_area_product_mgy_cm2(one, geometry) for one in free["air_kerma"]))
    signal = seen["signal"][0] if scatter is None else seen["signal"][0] + scatter[0]
    found = controlled_mean(signal, protocol, behind_body(seen["signal"][0], free["signal"][0]))
    return _within(control, found / signal_kev_per_ugy(protocol.detector, reference_beam(protocol)))


def with_scan_mas(protocol: Protocol, box: Box, threads: int | None = None) -> Protocol:
    """A scan's protocol with the mAs of a turn that gives the CTDIvol which it asks for; any other as it is."""
    control, rotation, wanted = protocol.exposure_control, protocol.rotation, protocol.reconstruction
    if control is None or rotation is None or wanted is None:
        return protocol
    sources: Any = rotation.geometry(protocol.detector, box, wanted.field_mm).source_mm[:, 2]
    index = dose_index(turning_beam(protocol), phantom_cm(protocol), threads=threads).weighted
    turns = len(sources) / rotation.views
    per_mas = index * turns * rotation.collimation_mm(protocol.detector) / exposed_length_mm(protocol, sources)
    return protocol.replace(mas=_within(control, per_mas), exposure_control=None)


def _within(control: ExposureControl, per_mas: float) -> float:
    name, wanted = control.target
    if not per_mas * control.most_mas >= wanted:
        raise InvalidInput(message(
            f"{name}={wanted:g}", f"{control.most_mas:g} mAs give {control.most_mas * per_mas:.3g} {control.unit}",
            "Raise kvp or most_mas, or ask for less."))
    return wanted / per_mas
