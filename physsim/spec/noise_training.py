"""What noise networks are trained on, and how: all that their data and weights follow from."""

from __future__ import annotations

import json
from typing import Self

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec
from physsim.spec.training import HELD_OUT, FileCounts, Span

PATCH = 32  # pixels along the side of what a periodogram is of
_NOT_DATA = ("beams", "held_out", "width", "components", "terms", "radius", "epochs", "batch", "learning_rate",
             "file_beams")


class NoiseTechnique(Spec):
    """Even exposures of the detector of a shipped `protocol`, with what is drawn between two ends in each.

    `detector`: a shipped one in place of the protocol's. `share`: of all beams. Drawn for each beam: `kvp`, `copper_mm`
    (added filter; the protocol's own if left out), `pixel_mm` (evenly in its logarithm). For each exposure:
    `signal_kev_mm2` in the detector (evenly in its logarithm), `water_mm` and, in every other one, `bone_mm` in the
    beam, `scatter`: over the primary signal.
    """

    protocol: str
    detector: str | None = None
    share: float = pydantic.Field(default=1.0, gt=0.0)
    kvp: Span
    copper_mm: Span | None = None
    pixel_mm: Span
    signal_kev_mm2: Span
    water_mm: Span
    bone_mm: Span = (0.0, 0.0)
    scatter: Span = (0.0, 0.0)

    @pydantic.field_validator("kvp", "pixel_mm", "signal_kev_mm2")
    @classmethod
    def _positive(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] > 0.0:
            raise ValueError(message(f"range from {value[0]:g}", "it must begin above 0", "Give more."))
        return value


class NoiseTraining(Spec):
    """Data: `beams` of the techniques, each in `exposures`, by the law of their detector's chain. A further `held_out`
    beams are never trained on: noise drawn by the chain, of `held_out_pixels` x `held_out_pixels`, judges them.

    Network: `components` of noise, each spread by a kernel of `radius` pixels, a sum of `terms` products of a row and a
    column; `width` of its layers; `epochs` of batches of `batch` exposures, at most `learning_rate`. `seed`: of all
    that is drawn. `file_beams`: in one file.

    >>> import physsim as ps
    >>> one = {"protocol": "chest_pa", "kvp": (60, 140), "pixel_mm": (0.2, 0.4), "signal_kev_mm2": (1e4, 1e7),
    ...        "water_mm": (0, 300)}
    >>> ps.NoiseTraining(techniques=[one]).components
    2
    """

    techniques: tuple[NoiseTechnique, ...] = pydantic.Field(min_length=1)
    seed: int = pydantic.Field(default=1, ge=0, lt=2**63)
    beams: int = pydantic.Field(default=384, ge=1)
    held_out: int = pydantic.Field(default=64, ge=1)
    exposures: int = pydantic.Field(default=8, ge=1)
    held_out_pixels: int = pydantic.Field(default=512, ge=PATCH)
    components: int = pydantic.Field(default=2, ge=1, le=8)
    terms: int = pydantic.Field(default=2, ge=1, le=8)
    radius: int = pydantic.Field(default=8, ge=1, le=PATCH // 2 - 1)
    width: int = pydantic.Field(default=48, ge=4, le=256)
    epochs: int = pydantic.Field(default=60, ge=1)
    batch: int = pydantic.Field(default=64, ge=1)
    learning_rate: float = pydantic.Field(default=3e-3, gt=0.0)
    file_beams: int = pydantic.Field(default=32, ge=1)

    @pydantic.model_validator(mode="after")
    def _whole_patches(self) -> Self:
        if self.held_out_pixels % PATCH:
            raise ValueError(message(f"held_out_pixels={self.held_out_pixels}",
                                     f"noise is looked at in patches of {PATCH}", f"Give a multiple of {PATCH}."))
        return self

    @property
    def files(self) -> FileCounts:
        """How data lie in files."""
        return FileCounts(trained=self.beams, held_out=self.held_out, in_one=self.file_beams)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of all beams: those to train on, and those held out."""
        return (*range(self.beams), *range(HELD_OUT, HELD_OUT + self.held_out))

    def data_json(self) -> str:
        """All that the data of a beam follow from: specs that agree in it share their data."""
        return json.dumps({name: value for name, value in self._plain().items() if name not in _NOT_DATA})
