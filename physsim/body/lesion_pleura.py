"""Fluid and air between lung and chest wall: they lie where gravity puts them, and the lung beside them is pressed.

What is filled are voxels of the lung's lobes and trees of one side. Fluid rises along the walls in a meniscus; air
lies over the lung, thickest at the top. Both have exactly the asked volume; the lung keeps its mass: what they displace
makes the rest of that lung denser.

Neglects: loculation, collapse of single lobes, tension (the mediastinum and the diaphragm stay where they are).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.errors import InvalidInput, message
from physsim.phantom.truth import LesionTruth, OrganTruth, Truth
from physsim.spec.base import Spec
from physsim.spec.grid import Grid
from physsim.spec.material import material
from physsim.units import CM3_PER_MM3

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

_MENISCUS_MM, _MENISCUS_REACH_MM = 30.0, 9.0  # how high fluid climbs at the wall, and how fast that falls inward
_OVERHANG = 6.0  # mm of height for a mm of depth: how the layer of air grows thicker upward
_MOST = 0.7  # of the lung that may be displaced
_SOFT_G_CM3 = 0.93
_TREES = ("of the lungs", "bronchial")
_FILLING = {"effusion": ("water", 1.015), "haemothorax": ("blood", 1.0), "pneumothorax": ("air", 1.0)}


class PleuralCollection(Spec):
    """Fluid or air in one pleural cavity: `phantom.insert(PleuralCollection(side="left", volume_ml=400))`.

    `kind`: "effusion" (15 HU), "haemothorax" (blood) or "pneumothorax" (air); `posture`: standing, or supine (gravity
    towards +y). The phantom stands in the patient's frame (LPS, midline at x = 0) and carries organ labels with lobes.

    Raises InvalidInput when the phantom has no lung on that side, or when more than 0.7 of it would be displaced.
    """

    kind: Literal["effusion", "haemothorax", "pneumothorax"] = "effusion"
    side: Literal["left", "right"]
    volume_ml: pydantic.PositiveFloat
    posture: Literal["standing", "supine"] = "standing"
    name: str = ""

    def inserted_into(self, phantom: Phantom, overlay_spacing_mm: float | None = None) -> Phantom:
        """The phantom with it."""
        if overlay_spacing_mm is not None:
            why = "it lies over the whole lung, not in a box of its own"
            raise InvalidInput(message(f"overlay_spacing_mm={overlay_spacing_mm}", why, "Leave it out."))
        name = self.name or f"{self.side} {self.kind}"
        block, places, lobes = self._space(phantom)
        lung = _Lung.of(phantom, block, lobes, places)
        trees = places & ~lung.own
        filled = self._filled(phantom.grid, block, places | lung.own, np.where(trees, 1.0, lung.share))
        return _painted(phantom, block, lung, filled, self, name)

    def _space(self, phantom: Phantom) -> tuple[tuple[slice, ...], npt.NDArray[np.bool_], list[int]]:
        """Block round one lung, its voxels there (trees included), and the numbers of its lobes."""
        names = phantom.truth.names()
        lobes = [n for n, name in enumerate(names) if name.startswith(self.side) and name.endswith("lobe")]
        organs = phantom.truth.organ_labels
        if organs is None or not lobes or not (own := np.isin(organs, lobes)).any():
            raise InvalidInput(
                message(f"{self.side} {self.kind}", f"the phantom has no voxels of a {self.side} lobe",
                        "Voxelise a chest with its truth.")
            )  # fmt: skip
        where = [np.flatnonzero(own.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
        ends = [(max(int(w[0]) - 2, 0), min(int(w[-1]) + 3, n)) for w, n in zip(where, own.shape, strict=True)]
        block = tuple(slice(*pair) for pair in ends)
        trees = [n for n, name in enumerate(names) if any(word in name for word in _TREES)]
        x = _axes(phantom.grid, block)[0]
        beside = np.isin(organs[block], trees) & ((x > 0.0) if self.side == "left" else (x < 0.0))
        return block, own[block] | beside, lobes

    def _filled(
        self, grid: Grid, block: tuple[slice, ...], places: npt.NDArray[np.bool_], room: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float32]:
        """Share of each voxel of the block that is filled: a level set of height and depth, of the asked volume."""
        from scipy.ndimage import distance_transform_edt

        _, y, z = _axes(grid, block)
        up = z if self.posture == "standing" else -y
        spacing = grid.spacing_mm[::-1]
        if self.kind == "pneumothorax":
            # from the chest wall only: what lies medial of lung in a row is mediastinum, hilum or vessel
            lateral = places[..., :: 1 if self.side == "right" else -1]
            inner = np.logical_or.accumulate(lateral, axis=2)[..., :: 1 if self.side == "right" else -1]
            depth = distance_transform_edt(inner, sampling=spacing)
            potential = _OVERHANG * depth - up
        else:
            depth = distance_transform_edt(places, sampling=spacing)
            potential = up - _MENISCUS_MM * np.exp(-depth / _MENISCUS_REACH_MM)
        cell_ml = grid.voxel_volume_mm3 / 1000.0
        values, free = potential[places], room[places]
        if self.volume_ml > _MOST * free.sum() * cell_ml:
            raise InvalidInput(
                message(f"volume_ml={self.volume_ml:g}",
                        f"the {self.side} lung has {free.sum() * cell_ml:.0f} ml, of which {_MOST:g} may be displaced",
                        "Make it smaller.")
            )  # fmt: skip
        width = max(grid.spacing_mm)
        low, high = float(values.min()) - width, float(values.max()) + width
        for _ in range(60):
            level = 0.5 * (low + high)
            if float((free * np.clip(0.5 + (level - values) / width, 0.0, 1.0)).sum()) * cell_ml < self.volume_ml:
                low = level
            else:
                high = level
        return np.asarray(np.clip(0.5 + (high - potential) / width, 0.0, 1.0) * places * room, np.float32)


def _axes(grid: Grid, block: tuple[slice, ...]) -> tuple[Any, Any, Any]:
    """World x, y, z (mm) of a block's voxels, broadcastable (nz, ny, nx); for grids along the axes."""
    matrix = grid.world_from_voxel
    if np.abs(matrix[:3, :3] - np.diag(np.diag(matrix[:3, :3]))).max() > 1e-6:
        raise InvalidInput(message("pleura", "the phantom's axes are oblique", "Use a grid along the patient's axes."))
    z, y, x = (np.arange(p.start, p.stop) * matrix[2 - n, 2 - n] + matrix[2 - n, 3] for n, p in enumerate(block))
    return x[None, None, :], y[None, :, None], z[:, None, None]


@dataclass(frozen=True, eq=False)
class _Lung:
    """Voxels of one lung's lobes in a block: how much of each is lung, and the lung's mass in it."""

    own: npt.NDArray[np.bool_]
    share: npt.NDArray[np.float64]
    mass: npt.NDArray[np.float64]  # g/cm3 of the voxel

    @classmethod
    def of(
        cls, phantom: Phantom, block: tuple[slice, ...], lobes: list[int], places: npt.NDArray[np.bool_]
    ) -> _Lung:
        """A voxel at the lung's rim is lung as far as its density lies below that of fat and muscle."""
        from scipy.ndimage import binary_dilation, binary_erosion

        assert phantom.truth.organ_labels is not None
        own = np.isin(phantom.truth.organ_labels[block], lobes)
        density = phantom.density_g_cm3(block).astype(float)
        typical = float(np.median(density[own]))
        own = own | (binary_dilation(own) & ~places & (density < _SOFT_G_CM3) & (density > typical))
        share = np.clip((_SOFT_G_CM3 - density) / (_SOFT_G_CM3 - 1.5 * typical), 0.0, 1.0) * own
        share[own & binary_erosion(places, iterations=2)] = 1.0  # vessels within, not walls beside
        return cls(own, share, np.where(share < 1.0, share * typical, density))


def _painted(
    phantom: Phantom, block: tuple[slice, ...], lung: _Lung, filled: npt.NDArray[np.float32],
    own: PleuralCollection, name: str,
) -> Phantom:  # fmt: skip
    """The phantom with the filling in place of lung and vessels; what lung it displaces is pressed into the rest."""
    truth, cell = phantom.truth, phantom.grid.voxel_volume_mm3
    assert truth.organ_labels is not None
    if name in truth.names():
        raise InvalidInput(message(f"{name!r}", "something of that name is there already", "Give it another name."))
    made, relative = material(_FILLING[own.kind][0]), _FILLING[own.kind][1]
    materials = phantom.materials if made in phantom.materials else (*phantom.materials, made)
    number, own_g_cm3 = materials.index(made), np.array([one.density_g_cm3 for one in materials])
    labels = phantom.labels.astype(np.uint16 if number > 255 else phantom.labels.dtype)
    density = np.ones(phantom.labels.shape, np.float32) if phantom.density is None else phantom.density.copy()
    before = phantom.density_g_cm3(block).astype(float)
    taken = np.divide(filled, lung.share, out=np.zeros(lung.share.shape), where=lung.share > 0.0)
    displaced = np.where(lung.own, taken * lung.mass, filled * before)
    spread = float((taken * lung.mass).sum()) / float(((1.0 - taken) * lung.mass).sum())
    after = before - displaced + spread * (1.0 - taken) * lung.mass + filled * relative * made.density_g_cm3
    labels[block] = np.where(filled > 0.5, number, labels[block])
    density[block] = after / own_g_cm3[labels[block]]
    organs, count = truth.organ_labels.copy(), len(truth.organs)
    lost = np.bincount(organs[block].ravel(), filled.ravel(), count) * cell
    lighter = np.bincount(organs[block].ravel(), np.where(lung.own, 0.0, displaced).ravel(), count) * cell * CM3_PER_MM3
    if count > np.iinfo(organs.dtype).max:
        organs = organs.astype(np.uint16)
    organs[block] = np.where(filled > 0.5, count, organs[block])
    volume = float(filled.sum()) * cell
    mass = volume * CM3_PER_MM3 * relative * made.density_g_cm3
    index = [float((filled.sum(axis=tuple(a for a in range(3) if a != n)) * np.arange(filled.shape[n])).sum())
             / float(filled.sum()) + block[n].start for n in (2, 1, 0)]  # fmt: skip
    x, y, z = (phantom.grid.world_from_voxel @ np.array([*index, 1.0]))[:3].tolist()
    rows = [OrganTruth(row.name, max(row.volume_mm3 - float(lost[n]), 0.0), row.mass_g - float(lighter[n]))
            for n, row in enumerate(truth.organs)]  # fmt: skip
    rows.append(OrganTruth(name, volume, mass))
    row = LesionTruth(name, made.name, (x, y, z), volume, mass, own.kind, f"{own.side} lung")
    return phantom.replace(
        labels=labels, density=density, materials=materials,
        truth=Truth(organs, tuple(rows), (*truth.lesions, row)),
    )  # fmt: skip
