"""How well the inputs of a simulation are known: standard uncertainties, for their effect on images."""

from __future__ import annotations

import pydantic

from physsim.spec.base import Spec


class InputUncertainty(Spec):
    """Standard uncertainties of inputs; 0 leaves one out.

    `cross_sections`: relative, of all interactions in the object's materials together (photon data: 1 to 2 % from 5 to
    150 keV, J. H. Hubbell, Phys. Med. Biol. 44 (1999) R1). `composition`: mass of oxygen, as a part of a material's
    mass, that could be carbon, in materials that have both (fat for water: tissues of persons differ by some percent,
    H. Q. Woodard, D. R. White, Br. J. Radiol. 59 (1986) 1209). `tube_voltage`: relative, of the kVp (quality assurance
    allows 5 %, calibrated tubes hold 1 %). `filtration`: relative, of the filters' thickness. `distance_mm`: between
    focus and detector.
    """

    cross_sections: float = pydantic.Field(default=0.01, ge=0.0, le=0.2)
    composition: float = pydantic.Field(default=0.02, ge=0.0, le=0.2)
    tube_voltage: float = pydantic.Field(default=0.01, ge=0.0, le=0.2)
    filtration: float = pydantic.Field(default=0.05, ge=0.0, le=0.5)
    distance_mm: float = pydantic.Field(default=2.0, ge=0.0, le=100.0)
