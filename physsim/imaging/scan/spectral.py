"""Volumes of several energies to images of materials and at one energy, slice by slice, with their errors.

In the images: each channel's CT numbers, water reading 0 by that channel's own correction, are attenuations at the
energy at which iodine (the second material) and water compare as they do for its signal behind the body; what two
materials amount to follows from two of them (imaging.reconstruction.materials.decompose_images).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.pixel_beam import PixelBeam
from physsim.imaging.reconstruction.materials import Decomposition, decompose_images
from physsim.imaging.scan.volume import HU_OF_WATER
from physsim.physics.attenuation import linear_attenuation_per_mm, mass_attenuation_cm2_g
from physsim.physics.spectra.quantities import transmission
from physsim.spec.material import Material
from physsim.units import MG_PER_G

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_KEV = np.arange(20.0, 150.0, 0.25)


@dataclass(frozen=True, eq=False)
class SpectralVolumes:
    """amounts: (materials, z, y, x) mg/ml. at_energy: (energies, z, y, x) HU. The same of their standard errors, None
    without noise. All float32."""

    amounts: Images
    at_energy: Images
    amounts_error: Images | None
    at_energy_error: Images | None


def effective_kev(beam: PixelBeam, water_mm: float, materials: Sequence[Material | str]) -> float:
    """The energy at which two materials' mass attenuations compare as for the middle pixel's signal behind water.

    Raises InvalidInput where no energy above the second's K edge does.
    """
    node = len(beam.mix) // 2
    signal = (beam.mix[node][:, None] * beam.anchors[0]).sum(axis=0)
    behind = signal * transmission(linear_attenuation_per_mm("water", beam.energies_kev) * water_mm)
    first, second = (float((behind * mass_attenuation_cm2_g(one, beam.energies_kev)).sum()) for one in materials)
    ratio = mass_attenuation_cm2_g(materials[1], _KEV) / mass_attenuation_cm2_g(materials[0], _KEV)
    top = int(ratio.argmax())  # just above an edge, or the lowest energy
    falling, wanted = ratio[top:], second / first
    if not falling[-1] <= wanted <= falling[0]:
        raise InvalidInput(message(f"materials {materials[0]} and {materials[1]}",
                                   f"they compare as {wanted:.3g} for this beam, as at no single energy",
                                   "Give water and an element, for example I."))
    return float(np.interp(-wanted, -falling, _KEV[top:]))


def spectral_volumes(volumes: Sequence[Images], variances: Sequence[Images] | None, effective: Sequence[float],
                     materials: Sequence[Material | str], energies_kev: Sequence[float]) -> SpectralVolumes:
    """Of volumes (z, y, x) in HU and their variances (HU^2), one a channel, at their effective energies (keV)."""
    water = np.array([float(linear_attenuation_per_mm("water", kev)) for kev in effective])[:, None, None]
    shape = volumes[0].shape
    amounts, single = np.empty((len(materials), *shape), np.float32), np.empty((len(energies_kev), *shape), np.float32)
    errors = None if variances is None else (np.empty_like(amounts), np.empty_like(single))
    for k in range(shape[0]):
        measured = (np.stack([one[k] for one in volumes]).astype(np.float64) / HU_OF_WATER + 1.0) * water
        spread = None if variances is None else \
            np.stack([one[k] for one in variances]).astype(np.float64) * (water / HU_OF_WATER) ** 2
        found: Decomposition = decompose_images(measured, effective, materials, variance=spread)
        amounts[:, k] = found.amounts * MG_PER_G
        shown = [found.hounsfield(energy) for energy in energies_kev]
        single[:, k] = np.stack([value for value, _ in shown])
        if errors is not None:
            errors[0][:, k] = found.sigma * MG_PER_G
            errors[1][:, k] = np.stack([sigma for _, sigma in shown if sigma is not None])
    return SpectralVolumes(amounts, single, *(errors or (None, None)))
