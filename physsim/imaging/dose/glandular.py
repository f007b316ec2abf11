"""Mean glandular dose by our own photon transport, in any phantom whose materials hold a known share of gland."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from physsim.body.breast import levels
from physsim.body.breast.materials import FAT, GLAND, breast_materials
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.energy_rows import cell_energies_kev
from physsim.physics.expected_deposit import share_deposited
from physsim.physics.photon_tables import build
from physsim.physics.tables import ENERGY_MIN_KEV
from physsim.spec.material import material
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource
from physsim.spec.spectrum import Spectrum
from physsim.transport.montecarlo import transport_photons
from physsim.transport.montecarlo_result import KEV_PER_COUNT
from physsim.units import G_PER_KG, J_PER_KEV, MGY_PER_GY

Floats = NDArray[np.float64]
HISTORIES = 2**18  # of a whole exposure
_HARDENING_G_CM2 = 2.0  # of breast tissue: the spectrum by which the share of gland is weighted


@dataclass(frozen=True)
class GlandularDose:
    """Mean absorbed dose of all glandular tissue (mGy), per photon, mAs or mGy as it says; relative standard error."""

    mgy: float
    relative_error: float


def gland_shares(phantom: Phantom) -> dict[str, float]:
    """Name of material -> share of gland by mass in a mixture of gland and fat, for phantoms made by ps.breast.

    Raises InvalidInput for other phantoms.
    """
    own = breast_materials()
    if phantom.materials[: len(own)] != own:
        raise InvalidInput(message(f"phantom {phantom.name!r}", "which of its materials hold gland is not known",
                                   "Give gland={material name: share of gland by mass}."))
    dense, light = material(GLAND).density_g_cm3, material(FAT).density_g_cm3
    shares = {}
    for k in range(1, levels.GLAND_LEVELS + 1):
        part = k / levels.GLAND_LEVELS
        shares[own[levels.FAT_LABEL + k].name] = part * dense / (part * dense + (1.0 - part) * light)
    return shares


def glandular_dose(
    phantom: Phantom,
    source: PhotonSource,
    run: MonteCarlo | None = None,
    *,
    gland: Mapping[str, float] | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> GlandularDose:
    """Energy that photons of `source` leave in gland, over the gland's mass: mGy per photon emitted into the field.

    `gland`: name of material -> its share of gland by mass, the rest being fat (None: of a phantom by ps.breast). What
    a mixture absorbs goes to gland and fat as mass times mu_en/rho (Boone's G), by our own tables, weighted by the
    spectrum behind 2 cm of breast: within 1 % of each energy's from 12 keV to 40. `run`: 2^18 photons when left out.

    Raises InvalidInput for a phantom without gland.
    Neglects: electrons' range (20 um), gland in voxels of lesions, nipple, skin and muscle.
    Reference: J. M. Boone, Med. Phys. 26 (1999) 481.
    """
    shares = gland_shares(phantom) if gland is None else dict(gland)
    names = [one.name for one in phantom.materials]
    held = np.array([shares.get(name, 0.0) for name in names])
    result = transport_photons(phantom, source, run or MonteCarlo(histories=HISTORIES), seed=seed,
                               regions=phantom.labels, region_names=names, threads=threads)
    absorbed, kinds = absorbed_in_gland(held, source.spectrum), len(names)  # the last region is what surrounds
    mass_g = float(held @ result.regions.mass_g[:kinds])
    if not mass_g > 0.0:
        raise InvalidInput(message(f"phantom {phantom.name!r}", "it holds no gland", "Give a breast of another class."))
    energy = result.region_counts[:, :kinds] @ absorbed * (KEV_PER_COUNT * J_PER_KEV * G_PER_KG * MGY_PER_GY / mass_g)
    share = result.batch_histories / result.histories
    mean = float(energy.sum() / result.histories)
    apart = energy / result.batch_histories - mean
    return GlandularDose(mean, float(np.sqrt((share * apart * apart).sum() / (len(share) - 1))) / mean)


def absorbed_in_gland(share: Floats, spectrum: Spectrum) -> Floats:
    """Share of the energy absorbed in a mixture of gland (`share` by mass) and fat that goes to gland."""
    energies, gland, fat = _absorption()
    beam = spectrum.replace(bowtie=None).sample()
    at = beam.energies_kev
    per_gland, per_fat = np.interp(at, energies, gland), np.interp(at, energies, fat)
    mu = 0.5 * (mass_attenuation_cm2_g(GLAND, at) + mass_attenuation_cm2_g(FAT, at))
    behind = beam.fluence * at * np.exp(-mu * _HARDENING_G_CM2)
    ratio = float((behind * per_gland).sum() / (behind * per_fat).sum())
    return np.asarray(share * ratio / (share * ratio + 1.0 - share))


@cache
def _absorption() -> tuple[Floats, Floats, Floats]:
    """Energies (keV), mass energy-absorption coefficients (cm2/g) of gland and of fat by our own tables."""
    tables = build([dict(material(name).mass_fractions) for name in (GLAND, FAT)])
    cells = np.searchsorted(tables.cell_row, np.arange(tables.row.shape[1]), side="right") - 1
    energies, first = np.unique(cell_energies_kev()[cells], return_index=True)
    mu = tables.row[:, :, 0].astype(np.float64) * share_deposited(tables, ENERGY_MIN_KEV)[:, :, 0]
    return energies, mu[0, first], mu[1, first]
