"""Images of a few views made images of every view: noise is averaged over the angle as far as the images allow.

Node images y with independent errors become g, which minimises |y - g|^2 + stiffness |P g|^2; P takes third differences
of neighbouring nodes, closed for a full turn. A cubic spline through g serves the views between. All of it is linear in
y, so errors are carried through exactly. The stiffness is the one of least estimated risk: residuals tell the bias once
the known noise is taken off (C. L. Mallows, Technometrics 15 (1973) 661). Where nodes stand closer together less is
smoothed. Sums run in a fixed order: the same bits on every CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.transport.node_spline import spline_weights

Floats = NDArray[np.float64]

ORDER = 3  # of the differences: parabolas are free
STIFFNESSES = (1e-6, *(4.0**power for power in range(-4, 9)))  # the first interpolates


@dataclass(frozen=True, eq=False)
class AngleFit:
    """Weights that make images of views from those of node views, and how far they can be believed.

    `smoothed` (nodes, nodes): what a node's image adds to the smoothed one of a node. `stiffness`: as chosen.
    left_out: (nodes, pixels) difference of a node's image from the fit through all the others (nan at the ends of an
    open arc, which nothing predicts); `left_out_noise` (nodes,) the mean over pixels of its variance by noise alone.
    `spans` (nodes,): the part of the scan that a node stands for; they add to 1.
    """

    nodes: Floats
    period: float | None
    smoothed: Floats
    stiffness: float
    left_out: Floats
    left_out_noise: Floats
    spans: Floats

    def weights(self, places: Floats) -> Floats:
        """(places, nodes) what each node's image adds to that of a place."""
        return product(spline_weights(self.nodes, places, self.period), self.smoothed)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What node views miss of each other, several independent fits of the same nodes (parts of one image) together.

    squares: (nodes,) squared difference of a node's image from that by all the others, mean over pixels, noise taken
    off (nan where nothing predicts); `noise` what was taken off; `spans` as in AngleFit.
    """

    squares: Floats
    noise: Floats
    spans: Floats

    def bias_squared(self) -> tuple[float, float]:
        """Square of the RMS interpolation error over the scan, and the standard error that noise gives it.

        With a node left out the gap is twice as wide as any that is used: a bound rather than an estimate. Noise can
        make it negative. A view's pixels err together: its noise counts as that of two independent ones, so that the
        square's standard error is the noise itself.
        """
        known = np.isfinite(self.squares)
        parts = self.spans[known] / self.spans[known].sum()
        value = float((parts * self.squares[known]).sum())
        return value, float(np.sqrt(((parts * self.noise[known]) ** 2).sum()))


def left_out(*fits: AngleFit) -> LeftOut:
    """Of fits to parts of the same images with independent errors: differences add, and so do variances."""
    noise = np.asarray(sum(fit.left_out_noise for fit in fits))
    apart = np.asarray(sum(fit.left_out for fit in fits))
    return LeftOut((apart**2).mean(axis=1) - noise, noise, fits[0].spans)


def fit_angle(nodes: Floats, period: float | None, images: Floats, variances: Floats) -> AngleFit:
    """`nodes`: rising places of (nodes, pixels) `images` with the known mean `variances` (nodes,) of their pixels."""
    spans = _spans(nodes, period)
    best: tuple[float, float, Floats] | None = None
    for stiffness, smoothed in _smoothers(tuple(nodes.tolist()), period):
        taken = np.eye(len(nodes)) - smoothed
        off = (product(taken, images) ** 2).mean(axis=1) - product(taken**2, variances[:, None])[:, 0]
        noise = product(smoothed**2, variances[:, None])[:, 0]
        risk = float((spans * (off + noise)).sum())
        if best is None or risk < best[0]:
            best = risk, stiffness, smoothed
    assert best is not None
    taken = np.eye(len(nodes)) - best[2]
    without = taken / np.diagonal(taken)[:, None]
    noise = product(without**2, variances[:, None])[:, 0]
    apart = product(without, images)
    if period is None:
        apart[[0, -1]] = np.nan
    return AngleFit(nodes, period, best[2], best[1], apart, noise, spans)


def product(left: Floats, right: Floats) -> Floats:
    """(i, j) x (j, ...) summed over j in order."""
    found = _engine.ordered_product(left, right.reshape(len(right), -1))
    return found.reshape(len(left), *right.shape[1:])


@lru_cache(maxsize=8)
def _smoothers(nodes: tuple[float, ...], period: float | None) -> tuple[tuple[float, Floats], ...]:
    rough = _roughness(np.array(nodes), period)
    return tuple((one, _inverse(np.eye(len(nodes)) + one * rough)) for one in STIFFNESSES)


def _roughness(nodes: Floats, period: float | None) -> Floats:
    """P'P: differences in units of the nodes' own distance, so that even nodes give 1, -3, 3, -1."""
    count = len(nodes)
    differences = np.zeros((count if period is not None else count - ORDER, count))
    for row in range(len(differences)):
        index = np.arange(row, row + ORDER + 1)
        place = nodes[index % count] + (0.0 if period is None else period) * (index // count)
        gap = (place[-1] - place[0]) / ORDER
        for j in range(ORDER + 1):
            apart = np.delete(place[j] - place, j) / gap
            differences[row, index[j] % count] += 6.0 / float(apart[0] * apart[1] * apart[2])
    return product(differences.T.copy(), differences)


def _inverse(matrix: Floats) -> Floats:
    """Of a symmetric positive matrix, by Gauss-Jordan: no pivots needed."""
    count = len(matrix)
    both = np.concatenate([matrix, np.eye(count)], axis=1)
    for i in range(count):
        both[i] = both[i] / both[i, i]
        factor = both[:, i].copy()
        factor[i] = 0.0
        both = both - factor[:, None] * both[i]
    return both[:, count:]


def _spans(nodes: Floats, period: float | None) -> Floats:
    if period is None:
        gap = np.diff(nodes)
        spans = 0.5 * (np.append(gap, 0.0) + np.append(0.0, gap))
    else:
        gap = np.diff(np.append(nodes, nodes[0] + period))
        spans = 0.5 * (gap + np.roll(gap, 1))
    return np.asarray(spans / spans.sum())
