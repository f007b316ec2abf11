"""What unscattered photons bring to the pixels of a radiograph, with the object and without it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.beam_spectra import QUANTITIES
from physsim.imaging.pixel_beam import pixel_beam
from physsim.imaging.primary_views import primary_views
from physsim.imaging.sub_poses import SubPoses
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol

Images = NDArray[np.float32]


class PrimaryLayers:
    """Maps (views, rows, columns) float32 of QUANTITIES per pixel and mAs: photons before a grid; keV and keV^2 that
    the detector makes of those behind it; uGy before a grid. `seen` behind the object (the mean over `rays`), `free`
    without it. energies_kev: (E,) of the beam.
    """

    def __init__(self, phantom: Phantom, protocol: Protocol, geometry: Geometry, rays: SubPoses, device: str,
                 threads: int) -> None:
        several = len(geometry) > 1  # one view's images are the layers, not copied
        layers = [np.empty((len(QUANTITIES), *geometry.shape), np.float32) for _ in range(2)] if several else []
        for view in range(len(geometry)):
            beam = pixel_beam(protocol, geometry, QUANTITIES, view)
            self.energies_kev = beam.energies_kev
            behind = primary_views(phantom, beam, geometry[view], device, threads, rays)[0]
            behind[QUANTITIES.index("air_kerma")] *= beam.upright
            both = behind, beam.open_field(np.float32)
            if not several:
                layers = [images[:, None] for images in both]
                break
            for layer, images in zip(layers, both, strict=True):
                layer[:, view] = images
        self.seen, self.free = (dict(zip(QUANTITIES, layer, strict=True)) for layer in layers)

    def times(self, mas: float) -> None:
        """All layers from a mAs to `mas`."""
        for part in (self.seen, self.free):
            for array in part.values():
                array *= np.float32(mas)
