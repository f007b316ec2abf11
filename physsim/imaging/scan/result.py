"""The result of simulate() for a scan: a volume in CT numbers, what was measured, truth and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.body import check_same
from physsim.imaging.dose.ct_organs import organ_doses
from physsim.imaging.dose.organs import HISTORIES, OrganDoses
from physsim.imaging.dose.scan_dose import ScanDose, scan_dose, water_diameter_mm
from physsim.imaging.scan.coverage import PADDING_HU
from physsim.imaging.scan.truth import ScanTruth
from physsim.io.hdf5 import Layer
from physsim.io.image import Image
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box, Grid
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import Provenance


@dataclass(frozen=True, eq=False)
class Scan:
    """One CT scan of a phantom.

    `volume`: CT numbers (z, y, x) float32, HU, and where they lie; PADDING_HU, -8192, where data are incomplete (see
    `measured`). `lengths_mm`: (views, rows, columns) float32, each
    measurement as the length of water that would give it. `layers`: what was kept of primary, scatter, signal, raw and
    image, (views, rows, columns). `mas`: (views,) of each view. `scatter_error`: e_S, the RMS standard error of
    scatter over its mean; None without scatter. `saturated`, `starved`: pixels and views beyond what can be read out,
    and those that saw less than one photon's signal.

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=8)
    >>> coarse = ps.protocols.head_ct(views=90, columns=56, rows=2, pixel_mm=16.0, offset_mm=(4.0, 0.0), stops=1,
    ...                               matrix=32, field_mm=256.0, range_mm=(-4.0, 4.0), slice_mm=8.0)
    >>> scan = ps.simulate(water, coarse, noise=False)
    >>> abs(round(float(scan.volume.array[0, 14:18, 14:18].mean()))) <= 5      # HU
    True
    """

    volume: Image
    lengths_mm: NDArray[np.float32]
    layers: Mapping[str, Layer]
    geometry: Geometry
    protocol: Protocol
    truth: ScanTruth
    provenance: Provenance
    mas: NDArray[np.float64]
    scatter_error: float | None = None
    saturated: int = 0
    starved: int = 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The array of a kept layer. Raises InvalidInput, with the nearest names, for one that is not there."""
        if name not in self.layers:
            raise InvalidInput(message(f"layer {name!r}", "this scan kept none of that name",
                                       did_you_mean(name, self.layers) + " Give keep=(...) to simulate()."))
        return self.layers[name].array

    def __len__(self) -> int:
        return len(self.geometry)

    @cached_property
    def dose(self) -> ScanDose:
        """CTDIvol, dose-length product and size-specific estimate. A beam's index is computed once (some 3 s of CPU)
        and kept in the user's cache folder."""
        volume, (lowest, highest) = self.volume, self.box_mm()
        assert volume.origin_mm is not None
        sides = [(volume.origin_mm[n] - 0.5 * volume.spacing_mm[n],
                  volume.origin_mm[n] + (volume.array.shape[2 - n] - 0.5) * volume.spacing_mm[n]) for n in (0, 1)]
        cut = any(lowest[n] < low or highest[n] > high for n, (low, high) in enumerate(sides)) or self._beyond()
        return scan_dose(self.protocol, self.mas, self.geometry.source_mm[:, 2], self.water_diameter_mm(),
                         self.current_by_slice(), cut)

    @cached_property
    def measured(self) -> NDArray[np.bool_]:
        """(z, y, x): voxels of which the scan's data are complete; the others hold PADDING_HU."""
        return np.asarray(self.volume.array != np.float32(PADDING_HU))

    def _beyond(self) -> bool:
        """Whether the body's box reaches into voxels that were not measured."""
        grid, (low, high) = self.grid(), self.box_mm()
        assert grid.origin_mm is not None
        x, y = (grid.origin_mm[n] + grid.spacing_mm[n] * np.arange(grid.shape[2 - n]) for n in (0, 1))
        rows, columns = (y >= low[1]) & (y <= high[1]), (x >= low[0]) & (x <= high[0])
        return not self.measured[:, rows][:, :, columns].all()

    def organ_doses(self, phantom: Phantom, histories: int = HISTORIES, threads: int | None = None) -> OrganDoses:
        """Mean absorbed doses of the organs of `phantom`, the one that was scanned, by photon transport; see
        imaging.dose.ct_organs. Raises InvalidInput for another phantom."""
        check_same(phantom, self.provenance.phantom)
        return organ_doses(phantom, self.protocol, self.geometry, self.mas, self.axis_mm(), histories=histories,
                           seed=self.provenance.seed, threads=threads)

    def box_mm(self) -> Box:
        """Low and high corner (world mm) of the body that was scanned."""
        return self.provenance.phantom.body_low_mm, self.provenance.phantom.body_high_mm

    def axis_mm(self) -> tuple[float, float]:
        """(x, y) of the axis of rotation."""
        rotation, (low, high) = self.protocol.rotation, self.box_mm()
        assert rotation is not None
        return rotation.aim_mm or (0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]))

    def parts(self) -> tuple[Geometry, ...]:
        """The views of each axial turn, or of the helix."""
        rotation, wanted = self.protocol.rotation, self.protocol.reconstruction
        assert rotation is not None
        assert wanted is not None
        return rotation.turns(self.protocol.detector, self.box_mm(), wanted.field_mm)

    def grid(self) -> Grid:
        """Of the volume."""
        rotation, wanted = self.protocol.rotation, self.protocol.reconstruction
        assert rotation is not None
        assert wanted is not None
        return wanted.grid(self.box_mm(), rotation.range_of(self.box_mm()), rotation.aim_mm)

    def water_diameter_mm(self) -> NDArray[np.float64]:
        """(slices,) of the water cylinder that attenuates as the slice does; see imaging.dose.scan_dose."""
        return water_diameter_mm(self.volume, PADDING_HU)

    def current_by_slice(self) -> NDArray[np.float64]:
        """(slices,) tube current over its mean: of views whose source stands within half the collimation of a slice,
        or the nearest."""
        rotation, volume = self.protocol.rotation, self.volume
        assert rotation is not None
        assert volume.origin_mm is not None
        heights = volume.origin_mm[2] + volume.spacing_mm[2] * np.arange(len(volume.array))
        reach, source = 0.5 * rotation.collimation_mm(self.protocol.detector), self.geometry.source_mm[:, 2]
        near = [np.abs(source - height) for height in heights]
        found = [self.mas[away <= max(reach, float(away.min()))].mean() for away in near]
        return np.array(found) / float(self.mas.mean())

    def figures(self) -> dict[str, float]:
        """What the scan amounts to: views and turns, mAs of a turn (mean, least, greatest), collimation (mm),
        scatter's error, pixels beyond what can be read out and those without photons, doses (see `dose`)."""
        rotation = self.protocol.rotation
        assert rotation is not None
        turn = self.mas * rotation.views
        result = {"views": float(len(self)), "turns": len(self) / rotation.views, "mas_mean": float(turn.mean()),
                  "mas_least": float(turn.min()), "mas_greatest": float(turn.max()),
                  "collimation_mm": rotation.collimation_mm(self.protocol.detector)}
        if rotation.pitch is not None:
            result["mas_effective"] = result["mas_mean"] / rotation.pitch
        if self.scatter_error is not None:
            result["scatter_error"] = self.scatter_error
        if "scatter" in self.layers and "primary" in self.layers:
            sums = [float(self[name].sum(dtype=np.float64)) for name in ("scatter", "primary")]
            result["scatter_to_primary"] = sums[0] / sums[1] if sums[1] > 0.0 else float("inf")
        return {**result, "saturated_pixels": float(self.saturated), "starved_pixels": float(self.starved),
                **self.dose.figures()}

    def save_dose(self, path: str | Path, overwrite: bool = False) -> None:
        """Doses as a DICOM dose report (.dcm) or a table (.json)."""
        from physsim.imaging.scan.dose_files import save_dose

        save_dose({"": self}, self.provenance, path, overwrite)

    def save_projections(self, folder: str | Path, corrected: bool = True, overwrite: bool = False) -> None:
        """What was measured, in the manner of DICOM-CT-PD: a file a view, with the poses of focus and detector.

        `corrected`: each measurement as a length of water times its attenuation, what the volume is made of; else
        -ln(image / open beam) before beam hardening and scatter are corrected, of a scan that kept its "image".
        Raises OutputError when files exist and `overwrite` is False.
        """
        from physsim.imaging.scan.measured_files import save_projections

        save_projections(self, folder, corrected, overwrite)

    def save_truth(self, path: str | Path, slices: str | Path | None = None, overwrite: bool = False) -> None:
        """Organs and lesions on the volume's grid: `.dcm` as a DICOM segmentation, a segment each, which names the
        images in the folder `slices` that it belongs to; else as scan.truth.save."""
        from physsim.imaging.scan.measured_files import save_truth

        save_truth(self, path, slices, overwrite)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the scan by the ending of the name, whole or not at all.

        A folder (no ending): one DICOM CT image a slice. `.nii.gz`, `.nii`, `.mhd`, `.mha`: the volume. `.h5`: volume,
        lengths of water, kept layers, truth and provenance. `.png`: axial, coronal and sagittal planes through the
        middle.
        Raises OutputError when a file exists and `overwrite` is False, InvalidInput for an unknown ending.
        """
        from physsim.imaging.scan.files import save_scan

        save_scan(self, path, overwrite)


def largest_scatter_error(scans: Mapping[str, Scan]) -> float | None:
    """The largest e_S of several scans; None without scatter."""
    known = [one.scatter_error for one in scans.values() if one.scatter_error is not None]
    return max(known) if known else None


def figures_together(scans: Mapping[str, Scan]) -> dict[str, float]:
    """Figures of each of several scans of one body, by "name: figure", and the doses of all of them."""
    found = {f"{name}: {figure}": value for name, one in scans.items() for figure, value in one.figures().items()}
    doses = [one.dose for one in scans.values()]
    return found | {"ctdi_vol_mgy": sum(one.ctdi_vol_mgy for one in doses),
                    "dlp_mgy_cm": sum(one.dlp_mgy_cm for one in doses)}
