"""Where a lesion of the breast lies: a place of the material breast, carried into the view that a phantom shows."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import numpy.typing as npt

from physsim.body.breast.spec import Breast
from physsim.body.breast.trees import VESSEL, material_trees
from physsim.body.breast.trigonometry import cosine_and_sine
from physsim.body.breast.views import Form, form_of
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.randomness import Stream
from physsim.spec.grid import Vector

Floats = npt.NDArray[np.float64]

_TRIES = 4000
_MARGIN_MM = 2.0  # of sound tissue between a drawn lesion and skin, chest wall and vessels


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """A place of the material breast (X, Y, Z mm), the voxel index (x, y, z) where a phantom shows it, and its frame.

    turned: (3, 3) rotation from voxel axes to material axes: a lesion is stiffer than the tissue, so compression turns
    it with the view and does not flatten it.
    """

    form: Form
    phantom: Phantom
    place_mm: Floats
    index: Floats
    turned: Floats

    def offsets_mm(self, offsets: Floats) -> Floats:
        """Offsets (n, 3) along the voxel axes (mm) of material offsets (n, 3): carried by the tissue."""
        moved = _index(self.form, self.phantom, self.place_mm + offsets)
        return np.asarray((moved - self.index) * _spacing(self.phantom))

    def material_axes(self, offsets: Floats) -> Floats:
        """Offsets (..., 3) along the voxel axes in material axes."""
        return np.stack([sum((offsets[..., k] * self.turned[n, k] for k in (1, 2)), offsets[..., 0] * self.turned[n, 0])
                         for n in range(3)], -1)

    def voxel_axes(self, offset: Floats) -> Floats:
        """An offset (3,) in material axes along the voxel axes."""
        return np.asarray(self.turned[0] * offset[0] + self.turned[1] * offset[1] + self.turned[2] * offset[2])

    @property
    def name(self) -> str:
        """The place in words, the same in every view."""
        x, y, z = (round(float(value), 1) + 0.0 for value in self.place_mm)
        return f"breast, {x:g} mm forward, {y:g} mm lateral, {z:g} mm up"


def breast_of(phantom: Phantom) -> Breast:
    """The drawn breast that a phantom shows, or InvalidInput."""
    from physsim.body.breast.materials import breast_materials

    made = breast_materials()
    if phantom.materials[:len(made)] != made or "breast" not in phantom.made_from:
        raise InvalidInput(message(f"phantom {phantom.name!r}", "these lesions are made for the materials of ps.breast",
                                   "Use Phantom.insert for other phantoms."))
    return Breast.from_json(json.dumps(phantom.made_from["breast"]))


def site_of(phantom: Phantom, centre_mm: Vector | None, place_mm: Vector | None, radius_mm: float, seed: int,
            stream: str) -> Site:
    """The site at a world centre, at a material place, or drawn from the seed: the same one in every view."""
    breast = breast_of(phantom)
    form = form_of(breast)
    if centre_mm is not None:
        place = form.deformation.material(form.from_world(np.array([centre_mm], np.float64)))[0]
    elif place_mm is not None:
        place = np.array(place_mm, np.float64)
    else:
        return _site(form, phantom, _drawn(breast, radius_mm, seed, stream))
    given = f"centre_mm={centre_mm}" if centre_mm is not None else f"place_mm={place_mm}"
    if not _holds(form, place[None, :], radius_mm)[0]:
        raise InvalidInput(message(given, f"a ball of {radius_mm:g} mm there is not all within the breast's fat and "
                                   "gland", "Move it inward, or leave it out."))
    return _site(form, phantom, place)


def _site(form: Form, phantom: Phantom, place: Floats) -> Site:
    cos, sin = (float(value) for value in cosine_and_sine(math.radians(form.breast.angle_deg)))
    across = 1.0 if form.breast.side == "L" else -1.0  # a right breast's second voxel axis runs the other way
    turned = np.array([[1.0, 0.0, 0.0], [0.0, cos * across, -sin], [0.0, sin * across, cos]])
    return Site(form, phantom, place, _index(form, phantom, place[None, :])[0], turned)


def _index(form: Form, phantom: Phantom, places: Floats) -> Floats:
    """Voxel indices (n, 3), (x, y, z), of material places (n, 3)."""
    world = form.world(form.deformation.view(np.atleast_2d(places)))
    matrix = phantom.grid.voxel_from_world
    columns = [world[:, :1] * matrix[:3, 0], world[:, 1:2] * matrix[:3, 1], world[:, 2:] * matrix[:3, 2]]
    return np.asarray(columns[0] + columns[1] + columns[2] + matrix[:3, 3])


def _spacing(phantom: Phantom) -> float:
    return phantom.grid.spacing_mm[0]


def _holds(form: Form, places: Floats, radius_mm: float) -> npt.NDArray[np.bool_]:
    """Whether balls (n,) round material places (n, 3) lie inside the skin and before the chest wall in a view."""
    seen = form.deformation.view(places)
    forward = seen[:, 0] - form.outline.wall_at(seen[:, 1])
    inside = (form.depth(seen) > radius_mm + form.skin_mm) & (forward > radius_mm) & (places[:, 0] > 0)
    across2 = (places[:, 1] ** 2 + places[:, 2] ** 2) / form.dome.radius_mm**2
    return np.asarray(inside & ((places[:, 0] / form.dome.length_mm) ** 2 + across2 < 1.0))


def _drawn(breast: Breast, radius_mm: float, seed: int, stream: str) -> Floats:
    """A material place where a ball fits uncompressed and in both usual views, clear of vessels and nipple."""
    usual = breast.tissue.thickness_mm
    forms = [form_of(breast.seen(view, thickness_mm=usual)) for view in ("CC", "MLO")] + [
        form_of(breast.material), form_of(breast)]
    dome = forms[0].dome
    u = Stream(seed, stream).uniform64(np.arange(_TRIES)[:, None], [0, 1]).reshape(_TRIES, 4)
    places = np.stack([u[:, 0] * dome.length_mm, *((2 * u[:, n] - 1) * dome.radius_mm for n in (1, 2))], -1)
    good = places[:, 0] < dome.length_mm - 18.0 - radius_mm
    for form in forms:
        good[good] = _holds(form, places[good], radius_mm + _MARGIN_MM)
    tubes = material_trees(breast.material)
    tubes = tubes[tubes[:, 8] == VESSEL]
    for number in np.flatnonzero(good):
        gap = np.sqrt(((tubes[:, :3] - places[number]) ** 2).sum(1)) - tubes[:, 6]
        if gap.size == 0 or float(gap.min()) > radius_mm + _MARGIN_MM:
            return np.asarray(places[number])
    raise InvalidInput(message(f"a lesion of radius {radius_mm:g} mm", "the breast has no place for it",
                               "Make it smaller, or give place_mm."))
