"""From the signal of the pixels to digital numbers: lag, charge noise, saturation, and maps of the scanner's own flaws.

electrons = (signal after lag, keV) x electrons per keV x the pixel's gain + noise, cut at a full well;
DN = offset + DN per electron x electrons, rounded (halves up), cut at 0 and 2^bits - 1; dead pixels read 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.noise import noisy_signal, poisson_counts
from physsim.portable import exp, log
from physsim.randomness import checked_seed, stream_number
from physsim.spec.detector import Detector
from physsim.spec.readout import IntegratingReadout

Images = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PixelMaps:
    """How pixels of one scanner differ, (rows, columns) each: gain (relative), offset_dn, alive (1, or 0 of dead
    pixels), float32."""

    gain: Images
    offset_dn: Images
    alive: Images

    @property
    def dead(self) -> NDArray[np.bool_]:
        """(rows, columns) pixels that read 0."""
        return np.asarray(self.alive == 0.0)


@dataclass(frozen=True, eq=False)
class Raw:
    """Numbers that were read out.

    dn: (views, rows, columns) uint16, int32 beyond 16 bits. saturated: pixels and views at a full well or the highest
    number. held_kev: (lags, rows, columns), the signal that comes later, to hand on to the next views of the scan.
    """

    dn: NDArray[np.uint16] | NDArray[np.int32]
    saturated: int
    held_kev: Images


def pixel_maps(detector: Detector, scanner_seed: int, *, threads: int | None = None) -> PixelMaps:
    """The maps of the scanner with that seed: the same for all its scans; those met last are kept, not to be written
    to."""
    return _pixel_maps(detector, checked_seed(scanner_seed), thread_count(threads))


@lru_cache(maxsize=4)
def _pixel_maps(detector: Detector, scanner_seed: int, threads: int) -> PixelMaps:
    readout = integrating(detector)
    shape = (1, detector.rows, detector.columns)

    def normal(stream: str, spread: float) -> Images:
        if spread == 0.0:
            return np.zeros(shape[1:], np.float32)
        none = np.zeros(shape, np.float32)
        variance = np.full(shape, spread**2, np.float32)
        made: Images = noisy_signal(none, variance, none, seed=scanner_seed, stream=stream, threads=threads)[0]
        return made

    alive = np.ones(shape[1:], np.float32)
    if readout.dead_pixel_fraction > 0.0:
        rate = np.full(shape, -float(log(1.0 - readout.dead_pixel_fraction)), np.float32)
        dead = poisson_counts(rate, seed=scanner_seed, stream="dead pixels", threads=threads)[0]
        alive[dead > 0.0] = 0.0
    gain, offset = normal("gain of pixels", readout.gain_spread), normal("offset of pixels", readout.offset_spread_dn)
    gain += np.float32(1.0)
    offset += np.float32(readout.offset_dn)
    for one in (gain, offset, alive):
        one.setflags(write=False)
    return PixelMaps(gain, offset, alive)


def read_out(
    signal_kev: Images,
    detector: Detector,
    *,
    seed: int,
    first_view: int = 0,
    scanner_seed: int = 0,
    maps: PixelMaps | None = None,
    held_kev: Images | None = None,
    noise: bool = True,
    threads: int | None = None,
) -> Raw:
    """Digital numbers of the signal (views, rows, columns) in keV that the pixels collect, view after view of a scan.

    `maps`: pixel_maps(detector, scanner_seed), if at hand. `held_kev`: of the Raw of the views before, for lag; a
    rested detector if left out. `noise`: of charge and electronics; the maps are there without it too. The same bits
    for any threads, and however the views are cut into calls. Raises InvalidInput for images of another size and
    missing values.
    """
    readout = integrating(detector)
    signal = np.ascontiguousarray(signal_kev, np.float32)
    if signal.ndim != 3 or signal.shape[1:] != (detector.rows, detector.columns):
        raise InvalidInput(message(f"signal of shape {signal.shape}",
                                   f"this detector has {detector.rows} x {detector.columns} pixels",
                                   "Give (views, rows, columns)."))
    if not np.isfinite(signal).all():
        raise InvalidInput(message("signal", f"{int((~np.isfinite(signal)).sum())} values are NaN or infinite",
                                   "Mend the signal before it is read out."))
    maps = pixel_maps(detector, scanner_seed, threads=threads) if maps is None else maps
    held = _held(readout, signal, held_kev)
    lag = np.array([[one.fraction for one in readout.lag],
                    [1.0 - float(exp(-1.0 / one.frames)) for one in readout.lag]], np.float32)
    prompt = 1.0 - sum(one.fraction for one in readout.lag)
    variance = readout.electronic_noise_electrons**2
    numbers = (prompt, detector.absorber.electrons_per_kev, detector.absorber.excess, variance,
               readout.full_well_electrons, readout.gain_dn, float(readout.highest_dn))
    views, pixels = len(signal), detector.rows * detector.columns
    few_bits = readout.bits <= 16
    dn = np.empty(signal.shape, np.uint16 if few_bits else np.int32)
    call = _engine.read_out_16 if few_bits else _engine.read_out_32
    saturated = call(
        signal.reshape(views, pixels), maps.gain.ravel(), maps.offset_dn.ravel(), maps.alive.ravel(),
        held.reshape(len(held), pixels), lag, numbers, noise, dn.reshape(views, pixels), checked_seed(seed),
        stream_number("charge and electronics"), first_view, thread_count(threads), instruction_set())
    return Raw(dn=dn, saturated=saturated, held_kev=held)


def integrating(detector: Detector) -> IntegratingReadout:
    """The detector's readout. Raises InvalidInput when it counts."""
    if not isinstance(detector.readout, IntegratingReadout):
        raise InvalidInput(message("readout of kind counting", "it gives counts, not numbers of charge",
                                   "Use imaging.detector.counting, or give readout=IntegratingReadout(...)."))
    return detector.readout


def _held(readout: IntegratingReadout, signal: Images, held: Images | None) -> Images:
    """What earlier views hold back, as an array of its own."""
    shape = (len(readout.lag), *signal.shape[1:])
    state = np.zeros(shape, np.float32) if held is None else np.array(held, np.float32)
    if state.shape != shape:
        raise InvalidInput(message(f"held_kev of shape {state.shape}", f"this detector holds back {shape}",
                                   "Give that of the views before, or leave it out."))
    return state
