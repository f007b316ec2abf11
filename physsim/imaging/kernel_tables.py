"""Scatter kernels: what a slab of water sends beside the ray that meets it, by its thickness, from our own Monte Carlo.

A slab has the body's depth; its density says how much water a ray meets. Each slab is lit through fields of several
sizes, and a sum of Gaussians, none of them negative, is fitted to all its scatter images.
Reference: M. Sun, J. M. Star-Lack, Phys. Med. Biol. 55 (2010) 6695.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.detector.table import moments_at
from physsim.imaging.gaussians import caught
from physsim.imaging.scattered import signal_responses
from physsim.io.kept import digest_of_files, kept_array
from physsim.phantom.phantom import Phantom
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.spectra.quantities import transmission
from physsim.portable import exp, log
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.detector import Detector
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.spec.material import material
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import kernels_sha256, tables_sha256
from physsim.spec.scatter import MonteCarlo
from physsim.spec.spectrum import Spectrum
from physsim.transport.ordered import product
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter import scatter_scene
from physsim.transport.scatter_optics import optics_of
from physsim.transport.scatter_places import ScatterPlaces
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]

LEVELS = 7  # thicknesses of slabs beside none at all
SPREADS = (0.02, 0.05, 0.125, 0.3, 0.8, 2.0)  # widths of the Gaussians over the way from mid slab to detector
_SHARES = (1.0, 0.3, 0.06)  # of the field's sides
_RUN, _HISTORIES = MonteCarlo(histories=1), 2**13  # physics, and photons of an image: the fit takes most noise out
_TARGETS = (256, 4)  # about so many pixels of the slabs' images, and the fewest along a side
_WITHIN = 4  # places in a pixel, over which Gaussians are averaged
_SEED = 1


@dataclass(frozen=True)
class Slabs:
    """Where slabs lie before a detector: mm from its plane to the slab, the slab's depth and its sides along the
    detector's rows and columns; `most_mm`: of water, in the thickest."""

    gap_mm: float
    depth_mm: float
    sides_mm: tuple[float, float]
    most_mm: float


@dataclass(frozen=True, eq=False)
class KernelTable:
    """Of slabs of thickness_mm (LEVELS,) of water. attenuation: (LEVELS,) -ln of the signal that passes on the central
    ray. shares: (LEVELS, SPREADS along columns, SPREADS along rows) of scatter over what is sent in, by Gaussians
    of spreads_mm (SPREADS,): between thicknesses their shape is linear. square_kev: second over first moment of the
    scattered signal.
    """

    thickness_mm: Floats
    attenuation: Floats
    shares: Floats
    spreads_mm: Floats
    square_kev: float


@dataclass(frozen=True)
class LitSlabs:
    """What a table hangs on: tube (without bowtie), absorber, grid; slabs; the field's sides along the detector's rows
    and columns and its distance from the source, mm."""

    spectrum: Spectrum
    detector: Detector
    anti_scatter_grid: AntiScatterGrid | None
    slabs: Slabs
    size_mm: tuple[float, float]
    distance_mm: float


def lit_slabs(protocol: Protocol, geometry: Geometry, slabs: Slabs) -> LitSlabs:
    """For the beam, grid and detector of `protocol`, the field and distance of the views of `geometry`."""
    sides = [float(count * pitch) for count, pitch in
             zip((geometry.columns, geometry.rows), geometry.pixel_mm, strict=True)]
    grid = protocol.anti_scatter_grid
    if grid is not None and geometry.radius_mm is not None and grid.across[0] != 0.0:  # bent strips face the source
        grid = grid.replace(focal_distance_mm=float(geometry.distance_mm[0]) - grid.gap_mm - 0.5 * grid.height_mm)
    absorber = Detector(rows=1, columns=1, pixel_mm=1.0, absorber=protocol.detector.absorber)
    return LitSlabs(protocol.spectrum.replace(bowtie=None), absorber, grid, slabs,
                    (sides[0], sides[1]), float(geometry.distance_mm[0]))


@lru_cache(maxsize=16)
def kernel_table(lit: LitSlabs, threads: int) -> KernelTable:
    """Made once, and kept on disk. The same for any number of threads.

    Neglects: bowtie, heel effect, focal spot, and that rays meet detector and slab aslant.
    """
    grid = "none" if lit.anti_scatter_grid is None else lit.anti_scatter_grid.to_json()
    key = (f"{lit.spectrum.to_json()} {lit.detector.to_json()} {grid} {lit.slabs} {lit.size_mm} {lit.distance_mm} "
           f"{LEVELS} {SPREADS} {_SHARES} {_TARGETS} {_RUN.to_json()} {_HISTORIES} {tables_sha256()} "
           f"{kernels_sha256()} "
           f"{digest_of_files((Path(__file__).parent,), ('.py',))}")
    flat = kept_array("kernels", key, lambda: _Light(lit, threads).table())
    thickness = lit.slabs.most_mm * np.arange(1.0, LEVELS + 1.0) / LEVELS
    shares = flat[LEVELS + 1 :].reshape(LEVELS, len(SPREADS), len(SPREADS))
    return KernelTable(thickness, flat[:LEVELS], shares, spreads_mm(lit.slabs), float(flat[LEVELS]))


def spreads_mm(slabs: Slabs) -> Floats:
    """(SPREADS,) mm of the Gaussians."""
    return np.array(SPREADS) * (slabs.gap_mm + 0.5 * slabs.depth_mm)


class _Light:
    """Slabs lie across z above a detector in the plane z = 0, amid whose field the source stands."""

    def __init__(self, lit: LitSlabs, threads: int) -> None:
        self.lit, self.threads = lit, threads
        coarse = float(np.sqrt(lit.size_mm[0] * lit.size_mm[1] / _TARGETS[0]))
        columns, rows = (max(_TARGETS[1], round(side / coarse)) for side in lit.size_mm)
        self.view = Geometry(source_mm=np.array([[0.0, 0.0, lit.distance_mm]]), centre_mm=np.zeros((1, 3)),
                             u=np.array([[1.0, 0.0, 0.0]]), v=np.array([[0.0, -1.0, 0.0]]),
                             rows=rows, columns=columns, pixel_mm=(lit.size_mm[0] / columns, lit.size_mm[1] / rows))
        pitches = zip((columns, rows), self.view.pixel_mm, strict=True)
        self.along = [np.asarray((np.arange(count) - 0.5 * (count - 1)) * pitch, np.float64)
                      for count, pitch in pitches]
        self.responses = signal_responses(lit.detector)
        beam = lit.spectrum.sample()
        self.kev, photons = beam.energies_kev, beam.fluence / beam.fluence.sum()
        signal = photons * moments_at(lit.detector, self.kev, 1.0).sum(axis=0)[0]
        if lit.anti_scatter_grid is not None:
            signal = signal * lit.anti_scatter_grid.transmission(self.kev, np.array([0.0, 0.0, 1.0]))
        self.signal = signal

    def table(self) -> Floats:
        """Attenuation (LEVELS,), second over first moment, shares."""
        most = self.lit.slabs.most_mm
        levels = most * np.arange(1.0, LEVELS + 1.0) / LEVELS
        attenuation = self._attenuation(levels)
        shares = np.stack([self._fitted(level) for level in levels.tolist()])
        second, first = (self._image(0.5 * most, 1.0, one).mean() for one in self.responses[::-1])
        return np.concatenate([attenuation, [second / first], shares.ravel()])

    def _attenuation(self, water_mm: Floats) -> Floats:
        """-ln of the share of the open signal behind these thicknesses, any shape."""
        per_mm = linear_attenuation_per_mm(material("water"), self.kev)
        left = (transmission(per_mm * water_mm[..., None]) * self.signal).sum(axis=-1)
        return np.asarray(-log(left / self.signal.sum()))

    def _image(self, water_mm: float, share: float, response: ResponseTable) -> Floats:
        """(rows, columns) of scatter per open signal, of a slab with so much water."""
        slabs, lit = self.lit.slabs, self.lit
        grid = Grid(shape=(1, 1, 1), origin_mm=(0.0, 0.0, slabs.gap_mm + 0.5 * slabs.depth_mm),
                    spacing_mm=(*slabs.sides_mm, slabs.depth_mm))
        slab = Phantom(grid=grid, labels=np.zeros((1, 1, 1), np.uint8), materials=(material("water"),),
                       density=np.full((1, 1, 1), water_mm / slabs.depth_mm, np.float32))
        field_mm = (share * lit.size_mm[0], share * lit.size_mm[1])
        lighted = dataclasses.replace(self.view, rows=1, columns=1, pixel_mm=field_mm)
        optics = optics_of(self.view, lit.spectrum, None, (0.0, 0.0), lit.anti_scatter_grid, response)
        optics = dataclasses.replace(optics, field_of=lighted)
        scene = scatter_scene(slab, lit.spectrum, _RUN, None, self.threads)
        places = ScatterPlaces(scene, self.view, optics, _RUN, self.view.shape[1:], _SEED, self.threads)
        places.grow_to(_HISTORIES)
        area = field_mm[0] * field_mm[1] * CM_PER_MM**2
        return np.asarray(places.batches().mean(axis=0) * (area / float(self.signal.sum())))

    def _within(self, axis: int) -> Floats:
        """(pixels x _WITHIN,) places along an axis, mm."""
        return np.asarray((self.along[axis][:, None] + self.view.pixel_mm[axis]
                           * ((np.arange(_WITHIN) + 0.5) / _WITHIN - 0.5)).ravel())

    def _fitted(self, water_mm: float) -> Floats:
        """(SPREADS, SPREADS) shares of a slab, columns' Gaussians first."""
        spreads = spreads_mm(self.lit.slabs)
        systems, images = [], []
        for share in _SHARES:
            image = self._image(water_mm, share, self.responses[0])
            across, down = (caught(spreads, 0.5 * share * side, self._within(axis)).reshape(len(spreads), -1, _WITHIN)
                            .mean(axis=2) for axis, side in enumerate(self.lit.size_mm))
            system = np.einsum("pc,qr->rcpq", across, down).reshape(image.size, -1)
            systems.append(system / image.mean())
            images.append(image.ravel() / image.mean())
        from scipy.optimize import nnls  # 0.2 s to import

        found, _ = nnls(np.concatenate(systems), np.concatenate(images))
        return np.asarray(found.reshape(len(spreads), len(spreads)))


def superposed(table: KernelTable, opened: Floats, water_mm: Floats, pixel_mm: tuple[float, float]) -> Floats:
    """(views, rows, columns) scatter of rays of signal `opened` that meet `water_mm` (both of that shape, in coarse
    pixels of pixel_mm)."""
    views, rows, columns = opened.shape
    place = np.clip(water_mm / table.thickness_mm[0], 0.0, float(LEVELS))
    across, down = (caught(table.spreads_mm, 0.5 * pitch, pitch * np.subtract.outer(n, n).ravel())
                    .reshape(-1, len(n), len(n)) for n, pitch in
                    zip((np.arange(float(columns)), np.arange(float(rows))), pixel_mm, strict=True))
    below = np.ascontiguousarray(down.reshape(-1, rows))  # (spreads x rows, rows)
    beside = np.einsum("lpq,pcx->clqx", table.shares, across).reshape(columns, -1)
    origin = opened * _bent(table, place * table.thickness_mm[0])
    parts = np.stack([origin * np.maximum(0.0, 1.0 - np.abs(place - level)) for level in range(1, LEVELS + 1)])
    spread = product(below, np.ascontiguousarray(np.moveaxis(parts, 2, 0)))  # (spreads x rows, levels, views, cols)
    spread = spread.reshape(-1, rows, LEVELS, views, columns).transpose(2, 0, 4, 3, 1)
    sent = product(beside, np.ascontiguousarray(spread).reshape(beside.shape[1], views, rows))
    return np.asarray(np.moveaxis(sent, 0, 2))


def _bent(table: KernelTable, water_mm: Floats) -> Floats:
    """What all scatter of so much water is over what lies straight between the table's levels: per mm of water it is
    near an exponential."""
    level = np.concatenate([[0.0], table.thickness_mm])
    total = table.shares.sum(axis=(1, 2))
    slope = log(np.maximum(total, 1e-300) / table.thickness_mm)
    slope = np.concatenate([[2.0 * slope[0] - slope[1]], slope])
    straight = np.interp(water_mm, level, np.concatenate([[0.0], total]))
    return np.asarray(water_mm * exp(np.interp(water_mm, level, slope)) / np.maximum(straight, 1e-300))
