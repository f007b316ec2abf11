"""Closed meshes against the volumes of the bodies that they bound, and files, surfaces and bad meshes."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

import physsim as ps
from physsim.body.devices import device, device_names, wire
from physsim.errors import FileFormatError, InvalidInput, OutputError
from physsim.phantom.mesh import Mesh, MeshPart, mesh_coverage, surface
from physsim.phantom.mesh_shapes import ball, revolved, swept
from physsim.spec.grid import Grid


def grid_about(mesh, spacing_mm, margin_mm=2.0):
    low, high = mesh.bounds_mm()
    spacing = np.broadcast_to(np.asarray(spacing_mm, float), 3)
    count = np.ceil((high - low + 2 * margin_mm) / spacing).astype(int)
    return Grid(shape=tuple(int(n) for n in count[::-1]), spacing_mm=tuple(spacing), origin_mm=tuple(low - margin_mm))


def octahedron(size=10.0):
    vertices = size * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.0]])
    faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    return Mesh(vertices, np.array(faces), "octahedron")


def test_the_volume_is_that_of_the_body():
    assert octahedron(3.0).volume_mm3 == pytest.approx(4 / 3 * 27)
    assert octahedron(3.0).moved(shift_mm=(50, -20, 7)).volume_mm3 == pytest.approx(36)
    assert octahedron(3.0).moved(np.diag([-2.0, 1, 1])).volume_mm3 == pytest.approx(72)
    assert octahedron(3.0).moved(shift_mm=(5, 6, 7)).centre_mm == pytest.approx((5, 6, 7))
    assert ball(7.0, "ball").volume_mm3 == pytest.approx(4 / 3 * np.pi * 343, rel=1e-9)
    cylinder = revolved([[4, -3], [4, 5]], "cylinder")
    assert cylinder.volume_mm3 == pytest.approx(np.pi * 16 * 8, rel=1e-9)


def test_a_bent_tube_has_its_sections_volume():
    """Pappus: a quarter of a ring, section pi r^2 along the path of its centre, in steps of 1 mm."""
    angle = np.linspace(0, np.pi / 2, 12)
    tube = swept(40 * np.c_[np.cos(angle), np.sin(angle), np.zeros(12)], 5.0, "tube", step_mm=1.0)
    assert tube.volume_mm3 == pytest.approx(np.pi * 25 * 40 * np.pi / 2, rel=2e-3)


@pytest.mark.parametrize("spacing", [0.7, (0.5, 0.9, 1.3)])
def test_coverage_holds_the_volume_within_a_thousandth(spacing):
    """The issue's figure; a turned octahedron (flat faces) and a ball of 21 voxels across."""
    turn = trimesh.transformations.random_rotation_matrix(np.array([0.3, 0.6, 0.2]))[:3, :3]
    for mesh in (octahedron(8.0).moved(turn, (0.31, 0.17, -0.23)), ball(7.5, "ball").moved(shift_mm=(0.2, 0.1, 0.4))):
        grid = grid_about(mesh, spacing)
        volume = float(mesh_coverage(mesh, grid).sum(dtype=float)) * grid.voxel_volume_mm3
        assert volume == pytest.approx(mesh.volume_mm3, rel=1e-3)


def test_coverage_is_that_of_the_analytic_shape():
    """A mesh box along the axes against exact overlaps of voxels with the box."""
    low, high = np.array([-3.3, -2.1, -4.4]), np.array([2.9, 4.05, 3.7])
    box = trimesh.creation.box(bounds=[low, high])
    grid = Grid(shape=(12, 11, 10), spacing_mm=1.0, origin_mm=(-4.5, -4.0, -5.0))
    exact = np.ones(grid.shape)
    for axis, name in ((2, 0), (1, 1), (0, 2)):
        centre = grid.origin_mm[name] + np.arange(grid.shape[axis])
        part = np.clip(np.minimum(centre + 0.5, high[name]) - np.maximum(centre - 0.5, low[name]), 0, 1)
        exact *= part.reshape([-1 if n == axis else 1 for n in range(3)])
    got = mesh_coverage(Mesh(box.vertices, box.faces), grid, rays=233)
    assert np.abs(got - exact).max() < 0.01
    assert np.abs(mesh_coverage(Mesh(box.vertices, box.faces), grid, rays=21) - exact).max() < 0.06


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_no_ray_leaks_through_edges_or_vertices(seed):
    """Vertices on voxel centres, corners and faces: every row closes, so that nothing is inside beyond the body."""
    random = np.random.default_rng(seed)
    hull = trimesh.convex.convex_hull(random.integers(-5, 6, (12, 3)).astype(float) * 0.5)
    mesh = Mesh(hull.vertices, hull.faces)
    grid = Grid(shape=(16, 16, 16), spacing_mm=0.5, origin_mm=(-4.0, -4.0, -4.0))
    coverage = mesh_coverage(mesh, grid)
    assert coverage[:, :, -2:].max() == 0
    assert coverage[:, :, :1].max() == 0
    assert float(coverage.sum(dtype=float)) * 0.125 == pytest.approx(hull.volume, rel=0.05, abs=0.15)


def test_bits_do_not_depend_on_threads(monkeypatch):
    import os

    mesh = octahedron(6.0)
    grid = grid_about(mesh, 0.6)
    several = mesh_coverage(mesh, grid)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert (mesh_coverage(mesh, grid) == several).all()


def test_a_turned_grid_holds_the_same_volume():
    mesh = ball(6.0, "ball")
    c, s = np.cos(0.4), np.sin(0.4)
    grid = Grid(shape=(30, 30, 30), spacing_mm=0.6, origin_mm=(-1.5, -12, -9.0),
                direction=((c, s, 0.0), (-s, c, 0.0), (0.0, 0.0, 1.0)))  # fmt: skip
    corners = grid.world_from_voxel @ np.array([14.5, 14.5, 14.5, 1.0])
    moved = mesh.moved(shift_mm=corners[:3])
    volume = float(mesh_coverage(moved, grid).sum(dtype=float)) * grid.voxel_volume_mm3
    assert volume == pytest.approx(mesh.volume_mm3, rel=1e-3)


@pytest.mark.parametrize("suffix", ["stl", "ply", "obj"])
def test_files_give_the_mesh_back(tmp_path, suffix):
    mesh = octahedron(12.5).moved(shift_mm=(100, -40, 3))
    mesh.save(tmp_path / f"body.{suffix}")
    back = Mesh.load(tmp_path / f"body.{suffix}").closed()
    assert back.volume_mm3 == pytest.approx(mesh.volume_mm3, rel=1e-5)
    assert np.allclose(back.bounds_mm(), mesh.bounds_mm(), atol=1e-4)
    assert Mesh.load(tmp_path / f"body.{suffix}", scale_to_mm=10).volume_mm3 == pytest.approx(
        1000 * mesh.volume_mm3, rel=1e-5
    )
    with pytest.raises(OutputError, match="overwrite"):
        mesh.save(tmp_path / f"body.{suffix}")


def test_surfaces_of_organs_enclose_their_volume():
    phantom = ps.voxelise(ps.scene("water_20cm"), spacing_mm=5)
    mesh = phantom.surface("water")
    assert mesh.volume_mm3 == pytest.approx(phantom.truth.mask("water").sum() * 125, rel=1e-3)
    low, high = mesh.bounds_mm()
    assert np.allclose(high - low, [200, 200, 200], atol=6)
    assert mesh_coverage(mesh, phantom.grid).sum(dtype=float) * 125 == pytest.approx(mesh.volume_mm3, rel=2e-3)


@pytest.mark.parametrize("name", device_names())
def test_shipped_devices_are_closed_and_of_their_size(name):
    for part in device(name):
        assert part.mesh.volume_mm3 > 1
        mesh_coverage(part.mesh, grid_about(part.mesh, max(np.ptp(np.array(part.mesh.bounds_mm()), 0).max() / 60, 0.1)))


def test_devices_follow_their_sizes_and_places():
    head = {p.name: p for p in device("hip_prosthesis", centre_mm=(10, 20, 30), head_mm=36)}["head"]
    assert head.mesh.volume_mm3 == pytest.approx(4 / 3 * np.pi * 18**3)
    assert head.mesh.centre_mm == pytest.approx((10, 20, 30))
    stem, mirrored = (device("hip_prosthesis", mirror=m)[2].mesh.centre_mm for m in (False, True))
    assert mirrored == pytest.approx((-stem[0], stem[1], stem[2]), abs=1e-6)
    assert wire([[0, 0, 0], [10, 0, 0], [20, 5, 0]], 2.0, "titanium").mesh.volume_mm3 == pytest.approx(
        np.pi * 21.2, rel=0.05
    )


def test_an_inserted_mesh_adds_its_mass():
    phantom = ps.voxelise(ps.scene("water_20cm"), spacing_mm=4)
    part = MeshPart(ball(15.0, "ball").moved(shift_mm=(10, 5, 2)), "titanium")
    added = part.mesh.volume_mm3 * (ps.material("titanium").density_g_cm3 - 1.0) / 1000
    for spacing in (None, 1.0):
        made = phantom.insert(part, overlay_spacing_mm=spacing)
        assert made.mass_g() - phantom.mass_g() == pytest.approx(added, rel=2e-3)
        assert made.truth.organ("ball").volume_mm3 == pytest.approx(part.mesh.volume_mm3, rel=2e-3)
        assert made.truth.lesions == ()


def doubled():
    one, other = ball(5.0, "a"), ball(5.0, "b").moved(shift_mm=(4, 0, 0))
    n = len(one.vertices_mm)
    return Mesh(np.r_[one.vertices_mm, other.vertices_mm], np.r_[one.triangles, other.triangles + n], "crossing")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Mesh(octahedron().vertices_mm, octahedron().triangles[1:]).closed(), ["3 edges", "open", "fill"]),
        (lambda: Mesh(octahedron().vertices_mm, np.r_[octahedron().triangles[:7], [[0, 5, 3]]]).closed(),
         ["face apart", "fix_normals"]),
        (lambda: mesh_coverage(doubled(), grid_about(doubled(), 0.8)), ["crosses itself", "winding number of 2"]),
        (lambda: Mesh(np.zeros((3, 2)), np.zeros((1, 3), int)), ["shape (3, 2)"]),
        (lambda: Mesh(np.zeros((3, 3)), np.array([[0, 1, 7]])), ["vertex 7", "3 vertices"]),
        (lambda: Mesh(np.full((3, 3), np.nan), np.array([[0, 1, 2]])), ["finite"]),
        (lambda: MeshPart(octahedron(), "titanium", density=0.0), ["density=0.0"]),
        (lambda: device("hip_prothesis"), ["hip_prothesis", "Did you mean 'hip_prosthesis'"]),
        (lambda: device("hip_prosthesis", head=30), ["head=30", "head_mm"]),
        (lambda: device("hip_prosthesis", head_mm=-3), ["head_mm=-3", "Shipped: 32"]),
        (lambda: surface(np.zeros((4, 4, 4), bool), Grid(shape=(4, 4, 4), spacing_mm=1)), ["empty"]),
        (lambda: surface(np.zeros((4, 4, 5), bool), Grid(shape=(4, 4, 4), spacing_mm=1)), ["(4, 4, 5)"]),
        (lambda: octahedron().save("body.step"), ["STL, PLY or OBJ"]),
        (lambda: ps.voxelise(ps.scene("water_20cm"), spacing_mm=10).insert(
            MeshPart(octahedron().moved(shift_mm=(900, 0, 0)), "titanium")), ["outside the phantom"]),
    ],
)  # fmt: skip
def test_bad_meshes_are_refused_in_words(make, words):
    with pytest.raises(InvalidInput) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_files_without_triangles_are_refused(tmp_path):
    (tmp_path / "points.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        "end_header\n0 0 0\n"
    )
    (tmp_path / "broken.stl").write_bytes(b"solid nothing")
    for name in ("points.ply", "broken.stl"):
        with pytest.raises(FileFormatError):
            Mesh.load(tmp_path / name)
    with pytest.raises((FileFormatError, InvalidInput, OSError)):
        Mesh.load(tmp_path / "absent.stl")
