"""Dance's standard breast: what a mean glandular dose is of when a protocol of quality control states it.

A half cylinder of 16 cm diameter, a mixture of gland and fat within 5 mm of fat (not at the chest wall). Mean glandular
dose = K g c s, K the air kerma at the breast's upper face without backscatter; `conversion_factor` is g c s, by our own
photon transport with our own spectra. K is by NIST's mu_en/rho of air, for the dose is by the like cross sections of
XCOM: a ratio of the two by different data would be 2.5 % higher (physics.spectra.cross_sections), and so it is to
kermas of other places in physsim.
Reference: D. R. Dance, Phys. Med. Biol. 35 (1990) 1211; D. R. Dance et al., Phys. Med. Biol. 45 (2000) 3225.
"""

from __future__ import annotations

import math

import numpy as np

from physsim.body.breast.materials import FAT, GLAND
from physsim.errors import InvalidInput, message
from physsim.imaging.dose.glandular import GlandularDose, glandular_dose
from physsim.phantom.phantom import Phantom
from physsim.physics.energy_absorption import mass_energy_absorption_cm2_g
from physsim.physics.spectra.quantities import kerma_ugy
from physsim.spec.grid import Grid
from physsim.spec.material import Material, material
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource, RectangularField
from physsim.spec.spectrum import Spectrum
from physsim.units import CM_PER_MM, MGY_PER_UGY

SPACING_MM = 2.5
RADIUS_MM, SHIELD_MM = 80.0, 5.0
SOURCE_SUPPORT_MM = 600.0
REFERENCE_MM = 40.0  # from the chest wall to the point of the upper face at which the air kerma is stated
HISTORIES = 2**18
_MIXTURE = "gland and fat"


def standard_breast(thickness_mm: float, glandularity: float = 0.5, radius_mm: float = RADIUS_MM,
                    shield_mm: float = SHIELD_MM) -> Phantom:
    """x from the chest wall (its world origin on the axis), y across, z up from the support; voxels of 2.5 mm.

    `glandularity`: share of gland by mass within the shield. Raises InvalidInput for a share that is none, and for a
    breast no thicker than its shield.
    """
    if not 0.0 < glandularity <= 1.0:
        raise InvalidInput(message(f"glandularity={glandularity:g}", "it is a share by mass, and gland has the dose",
                                   "Give for example 0.5."))
    if not thickness_mm > 2.0 * shield_mm or not radius_mm > shield_mm:
        raise InvalidInput(message(f"thickness_mm={thickness_mm:g}, radius_mm={radius_mm:g}",
                                   f"a shield of {shield_mm:g} mm leaves nothing within", "Give a larger breast."))
    fat = material(FAT)
    inside = Material.from_masses([(GLAND, glandularity), (FAT, 1.0 - glandularity)], name=_MIXTURE) \
        if glandularity < 1.0 else material(GLAND).replace(name=_MIXTURE)
    h, count = SPACING_MM, math.ceil(radius_mm / SPACING_MM)
    slices = max(1, round(thickness_mm / h))
    x = (np.arange(count) + 0.5) * h
    y = (np.arange(2 * count) - count + 0.5) * h
    z = (np.arange(slices) + 0.5) * thickness_mm / slices
    far = np.sqrt(x[None, None, :] ** 2 + y[None, :, None] ** 2)
    deep = np.minimum(z, thickness_mm - z)[:, None, None] > shield_mm
    labels = np.where((far < radius_mm - shield_mm) & deep, 2, np.where(far < radius_mm, 1, 0)).astype(np.uint8)
    grid = Grid(shape=labels.shape, spacing_mm=(h, h, thickness_mm / slices),
                origin_mm=(float(x[0]), float(y[0]), float(z[0])))
    return Phantom(grid=grid, labels=labels, materials=(material("air"), fat, inside),
                   name=f"standard breast of {thickness_mm:g} mm")


def conversion_factor(spectrum: Spectrum, thickness_mm: float, glandularity: float = 0.5, *, seed: int = 0,
                      run: MonteCarlo | None = None, threads: int | None = None) -> GlandularDose:
    """Mean glandular dose of the standard breast in mGy per mGy of incident air kerma (g c s), relative error.

    The source stands 600 mm above the support, over the middle of the chest wall; the field covers the breast. Air
    kerma at the upper face, 40 mm from the chest wall. `run`: 2^18 photons when left out.
    Neglects: heel effect, scatter from paddle and support.
    """
    phantom = standard_breast(thickness_mm, glandularity)
    half = RADIUS_MM * SOURCE_SUPPORT_MM / (SOURCE_SUPPORT_MM - thickness_mm)
    field = RectangularField(centre_mm=(0.5 * half, 0.0, 0.0), across=(1.0, 0.0, 0.0), along=(0.0, 1.0, 0.0),
                             size_mm=(half, 2.0 * half))
    source = PhotonSource(spectrum=spectrum, position_mm=(0.0, 0.0, SOURCE_SUPPORT_MM), field=field)
    dose = glandular_dose(phantom, source, run or MonteCarlo(histories=HISTORIES),
                          gland={_MIXTURE: glandularity}, seed=seed, threads=threads)
    kerma = _kerma_mgy_per_photon(spectrum, half, SOURCE_SUPPORT_MM - thickness_mm)
    return GlandularDose(dose.mgy / kerma, dose.relative_error)


def _kerma_mgy_per_photon(spectrum: Spectrum, half_mm: float, below_mm: float) -> float:
    """At REFERENCE_MM, `below_mm` under the source, of a photon uniform in solid angle within half_mm x 2 half_mm."""
    d = SOURCE_SUPPORT_MM
    corner = math.atan(half_mm * half_mm / (d * math.sqrt(2.0 * half_mm**2 + d * d)))  # of a quarter of a square
    per_cm2 = 1.0 / (2.0 * corner * (below_mm**2 + REFERENCE_MM**2) * CM_PER_MM**2)
    beam = spectrum.sample()
    share = beam.fluence / beam.fluence.sum()
    absorption = mass_energy_absorption_cm2_g("air", beam.energies_kev)
    return kerma_ugy(beam.energies_kev, share * per_cm2, absorption) * MGY_PER_UGY
