"""A few basis functions of energy in place of the attenuation of many materials."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine
from physsim.errors import InvalidInput, message
from physsim.portable import exp, log

Floats = NDArray[np.float64]

# Log attenuation (to base e) of the rays at which the error of the signal is looked at.
DEPTHS = (1.0, 5.0, 12.0)
# Spectra beyond which only so many are looked at, evenly from the softest to the hardest.
MOST_SPECTRA = 8
# Materials beyond which only pairs with the most different ones are looked at.
ALL_PAIRS = 40


@dataclasses.dataclass(frozen=True, eq=False)
class BasisFunctions:
    """Mass attenuation of material m at energy E is about sum_k coefficients[m, k] functions[k, E].

    coefficients: (materials, K) float64; functions: (K, energies) float64, their product in cm2/g.
    log_error: largest error of the log signal over the rays looked at.
    """

    coefficients: Floats
    functions: Floats
    log_error: float

    @property
    def count(self) -> int:
        """Number of functions K."""
        return len(self.functions)


def basis_functions(
    mass_attenuation_cm2_g: ArrayLike,
    weights: ArrayLike,
    tolerance: float = 1e-5,
    *,
    limits_g_cm2: ArrayLike | None = None,
) -> BasisFunctions:
    """The fewest functions of energy that give the signal of any ray within `tolerance` (absolute error of its log).

    mass_attenuation_cm2_g: (materials, energies) in cm2/g. weights: (..., energies), what a photon of each energy
    adds to the signal, one row an output or spectrum; each row must hold the tolerance by itself (of more than
    MOST_SPECTRA rows, so many from the softest to the hardest). limits_g_cm2:
    (materials,) the most areal density that can occur of each (g/cm2). Rays looked at: single materials and pairs of
    them in equal parts, down to a transmission of exp(-12). K = the rank of the table (at most the materials) is
    exact.

    Singular vectors of the table, energies weighted by the mean of the spectra before and behind matter, materials by
    their effective attenuation. The same bits on every CPU. Raises InvalidInput for negative or non-finite values.

    >>> water_bone = [[0.5, 0.3, 0.2], [2.0, 0.8, 0.4]]
    >>> basis_functions(water_bone, [1.0, 2.0, 1.0]).count
    2
    """
    table = checked_table(mass_attenuation_cm2_g)
    rows = checked_weights(weights, table.shape[1]).reshape(-1, table.shape[1])
    if not 0 < tolerance < 1:
        raise InvalidInput(
            message(
                f"tolerance={tolerance}", "an error of the log signal lies between 0 and 1", "Give for example 1e-5."
            )
        )
    limits = np.full(len(table), np.inf) if limits_g_cm2 is None else np.asarray(limits_g_cm2, np.float64)
    used, spectra = normalised(rows)
    inside = np.ascontiguousarray(table[:, used])
    spectra = soft_to_hard(inside, spectra)
    hard, scale = hardened(inside, spectra)
    amplitude = np.sqrt(np.maximum(hard / hard.max(), 1e-4))
    left, right = _engine.singular_vectors(inside / scale[:, None] * amplitude)
    coefficients, functions = left * scale[:, None], np.zeros((len(right), table.shape[1]))
    functions[:, used] = right / amplitude
    rays = mixtures(scale, left)
    count, error = 1, 0.0
    for spectrum in spectra:
        thickness = _thicknesses(rays @ inside, spectrum, np.exp)
        areal = np.minimum((thickness[..., None] * rays).reshape(-1, len(table)), limits)
        seen = np.exp(-np.minimum(areal @ inside, 600.0)) @ spectrum
        while True:  # more functions until this spectrum is within the tolerance too
            off = (areal @ coefficients[:, :count]) @ functions[:count, used]
            wrong = np.exp(-np.clip(off, -600.0, 600.0)) @ spectrum
            here = float(np.abs(np.log(wrong / seen)).max())
            if here <= tolerance or count == len(right):
                break
            count += 1
        error = max(error, here)
    return BasisFunctions(np.ascontiguousarray(coefficients[:, :count]), np.ascontiguousarray(functions[:count]), error)


def checked_table(mass_attenuation_cm2_g: ArrayLike) -> Floats:
    """(materials, energies) float64, finite and not negative."""
    table = np.array(mass_attenuation_cm2_g, np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise InvalidInput(
            message(
                f"mass_attenuation_cm2_g of shape {table.shape}",
                "the table is (materials, energies)",
                "Give one row a material.",
            )
        )
    if not (np.isfinite(table).all() and (table >= 0).all()):
        worst = tuple(int(i) for i in np.argwhere(~(np.isfinite(table) & (table >= 0)))[0])
        raise InvalidInput(
            message(
                f"mass_attenuation_cm2_g{list(worst)}={table[worst]}",
                "attenuation is finite and not negative",
                "Check the table of that material.",
            )
        )
    return table


def checked_weights(weights: ArrayLike, energies: int) -> Floats:
    """(outputs, nodes, energies) float64, finite, not negative, not all zero."""
    values = np.array(weights, np.float64)
    if values.ndim not in (1, 2, 3) or 0 in values.shape or values.shape[-1] != energies:
        raise InvalidInput(
            message(
                f"weights of shape {values.shape}",
                f"weights are (energies), (nodes, energies) or (outputs, nodes, energies) with {energies} energies",
                "Give one weight for each energy of the attenuation table.",
            )
        )
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise InvalidInput(
            message(
                f"weights with value {values[~(values >= 0) | ~np.isfinite(values)][0]}",
                "weights are finite and not negative",
                "Check the spectrum.",
            )
        )
    if not values.any():
        raise InvalidInput(message("weights=0", "no energy adds to the signal", "Give a spectrum with photons in it."))
    return values.reshape((1,) * (3 - values.ndim) + values.shape)


def normalised(rows: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which of the energies occur, (energies) bool, and at those the spectra of (rows, energies), each of sum 1; rows
    that are 0 are left out."""
    spectra = np.stack([row / in_order(row) for row in rows if row.any()])
    used: NDArray[np.bool_] = np.any(spectra != 0, axis=0)
    return used, np.asarray(spectra[:, used])


def soft_to_hard(table: Floats, spectra: Floats) -> Floats:
    """At most MOST_SPECTRA of the spectra, evenly in the order of the materials' mean attenuation of each."""
    if len(spectra) <= MOST_SPECTRA:
        return spectra
    mean = in_order(table / np.maximum(in_order((table * in_order(spectra)).T), 1e-300)[:, None])
    order = np.argsort(in_order((spectra * mean).T), kind="stable")
    return np.asarray(spectra[order[np.rint(np.linspace(0, len(order) - 1, MOST_SPECTRA)).astype(int)]])


def hardened(table: Floats, spectra: Floats) -> tuple[Floats, Floats]:
    """The mean of the spectra before and behind matter, (energies), and each material's mean attenuation of it,
    (materials), 1 where that is 0."""
    mean = in_order(table / np.maximum(in_order((table * in_order(spectra)).T), 1e-300)[:, None])
    hard = np.zeros(table.shape[1])
    for spectrum in spectra:
        for thickness in (0.0, *_thicknesses(mean[None], spectrum, exp)[:, 0]):
            behind = spectrum * exp(-np.minimum(thickness * mean, 600.0))
            hard = hard + behind / in_order(behind)
    effective = in_order((table * hard).T) / in_order(hard)
    return hard, np.where(effective > 0, effective, 1.0)


def in_order(values: Floats) -> Floats:
    """Sum over the first axis, one after the other: numpy's own order depends on the CPU."""
    flat = np.ascontiguousarray(values, np.float64).reshape(len(values), -1)
    return np.asarray(_engine.ordered_product(np.ones((1, len(flat))), flat)).reshape(values.shape[1:])


def _thicknesses(attenuation: Floats, spectrum: Floats, exponential: Callable[[Floats], Floats]) -> Floats:
    """(DEPTHS, rays) multiples of the (rays, energies) attenuation whose log attenuation of `spectrum` is each of
    DEPTHS.

    The log signal is convex in the multiple, so that Newton's steps from below never pass the root; at most 1e9.
    """
    multiple = np.zeros(len(attenuation))
    at = []
    for depth in DEPTHS:
        for _ in range(5):
            behind = spectrum * exponential(-np.minimum(multiple[:, None] * attenuation, 600.0))
            seen = in_order(behind.T)
            slope = in_order((behind * attenuation).T) / seen
            multiple = np.minimum(multiple + np.maximum(depth + log(seen), 0.0) / np.maximum(slope, 1e-12), 1e9)
        at.append(multiple)
    return np.stack(at)


def mixtures(effective: Floats, left: Floats) -> Floats:
    """(rays, materials) areal densities of attenuation 1: single materials, and pairs in equal parts of attenuation."""
    materials = len(effective)
    partners = np.arange(materials) if materials <= ALL_PAIRS else np.unique(np.abs(left[:, :8]).argmax(0))
    share = [np.eye(materials)]
    for partner in partners:
        pair = 0.5 * np.eye(materials)[partner + 1 if materials <= ALL_PAIRS else 0 :]
        pair[:, partner] += 0.5
        share.append(pair)
    return np.asarray(np.concatenate(share) / effective)
