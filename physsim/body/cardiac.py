"""The heart's cycle of a declared body: a phase of the R-R interval to displacements of heart, vessels' roots and lung.

The body's files declare the end of diastole. A phase is so much of the stroke volume that is out: emptying and filling
take the same way, the ventricles together and the atria against them, so that phase 1 is phase 0 to the bit.

Neglects: what the atria do by themselves, the isovolumetric change of shape, different timing of right and left.

Reference: figures and their sources in phantoms/anatomy/motion/cardiac.toml.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from physsim.body.body import Body
from physsim.body.breathing import structures_of_the_lung
from physsim.body.cardiac_field import HeartField, heart_field
from physsim.body.cardiac_geometry import recipe
from physsim.body.flow import nodes
from physsim.body.motion import Motion, inverted, is_bone
from physsim.errors import InvalidInput, message
from physsim.phantom.curves import monotone_cubic

STEP_MM = 2.5  # walls thicken: coarser tables blur their edges


def cardiac(body: Body, phase: float) -> Motion:
    """The motion that brings a body from the end of diastole, as declared, to a phase (0 to 1) of the R-R interval.

    >>> from physsim.body.cardiac import stroke_out
    >>> stroke_out(0.0), stroke_out(0.35), stroke_out(1.0)
    (0.0, 1.0, 0.0)
    """
    return emptied(body, stroke_out(phase), f"cardiac {phase:g}")


def emptied(body: Body, out: float, name: str = "") -> Motion:
    """The heart when `out` (0 to 1) of its stroke volume is out."""
    if not 0.0 <= out <= 1.0:
        raise InvalidInput(message(f"out={out}", "the share of the stroke volume that is out", "Give 0 to 1."))
    field = _field(body)
    low = field.low - STEP_MM  # so that the outer nodes stay
    points, shape = nodes(low, field.high + 2.0 * STEP_MM, STEP_MM)
    inverse = field.returned(points, out) - points if out else np.zeros_like(points)
    back = inverse.reshape(*shape, 3)
    there = field.moved(points, out)
    if missed := inverted(back, low, STEP_MM, points, there):
        raise InvalidInput(message(f"out={out}", f"the motion folds at {missed} nodes", "Take a smaller share."))
    both = [np.stack([one, one]) for one in ((there - points).reshape(*shape, 3), back)]
    bones = {name: np.eye(4) for name in _bones_beside(body, field)}
    return Motion(body, both[0], both[1], low, STEP_MM, bones, structures_of_the_lung(body),
                  name or f"{out:g} of the stroke volume")  # fmt: skip


def stroke_out(phase: float) -> float:
    """Share of the stroke volume that is out at a phase of the R-R interval: 0 at 0 and 1."""
    if not 0.0 <= phase <= 1.0:
        raise InvalidInput(
            message(f"cardiac={phase}", "phases of the R-R interval run from 0, the end of diastole, to 1", "Mend it.")
        )
    cycle = recipe()["cycle"]
    knots, values = np.array(cycle["phase"], float), np.array(cycle["out"], float)
    return float(monotone_cubic(knots, values[:, None], np.array([phase]))[0, 0])


@lru_cache(maxsize=2)
def _field(body: Body) -> HeartField:
    return heart_field(body)


def _bones_beside(body: Body, field: HeartField) -> list[str]:
    """Bones that the field could reach: they stay."""
    boxes = body.program.tables.structure_float[:, :6].astype(float)
    return [one.name for one, box in zip(body.program.structures, boxes, strict=True)
            if is_bone(one) and (box[:3] < field.high).all() and (box[3:] > field.low).all()]  # fmt: skip
