"""`ps.breast(...)`: a compressed breast as a Phantom, or slab by slab where it would not fit in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.breast.build import (
    BLUR_MM,
    BreastModel,
    breast_grid,
    checked_spacing,
    samples_per_voxel,
)
from physsim.body.breast.materials import breast_materials
from physsim.body.breast.painter import Lattice, Painter
from physsim.body.breast.spec import Breast
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import OrganTruth, Truth
from physsim.spec.grid import Grid
from physsim.spec.material import material
from physsim.units import CM3_PER_MM3

Labels = npt.NDArray[np.uint8]


def breast(density: str | Breast = "B", view: str = "CC", side: str = "L", *, spacing_mm: float = 0.25, seed: int = 7,
           thickness_mm: float | None = None, length_mm: float | None = None, half_width_mm: float | None = None,
           angle_deg: float | None = None, organ_labels: bool | None = None) -> Phantom:
    """A breast between the plates of a mammography unit, or uncompressed: the same breast in every view.

    density: "A" (almost all fat), "B", "C" or "D" (extremely dense); or a drawn `Breast`, then nothing else but the
        spacing. view: "CC", "MLO" or "uncompressed"; side: "L" or "R"; angle_deg: of the beam, 0 from above and 90 from
        the medial side (CC 0, MLO 45); see `Breast.draw` for the lengths (mm).
    spacing_mm: of the cubic voxels; the same breast at every spacing. 0.1 mm takes a byte for each of 0.4 to 1.2
        thousand million voxels.
    organ_labels: a mask of organs in the truth, another byte a voxel; default up to 300 million voxels.

    Labels are mixtures by volume: gland in fat in 32 steps, skin and muscle in fat and skin in air in 8, blood in 4;
    what rounding leaves over is carried on along the beam. `truth.organs` holds volumes and masses of what was painted
    before rounding. Grid: world origin in the middle of the chest wall, halfway between the plates (`breast_grid`).

    Views are one material breast, deformed so that every volume is kept (`deformation`); muscle and armpit, behind the
    chest wall, are seen in MLO (and as a rim in some CC) alone. `physsim.body.breast.carried` follows a place of it.

    Errors: InvalidInput for an unknown class, view or side, an impossible thickness, a spacing too coarse.
    Neglects: the plates' flex, folds of skin, implants; gland, ligaments and ducts are one tissue (Hammerstein's).
    Reference: A. Badano et al., JAMA Netw Open 1 (2018) e185474 (densities, thicknesses, fat fractions);
        G. R. Hammerstein et al., Radiology 130 (1979) 485 (tissues).

    >>> import physsim as ps
    >>> small = ps.breast("D", spacing_mm=1.0, length_mm=40, half_width_mm=40)
    >>> small.labels.shape, len(small.materials)
    ((35, 82, 48), 61)
    """
    checked_spacing(spacing_mm)
    if isinstance(density, Breast):
        given = {"view": view != "CC", "side": side != "L", "seed": seed != 7, "thickness_mm": thickness_mm is not None,
                 "length_mm": length_mm is not None, "half_width_mm": half_width_mm is not None,
                 "angle_deg": angle_deg is not None}
        if idle := [name for name, there in given.items() if there]:
            raise InvalidInput(message(f"{idle[0]} beside a Breast", "the drawn breast holds it already",
                                       f"Use breast.replace({idle[0]}=...)."))
        drawn = density
    else:
        drawn = Breast.draw(density, view, side, seed=seed, thickness_mm=thickness_mm, length_mm=length_mm,
                            half_width_mm=half_width_mm, angle_deg=angle_deg)
    painter, grid = _painter(drawn, spacing_mm)
    nz = grid.shape[0]
    masks = organ_labels if organ_labels is not None else int(np.prod(grid.shape)) <= 300_000_000
    labels, organs = painter.slab(0, nz, organs=masks)
    truth = Truth(organs if masks else None, organ_table(painter.volumes))
    return Phantom(grid=grid, labels=labels, materials=breast_materials(), truth=truth,
                   name=f"breast {drawn.density} {drawn.view} {drawn.side} {drawn.seed}",
                   made_from={"breast": json.loads(painter.breast.to_json())})


def breast_slabs(drawn: Breast, spacing_mm: float, slices: int = 48) -> Iterator[tuple[Grid, int, Labels]]:
    """The same voxels in slabs of about `slices`: the whole grid, the first slice's number, and labels (n, ny, nx).

    For spacings at which the whole would not fit: memory is one slab and some 100 MB of fields.
    """
    painter, grid = _painter(drawn, checked_spacing(spacing_mm))
    step = painter.slab_step * max(1, slices // painter.slab_step)
    for first in range(0, grid.shape[0], step):
        yield grid, first, painter.slab(first, min(first + step, grid.shape[0]))[0]


def calibrated(drawn: Breast) -> Breast:
    """The breast with its threshold found, so that a file of it needs no search when it is built again."""
    return BreastModel(drawn).breast


def _painter(drawn: Breast, spacing_mm: float) -> tuple[Painter, Grid]:
    model = BreastModel(drawn)
    lattice = Lattice.of(model.form, spacing_mm)
    painter = Painter(model, model.breast, lattice, samples_per_voxel(spacing_mm), BLUR_MM)
    return painter, breast_grid(model.form, lattice)


def organ_table(volumes: npt.NDArray[Any]) -> tuple[OrganTruth, ...]:
    """Rows of truth from volumes (organs, parts) in mm3; the background's are 0."""
    from physsim.body.breast import levels, materials

    names = (materials.FAT, materials.GLAND, materials.SKIN, materials.MUSCLE, materials.BLOOD)
    own = np.array([material(name).density_g_cm3 for name in names])
    return tuple(OrganTruth(name, float(row.sum()), float((row * own).sum()) * CM3_PER_MM3)
                 for name, row in zip(levels.ORGANS, volumes, strict=True))
