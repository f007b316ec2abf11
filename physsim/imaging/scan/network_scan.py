"""Scatter of a scan by networks, or by networks and few photons with a guarantee over all views: docs/hybrid.md.

As many views of each turn are guessed by the network on its maps as tell the others that lie between them: of arms
beside the body, whose bright rims move from place to place within 2 degrees, four times as many as without. Photons go
to fewer views, the nodes, as held-out scans had them; what they say together (surrogate/scan_verdict.py) is smooth over
the views and added to all.
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
from physsim.imaging.place_shapes import fitted_shapes, missed_structure, with_means
from physsim.imaging.scan.between_views import between, enough
from physsim.imaging.scan_cases import scan_turns
from physsim.imaging.scatter_maps import OpenField, open_field
from physsim.imaging.scattered import pixel_weights, signal_responses
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import Hybrid, Surrogate
from physsim.spec.training import FIRST_LOOK
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.ensemble import ScatterEnsemble
from physsim.surrogate.novelty import QUARTER
from physsim.surrogate.scan_verdict import Dropped, LikeHeldOut, ScanVerdict, blend_scan_like, decide_scan
from physsim.surrogate.slow_modes import ONE_TURN, slow_modes_between
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.scatter import CELL_MM, scatter_scene
from physsim.transport.scatter_optics import ScatterOptics
from physsim.transport.scatter_scan import evenly, node_places
from physsim.transport.scatter_scene import ScatterScene

Floats = NDArray[np.float64]

GUESSES_A_TURN = 192  # at most, a half or a quarter of them where little lies between
_BEND = 0.02  # of the mean: what may lie between them
NODES_A_TURN = 32  # that get photons in one turn; a scan that is judged by held-out ones has as many as they had
_SQUARE_HISTORIES = 256  # in each of a few views, for the second moment over the first
_SQUARE_VIEWS = 8
_TOGETHER = 64  # views that the network guesses in one go
_STRUCTURE = 8  # guessed views of which one is compared with an image without structure


@dataclass(frozen=True, eq=False)
class NetworkScan:
    """Scatter in every view of a scan (keV/cm2 per history).

    known: (known,) numbers of views that are known; known_images: (known, rows, columns) on the pixels of the network's
    maps; period: of views, where the scan is closed; `rows`, `columns`: what those pixels add to the detector's.
    relative_error: e_S over all views that is guaranteed, or stated of a network alone; interpolation_error: of views
    between the known ones, over the mean, by the network's own images, in it, as is that of structure within places.
    verdict: of a Hybrid. network: hash.
    square_ratio: the second moment of the signal over its first (keV).
    """

    known: NDArray[np.int64]
    known_images: Floats
    period: float | None
    rows: Floats
    columns: Floats
    relative_error: float
    interpolation_error: float
    verdict: ScanVerdict | None
    network: str
    square_ratio: float

    def grid(self, views: Sequence[int] | NDArray[np.int64]) -> Floats:
        """(views, rows, columns) scatter on the pixels of the network's maps."""
        return between(self.known, self.known_images, np.asarray(views), self.period)

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
    Hybrid in its "fast" mode does not take the network, and in the others of several turns: Monte Carlo stands for it
    (scan.py).

    Warns (MonteCarloWarning) where a tolerance was not reached.
    Neglects: as network_scattered; that a flying focal spot lights the field from two places.
    """
    ensemble = networks.ensemble
    scene = scatter_scene(phantom, protocol.spectrum, RUN, CELL_MM, threads)
    turns = scan_turns(protocol, len(geometry))
    most = 4 * round(0.25 * GUESSES_A_TURN * max(1.0, turns))
    every, period = node_places(geometry, most)
    if period is None:
        every, _ = node_places(geometry, most + 1)
    like = networks.scans if isinstance(run, Surrogate) or run.mode == "fast" else None
    wanted = NODES_A_TURN if like is None else round(like.budgets[0] / FIRST_LOOK)
    nodes = every[evenly(min(wanted, len(every)), len(every), period is not None)]
    opened = open_field(protocol, geometry[0].in_pixels(*ensemble.spec.pixels))
    asked = network_guesses(ensemble, scene, protocol, geometry[nodes], threads, opened)
    beyond = _beyond(networks.views, asked)
    scan = _Nodes(scene, protocol, geometry, nodes, period, asked, seed, threads)
    variance = None if networks.views is None or beyond else \
        networks.views.variance_of(scan.size_mm, peak_kv(protocol), scan.spread)
    verdict = None
    if isinstance(run, Hybrid):
        found = _decided(scan, run, networks, variance, beyond)
        if isinstance(found, Dropped):
            return found
        verdict, error = found, found.guarantee
        warn_of_scan(run, found, len(nodes))
    else:
        error = 1.0 if variance is None else float(np.sqrt(variance))
    known, (places, guesses), lost = enough(
        every, len(geometry), period, _BEND,
        lambda views: _guessed(ensemble, scene, protocol, geometry[views], opened, threads))
    delivered, lost = _over_all(scan, verdict, known, places, lost)
    shapes = fitted_shapes(delivered, guesses)
    fine = with_means(delivered, shapes)
    some = slice(None, None, _STRUCTURE)
    own = fitted_shapes(places[some], guesses[some])
    within = float(np.sqrt(np.mean(missed_structure(places[some], own) ** 2)))
    if isinstance(run, Hybrid):
        warn_of_detail(run, within)
    return NetworkScan(
        known, fine * scan.open_per_history, period,
        pixel_weights(fine.shape[1], geometry.rows), pixel_weights(fine.shape[2], geometry.columns),
        float(np.sqrt(error**2 + lost**2 + within**2)), lost, verdict,
        ensemble.digest if verdict is None or verdict.network else "",
        _square_ratio(scene, geometry[nodes], scan.optics, scan.prior.shape[1:], seed, threads))


def _guessed(ensemble: ScatterEnsemble, scene: ScatterScene, protocol: Protocol, views: Geometry, opened: OpenField,
             threads: int) -> tuple[Floats, Floats]:
    """The ensemble's images of views at the places, and physics' guesses on the maps' pixels."""
    places, guesses = [], []
    for start in range(0, len(views), _TOGETHER):
        some = views[start : min(start + _TOGETHER, len(views))]
        found = network_guesses(ensemble, scene, protocol, some, threads, opened)
        places += [one.places for one in found]
        guesses += [one.maps.guesses for one in found]
    return np.stack(places), np.stack(guesses)


def _over_all(scan: _Nodes, verdict: ScanVerdict | None, known: NDArray[np.int64], places: Floats, lost: float
              ) -> tuple[Floats, float]:
    """What is delivered at the places of the `known` views, where the network's images are `places`: these, and what
    photons changed in the nodes; or Monte Carlo's own between its nodes, which holds nothing of the network. And what
    is lost between views, by the network's images: `lost` of these."""
    if verdict is None:
        return places, lost
    if not verdict.network:
        told = between(scan.nodes, scan.prior, known, scan.period)
        apart = float(np.sqrt(((told - places) ** 2).mean()) / places.mean())
        return between(scan.nodes, verdict.image, known, scan.period), float(np.hypot(apart, lost))
    change = verdict.image - scan.prior
    if verdict.word == "BLENDED":
        change = np.tensordot(scan.slow_between(known), change, 1)
    else:
        change = between(scan.nodes, change, known, scan.period)
    return places + change, lost


class _Nodes:
    """A scan's node views by the networks: prior (nodes, rows, columns) at the places; and photons that judge it."""

    def __init__(self, scene: ScatterScene, protocol: Protocol, geometry: Geometry, nodes: NDArray[np.int64],
                 period: float | None, guesses: Sequence[NetworkGuess], seed: int, threads: int) -> None:
        self.prior = np.stack([one.places for one in guesses])
        self.size_mm, self.spread = (float(np.median([getattr(one, name) for one in guesses]))
                                     for name in ("size_mm", "spread"))
        self.kvp, self.nodes, self.period = peak_kv(protocol), nodes, period
        self.open_per_history = guesses[0].maps.open_per_history
        self.turns = scan_turns(protocol, len(geometry))
        self.optics = view_optics(protocol, geometry, *signal_responses(protocol.detector))
        self._photons: ScanPhotons | None = None
        self._from = (scene, geometry[nodes], self.optics[0], self.prior.shape[1:], seed, threads)

    def slow_between(self, views: NDArray[np.int64]) -> Floats:
        """(views, nodes) what images of the nodes in the slow modes are at `views`."""
        count, closed = len(self.nodes), self.period is not None
        places = np.append(self.nodes, self.nodes[0] + self.period) if self.period is not None else self.nodes
        at = np.interp(views, places, np.arange(len(places), dtype=np.float64))
        return slow_modes_between(at, count, self.turns, closed)

    def photons(self, units: float) -> Floats:
        """(nodes, batches, rows, columns) of so many histories in each."""
        if self._photons is None:
            scene, views, optics, places, seed, threads = self._from
            self._photons = ScanPhotons(scene, views, optics, (places[0], places[1]), seed, threads)
        return self._photons.batches(round(units)) / self.open_per_history


def _decided(scan: _Nodes, run: Hybrid, networks: ScanNetworks, variance: float | None, beyond: tuple[str, ...]
             ) -> ScanVerdict | Dropped:
    """Of a Hybrid: BLENDED where held-out scans allow it, else by bounds; Dropped where Monte Carlo is to be taken."""
    most = max(256.0, run.most_histories / len(scan.nodes))
    unknown = f"beyond all training: {', '.join(beyond)}" if beyond else \
        f"{scan.size_mm:g} mm at {scan.kvp:g} kV was not calibrated"
    if run.mode == "fast" and variance is None:
        return Dropped(reason=unknown)
    if run.mode == "fast" and networks.scans is not None and networks.views is not None:
        like = LikeHeldOut.of(networks.scans, size_mm=scan.size_mm, kvp=scan.kvp, spread=scan.spread,
                              turns=scan.turns)
        if like is None:
            return Dropped(reason=f"no held-out scan was like one of {scan.size_mm:g} mm at {scan.kvp:g} kV")
        return blend_scan_like(scan.photons, scan.prior, run.tolerance, like, gate_level=networks.views.gate_level,
                               periodic=scan.period is not None, network=networks.ensemble.digest, level=run.level,
                               most_units=most)
    asked = run.mode != "unbiased"
    if scan.turns > ONE_TURN:
        return Dropped(reason="no bound without held-out scans is made of several turns" if asked else
                       "Monte Carlo alone, as asked")
    return decide_scan(scan.photons, scan.prior, run.tolerance, variance if asked else None,
                       periodic=scan.period is not None, network=networks.ensemble.digest if asked else "",
                       level=run.level, most_units=most, dropped_for=unknown)


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


def _square_ratio(scene: ScatterScene, views: Geometry, optics: list[ScatterOptics], places: tuple[int, ...], seed: int,
                  threads: int) -> float:
    """Second over first moment of the scattered signal, by the same few photons of a few views."""
    few = np.unique(np.rint(np.linspace(0, len(views) - 1, _SQUARE_VIEWS)).astype(int))
    first, second = (float(ScanPhotons(scene, views[few], one, (places[0], places[1]), seed, threads)
                           .batches(_SQUARE_HISTORIES).mean()) for one in optics)
    return second / first if first > 0.0 else 0.0
