"""Is the network in its domain? Its error in this image against what it was on held-out patients.

A good network still errs by 1 to 3 %, so "is r = MC - NN zero" is no test: it would reject everything as photons grow.
The null is r ~ N(0, Sigma/n + B_K) on the first K low-frequency modes: B_K is the covariance of the network's error on
held-out patients. Sigma is as large as this image's n batches say, and of the shape that held-out patients had:
Hotelling's T2 with a covariance of the batches alone wants K <= n / 5 and far larger errors to show: the noise lies in
two modes, the error in all.
T2 = a' (Sigma_K/n + B_K)^-1 a of the K amplitudes a. Its p-value is conformal: the rank of T2 among other held-out
patients at the same photon budget. Whatever law T2 has, p <= x comes with probability x at most for a patient who is
exchangeable with those (up to 1 / (patients + 1)).
Neglects: errors of the network in other modes (where these are large, the bounds of bound.py see them).
Reference: H. Hotelling, Ann. Math. Stat. 2 (1931) 360; V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a
Random World (2005), chapter 2; cosine transform: N. Ahmed, T. Natarajan, K. R. Rao, IEEE Trans. Comput. 23 (1974) 90.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Batches, Floats, checked_prior

MODES = 12  # K
GATE_LEVEL = 0.01  # of in-domain images that the gate may reject


@lru_cache(maxsize=32)
def cosine_modes(rows: int, columns: int, count: int) -> Floats:
    """(count, rows, columns) DCT-II fields of mean square 1, orthogonal, lowest frequency first.

    The frequency is counted in half periods over the image, rows and columns alike; of equal ones fewer along the rows
    come first. Raises InvalidInput for more modes than pixels.
    """
    if not 1 <= count <= rows * columns:
        raise InvalidInput(message(f"count={count}", f"an image of {rows} x {columns} has that many modes at most",
                                   "Ask for fewer modes."))
    along_rows, along_columns = (
        np.cos(np.pi * np.arange(size)[:, None] * (np.arange(size) + 0.5) / size)
        * np.where(np.arange(size) > 0, np.sqrt(2.0), 1.0)[:, None] for size in (rows, columns))  # fmt: skip
    down, across = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    first = np.lexsort((down.ravel(), (down**2 + across**2).ravel()))[:count]
    fields = along_rows[down.ravel()[first]][:, :, None] * along_columns[across.ravel()[first]][:, None, :]
    fields.flags.writeable = False
    return np.asarray(fields)


def amplitudes(images: Floats, count: int) -> Floats:
    """(..., count) amplitudes of the first cosine modes of images (..., rows, columns): sums of their squares over all
    modes are mean squares over pixels."""
    rows, columns = images.shape[-2:]
    modes = cosine_modes(rows, columns, count).reshape(count, -1)
    return np.asarray(images.reshape(*images.shape[:-2], -1) @ modes.T / (rows * columns))


def gate_distance(prior: ArrayLike, batches: Batches, error: Floats, noise: Floats, scale: float) -> float:
    """T2 of a network's image: how far it lies from Monte Carlo, in units of noise and of its own usual error.

    error: (modes, modes) B_K, relative to the mean of the truth and squared; noise: (modes, modes) covariance of the
    noise's amplitudes over its mean square, as `noise_shape` gives it for a patient; lowest frequencies first. scale:
    what stands for the mean of the truth.
    """
    mean = amplitudes((image_batches(batches).mean(axis=0) - checked_prior(prior, batches.images.shape[1:])) / scale,
                      len(error))  # fmt: skip
    return float(mean @ np.linalg.solve(noise * (batches.variance / scale**2) + error, mean))


def noise_shape(batches: Batches, count: int) -> Floats:
    """(count, count) covariance of the amplitudes of the noise, of rank n - 1, over its mean square over pixels."""
    parts = amplitudes(image_batches(batches), count)
    whole = batches.variance * batches.count
    if not whole > 0.0:
        raise InvalidInput(message("batches", "are all equal, so they have no noise", "Give independent batches."))
    return np.asarray(np.atleast_2d(np.cov(parts, rowvar=False)) / whole)


def image_batches(batches: Batches) -> Floats:
    """(n, rows, columns), or InvalidInput: modes are those of images."""
    if batches.images.ndim != 3:
        raise InvalidInput(message(f"batches of shape {batches.images.shape}", "modes are those of an image",
                                   "Give (batches, rows, columns)."))
    return batches.images


def rank_p_value(distance: float, held_out: Floats) -> float:
    """(1 + how many of held_out (patients,) are as far or farther) / (1 + patients).

    >>> rank_p_value(2.5, np.array([1.0, 2.0, 3.0]))
    0.5
    """
    return (1.0 + float(np.count_nonzero(held_out >= distance))) / (1.0 + len(held_out))


def conformal_quantile(scores: Floats, level: float) -> float:
    """What a further score exceeds with probability `level` at most, if it is exchangeable with `scores`; infinite
    where they are too few to say: the ceil((m + 1)(1 - level))-th smallest of m.

    >>> conformal_quantile(np.arange(1.0, 20.0), 0.05)
    19.0
    """
    rank = int(np.ceil((len(scores) + 1) * (1.0 - level) - 1e-9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf
