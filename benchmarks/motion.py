"""Does a breath fold, tear or lose anything? Reference bodies from full inspiration to the end of a quiet breath out.

Run `python -m physsim._benchmarks.motion [M35 F35 F5 M0] [--json]`; exit status 1 when a figure is missed: det J > 0
everywhere, inverse within 0.1 voxel, mass of the lungs with their blood within 0.1 % at every depth of breath looked
at. A minute of CPU a body.

Why it is honest: the determinant is the least of any map in any cell's corner; the inverse is asked at points drawn all
over the trunk, of body, lung and a rib; masses are sums over the phantoms' voxels in all states, of 2 mm, and 1 mm in
bodies of less than 0.8 of the man's size, as reference bodies are built; lungs are weighed for their density on
a lattice that is none of these.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

BODIES = ("M35", "F35", "F5", "M0")
LARGEST_INVERSE_VOXELS, LARGEST_MASS_PERCENT = 0.1, 0.1
_BREATHS = (0.7, 0.35, 0.0)  # respirations whose masses are held against that of 1
_SMALL, _POINTS = 0.8, 4000
_MEDIA = ("body", "lung", "left rib 6")
_LUNG = ("lobe", *(f"{part} of the {side} lung" for part in ("arteries", "veins", "bronchial walls")
                   for side in ("left", "right")))  # fmt: skip


def measure(bodies: tuple[str, ...] = BODIES) -> list[dict[str, Any]]:
    """A row for each body (sex and age): least determinant, inverse's error (voxels), the lungs' mass (g) at full
    inspiration and its change (%) at each of the other respirations."""
    from physsim.body.anatomy import patient_body
    from physsim.body.breathing import breathing
    from physsim.body.patient import reference_patient

    rows = []
    for name in bodies:
        patient = reference_patient("M" if name.startswith("M") else "F", float(name[1:]))
        made = patient_body(patient)
        spacing = 1.0 if made.growth.mean_scale < _SMALL else 2.0
        out = breathing(made.body, 0.0)
        points = np.random.default_rng(0).uniform([-150, -110, 20], [150, 110, 460], (_POINTS, 3))
        error = max(float(out.inverse_error_mm(points, medium).max()) for medium in _MEDIA)
        mass = []
        for respiration in (1.0, *_BREATHS):
            truth = patient.replace(respiration=respiration).phantom(spacing, region="chest", vanishing="keep").truth
            mass.append(sum(organ.mass_g for organ in truth.organs if organ.name.endswith(_LUNG)))
        change = {f"{breath:g}": 100.0 * (own / mass[0] - 1.0) for breath, own in zip(_BREATHS, mass[1:], strict=True)}
        rows.append({"body": name, "spacing_mm": spacing, "least_determinant": float(out.least_jacobian),
                     "inverse_voxels": error * made.growth.mean_scale / spacing,
                     "lungs_g": mass[0], "lungs_percent": change})  # fmt: skip
    return rows


def missed(row: dict[str, Any]) -> bool:
    """Whether a body's row misses a figure."""
    return (
        row["least_determinant"] <= 0.0
        or row["inverse_voxels"] > LARGEST_INVERSE_VOXELS
        or max(abs(change) for change in row["lungs_percent"].values()) > LARGEST_MASS_PERCENT
    )


def main(arguments: list[str] | None = None) -> int:
    """Print a table, or JSON with --json; 1 when a figure is missed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    rows = measure(tuple(one for one in arguments if not one.startswith("--")) or BODIES)
    if "--json" in arguments:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(f"{row['body']:5s} {row['spacing_mm']:g} mm: least det J {row['least_determinant']:.3f}, "
                  f"inverse within {row['inverse_voxels']:.1e} voxel, "
                  f"lungs {row['lungs_g']:.0f} g; at respiration "
                  + ", ".join(f"{at} {change:+.3f} %" for at, change in row["lungs_percent"].items()))  # fmt: skip
    return int(any(missed(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
