"""The signal of an integrating detector: noise of the quanta in each depth layer, then that layer's blur.

Photons that interact in different layers are independent, so each layer has noise of its own, blurred as its light is
(G. Lubberts, J. Opt. Soc. Am. 58 (1968) 1475): noise keeps more of high frequencies than the signal does. Signal and
noise are blurred apart, each by the kernel that its sampling asks for (transfer.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.blur import blur_kernel, blurred
from physsim.imaging.noise import Counts, noisy_signal
from physsim.spec.detector import Detector

Images = NDArray[np.float32]
Few = tuple[Images, Counts]


def expected_signal(detector: Detector, mean: Images, *, threads: int | None = None) -> Images:
    """(views, rows, columns) keV: the blurred means (depth layers, views, rows, columns), without noise."""
    means = _layers(detector, mean, 4)
    total = np.zeros(means.shape[1:], np.float32)
    for layer, one in enumerate(means):
        blurred(one, blur_kernel(detector, layer), onto=total, threads=threads)
    return total


def detected_signal(
    detector: Detector,
    cumulants: Images,
    *,
    seed: int,
    first_view: int = 0,
    few: Sequence[Few] | None = None,
    threads: int | None = None,
) -> Images:
    """(views, rows, columns) keV: signal with quantum noise and blur, before the readout.

    `cumulants`: (depth layers, 3, views, rows, columns), keV, keV^2, keV^3: mean photons at the pixel times
    signal_moments. `few`: for each depth layer the classes and mean counts of imaging.noise.noisy_signal, for noise
    that is exact where quanta are few. `first_view`: number of the first view in its scan. Noise may make a pixel's
    signal negative by what kernels of blur undershoot. Raises InvalidInput for other shapes and what noisy_signal
    refuses.
    """
    layers = _layers(detector, cumulants, 5)
    total = np.zeros(layers.shape[2:], np.float32)
    for layer, (mean, variance, third) in enumerate(layers):
        noisy = noisy_signal(mean, variance, third, seed=seed, stream=f"quanta of layer {layer}",
                             first_view=first_view, few=None if few is None else few[layer], threads=threads)
        of_signal, of_noise = (blur_kernel(detector, layer, noise=noise) for noise in (False, True))
        if of_signal.is_identity and of_noise.is_identity:
            total += noisy
            continue
        noisy -= mean
        blurred(noisy, of_noise, onto=total, threads=threads)
        blurred(mean, of_signal, onto=total, threads=threads)
    return total


def _layers(detector: Detector, array: Images, axes: int) -> Images:
    given = np.asarray(array, np.float32)
    wanted = (detector.depth_layers, 3)[: axes - 3]
    if given.ndim != axes or given.shape[: axes - 3] != wanted:
        raise InvalidInput(message(
            f"an array of shape {given.shape}",
            f"this detector has {detector.depth_layers} depth layers" + (" of three cumulants" if axes == 5 else ""),
            f"Give {(*wanted, 'views', 'rows', 'columns')}.".replace("'", "")))
    return given
