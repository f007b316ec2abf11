"""What a scan reconstructs is what its rays measured: complete data read their values, the rest is padding, not air."""

import warnings

import numpy as np
import pytest

import physsim as ps
from physsim.imaging.scan.coverage import PADDING_HU, UnmeasuredVoxelsWarning, measured_voxels, placed
from physsim.phantom.truth import OrganTruth, Truth

C_ARM = {"pixel_mm": 4.0, "views": 140, "matrix": 32, "slice_mm": 8.0, "kernel": "smooth"}


def cylinder(radius_mm=80.0, spacing_mm=8.0, half_mm=200.0, truth=None):
    """Water along z, as long as 400 mm."""
    grid = ps.Grid(shape=(round(2 * half_mm / spacing_mm), 24, 24), spacing_mm=spacing_mm)
    y, x = np.mgrid[:24, :24] - 11.5
    labels = np.broadcast_to(np.hypot(x, y) * spacing_mm < radius_mm, grid.shape).astype(np.uint8)
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("air"), ps.material("water")), name="cylinder",
                      truth=truth or Truth())


def away_and_height(scan):
    """(z, y, x) distances of the voxels from the axis and (z, 1, 1) heights, mm."""
    volume, (ax, ay) = scan.volume, scan.axis_mm()
    k, j, i = (np.arange(n) for n in volume.array.shape)
    x, y, z = (volume.origin_mm[a] + volume.spacing_mm[a] * n for a, n in ((0, i), (1, j), (2, k)))
    return np.hypot(y[:, None] - ay, x[None] - ax)[None], z[:, None, None]


def seen_by_all(scan):
    """By rays: voxels whose projections lie on the detector in every view (a whole turn is looked at)."""
    geometry = scan.parts()[0]
    whole = ps.Geometry.circular(
        views=720, source_axis_mm=800.0, source_detector_mm=1200.0, rows=geometry.rows, columns=geometry.columns,
        pixel_mm=geometry.pixel_mm, centre_mm=(*scan.axis_mm(), float(geometry.source_mm[:, 2].mean())))
    grid = scan.grid()
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    place = (np.stack([i, j, k, np.ones_like(i)], -1) @ grid.world_from_voxel.T)[..., :3]
    seen = np.ones(grid.shape, bool)
    for view in range(len(whole)):
        aside = place - whole.source_mm[view]
        scale = whole.distance_mm[view] / (aside @ whole.normal[view])
        for axis, count, pitch in ((whole.u, whole.columns, whole.pixel_mm[0]),
                                   (whole.v, whole.rows, whole.pixel_mm[1])):
            seen &= np.abs(aside @ axis[view] * scale) <= 0.5 * count * pitch + 1e-6
    return seen


def test_a_c_arm_reconstructs_what_it_measures_whole():
    """Of 400 mm of water the slices of which every voxel in the field is seen in every view: 0 HU from end to end."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scan = ps.simulate(cylinder(), ps.protocols.c_arm_ct(**C_ARM), noise=False)
    whole = 300.0 * 800.0 / 1200.0 * (1.0 - 128.0 / 800.0)
    assert scan.provenance.protocol.rotation.range_mm == pytest.approx((-0.5 * whole, 0.5 * whole))
    away, height = away_and_height(scan)
    assert 0.5 * whole - 8.0 < float(height.max()) < 0.5 * whole
    assert np.array_equal(scan.measured, np.broadcast_to(away <= 131.5, scan.measured.shape))
    assert (scan.volume.array[~scan.measured] == PADDING_HU).all()
    water = scan.volume.array[:, (away < 55.0)[0]]
    assert np.abs(water.mean(axis=1)).max() < 4.0
    assert np.ptp(water.mean(axis=1)) < 1.0


def test_voxels_that_are_not_seen_are_marked():
    """A range wider than what is measured whole: a warning with the limits, and padding for what some view misses."""
    with pytest.warns(UnmeasuredVoxelsWarning, match=r"measure 168\.0 mm whole; .* hold -8192 HU"):
        scan = ps.simulate(cylinder(), ps.protocols.c_arm_ct(**C_ARM, range_mm=(-96.0, 96.0)), noise=False)
    assert np.array_equal(scan.measured, seen_by_all(scan))
    top = scan.measured[-1]
    assert top.any()
    assert not top.all()
    water = scan.measured & (away_and_height(scan)[0] < 55.0)  # to the edges of the outermost rows' pixels
    assert np.abs(scan.volume.array[water]).max() < 20.0
    with pytest.warns(UnmeasuredVoxelsWarning, match=r"a circle of 263\.0 mm"):
        wide = ps.simulate(cylinder(), ps.protocols.c_arm_ct(**C_ARM, field_mm=320.0, range_mm=(-8.0, 8.0)),
                           noise=False)
    assert np.array_equal(wide.measured, np.broadcast_to(away_and_height(wide)[0] <= 131.5, wide.measured.shape))
    assert wide.dose.cut is False
    assert wide.dose.water_diameter_mm == pytest.approx(160.0, rel=0.02)


def test_slices_that_no_ray_meets_are_refused():
    with pytest.raises(ps.errors.InvalidInput, match=r"the rays meet 200\.0 mm"):
        ps.simulate(cylinder(), ps.protocols.c_arm_ct(**C_ARM, range_mm=(-105.0, 105.0)), noise=False)


def test_turns_side_by_side_are_complete_in_the_field():
    """Axial turns of a head scanner: marked are corners of the square beyond the field's circle alone."""
    protocol = ps.protocols.head_ct(range_mm=(-60.0, 60.0), matrix=48)
    box = ((-90.0, -90.0, -60.0), (90.0, 90.0, 60.0))
    grid = protocol.reconstruction.grid(box, (-60.0, 60.0), None)
    turns = np.array([part.source_mm[0, 2] for part in protocol.rotation.turns(protocol.detector, box, 240.0)])
    assert len(turns) == 5
    seen = measured_voxels(protocol, turns, grid, (0.0, 0.0))
    y, x = np.mgrid[:48, :48] - 23.5
    assert seen[:, np.hypot(x, y) * 5.0 <= 120.0].all()
    assert not seen[:, 0, 0].all()


def test_dental_scans_are_about_the_teeth():
    """Their middle is the axis and the middle slice; phantoms without teeth have that of the body."""
    body = cylinder()
    organs = np.zeros(body.grid.shape, np.uint8)
    organs[30:34, 4:8, 10:14] = 1
    rows = tuple(OrganTruth(name, 1.0, 1.0) for name in ("background", "left upper tooth 1"))
    known = cylinder(truth=Truth(organs, rows))
    protocol = ps.protocols.dental_ct()
    about, plain = placed(protocol, known).rotation, placed(protocol, body).rotation
    assert about.aim_mm == (0.0, -48.0)
    half = 0.5 * 120.0 * 450.0 / 650.0 * (1.0 - 75.0 / 450.0)
    assert about.range_mm == pytest.approx((56.0 - half, 56.0 + half))
    assert (plain.aim_mm, plain.range_mm) == (None, pytest.approx((-half, half)))
    given = placed(protocol.changed(aim_mm=(1.0, 2.0)), known).rotation
    assert (given.aim_mm, given.range_mm) == ((1.0, 2.0), about.range_mm)
    assert protocol.reconstruction.field_mm <= protocol.rotation.measured_diameter_mm(protocol.detector)
    with pytest.raises(ps.errors.InvalidInput, match="no effect"):
        protocol.changed(aim_mm=(1.0, 2.0), range_mm=(0.0, 8.0))


def test_dicom_names_the_padding(tmp_path):
    """(0028,0120) in slices of CT numbers and of amounts; what was measured never has that value."""
    pydicom = pytest.importorskip("pydicom")
    scan = ps.simulate(cylinder(), ps.protocols.c_arm_ct(**C_ARM, range_mm=(-8.0, 8.0)), noise=False)
    scan.volume.array[0, 16, 16] = -20000.0
    scan.save(tmp_path / "slices")
    slices = [pydicom.dcmread(path) for path in sorted((tmp_path / "slices").glob("*.dcm"))]
    stored = np.stack([one.pixel_array for one in slices])
    assert {int(one.PixelPaddingValue) for one in slices} == {-8192}
    assert np.array_equal(stored != -8192, scan.measured)
    assert stored[0, 16, 16] == -8191
    twice = ps.simulate(cylinder(), ps.protocols.abdomen_dual_energy_ct(
        pixel_mm=8.0, views=90, matrix=16, slice_mm=8.0, field_mm=400.0, range_mm=(-4.0, 4.0), pitch=None, stops=1,
        modulation=None), seed=1)
    assert (twice["I"].array[~next(iter(twice.channels.values())).measured] == PADDING_HU).all()
    twice.save(tmp_path / "both")
    amounts = pydicom.dcmread(next((tmp_path / "both" / "i").glob("*.dcm")))
    assert (int(amounts.PixelPaddingValue), int(amounts.pixel_array[0, 0])) == (-8192, -8192)
    assert amounts.pixel_array[8, 8] > -8192
