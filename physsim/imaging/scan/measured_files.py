"""A scan's measurements as DICOM-CT-PD, and its truth as a DICOM segmentation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import central_fluence
from physsim.imaging.detected import detected
from physsim.imaging.dicom.ct_projections import ProjectionScan, save_ct_projections
from physsim.imaging.exposure_files import check_dicom
from physsim.imaging.hardness import hardness
from physsim.imaging.pixel_beam import pixel_beam
from physsim.imaging.scan.files import ct_technique
from physsim.imaging.technique import identity, subject
from physsim.imaging.truth_files import save_volume_segmentation
from physsim.io.atomic import check_output
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.portable import log
from physsim.spec.readout import CountingReadout

if TYPE_CHECKING:
    from physsim.imaging.scan.result import Scan

Images = NDArray[np.float32]


def line_integrals(scan: Scan) -> Images:
    """(views, rows, columns) -ln(corrected image / open beam), as measured: hardened, and with scatter. Raises
    InvalidInput for a scan that did not keep its image, and for one that counts photons."""
    protocol = scan.protocol
    if isinstance(protocol.detector.readout, CountingReadout):
        raise InvalidInput(message("projections of counts", "their logarithm is not taken here",
                                   'Give corrected=True, or take scan["image"].'))
    beam = pixel_beam(protocol, scan.geometry[0])
    law = hardness(protocol.detector, beam.energies_kev, central_fluence(protocol, beam.energies_kev))
    opened, square = (one[None].astype(np.float32) for one in beam.open_field())
    free = detected(protocol.detector, law, opened, square, noise=False)[0][0]
    ratio = scan["image"] / (free * scan.mas[:, None, None].astype(np.float32))
    least = np.float32(1e-6)
    return np.asarray(-log(np.maximum(ratio, least)), np.float32)


def save_projections(scan: Scan, folder: str | Path, corrected: bool, overwrite: bool) -> list[Path]:
    """See Scan.save_projections."""
    check_dicom(str(folder))
    protocol, rotation, wanted = scan.protocol, scan.protocol.rotation, scan.protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    per_mm = float(linear_attenuation_per_mm("water", protocol.spectrum.sample().mean_energy_kev))
    values = scan.lengths_mm * np.float32(per_mm) if corrected else line_integrals(scan)
    folder = Path(folder)
    check_output(folder / "projection_00001.dcm" if folder.is_dir() else folder, overwrite)
    folder.mkdir(exist_ok=True)
    described = ProjectionScan(
        technique=ct_technique(scan, kernel="none", description=f"{protocol.title or protocol.name}, projections"),
        views_per_rotation=rotation.views, water_per_mm=per_mm, axis_mm=scan.axis_mm(),
        beam_hardening=corrected and wanted.beam_hardening == "water",
        scatter=corrected and scan.scatter_error is not None and wanted.scatter_correction == "known")
    return save_ct_projections(folder, values, scan.geometry, described, subject(scan.provenance),
                               identity(scan.provenance), overwrite=overwrite)


def save_truth(scan: Scan, path: str | Path, slices: str | Path | None, overwrite: bool) -> None:
    """See Scan.save_truth."""
    path = Path(path)
    if path.suffix.lower() != ".dcm":
        if slices is not None:
            raise InvalidInput(message(f"slices={slices} with {path.name}", "only a .dcm names the slices that it "
                                       "belongs to", "Leave slices out."))
        scan.truth.save(path, overwrite)
        return
    check_dicom(str(path))
    check_output(path, overwrite)
    sources = [] if slices is None else sorted(Path(slices).glob("slice_*.dcm"))
    if slices is not None and not sources:
        raise InvalidInput(message(str(slices), "holds no slices", "Give the folder that scan.save wrote."))
    save_volume_segmentation(path, scan.truth.image(), scan.truth.volume, sources, scan.provenance, overwrite)
