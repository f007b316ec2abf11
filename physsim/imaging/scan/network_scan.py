"""Scatter of a scan by networks, or by networks and few photons with a guarantee over all views: docs/hybrid.md.

Node views, evenly over the scan, are guessed by the network on its maps, corrected by what their photons say together
(surrogate/scan_verdict.py), and all other views are a spline between them over the angle.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.network_scatter import Networks, network_guesses, warn_of_detail
from physsim.imaging.place_photons import RUN, view_optics
from physsim.imaging.scattered import pixel_weights, signal_responses
from physsim.phantom.phantom import Phantom
from physsim.randomness import Stream
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import Hybrid, Surrogate
from physsim.surrogate.scan_verdict import ScanVerdict, decide_scan
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.node_spline import spline_weights
from physsim.transport.ordered import product
from physsim.transport.scatter import CELL_MM, scatter_scene
from physsim.transport.scatter_optics import ScatterOptics
from physsim.transport.scatter_places import ScatterPlaces
from physsim.transport.scatter_scan import node_places
from physsim.transport.scatter_scene import ScatterScene

Floats = NDArray[np.float64]

NODES_A_TURN = 48
_SQUARE_HISTORIES = 256  # in each of a few views, for the second moment over the first
_SQUARE_VIEWS = 8
_FINER = 10.0  # times: a spline errs so much less, at least, than one of nodes twice as far apart (jump_shares.py)


@dataclass(frozen=True, eq=False)
class NetworkScan:
    """Scatter in every view of a scan (keV/cm2 per history).

    node_views: (nodes,) numbers of the views that were guessed; `nodes` (nodes, rows, columns) on the pixels of the
    network's maps; `angles` (views, nodes), `rows`, `columns`: what they add to a view and to the detector's pixels.
    relative_error: e_S over all views that is guaranteed, or stated of a network alone; interpolation_error: of the
    spline over the angle, over the mean, by the network's own images, in it, as is that of structure within places.
    verdict: of a Hybrid. network: hash.
    square_ratio: the second moment of the signal over its first (keV).
    """

    node_views: NDArray[np.int64]
    nodes: Floats
    angles: Floats
    rows: Floats
    columns: Floats
    relative_error: float
    interpolation_error: float
    verdict: ScanVerdict | None
    network: str
    square_ratio: float

    def grid(self, views: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(views, rows, columns) scatter on the pixels of the network's maps."""
        return product(self.angles[np.asarray(views)], self.nodes)

    def images(self, views: Sequence[int] | NDArray[np.int64], _threads: int | None = None) -> NDArray[np.float32]:
        """(views, rows, columns) scatter on the detector's own pixels.

        Plain splines: those of logarithms (scatter_scan) swing where few photons leave places near 0.
        """
        coarse = self.grid(views).astype(np.float32)
        rows, columns = (one.astype(np.float32) for one in (self.rows, self.columns))
        return np.asarray(np.maximum(np.matmul(np.matmul(rows, coarse), columns.T), np.float32(0.0)))


def network_scan(phantom: Phantom, protocol: Protocol, geometry: Geometry, run: Surrogate | Hybrid, networks: Networks,
                 seed: int, threads: int) -> NetworkScan:
    """Scatter of a scan of a protocol whose detector integrates; `networks`: of weights_for.

    Warns (MonteCarloWarning) where a tolerance was not reached.
    Neglects: as network_scattered; that a flying focal spot lights the field from two places.
    """
    ensemble, calibration = networks
    assert protocol.rotation is not None
    scene = scatter_scene(phantom, protocol.spectrum, RUN, CELL_MM, threads)
    turns = max(1.0, len(geometry) / protocol.rotation.views)
    known, period = node_places(geometry, round(NODES_A_TURN * turns))
    guesses = network_guesses(ensemble, scene, protocol, geometry[known], threads)
    prior = np.stack([one.places for one in guesses])
    size, spread = (float(np.median([getattr(one, name) for one in guesses])) for name in ("size_mm", "spread"))
    variance = None if calibration is None or any(one.unknown for one in guesses) else \
        calibration.variance_of(size, peak_kv(protocol), spread)
    optics = view_optics(protocol, geometry, *signal_responses(protocol.detector))
    bend = _spline_error(prior, known, period) / _FINER
    verdict = None
    if isinstance(run, Hybrid):
        photons = _Photons(scene, geometry[known], optics[0], (prior.shape[1], prior.shape[2]), seed, threads)
        opened = guesses[0].maps.open_per_history
        verdict = decide_scan(
            lambda units: photons.batches(round(units)) / opened, prior, run.tolerance,
            None if run.mode == "unbiased" else variance, periodic=period is not None,
            network="" if run.mode == "unbiased" else ensemble.digest, level=run.level,
            most_units=max(256.0, run.most_histories / len(known)))
        error = verdict.bound
        if not verdict.aim_reached:
            warnings.warn(message(
                f"tolerance={run.tolerance:g}", f"not reached: {error:.3g}",
                f"It takes about {verdict.units_wanted:.2g} histories in each of {len(known)} views: allow more "
                "most_histories, or ask for less."), MonteCarloWarning, stacklevel=3)
    else:
        error = 1.0 if variance is None else float(np.sqrt(variance))
    delivered = prior if verdict is None else verdict.image
    with_network = verdict is None or bool(verdict.network)
    made = [guess.image(view) for guess, view in zip(guesses, delivered, strict=True)]
    fine, within = np.stack([image for image, _ in made]), float(np.sqrt(np.mean([part**2 for _, part in made])))
    if isinstance(run, Hybrid):
        warn_of_detail(run, within)
    every = np.arange(len(geometry), dtype=np.float64)
    return NetworkScan(
        known, fine * guesses[0].maps.open_per_history, spline_weights(known.astype(np.float64), every, period),
        pixel_weights(fine.shape[1], geometry.rows), pixel_weights(fine.shape[2], geometry.columns),
        float(np.sqrt(error**2 + bend**2 + within**2)), bend, verdict, ensemble.digest if with_network else "",
        _square_ratio(scene, geometry[known], optics, prior.shape[1:], seed, threads))


class _Photons:
    """Batches of all node views, which grow together; views side by side, one thread each."""

    def __init__(self, scene: ScatterScene, views: Geometry, optics: ScatterOptics, places: tuple[int, int], seed: int,
                 threads: int) -> None:
        optics.source_fields(views[0], scene)  # the field's spectra, made once for all
        photons = Stream(seed, "photons of a scan's views")
        self._threads = threads
        self._views = self._each(
            lambda view: ScatterPlaces(scene, views[view], optics, RUN, places, photons.seed_for(view), 1),
            range(len(views)))

    def batches(self, histories: int) -> Floats:
        """(views, batches, rows, columns) of so many histories in each view."""
        self._each(lambda one: one.grow_to(histories), self._views)
        return np.stack([one.batches() for one in self._views])

    def _each(self, work: Any, items: Any) -> list[Any]:
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(work, items))


def _spline_error(images: Floats, known: NDArray[np.int64], period: float | None) -> float:
    """Of every second view by a spline through the others, RMS over the mean."""
    some = known[::2].astype(np.float64)
    if period is not None and len(known) % 2:
        some = some[:-1]
    between = known[1 : 2 * len(some) - (period is None) : 2]
    told = product(spline_weights(some, between.astype(np.float64), period), images[: 2 * len(some) : 2])
    return float(np.sqrt(((told - images[1 : 2 * len(between) : 2]) ** 2).mean()) / images.mean())


def _square_ratio(scene: ScatterScene, views: Geometry, optics: list[ScatterOptics], places: tuple[int, ...], seed: int,
                  threads: int) -> float:
    """Second over first moment of the scattered signal, by the same few photons of a few views."""
    few = np.unique(np.rint(np.linspace(0, len(views) - 1, _SQUARE_VIEWS)).astype(int))
    first, second = (float(_Photons(scene, views[few], one, (places[0], places[1]), seed, threads)
                           .batches(_SQUARE_HISTORIES).mean()) for one in optics)
    return second / first if first > 0.0 else 0.0
