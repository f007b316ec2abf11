"""Quantum and electronic noise of a detector's signal: compound Poisson, exact where quanta are few.

A quantum of class k deposits d_k and arrives as a Poisson count of its own, so a pixel's signal has the cumulants
sum n_k d_k, sum n_k d_k^2, sum n_k d_k^3 (n_k: mean counts), and noise that does not depend on the signal, such as that
of electronics, adds its variance. From these three, images are drawn at some thousand million pixels a second; where
fewer quanta are expected than FEW_QUANTA each class draws its own count instead.

Words are a function of the seed, the view and the pixel: not of threads, of the views done before, nor of instruction
sets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.randomness import checked_seed, stream_number

Images = NDArray[np.float32]
Counts = Callable[[NDArray[np.int64], NDArray[np.int64]], Images]

FEW_QUANTA = 30.0  # below, three cumulants know the distribution worse than 3e-4


def noisy_signal(
    mean: Images,
    variance: Images,
    third: Images,
    *,
    seed: int,
    stream: str = "noise",
    first_view: int = 0,
    few: tuple[Images, Counts] | None = None,
    independent_variance: float = 0.0,
    threads: int | None = None,
) -> Images:
    """Signals with noise from their cumulants: (views, rows, columns) float32 each, in the signal's unit to 1, 2, 3.

    `independent_variance`: of noise that is there without quanta (normal), added to `variance`. `first_view`: number of
    the first view in its scan. `few`: what each class of quanta deposits, (classes,), and a function that gives mean
    counts (classes, pixels) of the pixels whose view and number in it it is given; pixels with mean^2 / variance below
    FEW_QUANTA then draw a count of every class. Without it they are drawn from their cumulants too.

    Neglects: cumulants beyond the third, where quanta are many (CDF within 2.9e-4 of a Poisson count's at 30).
    Raises InvalidInput for shapes that differ, negative or missing values.
    """
    mean, variance, third = (np.ascontiguousarray(one, np.float32) for one in (mean, variance, third))
    if mean.ndim != 3 or variance.shape != mean.shape or third.shape != mean.shape:
        raise InvalidInput(
            message(
                f"mean, variance and third cumulant of shapes {mean.shape}, {variance.shape}, {third.shape}",
                "noise needs all of them in every pixel",
                "Give three arrays (views, rows, columns).",
            )
        )
    for name, array in (("mean", mean), ("variance", variance), ("third cumulant", third)):
        check_means(name, array)
    if not independent_variance >= 0.0:
        raise InvalidInput(
            message(f"independent_variance={independent_variance:g}", "a variance is not negative", "Give 0 or more.")
        )
    number, seed, count = stream_number(stream), checked_seed(seed), thread_count(threads)
    flat = [one.reshape(len(one), -1) for one in (mean, variance, third)]
    rare = None if few is None else flat[0].astype(np.float64) ** 2 < FEW_QUANTA * flat[1]
    if rare is not None and rare.any():
        flat = [np.where(rare, np.float32(0.0), one) for one in flat]
    if independent_variance > 0.0:
        flat[1] = flat[1] + np.float32(independent_variance)
    out = np.empty(flat[0].shape, np.float32)
    _engine.cumulant_noise(flat[0], flat[1], flat[2], out, seed, number, first_view, count, instruction_set())
    if few is not None and rare is not None:
        deposits, counts = np.ascontiguousarray(few[0], np.float32), few[1]
        for view in np.flatnonzero(rare.any(axis=1)):
            pixels = np.flatnonzero(rare[view])
            drawn = np.empty(len(pixels), np.float32)
            means = np.ascontiguousarray(counts(np.full(len(pixels), view), pixels), np.float32)
            check_means("mean counts", means)
            _engine.compound_noise(
                means, deposits, pixels.astype(np.int32), drawn, seed, number, first_view + int(view), count,
                instruction_set(),
            )
            out[view, pixels] += drawn
    return out.reshape(mean.shape)


def poisson_counts(
    mean: Images, *, seed: int, stream: str, first_view: int = 0, threads: int | None = None
) -> Images:
    """Poisson counts of mean (views, rows, columns), whole numbers as float32 (exact to 2^24).

    By inversion up to a mean of 64, whose distribution function is within 2e-6; beyond, rounded from three cumulants
    (within 1.5e-4). Raises InvalidInput for negative or missing means.
    """
    mean = np.ascontiguousarray(mean, np.float32)
    check_means("mean", mean)
    flat = mean.reshape(len(mean), -1)
    out = np.empty(flat.shape, np.float32)
    pixels = np.arange(flat.shape[1], dtype=np.int32)
    for view in range(len(flat)):
        _engine.compound_noise(
            flat[view : view + 1], np.ones(1, np.float32), pixels, out[view], checked_seed(seed), stream_number(stream),
            first_view + view, thread_count(threads), instruction_set(),
        )
    return out.reshape(mean.shape)


def check_means(name: str, array: Images) -> None:
    """Raises InvalidInput for negative and missing values."""
    wrong = ~(array >= 0.0)  # NaN too
    if wrong.any():
        at = tuple(int(n) for n in np.argwhere(wrong)[0])
        raise InvalidInput(
            message(
                f"{name}[{', '.join(map(str, at))}]={array[at]:g}",
                f"counts, signals and their cumulants are not negative; {int(wrong.sum())} are",
                "Mend the signal before noise is added.",
            )
        )
