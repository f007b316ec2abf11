"""Transmission of anti-scatter grids: rays through explicit strips, limits, and a photon transport with a grid."""

import numpy as np
import pytest

from physsim.errors import InvalidInput
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.material import material

BUCKY = AntiScatterGrid(
    ratio=12, lines_per_cm=40, strip_mm=0.043, interspace="Al", cover_mm=0.4, cover="Al", focal_distance_mm=1200
)
COARSE = AntiScatterGrid(ratio=4, lines_per_cm=20, strip_mm=0.2, strip="Cu", interspace="pmma", angle_deg=30.0)


def explicit(grid, energy, direction, position, starts=4000, divergent=False):
    """The mean over rays shifted within a period, each traced through strips one by one; float64.

    The strips lean as at the place where the ray meets the middle of the grid; or, `divergent`, every strip's sides
    run to the focal line, so that strips and spaces widen towards the foot.
    """
    along, across = np.array(direction, float), np.array(grid.across)
    slope = along[:2] @ across / along[2]
    slant = np.sqrt(1 + (along[0] ** 2 + along[1] ** 2) / along[2] ** 2)
    height, period, half = grid.height_mm, grid.pitch_mm, 0.5 * grid.strip_mm
    middle = np.array(position) @ across - slope * (grid.gap_mm + 0.5 * height) - grid.offset_mm
    mu = [float(linear_attenuation_per_mm(material(one), energy)) for one in (grid.strip, grid.interspace, grid.cover)]
    # A ray stands at middle + z slope at height z from the middle. Shift of the strips: over one period.
    shift = (np.arange(starts) + 0.5) / starts * period
    focus = grid.focal_distance_mm

    def strip_coordinate(z):  # across the strips, in the frame of the strips' middles
        place = middle + z * slope + shift
        if focus is None:
            return place
        return place * focus / (focus + z) if divergent else place - z * middle / focus

    top, foot = strip_coordinate(-0.5 * height), strip_coordinate(0.5 * height)
    first, last = np.minimum(top, foot), np.maximum(top, foot)
    inside = np.zeros(starts)
    for n in range(int(np.floor(first.min() / period)) - 1, int(np.ceil(last.max() / period)) + 2):
        inside += np.clip(np.minimum(last, n * period + half) - np.maximum(first, n * period - half), 0.0, None)
    on_strip = np.abs(np.remainder(first + 0.5 * period, period) - 0.5 * period) < half
    steep = last - first < 1e-9
    part = np.where(steep, on_strip, inside / np.where(steep, 1.0, last - first))
    length = height * slant
    through = np.exp(-mu[0] * length * part - mu[1] * length * (1 - part))
    return through.mean() * np.exp(-mu[2] * grid.cover_mm * slant)


DIRECTIONS = [(0, 0, 1), (0.01, 0.3, 1), (0.04, 0, 1), (-0.09, 0.1, 1), (0.2, -0.5, 1), (1.3, 0.4, 1), (-8, 2, 1)]


@pytest.mark.parametrize("grid", [BUCKY, COARSE, BUCKY.replace(focal_distance_mm=None, strip="W", lines_per_cm=70)])
@pytest.mark.parametrize("energy", [18.0, 60.0, 110.0])
def test_the_mean_is_that_of_rays_through_strips(grid, energy):
    for direction in DIRECTIONS:
        for position in ((0.0, 0.0), (90.0, -40.0)):
            expected = explicit(grid, energy, direction, position)
            assert grid.transmission(energy, direction, position) == pytest.approx(expected, rel=2e-3, abs=1e-6)


def test_strips_that_widen_to_the_foot_change_little():
    """The formula takes the lean of a strip's middle for its whole height: at 200 mm from the centre line."""
    for place in (0.0, 200.0):
        direction = (place / 1200.0, 0.0, 1.0)
        primary = BUCKY.transmission(60.0, direction, (place + direction[0] * 0.5 * BUCKY.height_mm, 0.0))
        widening = explicit(BUCKY, 60.0, direction, (place + direction[0] * 0.5 * BUCKY.height_mm, 0.0), divergent=True)
        assert primary == pytest.approx(widening, rel=2e-3)


def bent_explicit(grid, energy, direction, radius, starts=400, steps=2000):
    """The mean over rays to the front of a cylinder, through strips that stand on it as radii; float64.

    Places along a ray are taken by their distance and angle from the axis; strips are as wide, at their distance
    from the axis, as in the middle of the grid.
    """
    along = np.array(direction, float) / np.linalg.norm(direction)
    middle = radius - grid.gap_mm - 0.5 * grid.height_mm
    speed = np.hypot(along[0], along[2])
    ends = []  # ways back from the detector, where the distance from the axis is the strips' foot and top
    for level in (middle + 0.5 * grid.height_mm, middle - 0.5 * grid.height_mm):
        b, c = radius * along[2] / speed, radius**2 - level**2
        ends.append((b - np.sqrt(b * b - c)) / speed)
    back = ends[0] + (np.arange(steps) + 0.5) / steps * (ends[1] - ends[0])
    angle = np.arctan2(-back * along[0], radius - back * along[2])
    place = angle * middle + (np.arange(starts)[:, None] + 0.5) / starts * grid.pitch_mm
    on_strip = np.abs(np.remainder(place + 0.5 * grid.pitch_mm, grid.pitch_mm) - 0.5 * grid.pitch_mm)
    part = (on_strip < 0.5 * grid.strip_mm).mean(axis=1)
    mu = [float(linear_attenuation_per_mm(material(one), energy)) for one in (grid.strip, grid.interspace, grid.cover)]
    length = ends[1] - ends[0]
    through = np.exp(-length * (mu[0] * part + mu[1] * (1 - part))).mean()
    return through * np.exp(-mu[2] * grid.cover_mm * length / grid.height_mm)


@pytest.mark.parametrize("gap", [0.0, 3.0, 15.0])
def test_a_bent_grid_is_radii_about_the_axis(gap):
    """Strips on an arc of 1000 mm, every direction but the steepest; the gap's curvature is kept to first order."""
    grid = BUCKY.replace(focal_distance_mm=None, gap_mm=gap)
    flat = grid.bent(1000.0)
    assert flat.focal_distance_mm == pytest.approx(1000.0 - gap - 0.5 * grid.height_mm)
    for direction in ((0, 0, 1), (0.01, 0.3, 1), (0.04, 0, 1), (-0.09, 0.1, 1), (0.2, -0.5, 1), (0.6, 0.4, 1)):
        expected = bent_explicit(grid, 60.0, direction, 1000.0)
        found = float(flat.transmission(60.0, direction))
        assert found == pytest.approx(expected, rel=0.01 if gap < 10 else 0.03, abs=1e-4), direction


def test_a_bent_grid_lets_the_primary_through_everywhere():
    """From the axis, every ray meets the strips edge-on; a flat grid without focus would shut at the fan's ends."""
    grid = BUCKY.replace(focal_distance_mm=None).bent(1000.0)
    for along in (0.0, 0.1):
        upright = BUCKY.transmission(60.0, (0, along, 1))
        assert grid.transmission(60.0, (0, along, 1), (0.0, 100.0 * along)) == pytest.approx(upright, rel=1e-12)


def test_rings_along_the_arc_stay_flat_strips():
    rings = BUCKY.replace(angle_deg=90.0)
    assert rings.bent(1000.0) is rings


def test_no_strips_leave_the_interspace():
    bare = BUCKY.replace(strip_mm=0.0, cover_mm=0.0)
    for direction in DIRECTIONS:
        slant = np.linalg.norm(direction) / direction[2]
        mu = float(linear_attenuation_per_mm(material("Al"), 60.0))
        assert bare.transmission(60.0, direction) == pytest.approx(np.exp(-mu * bare.height_mm * slant), rel=1e-12)


def test_parallel_rays_see_strips_and_spaces_apart():
    strip, space, cover = BUCKY.attenuation(60.0)
    share = BUCKY.strip_mm / BUCKY.pitch_mm
    expected = share * np.exp(-strip * BUCKY.height_mm) + (1 - share) * np.exp(-space * BUCKY.height_mm)
    assert BUCKY.transmission(60.0, (0, 0, 1)) == pytest.approx(expected * np.exp(-cover), rel=1e-6)


def test_opaque_strips_leave_a_triangle():
    """Strips that absorb all, nothing between: 1 - tan / tan(cut-off) of the open share, and nothing beyond."""
    lead, nothing = material("Pb").replace(density_g_cm3=25.0), material("air").replace(density_g_cm3=1e-9)
    opaque = AntiScatterGrid(ratio=8, lines_per_cm=30, strip=lead, strip_mm=0.05, interspace=nothing)
    cut_off = 1.0 / opaque.ratio
    for slope in (0.0, 0.02, 0.05, 0.1, 0.124, 0.13, 0.5):
        expected = opaque.interspace_mm / opaque.pitch_mm * max(0.0, 1.0 - slope / cut_off)
        assert opaque.transmission(3.0, (slope, 0.3, 1.0)) == pytest.approx(expected, abs=4e-4)  # 0.2 um at an edge


def test_bad_grids_are_refused():
    with pytest.raises(InvalidInput, match="fill their pitch"):
        AntiScatterGrid(ratio=8, lines_per_cm=100, strip_mm=0.1)
    with pytest.raises(InvalidInput, match="front"):
        BUCKY.transmission(60.0, (0.0, 0.0, -1.0))
