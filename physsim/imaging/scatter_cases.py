"""What scatter networks learn from: views of drawn patients, with the maps a network sees and scatter by Monte Carlo.

Everything about patient `number` follows from the training's spec and the number alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.drawn_cases import Draw
from physsim.imaging.place_photons import place_sums
from physsim.imaging.scatter_draws import DrawnView, drawn_patient, drawn_views
from physsim.imaging.scatter_maps import open_field, scatter_maps
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.training import HELD_OUT, ScatterTraining
from physsim.transport.scatter_places import BATCHES, ScatterPlaces

Arrays = dict[str, NDArray[Any]]

DRAWN = ("kvp", "copper_mm", "source_detector_mm", "patient_detector_mm", "field", "grid_ratio")
PERSON = ("female", "age_years", "height_cm", "weight_kg")


@dataclass(frozen=True)
class ScatterCases:
    """cases(number): arrays of one patient's views, by name.

    maps (views, channels, rows, columns), conditions (views, CONDITIONS): see ScatterMaps. scatter (views, rows,
    columns): at the places, over the open signal's mean; error: its standard error; single: its part that scattered
    once. drawn (views, DRAWN), technique (views,), person (views, PERSON). Of held-out patients also batches (views,
    looks, BATCHES, rows, columns): of independent batches after each of spec.looks histories, the same photons first;
    their scatter is by other photons, spec.truth_histories.
    """

    spec: ScatterTraining
    threads: int = 1

    def __call__(self, number: int) -> Arrays:
        """Of patient `number`: from HELD_OUT on they are held out."""
        spec, draw = self.spec, Draw(self.spec.seed, number)
        who = drawn_patient(spec, draw)
        views = [self._view(view, draw) for view in drawn_views(spec, draw, who, self.threads)]
        found = {name: np.stack([one[name] for one in views]) for name in views[0]}
        return found | {"technique": np.full(len(views), who.kind, np.int32),
                        "person": np.tile(who.person, (len(views), 1))}

    def _view(self, view: DrawnView, draw: Draw) -> Arrays:
        spec, protocol, trained = self.spec, view.protocol, draw.number < HELD_OUT
        coarse = view.geometry.in_pixels(*spec.pixels)
        seen = scatter_maps(view.scene, protocol, coarse, open_field(protocol, coarse), self.threads)

        def photons(name: str) -> ScatterPlaces:
            return place_sums(view.scene, protocol, view.geometry, view.response, spec.places,
                              draw.seed_of(f"{name} {view.name}"), self.threads)

        places = photons("photons")
        times = 1.0 if protocol.anti_scatter_grid is None else spec.grid_times
        looks = []
        if trained:
            places.grow_to(round(times * spec.histories))
        else:
            for histories in spec.looks:
                places.grow_to(histories)
                looks.append(places.batches() / seen.open_per_history)
            places = photons("truth")
            places.grow_to(round(times * spec.truth_histories))
        batches = places.batches() / seen.open_per_history
        made: Arrays = {
            "maps": seen.maps.astype(np.float16), "conditions": seen.conditions,
            "scatter": batches.mean(axis=0).astype(np.float32),
            "error": (batches.std(axis=0, ddof=1) / np.sqrt(BATCHES)).astype(np.float32),
            "single": (places.single().mean(axis=0) / seen.open_per_history).astype(np.float32),
            "drawn": drawn_numbers(protocol, view.geometry),
        }
        return made if trained else made | {"batches": np.stack(looks).astype(np.float32)}


def drawn_numbers(protocol: Protocol, view: Geometry) -> NDArray[np.float64]:
    """DRAWN of one view."""
    strips, where = protocol.anti_scatter_grid, protocol.positioning
    copper = sum(one.thickness_mm for one in protocol.spectrum.filters if one.material == "Cu")
    return np.array([peak_kv(protocol), copper, float(view.distance_mm[0]),
                     where.patient_detector_mm if where is not None else 0.0,
                     view.columns * view.pixel_mm[0], 0.0 if strips is None else strips.ratio])
