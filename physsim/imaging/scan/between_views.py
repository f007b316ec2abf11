"""Images of all views of a scan from those of some of them: polynomials over the angle, and what these err by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_AROUND = 6  # views that one between them follows from: a polynomial of degree 5
_FINER = 2.0  # times less is what views half as far apart err by: 2.8 where slopes jump, 1.4 where values do
_WIDEST = 4  # views of those at most wanted, of which one is taken at first


def between(known: Ints, images: Floats, views: Ints, period: float | None) -> Floats:
    """Images (views, ...) from `images` (known, ...) of the views `known`, rising; `period`: of views, where the scan
    is closed. Each follows from the few known ones around it, however many there are."""
    count = len(known)
    around = min(_AROUND, count)
    first = np.searchsorted(known, views, side="right") - (around + 1) // 2
    if period is None:
        first = np.clip(first, 0, count - around)
    at = first[:, None] + np.arange(around)
    places = known[at % count] + (0.0 if period is None else period * (at // count))
    found = np.zeros((len(views), *images.shape[1:]))
    for one in range(around):
        share = np.ones(len(views))
        for other in range(around):
            if other != one:
                share *= (views - places[:, other]) / (places[:, one] - places[:, other])
        found += share.reshape(-1, *(1,) * (images.ndim - 1)) * images[at[:, one] % count]
    return found


def bend(known: Ints, images: Floats, views: int, period: float | None) -> float:
    """What images between `known` ones err by, RMS over the mean: half of what each second one is off from what the
    others tell (a bound where values do not jump). 0 where all `views` are known."""
    if len(known) == views:
        return 0.0
    some = slice(0, len(known) - len(known) % 2 if period is not None else None, 2)
    told = slice(1, len(known) - 1 + (period is not None and len(known) % 2 == 0), 2)
    apart = between(known[some], images[some], known[told], period) - images[told]
    return float(np.sqrt((apart**2).mean()) / images.mean() / _FINER)


def enough(every: Ints, views: int, period: float | None, wanted: float,
           images_of: Callable[[Ints], tuple[Floats, ...]]) -> tuple[Ints, tuple[Floats, ...], float]:
    """Images of as few of the views `every` (4 n around a closed scan, 4 n + 1 else, or all `views`) as make `bend` at
    most `wanted`: of each fourth one, then of those between, then of all. Their numbers, what `images_of` them is (one
    or more arrays (views, ...), of which the first is looked at), and the bend."""
    step = _WIDEST if len(every) < views else 1
    known, found = every[::step], images_of(every[::step])
    while (lost := bend(known, found[0], views, period)) > wanted and step > 1:
        step //= 2
        more = every[step :: 2 * step]
        order = np.argsort(np.concatenate([known, more]))
        known = np.concatenate([known, more])[order]
        found = tuple(np.concatenate(pair)[order] for pair in zip(found, images_of(more), strict=True))
    return known, found, lost
