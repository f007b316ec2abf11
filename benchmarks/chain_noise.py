"""What noise costs: nanoseconds of one core for each pixel and depth layer of shipped detectors' images.

Honest because: one thread, CPU time, the least of some turns; what is timed is what an image's noise goes through
(`layer_quanta`), the shares of its layers and energies from the pixel's two moments included; the beam lies between two
of the table's, so that few quanta are sums of both.
"""

from __future__ import annotations

import numpy as np

from .scatter_jobs import took

DETECTORS = ("chest_ct", "chest_pa", "mammogram")  # protocols with detectors of 1, 4 and 1 layers, 34 to 116 deposits
FEW, MANY = (0.1, 1.0, 10.0, 29.0), (1000.0,)  # quanta a pixel: the law of their sum, and three cumulants


def noise_ns(name: str, quanta: float, quick: bool = False, rounds: int = 3) -> tuple[float, float, int]:
    """Nanoseconds of CPU a pixel and layer to draw noise of a protocol's detector at so many quanta; seconds of a
    turn's draws; pixels drawn."""
    import physsim as ps
    from physsim.imaging.beam_rays import central_fluence
    from physsim.imaging.detected import layer_quanta
    from physsim.imaging.hardness import hardness

    protocol = ps.protocols[name]
    energies = protocol.spectrum.sample().energies_kev
    law = hardness(protocol.detector, energies, central_fluence(protocol, energies))
    ratio = float(law.ratio_kev[2:4].mean())
    shape = (1, 64, 64) if quick else (1, 1000, 1000)
    signal, square = (np.full(shape, quanta * ratio**n, np.float32) for n in (1, 2))
    mean, drawn = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def turn() -> None:
        for layer in range(protocol.detector.depth_layers):
            layer_quanta(law, layer, signal, square, mean, drawn, stream="bench", seed=1, threads=1)

    spent, pixels = min(took(turn)[1] for _ in range(rounds)), mean.size * protocol.detector.depth_layers
    return 1e9 * spent / pixels, spent, pixels
