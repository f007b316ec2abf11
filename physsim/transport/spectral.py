"""Spectral projection: labels and density in; areal densities, or the signal of all energies, in one pass.

Each ray adds its path through each material (times relative density) exactly, voxel by voxel. For the signal these
paths are folded, while tracing, into a few line integrals of basis functions (`basis_functions`), and each pixel then
sums

    signal = factor x sum over E of weights[E] exp(-sum over m of mu_m(E) L_m)

in the same kernel, over the few energies from which the others follow (`few_energies`): there is no volume and no image
per energy. Float32 sums in a fixed order: the same bits for any number of threads and any instruction set. A GPU agrees
within 1e-5 RMS. Labels and density as numpy, cupy or torch; the images are of the library and on the device of the
labels.

Neglects: scatter, focal-spot and detector blur (one ray a pixel, through its centre), voxels smaller than the grid's.
Reference: the path of a ray through voxels, R. L. Siddon, Med. Phys. 12 (1985) 252.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine
from physsim.device.arrays import like
from physsim.device.choice import Device, instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.overlay import Overlay
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.basis import BasisFunctions, basis_functions, checked_table, checked_weights
from physsim.transport.mesh import TracedMesh, mesh_arrays, with_meshes
from physsim.transport.ordered import product
from physsim.transport.overlay import with_overlays
from physsim.transport.rays import voxel_rays
from physsim.transport.spectral_body import Body, checked_body, checked_map
from physsim.transport.spectral_device import SpectralTables, device_for_spectral, project_on_gpu
from physsim.transport.spectral_tables import basis_and_energies

__all__ = [
    "BasisFunctions",
    "SpectralImages",
    "basis_functions",
    "project_materials",
    "project_signal",
    "project_spectral",
]

LOG2_E = 1.4426950408889634
# Of the tolerance: what fewer energies may bring in.
ENERGIES_SHARE = 0.1
# A packed voxel: its density, at most 2^WORD_BITS units, and in the low bits its material, which the kernels look up
# in windows of 2^LEAST_LABEL_BITS. Up to MOST_EVEN_BITS a density is rounded to the nearest (1e-7 of the greatest);
# beyond, up or down by chance, so that the mean of many voxels is right.
WORD_BITS = 30
LEAST_LABEL_BITS = 5
MOST_EVEN_BITS = 8


@dataclasses.dataclass(frozen=True, eq=False)
class SpectralImages:
    """signal: (views, outputs, rows, columns), areal_density_g_cm2: (views, materials, rows, columns); float32.

    Of the library and on the device of the labels.
    """

    signal: Any
    areal_density_g_cm2: Any


def project_materials(
    labels: Any,
    density: Any | None,
    material_density_g_cm3: ArrayLike,
    grid: Grid,
    geometry: Geometry,
    *,
    overlays: Sequence[Overlay] = (),
    meshes: Sequence[TracedMesh] = (),
    device: str | Device = "auto",
    threads: int | None = None,
) -> Any:
    """Areal density of each material along each ray: (views, materials, rows, columns) float32 in g/cm2.

    labels: (nz, ny, nx) uint8 or uint16, index into the materials; density: (nz, ny, nx) float16 or float32, relative
    to the material's own (1 = nominal), or None for 1; material_density_g_cm3: (materials,). overlays: finer patches
    that replace what they cover (phantom.Overlay); meshes: closed surfaces that do (transport.mesh).
    labels and density are numpy, cupy or torch, both in one place; the
    result is of the library and on the device of `labels`. device: "cpu", "cuda", "cuda:N" or "auto": where cupy arrays
    and tensors are; for numpy a GPU where one is present and can do it (at most MAX_CHANNELS materials present), else
    the CPU. threads: of the CPU, None for all of this process. The memory beyond the result is
    256 MB and two tiles, whatever the size of the volume; a GPU takes the volume in slabs that fit it. Gradients of
    tensors are not followed.

    Raises InvalidInput for labels without a material, NaN, infinite or negative density, arrays that do not fit the
    grid, and for too many materials on a GPU that is asked for by name or holds the arrays;
    DeviceUnavailable for one that is absent.
    """
    chosen = device_for_spectral(labels, device)  # its errors before long work
    body = checked_body(labels, density, material_density_g_cm3, grid, chosen)
    images = _project(
        body, grid, geometry, given=labels, overlays=overlays, meshes=meshes, device=device, threads=threads,
        areal=True,
    )  # fmt: skip
    return images.areal_density_g_cm2


def project_signal(
    labels: Any,
    density: Any | None,
    material_density_g_cm3: ArrayLike,
    mass_attenuation_cm2_g: ArrayLike,
    weights: ArrayLike,
    grid: Grid,
    geometry: Geometry,
    *,
    position: Any | None = None,
    factor: Any | None = None,
    mix: ArrayLike | None = None,
    tolerance: float | None = 1e-5,
    overlays: Sequence[Overlay] = (),
    meshes: Sequence[TracedMesh] = (),
    device: str | Device = "auto",
    threads: int | None = None,
) -> Any:
    """Expected signal of each pixel, summed over energies in the kernel; for labels, density, overlays and
    device see `project_materials`.

    mass_attenuation_cm2_g: (materials, energies) in cm2/g. weights: what a photon fluence of each energy adds to the
    signal of an open pixel: (energies), (nodes, energies) or (outputs, nodes, energies). With nodes > 1 the weights
    are interpolated linearly at position (rows, columns) or (views, rows, columns), 0 at the first node, nodes - 1 at
    the last (heel effect, bowtie). factor: the same shapes, multiplies the pixel (inverse square, obliquity).
    mix: (nodes, spectra): weights then hold spectra in place of nodes, of which each node's is a sum; for many nodes.
    (columns, nodes, spectra) gives each column of pixels nodes of its own. Spectra that weights hold beyond mix's are
    looked at when basis functions and energies are chosen.
    tolerance: largest error of the log signal that basis functions may bring in, and ENERGIES_SHARE of it that fewer
    energies may; None takes every material and energy by itself.

    Returns float32 (views, outputs, rows, columns), or (views, rows, columns) when weights have no axis of outputs.
    Raises as `project_materials`, and InvalidInput for maps or tables of the wrong shape or with NaN.
    """
    chosen = device_for_spectral(labels, device)
    body = checked_body(labels, density, material_density_g_cm3, grid, chosen)
    signal = _project(
        body,
        grid,
        geometry,
        mass_attenuation_cm2_g,
        weights,
        given=labels,
        position=position,
        factor=factor,
        mix=mix,
        tolerance=tolerance,
        overlays=overlays,
        meshes=meshes,
        device=device,
        threads=threads,
    ).signal
    return signal if np.ndim(weights) == 3 else signal[:, 0]


def project_spectral(
    labels: Any,
    density: Any | None,
    material_density_g_cm3: ArrayLike,
    mass_attenuation_cm2_g: ArrayLike,
    weights: ArrayLike,
    grid: Grid,
    geometry: Geometry,
    *,
    position: Any | None = None,
    factor: Any | None = None,
    overlays: Sequence[Overlay] = (),
    meshes: Sequence[TracedMesh] = (),
    device: str | Device = "auto",
    threads: int | None = None,
) -> SpectralImages:
    """Signal and areal densities from one pass; arguments as `project_signal` and `project_materials`."""
    chosen = device_for_spectral(labels, device)
    body = checked_body(labels, density, material_density_g_cm3, grid, chosen)
    return _project(
        body,
        grid,
        geometry,
        mass_attenuation_cm2_g,
        weights,
        given=labels,
        position=position,
        factor=factor,
        tolerance=None,
        overlays=overlays,
        meshes=meshes,
        device=device,
        threads=threads,
        areal=True,
    )


def _project(
    body: Body,
    grid: Grid,
    geometry: Geometry,
    mass_attenuation_cm2_g: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    given: Any = None,
    position: Any | None = None,
    factor: Any | None = None,
    mix: ArrayLike | None = None,
    tolerance: float | None = None,
    overlays: Sequence[Overlay] = (),
    meshes: Sequence[TracedMesh] = (),
    device: str | Device = "cpu",
    threads: int | None = None,
    areal: bool = False,
    isa: str | None = None,
) -> SpectralImages:
    """The one way to the kernel. Channels are the materials present, or basis functions where they are fewer.

    given: the labels as the user gave them, which say the library and device of the images; default those of `body`.
    """
    given = body.labels if given is None else given
    views, rows, columns = geometry.shape
    body, patches = with_overlays(body, grid, geometry, overlays)
    body = with_meshes(body, meshes)
    materials, present = len(body.material_density_g_cm3), body.present
    spectrum: NDArray[np.float64] = np.zeros((1, 1, 1, 1))
    attenuation: NDArray[np.float64] = np.zeros((1, len(present)))
    coefficients = None
    weightless = body.material_density_g_cm3[present] == 0
    if mass_attenuation_cm2_g is not None and weights is not None:
        table = checked_table(mass_attenuation_cm2_g)
        if len(table) != materials:
            raise InvalidInput(
                message(
                    f"mass_attenuation_cm2_g of {len(table)} materials",
                    f"material_density_g_cm3 has {materials}",
                    "Give one row a material.",
                )
            )
        spectrum = checked_weights(weights, table.shape[1])
        table = table[present]
        if not areal:
            weightless = weightless | ~table.any(1)
        attenuation = (table * body.scale_g_cm2[:, None]).T
        if tolerance is not None and not areal:
            limits = float(np.sqrt(sum(size * size for size in grid.size_mm))) * body.greatest * body.scale_g_cm2
            basis, few, spectrum = basis_and_energies(table, spectrum, limits, tolerance, ENERGIES_SHARE)
            if basis.count < len(present):
                coefficients = np.zeros((basis.count, -(-len(present) // 32) * 32), np.float32)
                coefficients[:, : len(present)] = (basis.coefficients * body.scale_g_cm2[:, None]).T
                attenuation = basis.functions.T
            attenuation = attenuation[few]
        spectrum = spectrum[:, None] if mix is None else _mixed(np.asarray(mix, np.float64), spectrum, columns)
    position, factor = checked_map("position", position, geometry), checked_map("factor", factor, geometry)
    if position is None and spectrum.shape[2] > 1:
        raise InvalidInput(
            message(
                f"weights with {spectrum.shape[2]} nodes",
                "each pixel needs its place between them",
                "Give position=(rows, columns) from 0 to nodes - 1.",
            )
        )
    if position is not None and spectrum.shape[2] == 1:
        raise InvalidInput(
            message("position", "there is one spectrum and nothing to interpolate", "Give weights (nodes, energies).")
        )
    rays = voxel_rays(geometry, grid)
    tables = SpectralTables(
        coefficients, np.ascontiguousarray(attenuation * LOG2_E, np.float32), np.ascontiguousarray(spectrum, np.float32)
    )
    chosen = device_for_spectral(given, device, attenuation.shape[1])
    if chosen.kind == "cuda":
        found = project_on_gpu(
            chosen,
            body,
            grid,
            rays,
            tables,
            position,
            factor,
            patches,
            mesh_arrays(meshes, grid) if meshes else None,
            signal=mass_attenuation_cm2_g is not None,
            areal=areal,
        )
        return _images_like(given, *found)
    number = np.zeros(65536, np.int32)
    number[present] = np.arange(len(present))
    bits = label_bits(len(present))
    signal = np.zeros((views, len(spectrum), rows, columns), np.float32) if mass_attenuation_cm2_g is not None else None
    areal_density = np.zeros((views, materials, rows, columns), np.float32) if areal else None
    _engine.project_spectral(
        body.labels,
        body.density,
        grid.spacing_mm,
        rays.start,
        rays.end,
        rays.start_row,
        rays.end_row,
        rays.flat,
        rays.along,
        rows,
        number,
        bits,
        bits > MOST_EVEN_BITS,
        2.0 ** (WORD_BITS - math.frexp(body.greatest)[1]),
        len(present),
        coefficients,
        weightless.astype(np.uint8).tolist(),
        tables.attenuation,
        tables.weights,
        position,
        factor,
        signal,
        areal_density,
        present.astype(np.int32),
        body.scale_g_cm2.astype(np.float32),
        [
            (one.voxels, one.density, one.rays.start, one.rays.end, one.rays.start_row, one.rays.end_row)
            for one in patches
        ],
        mesh_arrays(meshes, grid) if meshes else None,
        thread_count(threads),
        instruction_set() if isa is None else isa,
    )
    return _images_like(given, signal, areal_density)


def _mixed(mix: NDArray[np.float64], spectra: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """(outputs, 1 or columns, nodes, energies) sums of spectra (outputs, spectra, energies)."""
    every = mix[None] if mix.ndim == 2 else mix
    if every.ndim != 3 or not 0 < every.shape[2] <= spectra.shape[1] or not np.isfinite(mix).all():
        raise InvalidInput(
            message(
                f"mix of shape {mix.shape}",
                f"weights hold {spectra.shape[1]} spectra",
                "Give (nodes, spectra) or (columns, nodes, spectra), finite.",
            )
        )
    if mix.ndim == 3 and len(mix) != columns:
        raise InvalidInput(
            message(
                f"mix of shape {mix.shape}",
                f"the detector has {columns} columns",
                "Give (columns, nodes, spectra), or nodes for all columns.",
            )
        )
    flat = np.ascontiguousarray(every.reshape(-1, every.shape[2]))
    sums = np.stack([product(flat, np.ascontiguousarray(one[: flat.shape[1]])) for one in spectra])
    return sums.reshape(len(spectra), *every.shape[:2], -1)


def _images_like(given: Any, *images: Any | None) -> SpectralImages:
    """Signal and areal density in the library and on the device of `given`; empty where not made."""
    return SpectralImages(*(like(np.zeros((0, 0, 0, 0), np.float32) if one is None else one, given) for one in images))


def label_bits(materials: int) -> int:
    """Bits that number the materials present."""
    return max(LEAST_LABEL_BITS, (materials - 1).bit_length())
