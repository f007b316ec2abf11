"""What the cycle needs to know of a body's heart: chambers, axis, volumes of its regions, prescribed motions."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.body import Body
from physsim.body.flow import nodes, smooth
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.resources import phantoms_path

Array = npt.NDArray[np.float64]
CHAMBERS = ("blood of the left ventricle", "blood of the right ventricle", "blood of the left atrium",
            "blood of the right atrium")  # fmt: skip
FINE_MM = 2.5
_DECIMALS = 8  # kept of what comes from LAPACK
ROOM_MM = 30.0  # of the lattice round the heart
RIM_MM = 1.5  # of fat, that counts as heart
_ROOF_MM, _ROOF_FROM_MM = 45.0, 10.0  # behind the valves' plane, where the atria stay
_TWIST_MM = 25.0  # outside the left ventricle, where the twist ends


def recipe() -> dict[str, Any]:
    """The numbers of phantoms/anatomy/motion/cardiac.toml."""
    return tomllib.loads((phantoms_path() / "anatomy" / "motion" / "cardiac.toml").read_text(encoding="utf-8"))


def ejection_fraction(body: Body) -> float:
    """Share of the left ventricle's volume that is out at the end of systole: a woman's is larger than a man's."""
    own = recipe()["chambers"]["ejection_fraction"]
    return float(own["women" if body.numbers.get("female", 0.0) > 0.5 else "men"])


@dataclass(frozen=True, eq=False)
class Heart:
    """A body's heart at the end of diastole."""

    body: Body
    numbers: dict[str, Any]
    low: Array
    high: Array
    centre: Array  # of the left ventricle's blood
    axis: Array  # unit, to the apex
    at_valves: float  # mm along the axis from the centre
    at_apex: float
    volumes: Array  # (8,) mm3 of the regions

    @classmethod
    def of(cls, body: Body) -> Heart:
        """Measured on points; InvalidInput for a body without its chambers."""
        names = [one.name for one in body.program.structures]
        for name in (*CHAMBERS, *recipe()["chambers"]["over"]):
            if name not in names:
                raise InvalidInput(message(f"{body.where}: heart", f"the body has no {name!r}",
                                           did_you_mean(name, names)))  # fmt: skip
        boxes = [body.program.tables.structure_float[names.index(name), :6].astype(float) for name in CHAMBERS]
        low = np.floor(np.min([box[:3] for box in boxes], 0)) - 12.0
        high = np.ceil(np.max([box[3:] for box in boxes], 0)) + 12.0
        points, _ = nodes(low, high, FINE_MM)
        inside = _chambers(body, points) < 0.0
        centres = [points[one].mean(0) for one in inside.T]
        own = points[inside[:, 0]]
        _, turns = np.linalg.eigh(np.cov((own - centres[0]).T))
        axis = np.round(turns[:, 2], _DECIMALS) * (1.0 if (centres[0] - centres[2]) @ turns[:, 2] > 0.0 else -1.0)
        outer = points[field_distance(body, "left ventricle", points) < 0.0]
        whole = points[field_distance(body, "heart", points) < 0.0]
        along, wall = _along(own - centres[0], axis), _along(outer - centres[0], axis)
        volumes = regions(body, points, FINE_MM).sum(0) * FINE_MM**3
        low, high = np.floor(whole.min(0)) - ROOM_MM, np.ceil(whole.max(0)) + ROOM_MM
        return cls(body, recipe(), low, high, centres[0], axis, float(along.min()) + 6.0, float(wall.max()), volumes)

    def losses(self) -> Array:
        """(4,) shares of the chambers' volumes that are out at the end of systole; negative for the atria."""
        own = self.numbers["chambers"]
        left = ejection_fraction(self.body)
        right = left * float(self.volumes[0] / self.volumes[1])
        if right > 0.85:
            why = f"its right ventricle holds {self.volumes[1] / 1000:.0f} ml, the left {self.volumes[0] / 1000:.0f} ml"
            raise InvalidInput(message(f"{self.body.where}: heart", why, "Make the right one larger."))
        out = left * float(self.volumes[0]) + right * float(self.volumes[1])
        growth = (out - float(own["heart_loss"]) * float(self.volumes.sum())) / float(self.volumes[2:4].sum())
        if not 0.2 <= growth <= 1.6:
            why = f"its atria would have to grow by {growth:.2f} of their {self.volumes[2:4].sum() / 1000:.0f} ml"
            raise InvalidInput(message(f"{self.body.where}: heart", why, "Make ventricles and atria alike in size."))
        return np.array([left, right, -growth, -growth])

    def volumes_after(self, out: float) -> Array:
        """(8,) mm3 of the regions when a share of the stroke volume is out."""
        return np.asarray(self.volumes * (1.0 - out * np.append(self.losses(), np.zeros(4))))

    def ring(self) -> Array:
        """(4, 3) points on the valves' plane."""
        across = np.cross(self.axis, [0.0, 0.0, 1.0])
        across /= np.linalg.norm(across)
        sides = np.array([across, -across, np.cross(self.axis, across), -np.cross(self.axis, across)])
        return np.asarray(self.centre + self.at_valves * self.axis + 15.0 * sides)

    def tip(self) -> Array:
        """(1, 3) the apex, on the outside."""
        return np.asarray((self.centre + self.at_apex * self.axis)[None])


def modes(heart: Heart, points: Array, there: Array) -> tuple[Array, Array, Array]:
    """Unit descents (n, 3) of the valves' plane and of the apex, and the twist, of points that were `there`."""
    w = _along(there - heart.centre, heart.axis)
    along = np.clip((heart.at_apex - w) / (heart.at_apex - heart.at_valves), 0.0, 1.0)
    roof = 1.0 - smooth((heart.at_valves - _ROOF_FROM_MM - w) / _ROOF_MM)
    apical = np.where(w > heart.at_valves, 1.0 - along, 0.0)
    own = heart.numbers["twist"]
    degrees = float(own["apex_deg"]) + (float(own["base_deg"]) - float(own["apex_deg"])) * along
    degrees *= roof * (1.0 - smooth(field_distance(heart.body, "left ventricle", there) / _TWIST_MM))
    turn = math.pi / 180.0 * degrees[:, None] * np.cross(heart.axis, points - heart.centre)
    return (along * roof)[:, None] * heart.axis, apical[:, None] * heart.axis, turn


def _along(points: Array, axis: Array) -> Array:
    return np.asarray(points[:, 0] * axis[0] + points[:, 1] * axis[1] + points[:, 2] * axis[2])


def regions(body: Body, points: Array, step: float) -> Array:
    """(n, 8) shares of cells round points: CHAMBERS, wall of the left ventricle, other wall, vessels in it, fat."""
    chambers = _share(_chambers(body, points), step)
    blood = chambers.sum(1)
    outer = field_distance(body, "heart", points)
    left = np.maximum(_share(field_distance(body, "left ventricle", points), step) - blood, 0.0)
    muscle = np.minimum(_share(outer, step), _share(-_over(body, points), step))
    other = np.maximum(muscle - blood - left, 0.0)
    whole = _share(outer - RIM_MM, step)
    vessels = np.minimum(whole, _share(_over(body, points), step))
    fat = np.maximum(whole - blood - left - other - vessels, 0.0)
    return np.column_stack([chambers, left, other, vessels, fat])


def _over(body: Body, points: Array) -> Array:
    """(n,) distance from the vessels painted over the heart."""
    names = [one.name for one in body.program.structures]
    return np.asarray(np.min([body.program.distance(points, structure=names.index(name))
                              for name in recipe()["chambers"]["over"]], 0))  # fmt: skip


def _chambers(body: Body, points: Array) -> Array:
    """(n, 4) distances from CHAMBERS, as painted: the atrium over the right ventricle, vessels over all."""
    names = [one.name for one in body.program.structures]
    found = np.stack([body.program.distance(points, structure=names.index(name)) for name in CHAMBERS], 1)
    found[:, 1] = np.maximum(found[:, 1], -found[:, 3])
    return np.asarray(np.maximum(found, -_over(body, points)[:, None]))


def _share(distance: Array, step: float) -> Array:
    return np.asarray(np.clip(0.5 - distance / step, 0.0, 1.0))


def field_distance(body: Body, name: str, points: Array) -> Array:
    """(n,) mm from the surface of a field of the body."""
    found: Array = body.program.distance(points, field=body.field_number(name, "the heart's cycle"))
    return found
