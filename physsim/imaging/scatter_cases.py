"""What scatter networks learn from: views of drawn patients, with the maps a network sees and scatter by Monte Carlo.

Everything about patient `number` follows from the training's spec and the number alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.body.population import Population, Stratum, Uniform
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.body import body_box_mm, region_of, voxels_of
from physsim.imaging.scatter_maps import open_field, scatter_maps
from physsim.imaging.scattered import signal_responses
from physsim.phantom.phantom import Phantom
from physsim.randomness import Stream
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.spec.protocol import Protocol
from physsim.spec.protocol_library import protocols
from physsim.spec.scatter import MonteCarlo
from physsim.spec.spectrum import Filter
from physsim.spec.training import HELD_OUT, Range, ScatterTraining, Technique
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter import CELL_MM, scatter_scene
from physsim.transport.scatter_optics import optics_of
from physsim.transport.scatter_places import BATCHES, ScatterPlaces
from physsim.transport.scatter_scene import ScatterScene

Arrays = dict[str, NDArray[Any]]

TRUTH_TIMES = 4.0  # behind a grid grid_times as many again
DRAWN = ("kvp", "copper_mm", "source_detector_mm", "patient_detector_mm", "field", "grid_ratio")
PERSON = ("female", "age_years", "height_cm", "weight_kg")


@dataclass(frozen=True)
class ScatterCases:
    """cases(number): arrays of one patient's views, by name.

    maps (views, channels, rows, columns), conditions (views, CONDITIONS): see ScatterMaps. scatter (views, rows,
    columns): at the places, over the open signal's mean; error: its standard error; single: its part that scattered
    once. drawn (views, DRAWN), technique
    (views,), person (views, PERSON). Of held-out patients also batches (views, looks, BATCHES, rows, columns): of
    independent batches after each of spec.looks histories, the same photons first; their scatter is by other photons,
    TRUTH_TIMES as many as the last look's.
    """

    spec: ScatterTraining
    threads: int = 1

    def __call__(self, number: int) -> Arrays:
        """Of patient `number`: from HELD_OUT on they are held out."""
        spec = self.spec
        draw = _Draw(spec.seed, number)
        kind = draw.of([one.share for one in spec.techniques], "technique")
        technique = spec.techniques[kind]
        base = protocols[technique.protocol]
        stratum = Stratum(sex="F" if base.breast is not None else None,
                          age_years=Uniform(low=spec.age_years[0], high=spec.age_years[1]),
                          fixed=base.patient.model_dump())
        patient = Population(strata=(stratum,), seed=spec.seed).patient(number)
        whole = voxels_of(patient, base) if base.breast is not None else \
            patient.phantom(spec.spacing_mm, region_of(base), vanishing="keep")
        views = []
        for body in range(spec.bodies):
            phantom = stretched(whole, tuple(draw.between(spec.stretch, f"stretch {body} {axis}") for axis in "xyz"))
            beam = drawn_beam(base, technique, draw, body)
            scene = scatter_scene(phantom, beam.spectrum, _RUN, CELL_MM, self.threads)
            response = signal_responses(beam.detector)[0]
            for view in range(spec.views):
                views.append(self._view(phantom, scene, response, beam, technique, draw, f"{body} {view}", number))
        found = {name: np.stack([one[name] for one in views]) for name in views[0]}
        person = [float(patient.sex == "F"), patient.age_years, patient.height_cm, patient.weight_kg]
        return found | {"technique": np.full(len(views), kind, np.int32), "person": np.tile(person, (len(views), 1))}

    def _view(self, phantom: Phantom, scene: ScatterScene, response: ResponseTable, beam: Protocol,
              technique: Technique, draw: _Draw, name: str, number: int) -> Arrays:
        spec = self.spec
        protocol, geometry = drawn_view(phantom, beam, technique, draw, name)
        coarse = geometry.in_pixels(*spec.pixels)
        opened = open_field(protocol, coarse)
        seen = scatter_maps(scene, protocol, coarse, opened, self.threads)
        optics = optics_of(geometry, protocol.spectrum, protocol.cathode, protocol.focal_spot_mm,
                           protocol.anti_scatter_grid, response)
        places = ScatterPlaces(scene, geometry, optics, _RUN, spec.places, draw.seed(f"photons {name}"), self.threads)
        times = 1.0 if protocol.anti_scatter_grid is None else spec.grid_times
        trained = number < HELD_OUT
        looks = []
        if trained:
            places.grow_to(round(times * spec.histories))
        else:
            for histories in spec.looks:
                places.grow_to(histories)
                looks.append(places.batches() / seen.open_per_history)
            places = ScatterPlaces(scene, geometry, optics, _RUN, spec.places, draw.seed(f"truth {name}"), self.threads)
            places.grow_to(round(times * TRUTH_TIMES * spec.held_out_histories))
        batches = places.batches() / seen.open_per_history
        strips = protocol.anti_scatter_grid
        where = protocol.positioning
        drawn = [peak_kv(protocol), _copper(protocol),
                 float(geometry.distance_mm[0]), where.patient_detector_mm if where is not None else 0.0,
                 geometry.columns * geometry.pixel_mm[0], 0.0 if strips is None else strips.ratio]
        made: Arrays = {
            "maps": seen.maps.astype(np.float16), "conditions": seen.conditions,
            "scatter": batches.mean(axis=0).astype(np.float32),
            "error": (batches.std(axis=0, ddof=1) / np.sqrt(BATCHES)).astype(np.float32),
            "single": (places.single().mean(axis=0) / seen.open_per_history).astype(np.float32),
            "drawn": np.array(drawn),
        }
        return made if trained else made | {"batches": np.stack(looks).astype(np.float32)}


_RUN = MonteCarlo(histories=1)  # its physics; how many photons is the spec's


class _Draw:
    """Numbers by name, each a function of the training's seed, the patient and the name alone."""

    def __init__(self, seed: int, number: int) -> None:
        self._seed, self._number = seed, number

    def uniform(self, name: str) -> float:
        """In (0, 1)."""
        return float(Stream(self._seed, f"scatter cases {name}").uniform64([self._number])[0, 0])

    def between(self, ends: Range, name: str) -> float:
        """Evenly."""
        return ends[0] + (ends[1] - ends[0]) * self.uniform(name)

    def of(self, shares: list[float], name: str) -> int:
        """A number below len(shares), as often as its share says."""
        whole = np.cumsum(shares) / sum(shares)
        return int(np.searchsorted(whole[:-1], self.uniform(name), side="right"))

    def seed(self, name: str) -> int:
        """Of 64 bits."""
        return Stream(self._seed, f"scatter cases {name}").seed_for(self._number)


def stretched(phantom: Phantom, factors: tuple[float, ...]) -> Phantom:
    """The same voxels, longer along their axes x, y, z by `factors`, about the world's origin."""
    grid = phantom.grid
    assert grid.origin_mm is not None
    sizes = [size * factor for size, factor in zip(grid.spacing_mm, factors, strict=True)]
    axes, origin = np.array(grid.direction), np.array(grid.origin_mm)
    moved = axes.T @ (np.array(factors) * (axes @ origin))
    longer = Grid(shape=grid.shape, spacing_mm=(sizes[0], sizes[1], sizes[2]),
                  origin_mm=(float(moved[0]), float(moved[1]), float(moved[2])), direction=grid.direction)
    return Phantom(longer, phantom.labels, phantom.materials, phantom.density, name=phantom.name)


def drawn_beam(base: Protocol, technique: Technique, draw: _Draw, body: int) -> Protocol:
    """The protocol with the beam of one body's views."""
    spectrum = base.spectrum
    if technique.kvp is not None:
        spectrum = spectrum.replace(kvp=round(draw.between(technique.kvp, f"kvp {body}")))
    if technique.copper_mm is not None:
        thickness = round(draw.between(technique.copper_mm, f"copper {body}"), 3)
        others = tuple(one for one in spectrum.filters if one.material != "Cu")
        spectrum = spectrum.replace(filters=(*others, Filter(material="Cu", thickness_mm=max(thickness, 1e-3))))
    return base.replace(spectrum=spectrum, mas=1.0, exposure_control=None)


def drawn_view(phantom: Phantom, beam: Protocol, technique: Technique, draw: _Draw, name: str
               ) -> tuple[Protocol, Geometry]:
    """The protocol of one view, and its pose."""
    protocol, box = beam, body_box_mm(phantom)
    share = draw.between(technique.field, f"field {name}")
    detector = beam.detector
    if share < 1.0:
        protocol = protocol.replace(detector=detector.replace(rows=max(2, round(share * detector.rows)),
                                                              columns=max(2, round(share * detector.columns))))
    where = protocol.positioning
    if where is None:
        views = protocol.geometry(box, phantom.grid)
        view = views[min(int(draw.uniform(f"view {name}") * len(views)), len(views) - 1)]
        return protocol.replace(anti_scatter_grid=drawn_strips(protocol, technique, draw, name, view)), view
    changes: dict[str, Any] = {}
    for field in ("source_detector_mm", "patient_detector_mm"):
        ends = getattr(technique, field)
        if ends is not None:
            changes[field] = round(draw.between(ends, f"{field} {name}"), 1)
    where = where.replace(**changes)
    straight = where.geometry(protocol.detector, box)
    aside = sum((2.0 * draw.uniform(f"aim {axis} {name}") - 1.0) * most * getattr(straight, axis)[0]
                for axis, most in zip("uv", technique.aim_mm, strict=True))
    aim = 0.5 * (np.array(box[0]) + np.array(box[1])) + aside
    where = where.replace(aim_mm=(float(aim[0]), float(aim[1]), float(aim[2])))
    protocol = protocol.replace(positioning=where)
    view = protocol.geometry(box, phantom.grid)
    return protocol.replace(anti_scatter_grid=drawn_strips(protocol, technique, draw, name, view)), view


def drawn_strips(protocol: Protocol, technique: Technique, draw: _Draw, name: str, view: Geometry
                 ) -> AntiScatterGrid | None:
    """The protocol's grid of a drawn ratio, or none; focused on the source of the view."""
    strips = protocol.anti_scatter_grid
    if technique.grid_ratios:
        ratio = technique.grid_ratios[draw.of([1.0] * len(technique.grid_ratios), f"grid {name}")]
        strips = None if ratio == 0.0 or strips is None else strips.replace(ratio=ratio)
    if strips is None or strips.focal_distance_mm is None:
        return strips
    to_strips = strips.gap_mm + 0.5 * strips.height_mm
    return strips.replace(focal_distance_mm=float(view.distance_mm[0]) - to_strips)


def _copper(protocol: Protocol) -> float:
    return sum(one.thickness_mm for one in protocol.spectrum.filters if one.material == "Cu")
