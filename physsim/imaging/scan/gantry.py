"""The beam at the pixels of a detector in one pose to its tube: in a scan the same in every view, but for the current.

Bowtie, heel effect, slant through filters and detector, and grid give each pixel a spectrum of its own. How much there
is of it without an object is known in every pixel; its shape at nodes, every column and a few heights, linear in height
between them. All shapes are sums of a few (empirical interpolation: rays and energies are taken where the sum of those
before errs most), so that what fewer energies need is found once.
Reference: M. Barrault et al., C. R. Acad. Sci. Paris I 339 (2004) 667.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import Tube, arrivals, detector_normal, middles_mm, rays_to, tube_of
from physsim.imaging.detector.counting_table import mean_counts
from physsim.imaging.detector.table import depends_on_slant, moments_at
from physsim.imaging.nodes import chebyshev, inverse_of, lagrange
from physsim.imaging.totals import total
from physsim.physics.attenuation import linear_attenuation_per_mm, mass_attenuation_cm2_g
from physsim.physics.spectra.cross_sections import air_absorption_cm2_g
from physsim.physics.spectra.quantities import transmission
from physsim.portable import log
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.readout import CountingReadout
from physsim.transport.angle_smoother import product
from physsim.transport.basis import in_order
from physsim.units import CM2_PER_MM2, MM_PER_M, UGY_PER_KEV_PER_G

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Places = tuple[Floats, Floats]  # mm across (columns,) and along (rows,)
_Poses = tuple[int, int, tuple[float, float], float | None, bytes]  # rows, columns, pixel_mm, radius_mm, poses

QUANTITIES = ("photons", "signal", "square", "air_kerma")
SIGNAL, COUNTS = ("signal", "square"), ("counts",)  # all that a scan asks for; of a detector that counts: by bin
_LINEAR = 5e-6  # largest error of the beam's shape between two heights, of its signals open and behind water
_CUBIC = 1e-6  # and of how much there is of it
_PROBE_DEPTH = 4.0  # -ln of the transmission of the water behind which it is looked at
_TOLERANCE = 3e-7  # largest error of a sum of spectra at an energy, over the largest value of any
_MOST_ANCHORS = 40
_HEIGHTS_LOOKED_AT, _FEWEST_ROWS = 65, 33  # fewer rows are heights themselves
_PROBED = 65, 17  # columns and heights among which anchors are looked for
_SLANTS, _SINES = 7, 65
_VIEWS_LOOKED_AT = 5  # of several
_LOOKED_AT = 3, 5  # columns and heights whose spectra fewer energies must do for
_DARK = 1e-9  # of the brightest node: shadows of the anode


@dataclass(frozen=True, eq=False)
class Gantry:
    """quantities: names of QUANTITIES, or COUNTS. energies_kev: (E,). anchors: (quantities or bins, anchors, E) spectra
    of pixels whose open signal is 1 keV, or 1 count in all bins; air kerma as if it were as oblique as the signal. mix:
    (nodes, anchors), the sum of anchors at each node; nodes count along the heights of a column first. looked_at:
    (quantities, some, E) such spectra of places all over the detector, for which fewer energies must do too (mix may
    cancel much of large anchors). arriving: (anchors,) photons before the grid.

    position: (rows, columns) float32 place of each pixel among its column's nodes. factor: (rows, columns) float32, the
    open signal (keV or counts per mAs). upright: (rows, columns) of the air kerma over one as oblique as the signal, 1
    / mm2 of a pixel seen from the source.
    """

    quantities: tuple[str, ...]
    energies_kev: Floats
    anchors: Floats
    mix: Floats
    looked_at: Floats
    arriving: Floats
    position: Images
    factor: Images
    upright: Images

    def photons(self) -> float:
        """Through the whole detector without object and grid, per mAs."""
        return total(self.between(product(self.mix, self.arriving[:, None])[:, 0]) * self.factor)

    def open_field(self) -> Floats:
        """(quantities, rows, columns) float64 per mAs without an object: photons, keV, keV^2 a pixel, uGy."""
        return self.behind(np.zeros((1, self.energies_kev.size)))[:, 0]

    def behind(self, depths: Floats) -> Floats:
        """(quantities, depths, rows, columns) per mAs behind `depths` (depths, E): exponents of what attenuates."""
        found = self.between(self.at_nodes(depths))
        found *= self.factor
        if "air_kerma" in self.quantities:
            found[self.quantities.index("air_kerma")] *= self.upright
        return found

    def at_nodes(self, depths: Floats) -> Floats:
        """(quantities, depths, nodes) of a pixel of factor 1."""
        behind = transmission(depths)
        sums = in_order(np.moveaxis(self.anchors[:, None] * behind[None, :, None], 3, 0))  # (..., depths, anchors)
        flat = sums.reshape(-1, sums.shape[2])
        return np.asarray(product(flat, np.ascontiguousarray(self.mix.T)).reshape(*sums.shape[:2], len(self.mix)))

    def between(self, nodes: Floats) -> Floats:
        """(..., rows, columns) of values (..., nodes), linear between heights as the kernel has it."""
        columns = self.position.shape[1]
        heights = nodes.shape[-1] // columns
        place = self.position[:, 0].astype(np.float64)
        lower = np.minimum(place.astype(np.int64), heights - 2)
        share = (place - lower)[:, None]
        listed = np.ascontiguousarray(np.swapaxes(nodes.reshape(*nodes.shape[:-1], columns, heights), -1, -2))
        found = listed[..., lower, :]
        found *= 1.0 - share
        found += listed[..., lower + 1, :] * share
        return np.asarray(found)


def gantry(protocol: Protocol, views: Geometry, quantities: tuple[str, ...] = SIGNAL, number: int = 0) -> Gantry:
    """Of a protocol's beam and detector in view `number` of `views`, which share what can be shared; kept for the beams
    met last. `quantities`: the signal among them.

    Raises InvalidInput for pixels of a scan that the anode's heel leaves dark, and where a spectrum changes so much
    over the detector that no sum of a few describes it.
    """
    quantities = COUNTS if protocol.energy_bins else quantities
    beam = protocol.replace(mas=1.0, exposure_control=None, reconstruction=None)
    poses = (views.source_mm, views.centre_mm, views.u, views.v)
    key = (views.rows, views.columns, views.pixel_mm, views.radius_mm, b"".join(pose.tobytes() for pose in poses))
    return _gantry(beam.to_json(), key, number, quantities)


def sines_of(protocol: Protocol, geometry: Geometry) -> tuple[float, float] | None:
    """The least and greatest sine of the take-off angle of rays to the pixels of all views; None without a tube."""
    found = []
    for view in range(len(geometry)):
        sines = rays_to(protocol, geometry[view], *_outline(geometry, _SINES, _SINES)).takeoff_sine
        if sines is None:
            return None
        found += [float(sines.min()), float(sines.max())]
    return min(found), max(found)


@lru_cache(maxsize=4)
def _gantry(beam: str, views: _Poses, number: int, quantities: tuple[str, ...]) -> Gantry:
    protocol, geometry = Protocol.from_json(beam), _geometry(views)
    view = geometry[number]
    few = _anchors_of(beam, views, quantities)
    tube = _tube(beam, sines_of(protocol, geometry), few.most_slant)
    place = _place(protocol, view, tube, quantities)
    every, along = _middles(view)
    heights = _heights(place, along)
    # The shares of every node make the sum exact where an anchor was chosen for: no more energies are needed there.
    quantity, energy = np.divmod(few.places, tube.energies_kev.size)
    _, _, there = _spectra(protocol, view, (every, heights), tube, quantities, energy)
    known = there[quantity, :, np.arange(len(few.places))].T
    mix = product(np.ascontiguousarray(known), inverse_of(few.anchors[quantity, :, energy].T))  # (nodes, anchors)
    signal = in_order(mix.T)
    mix = mix / np.where(signal > 0.0, signal, np.inf)[:, None]
    spread, cosine = _spread(view)
    seen = spread * cosine * (view.pixel_mm[0] * view.pixel_mm[1])
    factor = _cubic(signal.reshape(view.columns, len(heights)).T, heights, along) * seen
    return Gantry(quantities, tube.energies_kev, few.anchors, mix, few.looked_at, few.arriving,
                  np.repeat(place[:, None], view.columns, axis=1).astype(np.float32), factor.astype(np.float32),
                  (spread / seen).astype(np.float32))


@dataclass(frozen=True, eq=False)
class _Anchors:
    """anchors, looked_at: see Gantry. arriving: (anchors,) photons by keV of the signal. places: quantity x E + energy
    where sums of anchors are exact. most_slant: through the filters."""

    anchors: Floats
    looked_at: Floats
    arriving: Floats
    places: NDArray[np.int64]
    most_slant: float


@lru_cache(maxsize=8)
def _anchors_of(beam: str, views: _Poses, quantities: tuple[str, ...]) -> _Anchors:
    """Of all views together, by some of them, so that what fewer energies need is found once."""
    protocol, geometry = Protocol.from_json(beam), _geometry(views)
    slants = [rays_to(protocol, geometry[view], *_outline(geometry, 2, 2)).filter_slant.max()
              for view in range(len(geometry))]
    most_slant = 0.5 * float(np.ceil(2.0 * max(slants)))
    tube = _tube(beam, sines_of(protocol, geometry), most_slant)
    found: list[Floats] = []
    reached: list[Floats] = []
    far: list[NDArray[np.int64]] = []
    for view in _few(len(geometry), _VIEWS_LOOKED_AT).tolist():
        across, along = (axis[_few(len(axis), most)] for axis, most in zip(_middles(geometry[view]), _PROBED,
                                                                           strict=True))
        _, arriving, spectra = _spectra(protocol, geometry[view], (across, along), tube, quantities)
        far.append(_spread_out(len(across), len(along)) + sum(one.shape[1] for one in found))
        found.append(spectra)
        reached.append(arriving)
    spectra, arriving = np.concatenate(found, axis=1), np.concatenate(reached)
    signals = _signals(spectra, quantities)  # (nodes,): dim nodes count as much as bright ones
    chosen, places = _chosen(spectra, signals, protocol.rotation is not None)
    opened, all_over = signals[chosen], np.concatenate(far)
    return _Anchors(np.ascontiguousarray(spectra[:, chosen] / opened[:, None]),
                    np.ascontiguousarray(spectra[:, all_over] / np.maximum(signals[all_over], 1e-300)[:, None]),
                    in_order(arriving[chosen].T) / opened, places, most_slant)


def _geometry(views: _Poses) -> Geometry:
    rows, columns, pixel_mm, radius_mm, poses = views
    source, centre, u, v = np.frombuffer(poses).reshape(4, -1, 3)
    return Geometry(source_mm=source, centre_mm=centre, u=u, v=v, rows=rows, columns=columns, pixel_mm=pixel_mm,
                    radius_mm=radius_mm)


def _middles(view: Geometry) -> Places:
    return middles_mm(view.columns, view.pixel_mm[0]), middles_mm(view.rows, view.pixel_mm[1])


@lru_cache(maxsize=8)
def _tube(beam: str, sines: tuple[float, float] | None, most_slant: float) -> Tube:
    return tube_of(Protocol.from_json(beam), sines, most_slant)


def _spread(view: Geometry) -> tuple[Floats, Floats]:
    """(rows, columns) inverse square of the distance from the source in m, and cosine of the angle to the detector."""
    across, along = (middles_mm(*one) for one in ((view.columns, view.pixel_mm[0]), (view.rows, view.pixel_mm[1])))
    travel = view.surface_mm(0, across, 0.0) - view.source_mm[0]  # (columns, 3)
    squared, ahead, up = ((one * other)[:, 0] + (one * other)[:, 1] + (one * other)[:, 2] for one, other in (
        (travel, travel), (travel, view.v[0]), (travel, detector_normal(view, across))))
    down = along[:, None]
    squared = squared + down * (2.0 * ahead + down)
    return MM_PER_M**2 / squared, up / np.sqrt(squared)


def _few(count: int, most: int) -> NDArray[np.int64]:
    """`most` numbers below `count`, evenly, first and last among them."""
    return np.unique(np.rint(np.linspace(0, count - 1, min(count, most))).astype(np.int64))


def _spread_out(columns: int, heights: int) -> NDArray[np.int64]:
    """Numbers of _LOOKED_AT columns x heights among nodes that count along the heights of a column first."""
    return (_few(columns, _LOOKED_AT[0])[:, None] * heights + _few(heights, _LOOKED_AT[1])[None, :]).ravel()


def _outline(geometry: Geometry, columns: int, rows: int) -> Places:
    """So many columns and rows at most, evenly, the outer ones where the detector's own are."""
    across, along = (middles_mm(*one) for one in (
        (geometry.columns, geometry.pixel_mm[0]), (geometry.rows, geometry.pixel_mm[1])))
    return across[_few(len(across), columns)], along[_few(len(along), rows)]


def _place(protocol: Protocol, view: Geometry, tube: Tube, quantities: tuple[str, ...]) -> Floats:
    """(rows,) of each row among heights 0, 1, ... n, which lie dense where the beam changes much: between them its
    shape is linear within _LINEAR, and its signal cubic within _CUBIC, by their second and fourth differences."""
    if view.rows == 1:
        return np.full(1, 0.5)
    own = np.arange(float(view.rows))
    if view.rows < _FEWEST_ROWS:
        return own
    rows = np.linspace(0.0, view.rows - 1.0, min(view.rows, _HEIGHTS_LOOKED_AT))
    across = _outline(view, 3, 1)[0]
    few = COUNTS if quantities == COUNTS else SIGNAL
    energies, _, spectra = _spectra(protocol, view, (across, (rows - rows.mean()) * view.pixel_mm[1]), tube, few)
    behind = _behind_water(energies, in_order(_bright(spectra, few)))

    def placed(values: Floats) -> Floats:  # (..., nodes) -> (heights, columns, ...)
        return np.moveaxis(values.reshape(*values.shape[:-1], len(across), len(rows)), (-1, -2), (0, 1))

    opened = placed(_signals(spectra, few))
    both = in_order(np.moveaxis(np.concatenate([spectra, spectra * behind]), -1, 0))
    shape = placed(both) / np.maximum(opened, 1e-300)[..., None]
    bend = np.abs(np.diff(shape, 2, axis=0)) / np.maximum(shape[1:-1], 1e-300) / 8.0
    bow = np.abs(np.diff(opened, 4, axis=0)) / opened.max() * (3.0 / 128.0)
    steps = np.full(len(rows), 2.0 / (len(rows) - 1))  # heights in the distance between two of those looked at
    for most, order, reach in ((bend.max(axis=(1, 2)) / _LINEAR, 2, 1), (bow.max(axis=1) / _CUBIC, 4, 2)):
        wanted = np.sqrt(most) if order == 2 else np.sqrt(np.sqrt(most))
        for away in range(-reach, reach + 1):  # of whose difference they are a part
            part = slice(reach + away, len(rows) - reach + away)
            steps[part] = np.maximum(steps[part], wanted)
    between = np.concatenate([[0.0], np.cumsum(0.5 * (steps[1:] + steps[:-1]))])
    count = min(float(np.ceil(between[-1])), view.rows - 1.0)
    return np.asarray(np.interp(own, rows, between * (count / between[-1])))


def _heights(place: Floats, along_mm: Floats) -> Floats:
    """(heights,) mm along v where the rows' places are whole numbers."""
    if len(place) == 1:
        return np.repeat(along_mm, 2)
    return np.asarray(np.interp(np.arange(round(float(place[-1])) + 1.0), place, along_mm))


def _cubic(known: Floats, heights: Floats, along_mm: Floats) -> Floats:
    """(rows, columns) at `along_mm` (rows,) by cubics of values (heights, columns) at `heights` (mm); never below 0."""
    order = min(4, len(np.unique(heights)))
    first = np.clip(np.searchsorted(heights, along_mm, side="right") - 2, 0, len(known) - order)
    nodes = heights[first[:, None] + np.arange(order)]  # (rows, order)
    out = np.empty((len(along_mm), known.shape[1]))
    for start in range(0, len(along_mm), 64):
        part = slice(start, start + 64)
        summed = np.zeros(out[part].shape)
        for step in range(order):
            share = np.ones(len(nodes[part]))
            for other in range(order):
                if other != step:
                    share = share * ((along_mm[part] - nodes[part, other]) / (nodes[part, step] - nodes[part, other]))
            summed += share[:, None] * known[first[part] + step]
        out[part] = np.maximum(summed, 0.0)
    return out


def _spectra(protocol: Protocol, view: Geometry, nodes: Places, tube: Tube, quantities: tuple[str, ...],
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


def _behind_water(energies: Floats, spectrum: Floats) -> Floats:
    """(E,) transmissions of so much water that exp(-_PROBE_DEPTH) of a spectrum (E,) is left."""
    depth, per_cm2_g = 0.0, mass_attenuation_cm2_g("water", energies)
    for _ in range(30):  # Newton's steps from below never pass the root: -ln of the rest is concave
        left = spectrum * transmission(per_cm2_g * depth)
        sums = in_order(np.stack([left, left * per_cm2_g, spectrum], axis=1))
        depth += float((_PROBE_DEPTH + log(sums[0] / sums[2])) * sums[0] / sums[1])
    return transmission(per_cm2_g * depth)


def _bright(spectra: Floats, quantities: tuple[str, ...]) -> Floats:
    """(..., E) of spectra (quantities or bins, ..., E): what says how bright a place is, the signal or all counts."""
    return in_order(spectra) if quantities == COUNTS else spectra[quantities.index("signal")]


def _signals(spectra: Floats, quantities: tuple[str, ...]) -> Floats:
    return in_order(np.moveaxis(_bright(spectra, quantities), -1, 0))


def _chosen(spectra: Floats, signal: Floats, scanned: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the nodes whose sums give all others of spectra (quantities, nodes, E), and at which places (quantity
    x E + energy) these sums are exact. `signal`: (nodes,); `scanned`: none may be dark."""
    lit = np.flatnonzero(signal > _DARK * signal.max())
    if scanned and len(lit) < len(signal):
        raise InvalidInput(message(
            "the detector",
            f"the anode's heel leaves {100.0 * (1.0 - len(lit) / len(signal)):.2g} % of it without beam",
            "Take fewer rows, a larger anode_angle_deg, or another side for the cathode."))
    if not len(lit):
        raise InvalidInput(message("the detector", "the anode's heel leaves all of it without beam",
                                   "Take a larger anode_angle_deg, or another side for the cathode."))
    shapes = spectra[:, lit] / signal[lit, None]
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
    return lit[nodes], np.array(places)
