"""What an anti-scatter grid leaves of the unscattered beam at every pixel, as few sums of spectra.

The transmission of a grid depends on energy and on where and how a ray meets it. Its values at a few rays, T_k(E),
give it at all the others: T(E) = sum over k of a_k T_k(E), with shares a_k such that it is exact at as many energies.
Rays and energies are those where the sum before them errs most (empirical interpolation).
Reference: M. Barrault et al., C. R. Acad. Sci. Paris I 339 (2004) 667.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.transport.angle_smoother import product
from physsim.transport.windows import window_of

Floats = NDArray[np.float64]

TOLERANCE = 1e-5  # largest error of the transmission, absolute
_MOST_RAYS = 24
_PROBES = 41  # pixels along each axis that are looked at


@dataclass(frozen=True, eq=False)
class GridField:
    """grid: bent with the detector where that is curved. components: (rays, E) transmissions T_k; kev: (rays,) energies
    where sums are exact; inverse: (rays, rays), from the transmissions at these to the shares."""

    grid: AntiScatterGrid
    components: Floats
    kev: Floats
    inverse: Floats

    def shares(self, geometry: Geometry, view: int, rows: slice) -> list[Floats]:
        """a_k of the pixels of some rows of a view, (rows, columns) each."""
        direction, place = arrivals(geometry, view, (rows, slice(0, geometry.columns)))
        there = [self.grid.transmission(float(one), direction, place) for one in self.kev]
        return [sum((weight * one for weight, one in zip(column, there, strict=True)), np.zeros(there[0].shape))
                for column in self.inverse.T.tolist()]


def grid_field(grid: AntiScatterGrid, geometry: Geometry, energies_kev: Floats) -> GridField:
    """Of all views. Raises InvalidInput for a grid that cannot be bent, or that changes too much over the field."""
    if geometry.radius_mm is not None:
        grid = grid.bent(geometry.radius_mm)
    tables = []
    for view in range(len(geometry)):
        rows, columns = (np.unique(np.rint(np.linspace(0, count - 1, min(count, _PROBES))).astype(int))
                         for count in (geometry.rows, geometry.columns))
        direction, place = arrivals(geometry, view, (slice(0, geometry.rows), slice(0, geometry.columns)))
        direction, place = direction[np.ix_(rows, columns)], place[np.ix_(rows, columns)]
        table = grid.transmission(energies_kev, direction[:, :, None], place[:, :, None])
        tables.append(table.reshape(-1, len(energies_kev)))
    known = np.concatenate(tables)  # (probes, E)
    rays: list[int] = []
    chosen: list[int] = []
    rest, inverse = known, np.zeros((0, 0))
    while not rays or float(np.abs(rest).max()) > TOLERANCE:
        if len(rays) == _MOST_RAYS or len(rays) == len(energies_kev):
            raise InvalidInput(message(
                f"anti_scatter_grid of ratio {grid.ratio:g}",
                f"its transmission changes so much over the field that {_MOST_RAYS} rays leave an error of "
                f"{float(np.abs(rest).max()):.1e}", "Look at focal_distance_mm, gap_mm and angle_deg."))
        ray, energy = divmod(int(np.abs(rest).argmax()), rest.shape[1])
        rays.append(ray)
        chosen.append(energy)
        inverse = inverse_of(known[np.ix_(rays, chosen)])
        shares = product(np.ascontiguousarray(known[:, chosen]), inverse)
        rest = known - product(shares, known[rays])
    return GridField(grid, known[rays], energies_kev[chosen], inverse)


def arrivals(geometry: Geometry, view: int, window: tuple[slice, slice]) -> tuple[Floats, Floats]:
    """Directions (rows, columns, 3) of the rays along (u, v, normal) where they meet the detector, and the places
    (rows, columns, 2) in mm from its centre along (u, v); on a curved one in the frame that stands there, u being 0.
    """
    pose = geometry[view]
    part = window_of(pose, window)
    travel = part.pixel_centres_mm(0) - pose.source_mm[0]
    u, v, normal = (axis[0] for axis in (pose.u, pose.v, pose.normal))
    x, y, z = travel[..., 0], travel[..., 1], travel[..., 2]
    by_axis = [x * axis[0] + y * axis[1] + z * axis[2] for axis in (u, v, normal)]
    rows, columns = (np.arange(some.start, some.stop) - 0.5 * (count - 1)
                     for count, some in zip(pose.shape[1:], window, strict=True))
    down = np.broadcast_to((rows * pose.pixel_mm[1])[:, None], travel.shape[:2])
    across = np.broadcast_to((columns * pose.pixel_mm[0])[None], travel.shape[:2])
    if pose.radius_mm is not None:
        angle = across / pose.radius_mm
        sine, cosine = np.sin(angle), np.cos(angle)
        by_axis = [by_axis[0] * cosine - by_axis[2] * sine, by_axis[1], by_axis[2] * cosine + by_axis[0] * sine]
        across = np.zeros_like(across)
    return np.stack(by_axis, -1), np.stack([across, down], -1)


def inverse_of(matrix: Floats) -> Floats:
    """By Gauss and Jordan with row pivots: LAPACK's bits depend on the CPU."""
    n = len(matrix)
    work = np.concatenate([matrix, np.eye(n)], axis=1)
    for k in range(n):
        pivot = k + int(np.abs(work[k:, k]).argmax())
        work[[k, pivot]] = work[[pivot, k]]
        work[k] = work[k] / work[k, k]
        for row in range(n):
            if row != k:
                work[row] = work[row] - work[row, k] * work[k]
    return work[:, n:]
