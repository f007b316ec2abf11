"""Compression as a volume-keeping deformation: the material breast into a view and back.

A plane at X goes to a surface at constant distance from the chest wall, so that the volume behind it is kept; within
it, a chord along the beam goes to a chord, so that the area beside it is kept; along the chord the map is linear. Each
step's length ratio is the inverse of what the steps before it have left: after the view's rotation about the nipple's
axis and a shear along x the Jacobian matrix is triangular with determinant 1 exactly, a Knothe map.

    material (X, Y, Z) -- rotated by the beam's angle --> chord coordinates --> (x - wall(y), y, z) --> view (x, y, z)

Reference: H. Knothe, Michigan Math. J. 4 (1957) 39. Neglects: elasticity (gland yields like fat), friction at plates,
gravity, the skin's tension: the skin is a shell of kept volume that slides.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Protocol

import numpy as np
import numpy.typing as npt

from physsim.body.breast.dome import Dome, area_and_bend, chord_of_disc, share_of_disc
from physsim.body.breast.outline import Outline
from physsim.body.breast.trigonometry import cosine_and_sine

Floats = npt.NDArray[np.float64]

_STEP_MM = 0.25  # of the tables of area and volume
_TIPS = 1.15  # how far beyond a chord's ends (in half chords) the map goes on linearly
_HALVINGS = 44
_FADE_MM = 12.0  # depth behind the chest wall at which the armpit has a plain map of its own
_LEAST_MM = 0.02  # half chord below which the surface is reached


class Deformation(Protocol):
    """A view of the material breast: where material points lie in it, and which material point a place of it shows."""

    def material(self, points: Floats) -> Floats:
        """Material points (n, 3) of points (n, 3) of the view (mm)."""
        ...

    def view(self, points: Floats) -> Floats:
        """Points (n, 3) of the view of material points (n, 3) (mm)."""
        ...


@dataclasses.dataclass(frozen=True)
class Uncompressed:
    """The material breast itself; its view's axes have their origin at the chest wall below the breast."""

    half_mm: float

    def material(self, points: Floats) -> Floats:
        """Material points (n, 3) of points (n, 3) of the view (mm)."""
        return np.asarray(points - (0.0, 0.0, self.half_mm))

    def view(self, points: Floats) -> Floats:
        """Points (n, 3) of the view of material points (n, 3) (mm)."""
        return np.asarray(np.add(points, (0.0, 0.0, self.half_mm)))


class Compression:
    """Between plates: see the module. `angle_deg` is the beam's: 0 from above, 90 from the medial side."""

    def __init__(self, dome: Dome, outline: Outline, half_mm: float, skin_mm: float, angle_deg: float) -> None:
        self.dome, self.outline, self.half_mm, self.skin_mm = dome, outline, half_mm, skin_mm
        cos, sin = cosine_and_sine(math.radians(angle_deg))
        self._cos, self._sin = float(cos), float(sin)
        low, high = outline.y_range
        self._y0, ny = low, math.ceil((high - low) / _STEP_MM) + 1
        far = outline.nipple_x + 20.0
        nx = math.ceil(far / _STEP_MM) + 1
        y: Floats = low + _STEP_MM * np.arange(ny, dtype=np.float64)
        x: Floats = _STEP_MM * np.arange(nx, dtype=np.float64)
        chord = 2.0 * self._half_chord(x[:, None] + np.zeros_like(y)[None, :], np.broadcast_to(y, (nx, ny)))
        beside = np.zeros((nx, ny))
        beside[:, 1:] = np.cumsum(0.5 * _STEP_MM * (chord[:, 1:] + chord[:, :-1]), axis=1)
        self._beside = beside  # area of the section at x' on the low side of y
        area = beside[:, -1]
        behind = np.concatenate([[0.0], np.cumsum(0.5 * _STEP_MM * (area[1:] + area[:-1]))])
        self._behind = behind * (dome.volume_mm3 / behind[-1])  # off 1 by what the scale's search left over
        self._planes = x
        self._top = float(y[int(np.argmax(beside[0] >= (1.0 - 1e-4) * area[0]))])  # end of the section at the wall
        self._wall_slope = float(area[0]) * dome.volume_mm3 / float(behind[-1])

    def _half_chord(self, forward: Floats, y: Floats) -> Floats:
        """Half the length of the chord along the beam, inside the skin, at distance `forward` from the chest wall."""
        e = self.outline.depth_at(forward + self.outline.wall_at(y), y)
        inner, outer = self.half_mm - self.skin_mm, np.maximum(self.half_mm - e, 0.0)
        return np.asarray(np.sqrt(np.maximum(inner * inner - outer * outer, 0.0)))

    def _share(self, forward: Floats, y: Floats) -> Floats:
        """Share of the section's area on the low side of y."""
        nx, ny = self._beside.shape
        i = np.clip(forward / _STEP_MM, 0.0, nx - 1.001)
        j = np.clip((y - self._y0) / _STEP_MM, 0.0, ny - 1.001)
        i0, j0 = i.astype(int), j.astype(int)
        fx, fy = i - i0, j - j0
        flat, at = self._beside.ravel(), i0 * ny + j0
        low = flat[at] + fy * (flat[at + 1] - flat[at])
        high = flat[at + ny] + fy * (flat[at + ny + 1] - flat[at + ny])
        whole = self._beside[:, -1]
        total = whole[i0] + fx * (whole[i0 + 1] - whole[i0])
        return np.asarray(np.clip((low + fx * (high - low)) / np.maximum(total, 1e-9), 0.0, 1.0))

    def material(self, points: Floats) -> Floats:
        """Material points (n, 3) of points (n, 3) of the view (mm); behind the chest wall a plain continuation."""
        x, y, z = (np.asarray(points, np.float64)[:, n] for n in range(3))
        forward = x - self.outline.wall_at(y)
        volume = np.where(forward >= 0, np.interp(forward, self._planes, self._behind), self._wall_slope * forward)
        plane = self.dome.plane_of(volume)
        radius = self.dome.radius_at(plane)
        t = chord_of_disc(self._share(np.maximum(forward, 0.0), y))
        level = np.clip((z - self.half_mm) / np.maximum(self._half_chord(forward, y), _LEAST_MM), -_TIPS, _TIPS)
        across, along = radius * t, radius * np.sqrt(np.maximum(1.0 - t * t, 0.0)) * level
        plain = np.clip(np.maximum(-forward / _FADE_MM, (y - self._top) / _FADE_MM), 0.0, 1.0) * (forward < 0)
        across = across + plain * ((y - self._top) / 1.3 + self.dome.radius_mm - across)
        along = along + plain * (1.6 * (z - self.half_mm) - along)
        return np.stack([plane, self._cos * across - self._sin * along, self._sin * across + self._cos * along], -1)

    def view(self, points: Floats) -> Floats:
        """Points (n, 3) of the view of material points (n, 3) (mm)."""
        plane, lateral, cranial = (np.asarray(points, np.float64)[:, n] for n in range(3))
        across, along = self._cos * lateral + self._sin * cranial, self._cos * cranial - self._sin * lateral
        volume = self.dome.volume_behind(plane)
        forward = np.where(plane >= 0, np.interp(volume, self._behind, self._planes), volume / self._wall_slope)
        radius = np.maximum(self.dome.radius_at(plane), 1e-9)
        t = np.clip(across / radius, -1.0, 1.0)
        share = share_of_disc(t)
        low = np.full_like(share, self._y0)
        high = low + _STEP_MM * (self._beside.shape[1] - 1)
        held = np.maximum(forward, 0.0)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            less = self._share(held, middle) < share
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        y = 0.5 * (low + high)
        own = np.maximum(radius * np.sqrt(1.0 - t * t), _LEAST_MM)
        z = self.half_mm + np.maximum(self._half_chord(forward, y), _LEAST_MM) * np.clip(along / own, -_TIPS, _TIPS)
        return np.stack([forward + self.outline.wall_at(y), y, z], -1)


def volumes(outline: Outline, half_mm: float, skin_mm: float) -> tuple[float, float]:
    """Volume within the skin in front of the chest wall, and of its skin (mm3)."""
    step = outline.step_mm
    low, high = outline.y_range
    ny, nx = round((high - low) / step), math.ceil((outline.nipple_x + 12.0) / step)
    y: Floats = low + (np.arange(ny, dtype=np.float64) + 0.5) * ((high - low) / ny)
    x = (np.arange(nx) + 0.5) * step
    e = outline.depth_at(x[None, :] + outline.wall_at(y)[:, None], np.broadcast_to(y[:, None], (ny, nx)))
    outer = np.maximum(half_mm - e, 0.0)
    inner = half_mm - skin_mm
    chords = [np.sqrt(np.maximum(edge * edge - outer * outer, 0.0)) for edge in (inner, half_mm)]
    sums = [math.fsum(chord.ravel().tolist()) for chord in chords]
    inside, whole = (2.0 * step * ((high - low) / ny) * total for total in sums)
    return inside, whole - inside


def fitted(outline: Outline, half_mm: float, skin_mm: float, dome: Dome) -> tuple[Outline, float]:
    """The outline scaled, and the skin's thickness changed, until both volumes are the dome's."""
    wanted_skin = dome_skin_mm3(dome)
    factor, skin = 1.0, skin_mm
    for _ in range(12):
        inside, shell = volumes(outline.scaled(factor), half_mm, skin)
        factor *= math.sqrt(dome.volume_mm3 / inside)
        skin *= wanted_skin / shell
    return outline.scaled(round(factor, 9)), round(skin, 9)


def dome_skin_mm3(dome: Dome) -> float:
    """Volume of the shell round the dome (mm3)."""
    area, bend = area_and_bend(dome.radius_mm, dome.length_mm)
    return dome.skin_mm * (area + bend * dome.skin_mm)
