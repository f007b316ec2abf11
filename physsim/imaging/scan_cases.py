"""What calibrates scatter networks for scans: whole scans of drawn patients, with few photons and with their truth.

Everything about patient `number` follows from the training's spec and the number alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.body import body_box_mm
from physsim.imaging.drawn_cases import Draw
from physsim.imaging.place_photons import ScanPhotons, view_optics
from physsim.imaging.scatter_draws import DrawnPatient, drawn_bodies, drawn_patient, drawn_strips
from physsim.imaging.scatter_maps import open_field, scatter_maps_of_views
from physsim.imaging.scattered import signal_responses
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.protocol_library import protocols
from physsim.spec.training import ScatterTraining
from physsim.transport.scatter_scan import node_places
from physsim.transport.scatter_scene import ScatterScene

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ScanCases:
    """cases(number): arrays of one patient's scans, one of each body, by name.

    maps (scans, views, channels, rows, columns), conditions (scans, views, CONDITIONS): see ScatterMaps. batches
    (scans, looks, views, BATCHES, rows, columns): at the places, over the open signal's mean, after each of
    spec.scan_looks histories in each view, the same photons first; truth (scans, views, BATCHES, rows, columns):
    batches of others; views: spec.scan_nodes of each scan, evenly over all its turns. kvp (scans,); turns (scans,): of
    the scanner; periodic (scans,): whether the views close one.
    """

    spec: ScatterTraining

    def __call__(self, number: int) -> Arrays:
        """Of patient `number`."""
        draw = Draw(self.spec.seed, number)
        for one in self.spec.techniques:
            if protocols[one.protocol].rotation is None:
                raise InvalidInput(message(f"held_out_scans={self.spec.held_out_scans}", f"{one.protocol} is no scan",
                                           "Leave held_out_scans out."))
        who = drawn_patient(self.spec, draw)
        scans = list(self._scans(who, draw))
        return {name: np.stack([one[name] for one in scans]) for name in scans[0]}

    def _scans(self, who: DrawnPatient, draw: Draw) -> Iterator[Arrays]:
        technique = self.spec.techniques[who.kind]
        for body, (phantom, beam, scene) in enumerate(drawn_bodies(self.spec, draw, who, 1)):
            views = beam.geometry(body_box_mm(phantom), phantom.grid)
            strips = drawn_strips(beam, technique, draw, f"scan {body}", views[0])
            yield self._scan(scene, beam.replace(anti_scatter_grid=strips), views, draw, f"{body}")

    def _scan(self, scene: ScatterScene, protocol: Protocol, views: Geometry, draw: Draw, name: str) -> Arrays:
        spec = self.spec
        nodes, period = node_places(views, spec.scan_nodes)
        coarse = views[nodes].in_pixels(*spec.pixels)
        opened = open_field(protocol, coarse[0])
        seen = scatter_maps_of_views(scene, protocol, coarse, opened, 1)
        optics = view_optics(protocol, views, signal_responses(protocol.detector)[0])[0]
        per_history = opened.open_per_history

        def photons(kind: str) -> ScanPhotons:
            return ScanPhotons(scene, views[nodes], optics, spec.places, draw.seed_of(f"scan {kind} {name}"), 1)

        few, many = photons("photons"), photons("truth")
        looks = [few.batches(histories) / per_history for histories in spec.scan_looks]
        times = 1.0 if protocol.anti_scatter_grid is None else spec.grid_times
        return {"maps": np.stack([one.maps for one in seen]).astype(np.float16),
                "conditions": np.stack([one.conditions for one in seen]),
                "batches": np.stack(looks).astype(np.float32),
                "truth": (many.batches(round(times * spec.scan_truth_histories)) / per_history).astype(np.float32),
                "kvp": np.array(peak_kv(protocol)), "turns": np.array(scan_turns(protocol, len(views))),
                "periodic": np.array(period is not None)}


def scan_turns(protocol: Protocol, views: int) -> float:
    """Turns of the scanner that so many views are."""
    assert protocol.rotation is not None
    return views / protocol.rotation.views
