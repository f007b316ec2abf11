"""Organs without a voxel of their own: which they are, and what is said about them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from physsim.body.space_map import SpaceMap, voxel_boxes
from physsim.errors import InvalidInput, message
from physsim.phantom.truth import Truth
from physsim.spec.grid import Grid

if TYPE_CHECKING:
    from physsim.body.body import Body
    from physsim.body.motion import Motion

Vanishing = Literal["error", "warn", "keep"]
WAYS: tuple[Vanishing, ...] = ("error", "warn", "keep")
_NAMED = 8  # organs named in a message


class VanishedOrgansWarning(UserWarning):
    """Voxels so coarse that organs hold none of their own: their mass is in the voxels they share."""


def checked_way(vanishing: str) -> None:
    """InvalidInput unless it is one of WAYS."""
    if vanishing not in WAYS:
        why = "organs without a voxel are an error, warned of, or kept"
        raise InvalidInput(message(f"vanishing={vanishing!r}", why, 'Give "error", "warn" or "keep".'))


def judge_vanished(truth: Truth, grid: Grid, cut: npt.NDArray[np.bool_], vanishing: Vanishing) -> None:
    """InvalidInput, or VanishedOrgansWarning, that names the organs which hold no voxel though they have a volume.

    Those that are `cut` (organs,) by the grid's faces are not named; `vanishing="keep"` says nothing.
    """
    lost = [name for name, gone in zip(truth.names(), ~cut & _lost(truth), strict=True) if gone]
    if vanishing == "keep" or not lost:
        return
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    what = f"spacing_mm={grid.spacing_mm}"
    why = (f"so coarse that {', '.join(map(repr, lost[:_NAMED]))}{more} holds no voxel "
           "(most of each that it touches is something else)")  # fmt: skip
    keep = 'vanishing="keep" (--vanishing keep): their mass stays in voxels they share.'
    if vanishing == "error":
        raise InvalidInput(message(what, why, f"Use a finer spacing, or {keep}"))
    warnings.warn(message(what, why, f"Use a finer spacing, or say so by {keep}"), VanishedOrgansWarning, stacklevel=4)


def _lost(truth: Truth) -> npt.NDArray[np.bool_]:
    """(organs,) whether an organ has a volume but no voxel."""
    assert truth.organ_labels is not None
    count = len(truth.organs)
    found = np.zeros(count, bool)
    for plane in truth.organ_labels:
        found |= np.bincount(plane.ravel(), minlength=count) > 0
    return np.array([organ.volume_mm3 > 0 for organ in truth.organs]) & ~found


def vanished_names(truth: Truth) -> list[str]:
    """Names of organs that have a mass but no voxel of their own, those that the grid cuts among them."""
    if truth.organ_labels is None:
        return []
    return [name for name, gone in zip(truth.names(), _lost(truth), strict=True) if gone]


def cut_organs(
    body: Body, grid: Grid, canonical_from_world: npt.ArrayLike | SpaceMap | None, motion: Motion | None
) -> npt.NDArray[np.bool_]:
    """(organs,) whether an organ's boxes reach beyond the grid: what is left of it may be too little for a voxel."""
    program = body.program
    boxes = (motion.moved_boxes(program) if motion else program.tables.structure_float[:, :6]).astype(float)
    low, high = boxes[:, :3], np.maximum(boxes[:, 3:6], boxes[:, :3])
    if isinstance(canonical_from_world, SpaceMap):
        low, high = voxel_boxes(canonical_from_world, grid, low, high)
    else:
        affine = np.eye(4) if canonical_from_world is None else np.asarray(canonical_from_world, float)
        inverse = np.linalg.inv(affine @ grid.world_from_voxel)
        middle = 0.5 * (low + high) @ inverse[:3, :3].T + inverse[:3, 3]
        half = 0.5 * (high - low) @ np.abs(inverse[:3, :3]).T
        low, high = middle - half, middle + half
    beyond = ((low < -0.5) | (high > np.array(grid.shape[::-1]) - 0.5)).any(1)
    cut = {organ for one, out in zip(program.structures, beyond, strict=True) if out for organ in body.shown_by(one)}
    return np.array([organ in cut for organ in body.organs])
