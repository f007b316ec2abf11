"""Scatter of radiographs by a network, or by a network and few photons with a guarantee: docs/hybrid.md.

What is guessed, measured and guaranteed are means over places of the detector. What lies within a place is a mixture
of the maps' guesses, made by physics, times a smooth field that makes the places' means what was delivered. How much
that shape adds to a smooth image, or places twice as wide would miss, is stated as its error.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.place_photons import RUN, PlacePhotons, view_optics
from physsim.imaging.place_shapes import fitted_shapes, missed_structure, with_means
from physsim.imaging.scatter_maps import CHANNELS, CONDITIONS, OpenField, ScatterMaps, open_field, scatter_maps_of_views
from physsim.imaging.scattered import Scattered, on_pixels, signal_responses
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import Hybrid, Surrogate
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.ensemble import ScatterEnsemble, calibration_file, load_ensemble, scan_calibration_file, shipped
from physsim.surrogate.gate import GATE_LEVEL
from physsim.surrogate.scatter_calibration import spreads, water_mm
from physsim.surrogate.verdict import Verdict, decide
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.scatter import CELL_MM, scatter_scene
from physsim.transport.scatter_places import ScatterPlaces
from physsim.transport.scatter_scene import ScatterScene

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Networks = tuple[ScatterEnsemble, Calibration | None]  # and what held-out views say of it

FIRST_HISTORIES = 4096.0  # of the first look without calibration
_SQUARE_HISTORIES = 256  # for the second moment over the first, which noise alone hangs on: 6 % behind a grid, 2 %


@dataclass(frozen=True, eq=False)
class ScanNetworks:
    """An ensemble, and what held-out views and held-out scans say of it; None where nothing is known."""

    ensemble: ScatterEnsemble
    views: Calibration | None
    scans: Calibration | None


@dataclass(frozen=True, eq=False)
class NetworkGuess:
    """Of one view, over the open signal's mean. places: (rows, columns) the ensemble's mean; spread: e_S of the members
    about their mean; unknown: conditions beyond all training; seen_channels: of the maps, those that the ensemble has
    seen (earlier ones not the guess along strips)."""

    maps: ScatterMaps
    places: Floats
    spread: float
    unknown: tuple[str, ...] = ()
    seen_channels: int = len(CHANNELS)

    @property
    def size_mm(self) -> float:
        """About how much water half of the rays meet: what calibrations sort patients by."""
        return float(water_mm(self.maps.maps[None])[0])

    def image(self, delivered: Floats) -> tuple[Floats, float]:
        """(rows, columns) of the maps' pixels, whose means over places are `delivered` (with_means): the mixture of the
        maps' guesses that these are; and the e_S that is stated of what lies within a place (missed_structure of the
        network's own: it has no noise)."""
        shape, own = (fitted_shapes(one[None], self.maps.guesses[None]) for one in (delivered, self.places))
        return with_means(delivered[None], shape)[0], float(missed_structure(self.places[None], own)[0])


def network_scattered(phantom: Phantom, protocol: Protocol, geometry: Geometry, opened: Images, run: Surrogate | Hybrid,
                      networks: Networks, seed: int, threads: int) -> Scattered:
    """Scatter of an exposure's views, each by itself; `opened` signals (views, rows, columns) are per mAs; `networks`:
    of weights_for.

    Warns (MonteCarloWarning) where a tolerance was not reached.
    Errors are those of the places, which a verdict is about, and of the structure within them (NetworkGuess.image).
    """
    ensemble, calibration = networks
    scene = scatter_scene(phantom, protocol.spectrum, RUN, CELL_MM, threads)
    responses = signal_responses(protocol.detector)
    signal, square = np.empty_like(opened), np.empty_like(opened)
    errors, details, histories, verdicts, reached = [], [], 0, [], True
    for view in range(len(geometry)):
        one = geometry[view]
        guess = network_guess(ensemble, scene, protocol, one, threads)
        places, optics = (guess.places.shape[0], guess.places.shape[1]), view_optics(protocol, one, *responses)
        first, second = (PlacePhotons(ScatterPlaces(scene, one, seen, RUN, places, seed + view, threads),
                                      guess.maps.open_per_history) for seen in optics)
        if isinstance(run, Surrogate):
            delivered = guess.places
            errors.append(stated_error(calibration, guess, protocol))
        else:
            made = view_verdict(run, first, guess, protocol, calibration)
            delivered = made.image
            reached = reached and made.aim_reached
            errors.append(made.guarantee)
            histories += first.histories
            verdicts.append(made.record())
        per_pixel = float(opened[view].mean(dtype=np.float64))
        image, within = guess.image(delivered)
        details.append(within)
        signal[view] = on_pixels(image, opened.shape[1], opened.shape[2], per_pixel)
        square[view] = signal[view] * np.float32(_moments_ratio(first, second))
    if not reached:
        wanted = max(one.get("units_wanted", np.inf) for one in verdicts)
        warnings.warn(message(f"tolerance={getattr(run, 'tolerance', 0.0):g}", f"not reached: {max(errors):.3g}",
                              f"It takes about {wanted:.2g} histories: allow more most_histories, or ask for less."),
                      MonteCarloWarning, stacklevel=3)
    elif isinstance(run, Hybrid):
        warn_of_detail(run, max(details))
    both = np.hypot(errors, details)
    return Scattered(signal, square, tuple(both.tolist()), histories, reached, tuple(verdicts), ensemble.digest)


def warn_of_detail(run: Hybrid, detail: float) -> None:
    """MonteCarloWarning where the places of an image reach the tolerance and what lies within them may not."""
    if detail > run.tolerance:
        warnings.warn(message(f"tolerance={run.tolerance:g}", "reached by means over places; what lies within them, "
                              f"sharp behind a grid, may err by {detail:.2g} of the mean",
                              "Take MonteCarlo(relative_error=...) where that matters."), MonteCarloWarning,
                      stacklevel=4)


def network_guess(ensemble: ScatterEnsemble, scene: ScatterScene, protocol: Protocol, view: Geometry, threads: int
                  ) -> NetworkGuess:
    """Of one view, flat or curved."""
    return network_guesses(ensemble, scene, protocol, view, threads)[0]


def network_guesses(ensemble: ScatterEnsemble, scene: ScatterScene, protocol: Protocol, views: Geometry, threads: int,
                    opened: OpenField | None = None) -> list[NetworkGuess]:
    """Of views of one beam: its open field is that of the first of them, unless it is given."""
    coarse = views.in_pixels(*ensemble.spec.pixels)
    opened = open_field(protocol, coarse[0]) if opened is None else opened
    maps = scatter_maps_of_views(scene, protocol, coarse, opened, threads, ensemble.maps)
    known = len(ensemble.card["inputs"]["channels"])
    given = np.stack([one.maps[:known] for one in maps]), np.stack([one.conditions for one in maps])
    members = ensemble.scatter(*given)
    return [NetworkGuess(*parts, known) for parts in zip(maps, members.mean(axis=0), spreads(members).tolist(),
                                                         map(ensemble.unknown, given[1]), strict=True)]


def weights_for(run: Surrogate | Hybrid, protocol: Protocol) -> Networks:
    """The ensemble that a run names, or the one shipped for the protocol, and its calibration where there is one.

    Raises InvalidInput where none are shipped for the protocol and none are given, without torch, for networks of other
    maps than are made here, and where a Hybrid that needs one has no calibration.
    """
    path = _weights_file(run, protocol)
    ensemble, beside = load_ensemble(path), calibration_file(path)
    _check_inputs(path, ensemble)
    known = _calibration(beside, ensemble, "views")
    if known is None and isinstance(run, Hybrid) and run.mode != "unbiased":
        raise InvalidInput(message(f"weights {path.name}", f"no calibration lies beside them ({beside.name})",
                                   "Train with more held-out patients, or take mode='unbiased'."))
    return ensemble, known


def _check_inputs(path: Path, ensemble: ScatterEnsemble) -> None:
    """The card's maps must be the first ones of CHANNELS (later ones came later), its numbers CONDITIONS."""
    named = {name: tuple(ensemble.card["inputs"][name]) for name in ("channels", "conditions")}
    made = {"channels": CHANNELS[: len(named["channels"])], "conditions": CONDITIONS}
    for name, wanted in named.items():
        if wanted != made[name]:
            strange = [one for one, known in zip(wanted, made[name], strict=False) if one != known]
            raise InvalidInput(message(
                f"weights {path.name}", f"they see {name} that are not made here "
                f"({', '.join(map(repr, strange)) or f'{len(wanted)}, not {len(made[name])}'})",
                "Take the physsim that trained them, or train again."))


def scan_weights_for(run: Surrogate | Hybrid, protocol: Protocol) -> ScanNetworks:
    """The same for scans, with what held-out scans say."""
    ensemble, known = weights_for(run, protocol)
    return ScanNetworks(ensemble, known, _calibration(scan_calibration_file(_weights_file(run, protocol)), ensemble,
                                                      "scans"))


def _weights_file(run: Surrogate | Hybrid, protocol: Protocol) -> Path:
    path = shipped(protocol.name) if run.weights is None else Path(run.weights)
    if path is None:
        raise InvalidInput(message(f"scatter by networks of {protocol.name}", "none are shipped for it",
                                   "Give weights= of physsim train scatter, or take 'kernel' or 'montecarlo'."))
    return path


def _calibration(path: Path, ensemble: ScatterEnsemble, of: Literal["views", "scans"]) -> Calibration | None:
    return Calibration.load(path, network=ensemble.digest, of=of) if path.exists() else None


def stated_error(calibration: Calibration | None, guess: NetworkGuess, protocol: Protocol) -> float:
    """e_S that is stated of a network alone: that of held-out patients of this size and tube potential, or, where it
    was not calibrated, all of the mean: nothing is known of it."""
    variance = None if calibration is None or unknown_to(calibration, guess) else \
        calibration.variance_of(guess.size_mm, peak_kv(protocol), guess.spread)
    return 1.0 if variance is None else float(np.sqrt(variance))


def view_verdict(run: Hybrid, photons: PlacePhotons, guess: NetworkGuess, protocol: Protocol,
                 calibration: Calibration | None) -> Verdict:
    """Of one view: what `run` delivers and guarantees."""
    known = None if run.mode == "unbiased" else calibration
    return decide(photons, guess.places, run.tolerance, calibration=known, size_mm=guess.size_mm, kvp=peak_kv(protocol),
                  spread=guess.spread, unknown=() if known is None else unknown_to(known, guess), mode=run.mode,
                  level=run.level, gate_level=GATE_LEVEL if known is None else known.gate_level,
                  most_units=float(run.most_histories), first_units=FIRST_HISTORIES)


def unknown_to(calibration: Calibration, guess: NetworkGuess) -> tuple[str, ...]:
    """In what a view lies beyond all training: conditions by name, and the object where its maps are unlike any."""
    novel = calibration.unlike_any(guess.maps.maps[: guess.seen_channels], guess.maps.conditions)
    return (*guess.unknown, "the object") if novel else guess.unknown


def _moments_ratio(first: PlacePhotons, second: PlacePhotons) -> float:
    """Second over first moment of the scattered signal, from the same few photons: those of the first look, if any."""
    seen = first.kept[0] if first.kept else first(_SQUARE_HISTORIES)
    mean = float(seen.images.mean())
    return float(second(seen.units).images.mean()) / mean if mean > 0.0 else 0.0
