"""The fan of a beam: the angles of its rays across the tube's axis, as a bowtie's shape counts them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physsim.errors import message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box

if TYPE_CHECKING:
    from physsim.spec.protocol import Protocol

Floats = NDArray[np.float64]

_POINT: Box = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
_ROUNDING_DEG = 1e-6
_SPARE_DEG = 0.1  # what a message asks for beyond the fan


def tube_axes(pose: Geometry, cathode: str) -> tuple[Floats, Floats, Floats]:
    """Unit vectors of one view: along the central ray (through the detector's centre), from it towards the cathode, and
    across both, the way that fan angles grow: along u, or along v with the cathode at "u+" or "u-"."""
    central = pose.centre_mm[0] - pose.source_mm[0]
    central = central / np.sqrt(central[0] ** 2 + central[1] ** 2 + central[2] ** 2)
    side = (pose.u if cathode[0] == "u" else pose.v)[0] * (1.0 if cathode[1] == "+" else -1.0)
    towards = side - (side[0] * central[0] + side[1] * central[1] + side[2] * central[2]) * central
    towards = towards / np.sqrt(towards[0] ** 2 + towards[1] ** 2 + towards[2] ** 2)
    across = np.cross(central, towards)
    if float((across * (pose.v if cathode[0] == "u" else pose.u)[0]).sum()) < 0.0:
        across = -across
    return central, np.asarray(towards), across


def fan_deg(pose: Geometry, cathode: str) -> tuple[float, float]:
    """Least and greatest fan angle of rays from one view's source to its detector, to the edges of the pixels."""
    central, _, across = tube_axes(pose, cathode)
    ends = [np.linspace(-0.5, 0.5, 3) * count * size
            for count, size in zip((pose.columns, pose.rows), pose.pixel_mm, strict=True)]
    rays = pose.surface_mm(0, ends[0][None, :], ends[1][:, None]) - pose.source_mm[0]
    angles = np.degrees(np.arctan2(rays @ across, rays @ central))
    return float(angles.min()), float(angles.max())


def check_bowties(protocol: Protocol) -> None:
    """ValueError, with both ranges, where the detector reaches beyond the shape of a bowtie: nothing is known there.

    Neglects: protocols of a breast, whose poses the breast decides; beams refuse them when they are made.
    """
    beams = {"spectrum": protocol.spectrum}
    if protocol.second_beam is not None:
        beams["second_beam.spectrum"] = protocol.second_beam.spectrum
    shapes = {f"{name}.bowtie": beam.bowtie for name, beam in beams.items() if beam.bowtie is not None}
    if not shapes or protocol.cathode is None or protocol.breast is not None:
        return
    poses = _poses(protocol)
    fans = [fan_deg(poses[view], protocol.cathode) for view in range(len(poses))]
    low, high = min(fan[0] for fan in fans), max(fan[1] for fan in fans)
    for name, shape in shapes.items():
        least, most = shape.fan_range_deg
        if low < least - _ROUNDING_DEG or high > most + _ROUNDING_DEG:
            raise ValueError(message(
                f"{name} is given for {least:.4g} to {most:.4g} degrees",
                f"the fan to the detector's edges goes from {low:.4g} to {high:.4g} degrees, and nothing is known of "
                "the beam beyond the shape",
                f"Extend the bowtie's shape to {max(-low, high) + _SPARE_DEG:.1f} degrees, or narrow the fan (fewer "
                "columns)."))


def _poses(protocol: Protocol) -> Geometry:
    """Poses of a protocol as far as its fan goes: where the body is does not matter."""
    if protocol.rotation is not None:
        return protocol.rotation.views_at_the_origin(protocol.detector)[: protocol.rotation.spot_places]
    if protocol.positioning is None:
        return protocol.geometry(_POINT)
    detector = protocol.detector
    placed = Geometry.radiograph(source_detector_mm=protocol.positioning.source_detector_mm, detector_object_mm=0.0,
                                 rows=detector.rows, columns=detector.columns, pixel_mm=1.0)
    return dataclasses.replace(placed, pixel_mm=detector.pixel_mm)
