"""The numbers of points and histories that runs by error are looked at after: which one is next."""

from __future__ import annotations

_FAR = ((6.0, 2.0), (1.5, 1.25))  # times the variance asked for: beyond, photons grow by so much, as looks cost too


def next_count(count: int, first: int, least: float = 1.0) -> int:
    """The next of first x (1, 1.5, 2, 3, 4, 4.5, 5, ..., 8, 8.5, ...): halves, eighths, then sixteenths of powers of 2;
    the first that is `least` times `count`.

    Far from an aim a look would cost more than it saves, near it less than what is made past it.
    """
    step = first
    while True:
        for parts in range(16, 32, 8 if step < 4 * first else 2 if step < 8 * first else 1):
            found = parts * step // 16
            if found > count and found >= least * count:
                return found
        step *= 2


def least_growth(over: float) -> float:
    """Of points or histories where the variance is `over` times that asked for: so many times as many at least."""
    return next((step for far, step in _FAR if over > far), 1.0)
