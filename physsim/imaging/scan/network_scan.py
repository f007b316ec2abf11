"""Scatter of a scan by networks, or by networks and few photons with a guarantee over all views: docs/hybrid.md.

Node views, evenly over the scan, are guessed by the network on its maps, corrected by what their photons say together
(surrogate/scan_verdict.py), and all other views are a spline between them over the angle.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.network_scatter import NetworkGuess, ScanNetworks, network_guesses, warn_of_detail
from physsim.imaging.place_photons import RUN, ScanPhotons, view_optics
from physsim.imaging.scan_cases import scan_nodes, scan_turns
from physsim.imaging.scattered import pixel_weights, signal_responses
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import Hybrid, Surrogate
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.novelty import QUARTER
from physsim.surrogate.scan_verdict import Dropped, LikeHeldOut, ScanVerdict, blend_scan_like, decide_scan
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.node_spline import spline_weights
from physsim.transport.ordered import product
from physsim.transport.scatter import CELL_MM, scatter_scene
from physsim.transport.scatter_optics import ScatterOptics
from physsim.transport.scatter_scan import node_places
from physsim.transport.scatter_scene import ScatterScene

Floats = NDArray[np.float64]

NODES_A_TURN = 32
_SQUARE_HISTORIES = 256  # in each of a few views, for the second moment over the first
_SQUARE_VIEWS = 8
_FINER = 2.0**1.5  # times: a spline errs so much less than one of nodes twice as far apart where slopes jump


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


def network_scan(phantom: Phantom, protocol: Protocol, geometry: Geometry, run: Surrogate | Hybrid,
                 networks: ScanNetworks, seed: int, threads: int) -> NetworkScan | Dropped:
    """Scatter of a scan of a protocol whose detector integrates; `networks`: of scan_weights_for. Dropped where a
    Hybrid in its "fast" mode does not take the network: Monte Carlo stands for it (scan.py).

    Warns (MonteCarloWarning) where a tolerance was not reached.
    Neglects: as network_scattered; that a flying focal spot lights the field from two places.
    """
    ensemble = networks.ensemble
    scene = scatter_scene(phantom, protocol.spectrum, RUN, CELL_MM, threads)
    known, period = node_places(geometry, scan_nodes(NODES_A_TURN, protocol, len(geometry)))
    guesses = network_guesses(ensemble, scene, protocol, geometry[known], threads)
    beyond = _beyond(networks.views, guesses)
    scan = _Guessed(scene, protocol, geometry, known, period is not None, guesses, seed, threads)
    variance = None if networks.views is None or beyond else \
        networks.views.variance_of(scan.size_mm, peak_kv(protocol), scan.spread)
    verdict = None
    if isinstance(run, Hybrid):
        found = _decided(scan, run, networks, variance, beyond)
        if isinstance(found, Dropped):
            return found
        verdict, error = found, found.guarantee
        warn_of_scan(run, found, len(known))
    else:
        error = 1.0 if variance is None else float(np.sqrt(variance))
    bend = _spline_error(scan.prior, known, period) / _FINER
    delivered = scan.prior if verdict is None else verdict.image
    made = [guess.image(view) for guess, view in zip(guesses, delivered, strict=True)]
    fine, within = np.stack([image for image, _ in made]), float(np.sqrt(np.mean([part**2 for _, part in made])))
    if isinstance(run, Hybrid):
        warn_of_detail(run, within)
    every = np.arange(len(geometry), dtype=np.float64)
    return NetworkScan(
        known, fine * scan.open_per_history, spline_weights(known.astype(np.float64), every, period),
        pixel_weights(fine.shape[1], geometry.rows), pixel_weights(fine.shape[2], geometry.columns),
        float(np.sqrt(error**2 + bend**2 + within**2)), bend, verdict,
        ensemble.digest if verdict is None or verdict.network else "",
        _square_ratio(scene, geometry[known], scan.optics, scan.prior.shape[1:], seed, threads))


class _Guessed:
    """A scan's node views by the networks: prior (nodes, rows, columns) at the places; and photons that judge it."""

    def __init__(self, scene: ScatterScene, protocol: Protocol, geometry: Geometry, known: NDArray[np.int64],
                 periodic: bool, guesses: Sequence[NetworkGuess], seed: int, threads: int) -> None:
        self.prior = np.stack([one.places for one in guesses])
        self.size_mm, self.spread = (float(np.median([getattr(one, name) for one in guesses]))
                                     for name in ("size_mm", "spread"))
        self.kvp, self.periodic, self.nodes = peak_kv(protocol), periodic, len(known)
        self.open_per_history = guesses[0].maps.open_per_history
        self.turns = scan_turns(protocol, len(geometry))
        self.optics = view_optics(protocol, geometry, *signal_responses(protocol.detector))
        self._photons: ScanPhotons | None = None
        self._from = (scene, geometry[known], self.optics[0], self.prior.shape[1:], seed, threads)

    def photons(self, units: float) -> Floats:
        """(nodes, batches, rows, columns) of so many histories in each."""
        if self._photons is None:
            scene, views, optics, places, seed, threads = self._from
            self._photons = ScanPhotons(scene, views, optics, (places[0], places[1]), seed, threads)
        return self._photons.batches(round(units)) / self.open_per_history


def _decided(scan: _Guessed, run: Hybrid, networks: ScanNetworks, variance: float | None, beyond: tuple[str, ...]
             ) -> ScanVerdict | Dropped:
    """Of a Hybrid: BLENDED where held-out scans allow it, else by bounds; Dropped where Monte Carlo is to be taken."""
    most = max(256.0, run.most_histories / scan.nodes)
    unknown = f"beyond all training: {', '.join(beyond)}" if beyond else \
        f"{scan.size_mm:g} mm at {scan.kvp:g} kV was not calibrated"
    if run.mode == "fast" and variance is None:
        return Dropped(reason=unknown)
    if run.mode == "fast" and networks.scans is not None and networks.views is not None:
        like = LikeHeldOut.of(networks.scans, size_mm=scan.size_mm, kvp=scan.kvp, spread=scan.spread,
                              nodes=scan.nodes / max(1.0, scan.turns), turns=scan.turns)
        if like is None:
            return Dropped(reason=f"no held-out scan was like one of {scan.size_mm:g} mm at {scan.kvp:g} kV")
        return blend_scan_like(scan.photons, scan.prior, run.tolerance, like, gate_level=networks.views.gate_level,
                               periodic=scan.periodic, network=networks.ensemble.digest, level=run.level,
                               most_units=most)
    asked = run.mode != "unbiased"
    return decide_scan(scan.photons, scan.prior, run.tolerance, variance if asked else None, periodic=scan.periodic,
                       network=networks.ensemble.digest if asked else "", level=run.level, most_units=most,
                       dropped_for=unknown)


def warn_of_scan(run: Hybrid, verdict: ScanVerdict, views: int) -> None:
    """MonteCarloWarning where the tolerance was not reached."""
    if not verdict.aim_reached:
        warnings.warn(message(
            f"tolerance={run.tolerance:g}", f"not reached: {verdict.guarantee:.3g}",
            f"It takes about {verdict.units_wanted:.2g} histories in each of {views} views: allow more "
            "most_histories, or ask for less."), MonteCarloWarning, stacklevel=4)


def _beyond(calibration: Calibration | None, guesses: Sequence[NetworkGuess]) -> tuple[str, ...]:
    """In what a scan lies beyond all training: conditions of a quarter of its views or more, and the object where so
    many are new."""
    counts = Counter(name for one in guesses for name in one.unknown)
    names = tuple(name for name, count in counts.items() if count * QUARTER >= len(guesses))
    novel = calibration is not None and calibration.unlike_any_scan(
        (one.maps.maps[: one.seen_channels], one.maps.conditions) for one in guesses)
    return (*names, "the object") if novel else names


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
    first, second = (float(ScanPhotons(scene, views[few], one, (places[0], places[1]), seed, threads)
                           .batches(_SQUARE_HISTORIES).mean()) for one in optics)
    return second / first if first > 0.0 else 0.0
