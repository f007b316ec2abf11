"""What is drawn of a patient for scatter networks: the body, its stretched copies, beams and views.

All of it follows from a seed, the patient's number and names alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from physsim.body.patient import Patient
from physsim.body.population import Population, Stratum, Uniform
from physsim.imaging.body import body_box_mm, region_voxels, voxels_of, with_heights
from physsim.imaging.drawn_cases import Draw, drawn_beam
from physsim.imaging.place_photons import RUN
from physsim.imaging.scattered import signal_responses
from physsim.phantom.phantom import Phantom
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box, Grid
from physsim.spec.protocol import Protocol
from physsim.spec.protocol_library import protocols
from physsim.spec.training import ScatterTraining, Technique
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter import CELL_MM, scatter_scene
from physsim.transport.scatter_scene import ScatterScene


@dataclass(frozen=True, eq=False)
class DrawnPatient:
    """A patient, the voxels around what the technique's protocol shows, and the technique by its place in the spec."""

    patient: Patient
    voxels: Phantom
    kind: int

    @property
    def person(self) -> list[float]:
        """Female or not, years, cm, kg."""
        who = self.patient
        return [float(who.sex == "F"), who.age_years, who.height_cm, who.weight_kg]


@dataclass(frozen=True, eq=False)
class DrawnView:
    """One view: what is in the beam, its cells, the protocol, the pose, and the detector's `response` (its signal's
    mean); `name`: of all that is drawn for it."""

    phantom: Phantom
    scene: ScatterScene
    protocol: Protocol
    geometry: Geometry
    response: ResponseTable
    name: str


def drawn_patient(spec: ScatterTraining, draw: Draw) -> DrawnPatient:
    """Patient `draw.number` of the seed `draw.seed`."""
    patient, kind = drawn_person(spec, draw)
    technique = spec.techniques[kind]
    base = _widest(protocols[technique.protocol], technique)
    voxels = voxels_of(patient, base) if base.breast is not None else \
        region_voxels(patient, base, spec.spacing_mm, vanishing="keep", shortest=min(spec.stretch[0], 1.0),
                      further_mm=technique.aim_mm[1])
    return DrawnPatient(patient, voxels, kind)


def _widest(base: Protocol, technique: Technique) -> Protocol:
    """Of the protocols that a technique draws, the one whose rays reach farthest beyond the middle of the body."""
    where = base.positioning
    if where is None:
        return base
    near, far = technique.patient_detector_mm, technique.source_detector_mm
    return base.replace(positioning=where.replace(
        patient_detector_mm=where.patient_detector_mm if near is None else near[0],
        source_detector_mm=where.source_detector_mm if far is None else far[1]))


def drawn_person(spec: ScatterTraining, draw: Draw) -> tuple[Patient, int]:
    """The same without voxels, and the place of the technique in the spec."""
    kind = draw.of([one.share for one in spec.techniques], "technique")
    base = protocols[spec.techniques[kind].protocol]
    stratum = Stratum(sex="F" if base.breast is not None else None,
                      age_years=Uniform(low=spec.age_years[0], high=spec.age_years[1]),
                      fixed=base.patient.model_dump())
    return Population(strata=(stratum,), seed=draw.seed).patient(draw.number), kind


def drawn_views(spec: ScatterTraining, draw: Draw, who: DrawnPatient, threads: int) -> Iterator[DrawnView]:
    """spec.bodies x spec.views of them."""
    technique = spec.techniques[who.kind]
    for body, (phantom, beam, scene) in enumerate(drawn_bodies(spec, draw, who, threads)):
        response, box = signal_responses(beam.detector)[0], body_box_mm(phantom)
        for view in range(spec.views):
            name = f"{body} {view}"
            protocol, geometry = drawn_view(phantom, beam, technique, draw, name, box)
            yield DrawnView(phantom, scene, protocol, geometry, response, name)


def drawn_bodies(spec: ScatterTraining, draw: Draw, who: DrawnPatient, threads: int
                 ) -> Iterator[tuple[Phantom, Protocol, ScatterScene]]:
    """spec.bodies of them: the stretched voxels, the protocol with the body's beam, and the cells."""
    technique = spec.techniques[who.kind]
    base = protocols[technique.protocol]
    for body in range(spec.bodies):
        phantom = stretched(who.voxels, tuple(draw.between(spec.stretch, f"stretch {body} {axis}") for axis in "xyz"))
        beam = drawn_beam(base, technique, draw, body)
        yield phantom, beam, scatter_scene(phantom, beam.spectrum, RUN, CELL_MM, threads)


def stretched(phantom: Phantom, factors: tuple[float, ...]) -> Phantom:
    """The same voxels and heights, longer along their axes x, y, z by `factors`, about the world's origin."""
    grid = phantom.grid
    assert grid.origin_mm is not None
    sizes = [size * factor for size, factor in zip(grid.spacing_mm, factors, strict=True)]
    axes, origin = np.array(grid.direction), np.array(grid.origin_mm)
    moved = axes.T @ (np.array(factors) * (axes @ origin))
    longer = Grid(shape=grid.shape, spacing_mm=(sizes[0], sizes[1], sizes[2]),
                  origin_mm=(float(moved[0]), float(moved[1]), float(moved[2])), direction=grid.direction)
    made = Phantom(longer, phantom.labels, phantom.materials, phantom.density, name=phantom.name)
    return with_heights(made, phantom, factors[2])


def drawn_view(phantom: Phantom, beam: Protocol, technique: Technique, draw: Draw, name: str, box: Box | None = None
               ) -> tuple[Protocol, Geometry]:
    """The protocol of one view, and its pose; `box`: body_box_mm of the phantom, if known."""
    protocol, box = beam, box or body_box_mm(phantom)
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


def drawn_strips(protocol: Protocol, technique: Technique, draw: Draw, name: str, view: Geometry
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
