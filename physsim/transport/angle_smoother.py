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

from physsim.transport.jump_shares import jump_shares
from physsim.transport.node_spline import spline_weights
from physsim.transport.ordered import product

Floats = NDArray[np.float64]

ORDER = 3  # of the differences: parabolas are free
STIFFNESSES = (1e-6, *(4.0**power for power in range(-4, 9)))  # the first interpolates


@dataclass(frozen=True, eq=False)
class AngleFit:
    """Weights that make images of views from those of node views, and how far they can be believed.

    `smoothed` (nodes, nodes): what a node's image adds to the smoothed one of a node. `stiffness`: as chosen.
    left_out: (nodes, pixels) difference of a node's image from the fit through all the others (nan at the ends of an
    open arc, which nothing predicts); `left_out_noise` (nodes, nodes) the mean over pixels of its covariance by noise
    alone. `spans` (nodes,): the part of the scan that a node stands for; they add to 1. `shares` (nodes,): mean square
    that the fit misses there over the square of `left_out`, of jumps (jump_shares.py). `independent`: of a node's
    pixels, as many as would scatter the mean of their squares as much.
    """

    nodes: Floats
    period: float | None
    smoothed: Floats
    stiffness: float
    left_out: Floats
    left_out_noise: Floats
    spans: Floats
    shares: Floats
    independent: float

    def weights(self, places: Floats) -> Floats:
        """(places, nodes) what each node's image adds to that of a place."""
        return product(spline_weights(self.nodes, places, self.period), self.smoothed)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What a fit misses.

    squares: (nodes,) of the error around a node: squared difference of its image from that by all the others, mean over
    pixels, noise taken off (nan where nothing predicts), times the fit's share of it; `spans` as in AngleFit. scatters:
    (nodes, nodes) root of the part of two nodes in the variance of what noise adds to the mean square.
    """

    squares: Floats
    scatters: Floats
    spans: Floats

    def bias_squared(self) -> tuple[float, float]:
        """Square of the RMS interpolation error over the scan, and the standard error that noise gives it.

        A bound rather than an estimate: with a node left out the gap is twice as wide as any that is used, and what a
        fit through all nodes misses is taken as the share of it that a jump leaves. Scatter bends but does not jump:
        of a kink an interpolating fit leaves less than a third of that share, of what is smooth a tenth. Noise can make
        it negative. The standard error is that of squares of normal differences, which neighbours share.
        """
        known = np.isfinite(self.squares)
        parts = self.spans[known] / self.spans[known].sum()
        value = float((parts * self.squares[known]).sum())
        shared = parts[:, None] * parts * self.scatters[np.ix_(known, known)] ** 2
        return value, float(np.sqrt(shared.sum()))


def left_out(fit: AngleFit) -> LeftOut:
    """Of a fit."""
    root = np.sqrt(fit.shares)
    apart = (fit.left_out**2).mean(axis=1) - np.diagonal(fit.left_out_noise)
    scatters = root[:, None] * root * np.abs(fit.left_out_noise) * np.sqrt(2.0 / fit.independent)
    return LeftOut(fit.shares * apart, scatters, fit.spans)


def independent_values(apart: Floats) -> float:
    """Of images whose errors `apart` (..., n, values) make up as the deviations of n estimates from their mean: as many
    independent values of equal variance whose mean square would scatter as much, tr(C)^2 / tr(C^2) of the covariance.

    Without bias for normal estimates, by the moments of a Wishart matrix of n - 1 degrees.
    """
    degrees, values = apart.shape[-2] - 1.0, apart.shape[-1]
    gram = np.stack([product(one, np.ascontiguousarray(one.T)) for one in apart.reshape(-1, *apart.shape[-2:])])
    squares = float((gram**2).sum(axis=(1, 2)).sum())
    trace = float((np.trace(gram, axis1=1, axis2=2) ** 2).sum())
    own = (squares - trace / degrees) / (1.0 + 1.0 / degrees - 2.0 / degrees**2)
    if not own > 0.0:
        return float(values)
    return float(min(max((trace - 2.0 * own / degrees) / own, 1.0), values))


def fit_angle(
    nodes: Floats,
    period: float | None,
    images: Floats,
    variances: Floats,
    independent: float = 1.0,
    noise_to_come: float = 1.0,
) -> AngleFit:
    """`nodes`: rising places of (nodes, pixels) `images` with the known mean `variances` (nodes,) of their pixels, of
    which `independent` are. The stiffness is that for `noise_to_come` times the variances: less noise smooths less."""
    spans = _spans(nodes, period)
    best: tuple[float, float, Floats] | None = None
    for stiffness, smoothed in _smoothers(tuple(nodes.tolist()), period):
        taken = np.eye(len(nodes)) - smoothed
        off = (product(taken, images) ** 2).mean(axis=1) - product(taken**2, variances[:, None])[:, 0]
        noise = product(smoothed**2, variances[:, None])[:, 0]
        risk = float((spans * (off + noise_to_come * noise)).sum())
        if best is None or risk < best[0]:
            best = risk, stiffness, smoothed
    assert best is not None
    taken = np.eye(len(nodes)) - best[2]
    without = taken / np.diagonal(taken)[:, None]
    noise = product(without, variances[:, None] * without.T)
    apart = product(without, images)
    if period is None:
        apart[[0, -1]] = np.nan
    shares = jump_shares(nodes, period, best[2])
    return AngleFit(nodes, period, best[2], best[1], apart, noise, spans, shares, independent)


def smoother(nodes: Floats, period: float | None, stiffness: float) -> Floats:
    """(nodes, nodes) weights that smooth images of rising `nodes`."""
    return _inverse(np.eye(len(nodes)) + stiffness * _roughness(nodes, period))


@lru_cache(maxsize=8)
def _smoothers(nodes: tuple[float, ...], period: float | None) -> tuple[tuple[float, Floats], ...]:
    return tuple((one, smoother(np.array(nodes), period, one)) for one in STIFFNESSES)


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
