"""`device=` of meshes laid over voxels: the kernels of a GPU, run on the CPU, against the CPU's own."""

import numpy as np
import pytest
from overlay_cases import GEOMETRIES, GRID, SHAPE
from spectral_cases import SPECTRUM, ellipsoids, materials

import physsim as ps
from physsim.body.devices import device as implant
from physsim.errors import PhyssimError
from physsim.phantom.mesh_shapes import ball
from physsim.transport import mesh as tracing
from physsim.transport.mesh import TracedMesh
from physsim.transport.spectral import project_materials, project_signal


def rms(wrong, right):
    return np.sqrt(((wrong.astype(float) - right) ** 2).mean() / (right.astype(float) ** 2).mean())


def meshes():
    """A screw that sticks out of the grid, and two balls of which one lies in the other."""
    size, middle = max(GRID.size_mm), (GRID.world_from_voxel @ [*(np.array(SHAPE[::-1]) - 1) / 2, 1])[:3]
    (screw, *_) = implant("pedicle_screw", centre_mm=tuple(middle), axis=(0.3, 0.5, 0.8))
    balls = [ball(part * size, "ball", sides=32).moved(shift_mm=middle + 0.1 * size) for part in (0.15, 0.07)]
    return [TracedMesh(screw.mesh, 17), TracedMesh(balls[0].closed(), 3, 0.8), TracedMesh(balls[1].closed(), 18, 1.1)]


def voxels(density_type):
    rho, table = materials(20)
    relative = None
    if density_type is not None:
        relative = np.random.default_rng(8).uniform(0.8, 1.2, SHAPE).astype(density_type)
    return (ellipsoids(SHAPE, 15).astype(np.uint8), relative, rho), table


@pytest.mark.parametrize("density_type", [None, np.float32])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_paths_through_materials(one_gpu, name, density_type):
    given, _ = voxels(density_type)
    there, here, bare = (project_materials(*given, GRID, GEOMETRIES[name], meshes=some, device=device)
                         for some, device in ((meshes(), "cuda"), (meshes(), "cpu"), ((), "cpu")))
    assert rms(there, here) < 3e-6
    assert rms(bare, here) > 1e-2
    assert any(kernel.startswith("spectral_meshes_uint8") for kernel in one_gpu.launched)


@pytest.mark.parametrize("tolerance", [1e-5, None])
def test_signals(one_gpu, tolerance):
    given, table = voxels(np.float32)
    options = {"tolerance": tolerance, "meshes": meshes()}
    there, here = (project_signal(*given, table, SPECTRUM, GRID, GEOMETRIES["columns"], device=device, **options)
                   for device in ("cuda", "cpu"))
    assert rms(there, here) < 3e-6


def test_a_surface_with_a_hole_is_told(one_gpu, monkeypatch):
    """A TracedMesh is taken to be closed; one that is not gives no image."""
    whole = ball(20.0, "ball", sides=32)
    middle = (GRID.world_from_voxel @ [*(np.array(SHAPE[::-1]) - 1) / 2, 1])[:3]
    holed = TracedMesh(ps.Mesh(whole.vertices_mm + middle, whole.triangles[::2]), 3)
    given, _ = voxels(None)
    assert tracing.mesh_arrays([holed], GRID)[0].shape == whole.vertices_mm.shape
    with pytest.raises(PhyssimError, match="not closed"):
        project_materials(*given, GRID, GEOMETRIES["columns"], meshes=[holed], device="cuda")
    with pytest.raises(RuntimeError, match="not closed"):
        project_materials(*given, GRID, GEOMETRIES["columns"], meshes=[holed], device="cpu")
