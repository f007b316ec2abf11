"""What noise networks learn from: even exposures of a detector, of drawn beams and objects.

Of beams to train on, noise power and third cumulant are those of the chain's law: depth layers' shares, each spread by
its kernel, and what the readout adds. Beams held out are judged by noise that the chain of imaging.reading drew: quanta
by depth layer, light or charge, electronics, numbers, correction by flats. Everything about beam `number` follows from
the training's spec and the number alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.detector.blur import BlurKernel, blur_kernel
from physsim.imaging.detector.table import moments_at
from physsim.imaging.detector.transfer import cosine_of_turns
from physsim.imaging.drawn_cases import Draw, drawn_beam
from physsim.imaging.hardness import Hardness, hardness
from physsim.imaging.reading import readout_variance, take_reading
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.scattering_law import ELECTRON_REST_ENERGY_KEV
from physsim.physics.spectra.quantities import transmission
from physsim.spec.absorber import Absorber
from physsim.spec.detector import Detector
from physsim.spec.detector_library import detectors
from physsim.spec.noise_training import PATCH, NoiseTechnique, NoiseTraining
from physsim.spec.protocol_library import protocols
from physsim.spec.sampled_spectrum import SampledSpectrum
from physsim.spec.training import HELD_OUT

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]
Images = NDArray[np.float32]

BEAM = ("kvp", "mean energy", "deviation of energy", "logarithm of pixel_mm")
_EDGE = PATCH  # pixels: blur mirrors what it draws within its radius of an edge, which adds to the variance there
_FAT, _BONE = "adipose_icru44", "bone_cortical_icru44"
_ANGLES = (20.0, 70.0)  # degrees, of Compton scatter
_SLANT = (1.0, 1.3)  # 1 / cos of photons that were scattered


@dataclass(frozen=True)
class NoiseCases:
    """cases(number): arrays of one beam's exposures, by name.

    conditions (exposures, CONDITIONS): see noise_conditions. hardness (exposures,): see beam_hardness. signal_kev
    (exposures,) of a pixel; white_kev2: variance by readout; third_kev3: third cumulant by quanta. power (exposures,
    PATCH, PATCH): expected periodogram of the noise, keV^2, its mean the pixels' variance; of beams held out the mean
    of `patches` that were drawn, and bias: mean of their noise (keV). drawn (exposures, 4): kVp, pixel_mm, quanta in a
    pixel, scatter over primary. technique (exposures,).
    """

    spec: NoiseTraining
    threads: int = 1

    def __call__(self, number: int) -> Arrays:
        """Of beam `number`: from HELD_OUT on they are held out."""
        spec = self.spec
        draw = Draw(spec.seed, number, "noise cases")
        kind = draw.of([one.share for one in spec.techniques], "technique")
        technique = spec.techniques[kind]
        protocol = drawn_beam(protocols[technique.protocol], technique, draw, 0)
        detector = detector_of(technique).with_pixels(draw.by_logarithm(technique.pixel_mm, "pixel"))
        side = spec.held_out_pixels + 2 * _EDGE
        patch = detector.replace(rows=side, columns=side)
        beam = protocol.spectrum.sample()
        told = noise_conditions(beam, patch, peak_kv(protocol), absorbers_of(spec))
        made = (even_exposure(patch, beam, technique, draw, str(n)) for n in range(spec.exposures))
        views = [_told(even) | (_by_law(even) if number < HELD_OUT else self._drawn(even, draw, str(n)))
                 for n, even in enumerate(made)]
        found = {name: np.stack([one[name] for one in views]) for name in views[0]}
        same = np.tile([peak_kv(protocol), patch.pixel_mm[0]], (len(views), 1))
        return found | {"conditions": np.tile(told, (len(views), 1)), "technique": np.full(len(views), kind, np.int32),
                        "drawn": np.concatenate([same, found["drawn"]], axis=1)}

    def _drawn(self, even: EvenExposure, draw: Draw, name: str) -> Arrays:
        whole = even.noise(draw.seed_of(f"noise {name}"), draw.seed_of(f"scanner {name}"), self.threads)
        noise = whole[_EDGE:-_EDGE, _EDGE:-_EDGE]
        return {"power": periodogram(noise).astype(np.float32), "bias": np.array(noise.mean()),
                "patches": np.array((len(noise) // PATCH) ** 2)}


def _told(even: EvenExposure) -> Arrays:
    signal = even.signal_kev
    return {"hardness": np.array(beam_hardness(even.square_kev2 / signal, even.beam.mean_energy_kev)),
            "signal_kev": np.array(signal), "white_kev2": np.array(readout_variance(even.detector, signal)),
            "third_kev3": np.array(even.third_kev3()), "drawn": np.array([signal**2 / even.square_kev2, even.scatter])}


def _by_law(even: EvenExposure) -> Arrays:
    return {"power": expected_periodogram(even.power_kev2()).astype(np.float32)}


@dataclass(frozen=True, eq=False)
class EvenExposure:
    """Every pixel alike: signal, sum of squares of what photons add, signal without object; scatter over primary."""

    detector: Detector
    beam: SampledSpectrum
    signal_kev: float
    square_kev2: float
    opened_kev: float
    scatter: float

    def with_side(self, pixels: int) -> EvenExposure:
        """The same on `pixels` x `pixels`."""
        return replace(self, detector=self.detector.replace(rows=pixels, columns=pixels))

    def images(self) -> tuple[Images, Images, Images]:
        """Signal, square and open field, (1, rows, columns)."""
        shape = (1, self.detector.rows, self.detector.columns)
        return (np.full(shape, self.signal_kev, np.float32), np.full(shape, self.square_kev2, np.float32),
                np.full(shape, self.opened_kev, np.float32))

    def third_kev3(self) -> float:
        """Third cumulant of a pixel by quanta, keV^3: depth layers' own, each spread by its kernel."""
        passed = (kernel.whole() ** 3 for kernel in self._kernels())
        return float(sum(third * float(one.sum()) for third, one in zip(self._layers(2), passed, strict=True)))

    def power_kev2(self) -> Floats:
        """(2 PATCH, 2 PATCH) noise power by the chain's law, keV^2, unshifted; its mean is a pixel's variance."""
        along = np.arange(2 * PATCH) / (2 * PATCH)
        power = np.full((2 * PATCH, 2 * PATCH), readout_variance(self.detector, self.signal_kev))
        for variance, kernel in zip(self._layers(1), self._kernels(), strict=True):
            whole = kernel.whole()
            places = np.arange(len(whole)) - len(whole) // 2
            turn = cosine_of_turns(along[:, None] * places[None, :])
            power += variance * (turn @ whole @ turn.T) ** 2
        return power

    def _layers(self, order: int) -> list[float]:
        """Cumulants of each depth layer: of the signal, its square (1) and third (2)."""
        found = _law(self.detector.replace(rows=1, columns=1), self.beam).cumulants(*self.with_side(1).images()[:2])
        return [float(one) for one in found[:, order, 0, 0, 0]]

    def _kernels(self) -> list[BlurKernel]:
        return [blur_kernel(self.detector, layer, noise=True) for layer in range(self.detector.depth_layers)]

    def noise(self, seed: int, scanner_seed: int = 0, threads: int = 1, quanta: Images | None = None) -> Floats:
        """(rows, columns) keV of a corrected reading about the expected image; `quanta`: see take_reading."""
        read = take_reading(self.detector, self.beam.energies_kev, self.beam.fluence, *self.images(), noise=True,
                            seed=seed, scanner_seed=scanner_seed, quanta=quanta, threads=threads)
        return np.asarray((read.image - read.expected)[0], np.float64)


@lru_cache(maxsize=2)
def _law(detector: Detector, beam: SampledSpectrum) -> Hardness:
    return hardness(detector, beam.energies_kev, beam.fluence, classes=False)


def even_exposure(detector: Detector, beam: SampledSpectrum, technique: NoiseTechnique, draw: Draw, name: str
                  ) -> EvenExposure:
    """Exposure `name` of a beam: its signal, what is in the beam and its scatter are drawn."""
    ratio = draw.between(technique.scatter, f"scatter {name}")
    seen, free = _sums(detector, beam, technique, ratio, draw, name), _open_sums(detector, beam)
    signal = draw.by_logarithm(technique.signal_kev_mm2, f"signal {name}") * detector.pixel_mm[0] ** 2
    return EvenExposure(detector, beam, signal, signal * seen[1] / seen[0], signal * free[0] / seen[0], ratio)


def absorbers_of(spec: NoiseTraining) -> tuple[Absorber, ...]:
    """The different absorbers of a training, in order."""
    return tuple(dict.fromkeys(detector_of(one).absorber for one in spec.techniques))


def detector_of(technique: NoiseTechnique) -> Detector:
    """The detector whose noise is drawn."""
    return protocols[technique.protocol].detector if technique.detector is None else detectors[technique.detector]


def noise_conditions(beam: SampledSpectrum, detector: Detector, kvp: float, absorbers: Sequence[Absorber]) -> Floats:
    """(BEAM and absorbers,) of what a network is told: numbers of beam and pixels, and which absorber it is."""
    share = beam.fluence / beam.fluence.sum()
    mean = float((share * beam.energies_kev).sum())
    spread = float(np.sqrt((share * (beam.energies_kev - mean) ** 2).sum()))
    which = [float(one == detector.absorber) for one in absorbers]
    return np.array([kvp, mean, spread, 0.5 * np.log(detector.pixel_mm[0] * detector.pixel_mm[1]), *which])


def beam_hardness(deposit_kev: float, mean_energy_kev: float) -> float:
    """Logarithm of what quanta deposit (`deposit_kev`: sum of squares over signal) over the mean energy of the open
    beam."""
    return float(np.log(deposit_kev / mean_energy_kev))


def periodogram(noise: Floats) -> Floats:
    """(PATCH, PATCH) mean power of noise (rows, columns) about 0, unshifted; its mean is the mean square."""
    rows, columns = (size // PATCH for size in noise.shape)
    cut = noise[:rows * PATCH, :columns * PATCH].reshape(rows, PATCH, columns, PATCH).swapaxes(1, 2)
    return np.asarray((np.abs(np.fft.fft2(cut)) ** 2).mean(axis=(0, 1)) / PATCH**2)


def expected_periodogram(power: Floats) -> Floats:
    """(n, n) of patches of so many pixels, whose noise has `power` (2 n, 2 n), both unshifted: autocovariance times the
    share of pairs so far apart (see surrogate.noise_network)."""
    size = len(power)
    along = np.arange(size)
    seen = 1.0 - np.minimum(along, size - along) / (size // 2)
    return np.asarray(np.fft.fft2(np.fft.ifft2(power).real * np.outer(seen, seen)).real[::2, ::2])


def _open_sums(detector: Detector, beam: SampledSpectrum) -> tuple[float, float]:
    moments = moments_at(detector, beam.energies_kev, 1.0).sum(axis=0)
    return float((moments[0] * beam.fluence).sum()), float((moments[1] * beam.fluence).sum())


def _sums(detector: Detector, beam: SampledSpectrum, technique: NoiseTechnique, ratio: float, draw: Draw,
          name: str) -> tuple[float, float]:
    """Of a beam behind drawn water, fat and bone, with scatter that lost what Compton's law says at a drawn angle:
    signal and sum of squares per open photon's fluence."""
    energies, thick = beam.energies_kev, draw.between(technique.water_mm, f"water {name}")
    fat = draw.uniform(f"fat {name}") * thick
    bone = draw.between(technique.bone_mm, f"bone {name}") if draw.uniform(f"has bone {name}") < 0.5 else 0.0
    depth = sum((linear_attenuation_per_mm(what, energies) * length
                 for what, length in (("water", thick - fat), (_FAT, fat), (_BONE, bone))), np.zeros_like(energies))
    behind = beam.fluence * transmission(depth)
    upright = moments_at(detector, energies, 1.0).sum(axis=0)
    first, second = (float((upright[n] * behind).sum()) for n in (0, 1))
    angle = np.radians(draw.between(_ANGLES, f"angle {name}"))
    lost = 1.0 / (1.0 + energies / ELECTRON_REST_ENERGY_KEV * (1.0 - np.cos(angle)))
    slant = moments_at(detector, energies, draw.between(_SLANT, f"slant {name}")).sum(axis=0)
    strewn = [float((np.interp(energies * lost, energies, slant[n]) * behind).sum()) for n in (0, 1)]
    return first * (1.0 + ratio), second + ratio * first * strewn[1] / strewn[0]
