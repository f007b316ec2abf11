"""What absorbs the photons of a detector, and how the light or charge that they free spreads, as specs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec
from physsim.spec.material import KnownMaterial, Material, resolved_material
from physsim.units import EV_PER_KEV


class Spread(Spec):
    """How far light or charge spreads sideways before pixels collect it: a transfer function for each depth.

    T(f) = 1 / (1 + (w f)^power), f in 1/mm: 1/w is the frequency at which half is left. w goes linearly with the way to
    the sensor from `near_mm`, beside it, to `far_mm`, at the face away from it. Reference: the form is that of A. E.
    Burgess, Med. Phys. 26 (1999) 1353 (power 2); that it varies with depth, and what that does to noise, G. Lubberts,
    J. Opt. Soc. Am. 58 (1968) 1475.
    """

    near_mm: float = pydantic.Field(ge=0.0, le=10.0)
    far_mm: float | None = pydantic.Field(default=None, ge=0.0, le=10.0)
    power: float = pydantic.Field(default=2.0, ge=2.0, le=4.0)

    def width_mm(self, way: float) -> float:
        """w at `way`: 0 beside the sensor, 1 at the other face."""
        far = self.near_mm if self.far_mm is None else self.far_mm
        return self.near_mm + (far - self.near_mm) * way

    @property
    def varies(self) -> bool:
        """Whether it changes with depth."""
        return self.far_mm is not None and self.far_mm != self.near_mm


class _Layer(Spec):
    """What layers have in common."""

    material: KnownMaterial
    thickness_mm: float
    fill_factor: float = pydantic.Field(default=1.0, gt=0.0, le=1.0)
    spread: Spread | None = None

    @property
    def substance(self) -> Material:
        """The layer's material at full density."""
        return resolved_material(self.material)


class Scintillator(_Layer):
    """A layer that turns what it absorbs into light: CsI, Gd2O2S.

    `thickness_mm`: of the layer; `packing`: the part of it that is scintillator (needles of CsI: 0.7 to 0.9).
    `fill_factor`: the part of a pixel's area where photons count (septa between the elements of CT).
    `electrons_per_kev`: light quanta that the sensor turns to electrons, per keV absorbed; their own Poisson noise
    adds. `gain_slope`: how the light collected changes with depth, 1 + slope (z / thickness - 1/2) from the face where
    photons arrive on. `light_swank`: Swank factor of the light of equal deposits (1: they all give alike).
    `sensor`: the face that it lies on. `spread`: of the light; none if left out. `depth_layers`: in how many layers
    blur and noise are told apart (Lubberts); one unless the spread varies with depth.

    Neglects: where sideways a line or a scattered photon is absorbed (part of the spread), afterglow beside the
    readout's lag.
    """

    kind: Literal["scintillator"] = "scintillator"
    material: KnownMaterial = "csi"
    thickness_mm: float = pydantic.Field(default=0.6, gt=0.0, le=100.0)
    packing: float = pydantic.Field(default=1.0, gt=0.0, le=1.0)
    electrons_per_kev: float = pydantic.Field(default=20.0, gt=0.0)
    gain_slope: float = pydantic.Field(default=0.0, gt=-2.0, lt=2.0)
    light_swank: float = pydantic.Field(default=1.0, gt=0.3, le=1.0)
    sensor: Literal["exit", "entrance"] = "exit"
    depth_layers: int = pydantic.Field(default=1, ge=1, le=16)

    @pydantic.model_validator(mode="after")
    def _layers_differ(self) -> Self:
        varies = self.spread is not None and self.spread.varies
        if self.depth_layers > 1 and not varies:
            raise ValueError(message(f"depth_layers={self.depth_layers}",
                                     "it has no effect: the spread does not vary with depth",
                                     "Leave it out, or give spread.far_mm beside near_mm."))
        return self

    @property
    def excess(self) -> float:
        """Variance of the electrons of one deposit over their mean: counts of light quanta are Poisson's."""
        return 1.0


class Photoconductor(_Layer):
    """A layer in which photons free charge that a field carries to the pixels: a-Se, CdTe, Si.

    `pair_energy_ev`: energy absorbed per pair of charges collected (a-Se at 10 V/um: 45 to 50; CdTe 4.43; Si 3.62).
    `fano`: variance of the number of pairs of one deposit over their mean. `charge_swank`: Swank factor of the charge
    of equal deposits (1: they all free alike); it stands for all else that lowers a measured DQE at every frequency.
    `electron_range_mm`, `hole_range_mm`: mean way before charge is trapped (mobility x lifetime x field; none lost if
    left out); by Hecht, depth changes what is collected. `pixels_collect`: which carriers drift to the pixels. These
    lie at the face away from the source.

    Neglects: where sideways a line is absorbed (part of the spread), polarisation, small-pixel weighting.
    Reference: K. Hecht, Z. Phys. 77 (1932) 235.
    """

    kind: Literal["photoconductor"] = "photoconductor"
    material: KnownMaterial = "a_se"
    thickness_mm: float = pydantic.Field(default=0.2, gt=0.0, le=100.0)
    pair_energy_ev: float = pydantic.Field(default=50.0, gt=1.0, le=1000.0)
    fano: float = pydantic.Field(default=1.0, ge=0.0, le=2.0)
    charge_swank: float = pydantic.Field(default=1.0, gt=0.3, le=1.0)
    electron_range_mm: float | None = pydantic.Field(default=None, gt=0.0)
    hole_range_mm: float | None = pydantic.Field(default=None, gt=0.0)
    pixels_collect: Literal["holes", "electrons"] = "electrons"

    @pydantic.model_validator(mode="after")
    def _one_spread(self) -> Self:
        if self.spread is not None and self.spread.far_mm is not None:
            raise ValueError(message(f"spread.far_mm={self.spread.far_mm:g}", "charge follows the field's lines from "
                                     "any depth: a photoconductor has one spread", "Leave far_mm out."))
        return self

    @property
    def packing(self) -> float:
        """All of the layer is its material."""
        return 1.0

    @property
    def electrons_per_kev(self) -> float:
        """Charges per keV absorbed."""
        return EV_PER_KEV / self.pair_energy_ev

    @property
    def excess(self) -> float:
        """Variance of the charges of one deposit over their mean."""
        return self.fano


class IdealAbsorber(Spec):
    """Absorbs every photon with all its energy: no layer is real, but nothing is simpler to check against.

    An electron for each eV, without noise of their own.
    """

    kind: Literal["ideal"] = "ideal"

    @property
    def electrons_per_kev(self) -> float:
        """Charges per keV absorbed."""
        return EV_PER_KEV

    @property
    def excess(self) -> float:
        """Variance of the charges of one deposit over their mean."""
        return 0.0


Absorber = Annotated[Scintillator | Photoconductor | IdealAbsorber, pydantic.Field(discriminator="kind")]


def layer_fields() -> dict[str, Any]:
    """Names of the fields that layers have, kind apart."""
    return {name: None for layer in (Scintillator, Photoconductor) for name in layer.model_fields if name != "kind"}
