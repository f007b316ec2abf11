"""What a detector does to a beam by linear-systems theory: MTF, noise power and DQE, for tests and for users.

Quantum noise of each depth layer is passed by that layer's transfer function and folded by sampling; the counting
noise of light quanta, electronics and rounding adds white noise. DQE = MTF^2 signal^2 / (noise power x quanta per mm2).

Neglects: maps of gain and offset, lag, saturation.
Reference: I. A. Cunningham, R. Shaw, J. Opt. Soc. Am. A 16 (1999) 621; G. Lubberts, J. Opt. Soc. Am. 58 (1968) 1475.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.moments import signal_moments
from physsim.imaging.detector.transfer import noise_transfer, signal_transfer
from physsim.spec.detector import Detector
from physsim.spec.readout import IntegratingReadout
from physsim.spec.sampled_spectrum import SampledSpectrum
from physsim.spec.spectrum import Spectrum
from physsim.units import CM2_PER_MM2

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DetectorTheory:
    """An integrating detector in a beam.

    moments: (depth layers, 3) keV, keV^2, keV^3 per arriving photon of the beam. quanta_per_mm2_ugy: photons of the
    beam per mm2 and uGy of air kerma.
    """

    detector: Detector
    moments: Floats
    quanta_per_mm2_ugy: float

    @classmethod
    def of(cls, detector: Detector, beam: Spectrum | SampledSpectrum) -> DetectorTheory:
        """For a beam that arrives at right angles. Raises InvalidInput for a detector that counts."""
        if not isinstance(detector.readout, IntegratingReadout):
            raise InvalidInput(message("readout of kind counting", "this is the theory of integrating detectors",
                                       "Use imaging.detector.counting."))
        bins = beam.sample() if isinstance(beam, Spectrum) else beam
        share = bins.fluence / np.cumsum(bins.fluence)[-1]
        moments = np.cumsum(signal_moments(detector, bins.energies_kev) * share, axis=2)[..., -1]
        return cls(detector, moments, quanta_per_mm2_ugy(bins))

    def mtf(self, across_mm: ArrayLike, along_mm: ArrayLike = 0.0) -> Floats:
        """Presampled MTF at frequencies (1/mm) along rows and columns."""
        total = float(self.moments[:, 0].sum())
        shares = self.moments[:, 0] / total
        return np.asarray(sum(share * signal_transfer(self.detector, layer, across_mm, along_mm)
                              for layer, share in enumerate(shares)))

    def signal_kev(self, quanta_per_mm2: float) -> float:
        """Mean signal of a pixel."""
        return float(self.moments[:, 0].sum()) * quanta_per_mm2 * self._area

    def noise_power(self, quanta_per_mm2: float, across_mm: ArrayLike, along_mm: ArrayLike = 0.0) -> Floats:
        """Noise power (keV^2 mm^2) of images of so many quanta per mm2, at frequencies below Nyquist."""
        quanta = quanta_per_mm2 * self._area
        variance = sum(quanta * self.moments[layer, 1] * noise_transfer(self.detector, layer, across_mm, along_mm)
                       for layer in range(len(self.moments)))
        return np.asarray((variance + self.white_variance(quanta_per_mm2)) * self._area)

    def white_variance(self, quanta_per_mm2: float) -> float:
        """Variance (keV^2) of a pixel by counts of light quanta or charges, electronics and rounding."""
        readout, absorber = self.detector.readout, self.detector.absorber
        assert isinstance(readout, IntegratingReadout)
        gain = absorber.electrons_per_kev
        counts = self.signal_kev(quanta_per_mm2) * absorber.excess / gain
        return counts + (readout.electronic_noise_electrons**2 + readout.gain_dn**-2 / 12.0) / gain**2

    def dqe(self, quanta_per_mm2: float, across_mm: ArrayLike, along_mm: ArrayLike = 0.0) -> Floats:
        """Detective quantum efficiency."""
        passed = self.mtf(across_mm, along_mm) * self.signal_kev(quanta_per_mm2)
        return np.asarray(passed**2 / (self.noise_power(quanta_per_mm2, across_mm, along_mm) * quanta_per_mm2))

    @property
    def _area(self) -> float:
        return self.detector.pixel_mm[0] * self.detector.pixel_mm[1]


def quanta_per_mm2_ugy(beam: SampledSpectrum) -> float:
    """Photons of a beam per mm2 and uGy of air kerma (30174 for RQA5 by IEC 62220-1, table 2)."""
    return beam.total_fluence * CM2_PER_MM2 / beam.kerma_nist_ugy_per_mas


def presampled_mtf(detector: Detector, frequency_mm: ArrayLike, beam: Spectrum | SampledSpectrum) -> Floats:
    """MTF along a row at `frequency_mm` (n,) in 1/mm, the pixels' aperture included."""
    return DetectorTheory.of(detector, beam).mtf(frequency_mm)


def nps(
    detector: Detector, frequency_mm: ArrayLike, beam: Spectrum | SampledSpectrum, air_kerma_ugy: float
) -> Floats:
    """Noise power (keV^2 mm^2) along a row of images of so much air kerma."""
    theory = DetectorTheory.of(detector, beam)
    return theory.noise_power(air_kerma_ugy * theory.quanta_per_mm2_ugy, frequency_mm)


def dqe(
    detector: Detector, frequency_mm: ArrayLike, beam: Spectrum | SampledSpectrum, air_kerma_ugy: float
) -> Floats:
    """Detective quantum efficiency along a row of images of so much air kerma."""
    theory = DetectorTheory.of(detector, beam)
    return theory.dqe(air_kerma_ugy * theory.quanta_per_mm2_ugy, frequency_mm)
