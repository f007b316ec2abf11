"""The beam of a scan as doses are computed of it: a fan that turns, its photons and its air kerma per mAs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physsim.physics.energy_absorption import mass_energy_absorption_cm2_g
from physsim.physics.spectra.quantities import kerma_ugy
from physsim.spec.grid import Vector
from physsim.spec.protocol import Protocol
from physsim.spec.source import PhotonSource, RectangularField, Sweep
from physsim.spec.spectrum import Spectrum
from physsim.transport.montecarlo_field import direction_photons
from physsim.transport.montecarlo_source import field_quantiles, shaped_field
from physsim.units import CM_PER_MM, MGY_PER_UGY, MM_PER_M

Floats = NDArray[np.float64]
Side = Literal["u+", "u-", "v+", "v-"]

_HEIGHTS = 33  # along the axis, over which the kerma is averaged


@dataclass(frozen=True, kw_only=True)
class TurningBeam:
    """A fan from (0, -`source_axis_mm`, 0) about the z axis; `across_mm`, `along_mm`: (low, high) at the axis, x and z.

    Neglects: over-beaming (the beam is as wide as what the detector's rows see), the focal spot's size.
    """

    spectrum: Spectrum
    source_axis_mm: float
    across_mm: tuple[float, float]
    along_mm: tuple[float, float]
    cathode: Side | None = None

    @property
    def collimation_mm(self) -> float:
        """Height of the beam at the axis."""
        return self.along_mm[1] - self.along_mm[0]

    def narrowed(self, collimation_mm: float) -> TurningBeam:
        """The same beam, so high about its middle."""
        middle = 0.5 * (self.along_mm[0] + self.along_mm[1])
        return TurningBeam(spectrum=self.spectrum, source_axis_mm=self.source_axis_mm, across_mm=self.across_mm,
                           along_mm=(middle - 0.5 * collimation_mm, middle + 0.5 * collimation_mm),
                           cathode=self.cathode)

    def source(self, axis_mm: Vector = (0.0, 0.0, 0.0), first_deg: float = 0.0,
               range_deg: float = 360.0) -> PhotonSource:
        """About the axis through `axis_mm`, whose z is the source's; angles as in Geometry.circular."""
        x, y, z = axis_mm
        (left, right), (low, high) = self.across_mm, self.along_mm
        field = RectangularField(centre_mm=(x + 0.5 * (left + right), y, z + 0.5 * (low + high)),
                                 across=(1.0, 0.0, 0.0), along=(0.0, 0.0, 1.0), size_mm=(right - left, high - low))
        return PhotonSource(spectrum=self.spectrum, position_mm=(x, y - self.source_axis_mm, z), field=field,
                            cathode=self.cathode, sweep=Sweep(first_deg=first_deg, range_deg=range_deg,
                                                              centre_mm=axis_mm))

    def photons(self) -> float:
        """That `source` sends into its field, per mAs (of a spectrum without a scale: in its own unit)."""
        bounds = self._tangents()
        source = self.source()
        per_sr = float(self.spectrum.sample().fluence.sum()) if self.cathode is None else \
            shaped_field(source, bounds, field_quantiles(*bounds))[0].mean()
        return per_sr * (CM_PER_MM * MM_PER_M) ** 2 * _solid_angle(*bounds)

    def air_kerma_mgy(self) -> float:
        """On the axis free in air, the mean over the beam's height, per mAs: CTDI100 in air, by NIST's mu_en/rho."""
        height = np.linspace(*self.along_mm, _HEIGHTS)
        tangent = height / self.source_axis_mm
        energies, photons = direction_photons(self.source(), self._tangents(), np.zeros_like(tangent), tangent)
        near = (MM_PER_M / self.source_axis_mm) ** 2 / (1.0 + tangent * tangent)
        absorption = mass_energy_absorption_cm2_g("air", energies)
        kerma = [kerma_ugy(energies, row * far, absorption) for row, far in zip(photons, near, strict=True)]
        middles = 0.5 * (np.array(kerma[1:]) + np.array(kerma[:-1]))
        return float(np.cumsum(middles)[-1]) / (_HEIGHTS - 1) * MGY_PER_UGY

    def _tangents(self) -> tuple[float, float, float, float]:
        left, right, low, high = (one / self.source_axis_mm for one in (*self.across_mm, *self.along_mm))
        return left, right, low, high


def turning_beam(protocol: Protocol) -> TurningBeam:
    """Of a protocol with a rotation."""
    rotation, detector = protocol.rotation, protocol.detector
    assert rotation is not None
    distance, axis = rotation.source_detector_mm, rotation.source_axis_mm
    half, aside = 0.5 * detector.columns * detector.pixel_mm[0], rotation.offset_mm[0]
    edges = (aside - half) / distance, (aside + half) / distance
    left, right = (axis * (math.tan(one) if rotation.curved else one) for one in edges)
    tall, above = 0.5 * detector.rows * detector.pixel_mm[1], rotation.offset_mm[1]
    return TurningBeam(spectrum=protocol.spectrum, source_axis_mm=axis, across_mm=(left, right),
                       along_mm=((above - tall) * axis / distance, (above + tall) * axis / distance),
                       cathode=protocol.cathode)


def _solid_angle(left: float, right: float, low: float, high: float) -> float:
    """Of a rectangle between these tangents (sr)."""
    def corner(x: float, y: float) -> float:
        return math.atan(x * y / math.sqrt(1.0 + x * x + y * y))

    return corner(right, high) - corner(left, high) - corner(right, low) + corner(left, low)
