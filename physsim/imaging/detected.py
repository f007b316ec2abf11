"""The signal of an integrating detector from two sums over the beam: expected, and the noise of its quanta.

Photons that interact in different depth layers are independent, so each layer has noise of its own, blurred as its
light is (G. Lubberts, J. Opt. Soc. Am. 58 (1968) 1475): noise keeps more of high frequencies than the signal does.
Signal and noise are blurred apart, each by the kernel that its sampling asks for (detector/transfer.py). The beam's
hardness says how much of the signal each layer has (see imaging.hardness).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.detector.blur import blur_kernel, blurred
from physsim.imaging.hardness import Hardness
from physsim.imaging.noise import FEW_QUANTA
from physsim.imaging.sums_of_quanta import NO_SUMS
from physsim.randomness import checked_seed, stream_number
from physsim.spec.detector import Detector

Images = NDArray[np.float32]


def detected(detector: Detector, law: Hardness, signal: Images, square: Images, *, noise: bool = True, seed: int = 0,
             first_view: int = 0, threads: int | None = None) -> tuple[Images, Images | None]:
    """Expected images and their quantum noise (None without `noise`), (views, rows, columns) keV, both blurred.

    `signal`, `square`: (views, rows, columns) keV and keV^2, sums of what photons add and of its squares. Below
    FEW_QUANTA quanta in a layer their sum is drawn from its own law, compound Poisson. `first_view`: number of the
    first view in its scan. The same bits for any threads and CPU, and however the views are cut. Raises InvalidInput
    for shapes that differ, negative or missing values.
    """
    signal, square = (np.ascontiguousarray(one, np.float32) for one in (signal, square))
    if signal.ndim != 3 or square.shape != signal.shape:
        raise InvalidInput(message(f"signal and square of shapes {signal.shape}, {square.shape}",
                                   "both are known of every pixel", "Give (views, rows, columns) of each."))
    for name, array in (("signal", signal), ("square", square)):
        if len(array) and not (float(array.min()) >= 0.0 and np.isfinite(float(array.max()))):
            wrong = ~((array >= 0.0) & np.isfinite(array))
            raise InvalidInput(message(name, f"{int(wrong.sum())} values are negative or missing",
                                       "Mend it before noise is drawn."))

    expected = np.zeros(signal.shape, np.float32)
    spread = np.zeros(signal.shape, np.float32) if noise else None
    mean = np.empty(signal.shape, np.float32)
    drawn = np.empty(signal.shape, np.float32) if noise else None
    for layer in range(detector.depth_layers):
        layer_quanta(law, layer, signal, square, mean, drawn, stream=f"quanta of layer {layer}", seed=seed,
                     first_view=first_view, threads=threads)
        blurred(mean, blur_kernel(detector, layer), onto=expected, threads=threads)
        if drawn is not None and spread is not None:
            blurred(drawn, blur_kernel(detector, layer, noise=True), onto=spread, threads=threads)
    return expected, spread


def layer_quanta(law: Hardness, layer: int, signal: Images, square: Images, mean: Images, drawn: Images | None, *,
                 stream: str, seed: int, first_view: int = 0, few: float = FEW_QUANTA, threads: int | None = None
                 ) -> None:
    """Writes a layer's mean signal and, where it is given, its noise before any blur; all (views, rows, columns)
    C-contiguous float32. `few`: quanta of the layer below which their sum is drawn from its own law."""
    pixels = signal.shape[1] * signal.shape[2]
    sums = NO_SUMS if drawn is None else law.sums[layer]
    listed = [one.reshape(len(one), pixels) for one in (signal, square, mean)]
    _engine.layer_quanta(
        listed[0], listed[1], law.ratio_kev, np.ascontiguousarray(law.parts[:, layer].T),
        sums.tables, sums.counts_per_kev, sums.step_kev, few,
        listed[2], None if drawn is None else drawn.reshape(len(drawn), pixels), checked_seed(seed),
        stream_number(stream), first_view, thread_count(threads), instruction_set())
