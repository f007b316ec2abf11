"""Scatter of first order guessed from a projection: light that meets matter, spread as water scatters, through a grid.

Law: a photon that scatters by theta, h before the detector, arrives h tan(theta) aside. Of what a ray sends, the share
p(theta) cos^3(theta) / h^2 falls on a unit of area, p the cross-section per solid angle of free atoms of water over its
whole, by energy that arrives; a grid passes of it what its strips let through at the slope to them, tan(theta)
(1 - h / f) where strips lean to a line at f: those there stand otherwise than those on the ray. Line integrals at two
energies tell electrons (Klein-Nishina's part of the attenuation) from heavy atoms (the photoelectric part, as E^-3),
which scatter coherently and forward: each has a guess of its own. The light hardens on its way: three energies.
Neglects: that attenuation beside the ray is another than along it; that matter lies at several heights (one stands for
all: five instead changed the error found by less than 0.002); that rays meet parallel strips aslant, and photons all
strips along them (7 % at 12:1); edges of absorption; what leaves the field's rows.
Constants alone times the two guesses leave 4 to 9 % of single scatter behind a CT's grid where light passes the body's
middle, and half where none does.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.physics.composition import mass_fractions_from_formula
from physsim.physics.scattering_law import ELECTRON_REST_ENERGY_KEV, ScatteringLaw
from physsim.portable import exp
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.transport.ordered import product

Floats = NDArray[np.float64]

_NODES = ((-np.sqrt(3.0), 1.0 / 6.0), (0.0, 2.0 / 3.0), (np.sqrt(3.0), 1.0 / 6.0))  # Gauss-Hermite, of three
_SLOPES = (0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.9)  # spreads in tan(theta) of Gaussians that stand for the section
_STEEPEST, _TOLD = 3.0, 90
_FINE = 5  # parts of a pixel across the strips
_STEP_MM = 5.0  # of the matter's height, for which ways are kept


def single_guesses(depths: tuple[Floats, Floats], sent: Floats, kev: tuple[float, float], height_mm: float,
                   pixel_mm: tuple[float, float], strips: AntiScatterGrid | None) -> tuple[Floats, Floats]:
    """(rows, columns) by electrons, and by heavy atoms: over the open signal where `sent` is.

    `depths`: (rows, r, columns, r) line integrals of r x r rays of each pixel at mean - spread and mean + spread of the
    open signal's energies `kev`; `sent`: (rows, columns) that signal, relative. `strips` of a curved detector are bent.
    """
    mean, spread = kev
    rows, _, columns, _ = depths[0].shape
    known = np.array([[electron_section(one), one**-3.0] for one in (mean - spread, mean + spread)])
    found = np.zeros((2, rows, columns))
    for place, share in _NODES:
        energy = mean + place * spread
        weights = [np.linalg.solve(known.T, part) for part in np.diag([electron_section(energy), energy**-3.0])]
        parts = [np.maximum(low * depths[0] + high * depths[1], 0.0) for low, high in weights]
        light = exp(-(parts[0] + parts[1]))
        sources = [sent * (light * part).mean(axis=(1, 3)) for part in parts]
        ways = _ways((rows, columns), pixel_mm, _STEP_MM * max(round(height_mm / _STEP_MM), 1), round(energy), strips)
        for number, source in enumerate(sources):
            found[number] += share * energy / mean * sum(
                product(product(along_v, source), along_u) for along_v, along_u in ways)
    return found[0], found[1]


def electron_section(kev: float) -> float:
    """Of a free electron, all ways together, over Thomson's (Klein and Nishina)."""
    k = kev / ELECTRON_REST_ENERGY_KEV
    wide = 1.0 + 2.0 * k
    return float(0.75 * ((1.0 + k) / k**2 * (2.0 * (1.0 + k) / wide - np.log(wide) / k) + np.log(wide) / (2.0 * k)
                         - (1.0 + 3.0 * k) / wide**2))


def water_section(cosine: Floats, kev: float) -> tuple[Floats, Floats]:
    """Of free atoms of water, cm2/g/sr: of photons, and of the energy that goes on."""
    half, energy = 0.5 - 0.5 * cosine, np.asarray(kev)
    inelastic, elastic = _water().compton(energy, half), _water().rayleigh(energy, half)
    return inelastic + elastic, inelastic / (1.0 + 2.0 * kev / ELECTRON_REST_ENERGY_KEV * half) + elastic


@cache
def _water() -> ScatteringLaw:
    return ScatteringLaw(mass_fractions_from_formula("H2O"), None, binding=True)


@cache
def gaussian_weights(kev: int) -> Floats:
    """Of Gaussians in tan(theta) of the spreads _SLOPES, whose sum is p(theta) cos^3(theta): not negative."""
    from scipy.optimize import nnls

    cosines = np.linspace(-1.0, 1.0, 4001)
    whole = float(np.trapezoid(water_section(cosines, kev)[0], cosines)) * 2.0 * np.pi
    slopes = _STEEPEST * (np.arange(_TOLD) / (_TOLD - 1.0)) ** 2
    cosine = 1.0 / np.sqrt(1.0 + slopes**2)
    wanted = water_section(cosine, kev)[1] / whole * cosine**3
    spreads = np.array(_SLOPES)
    made = np.exp(-0.5 * (slopes[:, None] / spreads) ** 2) / (2.0 * np.pi * spreads**2)
    weight = np.sqrt(slopes + 0.01)[:, None]  # about as much matters as the ring is wide
    return np.asarray(nnls(made * weight, wanted * weight[:, 0])[0])


@lru_cache(maxsize=64)
def _ways(shape: tuple[int, int], pixel_mm: tuple[float, float], height_mm: float, kev: int,
          strips: AntiScatterGrid | None) -> tuple[tuple[Floats, Floats], ...]:
    """Of each Gaussian of the cross-section: what comes (to, from) rows, and (from, to) columns; what falls beyond is
    lost. A grid passes of each what it does at the slope of a way."""
    on_columns = strips is not None and abs(strips.across[0]) > abs(strips.across[1])
    passed = [_passed(count, pitch, height_mm, kev, strips if own else None) for count, pitch, own in zip(
        shape, pixel_mm[::-1], (not on_columns, on_columns), strict=True)]
    found = []
    for slope, weight in zip(_SLOPES, gaussian_weights(kev), strict=True):
        if weight > 0.0:
            along_v, along_u = (_shares(count, pitch, slope * height_mm, through) for count, pitch, through in zip(
                shape, pixel_mm[::-1], passed, strict=True))
            found.append((weight * along_v, np.ascontiguousarray(along_u.T)))
    return tuple(found)


def _aside(count: int, pitch_mm: float) -> Floats:
    """mm from the middle of a pixel to parts of all others, as far as the last is from the first."""
    parts = _FINE * (2 * count - 1)
    return np.asarray((np.arange(parts) - 0.5 * (parts - 1.0)) * pitch_mm / _FINE)


def _passed(count: int, pitch_mm: float, height_mm: float, kev: float, strips: AntiScatterGrid | None) -> Floats:
    """What strips that stand across let through on ways so far aside, over what they do of those along them."""
    aside = _aside(count, pitch_mm)
    if strips is None:
        return np.ones_like(aside)
    lean = 0.0 if strips.focal_distance_mm is None else 1.0 / strips.focal_distance_mm
    slope, (u, v) = aside * (1.0 / height_mm - lean), strips.across
    ways = np.stack([slope * u, slope * v, np.ones_like(aside)], axis=1)
    return np.asarray(strips.transmission(kev, ways) / strips.transmission(kev, np.array([0.0, 0.0, 1.0])))


def _shares(count: int, pitch_mm: float, spread_mm: float, passed: Floats) -> Floats:
    """(to, from) of a row of pixels: the Gaussian's share in each, times what is passed."""
    aside = _aside(count, pitch_mm) / spread_mm
    share = np.exp(-0.5 * aside**2) * pitch_mm / (_FINE * np.sqrt(2.0 * np.pi) * spread_mm) * passed
    whole, place = share.reshape(2 * count - 1, _FINE).sum(axis=1), np.arange(count)
    return np.ascontiguousarray(whole[count - 1 + place[:, None] - place[None, :]])
