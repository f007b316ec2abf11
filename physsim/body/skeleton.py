"""Makers of the spine and the ribs: their tables become fields and structures of the body's own grammar.

Templates of vertebrae and curves of ribs after phantoms/anatomy/skeleton_trunk.toml, which says their sources.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.body import SIDES
from physsim.phantom.thorax.skeleton import rib_curve, spinous_process

Row = dict[str, Any]
Array = npt.NDArray[np.float64]
_CORNERS = 28  # of a vertebral body's outline
_DECIMALS = 4
# A vertebral body's outline over its endplates', at parts of its height: drawn in by an eighth at the middle.
_WAIST = ((-0.9, 1.3), (-0.5, 1.06), (-0.27, 0.93), (0.0, 0.88), (0.27, 0.93), (0.5, 1.06), (0.9, 1.3))


def spine(table: dict[str, Any], numbers: Mapping[str, float]) -> dict[str, Any]:
    """Vertebrae, discs and the canal's contents.

    `levels`: rows (name, y, z of the body's centre, height, disc below, half width, half depth, lean in degrees: top
    forward), from the lowest up; `order`: of the discs, the bones one above, the canal two above.
    """
    levels = [
        dict(zip(("name", "y", "z", "height", "disc", "w", "d", "lean"), row, strict=True)) for row in table["levels"]
    ]
    order, cortex = float(table["order"]), float(table["cortex_mm"])
    texture = {"texture": table["texture"]} if table.get("texture") else {}
    made: list[Row] = []
    for level in levels:
        made.append(_disc(level, order))
        made.append(
            {
                "name": f"vertebra {level['name']}",
                "order": order + 1,
                "mirror": True,
                "blend_mm": 3.0,
                "cortex_mm": cortex,
                "parts": _vertebra(level),
                "layers": [
                    {"material": table["cortical"]},
                    {"depth_mm": "cortex", "material": table["cancellous"], **texture},
                ],
            }
        )
    made += _canal(levels, order + 2)
    return {"structure": made}


def ribs(table: dict[str, Any], numbers: Mapping[str, float]) -> dict[str, Any]:
    """Twelve pairs of ribs on the pleural loft, each a structure of its own (they move apart), and their cartilages.

    `rows`: (rib, head x y z, tubercle x y z, alpha, beta in degrees, azimuth of the end); `cavity`: the loft's
    sections; `half_thickness`, `half_height`: rows (fraction of the length, mm); `sternal_ends`: points; `right`: rows
    (rib, alpha, beta, azimuth, share of the calibre, mm of the tubercle's height) by which a right rib differs from
    the left, `right_sternal_mm`: how much higher its cartilage ends; each side has half of it.
    """
    bone = [one for side in SIDES for one in _ribs_of(side, table)]
    return {"structure": [*(_cartilage(side, table) for side in SIDES), *bone]}


def _ribs_of(side: str, table: dict[str, Any]) -> list[Row]:
    texture = {"texture": table["texture"]} if table.get("texture") else {}
    made: list[Row] = []
    for number, points, normals, semi in _rib_tubes(side, table):
        made.append({
            "name": f"{side} rib {number}", "order": float(table["order"]) + 1, "cortex_mm": float(table["cortex_mm"]),
            "parts": [
                {
                    "tube": {
                        "points": _rows(points * _across(side)), "radii": _rows(semi),
                        "normal": _rows(normals * _across(side)), "smooth": False,
                    }
                }
            ],
            "layers": [
                {"material": table["cortical"]},
                {"depth_mm": "cortex", "material": table["cancellous"], **texture},
            ],
        })  # fmt: skip
    return made


def _cartilage(side: str, table: dict[str, Any]) -> Row:
    """Of the ribs that have a sternal end: from the bone on along it for 14 mm, then to the sternum."""
    parts = []
    higher = table.get("right_sternal_mm", [0.0] * 12)
    for (number, points, _, _), end, up in zip(_rib_tubes(side, table), table["sternal_ends"], higher, strict=False):
        last = np.array(end, float) + np.array([0.0, 0.0, _half(side) * up])
        along = points[-1] - points[-3]
        middle = points[-1] + 14 * along / np.linalg.norm(along) if number > 1 else 0.5 * (points[-1] + last)
        line = np.array([points[-1], middle, last]) * _across(side)
        parts.append({"tube": {"points": _rows(line), "radii": [[3.8, 6.0]], "normal": [0, -1, 0]}})
    return {"name": f"{side} costal cartilage", "order": float(table["order"]), "material": table["cartilage"],
            "parts": parts}  # fmt: skip


def _rib_tubes(side: str, table: dict[str, Any]) -> list[tuple[int, Array, Array, Array]]:
    """Number, points, normals and half thickness and height of one side's ribs, at x > 0."""
    differences = {int(row[0]): np.array(row[1:], float) for row in table.get("right", ())}
    made = []
    for row in table["rows"]:
        alpha, beta, azimuth, calibre, up = _half(side) * differences.get(int(row[0]), np.zeros(5))
        own = [*row[:6], row[6] + up, row[7] + alpha, row[8] + beta, row[9] + azimuth]
        points, normals, fraction = rib_curve(own, np.array(table["cavity"], float))
        semi = [np.interp(fraction, *np.array(table[key], float).T) for key in ("half_thickness", "half_height")]
        made.append((int(row[0]), points, normals, (1.0 + calibre) * np.stack(semi, 1)))
    return made


def _half(side: str) -> float:
    """The share of a difference that a side has."""
    return 0.5 if side == "right" else -0.5


def _across(side: str) -> Array:
    """(3,) factors that bring what is declared on the left to its side."""
    return np.array([-1.0 if side == "right" else 1.0, 1.0, 1.0])


def _vertebra(level: Row) -> list[Row]:
    """Body, pedicle, lamina, processes of the left half (the structure is mirrored)."""
    name, w, d, h = level["name"], level["w"], level["d"], level["height"]
    lumbar, cervical, number = name[0] == "L", name[0] == "C", int(name[1:])
    canal = 8.8 if name[0] == "T" else 11.5
    pedicle = 6.0 if lumbar else 3.2 if cervical else 4.7 if name == "T12" else 3.6 + 0.1 * min(max(number - 4, 0), 8)
    thoracic = 34 - (number - 1) * (3 / 8 if number <= 9 else 0) - (3 + 3 * (number - 9) if number > 9 else 0)
    transverse = 40.0 if lumbar else 24.0 if cervical else thoracic
    tip = (4.2, 3.2) if lumbar else (4.0, 3.2) if cervical else (5.2, 4.2)
    rods = [
        ((0.6 * w, 0.75 * d, 0.2 * h), (canal + 0.8 * pedicle, d + 11, 0.2 * h), pedicle, pedicle),
        ((0.6 * w, 0.75 * d, 0.2 * h - 3), (canal + 0.8 * pedicle, d + 11, 0.2 * h - 3), pedicle, pedicle),
        ((canal + 2, d + 12, 2), (1, d + 21, -2), 3.6, 3.6),
        ((canal + 1, d + 14, -5), (1, d + 21, -8), 3.4, 3.4),
        ((canal + 3, d + 14, 6), (transverse, d + 20, 6), *tip),
        ((canal + 4, d + 12, 5), (canal + 4, d + 13, h / 2 + 7), 4.6, 4.0),
        ((canal + 4, d + 16, -3), (canal + 4, d + 18, -h / 2 - 7), 4.4, 4.0),
    ]
    # the posterior wall of a vertebral body is hollowed towards the canal
    outline = []
    for n in range(_CORNERS):
        angle = 2 * math.pi * (n + 0.5) / _CORNERS
        x, p = 1.02 * w * math.cos(angle), 1.02 * d * math.sin(angle)
        outline.append(_at(level, x, p - (0.18 * d * math.exp(-((x / (0.45 * w)) ** 2)) if p > 0 else 0.0), 0.0))
    waist = {
        "points": [_at(level, 0, 0, f * h) for f, _ in _WAIST],
        "radii": [[round(w * k, _DECIMALS), round(d * k, _DECIMALS)] for _, k in _WAIST],
        "normal": [1, 0, 0], "smooth": False,
    }  # fmt: skip
    parts: list[Row] = [
        {"plate": {"polygon": outline, "thickness": h, "rounding_mm": 1.5}},
        {"op": "keep", "tube": waist, "blend_mm": 2.0},
        *(
            {"tube": {"points": [_at(level, *a), _at(level, *b)], "radius": [ra, rb], "smooth": False}}
            for a, b, ra, rb in rods
        ),
    ]
    length, fall = spinous_process(name)
    height = 9.0 if lumbar else 4.0 if cervical else 5.2
    parts.append(
        {
            "tube": {
                "points": [_at(level, 0, d + 20, -4), _at(level, 0, d + 20 + length, -4 - fall)],
                "radii": [[2.3, height], [2.8, 0.8 * height]], "normal": [1, 0, 0], "smooth": False,
            }
        }
    )  # fmt: skip
    return parts


def _disc(level: Row, order: float) -> Row:
    outline = []
    for n in range(_CORNERS):
        angle = 2 * math.pi * (n + 0.5) / _CORNERS
        outline.append(_at(level, level["w"] * math.cos(angle), level["d"] * math.sin(angle),
                           -0.5 * (level["height"] + level["disc"])))  # fmt: skip
    return {
        "name": f"disc below {level['name']}", "order": order, "material": "cartilage",
        "organ": "intervertebral discs",
        "parts": [{"plate": {"polygon": outline, "thickness": level["disc"] + 3, "rounding_mm": 2.0}}],
    }  # fmt: skip


def _canal(levels: list[Row], order: float) -> list[Row]:
    """Epidural fat, the thecal sac and the cord, along the canal."""
    line = [_at(level, 0, level["d"] + 9, 0) for level in levels]
    half = [[8.8 if level["name"][0] == "T" else 10.5, 7.6] for level in levels]
    cord = [n for n, level in enumerate(levels) if level["name"][0] in "TC" or level["name"] == "L1"]
    return [
        {
            "name": "spinal canal", "order": order, "material": "adipose",
            "parts": [{"tube": {"points": line, "radii": half, "normal": [1, 0, 0]}}],
        },
        {
            "name": "thecal sac", "order": order + 0.1, "material": "water",
            "parts": [{"tube": {"points": line, "radii": [[a - 2, b - 1.2] for a, b in half], "normal": [1, 0, 0]}}],
        },
        {
            "name": "spinal cord", "order": order + 0.2, "material": "brain",
            "parts": [{"tube": {"points": [line[n] for n in cord], "radii": [[5.0, 3.6]], "normal": [1, 0, 0]}}],
        },
    ]  # fmt: skip


def _at(level: Row, x: float, p: float, u: float) -> list[float]:
    """Point of (x, posterior, up) in the level's own frame."""
    lean = math.radians(level["lean"])
    return [
        round(float(x), _DECIMALS),
        round(level["y"] + p * math.cos(lean) - u * math.sin(lean), _DECIMALS),
        round(level["z"] + p * math.sin(lean) + u * math.cos(lean), _DECIMALS),
    ]


def _rows(values: Any) -> list[list[float]]:
    return [[round(float(v), _DECIMALS) for v in row] for row in values]
