"""Breathing of a declared body: lung volume or phase to displacements of everything.

`respiration` runs from 0 (after a quiet breath out) to 1 (after a full breath in, as the body's files declare it), in
the flow's own time: the lungs' volume is that at rest times volume_ratio ** (1 - respiration).

Reference: figures and their sources in phantoms/anatomy/motion/breathing.toml.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from physsim.body.body import Body
from physsim.body.breathing_field import BreathingField, breathing_field, neck_axis, recipe, rib_lines
from physsim.body.declare import Structure
from physsim.body.flow import nodes
from physsim.body.motion import Motion, hinge_fit, inverted, is_bone, rigid_fit
from physsim.errors import InvalidInput, message

STEP_MM = 5.0
Array = npt.NDArray[np.float64]
# nodes at half millimetres: voxels of whole millimetres then sample the cells, in which det J is not smooth, evenly
LOW_MM, HIGH_MM = np.array([-235.5, -195.5, -60.5]), np.array([234.5, 194.5, 529.5])
_STEPS = 4
_BONE_MM = 4.0
_LEAST = 1e-3
_STEEPEST, _SMOOTHED = 0.12, 12  # determinant of the lung's map back below which it is smoothed; rounds at most


def breathing(body: Body, respiration: float) -> Motion:
    """The motion that brings a body from full inspiration, as declared, to another depth of breath.

    `respiration`: 0 (after a quiet breath out) to 1 (after a full breath in); -0.2 to 1 is allowed.

    >>> from physsim.body.breathing import quiet_respiration
    >>> round(quiet_respiration(0.4), 2)                # a quiet breath at its deepest
    0.4
    """
    if not -0.2 <= respiration <= 1.0:
        raise InvalidInput(
            message(f"respiration={respiration}", "0 is a quiet breath out, 1 a full breath in", "Give -0.2 to 1.")
        )
    field = _fields(body)
    time = respiration - 1.0
    points, shape = nodes(LOW_MM, HIGH_MM, STEP_MM)
    forward, inverse = np.empty((2, *shape, 3)), np.empty((2, *shape, 3))
    back = field.returned(points, time, _STEPS)
    inverse[0] = (back - points).reshape(*shape, 3)
    slid = field.slide.carried(back, -time, max(1, math.ceil(_STEPS * abs(time))))
    lung = _unfolded(points, field.on_the_pleura(slid, back), shape)
    inverse[1] = (lung - points).reshape(*shape, 3)
    for number, there in enumerate((2.0 * points - back, 2.0 * points - lung)):
        if missed := inverted(inverse[number], LOW_MM, STEP_MM, points, there):
            why = f"the motion folds at {missed} nodes"
            raise InvalidInput(message(f"respiration={respiration}", why, "Breathe less deeply with this body."))
        forward[number] = (there - points).reshape(*shape, 3)
    bones = _bones(body, field, time)
    lungs = structures_of_the_lung(body)
    return Motion(body, forward, inverse, LOW_MM, STEP_MM, bones, lungs, f"respiration {respiration:g}")


def _unfolded(points: Array, places: Array, shape: tuple[int, ...]) -> Array:
    """Places (n, 3) of the lattice's points, their displacements smoothed round cells that would fold."""
    from scipy.ndimage import binary_dilation, gaussian_filter

    start, moved = points.reshape(*shape, 3), (places - points).reshape(*shape, 3)
    for _ in range(_SMOOTHED):
        folded = _least_determinants(start + moved) < _STEEPEST
        if not folded.any():
            break
        near = np.zeros(shape, bool)
        near[:-1, :-1, :-1] = folded
        # every corner of such a cell, and beyond them less and less
        share = gaussian_filter(binary_dilation(near, iterations=3).astype(float), 1.0)[..., None]
        moved = moved + share * (gaussian_filter(moved, (1.0, 1.0, 1.0, 0.0)) - moved)
    return np.asarray((start + moved).reshape(-1, 3))


def _least_determinants(places: Array) -> Array:
    """Least determinant in the corners of each cell of a lattice of places (nz, ny, nx, 3): (nz-1, ny-1, nx-1)."""
    z, y, x = (np.diff(places, axis=axis) / STEP_MM for axis in range(3))
    least = np.full([n - 1 for n in places.shape[:3]], np.inf)
    one, two = slice(None, -1), slice(1, None)
    for corner in range(8):
        i, j, k = (two if corner >> axis & 1 else one for axis in range(3))
        a, b, c = x[k, j], y[k, :, i], z[:, j, i]
        (a0, a1, a2), (b0, b1, b2), (c0, c1, c2) = (np.moveaxis(edge, -1, 0) for edge in (a, b, c))
        determinant = a0 * (b1 * c2 - b2 * c1) + a1 * (b2 * c0 - b0 * c2) + a2 * (b0 * c1 - b1 * c0)
        np.minimum(least, determinant, out=least)
    return least


def respiration_of_volume(share: float) -> float:
    """Respiration at which the lungs have a share (0.5 to 1) of their volume at full inspiration."""
    ratio = float(recipe()["lung"]["volume_ratio"])
    if not ratio**1.2 <= share <= 1.0:
        raise InvalidInput(
            message(f"lung volume share={share}", f"a quiet breath out leaves {ratio:.3f} of a full breath in",
                    f"Give {ratio**1.2:.2f} to 1.")
        )  # fmt: skip
    return 1.0 - math.log(share) / math.log(ratio)


def quiet_respiration(phase: float) -> float:
    """Respiration at a phase (0 to 1) of quiet breathing: out at 0, in at the recipe's phase, out again at 1."""
    quiet = recipe()["quiet"]
    turn = float(quiet["inhaled_at_phase"])
    t = phase % 1.0
    part = t / turn if t < turn else (1.0 - t) / (1.0 - turn)
    return float(quiet["tidal_share"]) * (0.5 - 0.5 * math.cos(math.pi * part))


def structures_of_the_lung(body: Body) -> frozenset[str]:
    """Lobes and what grows in them: of lung, or declared inside the lungs."""
    names = recipe()["media"]["lung"]

    def of_the_lung(structure: Structure) -> bool:
        own = any(layer.material == "lung" for layer in structure.filled())
        return own or any(name in structure.name for name in names)

    return frozenset(one.name for one in body.structures if of_the_lung(one))


@lru_cache(maxsize=2)
def _fields(body: Body) -> BreathingField:
    return breathing_field(body)


def _bones(body: Body, field: BreathingField, time: float) -> dict[str, npt.NDArray[np.float64]]:
    """Rigid motions (4, 4) that fit the flow best at each bone that moves; ribs turn about their necks."""
    found = {}
    program = body.program
    ribs = {f"{side} rib {number}": line for (number, side), line in rib_lines(body).items()}
    for n, structure in enumerate(program.structures):
        if not is_bone(structure):
            continue
        low, high = (np.array(program.tables.structure_float[n, c : c + 3], float) for c in (0, 3))
        low, high = np.maximum(low, LOW_MM), np.minimum(high, HIGH_MM)
        if (high <= low).any():
            continue
        points, _ = nodes(low, high, _BONE_MM)
        if np.abs(field.outward[0].at(points)).max() * abs(time) < _LEAST:
            continue
        own = points[program.distance(points, structure=n) < 0.0]
        if len(own) < 4:
            continue
        there = field.moved(own, time, _STEPS)
        if np.linalg.norm(there - own, axis=1).max() > 20 * _LEAST:
            if structure.name in ribs:
                line = ribs[structure.name]
                found[structure.name] = hinge_fit(own, there, line[0], neck_axis(line))
            else:
                found[structure.name] = rigid_fit(own, there)
    return found
