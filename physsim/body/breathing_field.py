"""Velocity fields of a breath in: one for everything, one more by which the lung slides along the chest wall.

`outward` carries the whole body: ribs and sternum turn as rigid bodies about their joints, the diaphragm and what lies
under it go down, the spine and the shoulder girdle stay; then the field is corrected by the gradient of a pressure, so
that its divergence is a constant in the lungs and zero elsewhere (organs keep their volumes). `slide` carries the lung
along its own surface: tangential on the costal pleura, zero at hilum, mediastinum and diaphragm. The lung moves by
exp(t outward) after exp(t slide): both carry the pleura onto the same surface, so that their normal components agree
there at every time while the lung slides.

Neglects: opening of the costophrenic recess (the lung's edge stays with the muscle's), sliding of lobes and of bowel,
regional differences of ventilation.

Reference: angles, excursions and volumes with their sources in phantoms/anatomy/motion/breathing.toml; polyrigid blend
after Arsigny et al., Geodesics of diffeomorphisms (2009).
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.body import Body
from physsim.body.flow import Lattice, nodes, smooth, through
from physsim.body.flow_pressure import SOLVED, incompressible, shifted
from physsim.errors import InvalidInput, message
from physsim.resources import phantoms_path

Array = npt.NDArray[np.float64]
LATTICE_MM = 7.5
_REST_MM = 5.0
_STAGES, _STEPS = 4, 4
_SLIDE_MM = 5.0
_HELD_MM = 55.0  # from the mediastinum, where the lung begins to slide freely
_SLID = 0.55  # of the domes' descent at their height: how far the lung goes down beside the chest wall
_LOW, _HIGH = np.array([-232.5, -195.0, -60.0]), np.array([232.5, 195.0, 532.5])
PLEURA = ("cavity", "mediastinum", "diaphragm")  # fields that bound the lungs
_APEX_Z, _BASE_Z, _PELVIS_Z = 465.0, 222.0, 10.0  # where the viscera's prescribed descent ends, is whole, and begins
_BONE_REACH_MM, _HELD = 30.0, 0.92  # how far and how much the bones' own motion stands against the pressure
# under the wall: what goes with the ribs, and what turns from that to the way of the viscera
_LINED_MM, _TURNED_MM = 4.0, 50.0
_WALL_MM = 55.0  # outside the cavity, where the cage's motion has faded
_SHARED_MM = 16.0
_NECK_MM = 30.0  # from a rib's head to its tubercle, 25 to 34 mm
_SCRAP = 2000  # cells: pieces of lung between anterior junction and heart that the lattice cuts off
_SMOOTHED_MM = 9.0  # standard deviation that rounds the edges of the prescribed motions
_RIM_MM = 11.0  # of the lungs, where the outward field swells them less, so that none of it leaks into other organs


@dataclass(frozen=True, eq=False)
class BreathingField:
    """`outward` (mm per full breath in): stationary fields of equal parts of a breath, the last breath in's end first.

    `slide`: of the lung, before them, as it lies at full inspiration. `bounds`: distances from the fields of PLEURA.
    """

    outward: tuple[Lattice, ...]
    slide: Lattice
    bounds: Lattice

    def moved(self, points: npt.ArrayLike, time: float, steps: int) -> Array:
        """(n, 3) of points at full inspiration after `time` (-1: a full breath out) of the outward motion."""
        return through(self.outward, points, time, steps)

    def returned(self, points: npt.ArrayLike, time: float, steps: int) -> Array:
        """The inverse of `moved`."""
        return through(self.outward, points, time, steps, back=True)

    def on_the_pleura(self, lung: Array, outside: Array) -> Array:
        """Places of lung at rest (n, 3), shifted near the lungs' surface so that they lie as far from it as `outside`.

        Both media then have the same pleura at each node: what is left of the slide's normal component is taken out.
        """
        step = 2.5
        here, there = self.bounds.at(lung)[:, :3], self.bounds.at(outside)[:, :3]
        slopes = np.stack([(self.bounds.at(lung + shift) - self.bounds.at(lung - shift))[:, :3] / (2 * step)
                           for shift in step * np.eye(3)], -1)  # fmt: skip
        slopes /= np.maximum((slopes**2).sum(-1, keepdims=True), 0.25)
        near = 1.0 - smooth(np.abs(here) / 12.0)
        return np.asarray(lung + ((near * np.clip(there - here, -3.0, 3.0))[..., None] * slopes).sum(1))


def recipe() -> dict[str, Any]:
    """The numbers of phantoms/anatomy/motion/breathing.toml."""
    return tomllib.loads((phantoms_path() / "anatomy" / "motion" / "breathing.toml").read_text(encoding="utf-8"))


def breathing_field(body: Body) -> BreathingField:
    """The fields of a body that has fields "cavity", "mediastinum", "diaphragm" and ribs; else InvalidInput."""
    from scipy.ndimage import gaussian_filter

    numbers = recipe()
    points, shape = nodes(_LOW, _HIGH, LATTICE_MM)
    rest = _Rest.of(body)
    growth = -math.log(numbers["lung"]["volume_ratio"])
    lines, tops, dome = _Bones.of(body, numbers["ribs"]), _dome_tops(body), float(numbers["excursion"]["dome_mm"])
    fade, width = _fade(points).reshape(*shape, 1), (_SMOOTHED_MM / LATTICE_MM,) * 3 + (0.0,)
    stages: list[Lattice] = []
    for n in range(_STAGES):
        # the body as it lies in the middle of the stage
        middle = -(n + 0.5) / _STAGES
        there = through(stages, points, middle, _STEPS, back=True, parts=_STAGES) if stages else points
        bones = lines.at(stages, middle)
        cavity, mediastinum, diaphragm, skin = rest.distances.at(there).T
        depth = -lung_distance(cavity, mediastinum, diaphragm)
        lung = np.clip(0.5 + depth / LATTICE_MM, 0.0, 1.0)
        core = smooth((depth - 1.0) / _RIM_MM)
        swelling = growth * float(lung.sum() / core.sum()) * core
        cage, far, near_moving, from_spine = bones.velocity(points)
        viscera = _viscera(points, numbers["excursion"]["tendon_share"]) * smooth((from_spine - 24.0) / 45.0)[:, None]
        inner = smooth((-_LINED_MM - cavity) / _TURNED_MM)
        wall = (1.0 - inner) * near_moving * (1.0 - smooth((cavity - 12.0) / _WALL_MM))
        mobility = 1.0 - _HELD * np.exp(-((far / _BONE_REACH_MM) ** 2))
        mobility *= 0.05 + 0.95 * smooth((points[:, 2] - _PELVIS_Z + 20.0) / 40.0)
        start = through(stages, tops, -n / _STAGES, _STEPS, parts=_STAGES) if stages else tops
        wanted = dome - float((start - tops)[:, 2].mean())
        inside, ease = skin.reshape(shape) < 0.0, mobility.reshape(shape)
        solved, least = [], 0.0
        for raw, target in ((cage * wall[:, None], swelling), (viscera * inner[:, None], 0.0 * swelling)):
            rounded = gaussian_filter(raw.reshape(*shape, 3), width) * fade
            field, residual = incompressible(rounded, target.reshape(shape), inside, ease, LATTICE_MM)
            solved.append(field)
            least = max(least, residual)
        share = _share(solved[0], solved[1], start, wanted, 1.0 / (_STAGES - n), 1.0 / _STAGES)
        # once more, as the means of faces at nodes spread what is left
        both = solved[0] + share * solved[1]
        whole = incompressible(both, swelling.reshape(shape), inside, ease, LATTICE_MM, least)[0] * fade
        stages.append(Lattice(whole, _LOW, LATTICE_MM))
    outward = tuple(stages)
    return BreathingField(outward, _slide(body, outward, growth), rest.distances)


def _share(own: Array, pulled: Array, tops: Array, left_mm: float, part: float, span: float) -> float:
    """Share of `pulled` with which the domes' tops rise by `part` of what is left, in `span` of the breath out."""
    shares, rises = [0.0, 50.0], list[float]()
    for _ in range(4):
        field = Lattice(own + shares[len(rises)] * pulled, _LOW, LATTICE_MM)
        rises.append(float((field.carried(tops, -span, 4) - tops)[:, 2].mean()))
        if len(rises) > 1:
            slope = (rises[-1] - rises[-2]) / (shares[-1] - shares[-2])
            shares.append(shares[-1] + (part * left_mm - rises[-1]) / slope)
    return shares[-1]


@dataclass(frozen=True, eq=False)
class _Rest:
    """Distances (mm) at full inspiration: from the cavity, the mediastinum, the diaphragm and the skin."""

    distances: Lattice

    @classmethod
    def of(cls, body: Body) -> _Rest:
        points, shape = nodes(_LOW, _HIGH, _REST_MM)
        values = np.stack([_distance(body, name, points) for name in (*PLEURA, "skin")], 1)
        return cls(Lattice(np.clip(values, -200.0, 200.0).reshape(*shape, 4), _LOW, _REST_MM))


def _distance(body: Body, field: str, points: Array) -> Array:
    return body.program.distance(points, field=body.field_number(field, "breathing"))


def _fade(points: Array) -> Array:
    """1, falling to 0 at the lattice's faces."""
    gap = np.minimum(points - _LOW, _HIGH - points) / np.array([30.0, 30.0, 45.0])
    return np.asarray(smooth(gap).prod(1))


def lung_distance(cavity: Array, mediastinum: Array, diaphragm: Array) -> Array:
    """Signed distance (mm) from the lungs' surface, negative inside."""
    return np.maximum(np.maximum(cavity + 1.0, -mediastinum), 2.0 - diaphragm)


def _viscera(points: Array, tendon_share: float) -> Array:
    """Unit descent of what lies on and under the diaphragm: less in the middle, none at the apex and in the pelvis."""
    x, y, z = points.T
    up = np.where(z > _BASE_Z, (_APEX_Z - z) / (_APEX_Z - _BASE_Z), smooth((z - _PELVIS_Z) / (190.0 - _PELVIS_Z)))
    middle = np.exp(-(((x - 10.0) / 38.0) ** 2) - ((y + 10.0) / 60.0) ** 2) * smooth((z - 150.0) / 80.0)
    down = np.clip(up, 0.0, 1.0) * (1.0 - (1.0 - tendon_share) * middle)
    return np.stack([np.zeros_like(x), np.zeros_like(x), -down], 1)


# --- the cage --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Bones:
    """Points along the bones, each with its turn (radians per full breath in) and the shift of the origin."""

    clouds: tuple[Array, ...]
    twists: tuple[tuple[Array, Array], ...]

    @classmethod
    def of(cls, body: Body, angles: dict[str, list[float]]) -> _Bones:
        """Ribs, sternum, and last the spine, which stays."""
        ribs = rib_lines(body)
        clouds: list[Array] = []
        twists: list[tuple[Array, Array]] = []
        ends, speed = list[Array](), list[Array]()
        for number, side in sorted(ribs):
            line, axis = ribs[number, side], neck_axis(ribs[number, side])
            turn = -math.radians(angles["turn_deg"][number - 1]) * (1.0 if side == "left" else -1.0) * axis
            clouds.append(line[::2])
            twists.append((turn, -np.cross(turn, line[0])))
            if number <= 7 and side == "left":
                ends.append(line[-1])
                speed.append(np.cross(turn, line[-1] - line[0]))
        twists.append(_sagittal_twist(np.array(ends), np.array(speed)))
        twists.append((np.zeros(3), np.zeros(3)))
        return cls((*clouds, _centre_line(body, "sternum"), _spine(body)), tuple(twists))

    def at(self, stages: list[Lattice], time: float) -> _Bones:
        """The bones after part of a breath out."""
        if not stages:
            return self
        moved = tuple(through(stages, cloud, time, _STEPS, parts=_STAGES) for cloud in self.clouds[:-1])
        return _Bones((*moved, self.clouds[-1]), self.twists)

    def velocity(self, points: Array) -> tuple[Array, Array, Array, Array]:
        """Polyrigid velocity (n, 3); distances from the nearest bone; weight of those that move; from the spine."""
        from physsim.body.motion_kernels import nearest_distances, polyrigid

        moving = len(self.clouds) - 1
        first = np.cumsum([0, *(len(cloud) for cloud in self.clouds)])
        far = np.zeros((len(points), len(self.clouds)))
        nearest_distances(points, np.vstack(self.clouds), first, far)
        velocity = np.empty((len(points), 3))
        polyrigid(points, far, np.array(self.twists), velocity)
        near_moving = np.exp(-((far[:, :moving].min(1) / 55.0) ** 2))
        from_spine = far[:, moving].copy()
        far[:, moving] = np.maximum(from_spine - 18.0, 0.0)  # its points lie in the middle of the bones
        return velocity, far.min(1), near_moving, from_spine


def _sagittal_twist(points: Array, velocity: Array) -> tuple[Array, Array]:
    """Turn about the left-right axis and shift in the sagittal plane that fit velocities best."""
    rows, right = [], []
    for (_, y, z), (_, vy, vz) in zip(points, velocity, strict=True):
        rows += [[-z, 1.0, 0.0], [y, 0.0, 1.0]]
        right += [vy, vz]
    w, vy, vz = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    return np.array([w, 0.0, 0.0]), np.array([0.0, vy, vz])


def rib_lines(body: Body) -> dict[tuple[int, str], Array]:
    """Centre lines (n, 3) of the ribs from head to front end, by number and side."""
    lines = {}
    for structure in body.structures:
        words = structure.name.split()
        for part in structure.parts:
            if part.tube is not None and len(words) == 3 and words[1] == "rib":
                line = np.array([[body.number(v) for v in point] for point in part.tube.points])
                if structure.name in body.mirrored:
                    line = line * np.array([-1.0, 1.0, 1.0])
                lines[int(words[2]), words[0]] = line
    if len(lines) < 24:
        raise InvalidInput(
            message(f"{body.where}: breathing", f"it has {len(lines)} ribs of 24", "Include the trunk's skeleton.")
        )
    return lines


def neck_axis(line: Array) -> Array:
    """(3,) unit vector from a rib's joint with the vertebral body to that with the transverse process: its hinge."""
    along = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    tubercle = np.array([np.interp(_NECK_MM, along, line[:, c]) for c in range(3)])
    return np.asarray((tubercle - line[0]) / np.linalg.norm(tubercle - line[0]))


def _centre_line(body: Body, name: str) -> Array:
    """Points every few mm along the tubes of a structure."""
    found = [np.zeros((0, 3))]
    for structure in body.structures:
        for part in structure.parts if structure.name == name else ():
            if part.tube is not None:
                points = np.array([[body.number(v) for v in point] for point in part.tube.points])
                where = np.linspace(0, len(points) - 1, 8 * len(points))
                found.append(np.stack([np.interp(where, np.arange(len(points)), points[:, c]) for c in range(3)], 1))
    if len(found) == 1:
        raise InvalidInput(message(f"{body.where}: breathing", f"the body has no {name!r}", "Include its skeleton."))
    return np.vstack(found)


def _spine(body: Body) -> Array:
    """Points of the vertebral bodies' middles: they stay."""
    found = []
    for structure in body.structures:
        if structure.name.startswith("vertebra "):
            for part in structure.parts:
                if part.plate is not None:
                    found.append(np.mean([[body.number(v) for v in point] for point in part.plate.polygon], 0))
    if not found:
        raise InvalidInput(message(f"{body.where}: breathing", "the body has no vertebrae", "Include its skeleton."))
    line = np.array(sorted(found, key=lambda point: float(point[2])))
    where = np.linspace(0, len(line) - 1, 4 * len(line))
    middle = np.stack([np.interp(where, np.arange(len(line)), line[:, c]) for c in range(3)], 1)
    return np.vstack([middle, middle + np.array([0.0, 25.0, -4.0]), middle + np.array([0.0, 48.0, -12.0])])


def _dome_tops(body: Body) -> Array:
    """The highest point of the diaphragm on each side (2, 3)."""
    tops = []
    for side in (-72.0, 70.0):
        z = np.arange(120.0, 320.0, 1.0)
        column = np.stack([np.full_like(z, side), np.full_like(z, -6.0), z], 1)
        inside = _distance(body, "diaphragm", column) < 0.0
        tops.append([side, -6.0, z[inside].max() if inside.any() else _BASE_Z])
    return np.array(tops)


# --- the pleura ------------------------------------------------------------------------------------------------------


def _slide(body: Body, outward: tuple[Lattice, ...], growth: float) -> Lattice:
    """The lung's own motion along its surface, and within it what makes it swell evenly."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    low, high = np.array([-215.0, -170.0, 60.0]), np.array([215.0, 170.0, 500.0])
    points, shape = nodes(low, high, _SLIDE_MM)
    own = {name: _distance(body, name, points).reshape(shape) for name in PLEURA}
    cavity, lung = own["cavity"], lung_distance(*own.values())
    normal = _unit_gradient(cavity)
    near_wall = (1.0 - smooth((-1.0 - cavity) / 60.0)) * (1.0 - smooth((cavity - 8.0) / 60.0))
    free = np.ones(shape)
    for field, offset, reach in (("mediastinum", 0.0, _HELD_MM), ("diaphragm", 2.0, 55.0)):
        there = own[field] < offset
        gap = np.asarray(distance_transform_edt(~there, sampling=_SLIDE_MM))
        free *= gaussian_filter(smooth((gap - 2.0 * _SLIDE_MM) / reach), 1.0)
    velocity = (points - through(outward, points, -1.0, _STEPS)).reshape(*shape, 3)  # mean over a breath
    z = points[:, 2].reshape(shape)
    dome = float(recipe()["excursion"]["dome_mm"])
    wanted = -_SLID * dome * np.clip((_APEX_Z - z) / (_APEX_Z - _BASE_Z), 0.0, 1.0)
    # less in front, where there is little lung between the wall and the heart
    wanted *= 1.0 - 0.4 * smooth((-20.0 - points[:, 1].reshape(shape)) / 40.0)
    speed = gaussian_filter(wanted - velocity[..., 2], 3.0) * near_wall * free
    along = np.zeros((*shape, 3))
    along[..., 2] = speed
    held = 1.0 - smooth((-1.0 - cavity) / 20.0)
    along -= held[..., None] * (speed * normal[..., 2])[..., None] * normal
    even = _evened(velocity, along, lung, growth)
    surface = _unit_gradient(np.asarray(gaussian_filter(lung, 0.7)))
    held = 1.0 - smooth((np.abs(lung) - 1.0) / 7.0)
    even -= held[..., None] * (even * surface).sum(-1, keepdims=True) * surface
    return Lattice(np.ascontiguousarray(along + even), low, _SLIDE_MM)


def _unit_gradient(values: Array) -> Array:
    slopes: list[Array] = list(np.gradient(values))
    gradient = np.stack(slopes[::-1], -1)
    return np.asarray(gradient / np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-6))


def _evened(inward: Array, along: Array, lung: Array, growth: float) -> Array:
    """Gradient flow (nz, ny, nx, 3) in the lungs by which they shrink evenly in a breath out.

    `inward`: displacements of a breath out, reversed; `along`: the slide.

    No flow through the surface; beyond it the values of the nearest node inside, fading out. Screened: what is uneven
    over more than `_SHARED_MM` stays so, and nothing is pressed through necks of thin lung.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label

    from physsim.body.motion_kernels import pressure

    shape = lung.shape
    inside = lung < -0.7 * _SLIDE_MM  # so far in that no two neighbours lie on both sides of the anterior junction
    shrunk = np.stack([np.stack([-np.gradient(inward[..., c], _SLIDE_MM, axis=axis) for axis in (2, 1, 0)], -1)
                       for c in range(3)], -2) + np.eye(3)  # fmt: skip
    found: Array = -np.log(np.clip(np.linalg.det(shrunk), 0.05, 20.0))
    found = found + sum(np.gradient(along[..., 2 - axis], _SLIDE_MM, axis=axis) for axis in range(3))
    source = np.where(inside, growth - found, 0.0) * _SLIDE_MM
    lungs, count = label(inside)
    for n in range(1, count + 1):
        own_cells = lungs == n
        if own_cells.sum() < _SCRAP:
            inside &= ~own_cells
            source[own_cells] = 0.0
        else:
            source[own_cells] -= source[own_cells].mean()
    ease, own = [], np.zeros(shape)
    for axis in range(3):
        a, b = shifted(shape, axis)
        open_faces = (inside[a] & inside[b]).astype(float)
        own[a] += open_faces
        own[b] += open_faces
        ease.append(open_faces)
    own += np.where(inside, (_SLIDE_MM / _SHARED_MM) ** 2, 0.0)
    own[own == 0.0] = 1.0
    least = SOLVED**2 * float((source**2 / own).sum())
    pushed, steps = pressure(own, ease, -source, least, 3000)
    if steps < 0:
        raise InvalidInput(message("breathing", "the lungs' flow did not settle", "Report the body's file."))
    flow = np.zeros((*shape, 3))
    for axis in range(3):
        a, b = shifted(shape, axis)
        flux = ease[axis] * (pushed[b] - pushed[a])
        flow[..., 2 - axis][a] += 0.5 * flux
        flow[..., 2 - axis][b] += 0.5 * flux
    gap, nearest = distance_transform_edt(~inside, sampling=_SLIDE_MM, return_indices=True)
    fade = 1.0 - smooth((gap - 4.0) / 30.0)
    whole: Array = flow[tuple(nearest)] * fade[..., None]
    return np.asarray(gaussian_filter(whole, (1.2, 1.2, 1.2, 0.0)))
