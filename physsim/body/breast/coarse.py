"""What changes slowly in a breast, on nodes: the map to lobules, glandularity, ligaments.

Nodes are 1.25 mm apart, 0.625 mm along the beam of a compressed breast, where the plates squeeze it.

Every field is a function of the material place (mm) and the seed; each node of a view asks at the material point that
the view's deformation shows there, so all views have the same gland, at no cost a voxel. Cells are cut in coordinates
(u, v, w) in which lobules shrink and converge towards the nipple:

    u = rho / elongation,  (v, w) = R0 theta (rho / R0)^0.45 (Y, Z) / |(Y, Z)|,  R0 = 50 mm,

with rho the distance from a point 12 mm in front of the nipple and theta the angle from the axis there, and warps.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from physsim.body.breast import noise
from physsim.body.breast.recipe import BreastClass
from physsim.body.breast.spec import Breast
from physsim.body.breast.trigonometry import polar_angle
from physsim.body.breast.views import Form
from physsim.portable import exp, log

Floats = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.float32]

STEP_MM, SQUEEZED_STEP_MM = 1.25, 0.625  # across; along the beam, of a compressed breast
CHANNELS = ("u", "v", "w", "glandularity", "ligament", "mottle", "haze")
_FOCUS_MM, _R0_MM = 12.0, 50.0  # focus of the polar map in front of the nipple; radius at which the map keeps lengths
_CONVERGENCE = 0.45
_MOTTLE_MM = 3.0  # a cell of the tile of noise: what is finer is made voxel by voxel
_INWARD_MM = 0.4  # nodes in the skin and outside ask at this depth below it: the map is steep at its very end
_ACROSS, _ALONG = 1.45, 1.05  # lobules of the uncompressed breast: compression widens them across and forward
_CLUMPS = 0.8, 0.45  # clumps of gland are longer than lobules by the inverse: across, and from below to above
_WARP_RMS_MM, _WARP_MM, _WARP_BETA = 2.2, (12.0, 50.0), 3.4


@dataclasses.dataclass(frozen=True, eq=False)
class CoarseFields:
    """nodes: (ny, nx, nz, 7) float32, channels as in CHANNELS; the first node lies at (x0, y0, z0) mm of the view."""

    nodes: Nodes
    x0: float
    y0: float
    z0: float
    step_z: float
    table: npt.NDArray[np.float32]
    tile: npt.NDArray[np.float32]


def coarse_fields(form: Form) -> CoarseFields:
    """Fields of one view of a breast, over its box and a node beyond; glandularity without the threshold."""
    breast, tissue = form.breast, form.breast.tissue
    low, high = form.outline.y_range
    step_z = STEP_MM if form.is_dome else SQUEEZED_STEP_MM
    x, y, z = _axis(0.0, form.x_far_mm), _axis(low, high), _axis(0.0, 2.0 * form.half_mm, step_z)
    table, tile = _noises(breast.seed)
    shape = (len(y), len(x), len(z))
    places = np.empty((*shape, 3))
    places[..., 0], places[..., 1], places[..., 2] = x[None, :, None], y[:, None, None], z[None, None, :]
    within = form.depth(places.reshape(-1, 3)) > -2.0 * STEP_MM  # nodes far outside are never asked
    nipple = np.abs(places - (form.outline.nipple_x, form.outline.nipple_y, form.half_mm)).max(-1) < 20.0
    used = np.flatnonzero(within | nipple.ravel())
    points = form.deformation.material(form.within(places.reshape(-1, 3)[used], form.skin_mm + _INWARD_MM))
    channels = _channels(breast, form, points, table, tissue)
    nodes = np.zeros((places.size // 3, len(CHANNELS)), np.float32)
    nodes[used] = channels
    if not np.isfinite(nodes).all():
        raise AssertionError("coarse fields of the breast are not finite")
    return CoarseFields(nodes.reshape(*shape, len(CHANNELS)), float(x[0]), float(y[0]), float(z[0]), step_z,
                        table, tile)


def _channels(breast: Breast, form: Form, points: Floats, table: Nodes, tissue: BreastClass) -> Nodes:
    """The channels (n, 7) at material points (n, 3)."""
    places = points.astype(np.float32)

    def field(name: str, shortest: float, longest: float, beta: float = 3.0, at: Nodes = places) -> Floats:
        return noise.field(table, at, (shortest, longest), beta, breast.seed, name).astype(np.float64)

    u, v, w = _lobular(breast, form, points)
    warp = [field(f"warp {axis}", *_WARP_MM, _WARP_BETA) * _WARP_RMS_MM for axis in "uvw"]
    u, v, w = u + warp[0] / tissue.elongation, v + warp[1], w + warp[2]
    fan = field("fan", 5.0, 50.0, at=np.stack([u / 1.15, _CLUMPS[0] * v, _CLUMPS[1] * w], -1).astype(np.float32))
    glandularity = _site(breast, form, points, field) + tissue.gland_contrast * (
        0.62 * fan + 0.38 * field("gland", 6.0, 40.0))
    ligament = exp(tissue.ligament_spread * field("ligaments", 6.0, 45.0) - 0.2)
    cells = np.stack([v, w, u], -1).astype(np.float32) / np.float32(_MOTTLE_MM)
    mottle = noise.tile_values(_noises(breast.seed)[1], cells)
    mottle64 = mottle.astype(np.float64)
    haze = tissue.haze_fraction * ligament * exp(1.1 * mottle64)
    return np.stack([u, v, w, glandularity + 0.2 * mottle64, ligament, mottle64, haze], -1).astype(np.float32)


@lru_cache(maxsize=2)
def _noises(seed: int) -> tuple[Nodes, Nodes]:
    """Lattice and tile of noise of a breast: the same for all its views."""
    table = noise.lattice(seed)
    return table, noise.tile(table)


def _axis(low: float, high: float, step: float = STEP_MM) -> Floats:
    """Nodes at whole multiples of the step, so that a larger box has the same nodes."""
    first, last = math.floor(low / step) - 1, math.ceil(high / step) + 1
    return np.arange(first, last + 1, dtype=np.float64) * step


def _lobular(breast: Breast, form: Form, points: Floats) -> tuple[Floats, Floats, Floats]:
    """The closed-form map of material points to lobular coordinates, without warp."""
    forward = form.dome.length_mm + _FOCUS_MM - points[:, 0]
    across = np.sqrt(points[:, 1] ** 2 + points[:, 2] ** 2)
    rho = np.maximum(np.sqrt(forward * forward + across * across), 2.0)
    arc = _R0_MM * polar_angle(across, forward) * exp(_CONVERGENCE * log(rho / _R0_MM))
    scale = _ACROSS * np.where(across > 1e-6, arc / np.maximum(across, 1e-6), _R0_MM / rho * exp(
        _CONVERGENCE * log(rho / _R0_MM)))
    return _ALONG * rho / breast.tissue.elongation, scale * points[:, 1], scale * points[:, 2]


def _site(breast: Breast, form: Form, points: Floats, field: Callable[..., Floats]) -> Floats:
    """Where gland lies in a breast: most in the upper outer part, less under the skin and in front of the muscle."""
    tissue, dome, mantle = breast.tissue, form.dome, _mantle(breast)
    x, lateral, cranial = points[:, 0], points[:, 1], points[:, 2]
    across2 = lateral**2 + cranial**2
    depth = dome.depth(points)
    outward = (0.8 * lateral + 0.6 * cranial) / dome.radius_mm
    forward = dome.length_mm - x
    under_skin = mantle * tissue.subcutaneous_fat_mm * (1 + 0.35 * field("subcutaneous", 15.0, 60.0))
    peripheral = np.maximum(0, (under_skin - depth) / (9 * mantle) + 1)
    peripheral = peripheral * (1 - 0.8 * exp(-np.minimum((forward / 16) ** 2 + across2 / 144.0, 500.0)))
    shallow = np.maximum(0, (10 + 1.5 * field("shallow", 15.0, 60.0) - depth / mantle) / 6)
    behind = tissue.retromammary_fat_mm * (1 + 0.3 * field("retromammary", 15.0, 60.0))
    retro = np.maximum(0, (behind - x / (0.9 * mantle)) / 12)
    beyond = np.clip((5.0 - x) / 10.0, 0.0, 1.5)  # no gland on the muscle or in the armpit, however dense the breast
    behind_nipple = exp(-np.minimum((forward / 22) ** 2 + across2 / 256.0, 500.0))
    return np.asarray(
        -0.2 + 0.22 * outward - 0.25 * across2 / dome.radius_mm**2 - tissue.peripheral_fat * peripheral - 0.28 * shallow
        - 0.45 * retro - 2.5 * beyond + 0.22 * exp(-((forward / dome.length_mm - 0.38) ** 2) / 0.12)
        + 0.35 * tissue.retroareolar_gland * behind_nipple)


def _mantle(breast: Breast) -> float:
    """How thick the coat of fat round the gland is, over that of a breast of its class's usual size; not above 1.

    It thins with the lengths of a small breast: of one of 40 mm it would else be most, however dense the breast.
    """
    tissue = breast.tissue
    return min(1.0, math.sqrt(breast.length_mm * breast.half_width_mm / (tissue.length_mm * tissue.half_width_mm)))
