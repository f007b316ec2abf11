"""One expected chest radiograph, behind its grid, with scatter: what the chain and a network draw their noise for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import physsim as ps
from physsim.imaging.beam_rays import central_fluence
from physsim.imaging.network_noise import network_noise
from physsim.imaging.reading import take_reading

Images = NDArray[np.float32]
_PIXEL_MM = 0.6


class Chest:
    """Signals are made once, by scatter of kernels; readings are drawn as often as asked."""

    def __init__(self, weights: str | None) -> None:
        self.protocol = ps.protocols.chest_pa(pixel_mm=_PIXEL_MM)
        self.known = network_noise(ps.NoiseSurrogate(weights=weights), self.protocol)
        seen: dict[str, Images] = {}

        def look(signal: Images, square: Images, first_view: int) -> Images:
            seen.update(square=square.copy())
            return signal

        shot = ps.simulate(ps.thorax(spacing_mm=4.0), self.protocol, scatter="kernel", seed=1,
                           stages=ps.Stages(noise=look), threads=1)  # fmt: skip
        self.signal, self.square = np.asarray(shot["primary"] + shot["scatter"], np.float32), seen["square"]
        self.opened = np.asarray(shot["open_field"], np.float32)

    def noise(self, seed: int, by_network: bool) -> NDArray[np.float64]:
        """(rows, columns) keV of one reading about the expected image."""
        energies = self.protocol.spectrum.sample().energies_kev
        quanta = self.known.quanta(self.signal, self.square, seed=seed, threads=1) if by_network else None
        read = take_reading(self.protocol.detector, energies, central_fluence(self.protocol, energies), self.signal,
                            self.square, self.opened, noise=True, seed=seed, quanta=quanta, threads=1)  # fmt: skip
        return np.asarray((read.image - read.expected)[0], np.float64)
