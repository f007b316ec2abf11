"""Voxels of the body against an evaluation that shares nothing of the program: unculled, float64, back to front."""

import numpy as np
import pytest
from anatomy_reference import Reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physsim.body.body import Body
from physsim.body.voxelise import voxelise_body
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.spec.grid import Grid
from physsim.spec.material import material

ENERGY_KEV = 60.0


def compared(body, grid, count, seed):
    """HU of voxels and of the reference, whether their labels agree, and the reference's purest share, of `count`."""
    phantom = voxelise_body(body, grid=grid, density_dtype=np.float32, vanishing="keep")
    rng = np.random.default_rng(seed)
    index = np.stack([rng.integers(0, n, count) for n in grid.shape], axis=1)
    points = (np.c_[index[:, ::-1], np.ones(count)] @ grid.world_from_voxel.T)[:, :3]
    mass, volume = Reference(body).voxels(points, grid.spacing_mm[0])
    at = tuple(index.T)
    label, densities = mass.argmax(1), np.array([one.density_g_cm3 for one in body.materials])
    water = linear_attenuation_per_mm(material("water"), ENERGY_KEV)
    scale = np.array([float(linear_attenuation_per_mm(one, ENERGY_KEV) / water) for one in body.materials])
    own = 1000 * scale[label] * mass.sum(1) / densities[label] - 1000
    voxels = 1000 * scale[phantom.labels[at]] * phantom.density[at] - 1000
    agree = phantom.labels[at] == label
    organ = phantom.truth.organ_labels[at] == volume.argmax(1)
    return voxels, own, agree, organ, (mass.max(1) / mass.sum(1)), volume.max(1)


REGIONS = {  # low corner (x, y, z), voxels (z, y, x), spacing: heart and liver, shoulder, kidney and spine
    "heart on the diaphragm": ((-70, -110, 200), (40, 60, 70), 2.0),
    "shoulder": ((90, -60, 330), (60, 80, 60), 2.0),
    "kidney and spine": ((-30, -30, 90), (60, 80, 100), 1.0),
}


@pytest.mark.parametrize("region", REGIONS)
def test_adult_trunk(region):
    low, shape, spacing = REGIONS[region]
    body = Body.load("adult_trunk", seed=5)
    grid = Grid(shape=shape, spacing_mm=spacing, origin_mm=low)
    voxels, own, agree, organ, pure, share = compared(body, grid, 200, 1)
    assert agree[pure > 0.9].all()
    assert organ[share > 0.9].all()
    assert (~agree).sum() <= 2
    error = np.abs(voxels - own)[agree]
    assert np.median(error) <= 0.01
    assert error.mean() <= 1.0  # all of it from creases at the faces of bricks, where the Laplacian is the neighbour's


coordinate = st.floats(-25, 25).map(lambda v: round(v, 2))
size = st.floats(4, 22).map(lambda v: round(v, 2))
point = st.tuples(coordinate, coordinate, coordinate)
ellipsoid = st.builds(lambda c, s, t, n: {"ellipsoid": {"centre": c, "semi": s, "turn_deg": t, "n": n}},
                      point, st.tuples(size, size, size), point, st.sampled_from([2, 2, 3.5]))  # fmt: skip
tube = st.builds(lambda a, b, r: {"tube": {"points": [a, [b[0] + 60, b[1], b[2]]], "radius": r}}, point, point, size)
oval = st.builds(
    lambda a, b, r, q: {
        "tube": {
            "points": [a, [b[0], b[1] + 60, b[2]], [b[0] + 70, b[1], b[2] + 9]], "radii": [[r, q]],
            "normal": [0, 0.3, 1],
        }
    }, point, point, size, size,
)  # fmt: skip
plane = st.builds(lambda p, n: {"plane": {"point": p, "normal": [n[0], n[1], n[2] + 60]}}, point, point)
height = st.just({"height": "5 + 0.3 * x - 0.004 * y ** 2"})
joined = st.builds(
    lambda shape, op, k, grow: {**shape, "op": op, "blend_mm": k, "grow_mm": grow},
    st.one_of(ellipsoid, tube, oval, plane, height),
    st.sampled_from(["add", "subtract", "keep"]),
    st.sampled_from([0, 3.0, 12.0]),
    st.sampled_from([0.0, 1.5, -1.0]),
)
first = st.one_of(ellipsoid, tube, oval)
solid = st.fixed_dictionaries(
    {"parts": st.builds(lambda a, b: [a, *b], first, st.lists(joined, max_size=3))},
    optional={"warp": st.just("soft"), "mirror": st.just(True), "scale": st.just(1.3), "inside": st.just(["cut + 2"]),
              "outside": st.just(["cut - 14"]), "clip_blend_mm": st.just(4.0)},
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(solids=st.lists(solid, min_size=1, max_size=3), spacing=st.sampled_from([1.1, 2.3]))
def test_random_bodies(solids, spacing):
    materials = ["adipose", "liver", "bone_cortical"]
    for n, one in enumerate(solids):
        one |= {"name": f"s{n}", "order": n, "material": materials[n], "anchor": [1, 2, 3]}
    body = Body.of({
        "noise": [{"name": n, "wavelengths_mm": [60, 120]} for n in ("a", "b")],
        "warp": [{"name": "soft", "x": "1.5 * noise('a')", "z": "1.5 * noise('b')"}],
        "field": [{"name": "cut", "parts": [{"ellipsoid": {"centre": [4, 0, -6], "semi": [30, 24, 28]}}]}],
        "structure": solids,
    }, seed=3)  # fmt: skip
    grid = Grid(shape=(16, 20, 32), spacing_mm=spacing, origin_mm=(-16 * spacing, -10 * spacing, -8 * spacing))
    voxels, own, agree, _, pure, _ = compared(body, grid, 250, 2)
    assert agree[pure > 0.9].all()
    assert (~agree).sum() <= 2
    assert np.abs(voxels - own)[agree].mean() <= 2.0  # small bodies of bone, all of them surface
