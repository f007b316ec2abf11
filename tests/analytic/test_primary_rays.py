"""Blur of the unscattered image by focal spot and rotation, against the penumbra of an edge and the smear of a turn."""

import numpy as np
import pytest

import physsim as ps
from physsim.imaging.sub_poses import SubPoses, sub_poses

SPOT_MM = 1.2


def edge_phantom():
    """The half x < 0 of a slab of water, 4 mm thick, halfway between focus (y = -500) and detector (y = 500)."""
    labels = np.zeros((4, 1, 200), np.uint8)
    labels[:, :, :100] = 1
    grid = ps.Grid(shape=labels.shape, spacing_mm=(0.5, 4.0, 8.0), origin_mm=(-49.75, 0.0, -12.0))
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("air"), ps.material("aluminium")), name="edge")


def radiograph(rays):
    pose = {"source_mm": (0.0, -500.0, 0.0), "centre_mm": (0.0, 500.0, 0.0), "u": (1.0, 0.0, 0.0), "v": (0.0, 0.0, 1.0)}
    return ps.Protocol(
        spectrum={"energy_kev": 60.0, "output_factor": 1e6}, mas=1.0, focal_spot_mm=(SPOT_MM, SPOT_MM),
        poses=(pose,), primary_rays=rays,
        detector=ps.Detector(rows=3, columns=101, pixel_mm=0.05, absorber=ps.IdealAbsorber()))


def test_an_edge_s_penumbra_is_as_wide_as_the_spot_by_similar_triangles():
    """Halfway the shadow of a spot of 1.2 mm is 1.2 mm wide: the profile of 24 parts is the ramp of a uniform spot
    within 1 / 24 of the step; with one ray it is a step."""
    made = {rays: ps.simulate(edge_phantom(), radiograph(rays), noise=False)["primary"][0, 1]
            for rays in ((1, 1, 1), (24, 1, 1))}
    x = (np.arange(101) - 50.0) * 0.05
    low, high = made[1, 1, 1][0], made[1, 1, 1][-1]
    ramp = low + (high - low) * np.clip(0.5 + x / SPOT_MM, 0.0, 1.0)
    step = float(high - low)
    assert np.abs(made[24, 1, 1] - ramp).max() < step / 24.0 * 1.1
    assert np.abs(made[1, 1, 1] - ramp).max() > 0.4 * step


def test_rays_in_time_turn_and_move_as_the_scan_does():
    """Three rays of a view in time are those of a helix of thrice as many views: the middle one its own."""
    box = ((-50.0, -40.0, -20.0), (50.0, 60.0, 20.0))
    protocol = ps.protocols.chest_ct(pixel_mm=8.0, rows=8, columns=112, views=120, field_mm=100.0,
                                     primary_rays=(1, 1, 3), range_mm=(-10.0, 10.0))
    coarse = protocol.geometry(box)
    fine = protocol.changed(views=360).geometry(box)
    poses = list(sub_poses(protocol, box).of(coarse))
    # Helices are centred: their middle views' heights agree, and with them where each view of the fine one lies.
    for part, pose in zip((-1, 0, 1), poses, strict=True):
        angle = np.arctan2(pose.source_mm[:, 0], -(pose.source_mm[:, 1] - 10.0))
        wanted = np.arctan2(coarse.source_mm[:, 0], -(coarse.source_mm[:, 1] - 10.0)) + part * 2.0 * np.pi / 360
        assert np.abs(np.exp(1j * angle) - np.exp(1j * wanted)).max() < 1e-9
        rise = float(np.diff(fine.source_mm[:2, 2])[0])
        assert np.allclose(pose.source_mm[:, 2] - coarse.source_mm[:, 2], part * rise, atol=1e-9)
        assert np.allclose(np.linalg.norm(pose.centre_mm - pose.source_mm, axis=1), 1040.0)
    assert np.allclose(poses[1].u, coarse.u, atol=1e-12)


def test_a_turning_scan_blurs_beside_the_axis_as_its_arc_is_long():
    """A wire 80 mm off the axis, 90 views a turn: during a view it moves 80 x 2 pi / 90 = 5.6 mm along its circle, and
    not along the radius. RMS widths of its image: across the radius, more by arc / sqrt(12), within 10 %."""
    y, x = np.mgrid[:161, :161] * 1.25 - 100.0
    labels = np.zeros((3, 161, 161), np.uint8)
    labels[:, np.hypot(x - 80.0, y) < 1.0] = 1
    grid = ps.Grid(shape=labels.shape, spacing_mm=(1.25, 1.25, 8.0), origin_mm=(-100.0, -100.0, -8.0))
    wire = ps.Phantom(grid=grid, labels=labels, materials=(ps.material("air"), ps.material("water")), name="wire")
    common = {"views": 90, "pixel_mm": 2.0, "rows": 4, "columns": 225, "pitch": None, "stops": 1, "modulation": None,
              "range_mm": (-4.0, 4.0), "slice_mm": 8.0, "matrix": 400, "field_mm": 200.0, "kernel": "smooth",
              "offset_mm": (0.5, 0.0), "aim_mm": (0.0, 0.0), "anti_scatter_grid": None}
    widths = {}
    for rays in ((1, 1, 1), (1, 1, 9)):
        image = ps.simulate(wire, ps.protocols.chest_ct(**common, primary_rays=rays), noise=False).volume.array[0] + 1e3
        part = image[200 - 20 : 200 + 20, 360 - 20 : 360 + 20].astype(float)
        part = np.where(part > 0.1 * part.max(), part, 0.0)
        at = (np.arange(40) - 19.5) * 0.5
        for axis, profile in (("along", part.sum(axis=0)), ("across", part.sum(axis=1))):
            middle = (profile * at).sum() / profile.sum()
            widths[rays, axis] = (profile * (at - middle) ** 2).sum() / profile.sum()
    arc = 80.0 * 2.0 * np.pi / 90
    more = np.sqrt(widths[(1, 1, 9), "across"] - widths[(1, 1, 1), "across"])
    assert more == pytest.approx(arc / np.sqrt(12.0), rel=0.1)
    assert abs(widths[(1, 1, 9), "along"] - widths[(1, 1, 1), "along"]) < 0.15 * more**2


def test_what_primary_rays_refuse():
    for call, words in (
        (lambda: radiograph((1, 1, 3)), "no rotation"),
        (lambda: radiograph((0, 1, 1)), "from 1 to 64"),
        (lambda: ps.protocols.chest_ct(focal_spot_mm=(0.0, 1.0), primary_rays=(3, 1, 1)), "no effect there"),
    ):
        with pytest.raises(ps.errors.InvalidInput, match=words):
            call()
    assert not SubPoses().several
    assert "size of the focal spot" in str(ps.simulate(edge_phantom(), radiograph((1, 1, 1)), noise=False).provenance)
    found = ps.simulate(edge_phantom(), radiograph((2, 1, 1)), noise=False).provenance.neglects
    assert "width of the focal spot along v (unscattered photons)" in found
