"""A scan by a flying focal spot, as scans of every second or fourth view: filtered backprojection wants a still one."""

from __future__ import annotations

import dataclasses

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry

_STILL_MM = 1e-6
_MOST_PLACES = 4  # two along u, and each of them twice along z


def still_sets(part: Geometry) -> list[tuple[slice, Geometry]]:
    """The views of each place of the spot, and their poses with the detector's arc about the spot; all views where it
    does not spring.

    A detector is an arc about the place in the middle. About another place, s aside, its middle ray is kept; the others
    are then off by up to s (1 - cos(fan angle)) across: 0.03 mm of an arc at 0.6 mm between the places and 26 degrees.
    Places along the detector's columns keep all their rays.
    """
    if part.radius_mm is None or part.beam != "cone":
        return [(slice(None), part)]
    away = part.source_mm - (part.centre_mm - part.radius_mm * part.normal)
    places = np.stack([(away * part.u).sum(axis=1), (away * part.v).sum(axis=1)], axis=1)
    if np.ptp(places, axis=0).max() <= _STILL_MM:
        return [(slice(None), part)]
    count = next((n for n in (2, _MOST_PLACES) if np.abs(places[n:] - places[:-n]).max(initial=0.0) <= _STILL_MM), None)
    if count is None:
        raise InvalidInput(message(f"{len(np.unique(places.round(6), axis=0))} places of the focal spot",
                                   "it takes two or four of them in turns", "Give the geometry of a rotation."))
    numbers = np.arange(len(part))
    return [(slice(first, None, count), _about_the_spot(part[numbers[first::count]])) for first in range(count)]


def _about_the_spot(part: Geometry) -> Geometry:
    assert part.radius_mm is not None
    way = part.centre_mm - part.source_mm
    along = (way * part.v).sum(axis=1, keepdims=True) * part.v
    level = way - along
    ahead = level / np.sqrt((level**2).sum(axis=1, keepdims=True))
    u = part.u - (part.u * ahead).sum(axis=1, keepdims=True) * ahead
    u = u / np.sqrt((u**2).sum(axis=1, keepdims=True))
    return dataclasses.replace(part, centre_mm=part.source_mm + part.radius_mm * ahead + along, u=u)
