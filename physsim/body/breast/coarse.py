"""What changes slowly in a breast, on nodes 1.25 mm apart: the map to uncompressed lobules, glandularity, ligaments.

Cells are cut in coordinates (u, v, w) in which compression is undone (volume kept) and lobules shrink and converge
towards the nipple:

    u = a rho / elongation,  v = a R0 theta (rho / R0)^0.45,  w = s (z - R) (rho / R0)^0.3,   a = s^-1/2,  R0 = 50 mm,

with (rho, theta) polar about a point 12 mm in front of the nipple, and smooth warps added. Every field is a function of
place (mm) and seed, sampled at these nodes whatever the spacing of the voxels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from physsim.body.breast import noise
from physsim.body.breast.outline import DEPTH_STEP_MM, Outline
from physsim.body.breast.spec import Breast
from physsim.body.breast.trigonometry import polar_angle
from physsim.portable import exp, log

Floats = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.float32]

STEP_MM = 1.25
CHANNELS = ("u", "v", "w", "glandularity", "ligament", "mottle", "haze")
_FOCUS_MM, _R0_MM = 12.0, 50.0  # focus of the polar map in front of the nipple; radius at which the map keeps lengths
_UPRIGHT = 0.55  # clumps of gland reach farther along the beam than lobules do
_WARP_RMS_MM, _WARP_MM, _WARP_BETA = 2.2, (9.0, 45.0), 3.4


@dataclasses.dataclass(frozen=True, eq=False)
class CoarseFields:
    """nodes: (ny, nx, nz, 7) float32, channels as in CHANNELS; the first node lies at (x0, y0, z0) mm."""

    nodes: Nodes
    x0: float
    y0: float
    z0: float
    table: npt.NDArray[np.float32]
    tile: npt.NDArray[np.float32]


def coarse_fields(breast: Breast, outline: Outline) -> CoarseFields:
    """Fields of one breast, over its box and a node beyond; glandularity without the threshold."""
    tissue = breast.tissue
    low, high = outline.y_range
    x = _axis(0.0, outline.x_far)
    y = _axis(low, high)
    z = _axis(0.0, breast.thickness_mm)
    table = noise.lattice(breast.seed)
    shape = (len(y), len(x), len(z))
    places = np.empty((*shape, 3))
    places[..., 0], places[..., 1], places[..., 2] = x[None, :, None], y[:, None, None], z[None, None, :]
    shrink = 1.0 / math.sqrt(breast.stretch)
    unsqueezed = (places * (shrink, shrink, breast.stretch)).reshape(-1, 3).astype(np.float32)

    upright = (unsqueezed * np.array([1.0, 1.0, _UPRIGHT], np.float32)).astype(np.float32)

    def field(name: str, shortest: float, longest: float, beta: float = 3.0, at: Nodes = unsqueezed) -> Floats:
        return noise.field(table, at, (shortest, longest), beta, breast.seed, name).reshape(shape).astype(np.float64)

    u, v, w = _uncompressed(breast, outline, x, y, z)
    warp = [field(f"warp {axis}", *_WARP_MM, _WARP_BETA) * _WARP_RMS_MM for axis in "uvw"]
    u, v, w = u + warp[0] / tissue.elongation, v + warp[1], w + warp[2]
    mapped = np.stack([u / 1.15, v, _UPRIGHT * w], -1).reshape(-1, 3).astype(np.float32)
    fan = field("fan", 1.2, 50.0, at=mapped)
    glandularity = _site(breast, outline, x, y, z, field) + tissue.gland_contrast * (
        0.62 * fan + 0.38 * field("gland", 4.0, 40.0, at=upright))
    depth = depth_at(outline, x, y)[:, :, None]
    ligament = (1 + 0.7 * exp(-(((depth - 8) / 8) ** 2))) * exp(
        tissue.ligament_spread * field("ligaments", 6.0, 45.0) - 0.2)
    fine = noise.tile(table)
    mottle = np.empty(u.size, np.float32)
    noise.sample_tile(fine, np.stack([v, w, u], -1).reshape(-1, 3).astype(np.float32) / np.float32(1.7), mottle)
    mottle64 = mottle.reshape(shape).astype(np.float64)
    haze = tissue.haze_fraction * ligament * exp(1.1 * mottle64)
    nodes = np.stack([u, v, w, glandularity + 0.2 * mottle64, ligament, mottle64, haze], -1).astype(np.float32)
    if not np.isfinite(nodes).all():
        raise AssertionError("coarse fields of the breast are not finite")
    return CoarseFields(nodes, float(x[0]), float(y[0]), float(z[0]), table, fine)


def _axis(low: float, high: float) -> Floats:
    """Nodes at whole multiples of the step, so that a larger box has the same nodes."""
    first, last = math.floor(low / STEP_MM) - 1, math.ceil(high / STEP_MM) + 1
    return np.arange(first, last + 1, dtype=np.float64) * STEP_MM


def depth_at(outline: Outline, x: Floats, y: Floats) -> Floats:
    """Signed depth (ny, nx) below the outline (mm), bilinear; held constant beyond the grid."""
    ny, nx = outline.depth.shape
    i = np.clip((x - outline.x0) / DEPTH_STEP_MM, 0, nx - 1.001)
    j = np.clip((y - outline.y0) / DEPTH_STEP_MM, 0, ny - 1.001)
    i0, j0 = i.astype(int), j.astype(int)
    fx, fy = (i - i0)[None, :], (j - j0)[:, None]
    d = outline.depth.astype(np.float64)
    return np.asarray(
        (1 - fy) * ((1 - fx) * d[np.ix_(j0, i0)] + fx * d[np.ix_(j0, i0 + 1)])
        + fy * ((1 - fx) * d[np.ix_(j0 + 1, i0)] + fx * d[np.ix_(j0 + 1, i0 + 1)]))


def _uncompressed(breast: Breast, outline: Outline, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
    """The closed-form map at the nodes, without warp: three arrays (ny, nx, nz)."""
    dx = outline.nipple_x + _FOCUS_MM - x[None, :]
    dy = y[:, None] - outline.nipple_y
    rho = np.maximum(np.sqrt(dx * dx + dy * dy), 2.0)
    theta = polar_angle(dy, dx)
    relative = log(rho / _R0_MM)
    shrink = 1.0 / math.sqrt(breast.stretch)
    u = shrink * rho / breast.tissue.elongation
    v = shrink * _R0_MM * theta * exp(0.45 * relative)
    w = breast.stretch * (z - breast.half_mm)[None, None, :] * exp(0.3 * relative)[:, :, None]
    full = w.shape
    return np.array(np.broadcast_to(u[:, :, None], full)), np.array(np.broadcast_to(v[:, :, None], full)), w


def _site(
    breast: Breast, outline: Outline, x: Floats, y: Floats, z: Floats, field: Callable[..., Floats]
) -> Floats:
    """Where gland lies in a breast: less of it under the skin, in front of the muscle and near the plates."""
    tissue, half = breast.tissue, breast.half_mm
    x, y, z = x[None, :, None], y[:, None, None], z[None, None, :]
    depth = depth_at(outline, x.ravel(), y.ravel())[:, :, None]
    eta = (y - outline.nipple_y) / breast.half_width_mm * (0.8 if breast.view == "MLO" else 1.0)
    forward = outline.nipple_x - x
    along = forward / breast.length_mm
    zeta = z / half - 1
    sideways = y - outline.nipple_y
    under_skin = tissue.subcutaneous_fat_mm * (1 + 0.35 * field("subcutaneous", 15.0, 60.0))
    peripheral = np.maximum(0, (under_skin + 9 - depth) / 9)
    peripheral = peripheral * (1 - 0.8 * exp(-np.minimum((forward / 16) ** 2 + (sideways / 9) ** 2, 500.0)))
    near_plate = np.maximum(0, (7 + 1.2 * field("plates", 15.0, 60.0) - (half - np.abs(z - half))) / 4)
    near_plate_wide = np.maximum(0, np.abs(zeta) - 0.55) / 0.45
    retro = np.maximum(0, (tissue.retromammary_fat_mm * (1 + 0.3 * field("retromammary", 15.0, 60.0)) - x) / 12)
    behind_nipple = exp(-np.minimum((forward / 22) ** 2 + (sideways / 16) ** 2 + (zeta / 0.6) ** 2, 500.0))
    return np.asarray(
        -0.2 + 0.22 * eta - 0.20 * eta**2 - tissue.peripheral_fat * peripheral - 0.28 * near_plate
        - 0.30 * near_plate_wide**2 - 0.45 * retro + 0.22 * exp(-((along - 0.38) ** 2) / 0.12)
        + 0.35 * tissue.retroareolar_gland * behind_nipple)
