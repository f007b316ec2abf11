"""A few spectra of which all of a detector's are sums: empirical interpolation.

Rays and energies are taken where the sum of those before errs most.
Reference: M. Barrault et al., C. R. Acad. Sci. Paris I 339 (2004) 667.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import Tube, middles_mm, rays_to, tube_of
from physsim.imaging.beam_spectra import Places, signals_of, spectra_at
from physsim.imaging.nodes import inverse_of
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.transport.basis import in_order
from physsim.transport.ordered import product

Floats = NDArray[np.float64]
Poses = tuple[int, int, tuple[float, float], float | None, bytes]  # rows, columns, pixel_mm, radius_mm, poses

_TOLERANCE = 3e-7  # largest error of a sum of spectra at an energy, over the largest value of any
_MOST_ANCHORS = 40
_PROBED = 65, 17  # columns and heights among which anchors are looked for
_SINES = 65
_VIEWS_LOOKED_AT = 5  # of several, and those that these miss by more than _MISSED
_MISSED = 10.0 * _TOLERANCE
_LOOKED_AT = 3, 5  # columns and heights whose spectra fewer energies must do for
_DARK = 1e-9  # of the brightest node: shadows of the anode


@dataclass(frozen=True, eq=False)
class Anchors:
    """tube: of the views' beam. anchors, looked_at, arriving: see PixelBeam. places: quantity x E + energy where sums
    of anchors are exact."""

    tube: Tube
    anchors: Floats
    looked_at: Floats
    arriving: Floats
    places: NDArray[np.int64]


@lru_cache(maxsize=8)
def anchors_of(beam: str, views: Poses, quantities: tuple[str, ...]) -> Anchors:
    """Of all views together, by some of them and those that they miss, so that what fewer energies need is found once.

    Raises InvalidInput for pixels of a scan that the anode's heel leaves dark, and where too few spectra describe all.
    """
    protocol, geometry = Protocol.from_json(beam), geometry_of(views)
    slants = [rays_to(protocol, geometry[view], *outline(geometry, 2, 2)).filter_slant.max()
              for view in range(len(geometry))]
    tube = tube_of(protocol, sines_of(protocol, geometry), 0.5 * float(np.ceil(2.0 * max(slants))))
    looked = _few(len(geometry), _VIEWS_LOOKED_AT).tolist()
    while True:
        made = _of_views(protocol, geometry, looked, tube, quantities)
        missed = {view: _missed(protocol, geometry[view], made, quantities)
                  for view in range(len(geometry)) if view not in looked}
        worst = max(missed, key=lambda view: missed[view], default=None)
        if worst is None or missed[worst] <= _MISSED:
            return made
        looked = sorted([*looked, worst])


def _of_views(protocol: Protocol, geometry: Geometry, views: list[int], tube: Tube,
              quantities: tuple[str, ...]) -> Anchors:
    found: list[Floats] = []
    reached: list[Floats] = []
    far: list[NDArray[np.int64]] = []
    for view in views:
        across, along = (axis[_few(len(axis), most)] for axis, most in zip(middles(geometry[view]), _PROBED,
                                                                           strict=True))
        _, arriving, spectra = spectra_at(protocol, geometry[view], (across, along), tube, quantities)
        far.append(_spread_out(len(across), len(along)) + sum(one.shape[1] for one in found))
        found.append(spectra)
        reached.append(arriving)
    spectra, arriving = np.concatenate(found, axis=1), np.concatenate(reached)
    signals = signals_of(spectra, quantities)  # (nodes,): dim nodes count as much as bright ones
    chosen, places = _chosen(spectra, signals, protocol.rotation is not None)
    opened, all_over = signals[chosen], np.concatenate(far)
    return Anchors(tube, np.ascontiguousarray(spectra[:, chosen] / opened[:, None]),
                   np.ascontiguousarray(spectra[:, all_over] / np.maximum(signals[all_over], 1e-300)[:, None]),
                   in_order(arriving[chosen].T) / opened, places)


def _missed(protocol: Protocol, view: Geometry, few: Anchors, quantities: tuple[str, ...]) -> float:
    """How much sums of anchors err in a view at an energy, over the largest value of any; dark places do not count."""
    _, _, spectra = spectra_at(protocol, view, outline(view, 3, 3), few.tube, quantities)
    signals = signals_of(spectra, quantities)
    lit = signals > 0.0
    if not lit.any():
        return 0.0
    shapes = spectra[:, lit] / signals[lit, None]
    quantity, energy = np.divmod(few.places, few.tube.energies_kev.size)
    known = np.ascontiguousarray(shapes[quantity, :, energy].T)  # (nodes, anchors)
    shares = product(known, inverse_of(few.anchors[quantity, :, energy].T))
    found = np.stack([product(shares, np.ascontiguousarray(one)) for one in few.anchors])
    return float((np.abs(found - shapes) / few.anchors.max(axis=(1, 2), keepdims=True)).max())


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


def sines_of(protocol: Protocol, geometry: Geometry) -> tuple[float, float] | None:
    """The least and greatest sine of the take-off angle of rays to the pixels of all views; None without a tube."""
    found = []
    for view in range(len(geometry)):
        sines = rays_to(protocol, geometry[view], *outline(geometry, _SINES, _SINES)).takeoff_sine
        if sines is None:
            return None
        found += [float(sines.min()), float(sines.max())]
    return min(found), max(found)


def geometry_of(views: Poses) -> Geometry:
    """The views that a key stands for."""
    rows, columns, pixel_mm, radius_mm, poses = views
    source, centre, u, v = np.frombuffer(poses).reshape(4, -1, 3)
    return Geometry(source_mm=source, centre_mm=centre, u=u, v=v, rows=rows, columns=columns, pixel_mm=pixel_mm,
                    radius_mm=radius_mm)


def middles(view: Geometry) -> Places:
    """Of a detector's pixels."""
    return middles_mm(view.columns, view.pixel_mm[0]), middles_mm(view.rows, view.pixel_mm[1])


def outline(geometry: Geometry, columns: int, rows: int) -> Places:
    """So many columns and rows at most, evenly, the outer ones where the detector's own are."""
    across, along = middles(geometry)
    return across[_few(len(across), columns)], along[_few(len(along), rows)]


def _few(count: int, most: int) -> NDArray[np.int64]:
    """`most` numbers below `count`, evenly, first and last among them."""
    return np.unique(np.rint(np.linspace(0, count - 1, min(count, most))).astype(np.int64))


def _spread_out(columns: int, heights: int) -> NDArray[np.int64]:
    """Numbers of _LOOKED_AT columns x heights among nodes that count along the heights of a column first."""
    return (_few(columns, _LOOKED_AT[0])[:, None] * heights + _few(heights, _LOOKED_AT[1])[None, :]).ravel()
