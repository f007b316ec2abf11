"""Every scene of the library: it builds, rays and voxels agree, and published dimensions are as published."""

import os
from pathlib import Path

import numpy as np
import pytest
from siddon_reference import siddon_line_integrals

import physsim as ps
from physsim.phantom.compiled import areal_density_g_cm2, path_lengths_mm
from physsim.phantom.tg195 import PATH_VARIABLE, tg195_case5
from physsim.phantom.voxelise import scene_grid

CALIBRATION = [name for name in ps.scene_names() if name != "thorax"]


@pytest.mark.parametrize("name", CALIBRATION)
def test_rays_and_voxels_agree(name):
    """At a voxel of 1/80 of the box (thin filters: as the scene says): mean over rays within 2 % of the scene's own."""
    scene = ps.scene(name)
    low, high = (np.array(corner) for corner in scene.bounds_mm())
    spacing = scene.spacing_mm if "case1" in name else tuple(((high - low) / 80).tolist())
    phantom = ps.voxelise(scene, spacing_mm=spacing)
    rng = np.random.default_rng(4)
    a, b = rng.uniform(0, 1, (2, 4000, 2))
    axis = int((high - low).argmax())  # from end to end of the longest side
    starts = low + (high - low) * np.insert(a, axis, -0.1, axis=1)
    ends = low + (high - low) * np.insert(b, axis, 1.1, axis=1)
    truth = sum(areal_density_g_cm2(scene, starts, ends).values())
    got = 0.1 * siddon_line_integrals(phantom.density_g_cm3(), phantom.grid.voxel_from_world, starts, ends)
    assert got.mean() == pytest.approx(truth.mean(), rel=0.02)
    assert phantom.mass_g() == pytest.approx(sum(phantom.organ_masses_g().values()), rel=1e-5)
    assert np.corrcoef(got, truth)[0, 1] > 0.94


def along(name, start, end):
    return {organ: float(length[0]) for organ, length in path_lengths_mm(ps.scene(name), [start], [end]).items()}


def test_ctdi_holes():
    """A ray through the centre and two outer holes of 13.1 mm in 320 mm of PMMA."""
    got = along("ctdi_32cm", (-300, 0, 0), (300, 0, 0))
    assert got["body"] == pytest.approx(320 - 3 * 13.1, abs=1e-9)
    assert along("ctdi_16cm", (0, 0, -300), (0, 0, 300))["central hole"] == pytest.approx(151, abs=1e-9)


def test_edge_is_tilted_about_the_origin():
    """The edge crosses z = 0 at x = 0 and leans by tan 2.5 degrees."""
    for z in (-40.0, 0.0, 40.0):
        x = z * np.tan(np.radians(2.5))
        assert along("edge", (x - 0.01, -50, z), (x - 0.01, 50, z))["plate"] == pytest.approx(1.0, abs=1e-9)
        assert along("edge", (x + 0.01, -50, z), (x + 0.01, 50, z))["plate"] == 0


def test_step_wedge_steps():
    for n in range(1, 11):
        x = 10 * n - 55
        assert along("step_wedge", (x, -100, 0), (x, 100, 0))[f"step {n}"] == pytest.approx(2 * n, abs=1e-9)


def test_line_pairs_have_equal_bars_and_gaps():
    """5 bars of 0.5 mm at 10 per cm, crossed at right angles at 7 * 30 degrees."""
    across = np.array([-np.sin(np.radians(210)), np.cos(np.radians(210)), 0])
    middle = 50 * np.array([np.cos(np.radians(210)), np.sin(np.radians(210)), 0])
    assert along("ct_resolution", middle - 8 * across, middle + 8 * across)["10 per cm"] == pytest.approx(2.5, abs=1e-4)


def test_tg195_dimensions():
    """AAPM Report 195, cases 1 to 4."""
    assert along("tg195_case1_rqr8_hvl", (0, 0, 0), (0, 0, -1000))["filter"] == pytest.approx(3.950, abs=1e-9)
    assert along("tg195_case1_30keV_qvl", (0, 0, 0), (0, 0, -1000))["filter"] == pytest.approx(4.546, abs=1e-9)
    tissue = along("tg195_case2", (0, 0, 0), (0, 0, 1800))
    assert tissue["box"] + tissue["VOI 3"] + sum(tissue[f"VOI {n}"] for n in range(6, 10)) == pytest.approx(
        200, abs=1e-9
    )
    assert tissue["VOI 6"] == pytest.approx(30, abs=1e-9)
    breast = along("tg195_case3", (20, 30, 620), (20, 30, -40))
    assert breast["plates"] == pytest.approx(4, abs=1e-9)
    assert breast["skin"] == pytest.approx(4, abs=1e-9)
    assert breast["breast"] == pytest.approx(46, abs=1e-9)
    sideways = along("tg195_case3", (0.001, -140, 20), (0.001, 140, 20))
    assert sideways["skin"] == pytest.approx(4, abs=1e-4)
    assert sideways["breast"] == pytest.approx(196, abs=1e-4)
    rods = along("tg195_case4_2", (-600, 0, 0), (600, 0, 0))
    assert rods["cylinder"] == pytest.approx(320 - 20, abs=1e-9)
    discs = along("tg195_case4_1", (-600, 0, 22), (600, 0, 22))
    assert discs["VOI 3"] == pytest.approx(320, abs=1e-9)


def test_scene_grids_cover_their_box():
    for name in CALIBRATION:
        scene = ps.scene(name)
        grid = scene_grid(scene)
        low, high = scene.bounds_mm()
        assert all(n >= b - a - 1e-6 for n, a, b in zip(grid.size_mm, low, high, strict=True))


@pytest.mark.skipif(
    PATH_VARIABLE not in os.environ, reason=f"{PATH_VARIABLE} does not name case5world.bin of AAPM Report 195"
)
def test_tg195_case5():
    phantom = tg195_case5(Path(os.environ[PATH_VARIABLE]))
    assert phantom.grid.shape == (260, 320, 500)
    assert len(phantom.materials) == 20
    masses = phantom.organ_masses_g()
    for organ, voxels, density in (  # bytes of the file of this index; g/cm3 of the report
        ("heart", 913_871, 1.05),
        ("lung", 2_712_932, 0.26),
        ("liver", 1_363_466, 1.06),
        ("cortical bone", 1_352_146, 1.92),
    ):
        assert phantom.truth.organ(organ).volume_mm3 == voxels
        assert masses[organ] == pytest.approx(voxels * density * 1e-3, rel=1e-12)
    assert phantom.mass_g() == pytest.approx(sum(masses.values()), rel=1e-6)
