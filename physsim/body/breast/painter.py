"""A breast's bricks to voxels by the compiled kernels (kernels/breast), any slab of slices by itself."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.body.breast import levels
from physsim.body.breast.coarse import STEP_MM, CoarseFields
from physsim.body.breast.spec import Breast
from physsim.body.breast.trees import binned
from physsim.body.breast.views import Form
from physsim.device.choice import instruction_set, thread_count
from physsim.randomness import Stream

if TYPE_CHECKING:
    from physsim.body.breast.build import BreastModel

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

_SAMPLES, _COLUMNS = 2048, 240  # that a brick can hold (kernels/breast/job.h)
_CELL_MARGIN = 4  # cells beyond the box of the mapped breast
_SHARPNESS = 1.6  # width of an edge, in voxels


@dataclasses.dataclass(frozen=True, eq=False)
class Cells:
    """Jittered points of one pitch: first cell (u, v, w), (nz, ny, nx, 4) float32 seeds, (nz, ny, nx) uint32 names."""

    pitch: float
    first: tuple[int, int, int]
    seeds: npt.NDArray[np.float32]
    names: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, breast: Breast, fields: CoarseFields, which: int) -> Cells:
        """Those of the large (0) or small (1) lobules, over the fields' nodes and some cells beyond."""
        from physsim import _engine

        pitch = breast.tissue.lobule_mm[which]
        mapped = fields.nodes[..., :3].reshape(-1, 3)
        first = np.floor(mapped.min(0) / pitch).astype(np.int64) - _CELL_MARGIN
        last = np.floor(mapped.max(0) / pitch).astype(np.int64) + _CELL_MARGIN + 1
        nx, ny, nz = (int(n) for n in last - first)
        seeds, names = np.empty((nz, ny, nx, 4), np.float32), np.empty((nz, ny, nx), np.uint32)
        key = int(Stream(breast.seed, "breast cells").words(which)[0])
        corner = (int(first[0]), int(first[1]), int(first[2]))
        _engine.breast_cells(pitch, corner, key, seeds, names, instruction_set())
        return cls(pitch, corner, seeds, names)

    def table(self) -> dict[str, Any]:
        """As the kernels take them."""
        return {"pitch": self.pitch, "first": self.first, "shape": self.names.shape, "seeds": self.seeds,
                "names": self.names}


@dataclasses.dataclass(frozen=True)
class Lattice:
    """Voxels of a breast in its own axes: x from the chest wall, y across, z along the beam; shape (nz, ny, nx)."""

    shape: tuple[int, int, int]
    spacing_mm: float
    y0: float

    @classmethod
    def of(cls, form: Form, spacing_mm: float) -> Lattice:
        """The smallest box of voxels; its edges at x = 0, z = 0 and the outline's low y."""
        low, high = form.outline.y_range
        first = spacing_mm * math.floor(low / spacing_mm + 1e-9)
        counts = (2.0 * form.half_mm, high - first, form.x_far_mm)
        nz, ny, nx = (max(1, math.ceil(length / spacing_mm - 1e-6)) for length in counts)
        return cls((nz, ny, nx), spacing_mm, first)


class Painter:
    """Paints slabs of slices one after the other, each continuing the rounding of the last.

    `blur_mm`: the widest anti-aliasing; `threshold`: of glandularity, by default that of the model at this blur.
    """

    def __init__(
        self, model: BreastModel, breast: Breast, lattice: Lattice, part: int, blur_mm: float,
        threshold: float | None = None,
    ) -> None:  # fmt: skip
        self.breast, self.lattice, self.part = breast, lattice, part
        blur_mm = min(blur_mm, lattice.spacing_mm / part)
        if threshold is None:
            threshold = model.threshold_at(blur_mm)
        self.brick = _brick(lattice.spacing_mm, part, model.cells[1].pitch)
        _, ny, nx = lattice.shape
        rows, columns = math.ceil(ny / self.brick[1]), math.ceil(nx / self.brick[2])
        tile = (lattice.y0, self.brick[1] * lattice.spacing_mm, self.brick[2] * lattice.spacing_mm)
        first, members = binned(model.segments, tile, (rows, columns), 1.1 * lattice.spacing_mm)
        outline, fields = model.form.outline, model.fields
        self._job: dict[str, Any] = {
            "recipe": _recipe(model, breast, threshold, blur_mm),
            "lobules": model.cells[0].table(), "lobulettes": model.cells[1].table(),
            "depth": np.ascontiguousarray(outline.depth), "depth_origin": (outline.x0, outline.y0),
            "depth_step": outline.step_mm, "wall": _walls(model.form), "nodes": fields.nodes,
            "node_origin": (fields.x0, fields.y0, fields.z0), "node_step": (STEP_MM, fields.step_z),
            "tile": fields.tile, "segments": model.segments.astype(np.float32),
            "ellipsoids": model.ellipsoids.astype(np.float32), "bin_first": first, "bin_members": members,
            "spacing": lattice.spacing_mm, "y0": lattice.y0, "part": part, "brick": self.brick,
            "mirror": breast.side == "R"}  # fmt: skip
        self._carry = np.zeros((ny, nx), np.float32)
        self._volumes = np.zeros((rows, len(levels.ORGANS), levels.PARTS))

    @property
    def volumes(self) -> Floats:
        """Volumes (organs, parts) painted so far (mm3)."""
        sample = (self.lattice.spacing_mm / self.part) ** 3
        return np.asarray(self._volumes.sum(0) * sample)

    @property
    def slab_step(self) -> int:
        """Slabs begin at multiples of this many slices."""
        return self.brick[0]

    def slab(self, first: int, last: int, organs: bool = False) -> tuple[Bytes, Bytes]:
        """Labels of slices [first, last), (slices, ny, nx) uint8, and organ labels or an array without slices.

        Slabs are asked for in order from slice 0 on, each beginning at a multiple of `slab_step` where the last ended.
        """
        from physsim import _engine

        assert first % self.slab_step == 0
        _, ny, nx = self.lattice.shape
        labels = np.empty((last - first, ny, nx), np.uint8)
        organ_labels = np.empty(labels.shape if organs else (0, ny, nx), np.uint8)
        if not _engine.paint_breast(
            self._job, first, labels, organ_labels, self._carry, self._volumes, thread_count(), instruction_set()
        ):
            raise AssertionError("a brick of the breast met more cells than it can hold")
        return labels, organ_labels


def _brick(spacing_mm: float, part: int, pitch_mm: float) -> tuple[int, int, int]:
    """Voxels of a brick along z, y and x: some 1.6 x 1.0 x 0.5 mm, its columns of samples in whole lanes where fine.

    Lobules are longest towards the nipple, and the plates squeeze them along the beam.
    """
    if part > 1:
        across = max(round(1.0 / spacing_mm), 1)
        return across, across, across
    if spacing_mm > 0.5:  # a calibration's: wider ones meet too many lobules near the nipple
        return 1, 2, 2
    along = next((n for n in (16, 8) if n * spacing_mm <= 2.05), 4)
    rows = 16 // along
    across = max(round(min(1.0 / spacing_mm, _COLUMNS / along) / rows), 1) * rows
    thick = max(round(min(max(0.4, pitch_mm / 6), 0.6) / spacing_mm), 1)
    return min(thick, _SAMPLES // (along * across)), across, along


def _recipe(model: BreastModel, breast: Breast, threshold: float, blur_mm: float) -> dict[str, Any]:
    """Numbers of the class and of the view, as the kernels take them."""
    tissue, outline = breast.tissue, model.form.outline
    return {
        "half": model.form.half_mm, "nipple_x": outline.nipple_x, "nipple_y": outline.nipple_y,
        "nipple_radius": tissue.nipple_radius_mm, "height": outline.height_mm, "skin": model.form.skin_mm,
        "threshold": threshold, "blur": _SHARPNESS * blur_mm, "fill": tissue.fill,
        "walls": (tissue.walls[0], tissue.small_walls[0]), "share": (tissue.walls[1], tissue.small_walls[1]),
        "spread": tissue.lobule_spread, "offset": tissue.lobulette_offset, "loose": tissue.looseness,
        "texture": tissue.texture[0], "grain": tissue.texture[1], "strand": tissue.strand_mm,
        "dome": model.form.is_dome}  # fmt: skip


def _walls(form: Form) -> npt.NDArray[np.float32]:
    """(ny, 3) by rows of the outline's depth: x of the breast's back and of the muscle's front, its slope's cosine."""
    wall, muscle = (edge.astype(np.float64) for edge in (form.outline.wall, form.outline.muscle))
    slope = np.gradient(muscle, form.outline.step_mm)
    return np.stack([wall, muscle, 1.0 / np.sqrt(1.0 + slope * slope)], -1).astype(np.float32)
