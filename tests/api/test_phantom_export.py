"""Phantoms written for other tools and read back: XCIST's JSON, NIfTI with names, MHD; and files that are refused."""

import json

import nibabel
import numpy as np
import pytest

import physsim as ps
from physsim.errors import FileFormatError, InvalidInput, OutputError
from physsim.io.image import Image
from physsim.io.volume import write_volume
from physsim.phantom.export_xcist import read_xcist, write_xcist
from physsim.phantom.shapes import Sphere

BONE = ps.material("bone")


@pytest.fixture(scope="module")
def phantom():
    ball = Sphere(name="ball", material="bone", radius_mm=25.0, centre_mm=(50, -30, 20))
    made = ps.voxelise(ps.scene("water_20cm"), spacing_mm=(8.0, 8.0, 10.0), density_dtype=np.float32).insert(ball)
    return made.replace(made_from={"scene": "water_20cm"})


def test_xcist_round_trip(tmp_path, phantom):
    phantom.save(tmp_path / "p.json")
    again = ps.Phantom.load(tmp_path / "p.json")
    assert again.grid.difference(phantom.grid) is None
    names = [one.name for one in again.materials]
    assert names == [one.name for one in phantom.materials]
    np.testing.assert_array_equal(again.labels, phantom.labels)
    np.testing.assert_allclose(again.density_g_cm3(), phantom.density_g_cm3(), rtol=1e-6)
    assert again.made_from == phantom.made_from
    with pytest.raises(OutputError, match="exists already"):
        phantom.save(tmp_path / "p.json")


def test_xcist_reads_it_as_its_own_code_does(tmp_path, phantom):
    """The arithmetic of Phantom_Voxelized.py: where the ball's map lies, from the isocentre, and what it weighs."""
    write_xcist(phantom, tmp_path / "p.json", isocentre_mm=(10.0, 0.0, -5.0))
    fields = json.loads((tmp_path / "p.json").read_text())
    n = fields["mat_name"].index(f"p_{BONE.name}")
    dims = np.array([fields["cols"][n], fields["rows"][n], fields["slices"][n]])
    offsets = np.array([fields["x_offset"][n], fields["y_offset"][n], fields["z_offset"][n]])
    sizes = np.array([fields["x_size"][n], fields["y_size"][n], fields["z_size"][n]])
    centre = ((dims + 1) / 2 - offsets) * sizes  # of the map's grid, from the isocentre, in mm
    volume = np.fromfile(tmp_path / fields["volumefractionmap_filename"][n], np.float32).reshape(dims[::-1])
    index = np.argwhere(volume > 0.5).mean(0)[::-1] - (dims - 1) / 2
    np.testing.assert_allclose(centre + index * sizes, np.array([50, -30, 20]) - [10.0, 0.0, -5.0], atol=1.0)
    lines = [line for line in (tmp_path / f"p_{BONE.name}").read_text().splitlines() if line[0].isdigit()]
    assert float(lines[1]) == pytest.approx(BONE.density_g_cm3)
    assert int(lines[0]) == len(lines) - 2
    assert sum(float(line.split()[1]) for line in lines[2:]) == pytest.approx(1.0, abs=1e-6)
    assert dims.max() < 12  # only the box that it needs


def test_an_xcist_phantom_of_others(tmp_path):
    """Two maps of unequal size, in bytes, that overlap: the heavier material takes the voxel, masses add up."""
    fields = {
        "n_materials": 2, "mat_name": ["ncat_water", "Al"], "volumefractionmap_filename": ["a.vf", "b.vf"],
        "volumefractionmap_datatype": ["int8", "float"], "cols": [3, 1], "rows": [2, 1], "slices": [2, 2],
        "x_size": [2.0, 2.0], "y_size": [2.0, 2.0], "z_size": [5.0, 5.0],
        "x_offset": [2.0, 0.0], "y_offset": [1.5, 0.5], "z_offset": [1.5, 1.5],
    }  # fmt: skip
    np.ones(12, np.int8).tofile(tmp_path / "a.vf")
    np.array([0.5, 0.1], np.float32).tofile(tmp_path / "b.vf")
    (tmp_path / "other.json").write_text(json.dumps(fields))
    with pytest.raises(InvalidInput, match=r"ncat_water.*neither"):
        read_xcist(tmp_path / "other.json")
    made = ps.Phantom.load(tmp_path / "other.json", materials={"ncat_water": "water"})
    assert made.grid.shape == (2, 2, 3)
    assert made.grid.origin_mm == pytest.approx((-2.0, -1.0, -2.5))
    aluminium = ps.material("Al").density_g_cm3
    assert [made.materials[n].name for n in made.labels[:, 1, 2]] == ["Al", "water"]
    np.testing.assert_allclose(made.density_g_cm3()[:, 1, 2], [1 + 0.5 * aluminium, 1 + 0.1 * aluminium], rtol=1e-6)
    np.arange(5, dtype=np.int8).tofile(tmp_path / "a.vf")
    with pytest.raises(FileFormatError, match="5 values"):
        ps.Phantom.load(tmp_path / "other.json", materials={"ncat_water": "water"})


def test_xcist_refuses_what_it_cannot_hold(tmp_path, phantom):
    ball = Sphere(name="b", material="bone", radius_mm=5.0)
    with pytest.raises(InvalidInput, match="overlays"):
        write_xcist(phantom.insert(ball, overlay_spacing_mm=2.0), tmp_path / "p.json")
    turned = phantom.grid.replace(direction=((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    with pytest.raises(InvalidInput, match="direction"):
        write_xcist(phantom.replace(grid=turned), tmp_path / "p.json")
    oblong = phantom.grid.replace(spacing_mm=(8.0, 4.0, 10.0))
    with pytest.raises(InvalidInput, match="square"):
        write_xcist(phantom.replace(grid=oblong), tmp_path / "p.json")
    (tmp_path / "x.json").write_text('{"n_materials": 1}')
    with pytest.raises(FileFormatError, match="mat_name"):
        read_xcist(tmp_path / "x.json")
    assert not (tmp_path / "p.json").exists()


def test_nifti_is_read_alike_by_nibabel_with_names_beside(tmp_path, phantom):
    """Orientation through another reader: the ball's centre in RAS is (-50, 30, 20)."""
    phantom.save(tmp_path / "p.nii.gz")
    described = json.loads((tmp_path / "p.phantom.json").read_text())
    organs = nibabel.load(tmp_path / "p_organs.nii.gz")
    number = [row[0] for row in described["organs"]].index("ball")
    where = np.argwhere(np.asarray(organs.dataobj) == number).mean(0)
    np.testing.assert_allclose(nibabel.affines.apply_affine(organs.affine, where), [-50, 30, 20], atol=2.0)
    labels = np.asarray(nibabel.load(tmp_path / "p.nii.gz").dataobj)
    assert described["materials"][int(labels[tuple(where.astype(int))])]["name"] == BONE.name


def test_files_of_four_dimensions_are_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.uint8), np.eye(4)), tmp_path / "four.nii.gz")
    with pytest.raises(FileFormatError, match="one volume"):
        ps.Phantom.load(tmp_path / "four.nii.gz", materials=["air"])
    with pytest.raises(FileFormatError, match="one volume"):
        ps.phantom_from_labels(tmp_path / "four.nii.gz", "totalsegmentator")
    (tmp_path / "four.mhd").write_text("ObjectType = Image\nNDims = 4\nDimSize = 2 2 2 2\nElementType = MET_UCHAR\n"
                                       "ElementDataFile = four.raw\n")  # fmt: skip
    (tmp_path / "four.raw").write_bytes(bytes(16))
    with pytest.raises(FileFormatError, match="DimSize"):
        ps.Phantom.load(tmp_path / "four.mhd", materials=["air"])
    assert np.asarray(nibabel.Nifti1Image(np.zeros((4, 4, 4, 1), np.uint8), np.eye(4)).dataobj).ndim == 4


def test_wrong_orientation_is_refused(tmp_path):
    """A label map and its CT that are turned against each other, and files that do not say how they lie."""
    labels = np.full((3, 4, 5), 5, np.uint8)
    turned = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
    write_volume(tmp_path / "labels.nii.gz", Image(labels, (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)))
    write_volume(tmp_path / "ct.nii.gz", Image(np.zeros((3, 4, 5), np.int16), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), turned))
    with pytest.raises(InvalidInput, match="direction"):
        ps.phantom_from_labels(tmp_path / "labels.nii.gz", "totalsegmentator", ct=tmp_path / "ct.nii.gz")
    image = nibabel.Nifti1Image(labels, np.eye(4))
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nibabel.save(image, tmp_path / "lost.nii.gz")
    with pytest.raises(FileFormatError, match="how it is oriented"):
        ps.phantom_from_labels(tmp_path / "lost.nii.gz", "totalsegmentator")


def test_unmapped_labels_are_listed(tmp_path):
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[0, 0] = [5, 201, 202, 203, 5]
    write_volume(tmp_path / "labels.mhd", Image(labels, (2.0, 2.0, 2.0), (0.0, 0.0, 0.0)))
    with pytest.raises(InvalidInput, match=r"\[201, 202, 203\].*knows no such labels"):
        ps.phantom_from_labels(tmp_path / "labels.mhd", "totalsegmentator", unlabelled="air")
