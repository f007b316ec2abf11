"""Dental cone-beam CT of rods in water, against where they stand and what their spectrum predicts; the panel stands
aside, so that nothing beyond 48 mm of the axis is seen from all sides but by Wang's weights."""

import numpy as np
import pytest
from detected_lengths import expected_hu

import physsim as ps
from physsim.phantom.truth import OrganTruth, Truth

SPACING = 1.5
PLACES = {"left upper tooth 1": (58.0, 12.0), "right upper tooth 1": (-46.0, 12.0)}
COARSE = {"views": 150, "pixel_mm": 2.0, "matrix": 100, "slice_mm": 3.0, "kernel": "smooth"}


def rods(radius_mm=6.0, body_mm=64.0, heights_mm=(14.0, 44.0)):
    """Water of 128 mm along z about (6, 12); between two heights a rod of bone at each of PLACES."""
    grid = ps.Grid(shape=(100, 100, 100), spacing_mm=SPACING)
    z, y, x = (grid.origin_mm[axis] + SPACING * np.arange(grid.shape[2 - axis]) for axis in (2, 1, 0))
    labels = np.zeros(grid.shape, np.uint8)
    labels[:, np.hypot(x - 6.0, (y - 12.0)[:, None]) < body_mm] = 1
    organs = np.zeros(grid.shape, np.uint8)
    tall = (z > heights_mm[0]) & (z < heights_mm[1])
    for number, (a, b) in enumerate(PLACES.values(), 1):
        inside = tall[:, None, None] & (np.hypot(x - a, (y - b)[:, None]) < radius_mm)
        labels[inside], organs[inside] = 2, number
    rows = tuple(OrganTruth(name, 1.0, 1.0) for name in ("background", *PLACES))
    return ps.Phantom(grid=grid, labels=labels, materials=tuple(map(ps.material, ("air", "water", "bone_cortical"))),
                      name="rods", truth=Truth(organs, rows))


@pytest.fixture(scope="module")
def scan():
    return ps.simulate(rods(), ps.protocols.dental_ct(**COARSE), noise=False)


def places(scan):
    """(y, x) world coordinates, mm, of the pixels of a slice."""
    volume = scan.volume
    return np.meshgrid(*(volume.origin_mm[a] + volume.spacing_mm[a] * np.arange(volume.array.shape[2 - a])
                         for a in (1, 0)), indexing="ij")


def test_it_is_taken_about_the_teeth(scan):
    whole = 120.0 * 450.0 / 650.0 * (1.0 - 75.0 / 450.0)
    low, high = scan.provenance.protocol.rotation.range_mm
    assert scan.axis_mm() == pytest.approx((6.0, 12.0), abs=SPACING)
    assert 0.5 * (low + high) == pytest.approx(29.0, abs=SPACING)
    assert high - low <= whole + 1e-6


def test_rods_stand_where_they_are_and_read_their_poly_energetic_attenuation(scan):
    """The one beyond what an unshifted panel sees too."""
    middle = scan.volume.array[np.abs(scan.volume.origin_mm[2] + 3.0 * np.arange(len(scan.volume.array)) - 29.0) < 4.0]
    y, x = places(scan)
    assert max(np.hypot(a - 6.0, b - 12.0) for a, b in PLACES.values()) > 48.0
    wanted = np.mean([expected_hu(scan, "bone_cortical", 12.0, whole) for whole in (75.0, 128.0)])
    for a, b in PLACES.values():
        near = np.hypot(x - a, y - b) < 12.0
        excess = np.maximum(middle.mean(axis=0)[near] - 0.3 * wanted, 0.0)
        centre = (float((excess * x[near]).sum() / excess.sum()), float((excess * y[near]).sum() / excess.sum()))
        assert centre == pytest.approx((a, b), abs=0.5)
        found = float(middle[:, np.hypot(x - a, y - b) < 3.0].mean())
        assert found == pytest.approx(wanted, rel=0.02)


def test_water_reads_zero_on_both_sides_of_the_panels_edge(scan):
    """Of slices that meet no rod: rings within what the panel sees twice, across its edge and beyond."""
    heights = scan.volume.origin_mm[2] + 3.0 * np.arange(len(scan.volume.array))
    y, x = places(scan)
    away = np.hypot(x - 6.0, y - 12.0)
    low = scan.volume.array[heights < 5.0]
    assert len(low) >= 2
    means = [float(low[:, (away >= a) & (away < b)].mean()) for a, b in ((0, 8), (8, 20), (20, 40), (40, 50), (50, 60))]
    assert np.abs(means).max() < 5.0, means
