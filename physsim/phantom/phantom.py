"""A phantom as one value: labels into materials, relative density, truth and overlays on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.phantom.overlay import Overlay, check_overlays, covered_fraction
from physsim.phantom.truth import Truth
from physsim.spec.grid import Grid
from physsim.spec.material import Material
from physsim.units import CM3_PER_MM3

if TYPE_CHECKING:
    from physsim.phantom.insert import Solid
    from physsim.phantom.mesh import Mesh, MeshPart
    from physsim.phantom.shapes import Shape

HEIGHTS = "region_heights_mm"  # key of Phantom.made_from
_LABEL_TYPES, _DENSITY_TYPES = (np.uint8, np.uint16), (np.float16, np.float32)


@runtime_checkable
class Insertable(Protocol):
    """What knows how to insert itself: a lesion that finds its own place."""

    def inserted_into(self, phantom: Phantom, overlay_spacing_mm: float | None = None) -> Phantom:
        """The phantom with it."""
        ...


@dataclass(frozen=True, eq=False)
class Phantom:
    """A virtual object made of voxels.

    `labels`: (nz, ny, nx) uint8/uint16, C order, index into `materials`; `density`: the same shape, float16/float32,
    relative to the material's own density (1 everywhere when None); both are kept without a copy and read-only.
    `truth`: organs and lesions; `overlays`: finer patches over it; `meshes`: closed surfaces over it (`lay`).
    `density_grid`: where the density lies, when it came with a header of its own: compared with `grid`, never assumed.
    `made_from`: plain data (what JSON holds) that says what the phantom was made from (body, patient, seed); kept in
    files. Its HEIGHTS: world z between which the body is what the phantom is of, where voxels reach beyond (see
    Patient.phantom).

    Raises InvalidInput for a label without a material, a density that is NaN, infinite or negative, arrays of different
    grids, overlays that overlap or reach out.

    >>> import physsim as ps
    >>> phantom = ps.voxelise(ps.scene("water_20cm"), spacing_mm=4)
    >>> round(phantom.mass_g())                          # 6.283 litres of water, and 4 litres of air around it
    6288
    """

    grid: Grid
    labels: npt.NDArray[Any]
    materials: tuple[Material, ...]
    density: npt.NDArray[Any] | None = None
    truth: Truth = field(default_factory=Truth)
    overlays: tuple[Overlay, ...] = ()
    meshes: tuple[MeshPart, ...] = ()
    name: str = ""
    made_from: Mapping[str, Any] = field(default_factory=dict)
    density_grid: InitVar[Grid | None] = None

    def __post_init__(self, density_grid: Grid | None) -> None:
        if not self.materials:
            raise InvalidInput(message("materials=()", "labels need materials", "Give at least one material."))
        if density_grid is not None and (difference := self.grid.difference(density_grid)):
            raise InvalidInput(f"labels and density: {difference}")
        check_arrays(self.grid, self.labels, self.density, self.materials, "phantom")
        for overlay in self.overlays:
            check_arrays(overlay.grid, overlay.labels, overlay.density, self.materials, f"overlay {overlay.name!r}")
        check_overlays(self.grid, self.overlays)
        for grid, organs, what in ((self.grid, self.truth.organ_labels, "the phantom"),
                                   *((one.grid, one.organ_labels, f"overlay {one.name!r}") for one in self.overlays)):
            if organs is not None and organs.shape != grid.shape:
                raise InvalidInput(message(f"organ labels of shape {organs.shape}", f"{what} has {grid.shape}",
                                           f"Give truth on the grid of {what}."))
        object.__setattr__(self, "labels", read_only(self.labels))
        if self.density is not None:
            object.__setattr__(self, "density", read_only(self.density))

    def mass_g(self) -> float:
        """Mass of all voxels, overlays and meshes in place of what they cover (g)."""
        if self.meshes:
            from physsim.phantom.laid import painted_meshes

            return painted_meshes(self).mass_g()
        total = float(self._mass_by_label(self.labels, self.density).sum()) * self.grid.voxel_volume_mm3
        for overlay in self.overlays:
            total += float(self._mass_by_label(overlay.labels, overlay.density).sum()) * overlay.grid.voxel_volume_mm3
            where, fraction = covered_fraction(self.grid, overlay.grid)
            total -= float((self.density_g_cm3(where) * fraction).sum()) * self.grid.voxel_volume_mm3
        return total * CM3_PER_MM3

    def organ_masses_g(self) -> dict[str, float]:
        """Mass of each organ as it was made (g): from the geometry, not from counting voxels."""
        return {organ.name: organ.mass_g for organ in self.truth.organs}

    def lesion_table(self) -> list[dict[str, Any]]:
        """A row for each lesion: LesionTruth.row and its centre in voxels (z, y, x) of this phantom."""
        rows = []
        for lesion in self.truth.lesions:
            x, y, z = (self.grid.voxel_from_world @ np.array([*lesion.centre_mm, 1.0]))[:3]
            rows.append({**lesion.row(), "centre_voxel_zyx": [float(z), float(y), float(x)]})
        return rows

    def density_g_cm3(self, where: tuple[slice, ...] = ()) -> npt.NDArray[np.float32]:
        """Mass density (z, y, x) of the whole phantom or of a part given by slices (g/cm3), without overlays."""
        own = np.array([one.density_g_cm3 for one in self.materials], np.float32)
        values = own[self.labels[where]]
        if self.density is not None:
            values *= self.density[where]
        return np.asarray(values)

    def hu(self, energy_kev: float) -> npt.NDArray[np.float32]:
        """CT numbers (nz, ny, nx) at one energy: 1000 (mu / mu_water - 1), without overlays.

        Neglects: beam hardening, scatter and reconstruction; at an effective energy it is what a calibrated scanner
        shows in a large uniform region.
        """
        from physsim.physics.attenuation import linear_attenuation_per_mm
        from physsim.spec.material import material

        mu = np.array([float(linear_attenuation_per_mm(one, energy_kev)) for one in self.materials])
        water = float(linear_attenuation_per_mm(material("water"), energy_kev))
        scale = (1000.0 * mu / water).astype(np.float32)
        values = scale[self.labels]
        if self.density is not None:
            values *= self.density
        values -= np.float32(1000.0)
        return np.asarray(values)

    def insert(self, shape: Shape | Solid | Insertable, overlay_spacing_mm: float | None = None) -> Phantom:
        """The phantom with a shape (a lesion in the truth), a mesh (an implant) or a lesion painted into it.

        `overlay_spacing_mm`: paint it in an overlay of (about) that spacing instead of in the phantom's own voxels; the
        phantom's spacing is divided by whole numbers, so that no voxel is cut.
        """
        from physsim.phantom.insert import inserted

        if isinstance(shape, Insertable):
            return shape.inserted_into(self, overlay_spacing_mm)
        return inserted(self, shape, overlay_spacing_mm)

    def lay(self, *parts: MeshPart) -> Phantom:
        """The phantom with closed meshes over its voxels, which rays see exactly: see physsim.phantom.laid.

        >>> import physsim as ps
        >>> from physsim.body.devices import device
        >>> hip = ps.voxelise(ps.scene("water_20cm"), spacing_mm=10).lay(*device("hip_prosthesis"))
        >>> [part.material for part in hip.meshes][:2], int(hip.labels.max())
        (['ti6al4v', 'polyethylene'], 1)
        """
        from physsim.phantom.laid import laid

        return laid(self, *parts)

    def surface(self, organ: str, smooth_voxels: float = 0.7) -> Mesh:
        """The closed surface of an organ or lesion as a mesh: see physsim.phantom.mesh.surface."""
        from physsim.phantom.mesh import surface

        return surface(self.truth.mask(organ), self.grid, smooth_voxels, organ)

    def crop(self, low_mm: tuple[float, float, float], high_mm: tuple[float, float, float]) -> Phantom:
        """The voxels whose centres lie between two world points; the organ table is counted anew from the voxels."""
        from physsim.phantom.insert import cropped

        return cropped(self, low_mm, high_mm)

    def replace(self, **changes: Any) -> Phantom:
        """A copy with some fields changed, checked again; arrays are shared."""
        return replace(self, density_grid=None, **changes)

    @classmethod
    def load(cls, path: str | Path, **options: Any) -> Phantom:
        """A phantom from a file: see physsim.phantom.files.load_phantom."""
        from physsim.phantom.files import load_phantom

        return load_phantom(path, **options)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the phantom: see physsim.phantom.files.save_phantom."""
        from physsim.phantom.files import save_phantom

        save_phantom(self, path, overwrite=overwrite)

    def _mass_by_label(self, labels: npt.NDArray[Any], density: npt.NDArray[Any] | None) -> npt.NDArray[np.float64]:
        """(materials,) sum of density (g/cm3) over voxels; by slices, so that no volume of float64 is made."""
        sums = np.zeros(len(self.materials))
        for k in range(len(labels)):
            weights = None if density is None else density[k].ravel().astype(np.float64)
            sums += np.bincount(labels[k].ravel(), weights, len(self.materials))
        return np.asarray(sums * np.array([one.density_g_cm3 for one in self.materials]))


_INFINITE_HALF = 0x7C00  # the word of the float16 infinity: finite ones that are not negative lie below


def check_arrays(
    grid: Grid, labels: npt.NDArray[Any], density: npt.NDArray[Any] | None, materials: tuple[Material, ...], what: str
) -> None:
    """InvalidInput unless labels and density are arrays of the grid's shape that can mean something."""
    if labels.dtype not in _LABEL_TYPES or labels.shape != grid.shape:
        raise InvalidInput(
            message(
                f"{what}: labels of type {labels.dtype} and shape {labels.shape}",
                f"labels are uint8 or uint16 of the grid's shape {grid.shape} (z, y, x)",
                "Convert with labels.astype(numpy.uint8), transpose, or mend the grid.",
            )
        )
    largest = int(labels.max())
    if largest >= len(materials):
        missing = [int(n) for n in np.unique(labels) if n >= len(materials)]
        raise InvalidInput(
            message(
                f"{what}: label {missing[0]}",
                f"there are {len(materials)} materials (labels 0 to "
                f"{len(materials) - 1}), none for labels {missing[:8]}",
                "Add materials or mend the labels.",
            )
        )
    if density is None:
        return
    if density.dtype not in _DENSITY_TYPES or density.shape != grid.shape:
        raise InvalidInput(
            message(
                f"{what}: density of type {density.dtype} and shape {density.shape}",
                f"density is float16 or float32 of the grid's shape {grid.shape} (z, y, x)",
                "Convert with density.astype(numpy.float32), transpose, or mend the grid.",
            )
        )
    if density.dtype == np.float16 and int(density.view(np.uint16).max()) < _INFINITE_HALF:
        return  # no sign, no infinity, no NaN: words are compared ten times faster than halves
    low, high = float(density.min()), float(density.max())  # a NaN anywhere makes both NaN
    if not (low >= 0 and np.isfinite(high)):
        bad = np.argwhere(~(np.isfinite(density) & (density >= 0)))
        k, j, i = (int(n) for n in bad[0])
        raise InvalidInput(
            message(
                f"{what}: density[{k}, {j}, {i}]={density[k, j, i]}",
                f"relative density is finite and not negative; {len(bad)} voxels are not",
                "Mend the voxels, or clip with numpy.clip.",
            )
        )


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that cannot be written through, in C order (a copy only if it was not)."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
