"""The rays of one pose that light the pixels: how long and how slant they are, what they meet before the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.imaging.nodes import chebyshev, lagrange
from physsim.physics.spectra.tube import bin_edges_kev, takeoff_sine
from physsim.spec.fan import tube_axes
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.transport.ordered import product

Floats = NDArray[np.float64]
HEEL_NODES = 65  # spectra computed by the tube model, cubics between them
SLANTS = 7  # through the filters, between which their optical depth is a polynomial


@dataclass(frozen=True, eq=False)
class Rays:
    """What the rays of one pose are like, each (rows, columns) float64.

    `distance_mm`: source to pixel. `cosine`: of the angle to the detector's normal there. `filter_slant`: 1 / cos of
    the angle to the central ray (through the detector's centre). `takeoff_sine`: of the angle to the target's surface,
    or None without a tube. `bowtie_mm`: path through the bowtie, 0 without one.
    """

    distance_mm: Floats
    cosine: Floats
    filter_slant: Floats
    takeoff_sine: Floats | None
    bowtie_mm: Floats


def middles_mm(pixels: int, pixel_mm: float) -> Floats:
    """(pixels,) of the pixels' middles from the detector's, along an axis."""
    return np.asarray((np.arange(pixels) - 0.5 * (pixels - 1)) * pixel_mm)


def rays_to(protocol: Protocol, pose: Geometry, across_mm: Floats, along_mm: Floats) -> Rays:
    """The rays of one view to places `along_mm` (rows,) and `across_mm` (columns,) from the detector's middle, the
    latter along the arc of a curved one."""
    travel = pose.surface_mm(0, across_mm[None, :], along_mm[:, None]) - pose.source_mm[0]
    x, y, z = travel[..., 0], travel[..., 1], travel[..., 2]

    def along(axis: Floats) -> Floats:
        return np.asarray(x * axis[..., 0] + y * axis[..., 1] + z * axis[..., 2])

    distance = np.sqrt(x * x + y * y + z * z)
    central, cathode, across = tube_axes(pose, protocol.cathode or "v+")
    sine = None
    if protocol.cathode is not None and protocol.spectrum.anode_angle_deg is not None:
        angle = protocol.spectrum.anode_angle_deg
        normal = float(takeoff_sine(angle, 0.0)) * central + float(takeoff_sine(90.0 - angle, 0.0)) * cathode
        sine = along(normal) / distance
    bowtie, path = protocol.spectrum.bowtie, np.zeros(distance.shape)
    if bowtie is not None and protocol.cathode is not None:
        ahead, aside = along(central), along(across)
        fan_deg = portable.arctan(aside / ahead) * (180.0 / np.pi)
        path = bowtie.path_mm(fan_deg) * (distance / np.sqrt(ahead * ahead + aside * aside))
    upright = along(detector_normal(pose, across_mm))
    return Rays(distance, upright / distance, distance / along(central), sine, path)


def detector_normal(pose: Geometry, across_mm: Floats) -> Floats:
    """(n, 3) at right angles to the detector of one view, away from the source, `across_mm` (n,) from its middle along
    the arc of a curved one."""
    normal, u = pose.normal[0], pose.u[0]
    if pose.radius_mm is None:
        return np.broadcast_to(normal, (len(across_mm), 3))
    angle = (across_mm / pose.radius_mm)[:, None]
    return np.asarray(np.cos(angle) * normal + np.sin(angle) * u)


def arrivals(pose: Geometry, across_mm: Floats, along_mm: Floats) -> tuple[Floats, Floats]:
    """Directions (rows, columns, 3) of the rays to the places of `rays_to`, along (u, v, normal) where they meet the
    detector, and the places (rows, columns, 2) in mm from its centre along (u, v); on a curved one in the frame that
    stands there, u being 0.
    """
    travel = pose.surface_mm(0, across_mm[None, :], along_mm[:, None]) - pose.source_mm[0]
    x, y, z = travel[..., 0], travel[..., 1], travel[..., 2]
    u, v, normal = (axis[0] for axis in (pose.u, pose.v, pose.normal))
    by_axis = [x * axis[0] + y * axis[1] + z * axis[2] for axis in (u, v, normal)]
    across, down = (np.broadcast_to(one, travel.shape[:2]) for one in (across_mm[None, :], along_mm[:, None]))
    if pose.radius_mm is not None:
        angle = across / pose.radius_mm
        sine, cosine = np.sin(angle), np.cos(angle)
        by_axis = [by_axis[0] * cosine - by_axis[2] * sine, by_axis[1], by_axis[2] * cosine + by_axis[0] * sine]
        across = np.zeros_like(across)
    return np.stack(by_axis, -1), np.stack([across, down], -1)


@dataclass(frozen=True, eq=False)
class Tube:
    """energies_kev: (E,). fluence: (nodes, E) per cm2 and mAs at 1 m, filters upright. heel: sine of the first node and
    the step to the next, None for one. slants: (SLANTS,) and depth: (SLANTS, E), what slant filters take more."""

    energies_kev: Floats
    fluence: Floats
    heel: tuple[float, float] | None
    slants: Floats
    depth: Floats

    def some(self, energies: NDArray[np.int64]) -> Tube:
        """Of some energies, by number."""
        return Tube(self.energies_kev[energies], np.ascontiguousarray(self.fluence[:, energies]), self.heel,
                    self.slants, np.ascontiguousarray(self.depth[:, energies]))

    def behind_filters(self, sine: Floats | None, slant: Floats) -> tuple[Floats, Floats]:
        """Fluence (rays, E) at sines of the take-off angle (rays,), cubic between nodes, and the further optical depth
        (rays, E) of filters met at `slant` (rays,)."""
        if self.heel is None or sine is None:
            fluence = np.broadcast_to(self.fluence[0], (len(slant), self.energies_kev.size))
        else:
            place = np.clip((sine - self.heel[0]) / self.heel[1], 0.0, len(self.fluence) - 1.0)
            first = np.clip(place.astype(int) - 1, 0, len(self.fluence) - 4)
            fluence = np.zeros((len(slant), self.energies_kev.size))
            for step, share in enumerate(lagrange(np.arange(4.0), place - first)):
                fluence += share[:, None] * self.fluence[first + step]
            fluence = np.maximum(fluence, 0.0)
        shares = np.stack(lagrange(self.slants, slant), axis=1)
        return fluence, product(np.ascontiguousarray(shares), self.depth)


def tube_of(protocol: Protocol, sines: tuple[float, float] | None, most_slant: float) -> Tube:
    """The protocol's tube between two sines of the take-off angle, or its spectrum as it is for None; for slants
    through the filters of up to `most_slant`."""
    beam = protocol.spectrum
    slants = 1.0 + (most_slant - 1.0) * chebyshev(SLANTS)
    if sines is None:
        bins = beam.replace(bowtie=None).sample()
        energies, edges, fluence, heel = bins.energies_kev, bins.edges_kev, bins.fluence[None], None
    else:
        table = beam.heel_between(*sines, nodes=HEEL_NODES)
        assert beam.kvp is not None
        assert beam.bin_kev is not None
        energies, edges = table.energies_kev, bin_edges_kev(beam.kvp, beam.bin_kev)
        fluence, heel = table.fluence, (table.sine_start, table.sine_step)
    upright = beam.filter_optical_depth(edges)
    depth = np.stack([beam.filter_optical_depth(edges, slant) - upright for slant in slants.tolist()])
    return Tube(energies, np.ascontiguousarray(fluence), heel, slants, depth)


def central_fluence(protocol: Protocol, energies_kev: Floats) -> Floats:
    """(E,) photons per cm2 and mAs at 1 m on the central ray, behind the filters and the bowtie's middle."""
    bins = protocol.spectrum.sample()
    return np.asarray(np.interp(energies_kev, bins.energies_kev, bins.fluence))


def peak_kv(protocol: Protocol) -> float:
    """Tube potential (kV), or the highest energy (keV) of a beam that comes from no tube."""
    spectrum = protocol.spectrum
    return float(spectrum.kvp if spectrum.kvp is not None else spectrum.sample().energies_kev[-1])
