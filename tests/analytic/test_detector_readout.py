"""The readout of integrating detectors against its own equations: gain, lag, noise, saturation, maps, correction."""

import numpy as np
import pytest
from detector_cases import needles

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.detector.calibration import calibrate, calibration_from_scans, correct
from physsim.imaging.detector.readout import pixel_maps, read_out
from physsim.spec.absorber import Photoconductor, Scintillator
from physsim.spec.readout import IntegratingReadout, Lag

SIDE = 200


def plain(absorber=None, **readout):
    fields = {"electronic_noise_electrons": 0.0, "offset_dn": 50.0, "dn_per_electron": 0.01, **readout}
    return ps.Detector(rows=SIDE, columns=SIDE, pixel_mm=0.2, absorber=absorber or Scintillator(),
                       readout=IntegratingReadout(**fields))


def flat(kev, views=1):
    return np.full((views, SIDE, SIDE), kev, np.float32)


def test_numbers_without_noise():
    """DN = round(offset + DN per electron x electrons per keV x keV), exactly; electrons per keV from pair energies."""
    ramp = np.linspace(0.0, 1e5, SIDE * SIDE, dtype=np.float32).reshape(1, SIDE, SIDE)
    for absorber, per_kev in ((Scintillator(electrons_per_kev=15.0), 15.0), (Photoconductor(pair_energy_ev=50.0), 20.0),
                              (ps.IdealAbsorber(), 1000.0)):
        raw = read_out(ramp, plain(absorber, full_well_electrons=1e9, bits=24), seed=1, noise=False)
        law = np.rint(50.0 + 0.01 * per_kev * ramp.astype(np.float64))
        assert np.abs(raw.dn - law).max() <= 1.0
        assert (raw.dn != law).mean() < 0.02  # halves, in float32
        assert raw.saturated == 0


def test_noise_of_charge_electronics_and_rounding():
    """Variance (DN^2) = gain^2 (electrons x excess + sigma^2) + 1/12 within 2 % (40,000 pixels x 6: 0.3 %)."""
    for absorber, excess in ((Scintillator(), 1.0), (Photoconductor(fano=0.2), 0.2), (ps.IdealAbsorber(), 0.0)):
        detector = plain(absorber, electronic_noise_electrons=300.0)
        kev = 2e5 / absorber.electrons_per_kev
        raw = read_out(flat(kev, 6), detector, seed=2)
        law = 0.01**2 * (2e5 * excess + 300.0**2) + 1.0 / 12.0
        assert raw.dn.var(dtype=np.float64) == pytest.approx(law, rel=0.02)
        assert raw.dn.mean(dtype=np.float64) == pytest.approx(50.0 + 2000.0, abs=0.05)


def test_numbers_of_larger_pixels_are_sums_and_no_coarser():
    """A panel read out in pixels 32 times as large: what a pixel's readings mean is right, though its signal is small
    beside the electronics' noise. 400 readings of 4 % of the noise, by calibrations of 16: chi-square of 400 pixels,
    within 5 of its standard deviations."""
    panel = ps.detectors["csi_radiography"].replace(rows=113, columns=113, pixel_mm=0.1414, readout=ps.detectors[
        "csi_radiography"].readout.replace(lag=(), dead_pixel_fraction=0.0))
    detector = panel.with_pixels(0.8)
    before, after = panel.readout, detector.readout
    many = (0.8 / 0.1414) ** 2
    assert (detector.rows, after.bits) == (20, before.bits + 6)
    assert after.full_well_electrons == pytest.approx(many * before.full_well_electrons)
    noise_kev = after.electronic_noise_electrons / detector.absorber.electrons_per_kev
    signal = np.full((400, 20, 20), 0.04 * noise_kev, np.float32)
    level = np.full((20, 20), 1e5, np.float32)
    image = correct(read_out(signal, detector, seed=4), calibrate(detector, level, seed=5))
    off = image.mean(axis=0, dtype=np.float64) - 0.04 * noise_kev
    square = noise_kev**2 * (1.0 / 400 + 1.0 / 16)
    assert (off**2).mean() / square == pytest.approx(1.0, abs=5.0 * np.sqrt(2.0 / 400))
    assert abs(off.mean()) < 5.0 * np.sqrt(square / 400)


def test_saturation_is_cut_and_counted():
    signal = flat(100.0)
    signal[0, :3] = 1e6
    full = read_out(signal, plain(full_well_electrons=1e6), seed=1)
    assert full.saturated == 3 * SIDE
    assert (full.dn[0, :3] == 10050).all()
    few_bits = read_out(signal, plain(full_well_electrons=1e9, bits=12), seed=1)
    assert few_bits.saturated == 3 * SIDE
    assert (few_bits.dn[0, :3] == 4095).all()
    assert read_out(flat(-1e4), plain(), seed=1, noise=False).dn.max() == 0


def test_lag_of_a_pulse_and_of_a_step():
    """A pulse gives fraction x (1 - exp(-1 / frames)) exp(-(n - 1) / frames) n views later, and all of it in the end; a
    steady signal is kept; views in one call or two give the same bits."""
    detector = plain(offset_dn=0.0, dn_per_electron=1.0, full_well_electrons=1e9, bits=24,
                     lag=(Lag(fraction=0.05, frames=2.0), Lag(fraction=0.02, frames=10.0)))
    signal = flat(0.0, 60)
    signal[0] = 1e4
    raw = read_out(signal, detector, seed=1, noise=False)
    views = np.arange(1, 60)
    late = sum(a * -np.expm1(-1.0 / t) * np.exp(-(views - 1) / t) for a, t in ((0.05, 2.0), (0.02, 10.0)))
    found = raw.dn[:, 0, 0].astype(np.float64) / 2e5
    assert found[0] == pytest.approx(0.93, abs=1e-5)
    assert found[1:] == pytest.approx(late, abs=1e-5)
    assert found.sum() + raw.held_kev[:, 0, 0].sum() / 1e4 == pytest.approx(1.0, abs=1e-4)
    steady = read_out(flat(100.0, 80), detector, seed=1, noise=False).dn[:, 0, 0]
    assert steady[0] == pytest.approx(0.93 * 2000, abs=1)
    assert steady[-1] == pytest.approx(2000, abs=1)
    noisy = plain(electronic_noise_electrons=100.0, lag=detector.readout.lag)
    whole = read_out(signal[:9], noisy, seed=4)
    first = read_out(signal[:4], noisy, seed=4)
    second = read_out(signal[4:9], noisy, seed=4, first_view=4, held_kev=first.held_kev)
    assert (np.concatenate([first.dn, second.dn]) == whole.dn).all()
    assert (second.held_kev == whole.held_kev).all()


def test_maps_of_a_scanner():
    """Spreads within 3 % (40,000 pixels: 0.35 %); dead pixels within 4.5 deviations; the same for one seed only."""
    detector = plain(gain_spread=0.03, offset_spread_dn=5.0, dead_pixel_fraction=0.01)
    maps = pixel_maps(detector, 7)
    assert maps.gain.std() == pytest.approx(0.03, rel=0.03)
    assert maps.gain.mean() == pytest.approx(1.0, abs=1e-3)
    assert maps.offset_dn.std() == pytest.approx(5.0, rel=0.03)
    assert abs(maps.dead.sum() - 400.0) < 4.5 * np.sqrt(400.0)
    again, other = pixel_maps(detector, 7, threads=2), pixel_maps(detector, 8)
    for name in ("gain", "offset_dn", "dead"):
        assert (getattr(maps, name) == getattr(again, name)).all()
        assert (getattr(maps, name) != getattr(other, name)).any()
    raw = read_out(flat(1000.0), detector, seed=1, scanner_seed=7, noise=False)
    assert (raw.dn[0][maps.dead] == 0).all()
    law = np.rint(maps.offset_dn + 0.01 * 2e4 * maps.gain)
    assert np.abs(raw.dn[0] - law)[~maps.dead].max() <= 1


def test_correction_takes_the_scanner_away():
    """Gain, offset and heel are gone but for rounding: within 1 % of the signal; noise of 64 flats within its error."""
    detector = plain(gain_spread=0.05, offset_spread_dn=10.0, dead_pixel_fraction=0.002,
                     electronic_noise_electrons=500.0)
    heel = np.broadcast_to(np.linspace(2e4, 5e4, SIDE, dtype=np.float32), (SIDE, SIDE))
    calibration = calibrate(detector, heel, frames=8, seed=1, scanner_seed=3)
    dead = pixel_maps(detector, 3).dead
    assert (calibration.defects == dead).all()
    truth = flat(3e4)
    truth[0, 50:100] = 1e4
    raw = read_out(truth, detector, seed=9, scanner_seed=3)
    found = correct(raw, calibration)
    assert found.dtype == np.float32
    noise = np.sqrt(truth[0] / 20.0 + 25.0**2)
    off = (found[0] - truth[0]) / noise
    edge = np.zeros_like(dead)
    edge[48:52] = edge[98:102] = True
    assert np.abs(off[~edge]).max() < 6.5
    assert off[~dead & ~edge].std() == pytest.approx(1.0, abs=0.15)  # and that of the flats
    assert np.abs(off[dead & ~edge]).max() < 6.0


def test_calibration_from_scans_is_the_mean_of_them():
    detector = plain(gain_spread=0.05)
    kev = np.full((SIDE, SIDE), 3e4, np.float32)
    dark, light = (read_out(flat(one, 2), detector, seed=1, scanner_seed=3, noise=False) for one in (0.0, 3e4))
    calibration = calibration_from_scans(detector, dark, light, kev)
    assert correct(light, calibration) == pytest.approx(flat(3e4, 2), rel=1e-6)


@pytest.mark.parametrize(("make", "text"), [
    (lambda: read_out(flat(1.0)[:, :5], plain(), seed=1), "signal of shape (1, 5, 200)"),
    (lambda: read_out(flat(np.nan), plain(), seed=1), "40000 values are NaN"),
    (lambda: read_out(flat(1.0), plain(lag=(Lag(fraction=0.1, frames=1),)), seed=1, held_kev=np.zeros((2, 3, 3))),
     "held_kev of shape (2, 3, 3)"),
    (lambda: calibrate(plain(full_well_electrons=1e5), np.full((SIDE, SIDE), 1e5), seed=1), "40000 pixels saturate"),
    (lambda: calibrate(plain(), np.zeros((SIDE, SIDE)), seed=1), "40000 pixels get no signal"),
    (lambda: calibrate(plain(), np.ones((SIDE, SIDE)), frames=0, seed=1), "frames=0"),
    (lambda: correct(np.zeros((1, 3, 3)), calibrate(plain(), np.full((SIDE, SIDE), 3e4), frames=1, seed=1)),
     "raw images of shape (1, 3, 3)"),
])
def test_bad_input(make, text):
    with pytest.raises(InvalidInput) as found:
        make()
    assert text in str(found.value)


def test_raw_numbers_have_their_type():
    assert read_out(flat(1.0), plain(), seed=1).dn.dtype == np.uint16
    assert read_out(flat(1.0), plain(bits=18), seed=1).dn.dtype == np.int32
    assert needles().readout.crosstalk == 0.01
