"""Voxels of a scene against the scene itself: mass, line integrals, order of convergence, partial volume."""

import math

import numpy as np
import pytest
from siddon_reference import siddon_label_integrals, siddon_line_integrals

import physsim as ps
from physsim.phantom.compiled import areal_density_g_cm2


def ball(radius=20.0, **fields):
    return {"kind": "sphere", "name": "ball", "material": "water", "radius_mm": radius, **fields}


def rays_through(grid, n, seed):
    rng = np.random.default_rng(seed)
    low, high = -0.5 * np.array(grid.size_mm), 0.5 * np.array(grid.size_mm)
    centre = (grid.world_from_voxel @ np.append((np.array(grid.shape[::-1]) - 1) / 2, 1))[:3]
    through = centre + 0.8 * rng.uniform(low, high, (n, 3))
    out = rng.standard_normal((n, 3))
    step = 2 * max(grid.size_mm) * out / np.linalg.norm(out, axis=1)[:, None]
    return through - step, through + step


@pytest.mark.parametrize(
    ("fields", "volume"),
    [
        (ball(), 4 / 3 * math.pi * 20**3),
        (
            {"kind": "ellipsoid", "semi_axes_mm": (21, 13, 17), "rotation_deg": (10, 20, 30)},
            4 / 3 * math.pi * 21 * 13 * 17,
        ),
        ({"kind": "cylinder", "radius_mm": 11, "length_mm": 37, "axis": (1, 1, 1)}, math.pi * 11**2 * 37),
        (
            {"kind": "cone", "radius_mm": (6, 15), "length_mm": 31, "axis": (0, 1, 0.3)},
            math.pi * 31 / 3 * (36 + 90 + 225),
        ),
        ({"kind": "box", "size_mm": (21.3, 17.7, 30.1), "rotation_deg": (5, 15, 25)}, 21.3 * 17.7 * 30.1),
        ({"kind": "prism", "polygon_mm": ((0, 0), (20, 0), (0, 12)), "length_mm": 25, "axis": (1, 0, 2)}, 3000.0),
        (
            {"kind": "capsule", "start_mm": (-9, 0, 2), "end_mm": (14, 7, 0), "radius_mm": 6},
            math.pi * 36 * math.sqrt(23**2 + 49 + 4) + 4 / 3 * math.pi * 216,
        ),
    ],
)
def test_mass_is_volume_times_density(fields, volume):
    """Within 0.1 % at 1 mm with 21 rays a row."""
    scene = ps.Scene(name="one", shapes=({"name": "ball", "material": "pmma", **fields, "density": 1.1},))
    phantom = ps.voxelise(scene, spacing_mm=1.0)
    own = ps.material(scene.shapes[0].material).density_g_cm3
    assert phantom.mass_g() == pytest.approx(1.1 * own * volume * 1e-3, rel=1e-3)
    assert phantom.truth.organ("ball").volume_mm3 == pytest.approx(volume, rel=1e-3)


def test_line_integrals_converge_with_first_order():
    """The RMS error of line integrals halves with the voxel; their mean converges faster."""
    scene = ps.Scene(
        name="two",
        background="air",
        shapes=(
            ball(30.0),
            {
                "kind": "cylinder",
                "name": "rod",
                "material": "pmma",
                "radius_mm": 9,
                "length_mm": 50,
                "axis": (1, 0.4, 0.2),
            },
        ),
    )
    rms, mean = [], []
    for spacing in (4.0, 2.0, 1.0):
        phantom = ps.voxelise(scene, spacing_mm=spacing)
        starts, ends = rays_through(ps.voxelise(scene, spacing_mm=4.0, rays=1).grid, 4000, 5)
        truth = sum(areal_density_g_cm2(scene, starts, ends).values())
        got = 0.1 * siddon_line_integrals(phantom.density_g_cm3(), phantom.grid.voxel_from_world, starts, ends)
        rms.append(float(np.sqrt(np.mean((got - truth) ** 2))))
        mean.append(abs(float(np.mean(got - truth))))
    assert rms[2] < 0.05  # g/cm2, of up to 6
    assert 1.6 < rms[0] / rms[1] < 3.2
    assert 1.6 < rms[1] / rms[2] < 3.2
    assert mean[2] < 0.004


def test_materials_converge_too():
    scene = ps.scene("water_20cm").replace(
        shapes=(
            *ps.scene("water_20cm").shapes,
            {
                "kind": "ellipsoid",
                "name": "bone",
                "material": "bone",
                "semi_axes_mm": (30, 20, 40),
                "rotation_deg": (0, 0, 20),
            },
        )
    )
    phantom = ps.voxelise(scene, spacing_mm=2.0)
    starts, ends = rays_through(phantom.grid, 3000, 6)
    truth = areal_density_g_cm2(scene, starts, ends)
    lengths = siddon_label_integrals(
        phantom.labels, len(phantom.materials), phantom.grid.voxel_from_world, starts, ends, phantom.density
    )
    for n, material in enumerate(phantom.materials):
        error = 0.1 * material.density_g_cm3 * lengths[:, n] - truth[material.name]
        assert np.sqrt(np.mean(error**2)) < 0.12  # g/cm2, of up to 20; at 2 mm
        assert abs(error.mean()) < 0.01 * max(truth[material.name].mean(), 0.05) + 0.002


def test_aligned_boxes_are_exact():
    """Faces on voxel faces: no partial volume, density is left out, the line integral is exact."""
    scene = ps.scene("slab60")
    phantom = ps.voxelise(scene)
    assert phantom.grid.shape == (150, 100, 150)
    assert phantom.density is None
    assert phantom.mass_g() == pytest.approx(18_000, rel=1e-9)
    got = siddon_line_integrals(
        phantom.density_g_cm3(), phantom.grid.voxel_from_world, [[150.3, -800, 150.3]], [[150.3, 300, 150.3]]
    )
    assert got[0] == pytest.approx(200, rel=1e-9)


def test_partial_voxels_hold_their_fraction():
    """A plate of 3.4 mm in voxels of 1 mm, oblique rows apart: outer voxels have density 0.2 each."""
    plate = {"kind": "box", "name": "plate", "material": "water", "size_mm": (3.4, 20, 20)}
    phantom = ps.voxelise(
        ps.Scene(name="plate", shapes=(plate,), box_mm=((-5.5, -10, -10), (5.5, 10, 10))), spacing_mm=1.0
    )
    row = np.zeros(11)
    row[4:7] = 1.0
    row[3] = row[7] = 0.2
    np.testing.assert_allclose(phantom.density[10, 10], row, atol=1e-6)
    turned = ps.voxelise(
        ps.Scene(name="plate", shapes=({**plate, "size_mm": (20, 3.4, 20)},), box_mm=((-10, -5.5, -10), (10, 5.5, 10))),
        spacing_mm=1.0,
    )
    np.testing.assert_allclose(turned.density[10, :, 10], row, atol=0.025)  # across x: 21 rays


def test_a_turned_grid_sees_the_same_scene():
    scene = ps.Scene(name="ball", shapes=(ball(centre_mm=(4, -3, 2)),))
    grid = ps.Grid(shape=(60, 60, 60), direction=((0.8, 0.6, 0), (-0.6, 0.8, 0), (0, 0, 1)))
    phantom = ps.voxelise(scene, grid=grid)
    assert phantom.mass_g() == pytest.approx(4 / 3 * math.pi * 8, rel=1e-3)
    index = np.argwhere(phantom.density > 0).mean(0)[::-1]
    np.testing.assert_allclose((grid.world_from_voxel @ np.append(index, 1))[:3], (4, -3, 2), atol=0.05)


def test_the_label_is_the_heavier_material_and_mass_is_kept():
    """Half bone, half air in a voxel: bone at half its density."""
    scene = ps.Scene(
        name="half",
        background="air",
        box_mm=((0, 0, 0), (4, 4, 4)),
        shapes=(
            {"kind": "half_space", "name": "bone", "material": "bone", "normal": (1, 0, 0), "point_mm": (1.4, 0, 0)},
        ),
    )
    phantom = ps.voxelise(scene, spacing_mm=1.0)
    bone, air = (ps.material(name) for name in ("bone", "air"))
    names = [phantom.materials[n].name for n in phantom.labels[0, 0]]
    assert names == [bone.name, bone.name, air.name, air.name]
    expected = (0.4 * bone.density_g_cm3 + 0.6 * air.density_g_cm3) / bone.density_g_cm3
    assert phantom.density[0, 0, 1] == pytest.approx(expected, rel=1e-6)
    assert phantom.truth.names() == ("background", "bone")
    assert phantom.truth.organ_labels[0, 0].tolist() == [1, 0, 0, 0]  # by volume


def test_equal_bits_on_one_thread_and_many(monkeypatch):
    scene = ps.scene("ct_numbers")
    many = ps.voxelise(scene, spacing_mm=2.0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    one = ps.voxelise(scene, spacing_mm=2.0)
    assert many.density.tobytes() == one.density.tobytes()
    assert many.labels.tobytes() == one.labels.tobytes()
    assert many.truth.organs == one.truth.organs


@pytest.mark.parametrize("spacing_mm", [2.0, 4.0])
def test_faces_in_the_middle_of_voxels_keep_the_mass(spacing_mm):
    """A box of odd voxels: its faces across y and z lie in the middle of voxels, where the middle ray runs."""
    size = 5 * spacing_mm
    slab = {"kind": "box", "name": "slab", "material": "water", "size_mm": (size, size, size)}
    reach = 3 * spacing_mm
    scene = ps.Scene(name="slab", shapes=(slab,), box_mm=((-reach,) * 3, (reach,) * 3))
    assert ps.voxelise(scene, spacing_mm).mass_g() == pytest.approx(1e-3 * size**3, rel=1e-6)
