"""The zoo of an audit: views from outside of what a family's networks were trained on, each a function of its number.

A member's kind says what is done to a body of the family's own, to a simple object, to the beam or to the pose. Bodies
are shared by GROUP members, for they take longest; each member has its own size, beam and pose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from physsim.imaging import zoo_phantoms
from physsim.imaging.body import body_box_mm, region_of
from physsim.imaging.breast_body import breast_voxels
from physsim.imaging.drawn_cases import Draw, drawn_beam
from physsim.imaging.place_photons import RUN
from physsim.imaging.scatter_draws import DrawnPatient, DrawnView, drawn_patient, drawn_person, drawn_view, stretched
from physsim.imaging.scattered import signal_responses
from physsim.phantom.phantom import Phantom
from physsim.spec.detector_library import detectors
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box
from physsim.spec.protocol import BEAMS, Protocol
from physsim.spec.protocol_library import protocols
from physsim.spec.spectrum import Filter
from physsim.spec.training import ZOO, ScatterTraining, Technique
from physsim.transport.scatter import CELL_MM, scatter_scene

GROUP = 32  # members that share a patient
_MEMBERS = 2 * ZOO  # number of the first member's draws
_BREAST_MM = 1.0  # voxels of the zoo's breasts
_LEAST_KVP, _MOST_KVP = 20.0, 150.0

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class _Taken:
    """A view before its photons."""

    protocol: Protocol
    geometry: Geometry
    box: Box


@dataclass(frozen=True)
class Kind:
    """What is unusual. source: the "patient"'s body, the same on a "table", an "other" part of it or a simple "object";
    body: its voxels changed; technique: other ranges; beam, taken: what follows them, changed. positioned: not where a
    breast is compressed; still: not where a scan sees the body from all sides; focused: only where grids have a focus.
    """

    name: str
    body: Callable[[Phantom, Draw], Phantom] | None = None
    source: str = "patient"
    technique: Callable[[Technique], Technique] | None = None
    beam: Callable[[Protocol, Draw], Protocol] | None = None
    taken: Callable[[_Taken, Draw], _Taken] | None = None
    positioned: bool = False
    still: bool = False
    focused: bool = False


def kinds_of(spec: ScatterTraining) -> tuple[Kind, ...]:
    """Those that apply to a family."""
    bases = [protocols[one.protocol] for one in spec.techniques]
    breast, scan = (any(getattr(one, name) is not None for one in bases) for name in ("breast", "rotation"))
    focus = any(strips is not None and strips.focal_distance_mm is not None
                for strips in (one.anti_scatter_grid for one in bases))
    return tuple(one for one in KINDS if not ((one.positioned and breast) or (one.still and scan)
                                              or (one.focused and not focus)))


def kind_of(spec: ScatterTraining, member: int) -> Kind:
    """Of a member by its number: kinds take turns."""
    known = kinds_of(spec)
    return known[member % len(known)]


def zoo_sha256(spec: ScatterTraining, seed: int, members: int) -> str:
    """What fixes a zoo: kinds by member, the seed and the training's spec."""
    names = [one.name for one in islice(cycle(kinds_of(spec)), members)]
    return hashlib.sha256(json.dumps([spec.data_json(), seed, GROUP, names]).encode()).hexdigest()


def member_draw(seed: int, member: int) -> Draw:
    """Of all that is drawn for one member."""
    return Draw(seed, _MEMBERS + member)


def zoo_patient(spec: ScatterTraining, seed: int, group: int) -> DrawnPatient:
    """Whose body the members of a group share; breasts in voxels of 1 mm."""
    draw = Draw(seed, ZOO + group)
    patient, kind = drawn_person(spec, draw)
    placed = protocols[spec.techniques[kind].protocol].breast
    if placed is None:
        return drawn_patient(spec, draw)
    return DrawnPatient(patient, breast_voxels(patient, placed, _BREAST_MM), kind)


def zoo_view(spec: ScatterTraining, seed: int, member: int, who: DrawnPatient, other: Callable[[], Phantom],
             threads: int) -> DrawnView:
    """One member; other(): another part of the patient's body, for those who ask for it."""
    draw, kind = member_draw(seed, member), kind_of(spec, member)
    technique = spec.techniques[who.kind]
    base = protocols[technique.protocol]
    technique = technique if kind.technique is None else kind.technique(technique)
    beam = drawn_beam(base, technique, draw, 0)
    beam = beam if kind.beam is None else kind.beam(beam, draw)
    along, end = beam_axis(base)
    if kind.source == "object":
        side = 0.8 * beam.detector.columns * beam.detector.pixel_mm[0]
        if beam.rotation is not None:  # at the axis
            side *= beam.rotation.source_axis_mm / beam.rotation.source_detector_mm
        phantom = zoo_phantoms.simple_object(draw, side, 0.5 * (beam.spectrum.kvp or 60.0), along)
    else:
        own = other() if kind.source == "other" else who.voxels
        phantom = stretched(own, tuple(draw.between(spec.stretch, f"stretch {axis}") for axis in "xyz"))
    if kind.source == "table":
        phantom = zoo_phantoms.on_table(phantom, draw, along, end)
    elif kind.body is not None:
        phantom = kind.body(phantom, draw)
    protocol, geometry = drawn_view(phantom, beam, technique, draw, "zoo")
    taken = _Taken(protocol, geometry, body_box_mm(phantom))
    taken = taken if kind.taken is None else kind.taken(taken, draw)
    scene = scatter_scene(phantom, taken.protocol.spectrum, RUN, CELL_MM, threads)
    return DrawnView(phantom, scene, taken.protocol, taken.geometry, signal_responses(taken.protocol.detector)[0],
                     "zoo")


def other_region(spec: ScatterTraining) -> str:
    """Of a body, that no training has seen: for those who stand before the wrong detector."""
    seen = {region_of(protocols[one.protocol]) for one in spec.techniques}
    return next(one for one in ("chest", "abdomen", "pelvis", "head") if one not in seen)


def beam_axis(base: Protocol) -> tuple[int, int]:
    """The voxel axis along the beam, and at which of its ends (-1, 1) the detector is; of a scan that to the table."""
    if base.rotation is not None:
        return 1, 1
    if base.positioning is None:
        return 2, -1
    beam = np.array(BEAMS[base.positioning.view])
    axis = int(np.argmax(abs(beam)))
    return axis, int(np.sign(beam[axis]))


def _softer(one: Technique) -> Technique:
    low = (one.kvp or (100.0, 100.0))[0]
    return one.replace(kvp=(max(0.55 * low, _LEAST_KVP), 0.9 * low))


def _harder(one: Technique) -> Technique:
    high = (one.kvp or (100.0, 100.0))[1]
    return one.replace(kvp=(min(1.06 * high, _MOST_KVP), min(1.45 * high, _MOST_KVP)))


def _filtered(beam: Protocol, draw: Draw) -> Protocol:
    """0.4 to 2 mm of copper more; half a millimetre of aluminium to 3 before a breast."""
    soft = (beam.spectrum.kvp or 0.0) < 50.0
    more = Filter(material="Al", thickness_mm=draw.between((0.5, 3.0), "zoo filter")) if soft else \
        Filter(material="Cu", thickness_mm=draw.between((0.4, 2.0), "zoo filter"))
    kept = tuple(one for one in beam.spectrum.filters if one.material != more.material)
    return beam.replace(spectrum=beam.spectrum.replace(filters=(*kept, more)))


def _other_detector(beam: Protocol, draw: Draw) -> Protocol:
    """A smaller or larger detector of another absorber: a C-arm's, a cassette of selenium."""
    soft = (beam.spectrum.kvp or 0.0) < 50.0
    absorber = detectors["csi_radiography" if soft else "hologic_selenia_dimensions"].absorber
    size = draw.between((0.4, 1.15), "zoo detector")
    pixel = beam.detector.pixel_mm
    return beam.replace(detector=beam.detector.replace(absorber=absorber, pixel_mm=(size * pixel[0], size * pixel[1])))


def _moved(taken: _Taken, source: Vector, detector: Vector) -> _Taken:
    """Source and detector elsewhere; the grid's strips look at the source again."""
    geometry = replace(taken.geometry, source_mm=taken.geometry.source_mm + source,
                       centre_mm=taken.geometry.centre_mm + detector)
    strips, far = taken.protocol.anti_scatter_grid, float(geometry.distance_mm[0])
    if strips is not None and strips.focal_distance_mm is not None:
        strips = strips.replace(focal_distance_mm=far - strips.gap_mm - 0.5 * strips.height_mm)
    return replace(taken, geometry=geometry, protocol=taken.protocol.replace(anti_scatter_grid=strips))


def _gapped(taken: _Taken, draw: Draw) -> _Taken:
    """The detector a ninth to a third of the source's distance farther away."""
    far = draw.between((0.11, 0.33), "zoo gap") * float(taken.geometry.distance_mm[0])
    return _moved(taken, np.zeros(3), far * taken.geometry.normal[0])


def _nearer(taken: _Taken, draw: Draw) -> _Taken:
    """The source a fifth to two fifths nearer, but not into the body."""
    far = float(taken.geometry.distance_mm[0])
    room = _before(taken) - 50.0
    step = min(draw.between((0.2, 0.4), "zoo near") * far, max(room, 0.0))
    return _moved(taken, step * taken.geometry.normal[0], np.zeros(3))


def _aside(taken: _Taken, draw: Draw) -> _Taken:
    """Source and detector beside the body's middle by 0.2 to 0.45 of the detector's side."""
    return _shifted(taken, draw, lambda reach, half: draw.between((0.4, 0.9), "zoo aside") * half)


def _empty(taken: _Taken, draw: Draw) -> _Taken:
    """Only the body's edge, or nothing, is in the beam."""
    return _shifted(taken, draw, lambda reach, half: reach + draw.between((0.7, 1.0), "zoo aside") * half)


def _shifted(taken: _Taken, draw: Draw, far: Callable[[float, float], float]) -> _Taken:
    """Along the detector's rows or columns by far(half of the body, half of the field at the body)."""
    view = taken.geometry
    side = draw.of([1.0] * 4, "zoo side")
    axis = (view.u, view.v)[side // 2][0]
    half = 0.5 * (view.columns * view.pixel_mm[0], view.rows * view.pixel_mm[1])[side // 2]
    low, high = np.array(taken.box[0]), np.array(taken.box[1])
    reach = 0.5 * float((high - low) @ abs(axis))
    shift = (1.0 - 2.0 * (side % 2)) * far(reach, half) * axis
    return _moved(taken, shift, shift)


def _before(taken: _Taken) -> float:
    """mm from the source to the body's nearest corner, along the beam."""
    low, high = np.array(taken.box[0]), np.array(taken.box[1])
    normal = taken.geometry.normal[0]
    nearest = np.where(normal > 0.0, low, high)
    return float((nearest - taken.geometry.source_mm[0]) @ normal)


def _defocused(taken: _Taken, draw: Draw) -> _Taken:
    """A grid whose strips look at a source 0.5 to 0.75 as far away: the field's sides are cut off."""
    strips = taken.protocol.anti_scatter_grid or protocols[taken.protocol.name].anti_scatter_grid
    if strips is None or strips.focal_distance_mm is None:
        return taken
    share = draw.between((0.5, 0.75), "zoo focus")
    wrong = strips.replace(focal_distance_mm=share * float(taken.geometry.distance_mm[0]))
    return replace(taken, protocol=taken.protocol.replace(anti_scatter_grid=wrong))


KINDS = (
    Kind("small body", body=zoo_phantoms.small),
    Kind("large body", body=zoo_phantoms.large, positioned=True),
    Kind("turned body", body=zoo_phantoms.turned, positioned=True, still=True),
    Kind("other part of the body", source="other", positioned=True),
    Kind("metal rods", body=zoo_phantoms.with_rods),
    Kind("metal plate", body=zoo_phantoms.with_plate),
    Kind("contrast agent", body=zoo_phantoms.with_contrast),
    Kind("cavity", body=zoo_phantoms.with_cavity),
    Kind("fluid", body=zoo_phantoms.with_fluid),
    Kind("white lungs", body=zoo_phantoms.with_white_lungs, positioned=True),
    Kind("table", source="table"),
    Kind("simple object", source="object"),
    Kind("simple object, other detector", source="object", beam=_other_detector),
    Kind("simple object, air gap", source="object", taken=_gapped),
    Kind("kVp too low", technique=_softer),
    Kind("kVp too high", technique=_harder),
    Kind("thick filter", beam=_filtered),
    Kind("off-centre", taken=_aside),
    Kind("empty field", taken=_empty),
    Kind("air gap", taken=_gapped),
    Kind("source too near", taken=_nearer),
    Kind("collimated", technique=lambda one: one.replace(field=(0.1, 0.4))),
    Kind("other detector", beam=_other_detector),
    Kind("other grid", technique=lambda one: one.replace(grid_ratios=(4.0, 20.0))),
    Kind("grid out of focus", taken=_defocused, focused=True),
)
