"""The result of simulate(): layers with units, truth and provenance, saved by the ending of a file name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.truth import ExposureTruth
from physsim.io.hdf5 import Layer
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import Provenance

Images = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Exposure:
    """One exposure of a phantom: expectations in absolute units, without noise.

    `layers`: name -> array with unit and axes, (views, rows, columns) float32 (`areal_density` has a materials axis
    after the views):

    ===================  =========  ==================================================================
    `primary`            keV        energy absorbed per pixel, unscattered photons
    `open_field`         keV        the same without the phantom
    `transmission`       1          primary / open_field
    `photons`            1          unscattered photons that reach the pixel
    `open_photons`       1          the same without the phantom
    `air_kerma`          uGy        of the unscattered beam at the pixel, free in air
    `open_air_kerma`     uGy        the same without the phantom
    `areal_density`      g/cm2      per material along the ray, where asked for
    ===================  =========  ==================================================================

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=4)
    >>> shot = ps.simulate(water, ps.protocols.chest_pa(pixel_mm=4), seed=7)
    >>> shot["transmission"].shape
    (1, 108, 108)
    """

    layers: Mapping[str, Layer]
    geometry: Geometry
    protocol: Protocol
    truth: ExposureTruth
    provenance: Provenance

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """The array of a layer. Raises InvalidInput, with the nearest names, for one that is not there."""
        if name not in self.layers:
            raise InvalidInput(message(f"layer {name!r}", "this exposure has none of that name",
                                       did_you_mean(name, self.layers)))
        return self.layers[name].array

    def __len__(self) -> int:
        return len(self.geometry)

    @property
    def primary(self) -> Images:
        """(views, rows, columns) keV absorbed per pixel."""
        return self["primary"]

    @property
    def open_field(self) -> Images:
        """(views, rows, columns) keV absorbed per pixel without the phantom."""
        return self["open_field"]

    @property
    def transmission(self) -> Images:
        """(views, rows, columns) primary / open field."""
        return self["transmission"]

    def figures(self) -> dict[str, float]:
        """What the exposure amounts to: air kermas (uGy) at the detector and the entrance, mean transmission."""
        middle = (0, self.geometry.rows // 2, self.geometry.columns // 2)
        kerma, free = self["air_kerma"], self["open_air_kerma"]
        result = {"mas": self.protocol.mas, "open_air_kerma_centre_ugy": float(free[middle]),
                  "air_kerma_mean_ugy": float(kerma.mean(dtype=np.float64)), "air_kerma_min_ugy": float(kerma.min()),
                  "transmission_min": float(self.transmission.min()),
                  "transmission_max": float(self.transmission.max())}
        entrance = self.entrance_air_kerma_mgy()
        return result if entrance is None else {**result, "entrance_air_kerma_mgy": entrance}

    def entrance_air_kerma_mgy(self) -> float | None:
        """Air kerma (mGy) of the beam without backscatter where the central ray enters the body's box; presets only."""
        from physsim.imaging.technique import source_body_mm

        entrance = source_body_mm(self)
        if entrance is None:
            return None
        middle = (0, self.geometry.rows // 2, self.geometry.columns // 2)
        travel = self.geometry.pixel_centres_mm(0)[middle[1:]] - self.geometry.source_mm[0]
        distance = float(np.sqrt((travel * travel).sum()))
        return float(self["open_air_kerma"][middle]) * (distance / entrance) ** 2 * 1e-3

    def save(self, path: str | Path, overwrite: bool = False, *, for_processing: bool = False,
             view: int | None = None) -> None:
        """Write the exposure in the format that the file name's ending says, whole or not at all.

        `.h5`: every layer and the provenance. `.png`: one labelled picture, ln(open field / primary), windowed.
        `.dcm`: DICOM digital X-ray image of 16 bits, for presentation (logarithmic), or `for_processing` (linear, keV
        per pixel). `view`: which one, of several.
        Raises OutputError when the file exists and `overwrite` is False, InvalidInput for an unknown ending.
        """
        from physsim.imaging.exposure_files import save_exposure

        save_exposure(self, path, overwrite, for_processing, view)
