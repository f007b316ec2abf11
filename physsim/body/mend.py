"""Organs' labels made whole where only the voxels made them crumble: crumbs, pinholes and strands of a few voxels.

A label goes to the organ with most of a voxel. Where an organ thins out to less than a voxel, or two lie beside each
other at a slant, that alone leaves crumbs, pinholes and loops which the geometry does not have. For bodies declared
with `whole_organs` they are mended after painting (kernels/body/mend.h), organ by organ, from
phantoms/anatomy/topology.toml:

- pieces beyond those declared, of no more than CRUMB voxels and a third of the organ, go to the organs round them;
- of an organ with too many tunnels or cavities: sets of no more than TEAR voxels which close one join it, then sets
  of no more than half as many which bridge one leave it, until it has as many as declared. What gives voxels up
  keeps its own pieces, tunnels and cavities. Conduits (vessels, airways, nerves) keep their labels, and count as the
  organs round them, as in `physsim.body.topology`.

Larger gaps are the geometry's, and stay to be seen. Nothing else changes: materials, densities and the sums of volume
and mass that the truth is made of are those of the stored shares, and equal bits come from any number of threads.

Neglects: an organ that the grid cuts may go on beyond it: its crumbs go, its holes stay, so that labels of a window
may differ from those of the whole body in such voxels. Whether a closed hole was the mouth of a cavity is looked for
within 8192 voxels. Organs with over 512 tunnels and cavities keep them; so do conduits. Strands
are left in organs of over 400,000 voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.topology import declared_topology, is_conduit, is_held

CRUMB, TEAR = 64, 32  # voxels at most: of a piece that goes, of a set that closes a hole


def mend_organs(
    organs: npt.NDArray[Any], names: Sequence[str], spacing_mm: float, threads: int | None = None
) -> npt.NDArray[np.int64]:
    """Mend organ labels (z, y, x) of `names` in place; returns rows (index, label before, label after) as changed.

    Held to their declared topology are those that `spacing_mm` can show. A voxel may be listed more than once.
    """
    from physsim import _engine
    from physsim.device.choice import thread_count

    return _engine.mend_organs(organs, mending_rules(tuple(names), spacing_mm), thread_count(threads))


@lru_cache(maxsize=16)
def mending_rules(names: tuple[str, ...], spacing_mm: float) -> dict[str, Any]:
    """What kernels/body/mend.h takes: declared numbers by organ, conduits, and what each organ holds."""
    count = len(names)
    betti, judged, conduit = np.full((count, 3), -1, np.int32), np.zeros(count, np.int32), np.zeros(count, np.int32)
    first, held = np.zeros(count + 1, np.int32), []
    for number, name in enumerate(names):
        if number:  # 0 is the background
            rule = declared_topology(name)
            conduit[number] = is_conduit(name)
            if rule["betti"] and spacing_mm <= rule["coarsest_mm"]:
                judged[number], betti[number] = 1, rule["betti"]
                if rule["as_painted"]:  # its openings are not those of the organ with conduits given back
                    betti[number, 1:] = -1
            if rule["filled_with"]:
                held += [n for n, other in enumerate(names) if n and n != number and is_held(other, rule)]
        first[number + 1] = len(held)
    return {
        "betti": betti, "judged": judged, "conduit": conduit, "first": first, "held": np.array(held, np.int32),
        "crumb": CRUMB, "tear": TEAR,
    }  # fmt: skip
