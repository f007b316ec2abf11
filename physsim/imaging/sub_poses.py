"""Rays from parts of the focal spot and of a view's time: what blurs the unscattered image beyond one ray a pixel."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.physics.spectra.tube import takeoff_sine
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box
from physsim.spec.protocol import Protocol

Images = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SubPoses:
    """The poses whose mean a view is: middles of equal parts of a uniform focal spot, and of the view's time.

    `rays`: along u, along v and in time. `spot_mm`: the spot's widths. `turn_deg`, `feed_mm`: how far tube and detector
    turn about the axis through `axis_mm` (x, y) parallel to z, and move along it, during a view.
    """

    rays: tuple[int, int, int] = (1, 1, 1)
    spot_mm: tuple[float, float] = (0.0, 0.0)
    turn_deg: float = 0.0
    feed_mm: float = 0.0
    axis_mm: tuple[float, float] = (0.0, 0.0)

    @property
    def several(self) -> bool:
        """Whether there is more than the pose itself."""
        return self.rays != (1, 1, 1)

    def of(self, geometry: Geometry) -> Iterator[Geometry]:
        """One after the other, in an order that is always the same."""
        across, along, times = (_parts(count) for count in self.rays)
        for time in times:
            turned = geometry if len(times) == 1 else self._turned(geometry, time)
            for a, b in itertools.product(across, along):
                yield dataclasses.replace(turned, source_mm=turned.source_mm + a * self.spot_mm[0] * turned.u
                                          + b * self.spot_mm[1] * turned.v)

    def mean(self, image: Callable[[Geometry], Images], geometry: Geometry) -> Images:
        """The mean of `image` over the poses."""
        total, count = None, 0
        for pose in self.of(geometry):
            one = image(pose)
            total, count = one if total is None else np.add(total, one, out=total), count + 1
        assert total is not None
        if count > 1:
            total /= np.float32(count)
        return total

    def _turned(self, geometry: Geometry, part: float) -> Geometry:
        angle = part * self.turn_deg
        sine = float(takeoff_sine(angle))
        cosine = math.sqrt(1.0 - sine * sine)
        turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        about, ahead = np.array([*self.axis_mm, 0.0]), np.array([0.0, 0.0, part * self.feed_mm])

        def point(places: Floats) -> Floats:
            return np.asarray(_by(turn, places - about) + about + ahead)

        return dataclasses.replace(geometry, source_mm=point(geometry.source_mm), centre_mm=point(geometry.centre_mm),
                                   u=_by(turn, geometry.u), v=_by(turn, geometry.v))


def sub_poses(protocol: Protocol, box_mm: Box) -> SubPoses:
    """Of a protocol, for a body that fills `box_mm`."""
    rotation = protocol.rotation
    if rotation is None:
        return SubPoses(protocol.primary_rays, protocol.focal_spot_mm)
    x, y = rotation.aim_mm or tuple(0.5 * (a + b) for a, b in zip(box_mm[0][:2], box_mm[1][:2], strict=True))
    feed = 0.0 if rotation.pitch is None else rotation.pitch * rotation.collimation_mm(protocol.detector)
    return SubPoses(protocol.primary_rays, protocol.focal_spot_mm, 360.0 / rotation.views, feed / rotation.views,
                    (x, y))


def point_source(protocol: Protocol) -> tuple[str, ...]:
    """What of the focal spot's size a protocol's primary image neglects."""
    wide = [width > 0.0 and rays == 1 for width, rays in zip(protocol.focal_spot_mm, protocol.primary_rays[:2],
                                                             strict=True)]
    return ("size of the focal spot (unscattered photons)",) if all(wide) else \
        tuple(f"width of the focal spot along {axis} (unscattered photons)"
              for axis, neglected in zip("uv", wide, strict=True) if neglected)


def _parts(count: int) -> list[float]:
    return [(n + 0.5) / count - 0.5 for n in range(count)]


def _by(turn: Floats, vectors: Floats) -> Floats:
    """Rotated one after the other: a matrix product's bits depend on the CPU."""
    return np.stack([sum((turn[i, j] * vectors[:, j] for j in range(3)), np.zeros(len(vectors))) for i in range(3)], 1)
