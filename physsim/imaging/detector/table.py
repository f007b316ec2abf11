"""Moments of a detector's signal at any energy and angle, from few that are computed once and kept.

What a photon adds to the signal is the chance that it interacts, exact at every angle, times moments that change little
with the angle: these are computed at a few cosines and are a polynomial between them (smooth: a field's own nodes are
polynomials too).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import physsim.physics
from physsim.imaging.detector.moments import signal_moments
from physsim.imaging.nodes import lagrange
from physsim.io.kept import digest_of_files, kept_array
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.spectra.quantities import transmission
from physsim.physics.tables import ENERGY_MAX_KEV, ENERGY_MIN_KEV
from physsim.spec.absorber import IdealAbsorber
from physsim.spec.detector import Detector
from physsim.spec.provenance import tables_sha256

Floats = NDArray[np.float64]

BIN_KEV = 0.5  # energies that are kept: the middles of such bins, as spectra have them
COSINES = (1.0, 0.85, 0.65, 0.4, 0.2)  # more slant rays are taken as the last, but for the chance that they interact


def depends_on_slant(detector: Detector) -> bool:
    """Whether the signal of a photon changes with its angle of incidence."""
    return not isinstance(detector.absorber, IdealAbsorber)


def moments_at(detector: Detector, energies_kev: Floats, slant: float) -> Floats:
    """signal_moments (depth layers, 3, E) from the table: within 1.5e-3 up to a slant of 1.5, 2.5 % up to 5."""
    energies = np.asarray(energies_kev, np.float64)
    if not depends_on_slant(detector):
        return signal_moments(detector, energies)
    known = bin_energies_kev()
    place = (energies - known[0]) / BIN_KEV
    number = np.rint(place).astype(int)
    standard = bool((np.abs(place - number) < 1e-6).all() and number.min() >= 0 and number.max() < known.size)
    key = Detector(rows=1, columns=1, pixel_mm=1.0, absorber=detector.absorber).to_json()  # what the moments hang on
    table = _kept(key)[..., number] if standard else _computed(key, energies.tobytes())
    cosine = np.array(max(1.0 / slant, COSINES[-1]))
    shares = lagrange(np.array(COSINES), cosine)
    depth = _depth(detector, energies)
    whole = 1.0 - transmission(depth * slant)
    return np.asarray(sum((float(share) * part for share, part in zip(shares, table, strict=True)),
                          np.zeros(table.shape[1:])) * whole)


def bin_energies_kev() -> Floats:
    """Of the kept table."""
    return np.arange(ENERGY_MIN_KEV + 0.5 * BIN_KEV, ENERGY_MAX_KEV, BIN_KEV)


def _depth(detector: Detector, energies: Floats) -> Floats:
    layer = detector.absorber
    assert not isinstance(layer, IdealAbsorber)
    return np.asarray(linear_attenuation_per_mm(layer.substance, energies) * (layer.packing * layer.thickness_mm))


@lru_cache(maxsize=8)
def _kept(detector_json: str) -> Floats:
    """(cosines, depth layers, 3, E) moments over the chance to interact, at bin_energies_kev."""
    return _computed(detector_json, bin_energies_kev().tobytes())


@lru_cache(maxsize=1)
def sources_sha256() -> str:
    """Digest of the code that makes the table: a change of it makes a new one."""
    package = Path(physsim.physics.__path__[0])
    return digest_of_files((package, Path(__file__).parent), (".py",))


@lru_cache(maxsize=8)
def _computed(detector_json: str, energies: bytes) -> Floats:
    digest = hashlib.sha256(energies).hexdigest()
    key = f"{detector_json} {COSINES} {digest} {tables_sha256()} {sources_sha256()}"
    return kept_array("detector", key, lambda: _made(Detector.from_json(detector_json), np.frombuffer(energies)))


def _made(detector: Detector, energies: Floats) -> Floats:
    depth = _depth(detector, energies)
    return np.stack([signal_moments(detector, energies, 1.0 / cosine) / (1.0 - transmission(depth / cosine))
                     for cosine in COSINES])
