"""What a body's files may say of how the right of pairs differs from the left."""

from __future__ import annotations

import pydantic

from physsim.spec.base import Spec

Ends = tuple[float, float, float, float]


class Side(Spec):
    """A difference of the right from the left of pairs; each side has half of it, so that the pair's mass stays.

    `solids`: patterns of their names as declared, without a leading "{side} ". `shift_mm`: of the points of their
    parts, lateral, posterior, up; all of it where |x|, y and z lie between the middle two of `lateral`, `posterior` and
    `up` (mm), none outside the outer two, smooth between. Ellipsoids stretch as the shifts round them do. `thicker`:
    of tubes, branches, surfaces and ellipsoids, as a share. `grow_mm`: of parts that are fields of both sides.

    Neglects: shapes of expressions and lofts, and fields with `mirror`, stay as they are.
    """

    name: str
    source: str
    solids: tuple[str, ...] = ("*",)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lateral: Ends | None = None
    posterior: Ends | None = None
    up: Ends | None = None
    thicker: float = pydantic.Field(0.0, gt=-0.5, lt=0.5)
    grow_mm: float = 0.0

    @pydantic.field_validator("lateral", "posterior", "up")
    @classmethod
    def _rising(cls, ends: Ends | None) -> Ends | None:
        if ends is not None and not ends[0] < ends[1] <= ends[2] < ends[3]:
            raise ValueError("four rising places: none, all, all, none. Give for example [20, 90, 200, 260].")
        return ends

    @pydantic.model_validator(mode="after")
    def _gentle(self) -> Side:
        # 15/8: the largest slope of the smooth step
        for ends in (self.lateral, self.posterior, self.up):
            for a, b in () if ends is None else ((ends[0], ends[1]), (ends[2], ends[3])):
                if 15.0 / 16.0 * max(map(abs, self.shift_mm)) > 0.2 * (b - a):
                    raise ValueError(f"{self.name}: {self.shift_mm} mm within {b - a:g} mm tears. Let it fade slower.")
        return self
