"""Automatic exposure control: the tube's current runs until detector or breast have what was asked for."""

from __future__ import annotations

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec

Field = tuple[float, float, float, float]


class ExposureControl(Spec):
    """Ends an exposure when the mean over `fields` of what the detector sees is that of `detector_air_kerma_ugy`, or
    when the gland of a breast has had `glandular_dose_mgy`, all views together. One of the two is given.

    `detector_air_kerma_ugy`: air kerma of the beam RQA5 (IEC 61267) at the detector's front that gives the same signal,
    scatter included (of RQA-M2 for a breast); with a grid that behind it (IEC 62494-1 calibrates the exposure index
    so). `fields`: rectangles (left, top, right, bottom) as parts of the image from 0 to 1; several count alike; in
    mammography parts of the box around the breast in it. `most_mas`: the generator's limit.

    >>> ExposureControl(detector_air_kerma_ugy=3.0).fields
    ((0.4, 0.4, 0.6, 0.6),)
    """

    detector_air_kerma_ugy: float | None = pydantic.Field(default=None, gt=0.0)
    glandular_dose_mgy: float | None = pydantic.Field(default=None, gt=0.0)
    fields: tuple[Field, ...] = ((0.4, 0.4, 0.6, 0.6),)
    most_mas: float = pydantic.Field(default=600.0, gt=0.0)

    @pydantic.field_validator("fields")
    @classmethod
    def _inside(cls, value: tuple[Field, ...]) -> tuple[Field, ...]:
        if not value:
            raise ValueError("there is no field to measure in. Give for example ((0.4, 0.4, 0.6, 0.6),).")
        for left, top, right, bottom in value:
            if not (0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0):
                raise ValueError(
                    message(
                        f"field {(left, top, right, bottom)}",
                        "it is (left, top, right, bottom) as parts of the image from 0 to 1",
                        "Give for example (0.4, 0.4, 0.6, 0.6).",
                    )
                )
        return value

    @pydantic.model_validator(mode="after")
    def _one_target(self) -> ExposureControl:
        if (self.detector_air_kerma_ugy is None) == (self.glandular_dose_mgy is None):
            raise ValueError(message("exposure control", "one of detector_air_kerma_ugy and glandular_dose_mgy ends it",
                                     "Give one of them."))
        return self
