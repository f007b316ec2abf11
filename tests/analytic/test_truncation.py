"""Bodies that reach out of the field: water cylinders whose line integrals are known, cut off by the detector."""

import numpy as np
import pytest
from reconstruction_cases import line_integrals, truth_of

import physsim as ps
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid

WATER = 0.02
NARROW = {
    "source_axis_mm": 541, "source_detector_mm": 949, "rows": 4, "columns": 100, "pixel_mm": (3.5, 4.39),
}  # sees 98 mm from the axis
BODY = (
    ((30, 0, 0), 120, WATER, "cylinder"), ((40, 30, 0), 15, 0.1 * WATER, "cylinder"),
    ((-20, -40, 0), 15, -0.2 * WATER, "cylinder"),
)
SCANS = {
    "flat": ps.Geometry.circular(views=240, **NARROW),
    "curved": ps.Geometry.circular(views=240, curved=True, **NARROW),
    "short scan": ps.Geometry.circular(views=240, arc_deg=230, **NARROW),
    "parallel": ps.Geometry.parallel(views=200, rows=4, columns=98, pixel_mm=2.0),
    "helix": ps.Geometry.circular(views=600, arc_deg=900, pitch_mm=8.0, curved=True, **NARROW),
}


@pytest.mark.parametrize("name", SCANS)
def test_a_body_cut_off_keeps_its_ct_numbers(name):
    """A cylinder of 24 cm off centre in a field of 19: within 20 HU up to 8 mm from the field's edge, 6 HU in the mean;
    without continuing it, more than 100 HU wrong there."""
    geometry = SCANS[name]
    grid = Grid(shape=(2, 76, 76), spacing_mm=2.5)
    images = line_integrals(geometry, BODY)
    value, clear = truth_of(grid, BODY, 7.0)
    x = (np.arange(76) - 37.5) * 2.5
    clear &= np.hypot(x[:, None], x[None, :]) < 90.0
    cut, found = (
        1000.0 * (ps.fdk(images, geometry, grid, body_per_mm=body) - value)[clear] / WATER for body in (None, WATER)
    )
    assert np.abs(cut).max() > 100.0
    assert np.abs(found).max() < 20.0
    assert abs(found.mean()) < 6.0


def test_a_body_within_the_field_stays_as_it_is():
    """Rows that end in air are not continued: the same voxels within rounding."""
    geometry = SCANS["curved"]
    images = line_integrals(geometry, (((5, 0, 0), 60, WATER, "cylinder"),))
    grid = Grid(shape=(2, 26, 26), spacing_mm=5.0)
    plain, continued = (ps.fdk(images, geometry, grid, body_per_mm=body) for body in (None, WATER))
    assert np.abs(plain - continued).max() < 2e-5 * WATER


def test_bad_input():
    with pytest.raises(InvalidInput, match=r"body_per_mm=-0\.02"):
        ps.fdk(np.zeros(SCANS["flat"].shape), SCANS["flat"], Grid(shape=(2, 2, 2)), body_per_mm=-0.02)
