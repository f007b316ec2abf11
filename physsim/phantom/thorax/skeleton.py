"""Spine, ribs, shoulder girdle and sternum of the demonstration thorax, from phantoms/thorax/skeleton.toml."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physsim.phantom import curves
from physsim.phantom.pieces import Array, rotation_xyz
from physsim.phantom.shapes import Cylinder, Prism, Shape, Vector
from physsim.phantom.swept import Branches, Ribbon, Tube

Recipe = dict[str, Any]
_DECIMALS = 6  # see curves.py: bits must not hang on the last digit of a cosine
_CORD = "soft_tissue"


def bones(recipe: Recipe, cavity_sections: Array) -> list[Shape]:
    """All bones and cartilages in painting order: cartilage, all cortex, all marrow, spinal canal."""
    cortical, cancellous = recipe["cortical"], recipe["cancellous"]
    outer: list[Shape] = []
    inner: list[Shape] = []
    soft: list[Shape] = []
    levels = [
        dict(zip(("name", "y", "z", "height", "disc", "w", "d", "lean"), row, strict=True)) for row in recipe["spine"]
    ]
    canal: list[Shape] = []
    for level in levels:
        soft.append(_disc(level))
        outer.extend(_vertebra(level, 0.0, cortical))
        inner.extend(_vertebra(level, recipe["cortex_spine_mm"], cancellous))
        canal.append(_canal(level))
    for row, sternal in zip(recipe["ribs"], [*recipe["sternal_ends"], *[None] * 5], strict=True):
        points, normals, fraction = rib_curve(row, cavity_sections)
        thickness = np.interp(fraction, *np.array(recipe["rib_half_thickness"]).T)
        height = np.interp(fraction, *np.array(recipe["rib_half_height"]).T)
        for shrink, material, bucket in ((0.0, cortical, outer), (recipe["cortex_rib_mm"], cancellous, inner)):
            semi = np.maximum(np.c_[thickness, height] - shrink, 0.8)
            bucket.append(
                Ribbon(
                    name=f"rib {row[0]} {'cortex' if shrink == 0 else 'marrow'}",
                    organ="ribs",
                    material=material,
                    points_mm=_rows(points),
                    semi_axes_mm=_rows(semi),
                    normals=_rows(normals),
                    mirror=True,
                )
            )
        if sternal:
            along = points[-1] - points[-3]
            middle = points[-1] + 14 * along / np.linalg.norm(along)
            line = (
                [points[-1], middle, np.array(sternal, float)] if row[0] > 1 else [points[-1], np.array(sternal, float)]
            )
            soft.append(
                Tube(
                    name=f"costal cartilage {row[0]}",
                    organ="costal cartilage",
                    material="cartilage",
                    points_mm=_rows(np.array(line)),
                    radius_mm=5.0,
                    mirror=True,
                    smooth=True,
                )
            )
    for ribbon in recipe["ribbons"]:
        for shrink, material, bucket in ((0.0, cortical, outer), (ribbon["cortex_mm"], cancellous, inner)):
            semi = np.maximum(np.array(ribbon["semi_axes_mm"], float) - shrink, 0.8)
            points, _ = curves.spline_through(np.c_[np.array(ribbon["points_mm"], float), semi], 5.0)
            bucket.append(
                Ribbon(
                    name=ribbon["name"] if shrink == 0 else f"{ribbon['name']} marrow",
                    organ="sternum",
                    material=material,
                    points_mm=_rows(points[:, :3]),
                    semi_axes_mm=_rows(points[:, 3:]),
                    normals=(tuple(map(float, ribbon["normal"])),) * len(points),
                )
            )
    for tube in recipe["tubes"]:
        organ = tube["name"].split()[0]
        organ = {"scapular": "scapula", "glenoid": "scapula", "coracoid": "scapula", "humeral": "humerus"}.get(
            organ, organ
        )
        for shrink, material, bucket in ((0.0, cortical, outer), (tube["cortex_mm"], cancellous, inner)):
            radius = tuple(max(r - shrink, 0.5) for r in tube["radius_mm"])
            bucket.append(
                Tube(
                    name=tube["name"] if shrink == 0 else f"{tube['name']} marrow",
                    organ=organ,
                    material=material,
                    points_mm=tube["points_mm"],
                    radius_mm=radius,
                    mirror=True,
                )
            )
    outer.append(_plate(recipe["scapula_plate"], cortical))
    return [*soft, *outer, *inner, *canal]


def rib_curve(row: list[float], sections: Array) -> tuple[Array, Array, Array]:
    """Centre line of a left rib: points (n, 3), outward normals (n, 3), fraction of the length (n,).

    From head and tubercle on along the pleural loft, 4 mm outside it, sloping by the pump angle alpha and the bucket
    angle beta of the row. The height of each point and the outline at that height are solved by relaxation.
    """
    number, head, tubercle = int(row[0]), np.array(row[1:4]), np.array(row[4:7])
    alpha, beta = (math.tan(math.radians(angle)) for angle in row[7:9])
    start = {1: 52.0, 2: 42.0, 12: 30.0}.get(number, 34.0)
    angles = np.append(np.arange(start, row[9] - 2, 7.0), row[9])
    z = np.full(len(angles), tubercle[2] - 2)
    for _ in range(12):
        wall, radial = _wall(angles, z, sections, 4.0)
        reach = np.maximum.accumulate(np.maximum(wall[:, 0], tubercle[0]))
        target = tubercle[2] - 2 - alpha * (tubercle[1] - wall[:, 1] + 6) - beta * (reach - tubercle[0])
        z = 0.5 * z + 0.5 * target
    wall, radial = _wall(angles, z, sections, 4.0)
    above, _ = _wall(angles, z + 4, sections, 4.0)
    lean = (((above - wall)[:, :2] * radial).sum(1)) / 4  # how fast the wall moves outward going up
    normal = np.c_[radial, -lean]
    if number <= 2:
        normal = np.c_[radial * (0.35 if number == 1 else 1.0), np.full(len(angles), 1.0 if number == 1 else 0.45)]
    neck = np.array([[0.0, 1.0, 0.3], [0.3, 0.9, 0.2]])
    knots = np.vstack([head, tubercle, np.c_[wall[:, :2], z]])
    normals = np.vstack([neck, normal / np.linalg.norm(normal, axis=1)[:, None]])
    curve, chord = curves.spline_through(np.c_[knots, normals], 4.0)
    return curve[:, :3], np.round(curve[:, 3:], _DECIMALS), chord / chord[-1]


def _wall(angles_deg: Array, z: Array, sections: Array, grow_mm: float) -> tuple[Array, Array]:
    """Points (n, 3) on the loft at azimuths from the back, and outward unit normals (n, 2) in the plane."""
    a, front, back, n_front, n_back = curves.monotone_cubic(sections[:, 0], sections[:, 1:], z).T
    phi = np.radians(angles_deg)
    s, c = np.sin(phi), np.cos(phi)
    power = np.where(c > 0, n_back, n_front)
    half_x, half_y = a + grow_mm, 0.5 * (back - front) + grow_mm
    r = (np.abs(s / half_x) ** power + np.abs(c / half_y) ** power) ** (-1 / power)
    gradient = np.c_[
        np.abs(r * s / half_x) ** (power - 1) / half_x, np.sign(c) * np.abs(r * c / half_y) ** (power - 1) / half_y
    ]
    gradient /= np.linalg.norm(gradient, axis=1)[:, None]
    points = np.column_stack([r * s, 0.5 * (front + back) + r * c, z])
    return points.round(_DECIMALS), np.asarray(gradient).round(_DECIMALS)


def paraspinal(recipe: Recipe) -> list[Shape]:
    """What parts the lungs along the spine: a sleeve round each body, and a wedge behind it to the ribs."""
    made: list[Shape] = []
    rows = recipe["spine"]
    for n, (name, y, z, height, disc, w, d, lean) in enumerate(rows):
        above = rows[n + 1][2] if n + 1 < len(rows) else z + 20
        reach = 78.0
        polygon = (
            (-w - 1.5, y - 2),
            (w + 1.5, y - 2),
            (w + 1.5 + 0.5 * reach, y - 2 + reach),
            (-w - 1.5 - 0.5 * reach, y - 2 + reach),
        )
        made.append(
            Prism(
                name=f"paraspinal {name}",
                organ="paraspinal tissue",
                material="muscle",
                polygon_mm=polygon,
                length_mm=above - z + 4.0,
                centre_mm=(0, 0, 0.5 * (above + z) - 0.5 * (height + disc)),
            )
        )
        made.append(
            Cylinder(
                name=f"prevertebral {name}",
                organ="paraspinal tissue",
                material="adipose",
                radius_mm=(w + 2.5, d + 2.5),
                length_mm=height + disc + 2,
                centre_mm=(0, y, z),
                rotation_deg=(lean, 0, 0),
            )
        )
    return made


def _vertebra(level: dict[str, Any], shrink: float, material: str) -> list[Shape]:
    """Body, arch and processes of one vertebra, all its surfaces moved inward by `shrink` mm."""
    name, w, d, h = level["name"], level["w"], level["d"], level["height"]
    lumbar, cervical = name[0] == "L", name[0] == "C"
    canal = 8.8 if name[0] == "T" else 11.5
    pedicle = (
        6.0 if lumbar else 3.2 if cervical else 4.7 if name == "T12" else 3.6 + 0.1 * min(max(int(name[1:]) - 4, 0), 8)
    )
    tail = "" if shrink == 0 else " marrow"
    body = Cylinder(
        name=f"{name} body{tail}",
        organ="spine",
        material=material,
        length_mm=h - 2 * shrink,
        radius_mm=(1.02 * w - shrink, 1.02 * d - shrink),
        centre_mm=_at(level, 0, 0, 0),
        rotation_deg=(level["lean"], 0, 0),
    )
    number = int(name[1:])
    transverse = {
        "T": 34 - (number - 1) * (3 / 8 if number <= 9 else 0) - (3 + 3 * (number - 9) if number > 9 else 0),
        "L": 40,
        "C": 24,
    }[name[0]]
    tip = (4.2, 3.2) if lumbar else (4.0, 3.2) if cervical else (5.2, 4.2)
    rods = [
        ((0.6 * w, 0.75 * d, 0.2 * h), (canal + 0.8 * pedicle, d + 11, 0.2 * h), pedicle, pedicle),
        ((0.6 * w, 0.75 * d, 0.2 * h - 3), (canal + 0.8 * pedicle, d + 11, 0.2 * h - 3), pedicle, pedicle),
        ((canal + 2, d + 12, 2), (2, d + 21, -2), 3.6, 3.6),
        ((canal + 1, d + 14, -5), (2, d + 21, -8), 3.4, 3.4),
        ((canal + 3, d + 14, 6), (transverse, d + 20, 6), *tip),
        ((canal + 4, d + 12, 5), (canal + 4, d + 13, h / 2 + 7), 4.6, 4.0),
        ((canal + 4, d + 16, -3), (canal + 4, d + 18, -h / 2 - 7), 4.4, 4.0),
    ]
    segments = []
    for a, b, ra, rb in rods:
        for side in (1, -1):
            start, end = _at(level, side * a[0], *a[1:]), _at(level, side * b[0], *b[1:])
            segments.append((*start, max(ra - shrink, 0.5), *end, max(rb - shrink, 0.5)))
    arch = Branches(name=f"{name} arch{tail}", organ="spine", material=material, segments=tuple(segments))
    length, fall = spinous_process(name)
    height = (9.0 if lumbar else 4.0 if cervical else 5.2) - shrink
    plate = Ribbon(
        name=f"{name} spinous process{tail}",
        organ="spine",
        material=material,
        points_mm=(_at(level, 0, d + 20, -4), _at(level, 0, d + 20 + length, -4 - fall)),
        semi_axes_mm=((2.3 - min(shrink, 1.5), height), (2.8 - min(shrink, 1.5), height)),
        normals=((1, 0, 0), (1, 0, 0)),
    )
    return [body, arch, plate]


def spinous_process(name: str) -> tuple[float, float]:
    """Length backward and fall of the spinous process (mm)."""
    if name[0] != "T":
        return (24.0, 3.0) if name[0] == "L" else (22.0 if name == "C7" else 14.0, 4.0)
    at = [1, 3, 7, 10, 12]
    return (
        float(np.interp(int(name[1:]), at, [32, 27, 25, 21, 20])),
        float(np.interp(int(name[1:]), at, [8, 18, 34, 26, 10])),
    )


def _disc(level: dict[str, Any]) -> Shape:
    return Cylinder(
        name=f"disc below {level['name']}",
        organ="discs",
        material="cartilage",
        length_mm=level["disc"] + 3,
        radius_mm=(level["w"], level["d"]),
        rotation_deg=(level["lean"], 0, 0),
        centre_mm=_at(level, 0, 0, -0.5 * (level["height"] + level["disc"])),
    )


def _canal(level: dict[str, Any]) -> Shape:
    width = 8.8 if level["name"][0] == "T" else 11.5
    return Cylinder(
        name=f"canal {level['name']}",
        organ="spinal canal",
        material=_CORD,
        radius_mm=(width, 8.8),
        length_mm=level["height"] + level["disc"] + 2,
        rotation_deg=(level["lean"], 0, 0),
        centre_mm=_at(level, 0, level["d"] + 9, 0),
    )


def _plate(plate: Recipe, material: str) -> Shape:
    """The blade of the scapula: a thin triangular prism between three corners."""
    a, b, c = (np.array(corner, float) for corner in plate["corners_mm"])
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal)
    centre = (a + b + c) / 3
    turn = math.degrees(math.asin(-normal[1])), math.degrees(math.atan2(normal[0], normal[2]))
    frame = rotation_xyz((turn[0], turn[1], 0.0))
    polygon = tuple(
        (float(x), float(y)) for x, y in np.round([(frame.T @ (corner - centre))[:2] for corner in (a, b, c)], 3)
    )
    return Prism(
        name="scapula blade",
        organ="scapula",
        material=material,
        polygon_mm=polygon,
        length_mm=plate["thickness_mm"],
        centre_mm=_tuple(centre),
        rotation_deg=(turn[0], turn[1], 0.0),
        mirror=True,
    )


def _at(level: dict[str, Any], x: float, p: float, u: float) -> Vector:
    """World point of (x, posterior, up) in the level's own frame."""
    lean = math.radians(level["lean"])
    return (
        round(float(x), _DECIMALS),
        round(level["y"] + p * math.cos(lean) - u * math.sin(lean), _DECIMALS),
        round(level["z"] + p * math.sin(lean) + u * math.cos(lean), _DECIMALS),
    )


def _rows(array: Array) -> tuple[Any, ...]:
    return tuple(tuple(float(value) for value in row) for row in array)


def _tuple(vector: Array) -> Vector:
    return float(vector[0]), float(vector[1]), float(vector[2])
