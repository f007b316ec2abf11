"""The demonstration thorax put together: soft parts, trees and bones in painting order."""

from __future__ import annotations

import math
import tomllib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.phantom.compiled import organs_at
from physsim.phantom.phantom import Phantom
from physsim.phantom.pieces import Array
from physsim.phantom.scene import Scene, shape_from
from physsim.phantom.shapes import Ellipsoid, Plane, Shape, Sphere, Vector
from physsim.phantom.swept import Branches, Loft, Tube
from physsim.phantom.thorax.skeleton import bones, paraspinal
from physsim.phantom.thorax.tree import grow_tree
from physsim.phantom.voxelise import voxelise
from physsim.randomness import Stream
from physsim.resources import phantoms_path

BOX_MM: tuple[Vector, Vector] = ((-250.0, -140.0, 60.0), (250.0, 150.0, 510.0))
LUNGS = ("right lung", "left lung")
_END_POINTS_PER_ML = 0.3  # a tenth of what a finely voxelised lung would carry; each stands for ten
# root and first direction of the arteries, then the veins, of each lobe; the cloud of a lobe by its planes
_LOBES: dict[str, tuple[str, list[tuple[Vector, Vector]]]] = {
    "right upper lobe": ("right lung", [((-46, 4, 338), (-0.35, -0.1, 0.93)), ((-50, 0, 328), (-0.5, -0.1, 0.8))]),
    "right middle lobe": ("right lung", [((-55, 14, 314), (-0.5, -0.85, -0.1)), ((-46, 2, 318), (-0.5, -0.8, -0.2))]),
    "right lower lobe": ("right lung", [((-58, 22, 298), (-0.3, 0.2, -0.93)), ((-48, 24, 277), (-0.5, 0.3, -0.8))]),
    "left upper lobe": ("left lung", [((50, 10, 356), (0.35, -0.2, 0.92)), ((54, -4, 332), (0.5, -0.6, 0.6))]),
    "left lower lobe": ("left lung", [((66, 38, 314), (0.1, 0.2, -0.95)), ((55, 28, 279), (0.5, 0.3, -0.8))]),
}


def thorax(
    spacing_mm: float = 1.5,
    lesion: Shape | str | None = "default",
    seed: int = 7,
    density_dtype: npt.DTypeLike = np.float16,
) -> Phantom:
    """The demonstration chest as voxels, with a lung nodule.

    `lesion`: a shape to paint into it, "default" for `default_lesion()`, or None for a healthy chest; `seed` moves the
    branching of the lung vessels. 1.5 mm gives 334 x 194 x 300 voxels.

    Neglects: most small structures; bones are shells of constant thickness, muscles one mass, both lungs' parenchyma
    uniform. Meant to be recognised, not measured.
    """
    scene = thorax_scene(seed)
    if lesion == "default":
        lesion = default_lesion()
    if isinstance(lesion, Shape):
        scene = scene.with_shapes(lesion)
    return voxelise(scene, spacing_mm, rays=13, density_dtype=density_dtype)


def default_lesion(diameter_mm: float = 12.0, spicules: int = 0, centre_mm: Vector = (-97.0, -30.0, 294.0)) -> Shape:
    """A solid nodule in the right mid-lung zone; `spicules` thin rays of its tissue stand out from it."""
    fields: dict[str, Any] = {
        "name": "nodule",
        "material": "soft_tissue",
        "lesion": True,
        "over": (*LUNGS, "pulmonary vessels"),
    }
    if spicules == 0:
        return Sphere(centre_mm=centre_mm, radius_mm=0.5 * diameter_mm, **fields)
    golden, rows = math.pi * (3 - math.sqrt(5)), []
    for n in range(spicules):  # spread evenly over the sphere; lengths in a fixed order
        height = 1 - 2 * (n + 0.5) / spicules
        ring = math.sqrt(1 - height * height)
        reach = 0.5 * diameter_mm * (1.5 + 0.4 * ((n * 7) % 5) / 4)
        tip = [
            c + reach * u
            for c, u in zip(centre_mm, (ring * math.cos(golden * n), ring * math.sin(golden * n), height), strict=True)
        ]
        rows.append((*centre_mm, 0.16 * diameter_mm, *(round(float(t), 6) for t in tip), 0.02 * diameter_mm))
    x, y, z = centre_mm
    r = 0.5 * diameter_mm
    rows.append((x, y, z, r, x, y, z + 0.01, r))
    return Branches(segments=tuple(rows), **fields)


@lru_cache(maxsize=4)
def thorax_scene(seed: int = 7) -> Scene:
    """The demonstration chest as shapes, without a lesion."""
    folder = phantoms_path() / "thorax"
    trunk = tomllib.loads((folder / "trunk.toml").read_text(encoding="utf-8"))
    skeleton = tomllib.loads((folder / "skeleton.toml").read_text(encoding="utf-8"))
    soft = _soft(trunk, skeleton)
    lungs = Scene(name="lungs", shapes=tuple(soft), background="air", box_mm=BOX_MM)
    return Scene(
        name="thorax",
        title="Adult chest from shapes, standing, full inspiration",
        source="phantoms/thorax/trunk.toml, skeleton.toml",
        background="air",
        box_mm=BOX_MM,
        spacing_mm=(1.5, 1.5, 1.5),
        shapes=(*soft, *_trees(lungs, seed), *bones(skeleton, np.array(trunk["cavity"]["sections"]))),
    )


def _soft(trunk: dict[str, Any], skeleton: dict[str, Any]) -> list[Shape]:
    body, cavity = trunk["body"], trunk["cavity"]
    made: list[Shape] = []
    for name, material, depth in (
        ("skin", "skin", 0.0),
        ("subcutaneous fat", "adipose", body["skin_mm"]),
        ("muscle", "muscle", body["skin_mm"] + body["fat_mm"]),
    ):
        made.append(
            Loft(name=f"{name} of trunk", organ=name, material=material, sections=body["sections"], grow_mm=-depth)
        )
        for limb in body["limbs"]:
            radii = tuple(r - depth for r in limb["radius_mm"])
            made.append(
                Tube(
                    name=f"{name} of {limb['name']}",
                    organ=name,
                    material=material,
                    points_mm=limb["points_mm"],
                    radius_mm=radii,
                    mirror=limb.get("mirror", False),
                    step_mm=12.0,
                )
            )
    made.append(Loft(name="pleura", organ="mediastinal fat", material="adipose", sections=cavity["sections"]))
    for name, side in (("right lung", 1.0), ("left lung", -1.0)):
        made.append(
            Loft(
                name=name,
                material="lung",
                density=cavity["lung_density"],
                sections=cavity["sections"],
                grow_mm=-1.0,
                clip=(Plane(normal=(side, 0, 0)),),
            )
        )
    made += [shape_from({**fields, "organ": "mediastinal fat", "over": LUNGS}) for fields in trunk["mediastinum"]]
    made += [shape.replace(over=LUNGS) for shape in paraspinal(skeleton)]
    made += _coats(trunk) + _chambers(trunk["heart"]) + _tubes(trunk) + _diaphragm(trunk)
    made += [shape_from(fields) for fields in trunk["abdomen"]]
    return made


def _coats(trunk: dict[str, Any]) -> list[Shape]:
    """2 mm of fat where heart, vessels and airways meet lung."""
    made: list[Shape] = [
        Ellipsoid(
            name=f"fat of {part['name']}",
            organ="mediastinal fat",
            material="adipose",
            over=LUNGS,
            **_oriented(part, -2.0),
        )
        for part in trunk["heart"]
    ]
    for tube in (*trunk["vessels"], *trunk["airways"]):
        grown = tuple(r + 2.0 for r in tube["radius_mm"])
        made.append(
            Tube(
                name=f"fat of {tube['name']}",
                organ="mediastinal fat",
                material="adipose",
                over=LUNGS,
                points_mm=tube["points_mm"],
                radius_mm=grown,
            )
        )
    return made


def _chambers(parts: list[dict[str, Any]]) -> list[Shape]:
    muscle = [
        Ellipsoid(name=part["name"], organ="heart", material="heart_icru46", **_oriented(part, 0.0)) for part in parts
    ]
    blood = [
        Ellipsoid(name=f"{part['name']} cavity", organ="heart", material="blood", **_oriented(part, part["wall_mm"]))
        for part in parts
    ]
    return [*muscle, *blood]


def _oriented(part: dict[str, Any], shrink: float) -> dict[str, Any]:
    """Centre, semi-axes less `shrink`, and the turn that brings the third axis to the part's axis."""
    x, y, z = (float(c) for c in np.array(part["axis"], float) / np.linalg.norm(part["axis"]))
    turn = (round(math.degrees(math.asin(-y)), 6), round(math.degrees(math.atan2(x, z)), 6), 0.0)
    return {
        "centre_mm": part["centre_mm"],
        "semi_axes_mm": tuple(s - shrink for s in part["semi_axes_mm"]),
        "rotation_deg": turn,
    }


def _tubes(trunk: dict[str, Any]) -> list[Shape]:
    made: list[Shape] = [
        Tube(
            name=tube["name"],
            organ="great vessels",
            material="blood",
            points_mm=tube["points_mm"],
            radius_mm=tuple(tube["radius_mm"]),
        )
        for tube in trunk["vessels"]
    ]
    for lumen in (False, True):
        for tube in trunk["airways"]:
            wall = 0.0 if lumen else tube["wall_mm"]
            made.append(
                Tube(
                    name=f"{tube['name']}{' lumen' if lumen else ''}",
                    organ="airways" if lumen else "airway walls",
                    material="air" if lumen else "cartilage",
                    points_mm=tube["points_mm"],
                    radius_mm=tuple(r + wall for r in tube["radius_mm"]),
                )
            )
    return made


def _diaphragm(trunk: dict[str, Any]) -> list[Shape]:
    """Domes of muscle over lungs and heart, and everything below them: fat, in which the abdominal organs lie."""
    covers = (*LUNGS, "mediastinal fat", "heart", "paraspinal tissue")
    below = (Plane(normal=(0, 0, 1), point_mm=(0, 0, 146)),)
    cavity = (Plane(normal=(0, 0, 1), point_mm=(0, 0, 143)),)
    made: list[Shape] = [
        Loft(
            name="floor",
            organ="diaphragm",
            material="muscle",
            sections=trunk["cavity"]["sections"],
            over=covers,
            clip=below,
        )
    ]
    made += [Ellipsoid(organ="diaphragm", material="muscle", over=covers, **dome) for dome in trunk["domes"]]
    made.append(
        Loft(
            name="abdominal cavity",
            organ="visceral fat",
            material="adipose",
            sections=trunk["cavity"]["sections"],
            grow_mm=-3.0,
            over=("diaphragm",),
            clip=cavity,
        )
    )
    for dome in trunk["domes"]:
        smaller = {**dome, "name": f"below {dome['name']}", "semi_axes_mm": [s - 3.5 for s in dome["semi_axes_mm"]]}
        made.append(Ellipsoid(organ="visceral fat", material="adipose", over=("diaphragm",), **smaller))
    return made


def _trees(lungs: Scene, seed: int) -> list[Shape]:
    """Arteries and veins of the five lobes, seen where they cross lung."""
    low, high = np.array([-150.0, -105.0, 140.0]), np.array([150.0, 105.0, 472.0])
    count = round(float(np.prod(high - low)) * 1e-3 * _END_POINTS_PER_ML)
    made: list[Shape] = []
    random = Stream(seed, "thorax").uniform64(np.arange(2 * count)[:, None], [0, 1]).reshape(-1, 4)
    clouds = low + (high - low) * np.round(random[:, :3], 9)
    found = organs_at(lungs, clouds)
    for kind in (0, 1):
        points, organs = clouds[kind::2], found[kind::2]
        for number, (lobe, (lung, roots)) in enumerate(_LOBES.items()):
            own = points[(organs == lung) & (_lobe_of(points) == number)]
            root, direction = (np.array(vector, float) for vector in roots[kind])
            rows = grow_tree(root, direction, own, _END_POINTS_PER_ML, Stream(seed, f"{lobe} {kind}"))
            made.append(
                Branches(
                    name=f"{('arteries', 'veins')[kind]} of {lobe}",
                    organ="pulmonary vessels",
                    material="blood",
                    segments=tuple(rows),
                    over=LUNGS,
                )
            )
    return made


def _lobe_of(points: Array) -> npt.NDArray[np.int64]:
    """Index of the lobe by the oblique and horizontal fissures (mm)."""
    x, y, z = points.T
    oblique_right = 309 + 0.98 * y - 0.12 * (np.abs(x) - 70) - 0.0016 * y * y
    horizontal = 331 - 0.10 * (y + 40) - 0.06 * (np.abs(x) - 70) + 0.0008 * (y + 30) ** 2
    right = np.where(z < oblique_right, 2, np.where(z < horizontal, 1, 0))
    left = np.where(z < 318 + 1.02 * y - 0.12 * (np.abs(x) - 70) - 0.0016 * y * y, 4, 3)
    return np.asarray(np.where(x < 0, right, left))
