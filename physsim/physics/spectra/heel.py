"""The spectrum across the field as a ray tracer takes it: a few node spectra, and a node coordinate for every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.physics.spectra import quantities, tube

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeelTable:
    """Spectra at S equidistant values of sin(take-off), linear between them.

    A ray's spectrum depends on its direction by sin(take-off) alone, which is the dot product of its unit vector with
    the target's normal; so a pixel needs one dot product: position = (sine - sine_start) / sine_step, in 0 .. S-1. This
    holds in both directions of the field. Filters are in the node spectra at normal incidence; a ray at the angle a
    from the central ray meets 1/cos(a) of them: multiply by exp(-filter_optical_depth (1/cos a - 1)). The bowtie is not
    in.

    `fluence`: (S, n) photons per bin, per cm2 and mAs, 1 m from the focus along the ray; `energies_kev`: (n,);
    `filter_optical_depth`: (n,) of all flat filters; `interpolation_error`: largest relative error of the energy
    fluence of the linear interpolation, found at the middles of the intervals, relative to the highest node.
    """

    anode_angle_deg: float
    sine_start: float
    sine_step: float
    energies_kev: Array
    fluence: Array
    filter_optical_depth: Array
    interpolation_error: float

    def position(self, anode_cathode_deg: ArrayLike, transverse_deg: ArrayLike = 0.0) -> Array:
        """Node coordinate of rays by their angles from the central ray (see `tube.takeoff_sine`)."""
        sine = tube.takeoff_sine(self.anode_angle_deg, anode_cathode_deg, transverse_deg)
        return (sine - self.sine_start) / self.sine_step

    def fluence_at(self, anode_cathode_deg: float, transverse_deg: float = 0.0) -> Array:
        """Interpolated photons per bin, (n,), with the filters' obliquity: what a kernel computes for one pixel."""
        place = float(np.clip(self.position(anode_cathode_deg, transverse_deg), 0.0, self.fluence.shape[0] - 1))
        lower = min(int(place), self.fluence.shape[0] - 2)
        share = place - lower
        straight = (1.0 - share) * self.fluence[lower] + share * self.fluence[lower + 1]
        extra = tube.obliquity(anode_cathode_deg, transverse_deg) - 1.0
        return np.asarray(straight * quantities.transmission(self.filter_optical_depth * float(extra)))


def heel_table(target: str, kvp: float, anode_angle_deg: float, edges_kev: Array, filter_optical_depth: Array,
               sines: tuple[float, float], nodes: int, output_factor: float = 1.0) -> HeelTable:
    """Node spectra from `sines[0]` to `sines[1]` (lower: anode side); rays behind the target have none."""
    grid, step = np.linspace(sines[0], sines[1], nodes, retstep=True)
    through = output_factor * quantities.transmission(filter_optical_depth)
    between = grid[:-1] + 0.5 * step
    fluence, middles = (np.array([tube.tube_fluence(target, kvp, float(sine), edges_kev) * through
                                  for sine in rays]) for rays in (grid, between))
    energies = 0.5 * (edges_kev[1:] + edges_kev[:-1])
    energy_fluence, found = fluence * energies, 0.5 * (fluence[1:] + fluence[:-1]) * energies
    error = np.abs(found.sum(axis=1) - (middles * energies).sum(axis=1)).max() / energy_fluence.sum(axis=1).max()
    for array in (energies, fluence, filter_optical_depth):
        array.setflags(write=False)
    return HeelTable(anode_angle_deg, float(grid[0]), float(step), energies, fluence, filter_optical_depth,
                     float(error))
