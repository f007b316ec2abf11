"""The beam at the pixels without an object: where each ray goes, and by how much and with which spectrum it is filled.

A pixel's spectrum depends on four numbers of its ray: the sine of the take-off angle (heel effect), the slant through
the filters, the slant through the detector and the path through the bowtie. `BeamField` holds spectra at a few nodes of
these; every pixel lies between them. The heel is interpolated linearly between many nodes by the kernel that sums over
energies, the slants by polynomials between few nodes after it, the bowtie by the exponential of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.imaging.detector.table import depends_on_slant, moments_at
from physsim.imaging.grid_field import GridField, grid_field
from physsim.imaging.nodes import Depth, exponential, fewest_nodes, in_order, lagrange, polynomial, refined
from physsim.physics.attenuation import linear_attenuation_per_mm, mass_attenuation_cm2_g
from physsim.physics.spectra.cross_sections import air_absorption_cm2_g
from physsim.physics.spectra.quantities import transmission
from physsim.physics.spectra.tube import takeoff_sine
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.transport.windows import window_of
from physsim.units import CM2_PER_MM2, MM_PER_M, UGY_PER_KEV_PER_G

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

HEEL_NODES = 65  # spectra computed by the tube model; between them cubics fill in HEEL_REFINED times as many
HEEL_REFINED = 2
_STRIP_PIXELS = 1 << 15
_OUTPUTS = 2**28  # numbers (1 GB) of the views that are traced together
_PROBE_WATER_G_CM2 = 20.0  # the slant's error is looked at behind so much water too


@dataclass(frozen=True, eq=False)
class Rays:
    """What the rays of one view are like, each (rows, columns) float64.

    `distance_mm`: source to pixel. `cosine`: of the angle to the detector's normal. `filter_slant`: 1 / cos of the
    angle to the central ray (through the detector's centre). `takeoff_sine`: of the angle to the target's surface, or
    None without a tube. `bowtie_mm`: path through the bowtie, 0 without one.
    """

    distance_mm: Floats
    cosine: Floats
    filter_slant: Floats
    takeoff_sine: Floats | None
    bowtie_mm: Floats


def rays_of_rows(protocol: Protocol, geometry: Geometry, view: int, rows: slice) -> Rays:
    """The rays to some rows of pixels of one view; elementary operations only: its bits do not depend on the CPU."""
    pose = geometry[view]
    strip = window_of(pose, (rows, slice(0, geometry.columns)))
    travel = strip.pixel_centres_mm(0) - pose.source_mm[0]
    x, y, z = travel[..., 0], travel[..., 1], travel[..., 2]

    def along(axis: Floats) -> Floats:
        return np.asarray(x * axis[0] + y * axis[1] + z * axis[2])

    distance = np.sqrt(x * x + y * y + z * z)
    central = pose.centre_mm[0] - pose.source_mm[0]
    central = central / np.sqrt(central[0] ** 2 + central[1] ** 2 + central[2] ** 2)
    sine = None
    if protocol.cathode is not None and protocol.spectrum.anode_angle_deg is not None:
        angle = protocol.spectrum.anode_angle_deg
        cathode = _cathode_direction(protocol.cathode, pose, central)
        normal = float(takeoff_sine(angle, 0.0)) * central + float(takeoff_sine(90.0 - angle, 0.0)) * cathode
        sine = along(normal) / distance
    bowtie, path = protocol.spectrum.bowtie, np.zeros(distance.shape)
    if bowtie is not None and protocol.cathode is not None:
        # The fan opens across the tube's axis; its angles grow along u, or along v with the cathode at u.
        cathode = _cathode_direction(protocol.cathode, pose, central)
        across = np.cross(central, cathode)
        if float((across * (pose.v if protocol.cathode[0] == "u" else pose.u)[0]).sum()) < 0.0:
            across = -across
        ahead, aside = along(central), along(across)
        fan_deg = portable.arctan(aside / ahead) * (180.0 / np.pi)
        path = bowtie.path_mm(fan_deg) * (distance / np.sqrt(ahead * ahead + aside * aside))
    return Rays(distance, along(pose.normal[0]) / distance, distance / along(central), sine, path)


def strips(geometry: Geometry) -> Iterator[slice]:
    """The rows of a view, a few at a time, so that what is computed of them stays in the cache."""
    step = max(1, _STRIP_PIXELS // geometry.columns)
    for first in range(0, geometry.rows, step):
        yield slice(first, min(first + step, geometry.rows))


def _cathode_direction(side: str, pose: Geometry, central: Floats) -> Floats:
    axis = (pose.u if side[0] == "u" else pose.v)[0] * (1.0 if side[1] == "+" else -1.0)
    across = axis - (axis[0] * central[0] + axis[1] * central[1] + axis[2] * central[2]) * central
    return np.asarray(across / np.sqrt(across[0] ** 2 + across[1] ** 2 + across[2] ** 2))


@dataclass(frozen=True, eq=False)
class BeamField:
    """Spectra at nodes, and the way from nodes to pixels.

    `energies_kev`: (E,). `weights`: (outputs, heel nodes, E) float64, per mAs and at 1 m: what each energy adds to
    QUANTITIES, each at every pair of slant nodes, what the detector sees of them behind every component of the grid,
    all of these at every node of the bowtie. `heel`: (first sine, step) of the heel nodes, None for one node.
    """

    protocol: Protocol
    geometry: Geometry
    energies_kev: Floats
    weights: Floats
    heel: tuple[float, float] | None
    filter_nodes: Floats
    detector_nodes: Floats
    bowtie: Depth
    bowtie_nodes: Floats
    joint: bool
    grid: GridField | None

    def central_fluence(self) -> Floats:
        """(E,) photons per cm2 and mAs at 1 m on the central ray, behind the filters and the bowtie's middle."""
        bins = self.protocol.spectrum.sample()
        return np.asarray(np.interp(self.energies_kev, bins.energies_kev, bins.fluence))

    def position(self) -> NDArray[np.float32] | None:
        """(views, rows, columns) place of each pixel between the heel nodes, or None with one node."""
        if self.heel is None:
            return None
        places = np.empty(self.geometry.shape, np.float32)
        for view in range(len(self.geometry)):
            for rows in strips(self.geometry):
                sine = rays_of_rows(self.protocol, self.geometry, view, rows).takeoff_sine
                assert sine is not None
                places[view, rows] = np.clip((sine - self.heel[0]) / self.heel[1], 0.0, self.weights.shape[1] - 1)
        return places

    def groups(self) -> Iterator[slice]:
        """Views a few at a time, so that their outputs take a limited memory."""
        one = self.weights.shape[0] * self.geometry.rows * self.geometry.columns
        step = max(1, _OUTPUTS // one)
        for first in range(0, len(self.geometry), step):
            yield slice(first, min(first + step, len(self.geometry)))

    def layers(self, outputs: NDArray[np.float32], position: NDArray[np.float32] | None) -> Layers:
        """What the outputs, (views, outputs, rows, columns), and those without an object come to in each pixel, per
        mAs.
        """
        made = Layers(self.geometry.shape)
        self.add_layers(made, outputs, position, slice(0, len(self.geometry)))
        return made

    def add_layers(self, made: Layers, outputs: NDArray[np.float32], position: NDArray[np.float32] | None,
                   views: slice) -> None:
        """As `layers`, of some views: `outputs` are theirs, `position` and `made` of all."""
        sums = in_order(np.moveaxis(self.weights, 2, 0))
        for view in range(views.start, views.stop):
            for rows in strips(self.geometry):
                rays = rays_of_rows(self.protocol, self.geometry, view, rows)
                behind = [np.ones(1)] if self.grid is None else self.grid.shares(self.geometry, view, rows)
                free = _between(sums, None if position is None else position[view, rows], rays.distance_mm.shape)
                seen = [output[rows] for output in outputs[view - views.start]]
                spread = (MM_PER_M / rays.distance_mm) ** 2
                area = spread * rays.cosine * (self.geometry.pixel_mm[0] * self.geometry.pixel_mm[1])
                for target, mixed in zip((made.seen, made.free), self._mixed(rays, behind, (seen, free)), strict=True):
                    for name, sum_ in zip(QUANTITIES, mixed, strict=True):
                        target[name][view, rows] = sum_ * (spread if name == "air_kerma" else area)

    def _mixed(
        self, rays: Rays, behind: list[Floats], sets: Sequence[Sequence[NDArray[np.floating]]]
    ) -> list[list[Floats]]:
        """QUANTITIES per mm2 (air kerma: uGy), mAs and at 1 m, of each set of outputs: between the bowtie's nodes,
        polynomials in the slants, and the grid's shares `behind`.
        """
        count, depth = len(self.bowtie_nodes), self.bowtie.place(rays.bowtie_mm)
        sets = [[exponential(self.bowtie_nodes, outputs[first::len(outputs) // count], depth)
                 for first in range(len(outputs) // count)] if count > 1 else outputs for outputs in sets]
        by_filter = lagrange(self.filter_nodes, rays.filter_slant)
        by_detector = [np.ones(1)] if self.joint else lagrange(self.detector_nodes, 1.0 / rays.cosine)
        mixed = [[np.zeros(rays.distance_mm.shape) for _ in QUANTITIES] for _ in sets]
        number = 0
        for quantity, name in enumerate(QUANTITIES):
            detected = name in DETECTED
            for one in by_filter:
                for other in by_detector if detected else [np.ones(1)]:
                    for through in behind if detected else [np.ones(1)]:
                        share = one
                        for more in (other, through):
                            share = share if more.size == 1 else share * more
                        for total, outputs in zip(mixed, sets, strict=True):
                            total[quantity] += share * outputs[number]
                        number += 1
        return mixed


# Photons/mm2 before a grid; first and second moment (keV/mm2, keV^2/mm2) of what the detector makes of those behind it;
# uGy before a grid.
QUANTITIES = ("photons", "signal", "square", "air_kerma")
DETECTED = ("signal", "square")


class Layers:
    """Maps (views, rows, columns) float32 of QUANTITIES per pixel and mAs: photons, keV, keV^2, uGy; `seen` behind the
    object and `free` without it.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.seen, self.free = ({name: np.empty(shape, np.float32) for name in QUANTITIES} for _ in range(2))


def _between(sums: Floats, place: NDArray[np.float32] | None, shape: tuple[int, ...]) -> list[Floats]:
    """Node sums (outputs, nodes) at the pixels' places, linear between nodes as the kernel has it."""
    if place is None:
        return [np.full(shape, row[0]) for row in sums]
    lower = np.minimum(place.astype(np.int64), sums.shape[1] - 2)
    share = place.astype(np.float64) - lower
    return [row[lower] + share * (row[lower + 1] - row[lower]) for row in sums]


def beam_field(protocol: Protocol, geometry: Geometry) -> BeamField:
    """The field of `protocol` on the pixels of `geometry`.

    Raises InvalidInput where rays graze the detector so much that no polynomial describes its absorption.
    """
    filter_range, detector_range, bowtie_range, sines, joint = _ranges(protocol, geometry)
    energies, filter_depth, heel, fluence = node_spectra(protocol, sines)
    joint = joint or not depends_on_slant(protocol.detector)
    absorption = energies * air_absorption_cm2_g(energies) * UGY_PER_KEV_PER_G

    bowtie = protocol.spectrum.bowtie
    per_mm = np.zeros(energies.size) if bowtie is None else linear_attenuation_per_mm(bowtie.substance, energies)

    def spectra(filter_slant: float, detector_slant: float, bowtie_mm: float) -> Floats:  # (QUANTITIES, heel, E)
        here = fluence * transmission(filter_depth * (filter_slant - 1.0) + per_mm * bowtie_mm)
        first, second = moments_at(protocol.detector, energies, detector_slant).sum(axis=0)[:2]
        per_mm2 = here * CM2_PER_MM2
        return np.stack([per_mm2, per_mm2 * first, per_mm2 * second, here * absorption])

    behind = transmission(mass_attenuation_cm2_g("water", energies) * _PROBE_WATER_G_CM2)
    least = (filter_range[0], detector_range[0], bowtie_range[0])
    filter_nodes = fewest_nodes(filter_range, lambda slant: spectra(slant, slant if joint else least[1], least[2]),
                                behind, polynomial, "the slant through the filters")
    detector_nodes = np.array([least[1]]) if joint else fewest_nodes(
        detector_range, lambda slant: spectra(least[0], slant, least[2]), behind, polynomial,
        "the slant through the detector")
    depth = Depth(*bowtie_range)
    bowtie_nodes = fewest_nodes(
        depth.limits, lambda place: spectra(least[0], least[0] if joint else least[1], depth.mm(place)), behind,
        exponential, "the path (log mm) through the bowtie")
    grid = None if protocol.anti_scatter_grid is None else grid_field(protocol.anti_scatter_grid, geometry, energies)
    through = np.ones((1, energies.size)) if grid is None else grid.components
    weights = []
    for path in map(depth.mm, bowtie_nodes.tolist()):
        table = [[spectra(slant, slant if joint else other, path) for other in detector_nodes.tolist()]
                 for slant in filter_nodes.tolist()]
        for quantity, name in enumerate(QUANTITIES):
            for row in table:
                if name in DETECTED:
                    weights += [one[quantity] * part for one in row for part in through]
                else:
                    weights.append(row[0][quantity])
    return BeamField(protocol, geometry, energies, np.stack(weights), heel, filter_nodes, detector_nodes, depth,
                     bowtie_nodes, joint, grid)


Range = tuple[float, float]


def _ranges(protocol: Protocol, geometry: Geometry) -> tuple[Range, Range, Range, Range | None, bool]:
    """Least and greatest filter slant, detector slant, bowtie path (mm) and sine of the take-off; whether both slants
    are the same.
    """
    filters, detectors, paths, sines, joint = [], [], [], [], True
    for view, rows in itertools.product(range(len(geometry)), strips(geometry)):
        rays = rays_of_rows(protocol, geometry, view, rows)
        slant = 1.0 / rays.cosine
        filters += [rays.filter_slant.min(), rays.filter_slant.max()]
        detectors += [slant.min(), slant.max()]
        paths += [rays.bowtie_mm.min(), rays.bowtie_mm.max()]
        joint = joint and bool(np.abs(slant / rays.filter_slant - 1.0).max() < 1e-12)
        if rays.takeoff_sine is not None:
            sines += [rays.takeoff_sine.min(), rays.takeoff_sine.max()]

    def ends(found: list[np.floating]) -> Range:
        return float(min(found)), float(max(found))

    return ends(filters), ends(detectors), ends(paths), ends(sines) if sines else None, joint


def node_spectra(protocol: Protocol, sines: tuple[float, float] | None) -> tuple[Floats, Floats,
                                                                                 tuple[float, float] | None, Floats]:
    """Energies, the filters' optical depth, heel nodes (first sine, step) or None, fluence (nodes, E) per cm2, mAs."""
    beam = protocol.spectrum
    if sines is None:
        bins = beam.replace(bowtie=None).sample()
        return bins.energies_kev, beam.filter_optical_depth(bins.edges_kev), None, bins.fluence[None]
    table = beam.heel_between(*sines, nodes=HEEL_NODES)
    fine, step = refined(table.fluence, HEEL_REFINED), table.sine_step / HEEL_REFINED
    return table.energies_kev, table.filter_optical_depth, (table.sine_start, step), fine
