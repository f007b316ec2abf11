"""What a scan's rays measure of its volume: how axial turns are placed, and voxels of which data are incomplete.

A voxel is measured when it lies in the circle that the fan sees from all sides, and between the outermost rays of every
view of the turn that stands nearest to it (a helix is complete over its whole range, or refused). What is not holds
PADDING_HU, and no guess.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.body import body_box_mm
from physsim.imaging.reconstruction.orbit import line_weights, orbit_of
from physsim.imaging.scan.flying import still_sets
from physsim.phantom.phantom import Phantom
from physsim.spec.grid import Box, Grid
from physsim.spec.protocol import Protocol

_POINT: Box = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
PADDING_HU = -8192.0  # no CT number is as low: that of water is 0, of vacuum -1000
_NEAR_MM = 1e-3


class UnmeasuredVoxelsWarning(UserWarning):
    """Part of the volume that a user asks for lies where the scan's data are incomplete."""


def placed(protocol: Protocol, phantom: Phantom) -> Protocol:
    """The protocol of a scan, its axis at the middle of the rotation's `organs`, and the range of so many `stops` given
    by what they measure whole. As it is where neither is asked for; phantoms without such organs have the middle of
    the body's box instead."""
    rotation, wanted = protocol.rotation, protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    box = body_box_mm(phantom)
    about = organs_box_mm(phantom, rotation.organs) if rotation.organs else None
    x, y, z = (0.5 * (a + b) for a, b in zip(*(about or box), strict=True))
    aim, heights = rotation.aim_mm or (None if about is None else (x, y)), rotation.range_mm
    if heights is None and rotation.stops is not None and rotation.pitch is None:
        half = 0.5 * rotation.stops * rotation.whole_mm(protocol.detector, wanted.field_mm)
        heights = max(z - half, box[0][2]), min(z + half, box[1][2])
    fixed = rotation.replace(organs=(), aim_mm=aim, range_mm=heights)
    return protocol if fixed == rotation else protocol.replace(rotation=fixed)


def organs_box_mm(phantom: Phantom, words: tuple[str, ...]) -> Box | None:
    """Low and high corner (world mm) of the middles of all voxels of organs in whose names one of `words` is; None
    where there are none."""
    truth, labels = phantom.truth, phantom.truth.organ_labels
    numbers = [n for n, name in enumerate(truth.names()) if any(word in name for word in words)]
    if labels is None or not numbers:
        return None
    theirs = np.zeros(int(max(numbers[-1], labels.max())) + 1, np.bool_)
    theirs[numbers] = True
    filled = [np.zeros(n, np.bool_) for n in labels.shape]
    for k, plane in enumerate(labels):
        found = theirs[plane]
        filled[0][k] = found.any()
        filled[1] |= found.any(axis=1)
        filled[2] |= found.any(axis=0)
    if not filled[0].any():
        return None
    ends = [np.flatnonzero(axis)[[0, -1]] for axis in reversed(filled)]
    corners = np.array([[x, y, z, 1.0] for x in ends[0] for y in ends[1] for z in ends[2]])
    world = (corners @ phantom.grid.world_from_voxel.T)[:, :3]
    (a, b, c), (d, e, f) = world.min(axis=0).tolist(), world.max(axis=0).tolist()
    return (a, b, c), (d, e, f)


def measured_voxels(protocol: Protocol, turns_mm: NDArray[np.float64], grid: Grid,
                    axis_mm: tuple[float, float]) -> NDArray[np.bool_]:
    """(z, y, x) of `grid`: voxels of which data are complete. `turns_mm`: heights of the sources of axial turns; not
    looked at of a helix. Short scans: as if they were whole turns, of which they are a part."""
    rotation, detector = protocol.rotation, protocol.detector
    assert rotation is not None
    assert grid.origin_mm is not None
    x, y, z = (grid.origin_mm[n] + grid.spacing_mm[n] * np.arange(grid.shape[2 - n]) for n in range(3))
    away = np.hypot((y - axis_mm[1])[:, None], (x - axis_mm[0])[None])
    seen = away <= 0.5 * rotation.measured_diameter_mm(detector) + _NEAR_MM
    if rotation.pitch is not None:
        return np.broadcast_to(seen, grid.shape).copy()
    low, high = rotation.complete_mm(detector, np.minimum(away, rotation.source_axis_mm))
    above = z[:, None] - turns_mm
    nearest = above[np.arange(len(z)), np.abs(above).argmin(axis=1)][:, None, None]
    return np.asarray(seen & (nearest >= low - _NEAR_MM) & (nearest <= high + _NEAR_MM))


def check_range(protocol: Protocol) -> None:
    """UnmeasuredVoxelsWarning, with the limits, where field or range reach beyond what the scan measures whole;
    InvalidInput for slices that no ray meets, even at the axis."""
    rotation, wanted = protocol.rotation, protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    marked = f"voxels that it does not see from all sides hold {PADDING_HU:g} HU"
    across = rotation.measured_diameter_mm(protocol.detector)
    if wanted.field_mm > across + _NEAR_MM:
        _warn(f"field_mm={wanted.field_mm:g}", f"the fan measures a circle of {across:.1f} mm; {marked}",
              f"Give at most {np.floor(across):g}.")
    if rotation.range_mm is None or rotation.stops is None:
        return
    between, detector = rotation.range_mm[1] - rotation.range_mm[0] - wanted.slice_mm, protocol.detector
    apart = (rotation.stops - 1) * rotation.whole_mm(detector, wanted.field_mm)
    whole, met = (apart + rotation.whole_mm(detector, wide) for wide in (min(wanted.field_mm, across), 0.0))
    what = f"range_mm={rotation.range_mm} with stops={rotation.stops}"
    if between > met + _NEAR_MM:
        raise InvalidInput(message(what, f"the rays meet {met:.1f} mm at the axis, and nothing is known of the rest",
                                   "Give a smaller range, more stops or rows, or leave range_mm out."))
    if between > whole + _NEAR_MM:
        _warn(what, f"they measure {whole:.1f} mm whole; {marked}", "Give a smaller range, or leave range_mm out.")


def check_turns(protocol: Protocol) -> None:
    """InvalidInput, with the limits, for axial turns of too few degrees for filtered backprojection, and for a pitch
    that leaves gaps in the field of any body: before a body is made, or a view is taken."""
    rotation, wanted = protocol.rotation, protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    first = rotation.turns(protocol.detector, _POINT, wanted.field_mm)[0]
    if rotation.pitch is None:
        for _, still in still_sets(first):
            line_weights(still, orbit_of(still))


def _warn(what: str, why: str, how: str) -> None:
    warnings.warn(message(what, why, how), UnmeasuredVoxelsWarning, stacklevel=5)
