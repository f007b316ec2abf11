"""How an image is taken, as a spec: beam, exposure, poses of source and detector, detector."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pydantic

from physsim.errors import InvalidInput, message
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.base import Spec
from physsim.spec.breast_positioning import BreastPositioning
from physsim.spec.detector import Detector
from physsim.spec.detector_library import detectors
from physsim.spec.exposure_control import ExposureControl, Field
from physsim.spec.fan import check_bowties
from physsim.spec.gating import Gating
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box, Grid, Vector
from physsim.spec.readout import CountingReadout
from physsim.spec.reconstruction import Reconstruction
from physsim.spec.rotation import Rotation
from physsim.spec.spectral import SecondBeam, SpectralImages
from physsim.spec.spectrum import Spectrum

View = Literal["PA", "AP", "LAT", "RLAT"]
Side = Literal["u+", "u-", "v+", "v-"]
BEAMS: dict[str, Vector] = {"PA": (0.0, -1.0, 0.0), "AP": (0.0, 1.0, 0.0), "LAT": (1.0, 0.0, 0.0),
                            "RLAT": (-1.0, 0.0, 0.0)}
# Fields of a Protocol of which one says where source and detector are.
PLACED = ("positioning", "poses", "breast", "rotation")


class Positioning(Spec):
    """A patient in front of a detector, whatever the patient's size.

    `view`: "PA" (source behind), "AP", "LAT" (left side at the detector) or "RLAT". `source_detector_mm`: focus to
    detector. `patient_detector_mm`: from the detector to the nearest part of the body (cover, grid and air gap).
    `aim_mm`: world point that the central ray meets; the middle of the body's box when left out.
    """

    view: View
    source_detector_mm: float
    patient_detector_mm: float = pydantic.Field(default=40.0, ge=0.0)
    aim_mm: Vector | None = None

    @pydantic.field_validator("source_detector_mm")
    @classmethod
    def _in_front(cls, value: float) -> float:
        if value == 0:
            raise ValueError("the source lies in the detector plane: no ray can reach the pixels from there. "
                             "Give the distance from focus to detector, for example 1800.")
        if value < 0:
            raise ValueError("the detector lies behind the source, where no ray goes. "
                             "Give the distance from focus to detector, for example 1800.")
        return value

    def geometry(self, detector: Detector, body_box_mm: Box) -> Geometry:
        """The pose for a body that fills `body_box_mm` (its low and its high corner).

        Raises InvalidInput when the body reaches back to the source.
        """
        low, high = np.array(body_box_mm[0]), np.array(body_box_mm[1])
        beam = np.array(BEAMS[self.view])
        aim = 0.5 * (low + high) if self.aim_mm is None else np.array(self.aim_mm)
        behind = float((np.where(beam > 0, high, low) - aim) @ beam)  # from the aim to the body's far side
        depth = float((high - low) @ np.abs(beam))
        distance = self.patient_detector_mm + behind
        if self.patient_detector_mm + depth >= self.source_detector_mm:
            raise InvalidInput(message(
                f"source_detector_mm={self.source_detector_mm:g}",
                f"the body is {depth:.0f} mm thick and stands {self.patient_detector_mm:g} mm before the detector, so "
                "that the source lies inside or behind it", "Give a larger source_detector_mm, for example 1800."))
        placed = Geometry.radiograph(source_detector_mm=self.source_detector_mm, detector_object_mm=0.0,
                                     rows=detector.rows, columns=detector.columns, pixel_mm=1.0, view=self.view,
                                     centre_mm=tuple((aim + distance * beam).tolist()))
        return Geometry(source_mm=placed.source_mm, centre_mm=placed.centre_mm, u=placed.u, v=placed.v,
                        rows=detector.rows, columns=detector.columns, pixel_mm=detector.pixel_mm)


class PatientState(Spec):
    """How a patient holds themselves for the exposure, where the patient's own spec does not say; see anatomy."""

    posture: Literal["standing", "supine"] = "standing"
    arms: Literal["down", "up"] = "down"
    respiration: float = pydantic.Field(default=1.0, ge=0.0, le=1.0)


class Pose(Spec):
    """Where source and detector are in one view: world points in mm, and unit vectors along rows and columns."""

    source_mm: Vector
    centre_mm: Vector
    u: Vector
    v: Vector


class Protocol(Spec):
    """One exposure: beam, mAs, where everything stands, grid and detector.

    One of `positioning` (a preset that finds the pose for any patient), `rotation` (a scan, with its `reconstruction`),
    `breast` (a preset in a mammography unit) and explicit `poses`, one a view. `mas`: tube current times time of each
    view, of a whole turn in a scan; in its place `exposure_control`, which finds it, but for scans. `focal_spot_mm`:
    full widths along the detector's u and v of a uniform spot; 0 is a point. `anti_scatter_grid`: before the detector.
    `cathode`: the side of the detector at which the tube's cathode lies
    ("v+": towards the last row), where the heel effect leaves the beam strongest; when left out "v+", with `breast` the
    chest wall's. The fan of a bowtie (`spectrum.bowtie`) opens across that axis, its angles growing along u, or along v
    with the cathode at "u+" or "u-"; without tube or bowtie there is no such side. `body_part`: DICOM's name, "PHANTOM"
    for a test object. `patient`: posture, arms and breath of patients that are made for it. `detector`: a Detector, the
    name of a shipped one, or a table with its name as `preset` and the fields to change (`pixel_mm`: as if its pixels
    were read out together). `second_beam`: of a dual-energy scan, which takes its path again; `spectral`: what images
    it, or the energy bins of a scan by a counting detector, are made into. `gating`: of axial scans of a body that
    moves. `display`: what pictures and DICOM images for presentation hold: ln(open field / signal), or that processed
    as readers see it (imaging.radiograph_display).

    >>> import physsim as ps
    >>> ps.protocols.chest_pa(mas=1.5, pixel_mm=0.4).detector.columns
    1075

    `primary_rays`: of unscattered photons of a pixel and view, from so many parts of the focal spot along u and along
    v, and of a scan's view in time, in which tube and detector turn: their mean is the primary image, blurred as in a
    scanner, for as many times the work. (1, 1, 1) is a point source that stands still in a view; (3, 1, 3) does for CT.

    Neglects: table and detector cover, extrafocal radiation.
    Errors: InvalidInput at construction, for a parameter without effect too.
    """

    name: str = "user"
    title: str = ""
    spectrum: Spectrum
    mas: float | None = pydantic.Field(default=None, gt=0.0)
    exposure_control: ExposureControl | None = None
    focal_spot_mm: tuple[pydantic.NonNegativeFloat, pydantic.NonNegativeFloat] = (0.0, 0.0)
    anti_scatter_grid: AntiScatterGrid | None = None
    detector: Detector
    positioning: Positioning | None = None
    breast: BreastPositioning | None = None
    rotation: Rotation | None = None
    reconstruction: Reconstruction | None = None
    second_beam: SecondBeam | None = None
    spectral: SpectralImages | None = None
    gating: Gating | None = None
    poses: tuple[Pose, ...] = ()
    cathode: Side | None = None
    body_part: str = "PHANTOM"
    patient: PatientState = PatientState()
    display: Literal["log", "processed"] = "log"
    primary_rays: tuple[int, int, int] = (1, 1, 1)

    @pydantic.field_validator("primary_rays")
    @classmethod
    def _some_rays(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if not all(1 <= one <= 64 for one in value):
            raise ValueError(message(f"primary_rays={value}", "each is from 1 to 64", "Give for example (3, 1, 3)."))
        return value

    @pydantic.field_validator("detector", mode="before")
    @classmethod
    def _shipped(cls, value: Any) -> Any:
        if isinstance(value, str):
            return detectors[value]
        if isinstance(value, dict) and "preset" in value:
            changes = dict(value)
            detector = detectors[changes.pop("preset")]
            if "pixel_mm" in changes:
                detector = detector.with_pixels(changes.pop("pixel_mm"))
            return detector.replace(**changes)
        return value

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Protocol:
        placed = [name for name in PLACED if getattr(self, name)]
        if len(placed) != 1:
            raise ValueError(message(
                "protocol with " + (" and ".join(placed) or "neither " + " nor ".join(PLACED)),
                "one of them says where source and detector are",
                "Give positioning (a preset), rotation (a scan) or poses."))
        if self.rotation is None and self.reconstruction is not None:
            raise ValueError(message("reconstruction without rotation", "it has no effect", "Leave it out."))
        if self.rotation is not None and self.reconstruction is None:
            object.__setattr__(self, "reconstruction", Reconstruction())
        if self.exposure_control is not None:
            self._controlled(self.exposure_control)
        if self.second_beam is not None and self.rotation is None:
            raise ValueError(message("second_beam without rotation", "it has no effect", "Leave second_beam out."))
        if self.spectral is not None and self.second_beam is None and self.energy_bins < 2:
            raise ValueError(message("spectral without second_beam", "it has no effect: the detector tells no energies "
                                     "apart", "Leave spectral out, or give a detector of two bins or more."))
        if self.gating is not None and (self.rotation is None or self.rotation.pitch is not None
                                        or self.second_beam is not None):
            raise ValueError(message("gating", "it is of axial scans with one beam (rotation without pitch)",
                                     "Leave pitch and second_beam out."))
        if self.second_beam is not None:
            if not self.second_beam.spectrum.absolute:
                raise ValueError(message("second_beam.spectrum", "it is relative, and an exposure in mAs needs photons "
                                         "per mAs", "Give output_factor, or scale it with Spectrum.scaled_to_kerma."))
            if self.second_beam.spectrum == self.spectrum:
                raise ValueError(message("second_beam.spectrum", "it is the first beam's, from which no materials can "
                                         "be told apart", "Give another kvp or filter."))
        self._counts()
        for rays, there, what in zip(self.primary_rays, (*(width > 0.0 for width in self.focal_spot_mm),
                                                         self.rotation is not None),
                                     ("focal_spot_mm[0]=0", "focal_spot_mm[1]=0", "no rotation"), strict=True):
            if rays > 1 and not there:
                raise ValueError(message(f"primary_rays={self.primary_rays} with {what}", "more than one ray has no "
                                         "effect there", "Give 1 there."))
        if (self.mas is None) == (self.exposure_control is None):
            raise ValueError(message(
                "protocol with " + ("mas and exposure_control" if self.mas else "neither mas nor exposure_control"),
                "one of them says how much radiation there is", "Give mas, or exposure_control."))
        has_axis = self.spectrum.has_heel or self.spectrum.bowtie is not None
        if self.cathode is not None and not has_axis:
            raise ValueError(message(f"cathode={self.cathode!r}",
                                     "it has no effect: this beam comes from no tube, so it has no heel",
                                     "Leave cathode out, or give the spectrum by kvp."))
        if not self.spectrum.absolute:
            raise ValueError(message("spectrum", "it is relative, and an exposure in mAs needs photons per mAs",
                                     "Give output_factor, or scale it with Spectrum.scaled_to_kerma."))
        if self.cathode is None and has_axis:
            object.__setattr__(self, "cathode", self.breast.chest_wall if self.breast else "v+")
        if self.poses:
            self._posed()
        check_bowties(self)
        return self

    def _controlled(self, control: ExposureControl) -> None:
        """Refuses targets of exposure control that this protocol has no way to reach."""
        if self.rotation is None and control.ctdi_vol_mgy is not None:
            raise ValueError(message(f"ctdi_vol_mgy={control.ctdi_vol_mgy:g} without rotation", "it is of CT scans",
                                     "Give detector_air_kerma_ugy, entrance_air_kerma_mgy or mas."))
        if self.rotation is not None and control.ctdi_vol_mgy is None:
            raise ValueError(message(f"{control.target[0]} with rotation", "a scan's tube current has no such control",
                                     "Give ctdi_vol_mgy or mas of a turn, and rotation.modulation."))
        if self.rotation is not None and (self.second_beam is not None or self.gating is not None):
            raise ValueError(message("ctdi_vol_mgy with second_beam or gating", "it is of a scan with one beam that is "
                                     "on once", "Give mas of each."))

    def _counts(self) -> None:
        """Refuses what a counting detector cannot do in a scan, and what only it can elsewhere."""
        readout = self.detector.readout
        wanted = None if self.reconstruction is None else self.reconstruction.count_rate_correction
        dead = isinstance(readout, CountingReadout) and readout.dead_time_ns > 0.0
        if wanted is not None and not dead:
            raise ValueError(message(f"count_rate_correction={wanted!r}", "it has no effect on a detector without dead "
                                     "time", "Leave it out."))
        if isinstance(readout, CountingReadout) and self.rotation is not None:
            for name in ("second_beam", "gating"):
                if getattr(self, name) is not None:
                    raise ValueError(message(f"{name} with a detector that counts", "its scans are of one beam and of "
                                             "a body that stands still", f"Leave {name} out, or give gos_ct."))

    @property
    def energy_bins(self) -> int:
        """Bins of energy that a scan by this protocol tells apart by its detector; 0 unless it counts photons."""
        readout = self.detector.readout
        return len(readout.thresholds_kev) if isinstance(readout, CountingReadout) and self.rotation is not None else 0

    def geometry(self, body_box_mm: Box, grid: Grid | None = None) -> Geometry:
        """The poses for a body that fills `body_box_mm` (low and high corner, world mm), in the voxels of `grid`.

        `positioning` and `rotation` look at the box alone, `breast` at the grid alone, `poses` at neither. Raises
        InvalidInput for a breast without grid.
        """
        if self.breast is not None:
            if grid is None:
                raise InvalidInput(message(f"protocol {self.name}", "it is of a breast, whose voxels say where it lies",
                                           "Give grid=phantom.grid."))
            return self.breast.geometry(self.detector, grid)
        if self.rotation is not None and self.reconstruction is not None:
            return self.rotation.geometry(self.detector, body_box_mm, self.reconstruction.field_mm)
        return self.positioning.geometry(self.detector, body_box_mm) if self.positioning is not None else self._posed()

    @property
    def control_fields(self) -> tuple[Field, ...]:
        """The exposure control's fields in the image: those of a left breast, mirrored for a right one."""
        if self.exposure_control is None:
            return ()
        mirrored = self.breast is not None and self.breast.side == "R"
        return tuple((1.0 - right, top, 1.0 - left, bottom) if mirrored else (left, top, right, bottom)
                     for left, top, right, bottom in self.exposure_control.fields)

    def changed(self, **changes: Any) -> Protocol:
        """A copy with some fields changed, those inside the spectrum, detector and positioning too, by their names.

        `pixel_mm` alone keeps the size of the field; `thickness_mm`, `packing` and `material` are the absorber's.
        Raises InvalidInput, with the nearest names, for a name that no part knows.
        """
        from physsim.spec.protocol_changes import changed

        return changed(self, changes)

    def _posed(self) -> Geometry:
        rows = {name: np.array([getattr(pose, name) for pose in self.poses]) for name in Pose.model_fields}
        return Geometry(source_mm=rows["source_mm"], centre_mm=rows["centre_mm"], u=rows["u"], v=rows["v"],
                        rows=self.detector.rows, columns=self.detector.columns, pixel_mm=self.detector.pixel_mm)
