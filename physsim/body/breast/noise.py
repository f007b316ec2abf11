"""Random fields as functions of position (mm) and seed: cubic B-splines over lattices of random numbers.

Octaves of white noise, each smoothed by a cubic B-spline of its own pitch, add up to a power law between the longest
and the shortest: no Fourier transform, no grid of its own, so every spacing sees the same field, and only + - * / are
used, so every CPU gives the same bits.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import math
from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

from physsim.phantom.compiled import in_threads
from physsim.randomness import Stream

Floats = npt.NDArray[np.float64]
Field = npt.NDArray[np.float32]

LATTICE = 64  # random numbers along each axis, repeated beyond: 64 pitches of an octave
TILE = 128  # cells of the periodic tile of fine noise
_SPLINE_RMS = math.sqrt(151 / 315) ** 3  # of white noise under a cubic B-spline, averaged over places
_SHORTEST, _LONGEST = 0.37, 0.275  # pitch of an octave / wavelength where its power has fallen to e^-2; to half
_POINTS_A_JOB = 1 << 15
_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}


def lattice(seed: int) -> npt.NDArray[np.float32]:
    """(64, 64, 64) random numbers of mean 0 and variance 1."""
    uniform = Stream(seed, "breast lattice").uniform(np.arange(LATTICE**3 // 4)).reshape((LATTICE,) * 3)
    return np.asarray((uniform - np.float32(0.5)) * np.float32(math.sqrt(12)))


def octaves(shortest_mm: float, longest_mm: float, beta: float, least_mm: float = 0.6) -> tuple[Floats, Floats]:
    """Pitches (mm) and amplitudes of a field of variance 1 with power k^-beta between two wavelengths."""
    low, high = max(_SHORTEST * shortest_mm, least_mm), max(_LONGEST * longest_mm, least_mm)
    count = max(1, round(math.log2(high / low)) + 1)
    ratio = 2.0 if count == 1 else (high / low) ** (1 / (count - 1))
    pitch = np.array([float(f"{low * ratio**n:.9g}") for n in range(count)])  # bits must not hang on a power's last
    variance = np.array([float(f"{p ** (beta - 3):.9g}") for p in pitch])
    return pitch, np.sqrt(variance / math.fsum(variance)) / _SPLINE_RMS


def field(
    table: Field, points: Field, wavelengths_mm: tuple[float, float], beta: float, seed: int, name: str
) -> Field:
    """A Gaussian field (n,) of mean 0 and variance 1 at points (n, 3)."""
    pitch, amplitude = octaves(*wavelengths_mm, beta)
    offset = LATTICE * Stream(seed, f"breast {name}").uniform64(np.arange(len(pitch))[:, None], [0, 1]).reshape(-1, 4)
    values = np.empty(len(points), np.float32)

    def job(first: int) -> None:
        own = slice(first, first + _POINTS_A_JOB)
        sample_octaves(table, points[own], pitch, amplitude, offset[:, :3].copy(), values[own])

    in_threads(job, range(0, len(points), _POINTS_A_JOB))
    return values


@numba.njit(**_COMPILE)
def sample_octaves(table, points, pitch, amplitude, offset, values):
    """Sum of the octaves at each point."""
    n = LATTICE
    wx, wy, wz = np.empty(4), np.empty(4), np.empty(4)
    for at in range(len(points)):
        total = 0.0
        for octave in range(len(pitch)):
            x = points[at, 0] / pitch[octave] + offset[octave, 0]
            y = points[at, 1] / pitch[octave] + offset[octave, 1]
            z = points[at, 2] / pitch[octave] + offset[octave, 2]
            i, j, k = math.floor(x), math.floor(y), math.floor(z)
            _weights(x - i, wx)
            _weights(y - j, wy)
            _weights(z - k, wz)
            part = 0.0
            for c in range(4):
                kk = (int(k) + c) & (n - 1)
                for b in range(4):
                    jj = (int(j) + b) & (n - 1)
                    row = 0.0
                    for a in range(4):
                        row += wx[a] * table[kk, jj, (int(i) + a) & (n - 1)]
                    part += wz[c] * wy[b] * row
            total += amplitude[octave] * part
        values[at] = total


@numba.njit(**_COMPILE)
def _weights(t, w):
    s = 1.0 - t
    w[0] = s * s * s / 6.0
    w[1] = (3.0 * t * t * (t - 2.0) + 4.0) / 6.0
    w[2] = (3.0 * s * s * (s - 2.0) + 4.0) / 6.0
    w[3] = t * t * t / 6.0


def tile(table: npt.NDArray[np.float32], pitches: Sequence[int] = (1, 2, 4, 8), beta: float = 2.6) -> Field:
    """(128, 128, 128) periodic noise of mean 0 and variance 1, power k^-beta between 2 and 30 cells."""
    total = np.zeros((TILE,) * 3, np.float32)
    variance = np.array([float(f"{p ** (beta - 3.0):.9g}") for p in pitches])
    amplitude = np.sqrt(variance / math.fsum(variance)) / _SPLINE_RMS
    for n, (pitch, size) in enumerate(zip(pitches, amplitude, strict=True)):
        period = TILE // pitch
        start = 7 * n
        part = np.take(np.take(np.take(table, np.arange(start, start + period) % LATTICE, 0),
                               np.arange(start, start + period) % LATTICE, 1),
                       np.arange(start, start + period) % LATTICE, 2)
        for axis in range(3):
            part = _upsampled(part, pitch, axis)
        total += np.float32(size) * part
    return total


def _upsampled(values: Field, factor: int, axis: int) -> Field:
    """Periodic cubic B-spline along one axis, `factor` cells a pitch."""
    moved = np.moveaxis(values, axis, -1)
    fine = np.empty((*moved.shape[:-1], moved.shape[-1] * factor), np.float32)
    weights = np.empty(4)
    for step in range(factor):
        _weights(step / factor, weights)
        w = weights.astype(np.float32)
        fine[..., step::factor] = (
            w[0] * moved + w[1] * np.roll(moved, -1, -1) + w[2] * np.roll(moved, -2, -1) + w[3] * np.roll(moved, -3, -1)
        )
    return np.ascontiguousarray(np.moveaxis(fine, -1, axis))


@numba.njit(**_COMPILE)
def sample_tile(values, points, out):
    """Trilinear values of the periodic tile at points (n, 3) in cells."""
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        i, j, k = math.floor(x), math.floor(y), math.floor(z)
        a, b, c = x - i, y - j, z - k
        i0, j0, k0 = int(i) & (TILE - 1), int(j) & (TILE - 1), int(k) & (TILE - 1)
        i1, j1, k1 = (i0 + 1) & (TILE - 1), (j0 + 1) & (TILE - 1), (k0 + 1) & (TILE - 1)
        low = (1 - b) * ((1 - a) * values[k0, j0, i0] + a * values[k0, j0, i1]) + b * (
            (1 - a) * values[k0, j1, i0] + a * values[k0, j1, i1])
        high = (1 - b) * ((1 - a) * values[k1, j0, i0] + a * values[k1, j0, i1]) + b * (
            (1 - a) * values[k1, j1, i0] + a * values[k1, j1, i1])
        out[n] = (1 - c) * low + c * high
