"""Automatic exposure control: the tube's current runs until detector or breast have what was asked for."""

from __future__ import annotations

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec

Field = tuple[float, float, float, float]
UNITS = {"detector_air_kerma_ugy": "uGy at the detector", "glandular_dose_mgy": "mGy to the gland",
         "entrance_air_kerma_mgy": "mGy at the entrance", "dose_area_product_mgy_cm2": "mGy cm2",
         "ctdi_vol_mgy": "mGy of CTDIvol"}  # by target


class ExposureControl(Spec):
    """Ends an exposure when the mean over `fields` of what the detector sees is that of `detector_air_kerma_ugy`, or
    when one of the doses has been given, all views together; one of these is given.

    `detector_air_kerma_ugy`: air kerma of the beam RQA5 (IEC 61267) at the detector's front that gives the same signal,
    scatter included (of RQA-M2 for a breast); with a grid that behind it (IEC 62494-1 calibrates the exposure index
    so). `glandular_dose_mgy`: mean over a breast's gland. `entrance_air_kerma_mgy`: of the beam where it enters the
    body, without backscatter; `dose_area_product_mgy_cm2`: over the detector. `ctdi_vol_mgy`: of a CT scan with one
    beam. `fields`: rectangles (left, top, right, bottom) as parts of the image from 0 to 1; several count alike; in
    mammography parts of the box around the breast in it. `most_mas`: the generator's limit, of a view or a
    scan's turn.

    >>> ExposureControl(detector_air_kerma_ugy=3.0).fields
    ((0.4, 0.4, 0.6, 0.6),)
    """

    detector_air_kerma_ugy: float | None = pydantic.Field(default=None, gt=0.0)
    glandular_dose_mgy: float | None = pydantic.Field(default=None, gt=0.0)
    entrance_air_kerma_mgy: float | None = pydantic.Field(default=None, gt=0.0)
    dose_area_product_mgy_cm2: float | None = pydantic.Field(default=None, gt=0.0)
    ctdi_vol_mgy: float | None = pydantic.Field(default=None, gt=0.0)
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
        given = [name for name in UNITS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(message(f"exposure control by {' and '.join(given) or 'nothing'}",
                                     f"one of {', '.join(UNITS)} ends it", "Give one of them."))
        return self

    @property
    def target(self) -> tuple[str, float]:
        """What ends the exposure: its name and value."""
        return next((name, float(getattr(self, name))) for name in UNITS if getattr(self, name) is not None)

    @property
    def unit(self) -> str:
        """Of the target, in words."""
        return UNITS[self.target[0]]
