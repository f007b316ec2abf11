"""Where photons come from: a focal spot, its spectrum, and the field that collimation leaves of its radiation."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.base import Spec
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Vector
from physsim.spec.spectrum import Spectrum


class RectangularField(Spec):
    """The field is the rectangle of `size_mm` (along `across`, along `along`) about `centre_mm` on a plane.

    `across` and `along` are unit vectors at right angles; the plane need not face the source. Lengths in mm, LPS.
    """

    centre_mm: Vector
    across: Vector
    along: Vector
    size_mm: tuple[pydantic.PositiveFloat, pydantic.PositiveFloat]

    @pydantic.model_validator(mode="after")
    def _orthonormal(self) -> RectangularField:
        axes = np.array([self.across, self.along])
        if not np.allclose(axes @ axes.T, np.eye(2), atol=1e-6):
            raise ValueError(
                message(
                    f"across={self.across}, along={self.along}",
                    "not unit vectors at right angles",
                    "Give for example across=(1, 0, 0), along=(0, 1, 0).",
                )
            )
        return self


class ConeField(Spec):
    """The field is a cone about the line from the source to `toward_mm`, of this half angle (degrees, below 90)."""

    toward_mm: Vector
    half_angle_deg: float = pydantic.Field(gt=0.0, lt=90.0)


class Sweep(Spec):
    """The source turns about an axis: each photon starts at a uniform angle from `first_deg` over `range_deg`.

    Angles are right-handed about `axis` through `centre_mm`; `range_deg` 0 is a source turned to `first_deg`.
    """

    first_deg: float = 0.0
    range_deg: float = pydantic.Field(default=360.0, ge=0.0, le=360.0)
    axis: Vector = (0.0, 0.0, 1.0)
    centre_mm: Vector = (0.0, 0.0, 0.0)

    @pydantic.field_validator("axis")
    @classmethod
    def _unit(cls, value: Vector) -> Vector:
        length = math.hypot(*value)
        if length == 0.0:
            raise ValueError("an axis has a direction. Give for example (0, 0, 1).")
        return value[0] / length, value[1] / length, value[2] / length


class PhotonSource(Spec):
    """An isotropic source behind a collimator: photons are uniform in solid angle within `field`.

    `spectrum`: Spectrum (photons uniform within each energy bin) or a number, its one energy in keV.
    `focal_spot_mm`: full widths (along `across`, along `along` of the field; any, for a cone) of a uniform rectangle;
    0 is a point. A spot blurs what stands between it and the field's plane; the field's edges there stay sharp.
    `sweep`: see Sweep.
    `cathode`: the side of a rectangular field ("u+": towards `across`, "u-", "v+": towards `along`, "v-") at which the
    tube's cathode lies. It brings the heel effect, flat filters passed obliquely and the bowtie, whose fan opens across
    the tube's axis with angles that grow along the field's other axis (as in Protocol). Without it the spectrum is the
    central ray's all over the field. Results are per photon behind filters and bowtie.

    Neglects: the penumbra of the collimator, off-focus radiation, scatter from filters and bowtie.

    >>> import physsim as ps
    >>> beam = ps.PhotonSource(spectrum=60, position_mm=(0, -800, 0),
    ...                        field=ps.RectangularField(centre_mm=(0, 300, 0), across=(1, 0, 0), along=(0, 0, 1),
    ...                                                  size_mm=(300, 300)))
    >>> beam.spectrum.energy_kev
    60.0
    """

    spectrum: Spectrum
    position_mm: Vector
    field: RectangularField | ConeField
    focal_spot_mm: tuple[pydantic.NonNegativeFloat, pydantic.NonNegativeFloat] = (0.0, 0.0)
    sweep: Sweep | None = None
    cathode: Literal["u+", "u-", "v+", "v-"] | None = None

    @pydantic.field_validator("spectrum", mode="before")
    @classmethod
    def _one_energy(cls, value: Any) -> Any:
        return Spectrum(energy_kev=float(value)) if isinstance(value, (int, float)) else value

    @pydantic.model_validator(mode="after")
    def _in_front(self) -> PhotonSource:
        if self.spectrum.bowtie is not None and self.cathode is None:
            raise ValueError(
                message(
                    "spectrum with a bowtie",
                    "the source does not say across which axis its fan opens",
                    "Give cathode='v+' for a fan along `across`, cathode='u+' for one along `along`.",
                )
            )
        if self.cathode is not None and (
            isinstance(self.field, ConeField) or not (self.spectrum.has_heel or self.spectrum.bowtie is not None)
        ):
            why = "a cone has no sides" if isinstance(self.field, ConeField) else "this beam has no heel and no bowtie"
            raise ValueError(
                message(f"cathode={self.cathode!r}", f"it has no effect: {why}", "Leave cathode out.")
            )
        target = np.array(self.field.toward_mm if isinstance(self.field, ConeField) else self.field.centre_mm)
        way = target - np.array(self.position_mm)
        if isinstance(self.field, RectangularField):
            gap = abs(float(way @ np.cross(self.field.across, self.field.along)))
            if gap < 1e-6:
                raise ValueError(
                    message(
                        f"position_mm={self.position_mm}",
                        "the source lies in the plane of its field",
                        "Move the source or the field.",
                    )
                )
        elif float(np.linalg.norm(way)) < 1e-6:
            raise ValueError(
                message(
                    f"toward_mm={self.field.toward_mm}",
                    "the cone's axis has no direction from the source",
                    "Give a point away from the source.",
                )
            )
        return self

    @classmethod
    def of_view(cls, geometry: Geometry, spectrum: Spectrum | float, view: int = 0, **fields: Any) -> PhotonSource:
        """The source of a view of a cone-beam geometry; its field is the detector's outline.

        Of a curved detector, seen from the source, it is the smallest rectangle that covers it: the field's corners
        pass beyond the detector's.
        """
        if geometry.beam != "cone":
            raise InvalidInput(
                message(
                    f"beam={geometry.beam!r}",
                    "the outline of a detector under a cone beam makes a field",
                    "Give PhotonSource(position_mm=..., field=...) yourself.",
                )
            )
        field, position = outline(geometry, view), _vector(geometry.source_mm[view])
        return cls(**{"spectrum": spectrum, "position_mm": position, "field": field, **fields})


def outline(geometry: Geometry, view: int = 0) -> RectangularField:
    """The field that a view's detector fills; of a curved one the smallest that covers it."""
    centre, u, v = (_vector(rows[view]) for rows in (geometry.centre_mm, geometry.u, geometry.v))
    size = (geometry.columns * geometry.pixel_mm[0], geometry.rows * geometry.pixel_mm[1])
    if geometry.radius_mm is not None:
        centre, size = _seen_outline(geometry, view, size)
    return RectangularField(centre_mm=centre, across=u, along=v, size_mm=size)


def _seen_outline(geometry: Geometry, view: int, size_mm: tuple[float, float]) -> tuple[Vector, tuple[float, float]]:
    """Centre and size of the rectangle, in the plane at the detector's centre, that the source sees it within."""
    half_u, half_v = 0.5 * size_mm[0], 0.5 * size_mm[1]
    edge = geometry.surface_mm(view, np.linspace(-half_u, half_u, 257)[None, :], np.array([[-half_v], [half_v]]))
    ways = edge - geometry.source_mm[view]
    ahead = ways @ geometry.normal[view]
    distance = float(geometry.distance_mm[view])
    if float(ahead.min()) <= 1e-3 * distance:
        raise InvalidInput(
            message(
                f"radius_mm={geometry.radius_mm}",
                "the detector reaches round to the source's back",
                "Use fewer columns, or give PhotonSource(position_mm=..., field=...) yourself.",
            )
        )
    scale = distance / ahead
    foot = geometry.source_mm[view] + distance * geometry.normal[view]
    bounds = [((ways @ axis) * scale) for axis in (geometry.u[view], geometry.v[view])]
    low, high = np.array([b.min() for b in bounds]), np.array([b.max() for b in bounds])
    middle = foot + 0.5 * ((low + high)[0] * geometry.u[view] + (low + high)[1] * geometry.v[view])
    return _vector(middle), (float((high - low)[0]), float((high - low)[1]))


def _vector(row: NDArray[np.float64]) -> Vector:
    return float(row[0]), float(row[1]), float(row[2])
