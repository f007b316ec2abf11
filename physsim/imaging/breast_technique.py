"""Mammograms and tomosynthesis scans in the words of DICOM, and as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.dicom.breast_projections import (
    Sweep,
    save_breast_projections_for_presentation,
    save_breast_projections_for_processing,
)
from physsim.imaging.dicom.mammogram import MammogramTechnique
from physsim.imaging.technique import ANODES, FILTERS, contents, grid_words, identity, orientation, subject
from physsim.spec.absorber import Scintillator
from physsim.spec.breast_positioning import BreastPositioning
from physsim.units import MS_PER_S

if TYPE_CHECKING:
    from physsim.imaging.exposure import Exposure


def mammogram_technique(shot: Exposure, placed: BreastPositioning) -> MammogramTechnique:
    """How a breast was imaged, all views together. Filters that DICOM has no word for (window, paddle) are left out."""
    from physsim.imaging.technique import source_body_mm

    protocol, geometry, views = shot.protocol, shot.geometry, len(shot)
    spectrum, indices, middle = protocol.spectrum, shot.exposure_indices(views // 2), views // 2
    filters = [(FILTERS[one.substance.name], one.thickness_mm) for one in spectrum.filters
               if one.substance.name in FILTERS]
    mas = shot.mas * views
    dose = shot.glandular_dose
    return MammogramTechnique(
        kvp=peak_kv(protocol), mas=mas, scatter=contents(shot), pixel_mm=geometry.pixel_mm,
        source_to_detector_mm=float(geometry.distance_mm[middle]), source_to_patient_mm=source_body_mm(shot),
        patient_orientation=orientation(shot, middle), laterality=placed.side, view=placed.view,
        thickness_mm=shot.thickness_mm, compression_n=placed.compression_n,
        glandular_dose_mgy=None if dose is None else dose.mgy, tilt_deg=beam_angle_deg(shot),
        anode=ANODES.get(spectrum.target or "", "TUNGSTEN"), filters=tuple(filters),
        half_value_layer_mm=float(spectrum.replace(bowtie=None).sample().hvl1_mm()),
        focal_spot_mm=max(protocol.focal_spot_mm) or None, tube_current_ma=placed.tube_current_ma,
        exposure_time_ms=MS_PER_S * mas / placed.tube_current_ma,
        detector_type="SCINTILLATOR" if isinstance(protocol.detector.absorber, Scintillator) else "DIRECT",
        exposure_index=indices.get("exposure_index"), target_exposure_index=indices.get("target_exposure_index"),
        entrance_air_kerma_mgy=shot.entrance_air_kerma_mgy(),
        dose_area_product_mgy_cm2=sum(shot.dose_area_product_mgy_cm2(view) for view in range(views)),
        **grid_words(protocol.anti_scatter_grid), description=protocol.title or protocol.name)


def beam_angle_deg(shot: Exposure) -> float:
    """Of the middle view's beam at right angles to the detector: 0 from above, 90 from the side."""
    down = shot.geometry.normal[len(shot) // 2]
    return round(float(np.degrees(np.arccos(np.clip(-down[2], -1.0, 1.0)))), 6)


def sweep(shot: Exposure, placed: BreastPositioning) -> Sweep:
    """Axis, direction and shares of a tomosynthesis scan."""
    geometry, middle = shot.geometry, len(shot) // 2
    nipple = geometry.u[middle] * (1.0 if placed.side == "L" else -1.0)
    edge = geometry.centre_mm[middle] - 0.5 * geometry.columns * geometry.pixel_mm[0] * nipple
    axis = edge - placed.pivot_mm * geometry.normal[middle]
    return Sweep(geometry=geometry, isocentre_mm=_point(axis), toward_nipple=_point(nipple),
                 support_mm=placed.support_detector_mm, seconds=placed.seconds, mas=(shot.mas,) * len(shot))


def save_breast_projections(shot: Exposure, path: Path, placed: BreastPositioning, overwrite: bool,
                            for_processing: bool) -> None:
    """All views in one file: keV per pixel for processing, ln(open field / signal) for presentation."""
    taken, swept = mammogram_technique(shot, placed), sweep(shot, placed)
    who, name = subject(shot.provenance), identity(shot.provenance)
    if for_processing:
        save_breast_projections_for_processing(path, np.maximum(shot["image"], 0.0), "keV", taken, swept, who, name,
                                               overwrite=overwrite)
    else:
        save_breast_projections_for_presentation(path, shot["image"], shot.open_field, taken, swept, who, name,
                                                 overwrite=overwrite)


def _point(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
