"""CT of a body that moves: which of its cycles, and at which phases images are made."""

from __future__ import annotations

from typing import Literal

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec


class Gating(Spec):
    """Axial short scans triggered at phases of heartbeat or breath, every view of the body at its own time.

    `motion`: "heart" (phases of the R-R interval) or "breathing" (of a quiet breath, out at 0). `period_s`: of a cycle.
    `phases`: of which images are made, each in a cycle of its own: its short scan's middle is at that phase. `bodies`:
    states a cycle that the body is made in, at equal phases; a view sees the nearest. `organs`: words in the names of
    organs whose heights are scanned, where the rotation has no range_mm; empty: the whole body.
    """

    motion: Literal["heart", "breathing"]
    period_s: float = pydantic.Field(gt=0.0)
    phases: tuple[float, ...] = pydantic.Field(min_length=1)
    bodies: int = pydantic.Field(default=20, ge=2, le=200)
    organs: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> Gating:
        if any(not 0.0 <= one < 1.0 for one in self.phases) or any(
                later <= one for one, later in zip(self.phases, self.phases[1:], strict=False)):
            raise ValueError(message(f"phases={self.phases}", "phases rise, from 0 to below 1", "Give for example "
                                     "(0.4, 0.75)."))
        return self
