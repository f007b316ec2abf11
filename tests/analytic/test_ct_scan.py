"""CT scans against what the physics says they read: water 0 HU, rods by their poly-energetic attenuation."""


import numpy as np
import pytest
from detected_lengths import expected_hu, lengths_of

import physsim as ps
from physsim.imaging.detector.table import moments_at
from physsim.imaging.pixel_beam import pixel_beam
from physsim.imaging.scan.water import water_lengths
from physsim.physics.attenuation import linear_attenuation_per_mm

COARSE = {"views": 200, "pixel_mm": 4.0, "rows": 8, "columns": 225, "pitch": None, "stops": 1, "matrix": 96,
          "offset_mm": (1.0, 0.0), "range_mm": (-4.0, 4.0), "slice_mm": 2.0, "kernel": "smooth"}


def coarse(**changes):
    return ps.protocols.chest_ct(**COARSE | changes)


def within(scan, x_mm, y_mm, radius_mm, inner_mm=0.0):
    """CT numbers of the middle slice in a ring about a place."""
    volume = scan.volume
    i, j = np.meshgrid(*(np.arange(n) for n in volume.array.shape[:0:-1]))
    x, y = volume.origin_mm[0] + i * volume.spacing_mm[0] - x_mm, volume.origin_mm[1] + j * volume.spacing_mm[1] - y_mm
    distance = np.hypot(x, y)
    return volume.array[len(volume.array) // 2][(distance >= inner_mm) & (distance <= radius_mm)]


def test_lengths_of_water_are_those_that_were_in_the_beam():
    protocol = coarse()
    beam = pixel_beam(protocol, protocol.geometry(((-10.0, -10.0, -5.0), (10.0, 10.0, 5.0)))[0])
    per_mm = linear_attenuation_per_mm("water", beam.energies_kev)
    lengths = np.array([0.0, 3.0, 40.0, 123.0, 257.0, 411.0, 499.0])
    signal = beam.at_nodes(lengths[:, None] * per_mm)[0]
    measured = beam.between(-np.log(signal / signal[0])).astype(np.float32)
    found = lengths_of(water_lengths(beam), measured)
    assert np.abs(found - lengths[:, None, None]).max() < 0.02  # 0.05 HU of a body of 400 mm


def test_water_of_32_cm_reads_zero_from_the_middle_to_the_edge():
    """Through bowtie, heel and hardening, by the shipped chain: accuracy and uniformity far within 5 HU."""
    water = ps.voxelise(ps.scene("water_32cm"), spacing_mm=2)
    scan = ps.simulate(water, coarse(field_mm=384.0), noise=False)
    rings = [float(within(scan, 0.0, 0.0, high, low).mean())
             for low, high in ((0.0, 20.0), (40.0, 60.0), (80.0, 100.0), (120.0, 135.0), (140.0, 150.0))]
    assert np.abs(rings).max() < 1.0, rings
    assert np.ptp(rings) < 1.0, rings
    assert float(within(scan, 0.0, 0.0, 188.0, 178.0).mean()) == pytest.approx(-1000.0, abs=1.0)


def test_a_water_cylinder_reads_zero_everywhere_and_air_minus_1000():
    water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=2)
    scan = ps.simulate(water, coarse(field_mm=256.0), noise=False)
    for low, high in ((0.0, 20.0), (40.0, 60.0), (75.0, 90.0)):
        assert abs(float(within(scan, 0.0, 0.0, high, low).mean())) < 1.0, (low, high)
    assert float(within(scan, 0.0, 0.0, 120.0, 112.0).mean()) == pytest.approx(-1000.0, abs=1.0)
    first_order = ps.simulate(water, coarse(field_mm=256.0, beam_hardening="none"), noise=False)
    cupped = [float(within(first_order, 0.0, 0.0, high, low).mean()) for low, high in ((0.0, 20.0), (75.0, 90.0))]
    assert cupped[0] < cupped[1] - 10.0  # uncorrected, the middle reads lower: beam hardening


def test_rods_read_their_poly_energetic_attenuation_in_water():
    """Expected: what the rod adds along the central ray through the body, as a length of water, over its own length."""
    inserts = ps.voxelise(ps.scene("ct_numbers"), spacing_mm=1)
    protocol = coarse(field_mm=256.0, views=360)
    scan = ps.simulate(inserts, protocol, noise=False)
    rods = {"ldpe": (42.4264, 42.4264), "pmma": (0.0, 60.0), "polystyrene_ct": (-42.4264, 42.4264),
            "delrin_ct": (-60.0, 0.0), "teflon_ct": (-42.4264, -42.4264), "bone_cortical": (0.0, -60.0),
            "lung": (42.4264, -42.4264)}
    for name, (x, y) in rods.items():
        # rays through the rod's middle pass 25 mm of it and 135 to 175 mm of water, by the angle
        expected = [expected_hu(scan, name, 25.0, whole) for whole in (160.0, 200.0)]
        found = float(within(scan, x, y, 6.0).mean())
        wanted = float(np.mean(expected))
        assert abs(found - wanted) < max(5.0, 0.02 * abs(wanted)), (name, found, expected)


def test_noise_in_water_is_that_of_the_quanta():
    """Variance falls as 1 / mAs. Some 2,000 voxels, of which noise makes a few hundred independent: 0.08 is 3 sigma."""
    water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=4)
    protocol = coarse(field_mm=256.0, matrix=64, kernel="hann")
    inside = (slice(None), slice(20, 44), slice(20, 44))
    noises = []
    for mas in (20.0, 80.0):
        one, other = (ps.simulate(water, protocol.changed(mas=mas), seed=seed).volume.array[inside] for seed in (7, 8))
        noises.append(float((one - other).std()) / np.sqrt(2.0))
    assert noises[0] / noises[1] == pytest.approx(2.0, rel=0.08)


def test_scatter_lowers_the_middle_and_its_correction_restores_it():
    water = ps.voxelise(ps.scene("water_32cm"), spacing_mm=4)
    protocol = coarse(field_mm=384.0, views=72)
    run = ps.MonteCarlo(relative_error=0.1)
    left, taken = (ps.simulate(water, protocol.changed(scatter_correction=how, anti_scatter_grid=None), scatter=run,
                               noise=False, keep=("primary", "scatter")) for how in ("none", "known"))
    middle = (slice(None), slice(3, 5), slice(105, 120))
    ratio = float(left["scatter"][middle].mean() / left["primary"][middle].mean())
    assert 0.2 < ratio < 1.5
    assert float(within(left, 0.0, 0.0, 30.0).mean()) < -30.0
    assert abs(float(within(taken, 0.0, 0.0, 30.0).mean())) < 2.0
    assert np.array_equal(left["scatter"], taken["scatter"])


def test_moments_of_the_detector_at_a_slant_are_those_of_its_table():
    protocol = coarse(rows=5, columns=5, pixel_mm=20.0, offset_mm=(0.0, 0.0), curved=False)
    view = protocol.geometry(((-10.0, -10.0, -5.0), (10.0, 10.0, 5.0)))[0]
    beam = pixel_beam(protocol.changed(anti_scatter_grid=None), view)
    corner = view.pixel_centres_mm(0)[0, 0] - view.source_mm[0]
    slant = float(np.linalg.norm(corner) / (corner @ view.normal[0]))
    first, second = moments_at(protocol.detector, beam.energies_kev, slant).sum(axis=0)[:2]
    signal, square = (beam.mix[0] @ anchors for anchors in beam.anchors)
    bright = signal > 1e-3 * signal.max()
    assert square[bright] / signal[bright] == pytest.approx(second[bright] / first[bright], rel=1e-4)


def test_a_fan_of_one_row_reads_what_the_middle_row_of_many_reads():
    """A cylinder along the axis: a detector of one row is blurred as one that is mirrored above and below it."""
    water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=4)
    one, more = (ps.simulate(water, coarse(rows=rows, field_mm=256.0, matrix=48, views=120, range_mm=(-0.5, 0.5),
                                           slice_mm=1.0), noise=False) for rows in (1, 3))
    assert one.lengths_mm.shape[1] == 1
    assert np.abs(one.lengths_mm[:, 0] - more.lengths_mm[:, 1]).max() < 0.05
    assert abs(float(within(one, 0.0, 0.0, 30.0).mean())) < 1.0


def test_a_body_wider_than_the_fan_reads_water_to_the_edge_of_the_field():
    """A cylinder of 32 cm about which 20 cm are measured: rows are continued by water as far as it reaches."""
    water = ps.voxelise(ps.scene("water_32cm"), spacing_mm=4)
    scan = ps.simulate(water, coarse(columns=91, offset_mm=(0.0, 0.0), field_mm=180.0, matrix=60, views=180, mas=1.0),
                       noise=False)
    for low, high in ((0.0, 20.0), (40.0, 60.0), (75.0, 88.0)):
        assert abs(float(within(scan, 0.0, 0.0, high, low).mean())) < 20.0, (low, high)
