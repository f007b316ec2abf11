"""Simultaneous algebraic reconstruction with ordered subsets, with the projector and its exact transpose.

Each step takes the views of one subset: the volume grows by relaxation x (transpose of (what is missing / length of the
ray in the grid)) / (transpose of ones). Any geometry will do: limited angles, few views, curved detectors, helices.

Reference: A. H. Andersen, A. C. Kak, Ultrason. Imaging 6 (1984) 81; G. Wang, M. Jiang, J. X-Ray Sci. Technol. 12 (2004)
169 (ordered subsets).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.reconstruction.layout import checked_projections
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.operator import Projector

_KEPT_BYTES = 1 << 30  # of the subsets' sums of weights, which would be made anew in each iteration otherwise
_LEAST = 1e-3  # of the largest sum of weights: rays and voxels with less are left as they are


def os_sart(
    projections: ArrayLike,
    geometry: Geometry,
    grid: Grid,
    *,
    subsets: int = 10,
    iterations: int = 3,
    relaxation: float = 1.0,
    nonnegative: bool = True,
    start: ArrayLike | None = None,
    method: str = "siddon",
    threads: int | None = None,
) -> NDArray[np.float32]:
    """A volume (z, y, x), float32 in 1/mm, from line integrals (views, rows, columns), -ln(signal / air).

    subsets: of interleaved views; 1 is SIRT, as many as views SART. iterations: over all subsets. relaxation: within
    (0, 2). nonnegative: values below 0 become 0 after each step. start: the first volume, 0 by default. method: of the
    projector, "siddon" or "joseph" (ps.project; slower). The same bits for any number of `threads`.

    Neglects: noise (each ray counts alike); what lies outside the grid, which must hold the whole object.
    Raises InvalidInput for shapes that do not match, subsets, iterations and relaxations out of range.
    """
    images = checked_projections(projections, geometry)
    _check(geometry, subsets, iterations, relaxation)
    volume = np.zeros(grid.shape, np.float32) if start is None else np.array(start, np.float32)
    if volume.shape != grid.shape:
        raise InvalidInput(
            message(f"start of shape {volume.shape}", f"the grid has {grid.shape}", "Give a volume on this grid.")
        )
    projector = Projector(geometry=geometry, grid=grid, method=method, device="cpu", threads=threads)
    parts = projector.subsets(subsets)
    lengths = _but_least(projector.forward(np.ones(grid.shape, np.float32)))
    keep = subsets * volume.nbytes <= _KEPT_BYTES
    sums: dict[int, NDArray[np.float32]] = {}
    for _ in range(iterations):
        for first in far_apart(subsets):
            own, part = slice(first, None, subsets), parts[first]
            weights = sums.get(first)
            if weights is None:
                weights = _but_least(part.transpose(np.ones(part.geometry.shape, np.float32)))
                if keep:
                    sums[first] = weights
            missing = part.forward(volume)
            np.subtract(images[own], missing, out=missing)
            missing /= lengths[own]
            _step(volume, part.transpose(missing), weights, relaxation, nonnegative)
    return volume


def far_apart(count: int) -> list[int]:
    """0 ..< count in an order in which neighbours lie far from each other: bits reversed."""
    bits = max(1, (count - 1).bit_length())
    return [n for n in (int(f"{i:0{bits}b}"[::-1], 2) for i in range(1 << bits)) if n < count]


def _but_least(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """`sums` in place, infinite where they are next to nothing: what is divided by them there is 0."""
    least = np.float32(_LEAST) * sums.max()
    for plane in sums:
        plane[plane <= least] = np.inf
    return sums


def _step(volume: NDArray[np.float32], change: NDArray[np.float32], weights: NDArray[np.float32], relaxation: float,
          nonnegative: bool) -> None:
    """Add relaxation x change / weights, plane by plane, which stay in the CPU's cache. Uses up `change`."""
    for plane, step, weight in zip(volume, change, weights, strict=True):
        step /= weight
        if relaxation != 1.0:
            step *= np.float32(relaxation)
        plane += step
        if nonnegative:
            np.maximum(plane, 0.0, out=plane)


def _check(geometry: Geometry, subsets: int, iterations: int, relaxation: float) -> None:
    if not 1 <= subsets <= len(geometry):
        raise InvalidInput(
            message(f"subsets={subsets}", f"there are {len(geometry)} views", "Give 1 to as many as there are views.")
        )
    if iterations < 1:
        raise InvalidInput(message(f"iterations={iterations}", "nothing would be done", "Give 1 or more."))
    if not 0.0 < relaxation < 2.0:
        raise InvalidInput(
            message(f"relaxation={relaxation}", "steps diverge outside (0, 2)", "Give for example 1.0.")
        )
