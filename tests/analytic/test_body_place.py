"""A file moved to its place: the same body as one that is declared there."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.place import placed
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid

OWN = {
    "expressions": {"slope": "0.2 * x - 0.1 * y"},
    "field": [{"name": "ball", "parts": [{"ellipsoid": {"centre": [0, 0, 0], "semi": [18, 15, 21]}}]}],
    "structure": [
        {"name": "loft", "order": 1, "material": "water",
         "parts": [{"loft": {"sections": [[-20, 20, -19, 18, 2, 2], [22, 14, -12, 16, 2.2, 2]]}}]},
        {"name": "half", "order": 2, "material": "muscle", "density": "1 + 0.01 * z",
         "parts": [{"field": "ball"}, {"op": "keep", "height": "slope"}]},
        {"name": "rod", "order": 3, "material": "bone_cortical", "pair": True,
         "parts": [{"tube": {"points": [[5, -9, -14], [8, 6, 9]], "radius": 3}}]},
        {"name": "wave", "order": 4, "material": "adipose",
         "parts": [{"distance": "abs(z - 12 - sin(y / 3)) - 2", "bounds": [[-9, -9, 5], [9, 9, 20]]}]},
    ],
}  # fmt: skip


def painted(fields, shift):
    origin = np.array([-24.0, -24.0, -26.0]) + shift
    grid = Grid(shape=(27, 25, 25), spacing_mm=(2.0, 2.0, 2.0), origin_mm=tuple(float(v) for v in origin))
    return voxelise_body(Body.of(fields), grid=grid, vanishing="keep", density_dtype=np.float32)


def test_moved_body_and_moved_grid_show_the_same_picture():
    """Equal labels, densities to the rounding of coordinates: shapes, expressions, pairs, bounds."""
    shift = (0.0, -7.0, 625.0)
    here, there = painted(OWN, (0, 0, 0)), painted(placed({**OWN, "place_mm": list(shift)}, "test"), shift)
    assert len(np.unique(here.labels)) == 5
    assert (here.labels != there.labels).mean() < 1e-3
    np.testing.assert_allclose(np.asarray(here.density), np.asarray(there.density), atol=2e-3)


def test_names_in_quotes_are_left_alone():
    moved = placed({"place_mm": [0, 1, 2], "expressions": {"a": "noise('x') + y"}}, "test")
    assert moved["expressions"]["a"] == "noise('x') + (y - 1.0)"


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"place_mm": [1, 2]}, "three numbers"), ({"place_mm": [0, 0, 5], "maker": [{"kind": "spine"}]}, "makers"),
     ({"place_mm": [3, 0, 0], "field": [{"name": "a", "pair": True}]}, "mirrored")],
)  # fmt: skip
def test_what_cannot_be_moved_is_named(fields, why):
    with pytest.raises(InvalidInput, match=why):
        placed(fields, "test.toml")
