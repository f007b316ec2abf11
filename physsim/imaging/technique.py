"""An exposure in the words of DICOM and of a caption: how it was taken, of whom, and what its pixels leave out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.dicom.attributes import Subject, orientation_letters
from physsim.imaging.dicom.radiograph import Technique
from physsim.imaging.dose import entrance
from physsim.imaging.stages import USERS_OWN
from physsim.io.dicom_identity import Identity
from physsim.spec.absorber import Scintillator
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.protocol import BEAMS
from physsim.spec.provenance import Provenance
from physsim.spec.scatter import KernelScatter
from physsim.spec.spectrum import Spectrum

if TYPE_CHECKING:
    from physsim.imaging.exposure import Exposure
    from physsim.imaging.scan.gated import GatedScan
    from physsim.imaging.scan.result import Scan
    from physsim.imaging.scan.spectral_result import SpectralScan

DISPLAYED = {"log": ("LOG", "ln(open field / signal)"), "processed": ("PROCESSED", "processed for presentation")}
# DICOM's words (PS3.3 C.8.7.10 and C.8.11.9)
FILTERS = {"Al": "ALUMINUM", "Cu": "COPPER", "Mo": "MOLYBDENUM", "Rh": "RHODIUM", "Ag": "SILVER", "Sn": "TIN",
            "Pb": "LEAD", "Nb": "NIOBIUM", "Eu": "EUROPIUM"}
ANODES = {"W": "TUNGSTEN", "Mo": "MOLYBDENUM", "Rh": "RHODIUM"}
_VIEWS = {"PA": "PA", "AP": "AP", "LAT": "LL", "RLAT": "RL"}


def technique(shot: Exposure, view: int) -> Technique:
    """How one view was taken. Raises InvalidInput for poses that DICOM's digital X-ray image has no view for."""
    protocol, geometry = shot.protocol, shot.geometry
    spectrum = protocol.spectrum
    near, indices = source_body_mm(shot), shot.exposure_indices(view)
    return Technique(
        kvp=peak_kv(shot.protocol), mas=shot.mas, pixel_mm=geometry.pixel_mm,
        source_to_detector_mm=float(geometry.distance_mm[view]),
        patient_orientation=orientation(shot, view), scatter=contents(shot), body_part=protocol.body_part,
        view_position=_view_position(shot, view), source_to_patient_mm=near,
        anode=ANODES.get(spectrum.target or "", "TUNGSTEN"),
        filters=tuple(zip(filter_words(spectrum), (layer.thickness_mm for layer in spectrum.filters), strict=True)),
        bowtie=spectrum.bowtie is not None,
        detector_type="SCINTILLATOR" if isinstance(protocol.detector.absorber, Scintillator) else "DIRECT",
        focal_spot_mm=max(protocol.focal_spot_mm) or None, exposure_index=indices.get("exposure_index"),
        target_exposure_index=indices.get("target_exposure_index"),
        dose_area_product_mgy_cm2=shot.dose_area_product_mgy_cm2(view), **grid_words(protocol.anti_scatter_grid),
        entrance_air_kerma_mgy=shot.entrance_air_kerma_mgy(),
        description=protocol.title or protocol.name)


def grid_words(grid: AntiScatterGrid | None) -> dict[str, Any]:
    """The grid's part of a technique."""
    if grid is None:
        return {}
    focus = grid.focal_distance_mm
    return {"grid": ("RECIPROCATING", "PARALLEL" if focus is None else "FOCUSED"), "grid_ratio": grid.ratio,
            "grid_pitch_mm": grid.pitch_mm, "grid_focus_mm": focus}


def filter_words(spectrum: Spectrum) -> tuple[str, ...]:
    """DICOM's word for the material of each filter."""
    return tuple(FILTERS.get(layer.substance.name, layer.substance.name.upper()[:16]) for layer in spectrum.filters)


def orientation(shot: Exposure, view: int) -> tuple[str, str]:
    """DICOM letters of the directions in which columns and rows count."""
    return orientation_letters(shot.geometry.u[view]), orientation_letters(shot.geometry.v[view])


def subject(record: Provenance) -> Subject:
    """The virtual patient, by the phantom's name."""
    name = re.sub(r"[^A-Za-z0-9 _.-]", "_", record.phantom.name).strip() or "phantom"
    return Subject(identifier=name[:48])


def identity(record: Provenance) -> Identity:
    """What names the study: everything in the provenance, and the seed."""
    return Identity(record.to_json(), record.seed)


def caption(shot: Exposure, view: int) -> list[str]:
    """Lines below a picture."""
    protocol, geometry = shot.protocol, shot.geometry
    number = f", view {view}" if len(shot) > 1 else ""
    peak = peak_kv(protocol)
    beam = f"{peak:g} kVp" if protocol.spectrum.kvp is not None else f"up to {peak:g} keV"
    filters = " + ".join(f"{one.thickness_mm:g} mm {one.substance.name}" for one in protocol.spectrum.filters)
    kerma = float(shot["open_air_kerma"][view, geometry.rows // 2, geometry.columns // 2])
    lines = [f"{protocol.title or protocol.name}{number}: {shot.provenance.phantom.name or 'phantom'}, seed "
             f"{shot.provenance.seed}",
             f"{beam}, {shot.mas:.3g} mAs, {filters + ', ' if filters else ''}source to detector "
             f"{geometry.distance_mm[view]:.0f} mm, pixels {geometry.pixel_mm[0]:g} mm, open field {kerma:.3g} uGy",
             f"{DISPLAYED[protocol.display][1].capitalize()}. {contents(shot)}"]
    return lines


def contents(shot: Exposure | Scan | SpectralScan | GatedScan) -> str:
    """What the image holds, in a sentence, and in another how many pixels are full, if any."""
    full = shot.saturated
    return _held(shot) + (f" {full} pixels are saturated: more than they can tell reached them." if full else "")


def _held(shot: Exposure | Scan | SpectralScan | GatedScan) -> str:
    noise = _noise(shot.provenance)
    if f"scatter{USERS_OWN}" in shot.provenance.neglects:
        return f"Scatter by the user's own model; {noise}."
    if shot.scatter_error is None:
        return f"Primary only, no scatter, {noise}."
    if shot.provenance.scatter == KernelScatter().to_json():
        return f"Scatter by kernels, stated to err by {100 * shot.scatter_error:.2g} % of its mean; {noise}."
    if shot.provenance.verdicts:
        places = " ".join(_verdict(one) for one in shot.provenance.verdicts)
        return f"{places} With what lies between places {100 * shot.scatter_error:.2g} %. {noise.capitalize()}."
    if '"surrogate"' in shot.provenance.scatter:
        return f"Scatter by a network alone, stated to err by {100 * shot.scatter_error:.2g} % of its mean; {noise}."
    return f"Scatter by Monte Carlo, standard error {100 * shot.scatter_error:.2g} % of its mean; {noise}."


def _noise(record: Provenance) -> str:
    """What the noise is, and what is stated of a network's."""
    if record.noise_network is None:
        return "no noise" if record.noise == "none" else "noise of quanta and electronics"
    return f"noise of {record.noise}, network {record.noise_network[:12]}"


def _verdict(record: dict[str, Any]) -> str:
    """Of one view's scatter by a Hybrid."""
    blended = record["word"] == "BLENDED"
    rests = "if this patient is like those held out" if blended else "whatever the network is"
    error = record.get("error_bar" if blended else "bound")
    known = "of unknown error" if error is None else \
        f"e_S of its places at most {100.0 * error:.2g} % with probability {1.0 - record['level']:.2g}, {rests}"
    network = f"network {record['network'][:12]}" if record["network"] else "no network"
    return f"Scatter {record['word']}, {known}; {record['units']:.0f} photons, {network}."


def source_body_mm(shot: Exposure) -> float | None:
    """Source to the body's box along the central ray of a preset (to a breast: straight down); None for poses."""
    record = shot.provenance.phantom
    return entrance.source_body_mm(shot.protocol, shot.geometry, (record.body_low_mm, record.body_high_mm),
                                   shot.thickness_mm)


def _view_position(shot: Exposure, view: int) -> str:
    normal = shot.geometry.normal[view]
    for name, beam in BEAMS.items():
        if float(normal @ np.array(beam)) > 0.999:
            return _VIEWS[name]
    raise InvalidInput(message(f"beam along {normal.round(3).tolist()}",
                               "DICOM's digital X-ray image names frontal and lateral views only",
                               "Save as .h5 or .png."))
