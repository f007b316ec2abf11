"""What a view of a breast is painted from: form, fields, cells and trees, and the threshold of its class."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from physsim.body.breast import levels
from physsim.body.breast.coarse import CoarseFields, coarse_fields
from physsim.body.breast.painter import Cells, Lattice, Painter
from physsim.body.breast.spec import Breast
from physsim.body.breast.trees import lymph_nodes, trees
from physsim.body.breast.views import Form, form_of
from physsim.errors import InvalidInput, message
from physsim.spec.grid import Grid

Floats = npt.NDArray[np.float64]

SPACING_RANGE_MM = (0.02, 1.5)
SAMPLE_MM = 0.25  # coarser voxels are averaged over samples at most this far apart
BLUR_MM = 0.25  # widest anti-aliasing
_BRACKET, _CALIBRATION_STEPS, _CALIBRATION_ERROR = (-2.5, 1.5), 12, 5e-4
_BEYOND = (-4.0, 3.0)  # of the threshold, where a breast does not reach its fraction within the bracket
_CALIBRATION_MM = 1.25
_CALIBRATION_BLUR_MM = 0.2
_SECANT = 0.05  # a step of the threshold that shows how the fat fraction follows it


class BreastModel:
    """Everything about one view of a breast that does not depend on the spacing of its voxels."""

    def __init__(self, breast: Breast) -> None:
        self.form: Form = form_of(breast)
        self.fields: CoarseFields = coarse_fields(self.form)
        self.cells = tuple(Cells.of(breast, self.fields, n) for n in range(2))
        self.segments = trees(self.form)
        self.ellipsoids = lymph_nodes(self.form)
        self._thresholds: dict[float, float] = {}
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
        if at_low >= 0:
            low = _BEYOND[0]
            at_low = self._fat_fraction_at(breast.replace(threshold=low)) - wanted
        if at_high <= 0:
            high = _BEYOND[1]
            at_high = self._fat_fraction_at(breast.replace(threshold=high)) - wanted
            if abs(at_high) < _CALIBRATION_ERROR:
                return high
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

    def threshold_at(self, blur_mm: float) -> float:
        """The threshold at which edges blurred so widely leave as much fat as those of 0.2 mm, by one secant.

        What is thinner than its blur, or curved within it, does not keep its volume: without this, class D has a fat
        fraction of 0.393 at 0.1 mm and 0.404 at 0.25 mm.
        """
        own, found = self.breast.threshold, self._thresholds
        assert own is not None
        if blur_mm == _CALIBRATION_BLUR_MM:
            return own
        if blur_mm not in found:
            wanted = self._fat_fraction_at(self.breast)
            here, beyond = (self._fat_fraction_at(self.breast.replace(threshold=value), blur_mm)
                            for value in (own, own + _SECANT))
            shift = _SECANT * (wanted - here) / (beyond - here) if beyond > here else 0.0
            found[blur_mm] = round(own + shift, 6)
        return found[blur_mm]

    def _fat_fraction_at(self, breast: Breast, blur_mm: float = _CALIBRATION_BLUR_MM) -> float:
        lattice = Lattice.of(self.form, _CALIBRATION_MM)
        painter = Painter(self, breast, lattice, part=1, blur_mm=blur_mm, threshold=breast.threshold)
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
    fat, duct = volumes[levels.ORGANS.index("adipose tissue")], volumes[levels.ORGANS.index("ducts")]
    gland = volumes[levels.ORGANS.index("fibroglandular tissue")]
    return float((fat[0] + duct[0]) / (fat[0] + duct[:2].sum() + gland[1]))


def samples_per_voxel(spacing_mm: float) -> int:
    """Samples along each axis of a voxel."""
    return max(1, math.ceil(spacing_mm / SAMPLE_MM - 1e-6))


def checked_spacing(spacing_mm: float) -> float:
    """The spacing, or InvalidInput where it is too coarse or too fine to mean anything."""
    low, high = SPACING_RANGE_MM
    if not (isinstance(spacing_mm, (int, float)) and low <= spacing_mm <= high):
        raise InvalidInput(message(
            f"spacing_mm={spacing_mm!r}",
            f"a breast is made of voxels of {low:g} to {high:g} mm: coarser ones lose the skin (1.3 mm)",
            "Give for example 0.1, or 0.25 for quick work."))
    return float(spacing_mm)


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
