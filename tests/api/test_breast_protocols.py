"""Protocols of the breast as their users meet them: changed by name, refused for what is no compressed breast."""

import pytest
from breast_cases import mammogram, small_breast, tomosynthesis

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.breast_body import breast_voxels, patient_breast
from physsim.spec.protocol import Protocol

WOMAN = ps.anatomy(sex="F", age=54, height_cm=165, weight_kg=72, breast_density="C", seed=7)


def test_silver_is_the_mammogram_of_thick_breasts():
    """As the mammogram but for kVp and filter; the edge of silver, 25.5 keV, lets a harder beam through."""
    rhodium, silver = ps.protocols.mammogram(), ps.protocols.mammogram_w_ag()
    same = {"name", "title", "spectrum"}
    assert silver.model_dump(exclude=same) == rhodium.model_dump(exclude=same)
    assert [layer.substance.name for layer in silver.spectrum.filters] == ["Be", "Ag", "polycarbonate"]
    assert silver.spectrum.sample().mean_energy_kev > rhodium.spectrum.sample().mean_energy_kev + 1.0


def test_view_and_side_are_changed_by_name():
    fields = ((0.125, 0.375, 0.75, 0.625),)
    protocol = ps.protocols.mammogram(view="MLO", side="R", kvp=31, fields=fields)
    assert (protocol.breast.view, protocol.breast.side, protocol.cathode) == ("MLO", "R", "u+")
    assert protocol.control_fields == ((0.25, 0.375, 0.875, 0.625),)
    assert Protocol.from_toml(protocol.to_toml()) == protocol
    assert protocol.changed(side="L") == ps.protocols.mammogram(view="MLO", kvp=31, fields=fields)
    assert tomosynthesis().breast.views == 5


@pytest.mark.parametrize(("make", "says"), [
    (lambda: ps.protocols.mammogram(view="ML"), "'CC' or 'MLO'"),
    (lambda: ps.protocols.mammogram(arc_deg=50.0), "one view has no arc"),
    (lambda: ps.protocols.tomosynthesis(views=1), "one view has no arc"),
    (lambda: ps.protocols.mammogram(pivot_mm=40.0), "one view does not turn"),
    (lambda: ps.protocols.mammogram(source_detector_mm=10.0), "lie between detector and source"),
    (lambda: ps.protocols.mammogram(breast=None), "neither positioning nor poses nor breast"),
    (lambda: ps.protocols.chest_pa(side="L"), "this protocol has no breast|no such parameter"),
    (lambda: mammogram().geometry(((0, 0, 0), (1, 1, 1))), "Give grid=phantom.grid"),
])
def test_a_protocol_that_cannot_be_is_refused(make, says):
    with pytest.raises(InvalidInput, match=says):
        make()


@pytest.mark.parametrize(("phantom", "protocol", "says"), [
    (lambda: ps.voxelise(ps.scene("slab60"), spacing_mm=20), mammogram(), "no compressed breast"),
    (lambda: small_breast("uncompressed"), mammogram(), "uncompressed"),
    (lambda: small_breast("MLO"), mammogram(), "the breast in the beam is MLO"),
    (lambda: small_breast("CC", "R"), mammogram(), "the breast in the beam is R"),
    (lambda: ps.anatomy(sex="M", age=40), mammogram(), "needs a breast of a density class"),
    (lambda: small_breast(), mammogram(source_detector_mm=40.0), "source lies inside or below it"),
])
def test_what_is_no_breast_for_the_protocol_is_refused(phantom, protocol, says):
    with pytest.raises(InvalidInput, match=says):
        ps.simulate(phantom(), protocol)


def test_a_test_object_lies_on_the_support_where_the_protocol_says_phantom():
    slab = ps.voxelise(ps.scene("slab60"), spacing_mm=20)
    shot = ps.simulate(slab, mammogram(body_part="PHANTOM", mas=1.0), noise=False)
    assert shot["transmission"].min() < 1e-4


def test_a_patients_two_breasts_are_her_own_and_no_mirror_images():
    left, right = (patient_breast(WOMAN, mammogram(side=side).breast) for side in "LR")
    assert (left.density, left.side, right.side) == ("C", "L", "R")
    assert left.seed != right.seed
    assert patient_breast(WOMAN, mammogram("MLO").breast).material == left.material
    assert patient_breast(WOMAN, mammogram(thickness_mm=40.0).breast).thickness_mm == 40.0


def test_a_patients_lesions_in_the_breast_are_refused_rather_than_left_out():
    with_lesion = WOMAN.insert(ps.Lesion(site="left breast", diameter_mm=8))
    with pytest.raises(InvalidInput, match="BreastMass"):
        breast_voxels(with_lesion, mammogram().breast, 1.0)
