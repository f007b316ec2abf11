"""`device=` of the spectral projections: the kernels of a GPU, run on the CPU, against the CPU's own."""

import numpy as np
import pytest
from spectral_cases import SPECTRUM, ellipsoids, materials, rotation

import physsim as ps
from physsim.device import choice
from physsim.errors import DeviceUnavailable, InvalidInput
from physsim.phantom.overlay import Overlay
from physsim.transport.spectral import project_materials, project_signal, project_spectral

GRID = ps.Grid(shape=(23, 18, 21), spacing_mm=(1.2, 0.8, 1.5))
CIRCLE = ps.Geometry.circular(
    views=3, source_axis_mm=90, source_detector_mm=150, rows=35, columns=21, pixel_mm=(2.4, 1.9), start_deg=17)
GEOMETRIES = {"columns": CIRCLE, "oblique": CIRCLE.moved(rotation(0.4, 0.3))}
COUNT = 20


def body(label_type=np.uint8, density_type=np.float32):
    """Labels with gaps: of 2 COUNT + 1 materials, the odd ones are absent."""
    rho, table = materials(2 * COUNT + 1)
    labels = (2 * ellipsoids(GRID.shape, COUNT)).astype(label_type)
    rng = np.random.default_rng(3)
    density = None if density_type is None else rng.uniform(0.6, 1.4, GRID.shape).astype(density_type)
    return (labels, density, rho), table


def rms(wrong, right):
    return np.sqrt(((wrong.astype(float) - right) ** 2).mean() / (right.astype(float) ** 2).mean())


@pytest.mark.parametrize("types", [(np.uint8, None), (np.uint8, np.float32), (np.uint16, np.float16)])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_areal_densities(one_gpu, name, types):
    voxels, _ = body(*types)
    images = [project_materials(*voxels, GRID, GEOMETRIES[name], device=device) for device in ("cuda", "cpu")]
    assert any(kernel.startswith("spectral_") for kernel in one_gpu.launched)
    assert images[0].shape == images[1].shape == (3, 2 * COUNT + 1, 35, 21)
    assert images[0].dtype == np.float32
    assert images[1].max() > 0
    assert rms(*images) < 1e-5
    assert not images[0][:, 1::2].any()


@pytest.mark.parametrize("tolerance", [1e-5, None])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_signals(one_gpu, name, tolerance):
    voxels, table = body()
    rng, geometry = np.random.default_rng(5), GEOMETRIES[name]
    weights = SPECTRUM * rng.uniform(0.5, 1.0, (2, 3, len(SPECTRUM)))
    options = {"position": rng.uniform(0, 2, geometry.shape[1:]), "factor": rng.uniform(0.5, 1, geometry.shape)}
    images = [project_signal(*voxels, table, weights, GRID, geometry, tolerance=tolerance, device=device, **options)
              for device in ("cuda:0", "cpu")]
    assert any(kernel.startswith("spectral_") for kernel in one_gpu.launched)
    assert images[0].shape == images[1].shape == (3, 2, 35, 21)
    assert rms(*images) < 1e-5
    assert np.percentile(np.abs(images[0] / images[1] - 1), 99) < 1e-5
    assert images[1].min() < 0.5 * images[1].max()  # the body is seen


def test_both_at_once(one_gpu):
    voxels, table = body()
    arguments = *voxels, table, SPECTRUM, GRID, CIRCLE
    there, here = (project_spectral(*arguments, device=device) for device in ("cuda", "cpu"))
    assert one_gpu.launched.count("spectral_columns_uint8_float32") == 1
    assert rms(there.signal, here.signal) < 1e-5
    assert rms(there.areal_density_g_cm2, here.areal_density_g_cm2) < 1e-5


def test_auto_takes_the_gpu_where_it_can(one_gpu):
    voxels, table = body()
    signal = project_signal(*voxels, table, SPECTRUM, GRID, CIRCLE)
    assert one_gpu.launched
    np.testing.assert_array_equal(signal, project_signal(*voxels, table, SPECTRUM, GRID, CIRCLE, device="cuda"))
    one_gpu.launched.clear()
    fine = ps.Grid(shape=(4, 4, 4), spacing_mm=(0.5, 0.5, 0.5))
    overlays = (Overlay(fine, np.full((4, 4, 4), 2, np.uint8), None, "patch"),)
    patched = project_signal(*voxels, table, SPECTRUM, GRID, CIRCLE, overlays=overlays)
    assert "spectral_covered_uint8_none" in one_gpu.launched
    assert rms(patched, signal) > 1e-4


@pytest.mark.parametrize("types", [(np.uint8, None), (np.uint16, np.float32), (np.uint8, np.float16)])
@pytest.mark.parametrize("strided", [False, True])
def test_arrays_on_the_gpu_stay_there(cupy, types, strided):
    (labels, density, rho), table = body(*types)
    options = {"position": cupy.asarray(np.linspace(0, 1, 35 * 21).reshape(35, 21)), "tolerance": None}
    weights = np.stack([SPECTRUM, SPECTRUM[::-1]])[None]

    def there(values):
        if strided and values is not None:
            room = np.full([n + 2 for n in values.shape[::-1]], 77, values.dtype)
            room[1:-1, 1:-1, 1:-1] = values.T
            return cupy.asarray(room)[1:-1, 1:-1, 1:-1].T
        return None if values is None else cupy.asarray(values)

    voxels = there(labels), there(density), rho
    areal, signal = project_materials(*voxels, GRID, CIRCLE), project_signal(*voxels, table, weights, GRID, CIRCLE,
                                                                             **options)
    assert isinstance(areal, cupy.ndarray)
    assert isinstance(signal, cupy.ndarray)
    assert areal.dtype == signal.dtype == np.float32
    assert all(np.prod(shape) <= 65536 for shape in cupy.ndarray.fetched)  # which labels occur, the map of pixels
    both = project_spectral(*voxels, table, SPECTRUM, GRID, CIRCLE)
    assert isinstance(both.signal, cupy.ndarray)
    assert isinstance(both.areal_density_g_cm2, cupy.ndarray)
    host = labels, density, rho
    np.testing.assert_array_equal(areal, project_materials(*host, GRID, CIRCLE, device="cuda"))
    assert rms(areal, project_materials(*host, GRID, CIRCLE, device="cpu")) < 1e-5
    assert rms(signal, project_signal(*host, table, weights, GRID, CIRCLE, device="cpu", **options)) < 1e-5
    on_cpu = project_materials(*voxels, GRID, CIRCLE, device="cpu")  # and handed back
    assert isinstance(on_cpu, cupy.ndarray)
    np.testing.assert_array_equal(on_cpu, project_materials(*host, GRID, CIRCLE, device="cpu"))


def test_voxels_on_the_gpu_are_checked_there(cupy):
    (labels, density, rho), _ = body()
    there = cupy.asarray(labels)
    for value, text in ((np.nan, "density: holds NaN"), (np.inf, "density: holds NaN"), (-0.5, "density=-0.5")):
        wrong = density.copy()
        wrong[2, 3, 4] = value
        with pytest.raises(InvalidInput, match=text):
            project_materials(there, cupy.asarray(wrong), rho, GRID, CIRCLE)
    with pytest.raises(InvalidInput, match="label 38: there are 38 materials"):
        project_materials(there, None, rho[:38], GRID, CIRCLE)
    with pytest.raises(InvalidInput, match="labels of dtype int64"):
        project_materials(cupy.asarray(labels.astype(np.int64)), None, rho, GRID, CIRCLE)
    with pytest.raises(InvalidInput, match="labels on cuda:0, density on cpu"):
        project_materials(there, density, rho, GRID, CIRCLE)
    assert not cupy.ndarray.fetched or max(map(np.prod, cupy.ndarray.fetched)) <= 65536
    many = cupy.asarray((np.arange(labels.size) % 400).reshape(labels.shape).astype(np.uint16))
    with pytest.raises(InvalidInput, match="400 channels on a GPU"):  # "auto" does not leave the GPU of its arrays
        project_materials(many, None, np.ones(400), GRID, CIRCLE)


def test_tensors_in_and_out(one_gpu):
    torch = pytest.importorskip("torch")
    (labels, density, rho), _ = body()
    given = torch.from_numpy(labels), torch.from_numpy(density), rho
    images = project_materials(*given, GRID, CIRCLE)
    assert not one_gpu.launched  # the tensors are on the CPU
    assert isinstance(images, torch.Tensor)
    assert images.dtype == torch.float32
    np.testing.assert_array_equal(images.numpy(), project_materials(labels, density, rho, GRID, CIRCLE, device="cpu"))
    there = project_materials(*given, GRID, CIRCLE, device="cuda")
    assert one_gpu.launched
    assert isinstance(there, torch.Tensor)
    assert rms(there.numpy(), images.numpy()) < 1e-5


def test_more_materials_than_a_block_holds(one_gpu):
    labels = np.random.default_rng(1).permutation(np.arange(23 * 18 * 21) % 400).reshape(GRID.shape).astype(np.uint16)
    rho = np.linspace(0.5, 2, 400)
    project_materials(labels, None, rho, GRID, CIRCLE[:1])
    assert not one_gpu.launched
    with pytest.raises(InvalidInput, match="400 channels on a GPU"):
        project_materials(labels, None, rho, GRID, CIRCLE[:1], device="cuda")


def test_a_gpu_that_is_absent(monkeypatch):
    monkeypatch.setattr(choice, "why_no_cuda", lambda: ("no CUDA device is visible", "Use device='cpu'."))
    voxels, table = body()
    nan = (voxels[0], np.full(GRID.shape, np.nan, np.float32), voxels[2])  # not looked at: the device is asked first
    with pytest.raises(DeviceUnavailable, match="device='cuda': no CUDA device"):
        project_signal(*nan, table, SPECTRUM, GRID, CIRCLE, device="cuda")
    with pytest.raises(InvalidInput, match="device='gpu'"):
        project_spectral(*voxels, table, SPECTRUM, GRID, CIRCLE, device="gpu")
    np.testing.assert_array_equal(project_materials(*voxels, GRID, CIRCLE),
                                  project_materials(*voxels, GRID, CIRCLE, device="cpu"))
