"""A Patient in Python is held for the exposure as the command line holds one: as the protocol asks."""

import numpy as np
import pytest

import physsim as ps
from physsim.imaging.body import voxels_of

SPACING = 10.0
WHO = {"sex": "F", "age": 40, "height_cm": 165, "weight_kg": 64}


@pytest.mark.parametrize(("protocol", "state"), [
    (ps.protocols.chest_pa(), {}),
    (ps.protocols.chest_lateral(), {"arms": "up"}),
    (ps.protocols.chest_ct(), {"posture": "supine", "arms": "up"}),
])  # fmt: skip
def test_voxels_are_those_of_a_patient_told_so(protocol, state):
    found = voxels_of(ps.anatomy(**WHO), protocol, SPACING)
    told = voxels_of(ps.anatomy(**WHO, **protocol.patient.model_dump()), protocol, SPACING)
    assert {name: getattr(protocol.patient, name) for name in state} == state
    np.testing.assert_array_equal(found.labels, told.labels)
    assert found.made_from["patient"] == told.made_from["patient"]


def test_what_a_patient_says_stands():
    man = ps.reference_patient("M", 35, arms="down")
    held = man.held_as(ps.protocols.chest_lateral().patient)
    assert (held.arms, held.posture, held.respiration) == ("down", "standing", 1.0)
    assert ps.Patient.from_json(held.to_json()) == held


def test_a_lesion_says_nothing_of_the_arms():
    """A copy with changes leaves out what was left out."""
    ill = ps.anatomy(**WHO).insert(ps.Lesion(site="left lower lobe", diameter_mm=12.0))
    assert ill.held_as(ps.protocols.chest_lateral().patient).arms == "up"
    assert ill.replace(arms="down").held_as(ps.protocols.chest_lateral().patient).arms == "down"
