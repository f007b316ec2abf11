"""Detectors, uniform and edge exposures of them, and what theory says of their noise, for tests."""

import numpy as np

import physsim as ps
from physsim.imaging.detected import detected
from physsim.imaging.detector.readout import read_out
from physsim.imaging.detector.theory import DetectorTheory
from physsim.imaging.hardness import Hardness
from physsim.spec.absorber import Photoconductor, Scintillator, Spread
from physsim.spec.detector import Detector
from physsim.spec.radiation_quality import radiation_quality
from physsim.spec.readout import IntegratingReadout

RQA5 = radiation_quality("RQA5").sample().rebinned(24)


def needles(side=304, pixel_mm=0.143, **readout):
    """CsI whose light spreads and is collected differently by depth, in three layers."""
    layer = Scintillator(thickness_mm=0.55, packing=0.8, gain_slope=0.3, light_swank=0.95, depth_layers=3,
                         spread=Spread(near_mm=0.2, far_mm=0.5))
    return Detector(rows=side, columns=side, pixel_mm=pixel_mm, absorber=layer,
                    readout=IntegratingReadout(crosstalk=0.01, **readout))


def selenium(side=304, **readout):
    layer = Photoconductor(thickness_mm=0.5, spread=Spread(near_mm=0.05))
    return Detector(rows=side, columns=side, pixel_mm=0.139, absorber=layer, readout=IntegratingReadout(**readout))


def septa(side=304, **readout):
    """Elements of CT, a tenth of each side lost to septa."""
    layer = Scintillator(material="gos", thickness_mm=1.4, fill_factor=0.81, spread=Spread(near_mm=0.2))
    return Detector(rows=side, columns=side, pixel_mm=(1.0, 1.2), absorber=layer,
                    readout=IntegratingReadout(crosstalk=0.02, **readout))


def law_of(moments):
    """The hardness of one beam whose photons leave the moments (depth layers, 3), by quanta that all deposit alike."""
    first, second = moments[:, 0].sum(), moments[:, 1].sum()
    parts = np.stack([moments[:, 0] / first, moments[:, 1] / second, moments[:, 2] / second], axis=1)
    deposit = second / first
    return Hardness(np.array([deposit]), parts[None], np.array([deposit]), (parts[:, :1] / deposit)[None])


def uniform_signal(theory, quanta_per_mm2, views, seed):
    """(views, rows, columns) keV with quantum noise and blur."""
    detector = theory.detector
    area = detector.pixel_mm[0] * detector.pixel_mm[1]
    sums = theory.moments.sum(axis=0)[:2] * quanta_per_mm2 * area
    signal, square = np.broadcast_to(sums[:, None, None, None], (2, views, detector.rows, detector.columns))
    expected, noise = detected(detector, law_of(theory.moments), signal, square, seed=seed)
    return expected + noise


def uniform_images(theory, quanta_per_mm2, views, seed):
    """The same read out, without the offset, in keV."""
    detector = theory.detector
    raw = read_out(uniform_signal(theory, quanta_per_mm2, views, seed), detector, seed=seed)
    assert raw.saturated == 0
    per_kev = detector.readout.gain_dn * detector.absorber.electrons_per_kev
    return (raw.dn.astype(np.float64) - detector.readout.offset_dn) / per_kev


def edge_coverage(rows, columns, angle_deg=3.0, parts=16):
    """(rows, columns) share of each pixel that lies right of a slanted edge through the middle."""
    slope = np.tan(np.radians(angle_deg))
    y = (np.arange(rows * parts) + 0.5) / parts - 0.5 - (rows - 1) / 2
    at = (columns - 1) / 2 + slope * y
    share = np.clip(np.arange(columns)[None, :] + 0.5 - at[:, None], 0.0, 1.0)
    return share.reshape(rows, parts, columns).mean(axis=1)


def power_in_regions(theory, quanta_per_mm2, region, fine=2):
    """(region, region) noise power that periodograms of regions have on average, zero frequency in the middle.

    The autocovariance (from the noise power on a grid `fine` times as dense) times the overlap of a region with itself.
    """
    count = region * fine
    frequency = [np.fft.fftfreq(count, pitch) for pitch in theory.detector.pixel_mm]
    area = theory.detector.pixel_mm[0] * theory.detector.pixel_mm[1]
    half = [np.abs(one[: count // 2 + 1]) for one in frequency]
    quadrant = theory.noise_power(quanta_per_mm2, half[0][None, :], half[1][:, None])
    mirror = np.minimum(np.arange(count), count - np.arange(count))
    covariance = np.fft.ifft2(quadrant[mirror][:, mirror]).real / area
    lag = np.fft.fftfreq(count, 1.0 / count)
    overlap = np.maximum(0.0, 1.0 - np.abs(lag) / region)
    folded = (covariance * overlap[:, None] * overlap[None, :]).reshape(fine, region, fine, region).sum(axis=(0, 2))
    return np.fft.fftshift(np.fft.fft2(folded).real) * area


def theory_of(detector, beam=RQA5):
    return DetectorTheory.of(detector, beam)


__all__ = ["RQA5", "edge_coverage", "needles", "power_in_regions", "ps", "selenium", "septa", "theory_of",
           "uniform_images", "uniform_signal"]
