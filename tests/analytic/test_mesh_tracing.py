"""Meshes traced over voxels against chords, sums by hand over all triangles, and the plain tracer."""

import numpy as np
import pytest

import physsim as ps
from physsim.body.devices import device
from physsim.errors import InvalidInput
from physsim.phantom.laid import painted_meshes
from physsim.phantom.merge import merged_overlays
from physsim.phantom.mesh_shapes import ball as ball_named
from physsim.phantom.shapes import Sphere
from physsim.transport.mesh import TracedMesh, mesh_path_lengths_mm, traced_meshes
from physsim.transport.montecarlo_scene import pack_scene
from physsim.transport.spectral import project_materials, project_signal

ENERGIES = np.array([30.0, 50.0, 70.0, 90.0])
WEIGHTS = np.array([0.2, 0.4, 0.3, 0.1])


def ball(radius_mm):
    return ball_named(radius_mm, "ball")


def geometry(rows=17, columns=17, pixel_mm=6.0):
    return ps.Geometry.radiograph(
        source_detector_mm=1000.0, detector_object_mm=300.0, rows=rows, columns=columns, pixel_mm=pixel_mm
    )


def rays(where):
    """Source and ends (rows, columns, 3) of the first view, in the world."""
    start, end = where.rays_mm(0)
    return np.broadcast_to(start, end.shape).reshape(-1, 3), end.reshape(-1, 3)


def chords(where, centre, radius):
    """(rows, columns) chord of each ray in a ball."""
    start, end = rays(where)
    along = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)
    off = np.array(centre) - start
    far = np.linalg.norm(off - (off * along).sum(1, keepdims=True) * along, axis=1)
    return 2 * np.sqrt(np.clip(radius**2 - far**2, 0, None)).reshape(where.shape[1:])


def cube(side, centre=(0.0, 0.0, 0.0)):
    """A box of 12 triangles."""
    corners = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]) * side / 2 + np.array(centre)
    quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    return ps.Mesh(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]), "cube")


def water_cube(spacing=5.0):
    grid = ps.Grid(shape=(20, 20, 20), spacing_mm=spacing)
    return ps.Phantom(grid=grid, labels=np.zeros(grid.shape, np.uint8), materials=(ps.material("water"),))


def signal(phantom, where, threads=1, tolerance=None):
    table = np.stack([ps.mass_attenuation_cm2_g(one, ENERGIES) for one in phantom.materials])
    own = [one.density_g_cm3 for one in phantom.materials]
    return project_signal(
        phantom.labels, phantom.density, own, table, WEIGHTS, phantom.grid, where, overlays=phantom.overlays,
        meshes=traced_meshes(phantom), device="cpu", threads=threads, tolerance=tolerance,
    )[0]  # fmt: skip


def test_paths_through_a_ball_are_its_chords():
    where, centre = geometry(), (11.0, -7.0, 4.0)
    made = mesh_path_lengths_mm([ball(25.0).moved(shift_mm=centre)], where)[0, 0]
    expected = chords(where, centre, 25.0)
    np.testing.assert_allclose(made[expected > 20], expected[expected > 20], rtol=4e-3)  # of the facets
    assert (made[expected == 0] < 8.0).all()


@pytest.mark.parametrize("tolerance", [None, 1e-6])
def test_a_ball_in_a_water_cube_polychromatic(tolerance):
    """sum of w exp(-mu_water (L - c) - mu_al c): L the path through the cube, c through the mesh."""
    where, centre = geometry(), (11.0, -7.0, 4.0)
    mesh = ball(25.0).moved(shift_mm=centre)
    made = signal(water_cube().lay(ps.MeshPart(mesh, "Al", density=0.9)), where, tolerance=tolerance)
    chord = mesh_path_lengths_mm([mesh], where)[0, 0].astype(float)
    water = mesh_path_lengths_mm([cube(100.0)], where)[0, 0].astype(float)  # the cube as a mesh
    mu_water = ps.linear_attenuation_per_mm(ps.material("water"), ENERGIES)[:, None, None]
    mu_al = 0.9 * ps.linear_attenuation_per_mm(ps.material("Al"), ENERGIES)[:, None, None]
    exact = (WEIGHTS[:, None, None] * np.exp(-mu_water * (water - chord) - mu_al * chord)).sum(0)
    np.testing.assert_allclose(made, exact, rtol=2e-5)
    round_ball = (WEIGHTS[:, None, None] * np.exp(-mu_water * (water - chords(where, centre, 25.0))
                                                  - mu_al * chords(where, centre, 25.0))).sum(0)  # fmt: skip
    inside = chords(where, centre, 25.0) > 25
    np.testing.assert_allclose(made[inside], round_ball[inside], rtol=6e-3)


def crossings_by_hand(mesh, start, end):
    """Places t of a ray on all triangles, by solving for each (float64)."""
    a, b, c = (mesh.vertices_mm[mesh.triangles[:, n]] for n in range(3))
    turn = end - start
    normal = np.cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = ((a - start) * normal).sum(1) / (normal @ turn)
        at = start + t[:, None] * turn
        sides = [(np.cross(q - p, at - p) * normal).sum(1) for p, q in ((a, b), (b, c), (c, a))]
    return np.sort(t[(np.array(sides) > 0).all(0)])


def test_mixed_voxels_are_replaced_exactly():
    """Random materials and densities under a turned implant that sticks out of the grid: sums by hand along rays."""
    rng = np.random.default_rng(3)
    grid = ps.Grid(shape=(9, 11, 13), spacing_mm=(4.0, 5.0, 6.0), origin_mm=(-20.0, -25.0, -22.0))
    labels = rng.integers(0, 3, grid.shape).astype(np.uint8)
    density = rng.uniform(0.5, 1.5, grid.shape).astype(np.float32)
    materials = tuple(ps.material(name) for name in ("water", "air", "bone"))
    body = ps.Phantom(grid=grid, labels=labels, density=density, materials=materials)
    (clip, *_) = device("pedicle_screw", axis=(0.3, 0.5, 0.8))
    phantom = body.lay(clip)
    where = geometry(rows=9, columns=9, pixel_mm=4.0)
    own = np.array([one.density_g_cm3 for one in phantom.materials])
    made = project_materials(labels, density, own, grid, where, meshes=traced_meshes(phantom), device="cpu")[0]
    bare = project_materials(labels, density, np.append(own[:3], own[3:]), grid, where, device="cpu")[0]
    start, end = rays(where)
    met, to_voxel = 0, grid.voxel_from_world
    for n, (one, other) in enumerate(zip(start, end, strict=True)):
        pixel = divmod(n, where.shape[2])
        at = crossings_by_hand(clip.mesh, one, other)
        expected = bare[(slice(None), *pixel)].astype(float)
        length = np.linalg.norm(other - one)
        for t0, t1 in zip(at[::2], at[1::2], strict=True):
            expected[3] += (t1 - t0) * length * 0.1 * own[3]
            steps = t0 + (np.arange(8000) + 0.5) / 8000 * (t1 - t0)
            index = (one + steps[:, None] * (other - one)) @ to_voxel[:3, :3].T + to_voxel[:3, 3]
            i, j, k = np.rint(index).astype(int).T
            inside = (i >= 0) & (j >= 0) & (k >= 0) & (i < 13) & (j < 11) & (k < 9)
            own_labels = labels[k[inside], j[inside], i[inside]]
            part = density[k[inside], j[inside], i[inside]] * (t1 - t0) * length / 8000 * 0.1
            expected -= np.append(np.bincount(own_labels, part, 3) * own[:3], 0.0)
            met += 1
        np.testing.assert_allclose(made[(slice(None), *pixel)], expected, atol=2e-3)
    assert met > 5


def test_no_ray_leaks_at_edges_and_corners():
    """Parallel rays that meet corners, edges and diagonals of a cube exactly go through all of it, or none of it."""
    where = ps.Geometry.parallel(views=1, rows=9, columns=9, pixel_mm=5.0)
    paths = mesh_path_lengths_mm([cube(20.0)], where)[0, 0]
    assert set(np.round(np.unique(paths), 4)) == {0.0, 20.0}
    inner = paths[3:6, 3:6]
    assert (inner == 20.0).all()
    # of the rays on the rim each edge belongs to one side: the area is that of the square
    assert (paths > 0).sum() == 16


def test_where_meshes_overlap_the_later_one_is_there():
    where = geometry()
    inner, outer = ball(10.0), ball(25.0)
    together = mesh_path_lengths_mm([outer, inner], where)[0]
    alone = np.stack([mesh_path_lengths_mm([one], where)[0, 0] for one in (outer, inner)])
    np.testing.assert_allclose(together[1], alone[1], atol=1e-4)
    np.testing.assert_allclose(together[0], alone[0] - alone[1], atol=1e-4)
    hidden = mesh_path_lengths_mm([inner, outer], where)[0]
    assert (hidden[0] == 0).all()


def test_the_same_bits_for_any_number_of_threads():
    where = geometry()
    phantom = water_cube().lay(*device("hip_prosthesis"))
    np.testing.assert_array_equal(signal(phantom, where, 1), signal(phantom, where, 3))


def test_painted_into_voxels_it_looks_alike(tmp_path):
    """Painted into fine voxels it looks alike, and masses agree; files refuse it."""
    part = ps.MeshPart(ball(20.0).moved(shift_mm=(5.0, 3.0, -2.0)), "Al")
    phantom = water_cube(2.5).lay(part)
    where = geometry(rows=9, columns=9, pixel_mm=5.0)
    traced, painted = signal(phantom, where), signal(painted_meshes(phantom), where)
    assert np.median(np.abs(np.log(traced / painted))) < 0.05  # voxels of 2.5 mm blur the edge
    added = part.mesh.volume_mm3 / 1000 * (ps.material("Al").density_g_cm3 - 1)
    assert phantom.mass_g() - water_cube(2.5).mass_g() == pytest.approx(added, rel=2e-3)
    assert merged_overlays(phantom).meshes == ()
    with pytest.raises(InvalidInput, match="no file of voxels holds them"):
        phantom.save(tmp_path / "p.h5")


def test_bad_meshes_are_refused():
    body = water_cube()
    tube = ps.MeshPart(ball(5.0), "Al")
    with pytest.raises(InvalidInput, match="lies beside the phantom"):
        body.lay(ps.MeshPart(ball(5.0).moved(shift_mm=(500.0, 0.0, 0.0)), "Al"))
    both = ball(10.0), ball(10.0).moved(shift_mm=(8.0, 0.0, 0.0))
    crossing = ps.Mesh(np.concatenate([one.vertices_mm for one in both]),
                       np.concatenate([both[0].triangles, both[1].triangles + len(both[0].vertices_mm)]))  # fmt: skip
    with pytest.raises(InvalidInput, match="crosses itself"):
        body.lay(ps.MeshPart(crossing, "Al"))
    with pytest.raises(InvalidInput, match="it is open"):
        ps.MeshPart(ps.Mesh(cube(5.0).vertices_mm, cube(5.0).triangles[1:]), "Al")
    with pytest.raises(InvalidInput, match="over="):
        body.lay(ps.MeshPart(ball(5.0), "Al", over=("liver",)))
    with pytest.raises(InvalidInput, match="only closed meshes"):
        body.lay(Sphere(name="s", material="Al", radius_mm=5.0))
    small = body.insert(Sphere(name="s", material="Al", radius_mm=5.0), overlay_spacing_mm=1.0)
    with pytest.raises(InvalidInput, match="box of the overlay"):
        small.lay(tube)
    with pytest.raises(InvalidInput, match="at most 64"):
        body.lay(*[tube] * 65)
    with pytest.raises(InvalidInput, match="label 7"):
        project_materials(body.labels, None, [1.0], body.grid, geometry(), meshes=[TracedMesh(ball(5.0), 7)])
    with pytest.raises(InvalidInput, match="photons see voxels only"):
        pack_scene(body.lay(tube), None, None, None, np.zeros((0, 3)), 100.0, ps.MonteCarlo(histories=10), 1)
