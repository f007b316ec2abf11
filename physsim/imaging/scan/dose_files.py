"""The doses of a scan to a file: DICOM dose report, or the table as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.dicom.ct_dose_report import IrradiationEvent, dose_report_bytes
from physsim.imaging.exposure_files import check_dicom
from physsim.imaging.technique import identity, subject
from physsim.io.atomic import check_output, write_bytes
from physsim.spec.provenance import Provenance

if TYPE_CHECKING:
    from physsim.imaging.scan.result import Scan


def save_dose(scans: Mapping[str, Scan], record: Provenance, path: str | Path, overwrite: bool = False) -> None:
    """Of `scans` with a beam of their own, by name: `.dcm` (X-Ray Radiation Dose SR) or `.json` (all figures).

    Raises InvalidInput for another ending, OutputError when the file exists and `overwrite` is False.
    """
    path = Path(path)
    if path.suffix.lower() not in (".dcm", ".json"):
        raise InvalidInput(message(str(path), "the ending names no format of doses", "Give .dcm or .json."))
    check_output(path, overwrite)
    if path.suffix.lower() == ".json":
        table = {name: one.dose.table() for name, one in scans.items()}
        write_bytes(path, (json.dumps(table, indent=1) + "\n").encode(), overwrite)
        return
    check_dicom(str(path))
    events = [_event(name, one) for name, one in scans.items()]
    write_bytes(path, dose_report_bytes(events, subject(record), identity(record)), overwrite)


def _event(name: str, scan: Scan) -> IrradiationEvent:
    protocol, rotation, dose = scan.protocol, scan.protocol.rotation, scan.dose
    assert rotation is not None
    per_mas = rotation.views / rotation.turn_s  # mA from mAs of a view
    height = rotation.collimation_mm(protocol.detector)
    title = protocol.title or protocol.name
    return IrradiationEvent(
        protocol=f"{title}, {name}" if name else title, body_part=protocol.body_part, kvp=peak_kv(protocol),
        current_ma=float(scan.mas.mean()) * per_mas, most_current_ma=float(scan.mas.max()) * per_mas,
        exposure_s=len(scan) * rotation.turn_s / rotation.views, turn_s=rotation.turn_s, length_mm=dose.length_mm,
        slice_collimation_mm=height / protocol.detector.rows, collimation_mm=height, pitch=rotation.pitch,
        ctdi_vol_mgy=dose.ctdi_vol_mgy, phantom_cm=dose.phantom_cm, dlp_mgy_cm=dose.dlp_mgy_cm, ssde_mgy=dose.ssde_mgy,
        water_diameter_mm=None if dose.cut else dose.figures()["water_diameter_mm"])
