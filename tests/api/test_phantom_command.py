"""`physsim phantom`: what it builds, says and draws; bad input by its message."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import physsim as ps
from physsim.body.body import Body
from physsim.body.patient import Patient
from physsim.body.report import report
from physsim.body.view_html import html_page
from physsim.body.voxelise import voxelise_body
from physsim.cli.app import app
from physsim.errors import InvalidInput
from physsim.phantom.pictures import GREY, GREY_HU, radiograph, slice_hu, surface_picture
from physsim.phantom.shapes import Sphere
from physsim.phantom.truth import OrganTruth, Truth


def run(*words):
    return CliRunner().invoke(app, ["phantom", *map(str, words)])


@pytest.fixture(scope="module")
def phantom():
    """Water (radius 100 mm along z) with a ball of bone on the patient's left, in front, above the middle."""
    ball = Sphere(name="<ball> of bone", material="bone", radius_mm=25.0, centre_mm=(50, -30, 20))
    return ps.voxelise(ps.scene("water_20cm"), spacing_mm=5.0).insert(ball)


def test_report_has_the_truth_of_the_geometry(phantom):
    table = report(phantom)
    rows = {row["name"]: row for row in table["organs"]}
    ball = rows["<ball> of bone"]
    assert ball["volume_cm3"] == pytest.approx(4 / 3 * np.pi * 2.5**3, rel=0.01)
    assert ball["mass_g"] == pytest.approx(ball["volume_cm3"] * ps.material("bone").density_g_cm3, rel=1e-6)
    assert ball["reference_g"] is None
    assert ball["difference_percent"] is None
    assert table["height_cm"] is None
    assert sum(row["mass_g"] for row in rows.values()) == pytest.approx(table["mass_g"], rel=1e-3)
    json.dumps(table)


def test_slices_are_seen_as_radiologists_do(phantom):
    """Left of the patient on the right, front up in axial slices, head up in the others; sagittal from the left."""
    for plane, index, half_row, half_column in (
        ("axial", round(20 / 5) + phantom.grid.shape[0] // 2, "upper", "right"),
        ("coronal", phantom.grid.shape[1] // 2 - 6, "upper", "right"),
        ("sagittal", phantom.grid.shape[2] // 2 + 10, "upper", "left"),
    ):
        picture = slice_hu(phantom, plane, index)
        row, column = np.argwhere(picture > 500).mean(0) / picture.shape
        assert (row < 0.5) == (half_row == "upper"), plane
        assert (column < 0.5) == (half_column == "left"), plane
    water = slice_hu(phantom, "axial", phantom.grid.shape[0] // 2)
    assert water[water.shape[0] // 2, water.shape[1] // 2] == pytest.approx(0.0, abs=0.5)


def test_a_radiograph_is_the_line_integral(phantom):
    beam = radiograph(ps.voxelise(ps.scene("water_20cm"), spacing_mm=5.0), "y")
    middle = beam[beam.shape[0] // 2, beam.shape[1] // 2]
    assert middle == pytest.approx(200.0, rel=2e-3)  # mm of water along a diameter


def test_surfaces_show_what_faces_the_viewer(phantom):
    bone = surface_picture(phantom, "front", "bone")
    row, column = np.argwhere(bone > 0).mean(0) / bone.shape
    assert row < 0.5 < column
    assert (bone > 0).sum() * 25 == pytest.approx(np.pi * 25**2, rel=0.15)
    left = surface_picture(phantom, "left", "bone")
    assert np.argwhere(left > 0).mean(0)[1] / left.shape[1] < 0.5  # the front is on the left


def test_the_html_page_holds_every_voxel_and_loads_nothing(phantom):
    text = html_page(phantom)
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:)[a-z]+:""", text)
    assert "http" not in text
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)[1])
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", text)[1]))))
    nz, ny, nx = data["shape_zyx"]
    assert (nz, ny, nx) == phantom.grid.shape
    number = data["names"].index("<ball> of bone")
    k, j, i = data["centres"][number]
    world = phantom.grid.world_from_voxel @ [i, j, k, 1]
    assert np.abs(world[:3] - [50, -30, 20]).max() <= 5.0
    row, column = divmod(k, data["across"])
    assert tuple(sheet[row * ny + j, column * nx + i, 1:]) == (number, 0)
    hu = slice_hu(phantom, "axial", k)[j, i]
    grey = sheet[row * ny + j, column * nx + i, 0]
    assert data["hu_of_grey"][grey] == pytest.approx(np.interp(np.interp(hu, GREY_HU, GREY), GREY, GREY_HU), abs=15)
    assert {row["cells"][0] for row in data["rows"]} == set(phantom.truth.names())


def test_breasts_and_bodies_are_built_by_name(tmp_path, monkeypatch, phantom):
    from physsim.body import breast as module

    asked = []
    monkeypatch.setattr(module, "breast", lambda drawn, spacing_mm: asked.append((drawn, spacing_mm)) or phantom)
    made = run("build", "--breast", "D", "--voxel", 1.2, "--seed", 3, "--out", tmp_path / "b.h5")
    assert made.exit_code == 0, made.output
    table = json.loads(run("info", tmp_path / "b.h5", "--json").stdout)
    assert table["made_from"]["breast"]["density"] == "D"
    assert table["made_from"]["breast"]["seed"] == 3
    assert asked == [(ps.Breast.draw("D", seed=3), 1.2)]
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["adult_trunk"]["kind"] == "body"
    assert rows["water_20cm"]["kind"] == "scene"


def test_views_are_written(tmp_path, phantom):
    phantom.save(tmp_path / "p.h5")
    assert run("view", tmp_path / "p.h5", "-o", tmp_path / "p.png").exit_code == 0
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size[0] > 1000
    assert run("view", tmp_path / "p.h5", "--html", "--out", tmp_path / "p.html").exit_code == 0
    assert (tmp_path / "p.html").stat().st_size < 3e6
    said = run("info", tmp_path / "p.h5").stdout
    assert "<ball> of bone" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["build", "-o", "x.h5"], "nothing to build"),
        (["build", "--region", "chest", "-o", "x.h5"], "--region without --sex"),
        (["build", "--reference", "--sex", "M", "--age", "7", "-o", "x.h5"], "no reference body of that age"),
        (["build", "--reference", "--sex", "M", "-o", "x.h5"], "which body?"),
        (["build", "--reference", "--sex", "M", "--age", "5", "--height", "120", "-o", "x.h5"], "height_cm=120"),
        (["build", "--sex", "M", "--age", "5", "--height", "190", "-o", "x.h5"], "height_cm=190"),
        (["build", "--sex", "M", "--age", "50", "--breast-density", "A", "-o", "x.h5"], "those of women"),
        (["build", "--sex", "X", "--age", "50", "-o", "x.h5"], "sex"),
        (["build", "slab60", "--breast", "B", "-o", "x.h5"], "one phantom is built at a time"),
        (["build", "slab60", "--view", "MLO", "-o", "x.h5"], "--view without --breast"),
        (["build", "--breast", "E", "-o", "x.h5"], "E"),
        (["build", "--body", "adult_trnk", "-o", "x.h5"], "adult_trunk"),
        (["build", "slab60", "--seed", "3", "-o", "x.h5"], "nothing of it is drawn"),
        (["info", "slab6"], "slab60"),
        (["view", "slab60", "-o", "x.html"], "--html"),
        (["view", "slab60", "--html", "-o", "x.png"], "x.html"),
    ],
)
def test_bad_input_is_named(words, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = run(*words).exception
    assert isinstance(error, InvalidInput)
    assert says in str(error)
    assert not list(tmp_path.iterdir())


def test_export_writes_what_other_programs_read(tmp_path, phantom):
    phantom.save(tmp_path / "p.h5")
    for name in ("q.nii.gz", "r.mhd", "xcist.json"):
        made = run("export", tmp_path / "p.h5", "--out", tmp_path / name)
        assert made.exit_code == 0, made.output
        assert ps.Phantom.load(tmp_path / name).mass_g() == pytest.approx(phantom.mass_g(), rel=1e-6)


def test_patients_are_asked_for_as_the_options_say(tmp_path, monkeypatch, phantom):
    """Reference bodies keep what is smaller than a voxel, and name it; others refuse such voxels by default."""
    asked = []
    tiny = OrganTruth("left ovary", 5.0, 0.005)
    small = phantom.replace(truth=Truth(phantom.truth.organ_labels, (*phantom.truth.organs, tiny)))

    def build(patient, *given, **options):
        asked.append((patient, given, options))
        return small

    monkeypatch.setattr(Patient, "phantom", build)
    words = ("build", "--sex", "F", "--age", 5, "--reference", "--voxel", 6, "--out", tmp_path / "girl.h5")
    made = run(*words)
    assert made.exit_code == 0, made.output
    assert made.stderr == "smaller than a voxel, their mass is kept: left ovary\n"
    patient, given, options = asked[-1]
    assert (patient.sex, patient.age_years, round(patient.height_cm)) == ("F", 5.0, 109)
    assert given == (6.0,)
    assert options == {"region": "whole", "vanishing": "keep"}
    own = ("build", "--sex", "M", "--age", 54, "--height", 180, "--weight", 82, "--arms", "up", "--seed", 4)
    assert run(*own, "--region", "chest", "-o", tmp_path / "man.h5").exit_code == 0
    patient, given, options = asked[-1]
    assert (patient.height_cm, patient.weight_kg, patient.arms, patient.seed) == (180.0, 82.0, "up", 4)
    assert given == (2.0,)
    assert options == {"region": "chest", "vanishing": "error"}


def test_structures_that_vanish_are_an_error_that_says_which_unless_kept(tmp_path, monkeypatch):
    def ball(name, order, material, size):
        shape = {"ellipsoid": {"centre": [0, 0, 0], "semi": [size] * 3}}
        return {"name": name, "order": order, "material": material, "parts": [shape]}

    body = Body.of({"structure": [ball("liver", 1, "liver", 30), ball("left ovary", 2, "soft_tissue", 1)]})

    def build(patient, spacing_mm, region, vanishing):
        return voxelise_body(body, spacing_mm, vanishing=vanishing)

    monkeypatch.setattr(Patient, "phantom", build)
    words = ("build", "--sex", "F", "--age", 54, "--voxel", 6, "--out", tmp_path / "woman.h5")
    refused = run(*words)
    assert isinstance(refused.exception, InvalidInput)
    assert "'left ovary' holds no voxel" in str(refused.exception)
    assert "--vanishing keep" in str(refused.exception)
    assert not (tmp_path / "woman.h5").exists()
    kept = run(*words, "--vanishing", "keep")
    assert kept.exit_code == 0, kept.output
    assert kept.stderr == "smaller than a voxel, their mass is kept: left ovary\n"


def test_topology_ends_with_1_where_an_organ_is_not_as_declared(tmp_path, phantom):
    phantom.save(tmp_path / "p.h5")
    right = run("topology", tmp_path / "p.h5", "--all")
    assert right.exit_code == 0, right.output
    assert "0 not as declared" in right.stdout  # coarser than organs are judged at
    labels = np.zeros((8, 9, 10), np.uint8)
    labels[2:4, 2:4, 2:4] = labels[6:, 6:, 6:] = 1
    truth = Truth(labels, (OrganTruth("background", 0.0, 0.0), OrganTruth("pancreas", 30.0, 0.03)))
    grid = ps.Grid(shape=labels.shape, spacing_mm=2.0)
    ps.Phantom(grid=grid, labels=labels, materials=phantom.materials[:2], truth=truth).save(tmp_path / "q.h5")
    wrong = run("topology", tmp_path / "q.h5", "--json")
    assert wrong.exit_code == 1
    (row,) = json.loads(wrong.stdout)["rows"]
    assert (row["name"], row["found"], row["declared"]) == ("pancreas", [2, 0, 0], [1, 0, 0])
