"""Tube and detector of scatter images: how photons start, where the pixels are, what of photons counts there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from physsim.errors import InvalidInput, message
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.source import PhotonSource
from physsim.spec.spectrum import Spectrum
from physsim.transport.montecarlo_grid import pack_grid
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter_source import FieldSpectra, Frame, source_fields
from physsim.units import CM_PER_MM

Side = Literal["u+", "u-", "v+", "v-"]


@dataclass(frozen=True, eq=False)
class ScatterOptics:
    """The same for every view: beam, `cathode` and `focal_spot_mm` as in PhotonSource, grid and detector's response.

    Each view's source stands where the geometry says, its field is the detector's outline (`PhotonSource.of_view`), or
    that of the one view `field_of`. Made by `optics_of`.
    """

    spectrum: Spectrum
    cathode: Side | None
    focal_spot_mm: tuple[float, float]
    grid: dict[str, Any] | None
    response: dict[str, Any] | None
    field_of: Geometry | None = None
    _spectra: FieldSpectra = field(default_factory=FieldSpectra)

    def source_fields(self, geometry: Geometry, frame: Frame) -> dict[str, Any]:
        """Of a geometry's one view: the fields of kernels/transport/scatter_source.h."""
        lighted = geometry if self.field_of is None else self.field_of
        source = PhotonSource.of_view(lighted, self.spectrum, cathode=self.cathode, focal_spot_mm=self.focal_spot_mm)
        return source_fields(source, frame, self._spectra)

    def target_fields(self, geometry: Geometry, frame: Frame) -> dict[str, Any]:
        """Of a geometry's one view: the fields of kernels/transport/scatter_detector.h; u and v as long as a pixel."""
        pitch_u, pitch_v = (CM_PER_MM * step for step in geometry.pixel_mm)
        return {
            "centre": frame.local_cm(geometry.centre_mm[0]).tolist(),
            "u": (pitch_u * frame.local_direction(geometry.u[0])).tolist(),
            "v": (pitch_v * frame.local_direction(geometry.v[0])).tolist(),
            "normal": frame.local_direction(geometry.normal[0]).tolist(),
            "radius_cm": 0.0 if geometry.radius_mm is None else CM_PER_MM * geometry.radius_mm,
            "grid": self.grid,
            "response": self.response,
        }


def optics_of(
    geometry: Geometry,
    spectrum: Spectrum | float,
    cathode: Side | None,
    focal_spot_mm: tuple[float, float],
    anti_scatter_grid: AntiScatterGrid | None,
    response: ResponseTable | None = None,
) -> ScatterOptics:
    """Checked: InvalidInput for a parallel beam and for what PhotonSource, Spectrum and AntiScatterGrid refuse."""
    if geometry.beam != "cone":
        raise InvalidInput(
            message(
                f"beam={geometry.beam!r}", "scatter images start from a focal spot", "Give a cone beam."
            )
        )
    beam = spectrum if isinstance(spectrum, Spectrum) else Spectrum(energy_kev=float(spectrum))
    PhotonSource.of_view(geometry, beam, cathode=cathode, focal_spot_mm=focal_spot_mm)
    grid = None if anti_scatter_grid is None else pack_grid(anti_scatter_grid, geometry, 0)
    return ScatterOptics(beam, cathode, focal_spot_mm, grid, None if response is None else response.fields())


def check_one_view(geometry: Geometry) -> None:
    """InvalidInput unless it is one view."""
    if len(geometry) != 1:
        raise InvalidInput(
            message(
                f"geometry of {len(geometry)} views",
                "a scatter image is of one view",
                "Give geometry[i].",
            )
        )
