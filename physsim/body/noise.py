"""Noise as a function of position (mm) and seed: octaves of lattice noise whose variances follow a power law."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from physsim.body.declare import Noise
from physsim.randomness import Stream

# Mean square, over a cell, of values uniform in [-1, 1) joined by 3 t^2 - 2 t^3: (1/3) (integral of w^2 + (1-w)^2)^3
_WEIGHT_SQUARE = 26.0 / 35.0
MEAN_SQUARE = _WEIGHT_SQUARE**3 / 3.0
LATTICE_OF_WAVELENGTH = 0.5  # lattice steps a wavelength: a wave needs two values


def octave_wavelengths(noise: Noise) -> list[float]:
    """Wavelengths (mm) of the octaves, longest first: at most a factor 2 between neighbours."""
    short, long = noise.wavelengths_mm
    count = max(1, math.ceil(math.log2(long / short) - 1e-9) + 1)
    if count == 1:
        return [long]
    ratio = (long / short) ** (1 / (count - 1))
    return [long / ratio**n for n in range(count)]


def octave_amplitudes(noise: Noise) -> list[float]:
    """Standard deviations of the octaves: variance ~ wavelength^(beta - 3), their sum rms^2."""
    shares = [wavelength ** (noise.beta - 3.0) for wavelength in octave_wavelengths(noise)]
    return [noise.rms * math.sqrt(share / sum(shares)) for share in shares]


@lru_cache(maxsize=256)
def octaves(noise: Noise, seed: int) -> tuple[tuple[npt.NDArray[np.float64], int], ...]:
    """Of each octave the 13 constants (rows of the lattice's turn over its step, offsets, amplitude) and its seed."""
    made = []
    stream = Stream(seed, f"noise {noise.name}")
    for number, (wavelength, amplitude) in enumerate(
        zip(octave_wavelengths(noise), octave_amplitudes(noise), strict=True)
    ):
        draws = stream.uniform64(2 * number + np.arange(2)[:, None], [0, 1]).ravel()
        step = LATTICE_OF_WAVELENGTH * wavelength
        turn = _turn(draws[:3])
        row = np.concatenate([(turn / step).ravel(), 64.0 * draws[3:6], [amplitude / math.sqrt(MEAN_SQUARE)]])
        made.append((np.array([float(f"{v:.9g}") for v in row]), int(stream.words(1000 + number)[0]) & 0x7FFFFFFF))
    return tuple(made)


def _turn(draws: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A rotation, uniform over all, from three numbers in (0, 1) (Shoemake's quaternions)."""
    a, b = math.sqrt(1 - draws[0]), math.sqrt(draws[0])
    p, q = 2 * math.pi * draws[1], 2 * math.pi * draws[2]
    x, y, z, w = a * math.sin(p), a * math.cos(p), b * math.sin(q), b * math.cos(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
