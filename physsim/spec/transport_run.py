"""A run of photon transport as one spec: phantom, source, detector, aim and seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pydantic

from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.base import Spec
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Vector
from physsim.spec.run import PhantomSource
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource, outline


class CountingPlane(Spec):
    """A detector that absorbs whatever meets its front. mm, LPS; `pixel_mm`: (along u, along v).

    `u`, `v`: unit vectors along its rows and columns. `disc_mm`: it counts only within this radius of its centre.
    `radius_mm`: of a curved one (see Geometry). `anti_scatter_grid`: before it.
    """

    centre_mm: Vector
    u: Vector
    v: Vector
    rows: pydantic.PositiveInt
    columns: pydantic.PositiveInt
    pixel_mm: tuple[pydantic.PositiveFloat, pydantic.PositiveFloat]
    disc_mm: pydantic.PositiveFloat | None = None
    radius_mm: pydantic.PositiveFloat | None = None
    anti_scatter_grid: AntiScatterGrid | None = None

    def seen_from(self, source_mm: Vector) -> Geometry:
        """The view from a source."""
        return Geometry(
            source_mm=np.array(source_mm),
            centre_mm=np.array(self.centre_mm),
            u=np.array(self.u),
            v=np.array(self.v),
            rows=self.rows,
            columns=self.columns,
            pixel_mm=self.pixel_mm,
            radius_mm=self.radius_mm,
        )


class TransportRun(Spec):
    """What `physsim mc run` and `physsim mc replay` do.

    `source` without a `field` shines on the detector's outline. `ambient`: a material around the voxels; vacuum when
    left out. `energy_edges_kev`: images by energy bin too (equal steps).

        seed = 3
        ambient = "air_dry"
        [phantom]
        scene = "water_20cm"
        [source]
        spectrum = { kvp = 90, filters = [["Al", 4.0]] }
        position_mm = [0, -800, 0]
        [detector]
        centre_mm = [0, 300, 0]
        u = [1, 0, 0]
        v = [0, 0, 1]
        rows = 40
        columns = 48
        pixel_mm = [6.25, 7.5]
        [montecarlo]
        histories = 1e6
    """

    phantom: PhantomSource
    source: PhotonSource
    montecarlo: MonteCarlo
    detector: CountingPlane | None = None
    ambient: str | None = None
    energy_edges_kev: tuple[float, ...] | None = None
    seed: int = pydantic.Field(default=0, ge=0, lt=2**63)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _field(cls, values: Any) -> Any:
        source, plane = (values.get(name) for name in ("source", "detector"))
        if not isinstance(source, dict) or "field" in source or plane is None:
            return values
        made = plane if isinstance(plane, CountingPlane) else CountingPlane(**plane)
        if "position_mm" not in source:
            return values
        return {**values, "source": {**source, "field": outline(made.seen_from(source["position_mm"]))}}

    @property
    def geometry(self) -> Geometry | None:
        """The detector's view from the source, or None."""
        return None if self.detector is None else self.detector.seen_from(self.source.position_mm)
