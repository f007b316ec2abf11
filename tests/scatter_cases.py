"""A small view and phantom that the tests of scatter images share."""

import numpy as np

import physsim as ps

PROCESSES = ("compton", "rayleigh", "multiple")

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


def compare(analog, fast, view, sigmas=4.0, processes=PROCESSES):
    """Totals by order within `sigmas` (1 in 16,000 each at 4); chi-square of the pixels: 1 in 5,000."""
    from scipy.stats import chi2

    area = view.pixel_mm[0] * view.pixel_mm[1] / 100 * 1000  # cm2 a pixel, eV a keV
    for process in processes:
        total, (mean, error) = analog.total(process), fast.mean(process=process)
        pixels = view.rows * view.columns
        expected, own = total.value / area / pixels, total.error / area / pixels
        assert abs(mean - expected) < sigmas * np.hypot(error, own), (process, mean / expected)
    image, error = analog.image("scatter") / area, analog.image_error("scatter") / area
    apart = ((fast.image() - image) ** 2 / (error**2 + fast.error() ** 2)).sum()
    assert chi2.ppf(1e-4, pixels) < apart < chi2.ppf(1 - 1e-4, pixels)
