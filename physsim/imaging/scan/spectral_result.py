"""The result of simulate() for a scan at more than one energy: its channels, and the images made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.scan.result import Scan, figures_together, largest_scatter_error
from physsim.imaging.scan.truth import ScanTruth
from physsim.io.image import Image
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import Provenance


@dataclass(frozen=True, eq=False)
class SpectralScan:
    """One CT scan at more than one energy.

    `channels`: name -> a Scan of each beam, on one grid; or, of a counting detector's one beam, of all counts ("above
    25 keV") and of each bin ("25-50 keV"), whose layers are counts. `images`: name -> (z, y, x) float32, for each
    material its amount (mg/ml, "water", "I") and CT numbers as at one energy (HU, "mono 70 keV"); `errors`: their
    standard errors by the same names, found in the channels' own noise; empty without noise. Both are empty with one
    bin. `effective_kev`: of the channels, behind the body.

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=8)
    >>> coarse = ps.protocols.chest_dual_energy_ct(
    ...     views=90, columns=56, rows=2, pixel_mm=16.0, offset_mm=(4.0, 0.0), pitch=None, stops=1, modulation=None,
    ...     matrix=32, field_mm=256.0, range_mm=(-4.0, 4.0), slice_mm=8.0)
    >>> scan = ps.simulate(water, coarse, noise=False)
    >>> abs(round(float(scan["I"].array[0, 14:18, 14:18].mean()), 1)) < 0.2     # mg/ml
    True
    """

    channels: Mapping[str, Scan]
    images: Mapping[str, Image]
    errors: Mapping[str, Image]
    effective_kev: tuple[float, ...]
    protocol: Protocol
    truth: ScanTruth
    provenance: Provenance

    def __getitem__(self, name: str) -> Image:
        """An image by name. Raises InvalidInput, with the nearest names, for one that is not there."""
        if name not in self.images:
            raise InvalidInput(message(f"image {name!r}", "this scan made none of that name",
                                       did_you_mean(name, self.images)))
        return self.images[name]

    @property
    def scatter_error(self) -> float | None:
        """The largest e_S of the channels; None without scatter."""
        return largest_scatter_error(self.channels)

    @property
    def saturated(self) -> int:
        """Pixels and views beyond what can be read out, of all beams."""
        return sum(one.saturated for one in self.beams.values())

    @property
    def beams(self) -> Mapping[str, Scan]:
        """A channel of each beam, by its name; bins of energy are of one beam."""
        if self.protocol.second_beam is not None:
            return self.channels
        return {"": next(iter(self.channels.values()))}

    def figures(self) -> dict[str, float]:
        """Of each beam's channel, by "channel: figure" (by "figure" where there is one beam); effective energies; doses
        of all beams together."""
        several = len(self.beams) > 1
        result = figures_together(self.channels) if several else next(iter(self.beams.values())).figures()
        result |= {f"{channel}: effective_kev": kev
                   for channel, kev in zip(self.channels, self.effective_kev, strict=True)}
        if not several:
            return result
        known = [one.dose.ssde_mgy for one in self.channels.values() if one.dose.ssde_mgy is not None]
        return result | ({"ssde_mgy": float(np.cumsum(known)[-1])} if known else {})

    def save_dose(self, path: str | Path, overwrite: bool = False) -> None:
        """Doses of each beam as a DICOM dose report (.dcm) or a table (.json)."""
        from physsim.imaging.scan.dose_files import save_dose

        save_dose(self.beams, self.provenance, path, overwrite)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the scan by the ending of the name.

        A folder (no ending): one folder of DICOM CT images for each channel and each image (amounts as mg/ml), and
        spectral.h5 with all images and their errors. `.h5`: that file alone. `.png`: planes of the first image at one
        energy. Raises OutputError when a file exists and `overwrite` is False, InvalidInput for an unknown ending.
        """
        from physsim.imaging.scan.spectral_files import save_spectral

        save_spectral(self, path, overwrite)
