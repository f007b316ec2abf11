"""Small spectral phantoms and their float64 truth, for several tests."""

from __future__ import annotations

import numpy as np
from siddon_reference import siddon_label_integrals

import physsim as ps
from physsim.physics.attenuation import mass_attenuation_cm2_g

ENERGIES_KEV = np.linspace(20.0, 120.0, 60)
SPECTRUM = np.exp(-(((ENERGIES_KEV - 60.0) / 25.0) ** 2))
_ELEMENTS = ["H", "C", "N", "O", "Na", "Mg", "P", "S", "Cl", "K", "Ca", "Al", "Ti", "I"]


def materials(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Densities (count,) g/cm3 and attenuation (count, energies) cm2/g: air, then random tissues, some with Ti, I."""
    rng = np.random.default_rng(seed)
    fractions = [{"N": 0.755, "O": 0.232, "Ar": 0.013}]
    for _ in range(count - 1):
        light = rng.dirichlet([2.0, 3.0, 1.0, 10.0])
        heavy = rng.uniform(0.0, 0.05) * rng.dirichlet(np.full(10, 0.3))
        parts = np.concatenate([light * (1.0 - heavy.sum()), heavy])
        fractions.append(dict(zip(_ELEMENTS, parts / parts.sum(), strict=True)))
    density = np.concatenate([[0.0012], rng.uniform(0.9, 2.0, count - 1)])
    return density, np.stack([mass_attenuation_cm2_g(f, ENERGIES_KEV) for f in fractions])


def ellipsoids(
    shape: tuple[int, int, int], count: int, seed: int = 0, blobs: int = 40, dtype: type = np.uint8
) -> np.ndarray:
    """Labels (nz, ny, nx): air, a body, and random ellipsoids of all materials."""
    rng = np.random.default_rng(seed)
    z, y, x = (np.linspace(-1, 1, n).reshape([-1 if a == b else 1 for b in range(3)]) for a, n in enumerate(shape))
    labels = np.where((x / 0.9) ** 2 + (y / 0.7) ** 2 + 0 * z < 1, 1, 0).astype(dtype)
    for _ in range(blobs):
        c, r = rng.uniform(-0.6, 0.6, 3), rng.uniform(0.05, 0.4, 3)
        inside = ((z - c[0]) / r[0]) ** 2 + ((y - c[1]) / r[1]) ** 2 + ((x - c[2]) / r[2]) ** 2 < 1
        labels[inside] = rng.integers(0, count)
    return labels


def rotation(a: float, b: float) -> np.ndarray:
    """Turn by a about x after b about y (radians)."""
    ca, sa, cb, sb = np.cos(a), np.sin(a), np.cos(b), np.sin(b)
    return np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]]) @ np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])


def areal_densities(
    labels: np.ndarray, density: np.ndarray | None, rho: np.ndarray, grid: ps.Grid, geometry: ps.Geometry
) -> np.ndarray:
    """(views, materials, rows, columns) float64 g/cm2 by the reference tracer."""
    out = []
    for view in range(len(geometry)):
        start, end = geometry.rays_mm(view)
        paths = siddon_label_integrals(
            labels, len(rho), grid.voxel_from_world, start.reshape(-1, 3), end.reshape(-1, 3), density
        )
        out.append((0.1 * rho * paths).reshape(geometry.rows, geometry.columns, -1))
    return np.stack(out).transpose(0, 3, 1, 2)


def signals(areal: np.ndarray, table: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(views, rows, columns) float64 sum over energies of weight x transmission."""
    return np.einsum("vmrce,e->vrc", np.exp(-np.einsum("vmrc,me->vrce", areal, table))[:, None], weights)
