"""A protocol of one part of the body refuses voxels of a patient that do not hold it."""

import dataclasses

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.body import check_part
from physsim.phantom.truth import OrganTruth, Truth


def voxels(region=None, volumes=(), patient=True):
    """Air that says to be a patient's region; `volumes`: organs and what of them lies in the grid (mm3)."""
    grid = ps.Grid(shape=(2, 2, 2), spacing_mm=10.0)
    record = ({"patient": {}} if patient else {}) | ({} if region is None else {"region": region})
    organs = tuple(OrganTruth(name, volume, volume) for name, volume in volumes)
    return ps.Phantom(grid=grid, labels=np.zeros(grid.shape, np.uint8), materials=(ps.material("air"),), name="someone",
                      truth=Truth(None, organs), made_from=record)


@pytest.mark.parametrize(("protocol", "region"), [
    ("head_ct", "chest"), ("dental_ct", "trunk"), ("chest_pa", "abdomen"), ("abdomen_ap", "pelvis"),
    ("chest_ct", "head")])
def test_another_part_is_refused(protocol, region):
    taken = ps.protocols[protocol]
    with pytest.raises(InvalidInput, match=rf"{protocol} \([A-Z]+\) of phantom 'someone': its region is '{region}'"):
        ps.simulate(voxels(region), taken)
    check_part(voxels(region), taken.changed(body_part="PHANTOM"))


@pytest.mark.parametrize(("protocol", "region"), [
    ("head_ct", None), ("head_ct", "head"), ("dental_ct", "head"), ("chest_pa", "trunk"), ("abdomen_ct", "trunk"),
    ("chest_4d_ct", "chest")])
def test_the_part_or_more_is_taken(protocol, region):
    check_part(voxels(region), ps.protocols[protocol])


def test_a_window_holds_some_of_the_part_s_organ():
    head, brain = ps.protocols.head_ct(), "white matter of the cerebrum"
    check_part(voxels("window", [(brain, 5.0), ("liver", 0.0)]), head)
    with pytest.raises(InvalidInput, match="of cerebrum there is nothing in its grid"):
        check_part(voxels("window", [(brain, 0.0), ("liver", 5.0)]), head)


def test_imported_phantoms_are_taken_as_they_come():
    check_part(voxels(patient=False), ps.protocols.head_ct())
    check_part(dataclasses.replace(voxels("chest"), made_from={}), ps.protocols.head_ct())


def test_organs_of_an_imported_phantom_tell_of_another_part():
    """Three kinds of organs do; a test object's inserts of lung and liver do not, nor where one is of the part."""
    chest = voxels(patient=False, volumes=[("lung_upper_lobe_left", 5.0), ("heart", 5.0), ("rib_left_1", 1.0)])
    with pytest.raises(InvalidInput, match=r"\(HEAD\) of phantom 'someone': its organs are of chest, none of the "
                                           'head. Give a phantom of that part, or body_part="PHANTOM"'):
        check_part(chest, ps.protocols.head_ct())
    check_part(chest, ps.protocols.head_ct(body_part="PHANTOM"))
    check_part(chest, ps.protocols.chest_pa())
    check_part(voxels(patient=False, volumes=[("lung", 5.0), ("liver", 5.0)]), ps.protocols.head_ct())
    whole = [("lung", 5.0), ("heart", 5.0), ("liver", 5.0), ("brain", 5.0)]
    check_part(voxels(patient=False, volumes=whole), ps.protocols.head_ct())
    with pytest.raises(InvalidInput, match="of chest and abdomen, none of the head"):
        ps.simulate(ps.voxelise(ps.scene("thorax"), spacing_mm=20), ps.protocols.head_ct())


def test_a_patient_s_own_voxels_say_their_region():
    """What Patient.phantom writes is what is looked for; a chest at 8 mm, which a head protocol refuses."""
    chest = ps.anatomy(sex="F", age=54, seed=7).phantom(8.0, region="chest", vanishing="keep")
    assert chest.made_from["region"] == "chest"
    with pytest.raises(InvalidInput, match="its region is 'chest'"):
        ps.simulate(chest, ps.protocols.head_ct())


def test_the_command_line_refuses_another_part(physsim, tmp_path):
    voxels("chest").save(tmp_path / "chest.h5")
    status, _, err = physsim("simulate", "--phantom", tmp_path / "chest.h5", "--protocol", "head_ct", "--out",
                             tmp_path / "ct")
    assert status == 2
    assert "protocol head_ct (HEAD) of phantom 'someone': its region is 'chest'" in err
    assert 'region="head"' in err
