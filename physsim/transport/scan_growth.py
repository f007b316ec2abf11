"""How the node views of a scatter scan grow: photons until errors are small and known, views where scatter bends."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from physsim.spec.scatter import MonteCarlo
from physsim.transport.angle_smoother import AngleFit, fit_angle, left_out
from physsim.transport.ordered import product
from physsim.transport.pre_set_counts import least_growth
from physsim.transport.scan_nodes import NodeImages, NodeViews

Floats = NDArray[np.float64]

FEW_NODES = 24  # of fewer node views all know multiple scatter too
_MOST_LOOKS = 60
_MOST_ROUNDS = 8  # of more node views
_TRUSTED = 4.0  # times: variances that fall by more make a fit of their own
_TOLD = 0.5  # of the error asked for: one standard error of interpolation_error at most


def grown(
    nodes: NodeViews, run: MonteCarlo, views: int, period: float | None, began: float
) -> tuple[list[AngleFit], NodeImages, float, bool]:
    """Looks after pre-set numbers of photons until the aim is reached; fits, their nodes, e_S and whether it was."""
    rounds, every = 0, np.arange(views, dtype=np.float64)
    for look in range(_MOST_LOOKS):
        found = nodes.images()
        mean, noise = nodes.noise()
        fits = _fits(nodes, found, period)
        if not mean > 0.0:
            return fits, found, np.inf, False
        left = _left(nodes, found, fits, every)
        error, aim = float(np.sqrt(left.sum())) / mean, run.relative_error
        coming = fits
        if aim is not None and error > aim:  # with less noise fits smooth less and bend less: those say what to do
            coming = _fits(nodes, found, period, (aim / error) ** 2)
            left = _left(nodes, found, coming, every)
        kept = left / np.maximum(noise, 1e-300)  # what smoothing leaves: until the aim is near, looks need no new fit
        bias, spread = bent(coming)
        spreads = _spreads(coming) / np.maximum(noise, 1e-300)
        if aim is None:
            if run.histories is not None or time.monotonic() - began > (run.seconds or 0.0):
                return fits, found, error, True
            nodes.grow(kept)
            continue
        known = error <= aim and spread <= (_TOLD * aim * mean) ** 2
        spent = run.most_histories is not None and nodes.photons() >= run.most_histories
        too_few = bias > (aim * mean) ** 2 + 2.0 * spread
        clear = spread <= (aim * mean) ** 2  # beyond doubt early: what is added then grows with the others
        if too_few and clear and rounds < _MOST_ROUNDS and not spent:
            rounds += 1
            if any(more := _between(coming, views, (aim * mean) ** 2)):
                nodes.add(*more)
                continue
        if known or spent or look + 1 == _MOST_LOOKS:
            # what e_S allows is known best at the end: only then is it asked whether the nodes of a view do
            coarse = found.multiple_error**2 > (0.5 * aim) ** 2 + 2.0 * found.multiple_noise**2
            if coarse and not spent and nodes.refine_multiple():
                continue
            return fits, found, error, error <= aim and not coarse and not too_few
        begun, trusted = False, noise / _TRUSTED  # once at least: the fit says that it does not do
        while not spent:
            over = float((kept * noise).sum()) / (aim * mean) ** 2  # variances over those asked for
            told = spreads * noise
            untold = float(np.sqrt((told**2).sum())) / (_TOLD * aim * mean) ** 2
            if begun and (max(over, untold) <= 1.0 or (noise < trusted).any()):
                break
            # the variance of e_S falls by a part's own, that of interpolation_error by its square
            shares = kept if over > untold else told**2 / np.maximum(noise, 1e-300)
            nodes.grow(shares, least_growth(max(over, untold)))
            mean, noise = nodes.noise()
            spent = run.most_histories is not None and nodes.photons() >= run.most_histories
            begun = True
    raise AssertionError("unreachable")


def slow_views(views: list[int], open_arc: bool) -> list[int]:
    """Every other of many node views, and the last one of an open arc."""
    if len(views) < FEW_NODES:
        return views
    return views[::2] + ([views[-1]] if open_arc and len(views) % 2 == 0 else [])


def _left(nodes: NodeViews, found: NodeImages, fits: list[AngleFit], every: Floats) -> Floats:
    """(2,) mean variances of a view's place by the noise of single and of multiple scatter."""
    means = [
        product(fit.weights(every) ** 2, part[np.argsort(known)].mean(axis=(1, 2))[:, None]).mean()
        for fit, part, known in zip(fits, found.variances, (nodes.views, nodes.multiple_views), strict=True)
    ]
    return np.array(means)


def _fits(nodes: NodeViews, found: NodeImages, period: float | None, noise_to_come: float = 1.0) -> list[AngleFit]:
    """Of single and of multiple scatter: the latter bends less over the angle and is averaged over more of it."""
    fits = []
    for part, known in enumerate((nodes.views, nodes.multiple_views)):
        order = np.argsort(known)
        places, images = np.array(known, dtype=np.float64)[order], found.images[part][order]
        variances = found.variances[part][order].mean(axis=(1, 2))
        fits.append(
            fit_angle(places, period, images.reshape(len(order), -1), variances, found.independent[part], noise_to_come)
        )
    return fits


def bent(fits: list[AngleFit]) -> tuple[float, float]:
    """Square of the interpolation error and its standard error: of both kinds of scatter together."""
    parts = [left_out(fit).bias_squared() for fit in fits]
    return sum(square for square, _ in parts), float(np.sqrt(sum(spread**2 for _, spread in parts)))


def _spreads(fits: list[AngleFit]) -> Floats:
    """(2,) standard errors of the squared interpolation errors of single and of multiple scatter."""
    return np.array([left_out(fit).bias_squared()[1] for fit in fits])


def _between(fits: list[AngleFit], views: int, allowed: float) -> list[list[int]]:
    """New node views of single and of multiple scatter, of the one that errs more: beside those that their neighbours
    predict worst, until what is left alone is allowed."""
    missed = [left_out(fit) for fit in fits]
    part = int(np.argmax([one.bias_squared()[0] for one in missed]))
    fit = fits[part]
    squares = np.nan_to_num(missed[part].squares, nan=-np.inf)
    worst = np.argsort(-squares, kind="stable")
    parts = np.maximum(squares, 0.0) * fit.spans
    left = float(parts.sum()) - np.cumsum(parts[worst])
    chosen = worst[: 1 + int(np.searchsorted(-left, -allowed))]
    count, found = len(fit.nodes), set()
    for node in chosen.tolist():
        for low, high in ((node - 1, node), (node, node + 1)):
            if fit.period is None and (low < 0 or high >= count):
                continue
            start, end = fit.nodes[low % count], fit.nodes[high % count]
            middle = int((start + 0.5 * ((end - start) % views)) % views)
            if float(middle) not in fit.nodes:
                found.add(middle)
    return [sorted(found), []] if part == 0 else [[], sorted(found)]
