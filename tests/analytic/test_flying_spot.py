"""A flying focal spot against what it is for: rays between rays, less aliasing, and the same CT numbers."""

import numpy as np
import pytest

import physsim as ps
from physsim.imaging.scan.flying import still_sets

COARSE = {"views": 720, "pixel_mm": 2.0, "rows": 4, "columns": 170, "pitch": None, "stops": 1, "modulation": None,
          "range_mm": (-2.0, 2.0), "slice_mm": 4.0, "matrix": 320, "field_mm": 160.0, "kernel": "ramp",
          "anti_scatter_grid": None, "offset_mm": (0.0, 0.0)}
HALF_ELEMENT_MM = 0.5 * 2.0 * 570.0 / 470.0  # between the places: rays half an element apart at the axis
PINS = (40.0, 0.0), (0.0, 30.0), (-25.0, -25.0)
BOX = ((-60.0, -60.0, -5.0), (60.0, 60.0, 5.0))


def protocol(**changes):
    return ps.protocols.chest_ct(**COARSE | changes)


@pytest.fixture(scope="module")
def pins():
    """Pins of bone of 1.2 mm in 130 mm of water."""
    y, x = np.mgrid[:600, :600] * 0.25 - 74.875
    labels = np.zeros((8, 600, 600), np.uint8)
    labels[:, np.hypot(x, y) < 65.0] = 1
    for a, b in PINS:
        labels[:, np.hypot(x - a, y - b) < 0.6] = 2
    grid = ps.Grid(shape=labels.shape, spacing_mm=(0.25, 0.25, 8.0), origin_mm=(-74.875, -74.875, -28.0))
    bone = ps.material("bone_cortical")
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("air"), ps.material("water"), bone), name="pins")


def water(volume):
    """CT numbers beside the pins, (pixels,)."""
    y, x = (np.mgrid[:320, :320] - 159.5) * 0.5
    beside = np.hypot(x, y) < 58.0
    for a, b in PINS:
        beside &= np.hypot(x - a, y - b) > 4.0
    return volume.array[len(volume.array) // 2][beside]


def test_rays_of_one_place_lie_between_those_of_the_other():
    """At the axis, half an element apart; each set turns by twice the angle, its arc about its own spot."""
    part = protocol(flying_spot_mm=HALF_ELEMENT_MM).geometry(BOX)
    shifts = []
    for every, still in still_sets(part):
        assert len(still) == 360
        focal = still.centre_mm - still.radius_mm * still.normal
        assert np.abs(focal - still.source_mm).max() < 1e-9
        way = still.centre_mm[0] - still.source_mm[0]
        nearest = still.source_mm[0] - (still.source_mm[0] @ way) / (way @ way) * way
        shifts.append(float(nearest @ still.u[0]))
        assert np.array_equal(part.source_mm[every], still.source_mm)
        # Rays to the middle element are the physical ones; to the outermost they are off by s (1 - cos), s = 0.6 mm.
        physical = part[np.arange(len(part))[every]]
        for place in (0.0, 0.5 * (still.columns - 1) * still.pixel_mm[0]):
            one, other = (np.ravel(poses.surface_mm(0, place, 0.0)) - still.source_mm[0] for poses in (still, physical))
            across = np.linalg.norm(np.cross(one, other)) / np.linalg.norm(other)
            assert across < 1.1 * 0.5 * HALF_ELEMENT_MM * (1.0 - np.cos(place / 1040.0)) + 1e-6
    assert abs(shifts[1] - shifts[0]) == pytest.approx(0.5 * 2.0 * 570.0 / 1040.0, rel=1e-3)
    still = protocol().geometry(BOX)
    assert still_sets(still)[0][1] is still


def test_aliasing_is_as_low_as_with_a_quarter_offset(pins):
    """Streaks of pins beside them, noise-free: standard deviation in water without either, with a quarter detector's
    offset, and with a flying spot; water reads 0 within 1 HU."""
    found = [water(ps.simulate(pins, protocol(**changes), noise=False).volume)
             for changes in ({}, {"offset_mm": (0.5, 0.0)}, {"flying_spot_mm": HALF_ELEMENT_MM})]
    plain, quarter, flying = (float(one.std()) for one in found)
    assert flying < 0.5 * plain
    assert flying == pytest.approx(quarter, rel=0.25)
    assert abs(float(found[2].mean())) < 1.0


def test_a_helix_with_a_flying_spot_reads_water(pins):
    helix = protocol(pitch=0.9, stops=None, rows=8, flying_spot_mm=HALF_ELEMENT_MM, offset_mm=(0.5, 0.0))
    assert abs(float(water(ps.simulate(pins, helix, noise=False).volume).mean())) < 2.0


def test_what_a_flying_spot_refuses():
    for changes in ({"views": 721}, {"arc_deg": 240.0}, {"curved": False}):
        with pytest.raises(ps.errors.InvalidInput, match="two sets of views"):
            protocol(flying_spot_mm=1.0, **changes)
