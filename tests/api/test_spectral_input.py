"""Bad input of the spectral projector: what, why, how to mend, with the value; raised before any work."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.transport.spectral import basis_functions, project_materials, project_signal

GRID = ps.Grid(shape=(4, 5, 6))
GEOMETRY = ps.Geometry.parallel(views=2, rows=8, columns=9, pixel_mm=1.0)
LABELS = np.zeros((4, 5, 6), np.uint8)
TABLE = [[0.2, 0.3]]


def density(value):
    array = np.ones((4, 5, 6), np.float32)
    array[1, 2, 3] = value
    return array


@pytest.mark.parametrize(
    ("labels", "relative", "rho", "text"),
    [
        (LABELS + np.uint8(3), None, [1.0], "label 3: there are 1 materials"),
        (LABELS.astype(np.int64), None, [1.0], "labels of dtype int64"),
        (LABELS.astype(">u2"), None, [1.0], "byte order"),
        (LABELS[1:], None, [1.0], r"labels of shape \(3, 5, 6\)"),
        (LABELS, density(np.nan), [1.0], "density: holds NaN"),
        (LABELS, density(np.inf), [1.0], "density: holds NaN or infinity"),
        (LABELS, density(-0.5), [1.0], "density=-0.5"),
        (LABELS, density(1.0)[:, 1:], [1.0], "density of shape"),
        (LABELS, density(1.0).astype(np.float64), [1.0], "density of dtype float64"),
        (LABELS, None, [np.nan], r"material_density_g_cm3\[0\]=nan"),
        (LABELS, None, [1.0, -2.0], r"material_density_g_cm3\[1\]=-2.0"),
        (LABELS, None, 1.0, "one density a material"),
    ],
)
def test_bodies(labels, relative, rho, text):
    with pytest.raises(InvalidInput, match=text):
        project_materials(labels, relative, rho, GRID, GEOMETRY)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mass_attenuation_cm2_g": [[0.2, 0.3], [1, 2]]}, "of 2 materials"),
        ({"mass_attenuation_cm2_g": [0.2, 0.3]}, r"\(materials, energies\)"),
        ({"mass_attenuation_cm2_g": [[0.2, np.nan]]}, r"\[0, 1\]=nan"),
        ({"weights": [1.0, 1.0, 1.0]}, r"weights of shape \(3,\)"),
        ({"weights": [1.0, -1.0]}, "weights with value -1"),
        ({"weights": [0.0, 0.0]}, "weights=0"),
        ({"weights": [[1.0, 1.0], [1.0, 2.0]]}, "weights with 2 nodes"),
        ({"position": np.zeros((8, 9))}, "nothing to interpolate"),
        ({"factor": np.zeros((9, 8))}, r"factor of shape \(9, 8\)"),
        ({"factor": np.full((8, 9), np.nan)}, "factor: holds NaN"),
        ({"tolerance": 0.0}, "tolerance=0"),
        ({"threads": 0}, "threads=0"),
    ],
)
def test_tables_and_maps(change, text):
    arguments = {"mass_attenuation_cm2_g": TABLE, "weights": [1.0, 1.0], **change}
    with pytest.raises(InvalidInput, match=text):
        project_signal(LABELS, None, [1.0], grid=GRID, geometry=GEOMETRY, **arguments)


def test_basis_functions():
    with pytest.raises(InvalidInput, match="tolerance=2"):
        basis_functions(TABLE, [1.0, 1.0], 2.0)
