"""The beam at the pixels of a detector in one pose to its tube: in a scan the same in every view, but for the current.

Bowtie, heel effect, slant through filters and detector, and grid give each pixel a spectrum of its own. How much there
is of it without an object is known in every pixel; its shape at nodes, every column and a few heights, linear in height
between them. All shapes are sums of a few (beam_anchors.py), so that what fewer energies need is found once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.beam_anchors import Poses, anchors_of, geometry_of, middles, outline
from physsim.imaging.beam_rays import Tube, detector_normal
from physsim.imaging.beam_spectra import COUNTS, SIGNAL, behind_water, bright_of, signals_of, spectra_at
from physsim.imaging.nodes import inverse_of
from physsim.imaging.totals import total
from physsim.physics.spectra.quantities import transmission
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.transport.basis import in_order
from physsim.transport.ordered import product
from physsim.units import MM_PER_M

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_LINEAR = 5e-6  # largest error of the beam's shape between two heights, of its signals open and behind water
_CUBIC = 1e-6  # and of how much there is of it
_HEIGHTS_LOOKED_AT, _FEWEST_ROWS = 65, 33  # fewer rows are heights themselves
_ROWS_AT_ONCE = 32  # that stay in the cache


@dataclass(frozen=True, eq=False)
class PixelBeam:
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

    def open_field(self, kind: type[Any] = np.float64) -> NDArray[Any]:
        """(quantities, rows, columns) of `kind` per mAs without an object: photons, keV, keV^2 a pixel, uGy."""
        return self.behind(np.zeros((1, self.energies_kev.size)), kind)[:, 0]

    def behind(self, depths: Floats, kind: type[Any] = np.float64) -> NDArray[Any]:
        """(quantities, depths, rows, columns) of `kind` per mAs behind `depths` (depths, E): exponents of what
        attenuates."""
        nodes = self.at_nodes(depths)
        found = np.empty((*nodes.shape[:-1], *self.position.shape), kind)
        for rows, part in self._bands(nodes):
            part *= self.factor[rows]
            if "air_kerma" in self.quantities:
                part[self.quantities.index("air_kerma")] *= self.upright[rows]
            found[..., rows, :] = part
        return found

    def at_nodes(self, depths: Floats) -> Floats:
        """(quantities, depths, nodes) of a pixel of factor 1."""
        behind = transmission(depths)
        sums = in_order(np.moveaxis(self.anchors[:, None] * behind[None, :, None], 3, 0))  # (..., depths, anchors)
        flat = sums.reshape(-1, sums.shape[2])
        return np.asarray(product(flat, np.ascontiguousarray(self.mix.T)).reshape(*sums.shape[:2], len(self.mix)))

    def between(self, nodes: Floats) -> Floats:
        """(..., rows, columns) of values (..., nodes), linear between heights as the kernel has it."""
        found = np.empty((*nodes.shape[:-1], *self.position.shape))
        for rows, part in self._bands(nodes):
            found[..., rows, :] = part
        return found

    def _bands(self, nodes: Floats) -> Iterator[tuple[slice, Floats]]:
        """The same, some rows at a time, in an array that each time is the same."""
        columns = self.position.shape[1]
        heights = nodes.shape[-1] // columns
        place = self.position[:, 0].astype(np.float64)
        lower = np.minimum(place.astype(np.int64), heights - 2)
        share = (place - lower)[:, None]
        listed = np.ascontiguousarray(np.swapaxes(nodes.reshape(*nodes.shape[:-1], columns, heights), -1, -2))
        room = np.empty((*nodes.shape[:-1], min(_ROWS_AT_ONCE, len(place)), columns))
        for start in range(0, len(place), _ROWS_AT_ONCE):
            rows = slice(start, min(start + _ROWS_AT_ONCE, len(place)))
            part = room[..., : rows.stop - start, :]
            np.multiply(listed[..., lower[rows], :], 1.0 - share[rows], out=part)
            part += listed[..., lower[rows] + 1, :] * share[rows]
            yield rows, part


def pixel_beam(protocol: Protocol, views: Geometry, quantities: tuple[str, ...] = SIGNAL, number: int = 0) -> PixelBeam:
    """Of a protocol's beam and detector in view `number` of `views`, which share what can be shared; kept for the beams
    met last. `quantities`: the signal among them.

    Raises InvalidInput for pixels of a scan that the anode's heel leaves dark, and where a spectrum changes so much
    over the detector that no sum of a few describes it.
    """
    quantities = COUNTS if protocol.energy_bins else quantities
    beam = protocol.replace(mas=1.0, exposure_control=None, reconstruction=None)
    poses = (views.source_mm, views.centre_mm, views.u, views.v)
    key = (views.rows, views.columns, views.pixel_mm, views.radius_mm, b"".join(pose.tobytes() for pose in poses))
    return _pixel_beam(beam.to_json(), key, number, quantities)


@lru_cache(maxsize=4)
def _pixel_beam(beam: str, views: Poses, number: int, quantities: tuple[str, ...]) -> PixelBeam:
    protocol, geometry = Protocol.from_json(beam), geometry_of(views)
    view = geometry[number]
    few = anchors_of(beam, views, quantities)
    tube = few.tube
    place = _place(protocol, view, tube, quantities)
    every, along = middles(view)
    heights = _heights(place, along)
    # The shares of every node make the sum exact where an anchor was chosen for: no more energies are needed there.
    quantity, energy = np.divmod(few.places, tube.energies_kev.size)
    _, _, there = spectra_at(protocol, view, (every, heights), tube, quantities, energy)
    known = there[quantity, :, np.arange(len(few.places))].T
    mix = product(np.ascontiguousarray(known), inverse_of(few.anchors[quantity, :, energy].T))  # (nodes, anchors)
    signal = in_order(mix.T)
    mix = mix / np.where(signal > 0.0, signal, np.inf)[:, None]
    opened = signal.reshape(view.columns, len(heights)).T
    factor, upright = np.empty((2, view.rows, view.columns), np.float32)
    for start in range(0, view.rows, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        spread, cosine = spread_at(view, rows)
        seen = spread * cosine * (view.pixel_mm[0] * view.pixel_mm[1])
        factor[rows] = _cubic(opened, heights, along[rows]) * seen
        upright[rows] = spread / seen
    position = np.repeat(place.astype(np.float32)[:, None], view.columns, axis=1)
    return PixelBeam(quantities, tube.energies_kev, few.anchors, mix, few.looked_at, few.arriving, position, factor,
                     upright)


def spread_at(view: Geometry, rows: slice = slice(None)) -> tuple[Floats, Floats]:
    """(rows, columns) inverse square of the distance from the source in m, and cosine of the angle to the detector."""
    across, along = middles(view)
    along = along[rows]
    travel = view.surface_mm(0, across, 0.0) - view.source_mm[0]  # (columns, 3)
    squared, ahead, up = ((one * other)[:, 0] + (one * other)[:, 1] + (one * other)[:, 2] for one, other in (
        (travel, travel), (travel, view.v[0]), (travel, detector_normal(view, across))))
    down = along[:, None]
    squared = squared + down * (2.0 * ahead + down)
    return MM_PER_M**2 / squared, up / np.sqrt(squared)


def _place(protocol: Protocol, view: Geometry, tube: Tube, quantities: tuple[str, ...]) -> Floats:
    """(rows,) of each row among heights 0, 1, ... n, which lie dense where the beam changes much: between them its
    shape is linear within _LINEAR, and its signal cubic within _CUBIC, by their second and fourth differences."""
    if view.rows == 1:
        return np.full(1, 0.5)
    own = np.arange(float(view.rows))
    if view.rows < _FEWEST_ROWS:
        return own
    rows = np.linspace(0.0, view.rows - 1.0, min(view.rows, _HEIGHTS_LOOKED_AT))
    across = outline(view, 3, 1)[0]
    few = COUNTS if quantities == COUNTS else SIGNAL
    energies, _, spectra = spectra_at(protocol, view, (across, (rows - rows.mean()) * view.pixel_mm[1]), tube, few)
    behind = behind_water(energies, in_order(bright_of(spectra, few)))

    def placed(values: Floats) -> Floats:  # (..., nodes) -> (heights, columns, ...)
        return np.moveaxis(values.reshape(*values.shape[:-1], len(across), len(rows)), (-1, -2), (0, 1))

    opened = placed(signals_of(spectra, few))
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
    summed = np.zeros((len(along_mm), known.shape[1]))
    for step in range(order):
        share = np.ones(len(nodes))
        for other in range(order):
            if other != step:
                share = share * ((along_mm - nodes[:, other]) / (nodes[:, step] - nodes[:, other]))
        summed += share[:, None] * known[first + step]
    return np.maximum(summed, 0.0)
