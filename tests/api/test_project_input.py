"""project and backproject: arrays in = arrays out, and bad input refused with what, why and how to mend."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import DeviceUnavailable, InvalidInput

GEOMETRY = ps.Geometry.parallel(views=2, rows=3, columns=4, pixel_mm=1.0)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "uint16", "int16"])
def test_every_voxel_type_equals_its_float32(dtype):
    volume = (100 * np.random.default_rng(0).random((5, 6, 7))).astype(dtype)
    for geometry in (GEOMETRY, ps.Geometry.parallel(views=2, rows=20, columns=4, pixel_mm=0.4)):
        np.testing.assert_array_equal(ps.project(volume, geometry), ps.project(volume.astype("float32"), geometry))


def test_views_of_arrays_are_read_in_place():
    volume = np.random.default_rng(1).random((12, 14, 16), dtype=np.float32)
    for view in (volume[::2, 1:, ::-1], volume.transpose(2, 0, 1), np.asfortranarray(volume), volume.astype(">f4")):
        np.testing.assert_array_equal(
            ps.project(view, GEOMETRY), ps.project(np.ascontiguousarray(view, np.float32), GEOMETRY)
        )


def test_torch_in_is_torch_out():
    torch = pytest.importorskip("torch")
    volume = torch.rand(4, 5, 6, generator=torch.Generator().manual_seed(2))
    image = ps.project(volume, GEOMETRY)
    assert isinstance(image, torch.Tensor)
    assert image.dtype == torch.float32
    np.testing.assert_array_equal(image.numpy(), ps.project(volume.numpy(), GEOMETRY))
    back = ps.backproject(image, GEOMETRY, grid=ps.Grid(shape=(4, 5, 6)))
    assert isinstance(back, torch.Tensor)


def test_half_precision_volume_makes_no_copy():
    """A volume of 128 MB: memory grows by the image and a tile, not by a float32 copy (256 MB)."""
    import resource

    volume = np.zeros((256, 512, 512), np.float16)
    volume[:, ::16] = 1  # touch the pages
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ps.project(volume, ps.Geometry.parallel(views=1, rows=64, columns=64, pixel_mm=8.0), threads=1)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 160


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(volume=np.ones((4, 4), np.float32)), "three axes"),
        (dict(volume=np.ones((4, 4, 0), np.float32)), "at least one voxel"),
        (dict(volume=np.ones((4, 4, 4))), "float64"),
        (dict(volume=np.full((4, 4, 4), np.nan, np.float32)), "NaN or infinite"),
        (dict(volume=np.full((4, 4, 4), np.inf, np.float32)), "NaN or infinite"),
        (dict(volume=np.full((4, 4, 4), 3e38, np.float32)), "overflow"),
        (dict(spacing_mm=0.0), "larger than 0 mm"),
        (dict(spacing_mm=(1.0, -1.0, 1.0)), "larger than 0 mm"),
        (dict(grid=ps.Grid(shape=(4, 4, 5))), "its grid has"),
        (dict(grid=ps.Grid(shape=(4, 4, 4)), spacing_mm=1.0), "one of the two"),
        (dict(method="sidon"), "Did you mean 'siddon'"),
        (dict(threads=0), "at least 1 thread"),
        (dict(device="cud"), "Did you mean 'cuda'"),
    ],
)  # fmt: skip
def test_bad_input_of_project(change, words):
    arguments = {"volume": np.ones((4, 4, 4), np.float32), "geometry": GEOMETRY, **change}
    with pytest.raises(InvalidInput, match=words):
        ps.project(**arguments)


def test_absent_device_is_refused_by_name():
    with pytest.raises(DeviceUnavailable, match="cuda:9"):
        ps.project(np.ones((4, 4, 4), np.float32), GEOMETRY, device="cuda:9")


def test_bad_input_of_backproject():
    grid = ps.Grid(shape=(4, 4, 4))
    with pytest.raises(InvalidInput, match="views, rows, columns"):
        ps.backproject(np.ones((1, 3, 4), np.float32), GEOMETRY, grid=grid)
    with pytest.raises(InvalidInput, match="float32"):
        ps.backproject(np.ones(GEOMETRY.shape), GEOMETRY, grid=grid)
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        ps.backproject(np.full(GEOMETRY.shape, np.nan, np.float32), GEOMETRY, grid=grid)


def test_linear_operator_is_the_projector_and_its_transpose():
    from scipy.sparse.linalg import lsqr

    grid = ps.Grid(shape=(3, 8, 8))
    geometry = ps.Geometry.parallel(views=16, rows=3, columns=12, pixel_mm=1.0)
    projector = ps.Projector(geometry=geometry, grid=grid)
    operator = projector.as_linear_operator()
    volume = np.random.default_rng(3).random(grid.shape, dtype=np.float32)
    np.testing.assert_array_equal(operator @ volume.ravel(), ps.project(volume, geometry, grid=grid).ravel())
    found = lsqr(operator, operator @ volume.ravel(), iter_lim=200)[0]
    assert np.sqrt(np.mean((found - volume.ravel()) ** 2)) < 0.02
    assert [len(subset.geometry) for subset in projector.subsets(5)] == [4, 3, 3, 3, 3]
