"""Organs and lesions in a projection: a ball's shadow is the conic of its tangent cone, its paths are chords."""

import math

import numpy as np
import pytest
from exposure_cases import one_energy, pixel_mm_and_rays, tilted_pose

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.truth import exposure_truth
from physsim.phantom.shapes import Sphere

CENTRE, RADIUS, FINE = (22.0, 14.0, -18.0), 17.0, 0.5


def with_ball(**changes):
    ball = Sphere(name="ball", material="bone", centre_mm=CENTRE, radius_mm=RADIUS, lesion=True, **changes)
    return ps.voxelise(ps.scene("water_20cm"), spacing_mm=10).insert(ball, overlay_spacing_mm=FINE)


def distances(geometry):
    """(rows, columns) of the ball's centre from each ray (mm), in plain arithmetic."""
    place, length, _ = pixel_mm_and_rays(geometry)
    ray = (place - geometry.source_mm[0]) / length[..., None]
    away = np.array(CENTRE) - geometry.source_mm[0]
    return np.sqrt((np.cross(ray, away) ** 2).sum(-1))


@pytest.fixture(scope="module")
def oblique():
    protocol = one_energy(pixels=(90, 110), pixel_mm=1.5, positioning=None, poses=(tilted_pose(),))
    geometry = protocol.geometry(((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)))
    return exposure_truth(with_ball(), geometry), geometry


def test_mask_and_paths_of_a_ball_are_those_of_its_rays(oblique):
    """Rays nearer to the centre than the radius, but for those within half a voxel's diagonal of it; paths are
    chords within two voxels, their mean within 1 %."""
    truth, geometry = oblique
    away, mask = distances(geometry), truth.mask("ball")[0]
    band = np.abs(away - RADIUS) < 0.5 * math.sqrt(3.0) * FINE
    assert 500 < mask.sum() < 0.8 * mask.size
    assert np.array_equal(mask[~band], (away < RADIUS)[~band])
    chord = 2.0 * np.sqrt(np.maximum(RADIUS**2 - away**2, 0.0))
    path, deep = truth.path_mm("ball")[0], away < 0.9 * RADIUS
    assert np.abs(path - chord)[deep].max() < 2.0 * FINE
    assert path.sum() == pytest.approx(chord.sum(), rel=0.01)


def test_the_shadow_of_a_ball_is_a_magnified_ellipse():
    """On a detector at right angles to the beam the tangent cone spans theta -+ asin(R / D) from the source: the box;
    and the area pi a b of the ellipse, whose half axes are known."""
    protocol = one_energy(pixels=(240, 280), pixel_mm=1.0)
    phantom = with_ball()
    truth = exposure_truth(phantom, protocol.geometry(((-100.0,) * 3, (100.0,) * 3)))
    geometry = truth.geometry
    away = np.array(CENTRE) - geometry.source_mm[0]
    height = float(geometry.distance_mm[0])
    depth = float(away @ geometry.normal[0])
    expected = []
    for axis, count in ((geometry.u[0], geometry.columns), (geometry.v[0], geometry.rows)):
        across = float(away @ axis)
        theta, half = math.atan2(across, depth), math.asin(RADIUS / math.hypot(across, depth))
        middle = float((geometry.centre_mm[0] - geometry.source_mm[0]) @ axis)
        expected.append([height * math.tan(theta + s * half) - middle + 0.5 * count for s in (-1, 1)])
    (left, right), (top, bottom) = expected
    (box,) = truth.boxes("ball")
    assert np.abs(np.array(box) - (left, top, right, bottom)).max() < 1.0 + 2 * FINE
    theta = math.acos(depth / float(np.linalg.norm(away)))
    half = math.asin(RADIUS / float(np.linalg.norm(away)))
    long = 0.5 * height * (math.tan(theta + half) - math.tan(theta - half))
    short = height * math.sin(half) / math.sqrt(math.cos(theta) ** 2 - math.sin(half) ** 2)
    assert truth.mask("ball").sum() == pytest.approx(math.pi * long * short, rel=0.03)
    row = truth.table()["lesions"][0]
    assert row["boxes"] == [list(box)]
    assert row["pixels"] == truth.mask("ball").sum()


def test_organs_are_traced_when_asked_for(oblique):
    truth, _ = oblique
    assert [name for _, name, _ in truth.seen()] == ["water", "ball"]
    lengths = truth.path_mm("water")[0]
    assert 0.0 < lengths.max() < math.hypot(200.0, 200.0) + 40.0
    assert (lengths[truth.mask("ball")[0]] > 100.0).mean() > 0.99  # the ball lies amid the water
    with pytest.raises(InvalidInput, match="Did you mean 'ball'"):
        truth.mask("bal")
    with pytest.raises(InvalidInput, match="no voxel"):
        truth.mask("background")


def test_a_lesion_below_the_voxels_is_seen_by_its_overlay():
    """A ball of 3 mm in voxels of 10 mm: no voxel is mostly of it, its overlay's are; without one nothing is known."""
    phantom, small = ps.voxelise(ps.scene("water_20cm"), spacing_mm=10), \
        Sphere(name="speck", material="bone", centre_mm=CENTRE, radius_mm=1.5, lesion=True)
    geometry = one_energy(pixels=(600, 600), pixel_mm=0.3).geometry(((-100.0,) * 3, (100.0,) * 3))
    seen = exposure_truth(phantom.insert(small, overlay_spacing_mm=0.25), geometry)
    assert seen.path_mm("speck").max() == pytest.approx(3.0, abs=0.3)
    assert exposure_truth(phantom.insert(small), geometry).table()["lesions"][0]["boxes"] is None
