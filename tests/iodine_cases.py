"""Rods of water with iodine in a cylinder of water, and what images of them read, for tests of spectral CT."""

import numpy as np

import physsim as ps
from physsim.body.contrast import contrast_material

MG_ML = (2.0, 8.0)  # of iodine, in rods at +-50 mm


def body():
    """Water of 20 cm with two rods of 30 mm of water with iodine."""
    y, x = np.mgrid[:108, :108] * 2.0 - 107.0
    labels = np.zeros((8, 108, 108), np.uint8)
    labels[:, np.hypot(x, y) < 100.0] = 1
    for number, side in enumerate((-50.0, 50.0)):
        labels[:, np.hypot(x - side, y) < 15.0] = 2 + number
    water = ps.material("water")
    rods = [contrast_material(water, "iodine", mg) for mg in MG_ML]
    grid = ps.Grid(shape=labels.shape, spacing_mm=(2.0, 2.0, 2.0), origin_mm=(-107.0, -107.0, -7.0))
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("air"), water, *rods), name="iodine in water")


def middles(image):
    """Means over 10 mm in the middle of both rods, and of the body beside them."""
    y, x = np.mgrid[:80, :80] * 3.0 - 118.5
    return [float(image.array[0][np.hypot(x - at, y - up) < 10.0].mean()) for at, up in ((-50, 0), (50, 0), (0, 50))]
