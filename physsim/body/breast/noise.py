"""Random fields as functions of position (mm) and seed: cubic B-splines over lattices of random numbers.

Octaves of white noise, each smoothed by a cubic B-spline of its own pitch, add up to a power law between the longest
and the shortest: no Fourier transform, no grid of its own, so every spacing sees the same field, and only + - * / are
used, so every CPU gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from physsim.device.choice import instruction_set, thread_count
from physsim.randomness import Stream

Floats = npt.NDArray[np.float64]
Field = npt.NDArray[np.float32]

LATTICE = 64  # random numbers along each axis, repeated beyond: 64 pitches of an octave
TILE = 128  # cells of the periodic tile of fine noise
_SPLINE_RMS = math.sqrt(151 / 315) ** 3  # of white noise under a cubic B-spline, averaged over places
_SHORTEST, _LONGEST = 0.37, 0.275  # pitch of an octave / wavelength where its power has fallen to e^-2; to half


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
    """A Gaussian field (n,) of mean 0 and variance 1 at points (n, 3) mm."""
    from physsim import _engine

    pitch, amplitude = octaves(*wavelengths_mm, beta)
    offset = LATTICE * Stream(seed, f"breast {name}").uniform64(np.arange(len(pitch))[:, None], [0, 1]).reshape(-1, 4)
    octave = np.c_[1.0 / pitch, amplitude, offset[:, :3]].astype(np.float32)
    values = np.empty(len(points), np.float32)
    rows = np.concatenate([table, table[..., :3]], axis=-1)  # so that four numbers of a row always stand together
    _engine.breast_field(rows, np.ascontiguousarray(points), octave, values, thread_count(), instruction_set())
    return values


def _weights(t: float) -> npt.NDArray[np.float32]:
    s = 1.0 - t
    sixths = (s * s * s, 3.0 * t * t * (t - 2.0) + 4.0, 3.0 * s * s * (s - 2.0) + 4.0, t * t * t)
    return np.array(sixths, np.float32) / np.float32(6)


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
    for step in range(factor):
        w = _weights(step / factor)
        fine[..., step::factor] = (
            w[0] * moved + w[1] * np.roll(moved, -1, -1) + w[2] * np.roll(moved, -2, -1) + w[3] * np.roll(moved, -3, -1)
        )
    return np.ascontiguousarray(np.moveaxis(fine, -1, axis))


def tile_values(values: Field, points: Field) -> Field:
    """Trilinear values (n,) of the periodic tile at points (n, 3) in cells."""
    from physsim import _engine

    out = np.empty(len(points), np.float32)
    _engine.breast_tile(values, np.ascontiguousarray(points), out, thread_count(), instruction_set())
    return out
