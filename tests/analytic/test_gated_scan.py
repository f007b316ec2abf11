"""Gated scans of a body that moves as it is told: where it is at a phase, how far it blurs, what still bodies give."""

import numpy as np
import pytest
from dicom_judge import complaints

import physsim as ps
from physsim.imaging.scan.moving import states_of_views

COARSE = {"views": 180, "pixel_mm": 4.0, "rows": 4, "columns": 225, "offset_mm": (0.0, 0.0), "matrix": 80,
          "field_mm": 240.0, "slice_mm": 4.0, "range_mm": (-4.0, 4.0), "stops": 1, "kernel": "smooth", "bowtie": None,
          "cathode": "v+"}
STATES = 20


def disc(x_mm):
    """Water of 160 mm with a rod of bone of 30 mm at (x, 0)."""
    y, x = np.mgrid[:90, :90] * 2.0 - 89.0
    labels = np.zeros((6, 90, 90), np.uint8)
    labels[:, np.hypot(x, y) < 80.0] = 1
    labels[:, np.hypot(x - x_mm, y) < 15.0] = 2
    grid = ps.Grid(shape=labels.shape, spacing_mm=(2.0, 2.0, 4.0), origin_mm=(-89.0, -89.0, -10.0))
    return ps.Phantom(grid=grid, labels=labels, materials=tuple(map(ps.material, ("air", "water", "bone_cortical"))),
                      name=f"rod at {x_mm:.1f} mm")


@pytest.fixture(scope="module")
def cycle():
    """To and fro by 20 mm, a cosine: -20 at 0, 20 at 0.5."""
    return ps.Cine([disc(-20.0 * float(np.cos(2.0 * np.pi * n / STATES))) for n in range(STATES)])


def gated(**gating):
    protocol = ps.protocols.gated_heart_ct(**COARSE)
    return protocol.replace(gating=protocol.gating.replace(**gating))


def centre_mm(scan):
    """x of the bone's middle, and its width by the second moment along x (mm)."""
    hu = np.maximum(scan.volume.array[0] - 300.0, 0.0)
    x = np.arange(80) * 3.0 + scan.volume.origin_mm[0]
    share = hu.sum(axis=0) / hu.sum()
    middle = float(share @ x)
    return middle, float(np.sqrt(share @ (x - middle) ** 2))


def test_each_phase_shows_the_body_where_it_is(cycle):
    """At the turning points it stands nearly still; the volumes lie on one grid, and the truth is the phase's."""
    scan = ps.simulate(cycle, gated(period_s=3.0, phases=(0.0, 0.5)), noise=False)
    first, second = scan.phases.values()
    assert list(scan.phases) == ["phase 0 %", "phase 50 %"]
    assert centre_mm(first)[0] == pytest.approx(-20.0, abs=1.0)
    assert centre_mm(second)[0] == pytest.approx(20.0, abs=1.0)
    assert first.volume.origin_mm == second.volume.origin_mm
    assert scan.figures()["ctdi_vol_mgy"] == pytest.approx(2.0 * first.dose.ctdi_vol_mgy, rel=1e-6)


def test_a_breath_is_seen_at_each_of_its_five_phases(cycle):
    """The 4D protocol: to and fro by 20 mm in 5 s, the mean over a short scan of 0.325 s."""
    scan = ps.simulate(cycle, ps.protocols.chest_4d_ct(**COARSE), noise=False)
    gating, rotation = scan.protocol.gating, scan.protocol.rotation
    assert (gating.motion, gating.period_s, len(scan.phases)) == ("breathing", 5.0, 5)
    share = rotation.turn_s * rotation.arc_deg / 360.0 / gating.period_s
    for name, phase in zip(scan.phases, gating.phases, strict=True):
        expected = -20.0 * np.sinc(share) * np.cos(2.0 * np.pi * phase)
        assert centre_mm(scan[name])[0] == pytest.approx(expected, abs=1.0), name
    doses = [one.dose.ctdi_vol_mgy for one in scan.phases.values()]
    assert scan.figures()["ctdi_vol_mgy"] == pytest.approx(sum(doses), rel=1e-6)


def test_a_short_cycle_blurs_what_a_long_one_shows_sharp(cycle):
    """At phase 0.25 the rod moves by 20 mm x 2 pi a cycle: by 32 mm in the short scan's 0.18 s of a cycle of 0.6 s."""
    slow, fast = (ps.simulate(cycle, gated(period_s=period, phases=(0.25,)), noise=False)["phase 25 %"]
                  for period in (60.0, 0.6))
    assert centre_mm(slow) == pytest.approx((0.0, 7.5), abs=1.2)  # a disc's second moment is half its radius
    assert centre_mm(fast)[1] > 1.25 * centre_mm(slow)[1]


def test_a_body_that_stands_still_is_the_short_scan_of_it():
    still = disc(10.0)
    protocol = gated(phases=(0.3,))
    found = ps.simulate(ps.Cine([still, still]), protocol, seed=3)["phase 30 %"]
    alone = ps.simulate(still, protocol.replace(gating=None), seed=3)
    assert np.array_equal(found.volume.array, alone.volume.array)


def test_views_see_the_nearest_state():
    states = states_of_views(5, 4, 1.0, 0.5, 2.0, 4)  # a quarter second a view: phases 0.25, 0.375, 0.5, 0.625, 0.75
    assert states.tolist() == [1, 2, 2, 3, 3]
    assert states_of_views(2, 4, 1.0, 0.0, 2.0, 8).tolist() == [0, 1]


def test_the_folder_holds_a_series_a_phase_and_bad_cycles_are_refused(cycle, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    scan = ps.simulate(cycle, gated(phases=(0.0, 0.5)), seed=1)
    scan.save(tmp_path / "heart")
    paths = [tmp_path / "heart" / name / "slice_0001.dcm" for name in ("phase_0", "phase_50")]
    first, second = map(pydicom.dcmread, paths)
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    assert "phase 50 %" in second.SeriesDescription
    assert complaints(paths[1]) == []
    for call, words in (
        (lambda: gated(phases=(0.5, 0.2)), "phases rise"),
        (lambda: ps.protocols.gated_heart_ct(pitch=0.2, arc_deg=360.0), "axial scans"),
        (lambda: ps.simulate(disc(0.0), gated()), "stands still"),
        (lambda: ps.simulate(cycle, ps.protocols.head_ct()), "one state"),
        (lambda: ps.simulate(cycle, ps.protocols.gated_heart_ct(**COARSE | {"range_mm": None})), "none of that name"),
        (lambda: ps.simulate(cycle, gated().changed(arc_deg=150.0), noise=False), "half a turn"),
        (lambda: ps.Cine([disc(0.0)]), "two states"),
    ):
        with pytest.raises(ps.errors.InvalidInput, match=words):
            call()
