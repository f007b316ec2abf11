"""What stands in a phantom, as plain data: organs beside their reference masses, size, materials, lesions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physsim.body.vanishing import vanished_names
from physsim.units import CM3_PER_MM3, CM_PER_MM

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

_MIDDLE_MM = 60.0  # from the midline: the head, and no raised arm


def report(phantom: Phantom) -> dict[str, Any]:
    """The phantom as a dictionary that JSON holds.

    `organs`: rows of `name`, `volume_cm3`, `mass_g` (from the geometry, not from counting voxels), `reference_g`,
    `difference_percent` and `source` (READ or RECALLED of reference bodies, DERIVED of others; None where no reference
    stands for it). `height_cm` and `weight_kg` are those of the voxels, None unless the phantom was made from a
    patient.
    """
    return {
        "name": phantom.name,
        "shape_zyx": list(phantom.grid.shape),
        "spacing_mm": list(phantom.grid.spacing_mm),
        "origin_mm": list(phantom.grid.origin_mm or ()),
        "mass_g": phantom.mass_g(),
        "height_cm": height_cm(phantom),
        "weight_kg": weight_kg(phantom),
        "materials": [{"name": one.name, "density_g_cm3": one.density_g_cm3} for one in phantom.materials],
        "organs": organ_rows(phantom),
        "lesions": phantom.lesion_table(),
        "overlays": [overlay.name for overlay in phantom.overlays],
        "made_from": dict(phantom.made_from),
    }


def height_cm(phantom: Phantom) -> float | None:
    """From the lowest to the highest voxel that is body, where it was made from a patient; raised arms do not count."""
    if "patient" not in phantom.made_from or phantom.truth.organ_labels is None:
        return None
    labels = phantom.truth.organ_labels
    x = phantom.grid.world_from_voxel[0, 3] + phantom.grid.spacing_mm[0] * np.arange(labels.shape[2])
    middle = labels[:, :, np.abs(x) <= _MIDDLE_MM] != 0
    top = np.flatnonzero(middle.any((1, 2)))
    bottom = np.flatnonzero((labels != 0).any((1, 2)))
    if len(top) == 0:
        return None
    return float((top[-1] - bottom[0] + 1) * phantom.grid.spacing_mm[2] * CM_PER_MM)


def weight_kg(phantom: Phantom) -> float | None:
    """Mass of all that is not background, where the phantom was made from a patient."""
    if "patient" not in phantom.made_from:
        return None
    return sum(organ.mass_g for organ in phantom.truth.organs if organ.name != "background") / 1000.0


def vanished(phantom: Phantom) -> list[str]:
    """Names of organs that have a mass but no voxel of their own: they are smaller, or thinner, than voxels."""
    return vanished_names(phantom.truth)


def organ_rows(phantom: Phantom) -> list[dict[str, Any]]:
    """The rows of `organs`: see `report`. Of a patient they are those of physsim.body.masses."""
    from physsim.body.masses import MASSES, organ_masses

    if "patient" in phantom.made_from and MASSES in phantom.made_from:
        return [{**one.row(), "source": one.source or None} for one in organ_masses(phantom)]
    return [_row(organ.name, organ.volume_mm3 * CM3_PER_MM3, organ.mass_g) for organ in phantom.truth.organs]


def _row(
    name: str, volume_cm3: float, mass_g: float, reference_g: float | None = None, source: str | None = None
) -> dict[str, Any]:
    difference = None if not reference_g else 100.0 * (mass_g / reference_g - 1.0)
    return {
        "name": name, "volume_cm3": volume_cm3, "mass_g": mass_g, "reference_g": reference_g,
        "difference_percent": difference, "source": source,
    }  # fmt: skip
