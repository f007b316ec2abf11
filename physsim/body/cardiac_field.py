"""Velocity fields of the heart's emptying: chambers change their volume, the wall keeps its own.

Three stationary fields in turn, each made for the heart as it lies in the middle of its third of the stroke volume.
Prescribed are the descent of the valves' plane along the left ventricle's long axis, towards an apex that hardly moves,
and a twist about that axis; the gradient of a pressure then gives each chamber its rate of volume, none to wall and
other soft tissue, and leaves to the lungs what the heart as a whole loses. What a lattice of 3.5 mm makes of that is
measured on finer points, region by region, and the wanted rates are corrected by what is missing.

Neglects: valves' leaflets, papillary muscles, sliding in the pericardium (tissue shears within 14 mm of the heart),
the swelling of the great arteries.

Reference: volumes, descent and twist with their sources in phantoms/anatomy/motion/cardiac.toml.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from physsim.body.body import Body
from physsim.body.breathing_field import PLEURA, lung_distance
from physsim.body.cardiac_geometry import FINE_MM, RIM_MM, ROOM_MM, Heart, field_distance, modes, regions
from physsim.body.flow import Lattice, nodes, smooth, through
from physsim.body.flow_pressure import incompressible

Array = npt.NDArray[np.float64]
LATTICE_MM = 3.5
_STAGES, _STEPS = 3, 2
_FADE_MM = 14.0  # outside the heart, where the prescribed motion ends
_ROUNDED_MM = 3.0
_LUNG_REACH_MM = 25.0  # how far the heart's change of volume is felt in the lung
_STIFF, _SOFT = 0.02, 0.4  # how the chest wall, and soft tissue within it, give way beside the heart and the lung
_SOLVED = 1e-3
_TURNS = 3  # of the tuning, a stage
_DECIMALS = 8  # kept of what comes out of exp, log and BLAS, whose last bits depend on the CPU


@dataclass(frozen=True, eq=False)
class HeartField:
    """`stages`: fields (mm per whole stroke volume) of filling, the last of it first: what `through` wants.

    `low`, `high`: the box (mm) that they fill; `axis`: from the valves to the apex; `valves`, `apex`: its ends (mm).
    """

    stages: tuple[Lattice, ...]
    low: Array
    high: Array
    axis: Array
    valves: Array
    apex: Array

    def moved(self, points: npt.ArrayLike, out: float) -> Array:
        """(n, 3) of points at the end of diastole when `out` (0 to 1) of the stroke volume is out."""
        return through(self.stages, points, -out, _STEPS * _STAGES)

    def returned(self, points: npt.ArrayLike, out: float) -> Array:
        """The inverse of `moved`."""
        return through(self.stages, points, -out, _STEPS * _STAGES, back=True)


def heart_field(body: Body) -> HeartField:
    """The fields of a body with CHAMBERS and the fields "heart", "left ventricle" and PLEURA; else InvalidInput."""
    heart = Heart.of(body)
    points, shape = nodes(heart.low, heart.high, LATTICE_MM)
    tissue = _Tissue.of(heart)
    marks = [heart.ring(), heart.tip()]
    stages: list[Lattice] = []
    tuning: _Tuning | None = None
    for n in range(_STAGES):
        middle = -(n + 0.5) / _STAGES
        there, *marked = (
            through(stages, one, middle, _STEPS * _STAGES, back=not k, parts=_STAGES) if stages else one
            for k, one in enumerate((points, *marks))
        )
        stage = _Stage.of(heart, points, there, shape, heart.volumes_after((n + 1) / _STAGES), marked)
        field, tuning = stage.solved(tissue, tuning)
        tissue = tissue.moved(field)
        stages.append(Lattice(-field.values, heart.low, LATTICE_MM))
    return HeartField(tuple(stages), heart.low, heart.high, heart.axis, heart.centre + heart.at_valves * heart.axis,
                      heart.tip()[0])  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Tissue:
    """Points of the heart as they lie after some stages, and what of each region is about them now."""

    points: Array  # (m, 3)
    volumes: Array  # (m, 8) mm3: CHAMBERS, wall of the left ventricle, other wall, vessels in it, fat

    @classmethod
    def of(cls, heart: Heart) -> _Tissue:
        """At the end of diastole."""
        points, _ = nodes(heart.low + ROOM_MM - RIM_MM, heart.high - ROOM_MM + RIM_MM, FINE_MM)
        volumes = regions(heart.body, points, FINE_MM) * FINE_MM**3
        own = volumes.sum(1) > 0.0
        return cls(points[own], volumes[own])

    def moved(self, field: Lattice) -> _Tissue:
        """After a stage of emptying: ln of a volume's change is the divergence, summed along its way (Simpson)."""
        part = 0.5 / _STAGES
        half = field.carried(self.points, part, _STEPS)
        there = field.carried(half, part, _STEPS)
        first, middle, last = (_divergence(field, one) for one in (self.points, half, there))
        return _Tissue(there, self.volumes * np.exp((first + 4.0 * middle + last) * (part / 3.0))[:, None])


def _divergence(field: Lattice, points: Array) -> Array:
    """(n,) of a field at points, over 2 mm."""
    found = [(field.at(points + e)[:, c] - field.at(points - e)[:, c]) / 2.0 for c, e in enumerate(np.eye(3))]
    return np.asarray(found[0] + found[1] + found[2])


@dataclass(frozen=True, eq=False)
class _Tuning:
    """What gave the wanted volumes and descents: changes of the rates by region, and how they act on those found."""

    more: Array  # (8,)
    gains: Array  # (8, 8)
    amplitudes: Array  # (2,)


@dataclass(frozen=True, eq=False)
class _Stage:
    """One third of the stroke: what is where in its middle, what is prescribed, and what shall come of it."""

    heart: Heart
    shares: Array  # (nodes, 8) of the cells round the nodes: as _Tissue's regions
    goal: Array  # (8,) mm3 of the regions at its end
    marks: list[Array]  # of valves' plane and apex
    modes: tuple[Array, Array, Array]  # (nz, ny, nx, 3) descent of the plane, of the apex; twist
    tissue: npt.NDArray[np.bool_]  # where volume is kept
    mobility: Array
    screen: Array

    @classmethod
    def of(
        cls, heart: Heart, points: Array, there: Array, shape: tuple[int, int, int], goal: Array, marks: list[Array]
    ) -> _Stage:
        from scipy.ndimage import gaussian_filter

        body = heart.body
        outside = field_distance(body, "heart", there) - RIM_MM
        cavity, mediastinum, diaphragm = (field_distance(body, name, there) for name in PLEURA)
        lung = lung_distance(cavity, mediastinum, diaphragm)
        mask = (1.0 - smooth(outside / _FADE_MM)) * smooth((2.0 - cavity) / 10.0)
        width = (_ROUNDED_MM / LATTICE_MM,) * 3 + (0.0,)
        moving = tuple(gaussian_filter((mask[:, None] * mode).reshape(*shape, 3), width)
                      for mode in modes(heart, points, there))  # fmt: skip
        inner = smooth((2.0 - cavity) / 10.0) * np.where(diaphragm < 0.0, 0.3, 1.0)
        mobility = np.where((outside > 0.0) & (lung > 0.0), _SOFT, 1.0) * (_STIFF + (1.0 - _STIFF) * inner)
        in_lung = np.clip(0.5 - lung / LATTICE_MM, 0.0, 1.0).reshape(shape)
        rounded = gaussian_filter(mobility.reshape(shape), 0.7) * _closed(shape)
        screen = (LATTICE_MM / _LUNG_REACH_MM) ** 2 * in_lung
        shares = regions(body, there, LATTICE_MM)
        return cls(heart, shares, goal, marks, (moving[0], moving[1], moving[2]), in_lung < 0.5, rounded, screen)

    def solved(self, tissue: _Tissue, before: _Tuning | None) -> tuple[Lattice, _Tuning]:
        """The field of emptying and its tuning, by Broyden's method from the tuning of the stage before."""
        aim = np.array([float(self.heart.numbers["plane"][key]) for key in ("descent_mm", "apex_mm")])
        wanted = np.round(np.log(self.goal / tissue.volumes.sum(0)) * _STAGES, _DECIMALS)
        if before is None:
            swelling = self._with(np.zeros(2), wanted)
            unit = [self._with(one, 0.0 * wanted, twist=0.0) for one in np.eye(2)]
            gives = np.array([self._descents(one) for one in unit]).T
            start = np.asarray(np.round(np.linalg.solve(gives, aim - self._descents(swelling)), _DECIMALS), np.float64)
            before = _Tuning(np.zeros(8), np.eye(8), start)
        more, gains, amplitudes = before.more, before.gains, before.amplitudes
        step, missed = np.zeros(8), np.zeros(8)
        for turn in range(_TURNS):
            field = self._with(amplitudes, wanted + more)
            found = np.log(tissue.moved(field).volumes.sum(0) / tissue.volumes.sum(0)) * _STAGES
            last, missed = missed, wanted - found
            if turn:  # what the last step did
                did = gains @ (last - missed)
                gains = gains + np.outer(step - did, step @ gains) / (step @ did)
            if turn == _TURNS - 1:
                break
            step = gains @ missed
            more = np.round(more + step, _DECIMALS)
            amplitudes = np.round(amplitudes + 1.5 * (aim - self._descents(field)), _DECIMALS)
        return field, _Tuning(more, gains, amplitudes)

    def _with(self, amplitudes: Array, rates: Array, twist: float = 1.0) -> Lattice:
        shape = self.mobility.shape
        raw = twist * self.modes[2] + amplitudes[0] * self.modes[0] + amplitudes[1] * self.modes[1]
        target = np.zeros(len(self.shares))
        for share, rate in zip(self.shares.T, rates, strict=True):
            target += rate * share
        field, _ = incompressible(raw, target.reshape(shape), self.tissue, self.mobility, LATTICE_MM,
                                  screen=self.screen, solved=_SOLVED)  # fmt: skip
        return Lattice(field * _closed(shape)[..., None], self.heart.low, LATTICE_MM)

    def _descents(self, field: Lattice) -> Array:
        """Mean velocities of valves' plane and apex along the axis."""
        return np.array([float((field.at(one) @ self.heart.axis).mean()) for one in self.marks])


def _closed(shape: tuple[int, ...]) -> Array:
    """1, falling to 0 at the lattice's faces over 15 mm."""
    gaps = [np.minimum(np.arange(n), n - 1 - np.arange(n)) * LATTICE_MM / 15.0 for n in shape]
    return np.asarray(smooth(gaps[0])[:, None, None] * smooth(gaps[1])[:, None] * smooth(gaps[2]))
