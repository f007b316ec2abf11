"""A compiled body to voxels: labels, density and truth with partial volume, at any spacing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import FAR_MM, Floats, as_float32, unmoved
from physsim.body.body import Body
from physsim.body.mend import mend_organs
from physsim.body.painter import BRICK, FIXED, paint_bricks, table_fields
from physsim.body.program import Program
from physsim.body.space_map import LATTICE_MM, SpaceMap, tabulated, voxel_boxes, world_box
from physsim.body.vanishing import Vanishing, checked_way, cut_organs, judge_vanished
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import OrganTruth, Truth
from physsim.spec.grid import Grid
from physsim.units import CM3_PER_MM3

if TYPE_CHECKING:
    from physsim.body.motion import Motion

_MARGIN_MM = 4.0
_NAMED = 40  # vanishing organs in a message


def body_grid(body: Body, spacing_mm: float | tuple[float, float, float], space: SpaceMap | None = None) -> Grid:
    """A grid round the body. Its voxel centres lie at whole multiples of the spacing in the canonical frame.

    With a map `space` it lies round the body in the world, at whole multiples there.
    """
    steps = np.array(Grid(shape=(1, 1, 1), spacing_mm=spacing_mm).spacing_mm)
    low, high = body.program.box_low, body.program.box_high
    if np.abs([low, high]).max() >= FAR_MM / 2:
        raise InvalidInput(message("grid", "the body has no bounds", "Give a grid, or bounds to its parts."))
    if space is not None:
        low, high = world_box(space, low, high)
    low, high = low - _MARGIN_MM, high + _MARGIN_MM
    first, last = np.floor(low / steps), np.ceil(high / steps)
    nx, ny, nz = (int(n) for n in last - first + 1)
    x, y, z = (float(v) for v in first * steps)
    return Grid(shape=(nz, ny, nx), spacing_mm=(float(steps[0]), float(steps[1]), float(steps[2])), origin_mm=(x, y, z))


def voxelise_body(
    body: Body,
    spacing_mm: float | tuple[float, float, float] | None = None,
    grid: Grid | None = None,
    canonical_from_world: npt.ArrayLike | SpaceMap | None = None,
    density_dtype: npt.DTypeLike = np.float16,
    vanishing: Vanishing = "error",
    name: str = "",
    motion: Motion | None = None,
) -> Phantom:
    """A body as a Phantom.

    `spacing_mm` (a grid round the body) or `grid`; `canonical_from_world`: (4, 4) affine, or a curved map, for a person
    of another size or posture (default: none); a grid round the body follows a curved map; `motion`: a phase of
    breathing or of the heart, in the canonical frame. The label is the material
    with most mass in the voxel, density the voxel's whole mass over that material's own density. The truth's volumes
    and masses are summed from the shares of voxels, so that an organ smaller than a voxel has its volume; one that is
    in no voxel the largest is an error, or "warn"ed of, unless vanishing="keep".

    Neglects: a voxel holds one composition; coverage is by the distance of its centre, corrected for curvature.

    >>> from physsim.body.body import Body
    >>> ball = Body.of({"structure": [{"name": "ball", "order": 1, "material": "water",
    ...     "parts": [{"ellipsoid": {"centre": [0, 0, 0], "semi": [20, 20, 20]}}]}]})
    >>> round(voxelise_body(ball, 2.0).truth.organ("ball").mass_g, 1)
    33.5
    """
    if (grid is None) == (spacing_mm is None):
        raise InvalidInput(message(f"spacing_mm={spacing_mm}", "one of spacing and grid says the voxels", "Give one."))
    checked_way(vanishing)
    if np.dtype(density_dtype) not in (np.float16, np.float32):
        why = "densities are kept in float16 or float32"
        raise InvalidInput(message(f"density_dtype={np.dtype(density_dtype)}", why, "Give one of them."))
    if grid is None:
        assert spacing_mm is not None
        curved = canonical_from_world if isinstance(canonical_from_world, SpaceMap) else None
        grid = body_grid(body, spacing_mm, curved)
    program = body.program
    label_type = np.uint8 if len(body.materials) <= 256 else np.uint16
    organ_type = np.uint8 if len(body.organs) <= 256 else np.uint16
    labels, organs = np.empty(grid.shape, label_type), np.empty(grid.shape, organ_type)
    density = np.empty(grid.shape, density_dtype)
    volumes, masses = paint(body, program, grid, canonical_from_world, labels, density, organs, motion)
    if body.declared.whole_organs:
        mend_organs(organs, body.organs, max(grid.spacing_mm))
    truth = _truth(body, grid, organs, volumes, masses)
    if vanishing != "keep":
        judge_vanished(truth, grid, cut_organs(body, grid, canonical_from_world, motion), vanishing)
    return Phantom(
        grid=grid, labels=labels, materials=body.materials, density=density, truth=truth, name=name or body.where,
        made_from={
            "body": body.where, "numbers": dict(body.numbers), "seed": body.seed,
            "material_masses_g": material_masses_g(body, grid, masses),
        },
    )  # fmt: skip


def paint(
    body: Body,
    program: Program,
    grid: Grid,
    canonical_from_world: npt.ArrayLike | SpaceMap | None,
    labels: npt.NDArray[Any],
    density: npt.NDArray[Any],
    organs: npt.NDArray[Any],
    motion: Motion | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Fill the arrays; returns (materials, organs) sums of volume and of relative mass, in fixed-point voxels."""
    curved = canonical_from_world if isinstance(canonical_from_world, SpaceMap) else None
    own = motion.applied(program, curved) if motion else program
    return painted(body, own, grid, canonical_from_world, labels, density, organs, motion)


def painted(
    body: Body,
    program: Program,
    grid: Grid,
    canonical_from_world: npt.ArrayLike | SpaceMap | None,
    labels: npt.NDArray[Any],
    density: npt.NDArray[Any],
    organs: npt.NDArray[Any],
    motion: Motion | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The same of a program to which the motion is applied (`Motion.applied`)."""
    affine, lattice, space = grid.world_from_voxel, None, None
    if isinstance(canonical_from_world, SpaceMap):
        space = canonical_from_world
        lattice, affine, _, voxel = tabulated(space, grid, getattr(space, 'lattice_mm', LATTICE_MM))
    else:
        if canonical_from_world is not None:
            affine = np.asarray(canonical_from_world, float) @ affine
        voxel = float(abs(np.linalg.det(affine[:3, :3])) ** (1 / 3))
    half = 0.5 * (np.array(BRICK) - 1)
    reach = np.abs(affine[:3, :3]) @ half
    diagonal = max(
        float(np.linalg.norm(affine[:3, :3] @ (half * np.array(signs))))
        for signs in ((1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1))
    )
    place = {
        "affine": as_float32(affine[:3].ravel()), "extent": as_float32([*reach, 0, 0, 0, diagonal]), "voxel": voxel,
        "lattice": lattice,
    }  # fmt: skip
    moves = motion.moves(program) if motion else unmoved(len(program.structures))
    tables = {**table_fields(program), "structure_float": _nearby(program, voxel, motion)}
    near = _reach(program, grid, affine if space is None else space, voxel, motion)
    return paint_bricks(tables, moves, place, near, labels, organs, density)


def _nearby(program: Program, voxel: float, motion: Motion | None) -> Floats:
    """The structures' numbers with boxes where the motion brings them, widened by a voxel."""
    numbers = program.tables.structure_float.copy()
    if motion:
        numbers[:, :6] = motion.moved_boxes(program)
    numbers[:, :3] -= 2 * voxel
    numbers[:, 3:6] += 2 * voxel
    return numbers


def _reach(
    program: Program, grid: Grid, canonical_from_voxel: npt.NDArray[np.float64] | SpaceMap, voxel: float,
    motion: Motion | None,
) -> Floats:
    """(segments, 6) low and high voxel indices, x first, within which segments of branches matter; others nowhere."""
    reach = np.full((program.segments, 6), -2.0, np.float32)
    reach[:, 3:] = -1.0  # not branches: nowhere
    t = program.tables
    for place, start, count, frame in program.branch_rows:
        rows = t.data[place : place + 24 * count].reshape(count, 24).astype(float)
        a, b = rows[:, :3], rows[:, :3] + rows[:, 3:6]
        radius = np.maximum(np.maximum(rows[:, 7], rows[:, 7] + rows[:, 8]), 0.5 * voxel)[:, None] + voxel
        low, high = np.minimum(a, b) - radius, np.maximum(a, b) + radius
        anchor, scale = t.frame_float[frame, :3], 1 / t.frame_float[frame, 3]
        low, high = anchor + (low - anchor) * scale, anchor + (high - anchor) * scale
        if t.frame_int[frame, 1] == 1:
            low[:, 0], high[:, 0] = -high[:, 0], -low[:, 0].copy()
        elif t.frame_int[frame, 1] == 2:
            low[:, 0] = -high[:, 0]
        if t.frame_int[frame, 0] >= 0:
            room = t.frame_float[frame, 8:11]
            low, high = low - room, high + room
        if motion and place not in program.carried_rows:
            low, high = motion.moved_corners(low, high)
        if isinstance(canonical_from_voxel, SpaceMap):
            low, high = voxel_boxes(canonical_from_voxel, grid, low, high)
        else:
            inverse = np.linalg.inv(canonical_from_voxel)
            centre = 0.5 * (low + high) @ inverse[:3, :3].T + inverse[:3, 3]
            half = 0.5 * (high - low) @ np.abs(inverse[:3, :3]).T
            low, high = centre - half, centre + half
        reach[start : start + count] = np.c_[low - 1, high + 1]
    return reach


def material_masses_g(body: Body, grid: Grid, masses: npt.NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """{organ: {material: g}} of the sums of `paint`; only what there is."""
    own = np.array([one.density_g_cm3 for one in body.materials]) * CM3_PER_MM3 * grid.voxel_volume_mm3 / FIXED
    return {
        organ: {body.material_names[m]: float(own[m] * masses[m, n]) for m in np.flatnonzero(masses[:, n])}
        for n, organ in enumerate(body.organs)
        if masses[:, n].any()
    }


def _truth(
    body: Body,
    grid: Grid,
    organs: npt.NDArray[Any],
    volumes: npt.NDArray[np.int64],
    masses: npt.NDArray[np.int64],
) -> Truth:
    unit = grid.voxel_volume_mm3 / FIXED
    own = np.array([one.density_g_cm3 for one in body.materials]) * CM3_PER_MM3
    rows = tuple(
        OrganTruth(name, float(volumes[:, n].sum()) * unit, float(own @ masses[:, n]) * unit)
        for n, name in enumerate(body.organs)
    )
    return Truth(organs, rows)
