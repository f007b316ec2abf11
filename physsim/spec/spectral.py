"""CT at more than one energy: a second beam, and the images that are made of what both measure."""

from __future__ import annotations

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec
from physsim.spec.material import KnownMaterial, resolved_material
from physsim.spec.spectrum import Spectrum


class SecondBeam(Spec):
    """Of a dual-energy scan: the same path again with another spectrum. `mas`: of a whole turn."""

    spectrum: Spectrum
    mas: float = pydantic.Field(gt=0.0)


class SpectralImages(Spec):
    """What a scan at more than one energy is made into: images of `materials`, and as if at `energies_kev` alone.

    `materials`: two, as water and an element ("I" for iodine); each voxel is taken as so much of each.
    """

    materials: tuple[KnownMaterial, KnownMaterial] = ("water", "I")
    energies_kev: tuple[float, ...] = (70.0,)

    @pydantic.model_validator(mode="after")
    def _sound(self) -> SpectralImages:
        names = [resolved_material(one).name for one in self.materials]
        if names[0] == names[1]:
            raise ValueError(message(f"materials={names}", "they are one material", "Give two, as water and I."))
        for energy in self.energies_kev:
            if not 20.0 <= energy <= 150.0:
                raise ValueError(message(f"energies_kev: {energy:g}", "images are made for 20 to 150 keV",
                                         "Give for example 70."))
        return self
