"""Noise power spectra and detective quantum efficiency from images of uniform exposures (IEC 62220-1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisePower:
    """Spectrum of the noise of an image.

    power: (region, region) in the image's unit squared x mm2, zero frequency in the middle; frequency_mm: (region,)
    along both axes, 1/mm. radial_frequency_mm, radial_power, radial_error: (bins,) means over rings one step wide and
    their standard errors, without the axes. mean: of the images. regions: how many were averaged.
    """

    power: Floats
    frequency_mm: tuple[Floats, Floats]
    radial_frequency_mm: Floats
    radial_power: Floats
    radial_error: Floats
    mean: float
    regions: int

    @property
    def normalised(self) -> Floats:
        """radial_power over the mean squared, mm2."""
        return self.radial_power / self.mean**2

    @property
    def variance(self) -> float:
        """Integral of the spectrum: the pixels' variance but for the trends that were taken off."""
        steps = [float(one[1] - one[0]) for one in self.frequency_mm]
        return float(self.power.sum() * steps[0] * steps[1])


def noise_power_spectrum(
    images: ArrayLike, pixel_mm: float | tuple[float, float], *, region: int = 128, trend: int = 2
) -> NoisePower:
    """The noise power spectrum of uniform images (rows, columns) or (images, rows, columns).

    `pixel_mm`: along a row, along a column. Regions of `region` pixels overlap by half; from each a polynomial of order
    `trend` (0, 1 or 2) in both directions is taken off, which lowers the lowest frequencies. Raises InvalidInput for
    images smaller than a region, missing values and other trends.
    """
    stack = np.asarray(images, np.float64)
    stack = stack[None] if stack.ndim == 2 else stack
    pitch = np.broadcast_to(np.asarray(pixel_mm, np.float64), 2)
    if stack.ndim != 3 or min(stack.shape[1:]) < region or region < 8:
        raise InvalidInput(
            message(
                f"images of shape {stack.shape} with region={region}",
                "a spectrum needs at least one region of 8 pixels or more in each",
                "Give larger images or a smaller region.",
            )
        )
    if not np.isfinite(stack).all():
        raise InvalidInput(message("images", "hold NaN or infinity", "Mend these pixels or leave the images out."))
    if trend not in (0, 1, 2):
        raise InvalidInput(message(f"trend={trend}", "trends of order 0, 1 and 2 are taken off", "Give 2."))
    starts = [range(0, size - region + 1, region // 2) for size in stack.shape[1:]]
    remove = _trend_remover(region, trend)
    total, count = np.zeros((region, region)), 0
    rings = _Rings(region, pitch)
    chosen = rings.number[rings.number >= 0]
    sums, squares = np.zeros(rings.count), np.zeros(rings.count)
    members = np.bincount(chosen, minlength=rings.count)
    for image in stack:
        for row in starts[0]:
            for column in starts[1]:
                noise = remove(image[row : row + region, column : column + region])
                power = np.abs(np.fft.fftshift(np.fft.fft2(noise))) ** 2 * (pitch[0] * pitch[1] / region**2)
                total += power
                count += 1
                means = np.bincount(chosen, weights=power[rings.number >= 0], minlength=rings.count) / members
                sums += means
                squares += means**2
    radial = sums / count
    spread = np.sqrt(np.maximum(squares / count - radial**2, 0.0))
    independent = max(1.0, count / 2.25)  # overlap by half: neighbours share noise
    return NoisePower(
        power=total / count,
        frequency_mm=(rings.along_row, rings.along_column),
        radial_frequency_mm=rings.middle,
        radial_power=radial,
        radial_error=spread / np.sqrt(independent),
        mean=float(stack.mean()),
        regions=count,
    )


def detective_quantum_efficiency(
    frequency_mm: ArrayLike, mtf: ArrayLike, noise: NoisePower, quanta_per_mm2: float
) -> Floats:
    """DQE at `frequency_mm` (n,): MTF^2 / (normalised noise power x quanta per mm2 that arrive).

    `noise`: of images that are linear in exposure. Raises InvalidInput for quanta that are not positive.
    """
    if not quanta_per_mm2 > 0.0:
        raise InvalidInput(
            message(f"quanta_per_mm2={quanta_per_mm2:g}", "efficiency counts arriving quanta", "Give more than 0.")
        )
    power = np.interp(np.asarray(frequency_mm, np.float64), noise.radial_frequency_mm, noise.normalised)
    return np.asarray(np.asarray(mtf, np.float64) ** 2 / (power * quanta_per_mm2))


class _Rings:
    """Rings of frequency, one step of the coarser axis wide; the axes and what lies beyond Nyquist are in none (-1)."""

    def __init__(self, region: int, pitch: Floats) -> None:
        self.along_row, self.along_column = (np.fft.fftshift(np.fft.fftfreq(region, step)) for step in pitch)
        step = max(float(self.along_row[1] - self.along_row[0]), float(self.along_column[1] - self.along_column[0]))
        radius = np.hypot(self.along_row[None, :], self.along_column[:, None])
        self.count = int(0.5 / float(max(pitch)) / step)
        number = np.rint(radius / step).astype(int) - 1
        axes = (self.along_row[None, :] == 0.0) | (self.along_column[:, None] == 0.0)
        self.number = np.where(axes | (number >= self.count), -1, number)
        inside = self.number >= 0
        counted = np.bincount(self.number[inside], minlength=self.count)
        self.middle = np.bincount(self.number[inside], weights=radius[inside], minlength=self.count) / counted


def _trend_remover(region: int, order: int) -> Callable[[Floats], Floats]:
    """What takes a polynomial of that order off a region."""
    x = np.linspace(-1.0, 1.0, region)
    powers = [x[None, :] ** i * x[:, None] ** j for i in range(order + 1) for j in range(order + 1 - i)]
    basis, _ = np.linalg.qr(np.stack([one.ravel() for one in powers], axis=1))

    def remove(noise: Floats) -> Floats:
        flat = noise.ravel()
        return np.asarray((flat - basis @ (basis.T @ flat)).reshape(region, region))

    return remove
