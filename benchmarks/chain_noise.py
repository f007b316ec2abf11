"""What noise costs: nanoseconds of one core for each pixel and depth layer of a CT detector's image, at two levels.

Honest because: one thread, CPU time, the least of some turns; what is timed is what an image's noise goes through
(`layer_quanta`), the shares of its layers and energies from the pixel's two moments included.
"""

from __future__ import annotations

import numpy as np

from .scatter_jobs import took

MANY, FEW = 1000.0, 10.0  # quanta a pixel: three cumulants, and a count of every class


def noise_ns(quanta: float, quick: bool = False, rounds: int = 3) -> tuple[float, float, int]:
    """Nanoseconds of CPU a pixel and layer to draw noise at so many quanta; seconds of a turn's draws; pixels drawn."""
    import physsim as ps
    from physsim.imaging.beam_rays import central_fluence
    from physsim.imaging.detected import layer_quanta
    from physsim.imaging.hardness import hardness
    from physsim.imaging.pixel_beam import pixel_beam

    protocol = ps.protocols.chest_ct()
    pose = ps.Geometry.circular(views=1, source_axis_mm=540.0, source_detector_mm=950.0, rows=protocol.detector.rows,
                                columns=protocol.detector.columns, pixel_mm=protocol.detector.pixel_mm)  # fmt: skip
    beam = pixel_beam(protocol, pose)
    law = hardness(protocol.detector, beam.energies_kev, central_fluence(protocol, beam.energies_kev))
    free, square = (float(one[one.shape[0] // 2, one.shape[1] // 2]) for one in beam.open_field())
    shape = (1, 64, 64) if quick else (4, 1000, 1000)
    mas = quanta * square / free**2
    images = [np.full(shape, mas * one, np.float32) for one in (free, square)]
    mean, drawn = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def turn() -> None:
        for layer in range(protocol.detector.depth_layers):
            layer_quanta(law, layer, *images, mean, drawn, stream="bench", seed=1, threads=1)

    spent, pixels = min(took(turn)[1] for _ in range(rounds)), mean.size * protocol.detector.depth_layers
    return 1e9 * spent / pixels, spent, pixels
