"""The result of simulate(): layers with units, truth and provenance, saved by the ending of a file name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.body import check_same
from physsim.imaging.dose.entrance import dose_area_product_mgy_cm2, entrance_air_kerma_mgy
from physsim.imaging.dose.exposure_organs import exposure_organ_doses
from physsim.imaging.dose.glandular import GlandularDose
from physsim.imaging.dose.organs import HISTORIES, OrganDoses
from physsim.imaging.exposure_index import (
    behind_body,
    control_windows,
    deviation_index,
    exposure_index,
    reference_beam,
)
from physsim.imaging.truth import ExposureTruth
from physsim.io.hdf5 import Layer
from physsim.io.image import Image
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import Provenance

Images = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Exposure:
    """One exposure of a phantom in absolute units: expectations, and the image that a detector made of them.

    `layers`: name -> array with unit and axes, (views, rows, columns) float32 (`areal_density` has a materials axis
    after the views, `raw` whole numbers):

    ===================  =========  ==================================================================
    `primary`            keV        what unscattered photons add to the signal of a pixel, unblurred
    `open_field`         keV        the same without the phantom
    `transmission`       1          primary / open_field
    `scatter`            keV        what scattered photons add, where asked for
    `scatter_single`     keV        what those add that scattered once, where asked for; and `scatter_multiple`
    `signal`             keV        primary + scatter, blurred by the detector: the expected image
    `raw`                DN         digital numbers as they are read out, with noise
    `image`              keV        corrected for offset, gain and defects; without noise as `signal`
    `photons`            1          unscattered photons that reach the pixel, before a grid
    `open_photons`       1          the same without the phantom
    `air_kerma`          uGy        of the unscattered beam at the pixel, free in air, before a grid
    `open_air_kerma`     uGy        the same without the phantom
    `areal_density`      g/cm2      per material along the ray, where asked for
    ===================  =========  ==================================================================

    `mas`: of each view, the protocol's or what exposure control found. `scatter_error`: e_S, the RMS standard error of
    scatter over its mean, the largest of the views; None without scatter. `saturated`: pixels and views beyond what can
    be read out. `thickness_mm`: of a breast, between the plates. `glandular_dose`: mean glandular dose (mGy) of all
    views together, of breasts alone.

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
    mas: float
    scatter_error: float | None = None
    saturated: int = 0
    thickness_mm: float = 0.0
    glandular_dose: GlandularDose | None = None

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
        """What the exposure amounts to: mAs, air kermas (uGy) at detector and entrance, transmission, exposure index,
        scatter over primary (median behind the body) and the scatter's error, saturated pixels. See
        imaging.exposure_index for the indices.
        """
        middle = (0, self.geometry.rows // 2, self.geometry.columns // 2)
        kerma, free = self["air_kerma"], self["open_air_kerma"]
        result = {"mas": self.mas, "open_air_kerma_centre_ugy": float(free[middle]),
                  "air_kerma_mean_ugy": float(kerma.mean(dtype=np.float64)), "air_kerma_min_ugy": float(kerma.min()),
                  "transmission_min": float(self.transmission.min()),
                  "transmission_max": float(self.transmission.max())}
        result |= self.exposure_indices()
        result["dose_area_product_mgy_cm2"] = self.dose_area_product_mgy_cm2()
        if "scatter" in self.layers:
            behind = behind_body(self.transmission, np.ones_like(self.transmission)) & (self.primary > 0.0)
            if behind.any():
                result["scatter_to_primary"] = float(np.median(self["scatter"][behind] / self.primary[behind]))
            result["scatter_error"] = self.scatter_error or 0.0
        result["saturated_pixels"] = float(self.saturated)
        entrance = self.entrance_air_kerma_mgy()
        if entrance is not None:
            result["entrance_air_kerma_mgy"] = entrance
        if self.glandular_dose is not None:
            result |= {"glandular_dose_mgy": self.glandular_dose.mgy,
                       "glandular_dose_error": self.glandular_dose.relative_error,
                       "half_value_layer_mm": self.protocol.spectrum.replace(bowtie=None).sample().hvl1_mm()}
        return result

    def dose_area_product_mgy_cm2(self, view: int = 0) -> float:
        """Air kerma of the beam, without body and grid, times area, over the detector (mGy cm2)."""
        return dose_area_product_mgy_cm2(self["open_air_kerma"][view], self.geometry)

    def organ_doses(self, phantom: Phantom, histories: int = HISTORIES, threads: int | None = None) -> OrganDoses:
        """Mean absorbed doses (mGy) of the organs of `phantom`, the one that was exposed, all views together, by photon
        transport; see imaging.dose.exposure_organs. Raises InvalidInput for another phantom."""
        check_same(phantom, self.provenance.phantom)
        return exposure_organ_doses(phantom, self.protocol, self.geometry, self["open_photons"], histories=histories,
                                    seed=self.provenance.seed, threads=threads)

    def exposure_indices(self, view: int = 0) -> dict[str, float]:
        """Exposure index of a view from the median over the body, or over it in the control's fields, with target and
        deviation index where there is exposure control; nothing where no body is.
        """
        control, image = self.protocol.exposure_control, self["image"][view]
        relevant = behind_body(self.transmission[view], np.ones_like(self.transmission[view]))
        if control is not None:
            inside = np.zeros(image.shape, np.bool_)
            for window in control_windows(self.protocol, relevant):
                inside[window] = True
            relevant = relevant & inside if (relevant & inside).any() else inside
        if not relevant.any():
            return {}
        index = exposure_index(image, relevant, self.protocol.detector, reference_beam(self.protocol))
        if control is None or control.detector_air_kerma_ugy is None:
            return {"exposure_index": index}
        target = 100.0 * control.detector_air_kerma_ugy
        return {"exposure_index": index, "target_exposure_index": target,
                "deviation_index": deviation_index(index, target)}

    def entrance_air_kerma_mgy(self) -> float | None:
        """Air kerma (mGy) of the beam, all views, without backscatter, where it enters the body's box; presets only.
        See imaging.dose.entrance."""
        record = self.provenance.phantom
        return entrance_air_kerma_mgy(self["open_air_kerma"], self.protocol, self.geometry,
                                      (record.body_low_mm, record.body_high_mm), self.thickness_mm)

    def slices(self, slice_mm: float = 1.0, pixel_mm: float | None = None, *, kernel: str = "hann", even: bool = True,
               threads: int | None = None) -> Image:
        """Slices of a tomosynthesis scan by filtered backprojection: (z, y, x) float32, 1/mm, hung as the views are.

        Values are differences from what surrounds them (ps.tomosynthesis_fbp, `kernel` too). `pixel_mm`: in the slices,
        the detector's when left out. `even`: the breast's edge is first made as thick as the rest, as mammograms are
        shown, and what any view sees beside the breast has the lowest value; without it edges cast bands.
        Raises InvalidInput for an exposure that is no sweep over a breast.
        """
        from physsim.imaging.breast_slices import breast_slices

        return breast_slices(self, slice_mm, pixel_mm, kernel, even, threads)

    def save_truth(self, path: str | Path, image: str | Path | None = None, overwrite: bool = False) -> None:
        """Organs and lesions in the image: `.dcm` as a DICOM segmentation of `image`, which is this exposure as save()
        wrote it to a .dcm, a segment for each that a ray meets; else as truth.save. Of a tomosynthesis sweep `.dcm` is
        a segmentation of its slices, whose frames it names where `image` is the slices.dcm that save() wrote."""
        from physsim.imaging.truth_files import save_truth

        save_truth(self, path, image, overwrite)

    def save(self, path: str | Path, overwrite: bool = False, *, for_processing: bool = False,
             view: int | None = None) -> None:
        """Write the exposure in the format that the file name's ending says, whole or not at all.

        `.h5`: every layer and the provenance. `.png`: one labelled picture, ln(open field / primary), windowed.
        `.dcm`: DICOM digital X-ray image of 16 bits, for presentation (logarithmic), or `for_processing` (linear, keV
        per pixel); of a breast a mammogram, of several views of it breast projections, all in one file. `view`: which
        one, of several. Of a tomosynthesis scan also a folder (no ending): projections.dcm for processing, slices.dcm
        (Breast Tomosynthesis), truth.nii.gz and truth.json on the slices' voxels; and .nii.gz, .mha: the slices.
        Raises OutputError when the file exists and `overwrite` is False, InvalidInput for an unknown ending.
        """
        from physsim.imaging.exposure_files import save_exposure

        save_exposure(self, path, overwrite, for_processing, view)
