"""The unscattered beam behind a phantom: sums over energies at every pixel, and what the rays met of each material."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import Device
from physsim.phantom.phantom import Phantom
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.spec.geometry import Geometry
from physsim.transport.mesh import traced_meshes
from physsim.transport.spectral import project_signal, project_spectral

Floats = NDArray[np.float64]
Images = NDArray[np.float32]


def primary_signal(phantom: Phantom, energies_kev: Floats, weights: Floats, geometry: Geometry,
                   position: NDArray[np.floating] | None = None, *, areal_density: bool = False,
                   device: str | Device = "cpu", threads: int | None = None) -> tuple[Images, Images | None]:
    """sum over E of weights[E] exp(-sum over materials of mu(E) path) along the ray of every pixel, in one pass.

    `weights`: (outputs, nodes, E) float64; `position`: (views, rows, columns) place between the nodes, None for one
    node. Returns (views, outputs, rows, columns) float32, and (views, materials, rows, columns) g/cm2 where
    `areal_density` is asked for. Overlays and meshes replace exactly what they cover. Equal bits for any number of
    threads.

    Every material is taken by itself: bodies have 10-25 of them, where basis functions of energy save no time.
    Neglects: scatter; air outside the phantom's grid.
    """
    table = np.stack([mass_attenuation_cm2_g(one, energies_kev) for one in phantom.materials])
    own = np.array([one.density_g_cm3 for one in phantom.materials])
    common: dict[str, Any] = {"position": position, "overlays": phantom.overlays, "meshes": traced_meshes(phantom),
                              "device": device, "threads": threads}
    if areal_density:
        both = project_spectral(phantom.labels, phantom.density, own, table, weights, phantom.grid, geometry, **common)
        return both.signal, both.areal_density_g_cm2
    return project_signal(phantom.labels, phantom.density, own, table, weights, phantom.grid, geometry, tolerance=None,
                          **common), None
