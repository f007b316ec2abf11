"""Velocity fields corrected by the gradient of a pressure, so that they have a wanted divergence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message

Array = npt.NDArray[np.float64]
SOLVED = 1e-4


def incompressible(
    raw: Array,
    divergence: Array,
    inside: npt.NDArray[np.bool_],
    mobility: Array,
    step_mm: float,
    least: float = 0.0,
    screen: Array | None = None,
    solved: float = SOLVED,
) -> tuple[Array, float]:
    """`raw` (nz, ny, nx, 3) less mobility times the gradient of a pressure: with `divergence` (per unit) inside.

    Faces between nodes carry the fluxes; elsewhere than `inside` the divergence is free. Without `screen` the pressure
    is zero at the lattice's outer faces. `screen` (nz, ny, nx): (step / reach)^2 where flow dies out within a reach, 0
    elsewhere; nothing then passes the outer faces. Solved to a residual of `least` (0: `solved`, relative to this
    field), which is returned for the next.
    """
    from physsim.body.motion_kernels import pressure

    shape = mobility.shape
    fluxes, ease = [], []
    for axis in range(3):
        a, b = shifted(shape, axis)
        fluxes.append(0.5 * (raw[a][..., 2 - axis] + raw[b][..., 2 - axis]))
        ease.append(0.5 * (mobility[a] + mobility[b]))
    found = _divergence(fluxes, shape)
    source = np.where(inside, found - divergence * step_mm, 0.0)  # fluxes a face, not a mm
    own = np.zeros(shape) if screen is None else screen.copy()
    for axis in range(3):
        a, b = shifted(shape, axis)
        own[a] += ease[axis]
        own[b] += ease[axis]
        for edge in (slice(0, 1), slice(-1, None)) if screen is None else ():
            face = tuple(edge if n == axis else slice(None) for n in range(3))
            own[face] += mobility[face]
    own[own == 0.0] = 1.0  # nothing flows there
    least = least or solved**2 * float((source**2 / own).sum())
    pushed, steps = pressure(own, ease, -source, least, 3000)
    if steps < 0:
        raise InvalidInput(message("motion", "the pressure did not settle", "Report the body's file."))
    field = np.zeros_like(raw)
    counted = np.zeros((*shape, 3))
    for axis in range(3):
        a, b = shifted(shape, axis)
        flux = fluxes[axis] + ease[axis] * (pushed[a] - pushed[b])
        for side in (a, b):
            field[..., 2 - axis][side] += flux
            counted[..., 2 - axis][side] += 1.0
    return field / counted, least


def shifted(shape: tuple[int, ...], axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of a lattice's nodes below and above its faces along an axis."""
    a, b = [slice(None)] * 3, [slice(None)] * 3
    a[axis], b[axis] = slice(0, shape[axis] - 1), slice(1, shape[axis])
    return tuple(a), tuple(b)


def _divergence(fluxes: list[Array], shape: tuple[int, ...]) -> Array:
    """Flux out of each node's cell; faces at the lattice's edge carry what their neighbour does."""
    total = np.zeros(shape)
    for axis, flux in enumerate(fluxes):
        total += np.diff(np.concatenate([_end(flux, axis, 0), flux, _end(flux, axis, -1)], axis), axis=axis)
    return total


def _end(flux: Array, axis: int, which: int) -> Array:
    return np.take(flux, [which], axis)
