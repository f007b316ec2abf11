"""Implants and instruments: closed meshes declared as data (phantoms/devices), with sizes that a user may change."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np

from physsim.body.expression import Names, number
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.phantom.mesh import Mesh, MeshPart
from physsim.phantom.mesh_shapes import along, ball, revolved, swept
from physsim.phantom.pieces import rotation_to, rotation_xyz, unit
from physsim.resources import phantoms_path
from physsim.spec.grid import Vector


def device_names() -> tuple[str, ...]:
    """Names of the shipped devices."""
    return tuple(sorted(path.stem for path in (phantoms_path() / "devices").glob("*.toml")))


def device(
    name: str,
    centre_mm: Vector = (0.0, 0.0, 0.0),
    axis: Vector = (0.0, 0.0, 1.0),
    turn_deg: float = 0.0,
    mirror: bool = False,
    **sizes: float,
) -> tuple[MeshPart, ...]:
    """The parts of a shipped device, in the order in which they are to be inserted.

    The device's own frame (its TOML's title says where origin and axes lie) is mirrored at x = 0 if `mirror`, turned
    about its z axis, its z axis laid along `axis`, its origin put at `centre_mm`. `sizes`: the device's numbers, for
    example `head_mm=36`. Raises InvalidInput for an unknown device or number.

    >>> [part.name for part in device("hip_prosthesis", head_mm=36)]
    ['acetabular shell', 'liner', 'stem', 'head']
    """
    if name not in device_names():
        known = did_you_mean(name, device_names())
        raise InvalidInput(message(f"device {name!r}", "none of that name is shipped", known))
    declared = tomllib.loads((phantoms_path() / "devices" / f"{name}.toml").read_text(encoding="utf-8"))
    numbers = dict(declared.get("numbers", {}))
    for key, value in sizes.items():
        if key not in numbers:
            known = did_you_mean(key, numbers)
            raise InvalidInput(message(f"{key}={value}", f"{name} has no number of that name", known))
        if not (np.isfinite(value) and value > 0):
            raise InvalidInput(message(f"{key}={value}", "sizes are larger than 0", f"Shipped: {numbers[key]}."))
        numbers[key] = value
    names = Names(numbers=numbers)
    side = np.diag([-1.0 if mirror else 1.0, 1.0, 1.0])
    turn = rotation_to(unit(axis, "axis")) @ rotation_xyz((0.0, 0.0, turn_deg)) @ side
    parts = []
    for part in declared["part"]:
        mesh = _mesh(part, names)
        if "axis" in part:
            mesh = along(mesh, tuple(part["axis"]), (0.0, 0.0, 0.0))
        parts.append(
            MeshPart(mesh.moved(turn, centre_mm), part["material"], part["name"], density=part.get("density", 1.0))
        )
    return tuple(parts)


def wire(points_mm: Any, diameter_mm: float, material: str, name: str = "wire", step_mm: float = 0.5) -> MeshPart:
    """A lead, drain or wire along a smooth curve through world points ((n, 3) mm)."""
    return MeshPart(swept(points_mm, diameter_mm / 2.0, name, step_mm, sides=16), material, name)


def _mesh(part: dict[str, Any], names: Names) -> Mesh:
    def value(text: float | str) -> float:
        return number(text, names)

    if "ball" in part:
        return ball(value(part["ball"]), part["name"])
    if "swept" in part:
        own = part["swept"]
        points = [[value(x) for x in point] for point in own["points"]]
        radii = own["radii"]
        listed = [value(r) for r in radii] if isinstance(radii, list) else value(radii)
        return swept(points, listed, part["name"], own.get("step_mm", 1.0))
    own = part["revolved"]
    if isinstance(own, dict):
        return revolved(_threaded(own, value), part["name"])
    return revolved([[value(r), value(z)] for r, z in own], part["name"])


def _threaded(own: dict[str, Any], value: Any) -> list[list[float]]:
    """A profile with `threads` triangular rings from `from` to `to` between what lies before and after."""
    low, high, count = value(own["from"]), value(own["to"]), int(own["threads"])
    pitch = (high - low) / count
    rings = []
    for n in range(count):
        rings += [[value(own["core"]), low + n * pitch], [value(own["crest"]), low + (n + 0.5) * pitch]]
    before, after = ([[value(r), value(z)] for r, z in own[key]] for key in ("before", "after"))
    return [*before, *rings, [value(own["core"]), high], *after]
