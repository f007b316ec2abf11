"""Where lesions lie: drawn within an organ, whole inside it, clear of each other; and their rows of truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.lesion import Lesion
from physsim.body.sites import check_site
from physsim.errors import InvalidInput, message
from physsim.phantom.insert import inserted
from physsim.phantom.overlay import box_corners
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import Truth
from physsim.randomness import Stream
from physsim.spec.grid import Vector

_TRIES = 20_000
_CELL_MM = 100.0  # candidates are drawn in a box of whole cells, so that its size hardly depends on the spacing


def inserted_lesion(phantom: Phantom, lesion: Lesion, overlay_spacing_mm: float | None = None) -> Phantom:
    """`phantom` with a lesion in its site: it replaces nothing but the site's own voxels, so no vessel and no rib.

    Raises InvalidInput when the phantom has no such organ, when the lesion is larger than it, or when it would touch
    another lesion.
    """
    check_site(phantom, lesion.site)
    centre = lesion.centre_mm or drawn_centre(phantom, lesion)
    _refuse_larger(phantom, lesion)
    _refuse_overlap(phantom, lesion, centre)
    made = phantom
    for part in lesion.components(centre):
        over = (lesion.site,) if part.name == lesion.name else (lesion.name,)
        made = inserted(made, replace(part, over=over), overlay_spacing_mm)
    own = {part.name for part in lesion.components(centre)}
    rows = tuple(
        replace(row, type=lesion.type, site=lesion.site, seed=lesion.seed) if row.name in own else row
        for row in made.truth.lesions
    )
    return made.replace(truth=Truth(made.truth.organ_labels, made.truth.organs, rows))


def drawn_centre(phantom: Phantom, lesion: Lesion, room: float = 1.0) -> Vector:
    """World point of a lesion's centre: even over the places of its site at which it fits, by its seed.

    Candidates are drawn in world coordinates, and the first that fits is taken, so that phantoms of one patient at
    different spacings get it in the same place unless that lies within a voxel of the bound. `room`: radii of the site
    about it, where there is a place with so many.
    """
    clearance, low = _clearance_mm(phantom, lesion.site)
    radius = 0.5 * lesion.diameter_mm
    most = float(clearance.max())
    if most < radius:
        raise InvalidInput(
            message(
                f"{lesion.type} of {lesion.diameter_mm:g} mm",
                f"{lesion.site} holds a ball of {2 * most:.1f} mm at most",
                "Make it smaller, choose another site, or give centre_mm (it is then cut at the organ's edge).",
            )
        )
    if room * radius <= most:
        radius *= room
    corners = box_corners(phantom.grid)
    first = np.floor(corners.min(0) / _CELL_MM) * _CELL_MM
    size = np.ceil(corners.max(0) / _CELL_MM) * _CELL_MM - first
    stream = Stream(lesion.seed, "lesion centre")
    u = stream.uniform64(np.arange(_TRIES)[:, None], np.arange(2)).reshape(_TRIES, 4)[:, :3]
    points = first + u * size
    index = np.c_[points, np.ones(_TRIES)] @ phantom.grid.voxel_from_world.T
    voxel = np.rint(index[:, 2::-1]).astype(int) - low
    inside = ((voxel >= 0) & (voxel < clearance.shape)).all(1)
    fits = np.zeros(_TRIES, bool)
    fits[inside] = clearance[tuple(voxel[inside].T)] >= radius
    free = [n for n in np.flatnonzero(fits) if _nearest(phantom, points[n]) >= radius]
    if free:
        return _vector(points[free[0]])
    best = np.argwhere(clearance >= radius)  # a small site between the candidates
    place = best[int(stream.uniform64([_TRIES])[0, 0] * len(best))] + low
    return _vector((phantom.grid.world_from_voxel @ np.append(place[::-1], 1.0))[:3])


def _clearance_mm(phantom: Phantom, site: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Distance (mm) of the site's voxels from the nearest voxel of anything else, and where that block begins."""
    from scipy.ndimage import distance_transform_edt

    mask = phantom.truth.mask(site)
    where = np.argwhere(mask)
    low, high = where.min(0), where.max(0) + 1
    block = np.pad(mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], 1)
    far = distance_transform_edt(block, sampling=phantom.grid.spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    return np.maximum(far - 0.5 * max(phantom.grid.spacing_mm), 0.0).astype(np.float32), low


def _nearest(phantom: Phantom, point: npt.NDArray[Any]) -> float:
    """Distance (mm) from a point to the surface of the nearest lesion's ball."""
    gaps = [float(np.linalg.norm(point - row.centre_mm)) - row.diameter_mm / 2 for row in phantom.truth.lesions]
    return min(gaps, default=np.inf)


def _refuse_larger(phantom: Phantom, lesion: Lesion) -> None:
    """InvalidInput for a lesion of a larger volume than its organ's, wherever its centre is given."""
    organ, ball = phantom.truth.organ(lesion.site), np.pi / 6.0 * lesion.diameter_mm**3
    if ball > organ.volume_mm3:
        widest = (6.0 * organ.volume_mm3 / np.pi) ** (1 / 3)
        raise InvalidInput(
            message(
                f"{lesion.type} of {lesion.diameter_mm:g} mm",
                f"{lesion.site} has the volume of a ball of {widest:.1f} mm",
                "Make it smaller, or choose another site.",
            )
        )


def _refuse_overlap(phantom: Phantom, lesion: Lesion, centre: Vector) -> None:
    if lesion.name in phantom.truth.names():
        raise InvalidInput(
            message(f"lesion {lesion.name!r}", "something of that name is there already", "Give it another name.")
        )
    for row in phantom.truth.lesions:
        gap = float(np.linalg.norm(np.array(centre) - row.centre_mm))
        if gap < 0.5 * (lesion.diameter_mm + row.diameter_mm):
            raise InvalidInput(
                message(
                    f"lesion {lesion.name!r} at {[round(c, 1) for c in centre]} mm",
                    f"overlaps {row.name!r} at {[round(c, 1) for c in row.centre_mm]} mm",
                    "Move it, or change its seed.",
                )
            )


def _vector(values: Any) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))
