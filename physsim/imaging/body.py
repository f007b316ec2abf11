"""What a protocol and a record need to know of a phantom: the box of its body, and a hash of all that it is."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from physsim.body.patient import Patient
from physsim.errors import InvalidInput, message
from physsim.imaging.breast_body import breast_voxels, check_breast
from physsim.imaging.telling_organs import other_parts
from physsim.phantom.overlay import box_corners
from physsim.phantom.phantom import HEIGHTS, Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box, Grid
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import PhantomRecord
from physsim.transport.windows import shadow

if TYPE_CHECKING:
    from physsim.body.vanishing import Vanishing

BODY_G_CM3 = 0.1  # thinner than lung (0.2-0.5), denser than any gas: what counts as body when a patient is positioned
PATIENT_SPACING_MM = 2.0  # of the voxels made of a Patient, when nobody says otherwise
_SCATTER_MM = 50.0  # of the body beyond the last ray: a photon of 60 keV goes 49 mm through soft tissue
_REGION_OF = {"CHEST": "chest", "ABDOMEN": "abdomen", "HEAD": "head", "SKULL": "head", "JAW": "head",
              "PELVIS": "pelvis"}
# What a window of a body must hold some of to be of that region
_ORGAN_OF = {"chest": "lobe", "abdomen": "liver", "head": "cerebrum", "pelvis": "ilium"}
WINDOW = "window"  # the region of voxels on a grid of the user's own (Patient.phantom)


def voxels_of(phantom: Phantom | Patient, protocol: Protocol, spacing_mm: float | None = None) -> Phantom:
    """A phantom as it is; a patient as voxels of `spacing_mm` (2 mm): the region of the protocol's body part, or all.

    They reach beyond the region as far as the protocol's rays do (see beyond_mm); poses and scans are of the region.
    For a protocol of a breast the patient's own is made for its view (0.2 mm), and any other phantom refused.
    The patient stands or lies, holds arms and breath as the protocol asks, where the patient does not say (held_as).
    For other voxels make them yourself: `patient.phantom(1.0, region="chest")`.
    """
    if not isinstance(phantom, Patient):
        check_breast(phantom, protocol)
        check_part(phantom, protocol)
        return phantom
    phantom = phantom.held_as(protocol.patient)
    if protocol.breast is not None:
        return breast_voxels(phantom, protocol.breast, spacing_mm)
    if spacing_mm is None:  # nobody asked for these voxels: nothing is said of organs that share theirs
        return region_voxels(phantom, protocol, PATIENT_SPACING_MM, vanishing="keep")
    return region_voxels(phantom, protocol, spacing_mm, vanishing="warn")


def region_of(protocol: Protocol) -> str:
    """Of a body, for a protocol: see Patient.phantom."""
    return _REGION_OF.get(protocol.body_part, "whole")


def region_voxels(patient: Patient, protocol: Protocol, spacing_mm: float, *, vanishing: Vanishing,
                  region: str | None = None, shortest: float = 1.0, further_mm: float = 0.0) -> Phantom:
    """The protocol's region of a patient, or another, and what the protocol's rays meet beyond it, and those that run
    `further_mm` higher or lower, even in a body that is `shortest` times as long."""
    region = region or region_of(protocol)
    ends = (end / shortest for end in beyond_mm(patient, protocol, spacing_mm, region, further_mm))
    return patient.phantom(spacing_mm, region, beyond_mm=(next(ends), next(ends)), vanishing=vanishing)


def beyond_mm(patient: Patient, protocol: Protocol, spacing_mm: float, region: str, further_mm: float = 0.0
              ) -> tuple[float, float]:
    """How far (mm) a protocol's rays reach below and above a region of a patient within the body, and _SCATTER_MM more.

    Of a scan: the cone's height at the far side of the region's box, the turns that stand beyond the range, and of a
    helix what it runs on. `further_mm`: as far again beyond that. 0 for the whole body, and at each end that no ray
    comes near: a C-arm sees part of an adult's region alone.
    Neglects: photons that leave the beam and would be scattered back into it from farther away: behind the middle of an
    abdomen 2 to 5 % of the scatter of the first and last views of a CT scan (13 % without _SCATTER_MM).
    """
    if region == "whole":
        return 0.0, 0.0
    corners = box_corners(patient.body().grid(spacing_mm, region))
    low, high = corners.min(axis=0), corners.max(axis=0)
    rotation, wanted, box = protocol.rotation, protocol.reconstruction, (_point(low), _point(high))
    if rotation is not None and wanted is not None:
        axis = np.array(rotation.aim_mm or 0.5 * (low + high)[:2])
        away = float(np.hypot(*(corners[:, :2] - axis).T).max())
        seen = rotation.seen_mm(protocol.detector, box, wanted.field_mm, away)
    else:
        seen = _seen_mm(protocol.geometry(box), corners)
    ends = float(low[2]) - seen[0], seen[1] - float(high[2])
    below, above = (max(end + further_mm + _SCATTER_MM, 0.0) for end in ends)
    return below, above


def _seen_mm(views: Geometry, corners_mm: npt.NDArray[np.float64]) -> tuple[float, float]:
    """World z between which the rays of views run from the first to the last of a box's corners along their axes."""
    heights = []
    for view in range(len(views)):
        source, centre, normal = (np.asarray(one[view]) for one in (views.source_mm, views.centre_mm, views.normal))
        shares = ((corners_mm - source) @ normal) / float((centre - source) @ normal)
        sides = (0.5 * count * pitch * axis[view] for count, pitch, axis in zip(
            (views.columns, views.rows), views.pixel_mm, (views.u, views.v), strict=True))
        across, along = sides
        for corner in (centre + a * across + b * along for a in (-1.0, 1.0) for b in (-1.0, 1.0)):
            heights += [float(source[2] + share * (corner[2] - source[2])) for share in (shares.min(), shares.max())]
    return min(heights), max(heights)


def region_heights_mm(phantom: Phantom) -> tuple[float, float] | None:
    """World z between which the phantom is of the body, where its voxels reach beyond; None where all is."""
    found = phantom.made_from.get(HEIGHTS)
    return None if found is None else (float(found[0]), float(found[1]))


def with_heights(phantom: Phantom, other: Phantom, factor: float = 1.0) -> Phantom:
    """`phantom`, which is made of `other` (its z axis `factor` times as long), with the heights of that."""
    heights = region_heights_mm(other)
    return phantom if heights is None else phantom.replace(made_from={
        **phantom.made_from, HEIGHTS: [factor * height for height in heights]})


def check_part(phantom: Phantom, protocol: Protocol) -> None:
    """InvalidInput for voxels without the part of the body that the protocol is of.

    Known of what physsim made of a Patient: the region, or of a window the part's own organ; of scenes and imported
    phantoms where their organs' names tell of another part (see telling_organs). Others are taken as they come, and
    all by protocols of other parts and of "PHANTOM".
    """
    from physsim.body.anatomy import REGIONS

    wanted = _REGION_OF.get(protocol.body_part)
    if wanted is None or "breast" in phantom.made_from:
        return
    if "patient" not in phantom.made_from:
        others = other_parts(phantom, wanted)
        if others:
            raise InvalidInput(message(
                f"protocol {protocol.name} ({protocol.body_part}) of phantom {phantom.name!r}",
                f"its organs are of {' and '.join(others)}, none of the {wanted}",
                'Give a phantom of that part, or body_part="PHANTOM" to the protocol.'))
        return
    there = phantom.made_from.get("region", "whole")
    if there == WINDOW:
        missing = not any(one.volume_mm3 > 0.0 for one in phantom.truth.organs if _ORGAN_OF[wanted] in one.name)
        what = f"of {_ORGAN_OF[wanted]} there is nothing in its grid"
    else:
        (low, high), (least, most) = REGIONS[there], REGIONS[wanted]
        missing, what = least < low or most > high, f"its region is {there!r}"
    if missing:
        raise InvalidInput(message(
            f"protocol {protocol.name} ({protocol.body_part}) of phantom {phantom.name!r}", what,
            f'Give the Patient, patient.phantom(..., region="{wanted}"), or body_part="PHANTOM" to the protocol.'))


def body_box_mm(phantom: Phantom) -> Box:
    """Low and high corner (world mm) of all voxels denser than BODY_G_CM3; of the whole grid when there is none.

    Of a phantom with heights of its own (see region_heights_mm) of those between them: what scans and poses are of.
    """
    threshold = np.array([BODY_G_CM3 / one.density_g_cm3 for one in phantom.materials], np.float32)
    filled = [np.zeros(n, bool) for n in phantom.grid.shape]
    heights = region_heights_mm(phantom)
    for k, labels in enumerate(phantom.labels):
        relative = np.float32(1.0) if phantom.density is None else phantom.density[k]
        dense = relative > threshold[labels]
        if heights is not None:
            dense &= _between(phantom.grid, k, heights)
        filled[0][k] = dense.any()
        filled[1] |= dense.any(1)
        filled[2] |= dense.any(0)
    low, high = np.zeros(3), np.array(phantom.grid.shape[::-1], float)
    if filled[0].any():
        places = [np.flatnonzero(axis) for axis in reversed(filled)]
        low, high = np.array([p[0] for p in places], float), np.array([p[-1] + 1 for p in places], float)
    (x0, y0, z0), (x1, y1, z1) = low, high
    corners = np.array([[x, y, z, 1.0] for x in (x0, x1) for y in (y0, y1) for z in (z0, z1)])
    corners[:, :3] -= 0.5
    world = (corners @ phantom.grid.world_from_voxel.T)[:, :3].round(6)
    return _point(world.min(0)), _point(world.max(0))


def phantom_record(phantom: Phantom, box: Box) -> PhantomRecord:
    """Who is in the beam, for the provenance."""
    total = hashlib.sha256()
    parts = [(phantom.grid, phantom.labels, phantom.density),
             *((one.grid, one.labels, one.density) for one in phantom.overlays)]
    for grid, labels, density in parts:
        total.update(grid.to_json().encode())
        for array in (labels, density):
            if array is not None:
                total.update(f"{array.dtype.str}{array.shape}".encode())
                total.update(np.ascontiguousarray(array).data)
    for part in phantom.meshes:
        total.update(f"{part.name} {part.material} {part.density!r}".encode())
        total.update(part.mesh.vertices_mm.data)
        total.update(part.mesh.triangles.data)
    for material in phantom.materials:
        total.update(material.to_json().encode())
    return PhantomRecord(
        name=phantom.name, sha256=total.hexdigest(), grid=phantom.grid, materials=phantom.materials,
        overlays=tuple(one.name for one in phantom.overlays), lesions=tuple(one.name for one in phantom.truth.lesions),
        body_low_mm=box[0], body_high_mm=box[1])


def check_same(phantom: Phantom, record: PhantomRecord) -> None:
    """InvalidInput for another phantom than the one that `record` is of."""
    if phantom_record(phantom, (record.body_low_mm, record.body_high_mm)) != record:
        raise InvalidInput(message(f"phantom {phantom.name!r}", f"the image is of {record.name!r}, or of another state "
                                   "of it", "Give the phantom that was imaged."))


def check_in_field(phantom: Phantom, geometry: Geometry) -> None:
    """InvalidInput when the phantom's grid lies beside the beam of every view: an empty field of view."""
    if all(shadow(geometry[view], phantom.grid) is None for view in range(len(geometry))):
        low, high = box_corners(phantom.grid).min(0), box_corners(phantom.grid).max(0)
        raise InvalidInput(message(
            f"phantom from {low.round(1).tolist()} to {high.round(1).tolist()} mm",
            "the field of view is empty: no ray from the source to a pixel can meet it",
            "Aim at the phantom (aim_mm, poses), or leave aim_mm out."))


def _between(grid: Grid, k: int, heights_mm: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """Which voxels of plane k (y, x) have their middles between two heights of the world."""
    along_x, along_y, along_z, first = grid.world_from_voxel[2]
    z = along_x * np.arange(grid.shape[2]) + (along_y * np.arange(grid.shape[1]))[:, None] + (along_z * k + first)
    return np.asarray((z > heights_mm[0]) & (z < heights_mm[1]))


def _point(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) + 0.0 for value in values)
    return x, y, z
