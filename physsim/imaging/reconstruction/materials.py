"""Material decomposition of dual-energy and photon-counting scans, and images at one energy made of it.

In the projection domain each ray's line integrals L of the materials (g/cm2) are those whose expected signals
S_b(L) = sum_E w_b(E) exp(-sum_m (mu/rho)_m(E) L_m) fit the measured -ln(signal / air) of the bins best, by Gauss-Newton
steps with each bin weighted by its noise: no beam hardening is left. In the image domain each voxel's attenuations at
the bins' effective energies are those of a mixture: one linear system, hardening left as it is.

Reference: R. E. Alvarez, A. Macovski, Phys. Med. Biol. 21 (1976) 733; E. Roessl, R. Proksa, Phys. Med. Biol. 52 (2007)
4679; W. A. Kalender, W. H. Perman, J. R. Vetter, E. Klotz, Med. Phys. 13 (1986) 334 (images).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.spec.material import Material
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]

_STEPS = 30
_CLOSE = 1e-9  # of -ln(signal / air), in all bins
_BLOCK = 1 << 15  # rays at a time, whose arrays stay in the cache


@dataclass(frozen=True, kw_only=True, eq=False)
class Decomposition:
    """Amounts of materials, and the covariance of each place's.

    amounts: (materials, ...) float64: line integrals in g/cm2 in the projection domain, densities in g/cm3 in images.
    covariance: (materials, materials, ...) in the square of that unit, or None when no variance was given.
    """

    materials: tuple[Material | str, ...]
    amounts: Floats
    covariance: Floats | None

    @property
    def sigma(self) -> Floats:
        """(materials, ...): standard errors of the amounts. Raises InvalidInput when no variance was given."""
        kept = self._covariance()
        return np.asarray(np.sqrt(np.stack([kept[m, m] for m in range(len(self.materials))])))

    def monoenergetic(self, energy_kev: float) -> tuple[Floats, Floats | None]:
        """At one energy (keV): line integrals of attenuation, or attenuation per mm of images; and its standard error.

        Energies near edges of the materials are what they are there: values jump at iodine's 33.2 keV.
        """
        share = np.array([float(mass_attenuation_cm2_g(one, energy_kev)) for one in self.materials])
        value = np.tensordot(share, self.amounts, 1)
        if self.covariance is None:
            return value, None
        variance = np.einsum("m,mn...,n->...", share, self.covariance, share)
        return value, np.sqrt(np.maximum(variance, 0.0))

    def hounsfield(self, energy_kev: float) -> tuple[Floats, Floats | None]:
        """CT numbers (HU) of decomposed images as one energy (keV) would show them, and their standard errors."""
        water = float(mass_attenuation_cm2_g("water", energy_kev))  # 1 g/cm3
        value, sigma = self.monoenergetic(energy_kev)
        return 1000.0 * (value / water - 1.0), None if sigma is None else 1000.0 * sigma / water

    def _covariance(self) -> Floats:
        if self.covariance is None:
            raise InvalidInput(message("variance=None", "no errors were asked for", "Give the bins' variances."))
        return self.covariance


def decompose_projections(
    projections: ArrayLike,
    energies_kev: ArrayLike,
    responses: ArrayLike,
    materials: Sequence[Material | str],
    *,
    variance: ArrayLike | None = None,
) -> Decomposition:
    """Line integrals of materials (g/cm2) of each ray, from what two or more bins or tube voltages measured of it.

    projections: (bins, ...), -ln(signal / air). energies_kev (energies,), responses (bins, energies): how much a bin's
    air signal owes to each energy, in any unit (spectrum x filters x what the detector makes of a photon). materials:
    at most as many as there are bins. variance: (bins, ...) of the projections, for weights and errors; independent
    bins.

    Raises InvalidInput for fewer bins than materials, shapes that do not match, bins that cannot tell the materials
    apart, and rays for which no amounts are found (infinite projections).
    Neglects: scatter, pile-up and noise correlated between bins.

    >>> import numpy as np
    >>> from physsim.physics.attenuation import mass_attenuation_cm2_g
    >>> energies = np.array([50.0, 80.0])  # two lines, 10 g/cm2 of water and 0.02 of iodine
    >>> measured = 10 * mass_attenuation_cm2_g("water", energies) + 0.02 * mass_attenuation_cm2_g("I", energies)
    >>> decompose_projections(measured, energies, np.eye(2), ("water", "I")).amounts.round(6).tolist()
    [10.0, 0.02]
    """
    measured, weights = np.asarray(projections, np.float64), np.atleast_2d(np.asarray(responses, np.float64))
    energies = np.atleast_1d(np.asarray(energies_kev, np.float64))
    _check_bins(measured, len(weights), materials, variance)
    if weights.shape != (len(weights), len(energies)) or (weights < 0.0).any() or (weights.sum(axis=1) <= 0.0).any():
        raise InvalidInput(
            message(
                f"responses of shape {weights.shape} for {len(energies)} energies",
                "each bin has one share an energy, none negative and not all 0",
                "Give (bins, energies).",
            )
        )
    weights = weights / weights.sum(axis=1, keepdims=True)
    cross_sections = np.stack([mass_attenuation_cm2_g(one, energies) for one in materials])
    _check_apart(weights @ cross_sections.T, "bins")
    flat = measured.reshape(len(measured), -1)
    spread = None if variance is None else np.broadcast_to(np.asarray(variance, np.float64), measured.shape)
    noise = None if spread is None else spread.reshape(flat.shape)
    count = len(materials)
    amounts = np.zeros((count, flat.shape[1]))
    covariance = None if noise is None else np.zeros((count, count, flat.shape[1]))
    for first in range(0, flat.shape[1], _BLOCK):
        own = slice(first, first + _BLOCK)
        inverse = np.ones_like(flat[:, own]) if noise is None else 1.0 / noise[:, own]
        amounts[:, own], normal = _newton(flat[:, own], weights, cross_sections, inverse)
        if covariance is not None:
            covariance[:, :, own] = np.moveaxis(np.linalg.inv(normal), 0, 2)
    shape = measured.shape[1:]
    return Decomposition(
        materials=tuple(materials), amounts=amounts.reshape(count, *shape),
        covariance=None if covariance is None else covariance.reshape(count, count, *shape),
    )


def decompose_images(
    attenuations: ArrayLike,
    effective_kev: ArrayLike,
    materials: Sequence[Material | str],
    *,
    variance: ArrayLike | None = None,
) -> Decomposition:
    """Densities of materials (g/cm3) in each voxel, from images of two or more bins.

    attenuations: (bins, ...) in 1/mm. effective_kev: (bins,), the energies whose attenuations these are. variance:
    (bins, ...) of the images.
    Raises InvalidInput as decompose_projections does. Neglects: beam hardening beyond that of water.
    """
    measured, energies = np.asarray(attenuations, np.float64), np.atleast_1d(np.asarray(effective_kev, np.float64))
    _check_bins(measured, len(energies), materials, variance)
    matrix = np.stack([mass_attenuation_cm2_g(one, energies) for one in materials], 1) * CM_PER_MM
    _check_apart(matrix, "effective energies")
    flat = measured.reshape(len(measured), -1)
    if variance is None:
        amounts, covariance = np.linalg.pinv(matrix) @ flat, None
    else:
        spread = np.broadcast_to(np.asarray(variance, np.float64), measured.shape).reshape(flat.shape)
        normal = np.einsum("bm,bn,bv->vmn", matrix, matrix, 1.0 / spread)
        inverse = np.linalg.inv(normal)
        amounts = np.einsum("vmn,bn,bv->mv", inverse, matrix, flat / spread)
        covariance = np.moveaxis(inverse, 0, 2).reshape(len(materials), len(materials), *measured.shape[1:])
    return Decomposition(
        materials=tuple(materials), amounts=amounts.reshape(len(materials), *measured.shape[1:]), covariance=covariance
    )


def _newton(measured: Floats, weights: Floats, cross_sections: Floats, inverse: Floats) -> tuple[Floats, Floats]:
    """Amounts (materials, rays), and the normal matrices (rays, materials, materials) there."""
    rays, count = measured.shape[1], len(cross_sections)
    amounts = np.zeros((count, rays))
    normal = np.zeros((rays, count, count))
    for _ in range(_STEPS):
        passed = np.exp(np.maximum(-(amounts.T @ cross_sections), -700.0).clip(max=50.0))  # (rays, energies)
        signal = passed @ weights.T
        expected = -np.log(signal).T
        slopes = np.stack([(passed * one) @ weights.T for one in cross_sections]) / signal  # (materials, rays, bins)
        missing = measured - expected
        normal = np.einsum("mrb,nrb,br->rmn", slopes, slopes, inverse)
        right = np.einsum("mrb,br->rm", slopes, missing * inverse)
        step = np.linalg.solve(normal, right[:, :, None])[:, :, 0].T
        amounts += step
        if np.abs(np.einsum("mrb,mr->br", slopes, step)).max(initial=0.0) < _CLOSE:
            return amounts, normal
    raise InvalidInput(
        message(
            f"projections up to {np.abs(measured).max():.4g}",
            f"no amounts fit some rays after {_STEPS} steps",
            "Look for rays without signal, and for the right responses.",
        )
    )


def _check_bins(measured: Floats, bins: int, materials: Sequence[Material | str], variance: ArrayLike | None) -> None:
    if len(measured) != bins:
        raise InvalidInput(
            message(f"{len(measured)} measured bins", f"{bins} are described", "Give one description a bin.")
        )
    if bins < len(materials):
        raise InvalidInput(
            message(
                f"{len(materials)} materials from {bins} bins",
                "each material needs a bin of its own",
                "Give fewer materials or more bins.",
            )
        )
    if len(materials) < 1:
        raise InvalidInput(message("materials=()", "nothing to look for", "Give for example water and iodine."))
    if not np.isfinite(measured).all():
        raise InvalidInput(
            message(
                f"{int((~np.isfinite(measured)).sum())} values of the bins are NaN or infinite",
                "rays without signal have no logarithm",
                "Replace them, for example by what their neighbours measured.",
            )
        )
    if variance is not None and not (np.asarray(variance) > 0.0).all():
        raise InvalidInput(message("variance <= 0", "variances are larger than 0", "Give the bins' variances."))


def _check_apart(matrix: Floats, what: str) -> None:
    """Refuse materials that look the same to all bins. matrix: (bins, materials)."""
    scaled = matrix / np.linalg.norm(matrix, axis=0)
    if np.linalg.svd(scaled, compute_uv=False)[-1] < 1e-4:
        raise InvalidInput(
            message(f"the materials, as these {what} see them,", "look the same", "Give other materials or energies.")
        )
