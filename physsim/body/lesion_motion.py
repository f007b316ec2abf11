"""A patient's lesions: their places drawn in the body at rest, and where breath and heartbeat bring them.

A lesion belongs to tissue: its place is drawn, or given, at full inspiration and the end of diastole, and goes with the
medium of its site there (lung, body, or a bone). It moves as a rigid body and does not turn: a solid lesion keeps its
shape, volume and mass. In the lobes of lungs places are drawn with room for the lung to shrink round it.

Neglects: what of a part-solid or ground-glass nodule is air does not leave it; rotation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from physsim.body.body import Body
from physsim.body.lesion_placement import drawn_centre
from physsim.body.motion import MEDIA
from physsim.body.sites import check_site

if TYPE_CHECKING:
    from physsim.body.growth import GrowthMap
    from physsim.body.lesion import Lesion
    from physsim.body.motion import Motion
    from physsim.phantom.phantom import Phantom

Corner = npt.NDArray[np.float64]  # (3,) world mm
_ROOM = 1.35  # radii of free lung round a place: a breath out makes the lung 0.7 as wide where it shrinks most


def with_lesions(
    phantom: Phantom,
    lesions: Sequence[Lesion],
    body: Body,
    growth: GrowthMap | None = None,
    motion: Motion | None = None,
    at_rest: Callable[[], Phantom] | None = None,
    box_mm: tuple[Corner, Corner] | None = None,
) -> Phantom:
    """`phantom` of a body, `motion` applied, with lesions where that brings them.

    `growth`: from the patient's space to the body's (default: the same); `at_rest` makes the phantom without motion on
    the same grid: needed, and called, when there is a motion and a lesion whose place is to be drawn. Lesions with
    `centre_mm` lie there at rest. `box_mm`: low and high corner of the voxels that must hold some of each site, and
    within which places are drawn; None for all.
    """
    still = phantom
    if motion and any(lesion.centre_mm is None for lesion in lesions):
        assert at_rest is not None
        still = at_rest()
    for lesion in lesions:
        within = still if box_mm is None else still.crop(_point(box_mm[0]), _point(box_mm[1]))
        check_site(within, lesion.site)
        centre = lesion.centre_mm or drawn_centre(within, lesion, _ROOM if lesion.site.endswith("lobe") else 1.0)
        placed = lesion.replace(centre_mm=centre)
        if motion is None:
            phantom = still = phantom.insert(placed)
            continue
        if still is not phantom:
            still = still.insert(placed)
        there = np.array([centre])
        own = growth.canonical_from_world(there) if growth else there
        now = motion.present(own, site_medium(motion, placed.site, own))
        x, y, z = (growth.world_from_canonical(now) if growth else now)[0].tolist()
        phantom = phantom.insert(placed.replace(centre_mm=(x, y, z)))
    return phantom


def _point(corner: Corner) -> tuple[float, float, float]:
    x, y, z = corner.tolist()
    return x, y, z


def site_medium(motion: Motion, site: str, point_mm: npt.NDArray[np.float64]) -> str:
    """Medium of an organ at a point (1, 3) at rest: that of the nearest of the structures which show it."""
    body = motion.body
    program = body.program
    showing = [n for n, one in enumerate(program.structures) if site in body.shown_by(one)]
    if not showing:
        return MEDIA[0]
    nearest = min(showing, key=lambda n: float(program.distance(point_mm, structure=n)[0]))
    return motion.medium(program.structures[nearest].name)
