"""What a protocol and a record need to know of a phantom: the box of its body, and a hash of all that it is."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from physsim.body.patient import Patient
from physsim.errors import InvalidInput, message
from physsim.imaging.breast_body import breast_voxels, check_breast
from physsim.phantom.overlay import box_corners
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import PhantomRecord
from physsim.transport.windows import shadow

BODY_G_CM3 = 0.1  # thinner than lung (0.2-0.5), denser than any gas: what counts as body when a patient is positioned
PATIENT_SPACING_MM = 2.0  # of the voxels made of a Patient, when nobody says otherwise
_REGION_OF = {"CHEST": "chest", "ABDOMEN": "abdomen", "HEAD": "head", "SKULL": "head", "JAW": "head",
              "PELVIS": "pelvis"}
# What a window of a body must hold some of to be of that region
_ORGAN_OF = {"chest": "lobe", "abdomen": "liver", "head": "cerebrum", "pelvis": "ilium"}
WINDOW = "window"  # the region of voxels on a grid of the user's own (Patient.phantom)


def voxels_of(phantom: Phantom | Patient, protocol: Protocol, spacing_mm: float | None = None) -> Phantom:
    """A phantom as it is; a patient as voxels of `spacing_mm` (2 mm): the region of the protocol's body part, or all.

    For a protocol of a breast the patient's own is made for its view (0.2 mm), and any other phantom refused.
    For other voxels make them yourself: `patient.phantom(1.0, region="chest")`.
    """
    if not isinstance(phantom, Patient):
        check_breast(phantom, protocol)
        check_part(phantom, protocol)
        return phantom
    if protocol.breast is not None:
        return breast_voxels(phantom, protocol.breast, spacing_mm)
    region = region_of(protocol)
    if spacing_mm is None:  # nobody asked for these voxels: nothing is said of organs that share theirs
        return phantom.phantom(PATIENT_SPACING_MM, region, vanishing="keep")
    return phantom.phantom(spacing_mm, region)


def region_of(protocol: Protocol) -> str:
    """Of a body, for a protocol: see Patient.phantom."""
    return _REGION_OF.get(protocol.body_part, "whole")


def check_part(phantom: Phantom, protocol: Protocol) -> None:
    """InvalidInput for voxels of a patient without the part of the body that the protocol is of.

    Known of what physsim made of a Patient: the region, or of a window the part's own organ. Imported phantoms do not
    say what they are of, and are taken as they come; so are all by protocols of other parts and of "PHANTOM".
    """
    from physsim.body.anatomy import REGIONS

    wanted = _REGION_OF.get(protocol.body_part)
    if wanted is None or "patient" not in phantom.made_from or "breast" in phantom.made_from:
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
    """Low and high corner (world mm) of all voxels denser than BODY_G_CM3; of the whole grid when there is none."""
    threshold = np.array([BODY_G_CM3 / one.density_g_cm3 for one in phantom.materials], np.float32)
    filled = [np.zeros(n, bool) for n in phantom.grid.shape]
    for k, labels in enumerate(phantom.labels):
        relative = np.float32(1.0) if phantom.density is None else phantom.density[k]
        dense = relative > threshold[labels]
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


def check_in_field(phantom: Phantom, geometry: Geometry) -> None:
    """InvalidInput when the phantom's grid lies beside the beam of every view: an empty field of view."""
    if all(shadow(geometry[view], phantom.grid) is None for view in range(len(geometry))):
        low, high = box_corners(phantom.grid).min(0), box_corners(phantom.grid).max(0)
        raise InvalidInput(message(
            f"phantom from {low.round(1).tolist()} to {high.round(1).tolist()} mm",
            "the field of view is empty: no ray from the source to a pixel can meet it",
            "Aim at the phantom (aim_mm, poses), or leave aim_mm out."))


def _point(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) + 0.0 for value in values)
    return x, y, z
