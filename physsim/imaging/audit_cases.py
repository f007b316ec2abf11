"""What an audit looks at: views of patients that no training has seen, and of the zoo, each with its truth.

Those of scans are single views, drawn as in training: what is said of a whole scan rests on all its views together.

The truth is Monte Carlo by other photons, so many that its noise moves an error as large as the smallest guarantee
judged by TRUTH_RATIO of it: what that does to coverage is then known well enough to be taken off (judged_coverage).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput
from physsim.imaging.audit_zoo import GROUP, kind_of, kinds_of, member_draw, other_region, zoo_patient, zoo_view
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.body import region_voxels
from physsim.imaging.drawn_cases import Draw
from physsim.imaging.network_scatter import NetworkGuess, Networks, network_guess, view_verdict, weights_for
from physsim.imaging.place_photons import PlacePhotons, place_sums
from physsim.imaging.scatter_cases import DRAWN, drawn_numbers
from physsim.imaging.scatter_draws import DrawnPatient, DrawnView, drawn_patient, drawn_views
from physsim.imaging.scatter_maps import open_field
from physsim.phantom.phantom import Phantom
from physsim.randomness import Stream
from physsim.spec.protocol_library import protocols
from physsim.spec.scatter import Hybrid
from physsim.spec.training import AUDITED, ZOO, ScatterTraining
from physsim.surrogate.audit import FIGURES, IN_DOMAIN, MODES, REFUSED, WORDS
from physsim.surrogate.batches import Batches
from physsim.surrogate.blend import effective_freedom
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.judged_coverage import along, truth_noise
from physsim.surrogate.verdict import Verdict

Arrays = dict[str, NDArray[Any]]
BODIES, VIEWS = 2, 8  # of a patient
_SHOWN = 2  # the map that is kept as a picture: transmission
_FEWEST, _MOST_TRUTH = 4096.0, 2.0**24  # histories


@dataclass(frozen=True)
class AuditCases:
    """cases(number): arrays (views, ...) of one patient's views (from AUDITED on), or of a group of the zoo (from ZOO).

    `run`: the hybrid audited; its mode is not looked at, for views are decided in all MODES (the zoo's in the first
    alone) with the same photons. `cases`, `members`: of the whole audit. Arrays: truth, network, and the images of
    MODES[:2] (rows, columns) at the places over the open signal; truth_error, its standard error; seen, transmission
    on the maps' pixels; figures (FIGURES,); drawn, person, technique as of ScatterCases; kind, of the zoo, or
    IN_DOMAIN; case, the SHA-256 of what the network saw, the protocol and the pose.
    """

    spec: ScatterTraining
    run: Hybrid
    seed: int
    cases: int
    members: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of all patients and groups."""
        return (*range(AUDITED, AUDITED + -(-self.cases // (BODIES * VIEWS))),
                *range(ZOO, ZOO + -(-self.members // GROUP)))

    @property
    def own_seed(self) -> int:
        """Of all draws: another one than any training's."""
        return Stream(self.spec.seed, "audit").seed_for(self.seed) >> 1

    def __call__(self, number: int) -> Arrays:
        """Of one patient, or of one group of the zoo."""
        made = self._group(number - ZOO) if number >= ZOO else self._patient(number)
        return {name: np.stack([one[name] for one in made]) for name in made[0]}

    def _patient(self, number: int) -> list[Arrays]:
        spec = self.spec.replace(bodies=BODIES, views=VIEWS)
        draw = Draw(self.own_seed, number)
        who = drawn_patient(spec, draw)
        left = self.cases - (number - AUDITED) * BODIES * VIEWS
        return [self._view(view, who, draw, IN_DOMAIN) for view in islice(drawn_views(spec, draw, who, 1), left)]

    def _group(self, group: int) -> list[Arrays]:
        who = zoo_patient(self.spec, self.own_seed, group)
        made: list[Arrays] = []
        for member in range(group * GROUP, min((group + 1) * GROUP, self.members)):
            kind = kinds_of(self.spec).index(kind_of(self.spec, member))
            try:
                view = zoo_view(self.spec, self.own_seed, member, who, lambda: self._other(who), 1)
            except InvalidInput:  # no such exposure can be taken
                made.append(self._refused(who, kind))
            else:
                made.append(self._view(view, who, member_draw(self.own_seed, member), kind))
        return made

    def _other(self, who: DrawnPatient) -> Phantom:
        return _other_part(who, self.spec.techniques[who.kind].protocol, other_region(self.spec), self.spec.spacing_mm)

    def _view(self, view: DrawnView, who: DrawnPatient, draw: Draw, kind: int) -> Arrays:
        networks = _networks(self.run, self.spec.techniques[0].protocol)
        open_field(view.protocol, view.geometry.in_pixels(*self.spec.pixels))  # makes the tables that both ways share
        began = time.process_time()
        guess = network_guess(networks[0], view.scene, view.protocol, view.geometry, 1)
        spent = time.process_time() - began
        photons = self._photons(view, guess, draw, "photons")
        found = {}
        for mode in MODES[: 1 if kind != IN_DOMAIN else None]:
            try:
                found[mode] = _decided(self.run.replace(mode=mode), photons, guess, view, networks[1])
            except InvalidInput:  # nothing scatters here: simulate refuses this image
                return self._refused(who, kind)
        began = time.process_time()
        truth = self._truth(view, guess, draw, photons, found)
        seconds = {"guess_seconds": spent, "truth_seconds": time.process_time() - began}
        figures = _figures(found, photons, guess, view, networks[1], truth) | seconds
        return self._arrays(found, guess, view, truth, figures) | self._person(who, kind)

    def _photons(self, view: DrawnView, guess: NetworkGuess, draw: Draw, name: str) -> PlacePhotons:
        return PlacePhotons(place_sums(view.scene, view.protocol, view.geometry, view.response, self.spec.places,
                                       draw.seed_of(f"{name} {view.name}"), 1), guess.maps.open_per_history)

    def _truth(self, view: DrawnView, guess: NetworkGuess, draw: Draw, photons: PlacePhotons,
               found: dict[str, tuple[Verdict, float]]) -> Batches:
        """Precise enough for the smallest of the guarantees that will be judged."""
        last = photons.kept[-1]
        judged = min(made.guarantee for mode, (made, _) in found.items() if mode in MODES[:2])
        noise = truth_noise(judged, effective_freedom(last)) * float(last.mean.mean())
        wanted = last.units * last.variance / noise**2
        return self._photons(view, guess, draw, "truth")(float(np.clip(wanted, _FEWEST, _MOST_TRUTH)))

    def _arrays(self, found: dict[str, tuple[Verdict, float]], guess: NetworkGuess, view: DrawnView, truth: Batches,
                figures: dict[str, float]) -> Arrays:
        error = truth.images.std(axis=0, ddof=1) / np.sqrt(truth.count)
        images = {mode: found[mode][0].image if mode in found else np.zeros(self.spec.places) for mode in MODES[:2]}
        told = hashlib.sha256(view.protocol.to_json().encode())
        for array in (guess.maps.maps, guess.maps.conditions, view.geometry.source_mm, view.geometry.centre_mm):
            told.update(np.ascontiguousarray(array).data)
        layers = {"truth": truth.mean, "truth_error": error, "network": guess.places, **images}
        return {**{name: np.asarray(image, np.float32) for name, image in layers.items()},
                "seen": guess.maps.maps[_SHOWN].astype(np.float16),
                "figures": np.array([figures.get(name, np.nan) for name in FIGURES]),
                "drawn": drawn_numbers(view.protocol, view.geometry),
                "case": np.frombuffer(told.digest(), np.uint8)}

    def _refused(self, who: DrawnPatient, kind: int) -> Arrays:
        """Of a view that nobody delivers."""
        blank = np.zeros(self.spec.places, np.float32)
        figures = np.array([REFUSED if name.endswith("word") else np.nan for name in FIGURES])
        made: Arrays = {name: blank for name in ("truth", "truth_error", "network", *MODES[:2])}
        made |= {"seen": np.zeros(self.spec.pixels, np.float16), "figures": figures, "drawn": np.zeros(len(DRAWN)),
                 "case": np.zeros(32, np.uint8)}
        return made | self._person(who, kind)

    def _person(self, who: DrawnPatient, kind: int) -> Arrays:
        return {"person": np.array(who.person), "technique": np.array(who.kind, np.int32),
                "kind": np.array(kind, np.int32)}


def _decided(run: Hybrid, photons: PlacePhotons, guess: NetworkGuess, view: DrawnView, calibration: Calibration | None
             ) -> tuple[Verdict, float]:
    """The verdict, and CPU seconds: of its photons, wherever they were first asked for, and of deciding."""
    began, before = time.process_time(), photons.spent_seconds
    made = view_verdict(run, photons, guess, view.protocol, calibration)
    deciding = time.process_time() - began - (photons.spent_seconds - before)
    return made, deciding + photons.cpu_seconds[made.units]


def _figures(found: dict[str, tuple[Verdict, float]], photons: PlacePhotons, guess: NetworkGuess, view: DrawnView,
             calibration: Calibration | None, truth: Batches) -> dict[str, float]:
    last = photons.kept[-1]
    place = None if calibration is None else calibration.bin_of(guess.size_mm, peak_kv(view.protocol))
    fast = next(one for one in photons.kept if one.units == found[MODES[0]][0].units)
    figures = {"size_mm": guess.size_mm, "in_range": float(place is not None),
               "size_bin": -1.0 if place is None else place[0], "kvp_bin": -1.0 if place is None else place[1],
               "noise_of_a_unit": last.variance * last.units, "truth_units": truth.units,
               "truth_freedom": effective_freedom(truth),
               "same_photons_square": float(np.mean((fast.mean - truth.mean) ** 2))}
    for mode, (made, seconds) in found.items():
        told = {"word": WORDS.index(made.word), "guarantee": made.guarantee, "bound": made.bound,
                "p_value": np.nan if made.p_value is None else made.p_value, "weight": made.weight,
                "units": made.units, "reached": made.aim_reached, "seconds": seconds,
                "along": along(made.image, truth)}
        figures |= {f"{mode}_{name}": float(value) for name, value in told.items()}
    return figures


@lru_cache(maxsize=1)
def _networks(run: Hybrid, protocol: str) -> Networks:
    """Read once a process."""
    return weights_for(run, protocols[protocol])


@lru_cache(maxsize=1)
def _other_part(who: DrawnPatient, protocol: str, region: str, spacing_mm: float) -> Phantom:
    """Of a group's patient: made once."""
    return region_voxels(who.patient, protocols[protocol], spacing_mm, vanishing="keep", region=region)
