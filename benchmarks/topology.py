"""Are organs whole? Pieces, tunnels and cavities of reference bodies' organs beside those declared, region by region.

Run `python -m physsim._benchmarks.topology [M35 F35 M5] [--regions trunk,head] [--spacings 1,3] [--json]`; exit
status 1 when one differs. A minute of CPU a trunk of 1 mm.

Why it is honest: nothing is left out but what phantoms/anatomy/topology.toml says that a spacing cannot show, and what
goes on beyond the region: organs that touch a face of the grid, and those that a painting of the whole body shows
outside it (growth plates of the forearm are not judged in a trunk).
"""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from typing import Any

import numpy as np

BODIES, REGIONS, SPACINGS = ("M35", "F35", "M5"), ("trunk",), (1.0, 3.0)
_OVERVIEW_MM = 4.0  # of the painting that tells where organs end


def measure(
    bodies: tuple[str, ...] = BODIES, regions: tuple[str, ...] = REGIONS, spacings: tuple[float, ...] = SPACINGS
) -> list[dict[str, Any]]:
    """A row for each body (sex and age), region and spacing (mm): how many organs were judged, which differ."""
    from physsim.body.patient import reference_patient
    from physsim.body.topology import organ_topology

    rows = []
    for name in bodies:
        patient = reference_patient("M" if name.startswith("M") else "F", float(name[1:]))
        ends = _ends(patient.phantom(_OVERVIEW_MM, vanishing="keep"))
        for region in regions:
            for spacing in spacings:
                phantom = patient.phantom(spacing, region=region, vanishing="keep")
                whole = _whole(phantom, ends)
                judged = [row for row in organ_topology(phantom) if row.declared and row.name in whole]
                wrong = {row.name: {"found": row.found, "declared": row.declared} for row in judged if not row.right}
                rows.append({"body": name, "region": region, "spacing_mm": spacing, "judged": len(judged),
                             "differ": len(wrong), "organs": wrong})  # fmt: skip
    return rows


def _ends(phantom: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Lowest and highest corner (2, 3), mm, of each organ's voxels."""
    from scipy.ndimage import find_objects

    origin, step = np.array(phantom.grid.origin_mm), np.array(phantom.grid.spacing_mm)
    names, found = phantom.truth.names(), {}
    for number, box in enumerate(find_objects(phantom.truth.organ_labels), 1):
        if box is not None:
            first, last = ([getattr(one, end) for one in box[::-1]] for end in ("start", "stop"))
            found[names[number]] = np.array([origin + step * first, origin + step * (np.array(last) - 1)])
    return found


def _whole(phantom: Any, ends: dict[str, np.ndarray[Any, Any]]) -> set[str]:
    """Organs that end within the grid: none of their voxels on its faces, nothing of them beyond it."""
    labels, names = phantom.truth.organ_labels, phantom.truth.names()
    faces = [labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]]
    cut = {names[n] for n in np.unique(np.concatenate([face.ravel() for face in faces]))}
    low = np.array(phantom.grid.origin_mm) - _OVERVIEW_MM
    high = low + np.array(phantom.grid.spacing_mm) * np.array(phantom.grid.shape[::-1]) + 2 * _OVERVIEW_MM
    beyond = {name for name, (first, last) in ends.items() if (first < low).any() or (last > high).any()}
    return set(names) - cut - beyond


def main(arguments: list[str] | None = None) -> int:
    """Print a table, or JSON with --json; 1 when an organ differs."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = dict(pairwise(arguments))
    values = {given[key] for key in ("--regions", "--spacings") if key in given}
    bodies = tuple(one for one in arguments if not one.startswith("--") and one not in values)
    regions = tuple(given["--regions"].split(",")) if "--regions" in given else REGIONS
    spacings = tuple(float(one) for one in given["--spacings"].split(",")) if "--spacings" in given else SPACINGS
    rows = measure(bodies or BODIES, regions, spacings)
    if "--json" in arguments:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(f"{row['body']:5s} {row['region']:8s} {row['spacing_mm']:g} mm: {row['judged']} organs judged, "
                  f"{row['differ']} differ")  # fmt: skip
            for name, one in row["organs"].items():
                print(f"      {name:36s} found {one['found']}, declared {one['declared']}")
    return int(any(row["differ"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
