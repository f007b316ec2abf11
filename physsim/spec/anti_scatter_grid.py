"""An anti-scatter grid: strips between patient and detector that absorb photons which do not come from the focus."""

from __future__ import annotations

import numpy as np
import pydantic
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.portable import exp
from physsim.spec.base import Spec
from physsim.spec.material import KnownMaterial, resolved_material
from physsim.units import MM_PER_CM

Floats = NDArray[np.float64]


class AntiScatterGrid(Spec):
    """Strips of a heavy material at equal steps, in a light one, between two covers; it stands before the detector.

    `ratio`: height of the strips over the width of the space between them. `lines_per_cm`: strips per cm.
    `strip_mm`, `strip`: width and material of a strip; `interspace`: material between; `cover_mm`, `cover`: thickness
    of both covers together, and their material. `focal_distance_mm`: from the line that the strips lean to, to their
    middle; None: parallel strips. `angle_deg`: the strips run along the detector's v turned so far towards u (0: along
    columns). `gap_mm`: from the strips' foot to the detector. `offset_mm`: of the upright strip from the detector's
    centre, across the strips.

    Before a curved detector the grid is bent with it (see `bent`): strips along v stand on the arc and so point to the
    cylinder's axis, which is the source where the radius is the distance from it; they take no `focal_distance_mm`.

    Neglects: photons that scatter or fluoresce in the grid (they count as absorbed: its size is not known here), grid
    lines in the image (the mean over a period is taken, as of a moving grid), the change of a strip's lean from its
    top to its foot.
    Reference: G. J. Day and D. R. Dance, Phys. Med. Biol. 28 (1983) 1429.

    >>> import physsim as ps
    >>> grid = ps.AntiScatterGrid(ratio=10, lines_per_cm=40, strip_mm=0.05, focal_distance_mm=1000)
    >>> grid.height_mm
    2.0
    >>> float(grid.transmission(60.0, (0.0, 0.0, 1.0)).round(3))                     # the primary on the central ray
    0.689
    """

    ratio: float = pydantic.Field(gt=0.0, le=100.0)
    lines_per_cm: float = pydantic.Field(gt=0.0, le=1000.0)
    strip_mm: float = pydantic.Field(ge=0.0)
    strip: KnownMaterial = "Pb"
    interspace: KnownMaterial = "Al"
    cover_mm: float = pydantic.Field(default=0.0, ge=0.0)
    cover: KnownMaterial = "Al"
    focal_distance_mm: float | None = pydantic.Field(default=None, gt=0.0)
    angle_deg: float = 0.0
    gap_mm: float = pydantic.Field(default=0.0, ge=0.0)
    offset_mm: float = 0.0

    @pydantic.model_validator(mode="after")
    def _room_between(self) -> AntiScatterGrid:
        if self.interspace_mm <= 0.0:
            raise ValueError(
                message(
                    f"strip_mm={self.strip_mm:g} at lines_per_cm={self.lines_per_cm:g}",
                    f"the strips fill their pitch of {self.pitch_mm:g} mm",
                    "Take thinner strips or fewer lines.",
                )
            )
        return self

    @property
    def pitch_mm(self) -> float:
        """From strip to strip."""
        return MM_PER_CM / self.lines_per_cm

    @property
    def interspace_mm(self) -> float:
        """Width of the space between two strips."""
        return self.pitch_mm - self.strip_mm

    @property
    def height_mm(self) -> float:
        """Height of the strips."""
        return self.ratio * self.interspace_mm

    @property
    def across(self) -> tuple[float, float]:
        """Unit vector across the strips, along the detector's (u, v)."""
        angle = np.radians(self.angle_deg)
        return float(np.cos(angle)), float(-np.sin(angle))

    def bent(self, radius_mm: float) -> AntiScatterGrid:
        """The grid before a detector curved to `radius_mm`, in the frame that stands on the arc where a photon arrives.

        In that frame (u along the arc, the normal away from the axis, position (0, v)) it is a flat grid. Strips along
        v (angle_deg 0) lean to a focal line on the cylinder's axis; those along the arc (angle_deg 90) stay as given.
        Raises InvalidInput for other angles, for a `focal_distance_mm` or `offset_mm` of strips along v, and for a grid
        that reaches the axis.
        Neglects: that a slant photon passes the strips at another angle to them than it meets the detector, but to
        first order in gap_mm / radius_mm.
        """
        across_u, across_v = (abs(part) < 1e-9 for part in self.across)
        focus = radius_mm - self.gap_mm - 0.5 * self.height_mm
        if not across_u and not across_v:
            raise InvalidInput(
                message(
                    f"angle_deg={self.angle_deg:g} before a curved detector",
                    "strips bend along the arc or run straight along its axis",
                    "Give 0 (along v) or 90 (along the arc), or a flat detector.",
                )
            )
        if focus <= 0.5 * self.height_mm:
            raise InvalidInput(
                message(
                    f"a grid of {self.height_mm:g} mm, {self.gap_mm:g} mm before a detector of radius_mm={radius_mm:g}",
                    "it reaches the axis that the detector is curved about",
                    "Give a smaller gap_mm, or a detector of a larger radius.",
                )
            )
        if across_u:
            return self
        for name, value in (("focal_distance_mm", self.focal_distance_mm), ("offset_mm", self.offset_mm or None)):
            if value is not None:
                raise InvalidInput(
                    message(
                        f"{name}={value:g} before a curved detector",
                        f"strips along v stand on its arc and point to its axis, {focus:g} mm from their middle",
                        f"Leave {name} out, or give a flat detector.",
                    )
                )
        return self.replace(focal_distance_mm=focus)

    def attenuation(self, energy_kev: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Of strips and interspace (1/mm), and the optical depth of both covers at normal incidence."""
        energy = np.asarray(energy_kev, np.float64)
        strip, space, cover = (
            np.asarray(linear_attenuation_per_mm(resolved_material(one), energy))
            for one in (self.strip, self.interspace, self.cover)
        )
        return strip, space, cover * self.cover_mm

    def transmission(self, energy_kev: ArrayLike, direction: ArrayLike, position_mm: ArrayLike = (0.0, 0.0)) -> Floats:
        """Expected share of a photon's energy behind the grid, averaged over its place within a period; float64.

        `direction`: (..., 3) along the detector's u, v and normal (away from the source; of any length);
        `position_mm`: (..., 2) where it meets the detector, from the detector's centre along u and v. All broadcast.
        Raises InvalidInput for a direction that does not go towards the detector.
        """
        way, place = np.asarray(direction, np.float64), np.asarray(position_mm, np.float64)
        if not (way[..., 2] > 0.0).all():
            raise InvalidInput(
                message(
                    f"direction with a normal part of {np.min(way[..., 2]):.3g}",
                    "photons come to the detector's front",
                    "Give the direction along (u, v, normal), with a normal part larger than 0.",
                )
            )
        slopes = way[..., :2] / way[..., 2:]
        slant = np.sqrt(1.0 + (slopes**2).sum(-1))
        slope = slopes @ np.array(self.across)
        off = slope
        if self.focal_distance_mm is not None:
            middle = place @ np.array(self.across) - slope * (self.gap_mm + 0.5 * self.height_mm) - self.offset_mm
            off = slope - middle / self.focal_distance_mm
        strip, space, cover = self.attenuation(energy_kev)
        return np.asarray(self._mean(strip, space, np.abs(off) * self.height_mm, slant) * _exp_minus(cover * slant))

    def _mean(self, strip: Floats, space: Floats, crossed: Floats, slant: Floats) -> Floats:
        """The formula of kernels/transport/anti_scatter_grid.h."""
        period, d, free = self.pitch_mm, self.strip_mm, self.interspace_mm
        crossed = np.maximum(crossed, 1e-9 * period)
        length = self.height_mm * slant
        whole = np.floor(crossed / period)
        rest = np.clip(crossed - whole * period, 0.0, period)
        most, least = np.minimum(rest, d), np.maximum(0.0, rest - free)
        per_strip = (strip - space) * length / crossed
        depth_most, depth_least = (space * length + per_strip * (whole * d + met) for met in (most, least))
        x = depth_most - depth_least
        small = np.abs(x) < 1e-4
        ramp = np.where(small, 1.0 - 0.5 * x + x * x / 6.0, (1.0 - _exp_minus(x)) / np.where(small, 1.0, x))
        at_least = _exp_minus(depth_least) * (np.abs(free - rest) + 2.0 * (most - least) * ramp)
        return np.asarray((np.abs(d - rest) * _exp_minus(depth_most) + at_least) / period)


def _exp_minus(depth: Floats) -> Floats:
    return exp(-np.minimum(depth, 700.0))
