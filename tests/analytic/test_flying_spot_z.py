"""A focal spot that flies along z: a ball's chords from displaced sources, and windmills about balls."""

import numpy as np
import pytest
from reconstruction_cases import line_integrals

import physsim as ps
from physsim.imaging.dicom.ct_projections import CylindricalPoses
from physsim.imaging.scan.flying import still_sets
from physsim.imaging.scan.volume import reconstructed
from physsim.spec.rotation import Rotation

AXIS_MM, DETECTOR_MM, ROW_MM = 570.0, 1040.0, 3.0
HALF_ROW_MM = 0.5 * ROW_MM * AXIS_MM / (DETECTOR_MM - AXIS_MM)  # between the places: rays half a row apart at the axis
BOX = ((-100.0, -100.0, -15.0), (100.0, 100.0, 15.0))
SCANNER = ps.protocols.chest_ct().detector.replace(rows=12, columns=140, pixel_mm=(4.0, ROW_MM))


def rotation(**changes):
    return Rotation(**{"source_axis_mm": AXIS_MM, "source_detector_mm": DETECTOR_MM, "views": 720, "pitch": 1.0,
                       "offset_mm": (1.0, 0.0)} | changes)


def hounsfield(turning, parts, grid, within=4):
    """CT numbers from exact chords: of quarters of rows, and means of `within` of them."""
    scan = turning.geometry(SCANNER, BOX, 220.0)
    scan = scan.in_pixels(4 * scan.rows // within, scan.columns)
    fine = line_integrals(scan.in_pixels(within * scan.rows, scan.columns), parts)
    lengths = fine.reshape(len(scan), scan.rows, within, scan.columns).mean(axis=2, dtype=np.float64)
    return reconstructed(lengths.astype(np.float32), (scan,), grid, "hann", body_per_mm=None, threads=1).array


def test_a_ball_moves_against_the_spot():
    """Middles of a simulated ball on the detector from both places: as far apart as those of its exact chords there
    within 1.5 %, and as by similar triangles, way x (detector - ball) / ball, within 4 % (rows of 2 mm)."""
    z, y, x = np.mgrid[:48, :48, :48] * 0.5 - 11.75
    ball = ps.Phantom(grid=ps.Grid(shape=(48, 48, 48), spacing_mm=(0.5, 0.5, 0.5), origin_mm=(-11.75,) * 3),
                      labels=(np.sqrt(x**2 + y**2 + z**2) < 10.0).astype(np.uint8),
                      materials=(ps.material("air"), ps.material("water")), name="ball")
    protocol = ps.protocols.chest_ct(views=40, rows=48, columns=160, pixel_mm=2.0, pitch=None, stops=1, modulation=None,
                                     range_mm=(-2.0, 2.0), slice_mm=4.0, matrix=16, field_mm=30.0, offset_mm=(0.0, 0.0),
                                     flying_spot_z_mm=4.0, anti_scatter_grid=None)
    scan = ps.simulate(ball, protocol, scatter="none", noise=False)
    chords = line_integrals(scan.geometry, (((0.0, 0.0, 0.0), 10.0, 1.0, "ball"),))
    moved = []
    for lengths in (np.where(chords > 0.0, scan.lengths_mm, 0.0), chords):  # without the air about it
        middle = (lengths.sum(axis=2) * (np.arange(48) - 23.5) * 2.0).sum(axis=1) / lengths.sum(axis=(1, 2))
        moved.append(float(middle[1::2].mean() - middle[::2].mean()))
    assert moved[0] == pytest.approx(moved[1], rel=0.015)
    assert moved[0] == pytest.approx(-4.0 * (DETECTOR_MM - AXIS_MM) / AXIS_MM, rel=0.04)
    poses = CylindricalPoses(scan.geometry, (0.0, 0.0))  # what DICOM-CT-PD is told
    assert poses.focal_spot_mode() == "FFSZ"
    assert np.abs(np.abs(poses.shift[1]) - 2.0).max() < 1e-9
    assert np.abs(np.diff(poses.height)).max() < 1e-9


def test_windmills_are_less():
    """What rows of 1.6 mm at the axis add to rows of 0.4 mm about a ball of +1000 HU in a helix, as many views either
    way: half as much at most; and the ball is as bright."""
    parts = (((0, 0, 0), 90.0, 1.0, "cylinder"), ((50.0, 0.0, 0.0), 12.0, 1.0, "ball"))
    grid = ps.Grid(shape=(13, 64, 64), spacing_mm=(1.5, 1.5, 2.0), origin_mm=(2.0, -47.25, -12.0))
    (fine, still), (flying_fine, flying) = ([hounsfield(path, parts, grid, within) for within in (1, 4)]
                                            for path in (rotation(), rotation(flying_spot_z_mm=HALF_ROW_MM)))
    y, x = (np.mgrid[:64, :64] * 1.5 - 47.25)[0], (np.mgrid[:64, :64] * 1.5)[1] + 2.0
    away, inside = np.hypot(x - 50.0, y), np.hypot(x, y) < 84.0
    about = (away > 16.0) & (away < 36.0) & inside
    windmills = [float(one[:, about].std()) for one in (still - fine, flying - flying_fine)]
    assert windmills[1] < windmills[0] / 2.0, windmills
    centres = [float(one[6][away < 6.0].mean()) for one in (still, flying)]
    assert centres[1] == pytest.approx(centres[0], abs=2.0)
    assert abs(float(flying[:, about].mean())) < 2.0


def test_four_places_read_water():
    """Both ways of flying, in a helix and in an axial turn: even water within 2 HU, each set a fourth of the views."""
    parts = (((0, 0, 0), 90.0, 1.0, "cylinder"),)
    grid = ps.Grid(shape=(3, 32, 32), spacing_mm=(3.0, 3.0, 2.0), origin_mm=(-46.5, -46.5, -2.0))
    for pitch in (1.0, None):
        turning = rotation(pitch=pitch, stops=None if pitch else 1, flying_spot_mm=1.0, flying_spot_z_mm=HALF_ROW_MM)
        scan = turning.geometry(SCANNER, BOX, 220.0)
        sets = still_sets(scan)
        assert len(sets) == 4
        assert np.array_equal(np.sort(np.concatenate([np.arange(len(scan))[every] for every, _ in sets])),
                              np.arange(len(scan)))
        for every, still in sets:
            assert np.array_equal(scan.source_mm[every], still.source_mm)
        assert np.abs(hounsfield(turning, parts, grid)).max() < 2.0


def test_slices_that_all_places_see_whole():
    """Rays to the outermost rows' outer edges from both places bound what a turn measures, at the axis and aside."""
    turning = rotation(pitch=None, stops=1, flying_spot_z_mm=HALF_ROW_MM)
    away = np.array([0.0, 110.0])
    low, high = turning.complete_mm(SCANNER, away)
    half = 0.5 * SCANNER.rows * ROW_MM
    for spot in (-0.5 * HALF_ROW_MM, 0.5 * HALF_ROW_MM):
        for distance in (AXIS_MM - away, AXIS_MM + away):
            assert (high <= spot + (half - spot) * distance / DETECTOR_MM + 1e-9).all()
            assert (low >= spot + (-half - spot) * distance / DETECTOR_MM - 1e-9).all()
    assert high[0] == pytest.approx(0.5 * rotation().collimation_mm(SCANNER) - 0.25 * ROW_MM * AXIS_MM / DETECTOR_MM)


def test_what_four_places_refuse():
    for changes in ({"views": 722}, {"curved": False}):
        with pytest.raises(ps.errors.InvalidInput, match="four sets of views"):
            rotation(flying_spot_mm=1.0, flying_spot_z_mm=1.0, **changes)
