"""Whether a bowtie is made for the fan that it stands in: one for a far wider fan is simulated, and said."""

from __future__ import annotations

import warnings

import numpy as np

from physsim.errors import message
from physsim.spec.fan import fan_deg
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol

_SAID = 1.0 / 3.0  # of the bowtie's widest angle, that a fan reaches


class BowtieWarning(UserWarning):
    """A bowtie is made for a fan more than three times as wide as the detector's."""


def warn_of_bowtie(protocol: Protocol, geometry: Geometry) -> None:
    """BowtieWarning, with both angles and what the fan meets of the bowtie, where no view's fan reaches a third of its
    angles: it is used as far as the fan goes, and hardly evens out the signal over the detector."""
    bowtie = protocol.spectrum.bowtie
    if bowtie is None or protocol.cathode is None:
        return
    fans = [fan_deg(geometry[view], protocol.cathode) for view in range(len(geometry))]
    low, high = min(fan[0] for fan in fans), max(fan[1] for fan in fans)
    reach, shape = max(-low, high), max(abs(angle) for angle in bowtie.fan_range_deg)
    if reach >= _SAID * shape:
        return
    met, whole = (float(bowtie.path_mm(np.linspace(*ends, 721)).max()) for ends in ((low, high), bowtie.fan_range_deg))
    warnings.warn(message(
        f"spectrum.bowtie is wider than the fan: it is given up to {shape:.4g} degrees",
        f"the detector's fan ends at {reach:.4g}, where {met:.3g} of its {whole:.3g} mm are met: it is simulated as "
        "far as the fan goes, and hardly evens out the signal",
        "Give a bowtie for this fan; where it is meant, filter BowtieWarning."), BowtieWarning, stacklevel=4)
