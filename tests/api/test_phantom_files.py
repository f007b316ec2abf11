"""A phantom saved and loaded is the same phantom, in every format; the command line does it too."""

import json

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

import physsim as ps
from physsim.cli.app import app
from physsim.errors import FileFormatError, InvalidInput, OutputError
from physsim.phantom.shapes import Sphere

LESION = Sphere(name="nodule", material="bone", radius_mm=7.0, centre_mm=(10, 5, 0))


@pytest.fixture(scope="module")
def phantom():
    made = ps.voxelise(ps.scene("ctdi_16cm"), spacing_mm=(4.0, 5.0, 6.0), density_dtype=np.float16).insert(LESION)
    return made.replace(made_from={"scene": "ctdi_16cm", "numbers": {"a": 1.5}})


@pytest.mark.parametrize("name", ["a.h5", "a.nii.gz", "a.nii", "a.mhd", "a.mha", "a.toml"])
def test_round_trip(tmp_path, phantom, name):
    phantom.save(tmp_path / name)
    again = ps.Phantom.load(tmp_path / name)
    assert again.grid.difference(phantom.grid) is None
    np.testing.assert_array_equal(again.labels, phantom.labels)
    np.testing.assert_array_equal(again.density, phantom.density)
    np.testing.assert_array_equal(again.truth.organ_labels, phantom.truth.organ_labels)
    assert again.materials == phantom.materials
    assert again.truth.organs == phantom.truth.organs
    assert again.truth.lesions == phantom.truth.lesions
    assert again.name == phantom.name
    assert again.made_from == phantom.made_from
    with pytest.raises(OutputError, match="exists already"):
        phantom.save(tmp_path / name)
    phantom.save(tmp_path / name, overwrite=True)


def test_overlays_are_kept_by_hdf5_alone(tmp_path):
    phantom = ps.voxelise(ps.scene("water_20cm"), spacing_mm=10.0).insert(LESION, overlay_spacing_mm=2.0)
    phantom.save(tmp_path / "a.h5")
    (again,) = ps.Phantom.load(tmp_path / "a.h5").overlays
    np.testing.assert_array_equal(again.labels, phantom.overlays[0].labels)
    np.testing.assert_array_equal(again.density, phantom.overlays[0].density)
    assert again.grid.difference(phantom.overlays[0].grid) is None
    with pytest.raises(InvalidInput, match="overlays"):
        phantom.save(tmp_path / "a.nii.gz")


def test_labels_of_others_with_materials_and_a_density_of_another_grid(tmp_path, phantom):
    phantom.save(tmp_path / "a.nii.gz")
    (tmp_path / "a.phantom.json").unlink()
    with pytest.raises(InvalidInput, match="labels mean nothing"):
        ps.Phantom.load(tmp_path / "a.nii.gz")
    loaded = ps.Phantom.load(tmp_path / "a.nii.gz", materials=["air", "pmma", "bone"])
    assert [one.name for one in loaded.materials] == [ps.material(name).name for name in ("air", "pmma", "bone")]
    sparse = ps.Phantom.load(tmp_path / "a.nii.gz", materials={2: "bone", 0: "air", 1: "pmma"})
    assert sparse.mass_g() == pytest.approx(loaded.mass_g())
    with pytest.raises(InvalidInput, match="label 2"):
        ps.Phantom.load(tmp_path / "a.nii.gz", materials={0: "air", 1: "pmma"})
    with pytest.raises(InvalidInput, match="label 2"):
        ps.Phantom.load(tmp_path / "a.nii.gz", materials=["air", "pmma"])
    moved = phantom.replace(grid=phantom.grid.replace(origin_mm=(0.0, 0.0, 0.0)), overlays=())
    moved.save(tmp_path / "b.nii.gz")
    with pytest.raises(InvalidInput, match="labels and density: grids differ"):
        ps.Phantom.load(tmp_path / "a.nii.gz", materials=["air", "pmma", "bone"], density=tmp_path / "b_density.nii.gz")


def run(*words):
    return CliRunner().invoke(app, ["phantom", *map(str, words)])


def test_command_line(tmp_path):
    names = {row["name"] for row in json.loads(run("list", "--json").stdout)}
    assert {"water_20cm", "ctdi_32cm", "slab60", "tg195_case3", "thorax"} <= names
    built = run("build", "water_20cm", "--spacing-mm", 10, "-o", tmp_path / "w.h5")
    assert built.exit_code == 0, built.output
    table = json.loads(run("info", tmp_path / "w.h5", "--json").stdout)
    assert table["mass_g"] == pytest.approx(6283 + 5.2, abs=5)
    assert run("view", tmp_path / "w.h5", "-o", tmp_path / "w.png").exit_code == 0
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")
    assert isinstance(run("info", "watr").exception, InvalidInput)
    assert isinstance(run("build", "water_20cm", "-o", tmp_path / "w.h5").exception, OutputError)


@pytest.mark.parametrize("name", ["ctdi_32cm", "tg195_case3", "step_wedge"])
def test_scenes_round_trip_through_toml_and_json(tmp_path, name):
    scene = ps.scene(name)
    assert ps.Scene.from_toml(scene.to_toml()) == scene
    assert ps.Scene.from_json(scene.to_json()) == scene
    (tmp_path / "own.scene.toml").write_text(scene.to_toml())
    assert ps.scene(tmp_path / "own.scene.toml") == scene


def test_four_dimensions_are_named_before_materials_are_asked_for(tmp_path):
    whole = np.zeros((3, 4, 5, 2), np.uint8)
    header = nibabel.Nifti1Image(whole, np.eye(4))
    nibabel.save(header, tmp_path / "moving.nii.gz")
    for given in ({}, {"materials": ["air"]}):
        with pytest.raises(FileFormatError, match=r"dim=\[4, 3, 4, 5, 2.*one volume.*Split the file"):
            ps.Phantom.load(tmp_path / "moving.nii.gz", **given)
