"""Standard beams in which detectors are measured: RQA (IEC 61267) and RQA-M (IEC 62220-1-2)."""

from __future__ import annotations

from typing import NamedTuple

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.spec.spectrum import Spectrum


class _Beam(NamedTuple):
    kvp: float
    target: str
    filters: tuple[tuple[str, float], ...]


_TUBE = ("Al", 2.5)  # the tube's own filtration, mm, before what the standard adds
_MAMMOGRAPHY = (("Be", 1.0), ("Mo", 0.032), ("Al", 2.0))  # mm; the standard adds the last

# IEC 61267:2005, table 4: kV and added aluminium (mm); IEC 62220-1-2:2007, table 1: kV
QUALITIES: dict[str, _Beam] = {
    **{f"RQA{number}": _Beam(kvp, "W", (_TUBE, ("Al", added))) for number, kvp, added in (
        (2, 40.0, 4.0), (3, 50.0, 10.0), (4, 60.0, 16.0), (5, 70.0, 21.0), (6, 80.0, 26.0), (7, 90.0, 30.0),
        (8, 100.0, 34.0), (9, 120.0, 40.0), (10, 150.0, 45.0))},
    **{f"RQA-M{number}": _Beam(kvp, "Mo", _MAMMOGRAPHY) for number, kvp in (
        (1, 25.0), (2, 28.0), (3, 30.0), (4, 35.0))},
}


def radiation_quality(name: str) -> Spectrum:
    """The beam of that name: "RQA5" (70 kV, 21 mm Al added), "RQA-M2" (28 kV, Mo/Mo, 2 mm Al added), ...

    As the standards name them, without their adjustment of kV or filter to a tube's own half-value layer. Raises
    InvalidInput, with the nearest names, for one that is not there.

    >>> round(radiation_quality("RQA5").sample().hvl1_mm(), 1)                  # IEC 61267: 6.8 mm Al
    6.7
    """
    if name not in QUALITIES:
        raise InvalidInput(message(f"radiation quality {name!r}", "no standard beam of that name",
                                   did_you_mean(name, QUALITIES)))
    beam = QUALITIES[name]
    return Spectrum(kvp=beam.kvp, target=beam.target, filters=beam.filters)
