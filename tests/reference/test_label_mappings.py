"""Other tools' label maps and CT volumes as phantoms: classes, materials and densities of the shipped mappings."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.io.image import Image
from physsim.io.nifti import write_nifti
from physsim.phantom.mapping import LabelMapping, label_mapping, mapping_names, phantom_from_ct, phantom_from_labels


def image(values, spacing_mm=(2.0, 2.0, 2.0)):
    return Image(np.asarray(values), spacing_mm, (0.0, 0.0, 0.0), ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)))


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("totalsegmentator", 117, {5: "liver", 51: "heart", 90: "brain", 117: "costal_cartilages"}),
        ("maisi", 125, {1: "liver", 22: "brain", 63: "left rib 1", 132: "airway"}),
        ("victre", 14, {1: "fat", 29: "glandular tissue", 88: "ligament", 250: "calcification"}),
        ("icrp110_male", 141, {95: "liver", 61: "brain", 128: "teeth", 140: "air inside body"}),
        ("icrp110_female", 141, {95: "liver", 139: "uterus"}),
    ],
)
def test_shipped_mappings_know_their_classes(name, count, some):
    mapping = label_mapping(name)
    assert len(mapping.rows) == count
    for label, organ in some.items():
        assert mapping.rows[label][0] == organ
    assert set(mapping_names()) >= {name}


def test_densities_of_the_icrp_phantom_are_its_own():
    """Liver 1.05, teeth 2.75, mineral bone 1.92 g/cm3 (ICRP 110)."""
    for label, density in ((95, 1.05), (128, 2.75), (26, 1.92), (97, 0.382)):
        _, name, relative = label_mapping("icrp110_male").rows[label]
        assert ps.material(name).density_g_cm3 * relative == pytest.approx(density, rel=1e-3)


def test_labels_become_organs_of_their_mass(tmp_path):
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[1:4, 2:5, 3:6] = 95
    write_nifti(tmp_path / "icrp.nii.gz", image(labels))
    for source in (image(labels), tmp_path / "icrp.nii.gz"):
        phantom = phantom_from_labels(source, "icrp110_male")
        assert phantom.truth.organ("liver").volume_mm3 == 27 * 8
        assert phantom.truth.organ("liver").mass_g == pytest.approx(27 * 8e-3 * 1.05, rel=1e-3)
        assert phantom.truth.mask("liver").sum() == 27


def test_a_ct_gives_densities_and_what_has_no_class():
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 1:4, 1:5] = 5
    hu = np.full(labels.shape, -1000.0)
    hu[:, :, 3:] = 40.0
    phantom = phantom_from_labels(image(labels), "totalsegmentator", ct=image(hu))
    density = phantom.density_g_cm3()
    assert density[0, 0, 0] == pytest.approx(0.0012, abs=2e-3)
    assert density[0, 0, 5] == pytest.approx(1.003 + 0.001169 * 40, rel=1e-3)  # Schneider 2000, 23 to 100 HU
    assert density[1, 1, 3] == pytest.approx(1.003 + 0.001169 * 40, rel=1e-3)
    assert phantom.materials[phantom.labels[1, 1, 3]].name == "liver_icru46"
    whole = phantom_from_ct(image(hu))
    assert whole.density_g_cm3()[0, 0, 5] == pytest.approx(density[0, 0, 5], rel=1e-6)
    assert np.abs(whole.hu(70.0)[:, :, 3:] - 40.0).max() < 15  # what the table itself is worth in soft tissue


def test_one_material_stands_for_what_has_no_class():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1] = 5
    phantom = phantom_from_labels(image(labels), "totalsegmentator", unlabelled="soft_tissue")
    assert phantom.materials[phantom.labels[0, 0, 0]].name == "soft_tissue_icru44"


def test_a_users_mapping_is_read(tmp_path):
    rows = '[[0, "air", "air"], [7, "spleen", "spleen_icru46", 1.1]]'
    (tmp_path / "mine.toml").write_text(f'title = "mine"\nrows = {rows}')
    phantom = phantom_from_labels(image(np.full((3, 3, 3), 7)), tmp_path / "mine.toml")
    assert phantom.truth.organ("spleen").mass_g == pytest.approx(27 * 8e-3 * 1.06 * 1.1, rel=5e-3)


@pytest.mark.parametrize(
    ("labels", "mapping", "words"),
    [
        (np.full((3, 3, 3), 77), "victre", ["labels [77]", "14 are mapped", "right tool"]),
        (np.zeros((3, 3, 3), int), "totalsegmentator", ["100.0 % of the voxels", "ct=", "unlabelled="]),
        (np.full((3, 3, 3), 0.5), "victre", ["whole numbers", "label map"]),
        (np.full((3, 3, 3), -4), "victre", ["label -4"]),
        (np.zeros((3, 3, 3), int), "totalsegmenter", ["Did you mean 'totalsegmentator'"]),
    ],
)
def test_bad_labels_are_refused_in_words(labels, mapping, words):
    with pytest.raises(InvalidInput) as caught:
        phantom_from_labels(image(labels), mapping)
    for word in words:
        assert word in str(caught.value)


def test_a_ct_of_another_grid_is_refused():
    labels = image(np.full((3, 3, 3), 5))
    with pytest.raises(InvalidInput, match="labels and CT"):
        phantom_from_labels(labels, "totalsegmentator", ct=image(np.zeros((3, 3, 3)), (2.0, 2.0, 3.0)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rows = []", ["no rows"]),
        ('rows = [[1, "a"]]', ["rows are [label, organ"]),
        ('rows = [[1, "a", "water"], [1, "b", "water"]]', ["label 1", "twice"]),
        ('rows = [[1, "a", "watr"]]', ["watr", "water"]),
    ],
)
def test_bad_mappings_are_refused_in_words(tmp_path, text, words):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        label_mapping(tmp_path / "bad.toml")
    for word in words:
        assert word in str(caught.value)


def test_all_materials_of_the_shipped_mappings_exist():
    for name in mapping_names():
        assert isinstance(label_mapping(name), LabelMapping)


def test_volumes_of_four_dimensions_are_refused(tmp_path):
    """A 4D NIfTI where 3D is asked: refused by the reader, with its shape."""
    import nibabel

    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3, 2), np.uint8), np.eye(4)), tmp_path / "four.nii")
    with pytest.raises((InvalidInput, ps.errors.FileFormatError), match=r"4|dimension"):
        phantom_from_labels(tmp_path / "four.nii", "victre")
