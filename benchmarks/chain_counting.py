"""Part of the CT rotation by a detector that counts photons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .chain_rotation import rotation_job
from .rows import add_row, least


def counting(result: dict[str, Any], quick: bool, rounds: int, threads: int) -> None:
    """Some views of the cylinder by the shipped detector of three bins of energy, with noise and dead time."""
    import physsim as ps
    from physsim.device.choice import CPU
    from physsim.imaging.body import body_box_mm
    from physsim.imaging.pixel_beam import pixel_beam
    from physsim.imaging.scan.photon_counting import channel_gantries, counted_views
    from physsim.imaging.stages import OWN
    from physsim.imaging.sub_poses import SubPoses

    phantom, protocol = rotation_job(quick)
    coarse: dict[str, Any] = {"pixel_mm": 13.2, "rows": 4, "columns": 68} if quick else {}
    shipped = ps.protocols.photon_counting_ct(**coarse)
    protocol = protocol.replace(detector=shipped.detector, spectral=shipped.spectral, mas=shipped.mas)
    geometry = protocol.geometry(body_box_mm(phantom))[: 8 if quick else 40]
    every = pixel_beam(protocol, geometry[0])
    beams = channel_gantries(protocol, every)
    mas = np.full(len(geometry), protocol.mas / protocol.rotation.views)

    def measured() -> None:
        made = counted_views(phantom, protocol, geometry, every, beams, mas, (), noise=True, seed=1, device=CPU,
                             threads=threads, keep=(), rays=SubPoses(), stages=OWN)  # fmt: skip
        for _ in made.chunks():
            pass

    add_row(result, "counting rotation", f"{len(geometry)} views: primary, noise, dead time corrected",
            least(measured, rounds), math.prod(geometry.shape) / 1e6)  # fmt: skip
