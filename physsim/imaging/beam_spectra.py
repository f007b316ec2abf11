"""Spectra of a beam at places of a detector, as it counts them: bowtie, heel, slants, grid and response."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.beam_rays import Tube, arrivals, rays_to
from physsim.imaging.detector.counting_table import mean_counts
from physsim.imaging.detector.table import depends_on_slant, moments_at
from physsim.imaging.nodes import chebyshev, lagrange
from physsim.physics.attenuation import linear_attenuation_per_mm, mass_attenuation_cm2_g
from physsim.physics.spectra.cross_sections import air_absorption_cm2_g
from physsim.physics.spectra.quantities import transmission
from physsim.portable import log
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.readout import CountingReadout
from physsim.transport.basis import in_order
from physsim.transport.ordered import product
from physsim.units import CM2_PER_MM2, UGY_PER_KEV_PER_G

Floats = NDArray[np.float64]
Places = tuple[Floats, Floats]  # mm across (columns,) and along (rows,)

QUANTITIES = ("photons", "signal", "square", "air_kerma")
SIGNAL, COUNTS = ("signal", "square"), ("counts",)  # all that a scan asks for; of a detector that counts: by bin
_PROBE_DEPTH = 4.0  # -ln of the transmission of the water that beams are looked at behind
_SLANTS = 7


def spectra_at(protocol: Protocol, view: Geometry, nodes: Places, tube: Tube, quantities: tuple[str, ...],
             some: NDArray[np.int64] | None = None) -> tuple[Floats, Floats, Floats]:
    """Energies (or `some` of them, by number); photons that arrive (nodes, E) and the quantities (quantities, nodes,
    E), per mm2 and mAs at 1 m; nodes count along a column first."""
    rays = rays_to(protocol, view, *nodes)
    tube = tube if some is None else tube.some(some)
    energies = tube.energies_kev

    def listed(values: Floats) -> Floats:  # (heights, columns, ...) -> (nodes, ...)
        return np.ascontiguousarray(np.moveaxis(values, 0, 1).reshape(-1, *values.shape[2:]))

    fluence, depth = tube.behind_filters(None if rays.takeoff_sine is None else listed(rays.takeoff_sine),
                                         listed(rays.filter_slant))
    bowtie = protocol.spectrum.bowtie
    if bowtie is not None:
        depth = depth + listed(rays.bowtie_mm)[:, None] * linear_attenuation_per_mm(bowtie.substance, energies)
    arriving = fluence * transmission(depth) * CM2_PER_MM2
    seen = arriving
    if protocol.anti_scatter_grid is not None:
        strips = protocol.anti_scatter_grid
        strips = strips if view.radius_mm is None else strips.bent(view.radius_mm)
        direction, spot = arrivals(view, *nodes)
        seen = arriving * strips.transmission(energies, listed(direction)[:, None], listed(spot)[:, None])
    seen = seen * _moments(protocol, energies, 1.0 / listed(rays.cosine))
    if quantities == COUNTS:
        return energies, arriving, seen
    made = {"photons": arriving, "signal": seen[0], "square": seen[1]}
    if "air_kerma" in quantities:
        made["air_kerma"] = arriving * (energies * air_absorption_cm2_g(energies) * (UGY_PER_KEV_PER_G / CM2_PER_MM2))
    return energies, arriving, np.stack([made[name] for name in quantities])


def _moments(protocol: Protocol, energies: Floats, slants: Floats) -> Floats:
    """(SIGNAL or bins, nodes, E) of a photon, by the polynomial through a few slants."""
    def at(slant: float) -> Floats:
        if isinstance(protocol.detector.readout, CountingReadout):
            return mean_counts(protocol.detector, energies, slant)
        return np.asarray(moments_at(protocol.detector, energies, slant).sum(axis=0)[:2])

    if not depends_on_slant(protocol.detector) or np.ptp(slants) < 1e-9:
        known = np.array([float(slants.mean())])
    else:
        known = slants.min() + np.ptp(slants) * chebyshev(_SLANTS)
    tables = np.stack([at(slant) for slant in known.tolist()])
    shares = np.stack([np.broadcast_to(one, slants.shape) for one in lagrange(known, slants)], axis=1)
    return np.maximum(np.stack([product(np.ascontiguousarray(shares), np.ascontiguousarray(tables[:, n]))
                                for n in range(tables.shape[1])]), 0.0)


def behind_water(energies: Floats, spectrum: Floats) -> Floats:
    """(E,) transmissions of so much water that exp(-_PROBE_DEPTH) of a spectrum (E,) is left."""
    depth, per_cm2_g = 0.0, mass_attenuation_cm2_g("water", energies)
    for _ in range(30):  # Newton's steps from below never pass the root: -ln of the rest is concave
        left = spectrum * transmission(per_cm2_g * depth)
        sums = in_order(np.stack([left, left * per_cm2_g, spectrum], axis=1))
        depth += float((_PROBE_DEPTH + log(sums[0] / sums[2])) * sums[0] / sums[1])
    return transmission(per_cm2_g * depth)


def bright_of(spectra: Floats, quantities: tuple[str, ...]) -> Floats:
    """(..., E) of spectra (quantities or bins, ..., E): what says how bright a place is, the signal or all counts."""
    return in_order(spectra) if quantities == COUNTS else spectra[quantities.index("signal")]


def signals_of(spectra: Floats, quantities: tuple[str, ...]) -> Floats:
    """(...) what bright_of gives, over all energies."""
    return in_order(np.moveaxis(bright_of(spectra, quantities), -1, 0))
