"""A breast's spec to voxels: fields and cells once, then bricks by strips of rows, any slab of slices by itself."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.breast.coarse import STEP_MM, CoarseFields, coarse_fields
from physsim.body.breast.spec import Breast
from physsim.body.breast.trees import binned, lymph_nodes, trees
from physsim.body.breast.views import Form, form_of
from physsim.errors import InvalidInput, message
from physsim.phantom.compiled import in_threads
from physsim.randomness import Stream
from physsim.spec.grid import Grid

Floats = npt.NDArray[np.float64]

SPACING_RANGE_MM = (0.02, 1.5)
SAMPLE_MM = 0.25  # coarser voxels are averaged over samples at most this far apart
BLUR_MM = 0.25  # widest anti-aliasing
_CELL_MARGIN = 4  # cells beyond the box of the mapped breast
_BRACKET, _CALIBRATION_STEPS, _CALIBRATION_ERROR = (-2.5, 1.5), 12, 5e-4
_CALIBRATION_MM = 1.25
_CALIBRATION_BLUR_MM = 0.15


@dataclasses.dataclass(frozen=True, eq=False)
class Cells:
    """Jittered points of one pitch: first cell (u, v, w), (nz, ny, nx, 4) float32 seeds, (nz, ny, nx) uint32 names."""

    pitch: float
    first: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.float32]
    names: npt.NDArray[np.uint32]


class BreastModel:
    """Everything about one view of a breast that does not depend on the spacing of its voxels."""

    def __init__(self, breast: Breast) -> None:
        self.form: Form = form_of(breast)
        self.fields: CoarseFields = coarse_fields(self.form)
        self.cells = tuple(_cells(breast, self.fields, n) for n in range(2))
        self.segments = trees(self.form)
        self.ellipsoids = lymph_nodes(self.form)
        if breast.threshold is None:
            material = breast.material
            own = self._calibrated(material) if breast == material else threshold_of(material)
            breast = breast.replace(threshold=own)
        self.breast = breast

    def _calibrated(self, breast: Breast) -> float:
        """The threshold that gives the class its fat fraction, on samples 1.25 mm apart: false position (Illinois)."""
        wanted = breast.tissue.fat_fraction
        low, high = _BRACKET
        at_low, at_high = (self._fat_fraction_at(breast.replace(threshold=edge)) - wanted for edge in (low, high))
        if not at_low < 0 < at_high:
            raise InvalidInput(message(
                f"fat fraction {wanted:g}", f"this breast can have {at_low + wanted:.3f} to {at_high + wanted:.3f}",
                "Choose another density class or other lengths."))
        middle, side = high, 0
        for _ in range(_CALIBRATION_STEPS):
            middle = (low * at_high - high * at_low) / (at_high - at_low)
            gap = self._fat_fraction_at(breast.replace(threshold=middle)) - wanted
            if abs(gap) < _CALIBRATION_ERROR:
                break
            if gap < 0:
                low, at_low, at_high, side = middle, gap, at_high * (0.5 if side < 0 else 1.0), -1
            else:
                high, at_high, at_low, side = middle, gap, at_low * (0.5 if side > 0 else 1.0), 1
        return round(middle, 6)

    def _fat_fraction_at(self, breast: Breast) -> float:
        lattice = Lattice.of(self.form, _CALIBRATION_MM)
        painter = Painter(self, breast, lattice, part=1, blur_mm=_CALIBRATION_BLUR_MM)
        painter.slab(0, lattice.shape[0])
        return fat_fraction(painter.volumes)


@lru_cache(maxsize=32)
def threshold_of(material: Breast) -> float:
    """The threshold of a breast, found in its uncompressed state, so that it is one in all views."""
    found = BreastModel(material).breast.threshold
    assert found is not None
    return found


def fat_fraction(volumes: Floats) -> float:
    """Fat by volume of what lies within the skin: without nipple, muscle, vessels and lymph nodes."""
    from physsim.body.breast import kernel

    fat, duct = volumes[kernel.ORGANS.index("adipose tissue")], volumes[kernel.ORGANS.index("ducts")]
    gland = volumes[kernel.ORGANS.index("fibroglandular tissue")]
    return float((fat[0] + duct[0]) / (fat[0] + duct[:2].sum() + gland[1]))


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
    """Paints slabs of slices one after the other, each continuing the rounding of the last."""

    def __init__(self, model: BreastModel, breast: Breast, lattice: Lattice, part: int, blur_mm: float) -> None:
        from physsim.body.breast import kernel

        self.model, self.breast, self.lattice, self.part = model, breast, lattice, part
        self.brick = _brick(lattice.spacing_mm, part, model.cells[1].pitch)
        assert math.prod(self.brick) * part**3 <= kernel.ROOM
        _, ny, nx = lattice.shape
        self.carry = np.zeros((ny, nx), np.float32)
        self._numbers = _numbers(model, breast, lattice, blur_mm)
        self._wall = _walls(model.form)
        rows, columns = math.ceil(ny / self.brick[1]), math.ceil(nx / self.brick[2])
        tile = (lattice.y0, self.brick[1] * lattice.spacing_mm, self.brick[2] * lattice.spacing_mm)
        self._bins = binned(model.segments, tile, (rows, columns), 1.1 * lattice.spacing_mm)
        self._volumes = np.zeros((rows, len(kernel.ORGANS), kernel.PARTS))

    @property
    def volumes(self) -> Floats:
        """Volumes (organs, parts) painted so far (mm3)."""
        sample = (self.lattice.spacing_mm / self.part) ** 3
        return np.asarray(self._volumes.sum(0) * sample)

    @cached_property
    def slab_step(self) -> int:
        """Slabs begin at multiples of this many slices."""
        return self.brick[0]

    def slab(self, first: int, last: int, organs: bool = False) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Labels of slices [first, last), (slices, ny, nx) uint8, and organ labels or an empty array.

        Slabs are asked for in order from slice 0 on, each beginning at a multiple of `slab_step` where the last ended.
        """
        from physsim.body.breast.kernel import paint_strip

        assert first % self.slab_step == 0
        _, ny, nx = self.lattice.shape
        labels = np.empty((last - first, ny, nx), np.uint8)
        organ_labels = np.empty(labels.shape if organs else (0, 0, 0), np.uint8)
        model, step = self.model, self.brick[1]
        large, small = model.cells

        def job(row: int) -> None:
            failed = paint_strip(
                (row, min(row + step, ny)), (first, last), self.lattice.spacing_mm, self.part, self.brick,
                self.lattice.y0, self._numbers, model.form.outline.depth, self._wall, model.fields.nodes,
                model.fields.tile, large.first, large.seeds, large.names, small.first, small.seeds, small.names,
                *self._bins, model.segments, model.ellipsoids, self.breast.side == "R", self.carry, labels,
                organ_labels, self._volumes[row // step])
            if failed:
                raise AssertionError("a brick of the breast met more cells than it can hold")

        in_threads(job, range(0, ny, step))
        return labels, organ_labels


def _brick(spacing_mm: float, part: int, pitch_mm: float) -> tuple[int, int, int]:
    """Voxels of a brick along z, y and x: some 1.2 x 1.2 x 0.4 to 0.6 mm, and never more than 12 x 12 x 12 samples."""
    if part > 1:
        across = max(round(1.0 / spacing_mm), 1)
        return across, across, across
    across = min(max(round(1.2 / spacing_mm), 2), 12)
    return (12 if spacing_mm < 0.075 else max(round(min(max(0.4, pitch_mm / 6), 0.6) / spacing_mm), 1)), across, across


def samples_per_voxel(spacing_mm: float) -> int:
    """Samples along each axis of a voxel."""
    return max(1, math.ceil(spacing_mm / SAMPLE_MM - 1e-6))


def _cells(breast: Breast, fields: CoarseFields, which: int) -> Cells:
    from physsim.body.breast.kernel import make_cells

    pitch = breast.tissue.lobule_mm[which]
    mapped = fields.nodes[..., :3].reshape(-1, 3)
    first = np.floor(mapped.min(0) / pitch).astype(np.int64) - _CELL_MARGIN
    last = np.floor(mapped.max(0) / pitch).astype(np.int64) + _CELL_MARGIN + 1
    shape = tuple(int(n) for n in (last - first)[::-1])
    seeds, names = np.empty((*shape, 4), np.float32), np.empty(shape, np.uint32)
    key = int(Stream(breast.seed, "breast cells").words(which)[0])
    make_cells(pitch, first, np.array(shape), key, seeds, names)
    return Cells(pitch, first, seeds, names)


def _numbers(model: BreastModel, breast: Breast, lattice: Lattice, blur_mm: float) -> Floats:
    """The recipe in the kernel's order."""
    from physsim.body.breast import kernel as k

    tissue, outline, fields = breast.tissue, model.form.outline, model.fields
    values: dict[int, Any] = {
        k.P_HALF: model.form.half_mm, k.P_NIPPLE_X: outline.nipple_x, k.P_NIPPLE_Y: outline.nipple_y,
        k.P_NIPPLE_R: tissue.nipple_radius_mm, k.P_SKIN: model.form.skin_mm, k.P_HEIGHT: outline.height_mm,
        k.P_DOME: model.form.is_dome, k.P_LENGTH: model.form.dome.length_mm, k.P_THRESHOLD: breast.threshold,
        k.P_WIDTH: blur_mm, k.P_FILL_1: tissue.fill[0], k.P_FILL_2: tissue.fill[1], k.P_SPREAD: tissue.lobule_spread,
        k.P_OFFSET: tissue.lobulette_offset, k.P_LOOSE: tissue.looseness, k.P_TEXTURE: tissue.texture[0],
        k.P_GRAIN: tissue.texture[1], k.P_WALL_1: tissue.walls[0], k.P_SHARE_1: tissue.walls[1],
        k.P_WALL_2: tissue.small_walls[0], k.P_SHARE_2: tissue.small_walls[1], k.P_STRAND: tissue.strand_mm,
        k.P_HAZE: tissue.haze_fraction, k.P_DEPTH_X0: outline.x0,
        k.P_DEPTH_Y0: outline.y0, k.P_DEPTH_STEP: outline.step_mm, k.P_COARSE_X0: fields.x0, k.P_COARSE_Y0: fields.y0,
        k.P_COARSE_Z0: fields.z0, k.P_COARSE_STEP: STEP_MM, k.P_PITCH_1: model.cells[0].pitch,
        k.P_PITCH_2: model.cells[1].pitch, k.P_COARSE_STEP_Z: fields.step_z,
    }
    return np.array([float(values[n]) for n in range(k.NUMBERS)])


def checked_spacing(spacing_mm: float) -> float:
    """The spacing, or InvalidInput where it is too coarse or too fine to mean anything."""
    low, high = SPACING_RANGE_MM
    if not (isinstance(spacing_mm, (int, float)) and low <= spacing_mm <= high):
        raise InvalidInput(message(
            f"spacing_mm={spacing_mm!r}",
            f"a breast is made of voxels of {low:g} to {high:g} mm: coarser ones lose the skin (1.3 mm)",
            "Give for example 0.1, or 0.25 for quick work."))
    return float(spacing_mm)


def _walls(form: Form) -> npt.NDArray[np.float32]:
    """(ny, 3) by rows of the outline's depth: x of the breast's back and of the muscle's front, its slope's cosine."""
    wall, muscle = (edge.astype(np.float64) for edge in (form.outline.wall, form.outline.muscle))
    slope = np.gradient(muscle, form.outline.step_mm)
    return np.stack([wall, muscle, 1.0 / np.sqrt(1.0 + slope * slope)], -1).astype(np.float32)


def breast_grid(form: Form, lattice: Lattice) -> Grid:
    """Where the voxels lie: the world's origin is the middle of the chest wall, halfway between the plates.

    CC: x anterior, y lateral, z cranial (the detector below). With the beam turned by an angle (MLO 45 degrees): y from
    the breast's lower edge to the armpit, z from the lateral plate up to the medial one. Of a right breast the second
    axis is turned round, so that all grids are right-handed.
    """
    ny, h = lattice.shape[1], lattice.spacing_mm
    x_axis, y_axis, z_axis = form.axes
    first, middle = lattice.y0 + 0.5 * h, form.middle_y_mm
    if form.breast.side == "R":
        mirror = np.array([-1.0, 1.0, 1.0])
        y_axis, z_axis = -y_axis * mirror, z_axis * mirror
        first, middle = -(lattice.y0 + (ny - 0.5) * h), -middle
    origin = 0.5 * h * x_axis + (first - middle) * y_axis + (0.5 * h - form.half_mm) * z_axis
    return Grid(shape=lattice.shape, spacing_mm=(h, h, h), origin_mm=tuple(float(c) for c in origin),
                direction=tuple(tuple(float(c) + 0.0 for c in axis) for axis in (x_axis, y_axis, z_axis)))
