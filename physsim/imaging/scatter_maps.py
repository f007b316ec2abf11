"""What a network that guesses scatter sees of one view: coarse maps of the object and the beam, and a few numbers.

All of it follows from the cells that Monte Carlo's own rays read and from the beam, so it costs little beside either.
Maps hold what the projection cannot show too: how far from the detector the matter lies along each ray.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.beam_anchors import middles, sines_of
from physsim.imaging.beam_rays import rays_to, tube_of
from physsim.imaging.beam_spectra import spectra_at
from physsim.imaging.gaussians import caught
from physsim.imaging.heights import heights_mm
from physsim.imaging.pixel_beam import spread_at
from physsim.imaging.single_scatter_guess import single_guesses
from physsim.portable import exp
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.training import GUESSES, MAPS
from physsim.transport.basis import in_order
from physsim.transport.node_spline import spline_weights
from physsim.transport.ordered import product
from physsim.transport.project import project
from physsim.transport.scatter_scene import ScatterScene
from physsim.units import CM2_PER_MM2

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

CHANNELS = ("soft attenuation", "hard attenuation", "transmission", "narrow guess", "wide guess", "height", "depth",
            "open field", "guess along strips", "single scatter by electrons", "single scatter by heavy atoms",
            "light within matter")
CONDITIONS = ("mean keV", "spread of keV", "source to detector", "width", "height", "height of the matter",
              "matter's attenuation", "grid ratio", "grid's transmission")
_ALONG = CHANNELS.index("guess along strips")
RAYS = 4  # along each side of a coarse pixel
HEIGHTS = 9
_SINE_STEP = 0.05
NARROW, WIDE = 0.3, 1.0  # spreads of the guesses over the mean height of the matter above the detector
_ALONG_STRIPS = 0.6  # likewise, of the shape behind a grid; across its strips a ratio-th
_SINGLE, _WITHIN = 0.08, 0.02  # of what Gaussians of all that meets matter hold: about what a grid passes
_THIN = 0.02  # attenuation: of a metre of air
_HEIGHT_MM, _SIDE_MM, _KEV = 500.0, 400.0, 60.0  # make maps and numbers of order 1
_TOGETHER = 64  # views whose rays are traced in one go


@dataclass(frozen=True, eq=False)
class ScatterMaps:
    """maps: (CHANNELS, rows, columns) float32. conditions: (CONDITIONS,) float32. open_per_history: mean of the signal
    without an object, keV/cm2 for each photon sent into the field (behind the grid): what scatter is told in."""

    maps: Images
    conditions: Images
    open_per_history: float

    @property
    def guesses(self) -> Floats:
        """(n, rows, columns) of all scatter, by physics: what it may look like within a place."""
        some = GUESSES if len(self.maps) == len(CHANNELS) else (_ALONG,)
        return self.maps[list(some)].astype(np.float64)


@dataclass(frozen=True, eq=False)
class OpenField:
    """Of one view on coarse pixels. signal: (rows, columns) keV/cm2 per history; kev: mean and spread of its energies;
    grid_transmission: of the signal on the central ray, 1 without a grid."""

    signal: Floats
    kev: tuple[float, float]
    grid_transmission: float

    @property
    def open_per_history(self) -> float:
        """Mean of the signal: what scatter is told in."""
        return float(self.signal.mean())


def open_field(protocol: Protocol, view: Geometry) -> OpenField:
    """Of the view's own, coarse pixels, at their middles: smooth from row to row, so known at HEIGHTS of them only."""
    across, along = middles(view)
    known = along if len(along) <= HEIGHTS else np.linspace(along[0], along[-1], HEIGHTS)
    most = float(rays_to(protocol, view, across, known).filter_slant.max())
    sines = sines_of(protocol, view)
    if sines is not None:  # of many views at once: the tube's table is then made once for all
        sines = (_SINE_STEP * max(np.floor(sines[0] / _SINE_STEP), 0.5), _SINE_STEP * np.ceil(sines[1] / _SINE_STEP))
    tube = tube_of(protocol, sines, 0.5 * float(np.ceil(2.0 * most)))
    kev, _, spectra = spectra_at(protocol, view, (across, known), tube, ("photons", "signal"))
    between = np.eye(len(along)) if known is along else spline_weights(known, along)
    totals = in_order(np.moveaxis(spectra, 2, 0)).reshape(2, view.columns, len(known))
    spread, cosine = spread_at(view)
    photons, signal = (product(between, np.ascontiguousarray(one.T)) * (spread * cosine) for one in totals)
    beam = in_order(spectra[1])
    mean = float((kev * beam).sum() / beam.sum())
    deviation = float(np.sqrt(((kev - mean) ** 2 * beam).sum() / beam.sum()))
    through = 1.0
    if protocol.anti_scatter_grid is not None:
        upright = protocol.anti_scatter_grid.transmission(kev, np.array([0.0, 0.0, 1.0]))
        through = float(beam.sum() / (beam / np.maximum(upright, 1e-12)).sum())
    area = view.pixel_mm[0] * view.pixel_mm[1]
    return OpenField(signal / (CM2_PER_MM2 * area * float(photons.sum())), (mean, deviation), through)


def scatter_maps(scene: ScatterScene, protocol: Protocol, view: Geometry, opened: OpenField, threads: int,
                 version: int = MAPS) -> ScatterMaps:
    """Of one view: see scatter_maps_of_views."""
    return scatter_maps_of_views(scene, protocol, view, opened, threads, version)[0]


def scatter_maps_of_views(scene: ScatterScene, protocol: Protocol, views: Geometry, opened: OpenField, threads: int,
                          version: int = MAPS) -> list[ScatterMaps]:
    """Of each view's own, coarse pixels, each the mean over RAYS x RAYS rays; `opened`: the open_field of one of them,
    taken for all. The same bits as of each view alone, in less time. `version`: 1
    guesses from the means of light and attenuation in a pixel, not from the mean of their product, which is far less
    where the body ends within it: what networks of weights of version 1 have seen. Before 3 no guess is of
    single scatter.

    Neglects: that the beam hardens from pixel to pixel (two energies stand for it), focal spot, matter off the rays.
    """
    rays, (kev, spread) = views.in_pixels(RAYS * views.rows, RAYS * views.columns), opened.kev
    soft, hard = (scene.attenuation_per_mm(one) for one in (kev - spread, kev + spread))

    def depths(volume: Images, some: Geometry) -> Floats:
        return np.asarray(project(volume, some, grid=scene.cell_grid, device="cpu", threads=threads), np.float64)

    def maps(view: Geometry, beams: Geometry, first: Floats, second: Floats) -> ScatterMaps:
        away = heights_mm(view, scene.cell_grid)
        moved = hard * away
        moment, square = (depths(volume, beams)[0] for volume in (moved, moved * away))
        return _maps_of(protocol, view, opened, (first, second, moment, square), version)

    found = []
    for start in range(0, len(views), _TOGETHER):
        some = slice(start, min(start + _TOGETHER, len(views)))
        both = (depths(volume, rays[some]) for volume in (soft, hard))
        found += [maps(views[start + n], rays[start + n], *parts) for n, parts in enumerate(zip(*both, strict=True))]
    return found


def _maps_of(protocol: Protocol, view: Geometry, opened: OpenField, depths: tuple[Floats, Floats, Floats, Floats],
             version: int) -> ScatterMaps:
    """`depths`: line integrals of soft and hard attenuation, and of the hard one times height and its square."""
    def in_pixels(image: Floats) -> Floats:
        return image.reshape(view.rows, RAYS, view.columns, RAYS)

    def means(image: Floats) -> Floats:
        return np.asarray(in_pixels(image).mean(axis=(1, 3)))

    (kev, spread), (first, second) = opened.kev, depths[:2]
    passed = exp(-0.5 * (first + second))
    light = means(passed)
    soft_mean, hard_mean, moment, square = (means(one) for one in depths)
    there = hard_mean + _THIN  # little matter has little to say
    height = moment / there
    extent = np.sqrt(np.maximum(square / there - height**2, 0.0))
    relative = opened.signal / opened.open_per_history
    light_scattered = light * hard_mean if version == 1 else means(passed * second)
    sent = relative * light_scattered  # what scatters once and passes straight on
    whole = max(float(sent.sum()), 1e-12)
    middle = max(float((sent * height).sum()) / whole, 10.0)
    guesses = [_spread_out(sent, (share * middle, share * middle), view.pixel_mm) for share in (NARROW, WIDE)]
    guesses.append(0.5 * (guesses[0] + guesses[1]))
    strips = protocol.anti_scatter_grid
    if strips is not None and view.radius_mm is not None:
        strips = strips.bent(view.radius_mm)
    more: tuple[Floats, ...] = ()
    if version >= 3:  # behind a grid photons come along its rays: from light that spreads within what these meet
        single = single_guesses((in_pixels(first), in_pixels(second)), relative, opened.kev, middle, view.pixel_mm,
                                strips)
        more = (*(one / _SINGLE for one in single), guesses[0] * means(1.0 - exp(-second)) * _WITHIN / _SINGLE)
    if strips is not None and strips.strip_mm > 0.0:  # photons along the strips pass, across them few
        free, held = _ALONG_STRIPS * middle, middle / strips.ratio
        across = strips.across
        guesses[2] = _spread_out(sent, (held, free) if abs(across[0]) > abs(across[1]) else (free, held), view.pixel_mm)
    maps = [soft_mean / 4.0, hard_mean / 4.0, light, guesses[0], guesses[1], height / _HEIGHT_MM,
            extent / (0.2 * _HEIGHT_MM), relative - 1.0, guesses[2], *more]
    numbers = [kev / _KEV, spread / (0.3 * _KEV), float(view.distance_mm[0]) / (4.0 * _HEIGHT_MM),
               view.columns * view.pixel_mm[0] / _SIDE_MM, view.rows * view.pixel_mm[1] / _SIDE_MM,
               middle / _HEIGHT_MM, whole / sent.size, (0.0 if strips is None else strips.ratio) / 12.0,
               opened.grid_transmission]
    return ScatterMaps(np.stack(maps).astype(np.float32), np.array(numbers, np.float32), opened.open_per_history)


def _spread_out(image: Floats, spread_mm: tuple[float, float], pixel_mm: tuple[float, float]) -> Floats:
    """An image by a Gaussian, `spread_mm` and `pixel_mm` along u and v; what falls beyond its edges is lost, and
    nothing comes from there."""
    parts = []
    for count, pitch, spread in zip(image.shape, pixel_mm[::-1], spread_mm[::-1], strict=True):
        place = np.arange(count) * pitch
        away = (place[:, None] - place[None, :]).ravel()
        parts.append(caught(np.array([spread]), 0.5 * pitch, away)[0].reshape(count, count))
    return product(product(parts[0], image), np.ascontiguousarray(parts[1].T))
