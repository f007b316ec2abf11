"""A small view and phantom that the tests of scatter images share."""

import numpy as np

import physsim as ps

VIEW = ps.Geometry(
    source_mm=[(10, -500, -15)],
    centre_mm=[(5, 200, 0)],
    u=[(1, 0, 0)],
    v=[(0, 0, 1)],
    rows=5,
    columns=7,
    pixel_mm=(9, 11),
)


def phantom():
    """Random labels of three materials, random densities with holes."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, (9, 11, 13)).astype(np.uint8)
    density = rng.uniform(0, 1.5, labels.shape).astype(np.float16) * (rng.random(labels.shape) < 0.8)
    return ps.Phantom(
        grid=ps.Grid(shape=labels.shape, spacing_mm=(5, 4, 6), origin_mm=(-30, -20, -25)),
        labels=labels,
        materials=tuple(ps.material(name) for name in ("lung", "water", "bone_cortical")),
        density=density.astype(np.float16),
    )
