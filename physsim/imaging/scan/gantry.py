"""The beam at the pixels of a detector that turns with its tube: the same in every view, but for the current.

Bowtie, heel effect, slant through filters and detector, and grid give each pixel a spectrum of its own. Spectra are
computed at nodes, every column and a few heights, and are linear in height between them. All of them are sums of a few
(empirical interpolation, as for grids in imaging.grid_field), so that what fewer energies need is found once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.counting_table import mean_counts
from physsim.imaging.detector.table import depends_on_slant, moments_at
from physsim.imaging.field import node_spectra, rays_of_rows
from physsim.imaging.grid_field import arrivals, inverse_of
from physsim.imaging.nodes import chebyshev, in_order, lagrange
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.spectra.quantities import transmission
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.readout import CountingReadout
from physsim.transport.angle_smoother import product
from physsim.units import CM2_PER_MM2, MM_PER_M

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Tube = tuple[Floats, Floats, tuple[float, float] | None, Floats]  # see node_spectra

QUANTITIES = ("signal", "square")  # keV and keV^2 that photons add to the signal; counts by bin of one that counts
_LINEAR = 2e-5  # largest error of the open signal between two heights
_TOLERANCE = 3e-6  # largest error of a sum of spectra at an energy, over the largest value of any
_MOST_ANCHORS = 40
_PROBED = 9, 65  # heights and columns among which anchors are looked for
_SLANTS = 7


@dataclass(frozen=True, eq=False)
class Gantry:
    """energies_kev: (E,). anchors: (QUANTITIES, anchors, E) spectra, per mm2 and mAs at 1 m; of a counting detector
    the bins' counts in place of QUANTITIES. mix: (nodes, anchors), the
    sum of anchors at each node; nodes count along the heights of a column first. position: (rows, columns) float32
    place of each pixel among nodes. factor: (rows, columns) float32, inverse square, obliquity and area. photons:
    through the whole detector without object and grid, per mAs.
    """

    energies_kev: Floats
    anchors: Floats
    mix: Floats
    position: Images
    factor: Images
    photons: float

    def open_field(self) -> Floats:
        """(QUANTITIES, rows, columns) float64 per mAs without an object: keV and keV^2 a pixel."""
        return self.behind(np.zeros((1, self.energies_kev.size)))[:, 0]

    def behind(self, depths: Floats) -> Floats:
        """(QUANTITIES, depths, rows, columns) per mAs behind `depths` (depths, E): exponents of what attenuates."""
        return self.between(self.at_nodes(depths)) * self.factor.astype(np.float64)

    def at_nodes(self, depths: Floats) -> Floats:
        """(QUANTITIES, depths, nodes) of a pixel of factor 1."""
        behind = transmission(depths)
        sums = in_order(np.moveaxis(self.anchors[:, None] * behind[None, :, None], 3, 0))  # (..., depths, anchors)
        flat = sums.reshape(-1, sums.shape[2])
        return np.asarray(product(flat, np.ascontiguousarray(self.mix.T)).reshape(*sums.shape[:2], len(self.mix)))

    def between(self, nodes: Floats) -> Floats:
        """(..., rows, columns) of values (..., nodes), linear between heights as the kernel has it."""
        lower = np.minimum(self.position.astype(np.int64), nodes.shape[-1] - 2)
        share = self.position.astype(np.float64) - lower
        return np.asarray(nodes[..., lower] * (1.0 - share) + nodes[..., lower + 1] * share)


def gantry(protocol: Protocol, view: Geometry) -> Gantry:
    """Of a protocol's beam and detector in one view of its scan; kept for the beams met last.

    Raises InvalidInput for pixels that the anode's heel leaves dark, and where a spectrum changes so much over the
    detector that no sum of a few describes it.
    """
    beam = protocol.replace(mas=1.0, reconstruction=None)
    poses = (view.source_mm, view.centre_mm, view.u, view.v)
    return _gantry(beam.to_json(), view.rows, view.columns, view.pixel_mm, view.radius_mm,
                   b"".join(pose.tobytes() for pose in poses))


@lru_cache(maxsize=4)
def _gantry(beam: str, rows: int, columns: int, pixel_mm: tuple[float, float], radius_mm: float | None,
            poses: bytes) -> Gantry:
    protocol = Protocol.from_json(beam)
    source, centre, u, v = np.frombuffer(poses).reshape(4, 1, 3)
    view = Geometry(source_mm=source, centre_mm=centre, u=u, v=v, rows=rows, columns=columns, pixel_mm=pixel_mm,
                    radius_mm=radius_mm)
    sines = rays_of_rows(protocol, view, 0, slice(0, view.rows)).takeoff_sine
    tube = node_spectra(protocol, None if sines is None else (float(sines.min()), float(sines.max())))
    heights = _heights(protocol, view, tube)
    few = _at_heights(view, min(heights, _PROBED[0]), min(view.columns, _PROBED[1]))
    energies, arriving, spectra = _spectra(protocol, few, tube)
    chosen, places = _anchors(spectra)
    anchors = np.ascontiguousarray(spectra[:, chosen])
    # The shares of every node make the sum exact where an anchor was chosen for: no more energies are needed there.
    quantity, energy = np.divmod(places, energies.size)
    _, _, there = _spectra(protocol, _at_heights(view, heights, view.columns), tube, energy)
    known = there[quantity, :, np.arange(len(places))].T
    mix = product(np.ascontiguousarray(known), inverse_of(anchors[quantity, :, energy].T))
    rays = rays_of_rows(protocol, view, 0, slice(0, view.rows))
    area = view.pixel_mm[0] * view.pixel_mm[1]
    factor = rays.cosine * (MM_PER_M / rays.distance_mm) ** 2 * area
    by_node = product(np.ascontiguousarray(mix), in_order(np.ascontiguousarray(arriving[chosen].T))[:, None])[:, 0]
    made = Gantry(energies, anchors, mix, _position(view, heights), factor.astype(np.float32), 0.0)
    per_pixel = made.between(by_node) * made.factor
    return dataclasses.replace(made, photons=float(in_order(np.ascontiguousarray(in_order(per_pixel)))))


def _heights(protocol: Protocol, view: Geometry, tube: Tube) -> int:
    """The fewest, from 2 to as many as rows, between which the open signal is linear within _LINEAR."""
    if view.rows == 1:
        return 2
    three = min(3, view.columns)
    exact = _signal(protocol, _at_heights(view, view.rows, three), tube)  # (signals, columns, rows)
    place = np.arange(view.rows) / (view.rows - 1)
    count = 2
    while count < view.rows:
        known = _signal(protocol, _at_heights(view, count, three), tube)
        lower = np.minimum((place * (count - 1)).astype(int), count - 2)
        share = place * (count - 1) - lower
        between = known[..., lower] * (1.0 - share) + known[..., lower + 1] * share
        if (np.abs(between - exact) <= _LINEAR * exact).all():
            return count
        count = 2 * count - 1
    return view.rows


def _signal(protocol: Protocol, nodes: Geometry, tube: Tube) -> Floats:
    """(signals, columns, heights) of a pixel of factor 1: one signal, or the counts of each bin."""
    _, _, spectra = _spectra(protocol, nodes, tube)
    wanted = spectra if protocol.energy_bins else spectra[:1]
    return in_order(np.ascontiguousarray(np.moveaxis(wanted, 2, 0))).reshape(-1, nodes.columns, nodes.rows)


def _at_heights(view: Geometry, heights: int, columns: int) -> Geometry:
    """The detector's outline with so many rows and columns, the outer ones where its own outer ones are."""
    def pitch(pixels: int, own: float, wanted: int) -> float:
        return max(pixels - 1, 1) * own / max(wanted - 1, 1)

    return dataclasses.replace(view, rows=heights, columns=columns, pixel_mm=(
        pitch(view.columns, view.pixel_mm[0], columns), pitch(view.rows, view.pixel_mm[1], heights)))


def _spectra(protocol: Protocol, nodes: Geometry, tube: Tube,
             some: NDArray[np.int64] | None = None) -> tuple[Floats, Floats, Floats]:
    """Energies (or `some` of them, by number); photons that arrive (nodes, E) and what the detector sees of them
    (QUANTITIES, nodes, E), per mm2 and mAs at 1 m; nodes count along a column first."""
    rays = rays_of_rows(protocol, nodes, 0, slice(0, nodes.rows))
    energies, filter_depth, heel, of_tube = tube
    if some is not None:
        energies, filter_depth, of_tube = energies[some], filter_depth[some], np.ascontiguousarray(of_tube[:, some])

    def listed(values: Floats) -> Floats:  # (heights, columns, ...) -> (nodes, ...)
        return np.ascontiguousarray(np.moveaxis(values, 0, 1).reshape(-1, *values.shape[2:]))

    if heel is None or rays.takeoff_sine is None:
        fluence = np.broadcast_to(of_tube[0], (nodes.columns * nodes.rows, energies.size))
    else:
        place = np.clip((listed(rays.takeoff_sine) - heel[0]) / heel[1], 0.0, len(of_tube) - 1.0)
        lower = np.minimum(place.astype(int), len(of_tube) - 2)
        share = (place - lower)[:, None]
        fluence = of_tube[lower] * (1.0 - share) + of_tube[lower + 1] * share
    bowtie = protocol.spectrum.bowtie
    depth = (listed(rays.filter_slant)[:, None] - 1.0) * filter_depth
    if bowtie is not None:
        depth = depth + listed(rays.bowtie_mm)[:, None] * linear_attenuation_per_mm(bowtie.substance, energies)
    arriving = fluence * transmission(depth) * CM2_PER_MM2
    seen = arriving
    if protocol.anti_scatter_grid is not None:
        strips = protocol.anti_scatter_grid
        strips = strips if nodes.radius_mm is None else strips.bent(nodes.radius_mm)
        direction, spot = arrivals(nodes, 0, (slice(0, nodes.rows), slice(0, nodes.columns)))
        seen = arriving * strips.transmission(energies, listed(direction)[:, None], listed(spot)[:, None])
    return energies, arriving, seen * _moments(protocol, energies, 1.0 / listed(rays.cosine))


def _moments(protocol: Protocol, energies: Floats, slants: Floats) -> Floats:
    """(QUANTITIES, nodes, E) of a photon, by the polynomial through a few slants."""
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


def _anchors(spectra: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the nodes whose sums give all others of spectra (quantities, nodes, E), and at which places (quantity
    x E + energy) these sums are exact."""
    signal = in_order(np.ascontiguousarray(spectra[0].T))  # (nodes,): dim nodes count as much as bright ones
    if not (signal > 0.0).all():
        raise InvalidInput(message(
            "the detector", f"the anode's heel leaves {100.0 * float((signal <= 0.0).mean()):.2g} % of it without beam",
            "Take fewer rows, a larger anode_angle_deg, or another side for the cathode."))
    shapes = spectra / signal[:, None]
    table = np.concatenate(list(shapes / shapes.max(axis=(1, 2), keepdims=True)), axis=1)  # (nodes, quantities x E)
    nodes: list[int] = []
    places: list[int] = []
    rest = table
    while not nodes or float(np.abs(rest).max()) > _TOLERANCE:
        if len(nodes) == min(_MOST_ANCHORS, *table.shape):
            raise InvalidInput(message(
                "the beam over the detector",
                f"{len(nodes)} spectra describe it within {float(np.abs(rest).max()):.1e}",
                "Look at the bowtie's shape and the fan, or take a smaller detector."))
        node, place = divmod(int(np.abs(rest).argmax()), rest.shape[1])
        nodes.append(node)
        places.append(place)
        shares = product(np.ascontiguousarray(table[:, places]), inverse_of(table[np.ix_(nodes, places)]))
        rest = table - product(shares, table[nodes])
    return np.array(nodes), np.array(places)


def _position(view: Geometry, heights: int) -> Images:
    """(rows, columns): heights x column + place among the column's heights."""
    place = np.full(1, 0.5) if view.rows == 1 else np.arange(view.rows) * ((heights - 1) / (view.rows - 1))
    return np.asarray(place[:, None] + heights * np.arange(view.columns)[None, :], np.float32)
