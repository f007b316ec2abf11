"""The breast that a mammogram is taken of: a patient's own, compressed for the view, or a phantom that must be one."""

from __future__ import annotations

from physsim.body.breast import Breast, breast
from physsim.body.breast.spec import UNCOMPRESSED
from physsim.body.patient import Patient
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.spec.breast_positioning import BreastPositioning
from physsim.spec.protocol import Protocol

BREAST_SPACING_MM = 0.2  # of a patient's breast, when nobody says otherwise
TEST_OBJECT = "PHANTOM"  # the body part of protocols that take any phantom on the support


def patient_breast(patient: Patient, placed: BreastPositioning) -> Breast:
    """The patient's breast of that side in that view: of her density class, in its usual size, by her own seed.

    Raises InvalidInput for a man, a girl, and a patient with a lesion in the breast (which is made in the whole body).
    Neglects: how large her breasts are in the whole body, which follows from her reference mass.
    """
    if patient.breast_density is None:
        raise InvalidInput(message(patient.title, "a mammogram needs a breast of a density class, A to D",
                                   "Give a woman: sex=F age=54 breast_density=C."))
    inside = [one.site for one in patient.lesions if "breast" in one.site]
    if inside:
        raise InvalidInput(message(f"lesion in {inside[0]!r}", "a patient's lesions are made in the whole body",
                                   "Insert BreastMass or CalcificationCluster into ps.breast(...)."))
    own = (2 * patient.seed + (placed.side == "R")) % 2**63  # her two breasts are not mirror images
    return Breast.draw(patient.breast_density, placed.view, placed.side, seed=own, angle_deg=placed.angle_deg,
                       thickness_mm=placed.thickness_mm)


def breast_voxels(patient: Patient, placed: BreastPositioning, spacing_mm: float | None) -> Phantom:
    """`patient_breast` in voxels (0.2 mm)."""
    drawn = patient_breast(patient, placed)
    found = breast(drawn, spacing_mm=spacing_mm or BREAST_SPACING_MM)
    return found.replace(made_from={**found.made_from, "patient": patient.to_dict()},
                         name=f"{patient.title}, {drawn.view} {drawn.side}")


def check_breast(phantom: Phantom, protocol: Protocol) -> None:
    """InvalidInput unless `phantom` is a breast compressed for the protocol's view and side.

    Protocols of body part "PHANTOM" take any phantom: its x axis runs from the chest wall, z against the beam.
    """
    placed, made = protocol.breast, phantom.made_from.get("breast")
    if placed is None or (made is None and protocol.body_part == TEST_OBJECT):
        return
    if made is None:
        raise InvalidInput(message(f"phantom {phantom.name!r}", "it is no compressed breast",
                                   'Give ps.breast(...) or a patient; body_part="PHANTOM" takes test objects.'))
    if made["view"] == UNCOMPRESSED:
        raise InvalidInput(message(f"phantom {phantom.name!r}", "this breast is uncompressed: no plate holds it",
                                   f'Give ps.breast(..., view="{placed.view}").'))
    for name, wanted in (("view", placed.view), ("side", placed.side)):
        if made[name] != wanted:
            raise InvalidInput(message(f"{name}={wanted!r}", f"the breast in the beam is {made[name]}",
                                       f'Give {name}="{made[name]}" to the protocol, or another breast.'))


def made_thickness_mm(phantom: Phantom) -> float:
    """Between the plates: as the breast was made, or the height of the voxels."""
    made = phantom.made_from.get("breast")
    return float(made["thickness_mm"]) if made else phantom.grid.shape[0] * phantom.grid.spacing_mm[2]
