"""simulate(device="cuda"): the kernels of a GPU, run on the CPU, against the CPU's own."""

import numpy as np
from exposure_cases import slab

import physsim as ps
from physsim.phantom.overlay import Overlay

BEAM = ps.Protocol(spectrum=ps.Spectrum(kvp=120), mas=2.0, detector=ps.Detector(
    rows=24, columns=21, pixel_mm=18.0, absorber=ps.IdealAbsorber()),
    positioning=ps.Positioning(view="PA", source_detector_mm=1500.0))


def test_an_exposure(one_gpu, cupy):
    phantom = slab(density=1.1)
    there, here = (ps.simulate(phantom, BEAM, device=device, areal_density=True) for device in ("cuda", "cpu"))
    assert any(kernel.startswith("spectral_") for kernel in one_gpu.launched)
    assert there.provenance.device == "cuda"
    assert here.provenance.device == "cpu"
    assert set(there.layers) == set(here.layers)
    for name, layer in here.layers.items():
        image = there.layers[name].array
        assert type(image) is np.ndarray, name
        np.testing.assert_allclose(image, layer.array, rtol=2e-5, err_msg=name)
    assert here.layers["transmission"].array.min() < 0.1


def test_auto_is_the_cpu(one_gpu):
    shot = ps.simulate(slab(), BEAM)
    assert shot.provenance.device == "cpu"
    assert not one_gpu.launched


def test_overlays(one_gpu):
    fine = ps.Grid(shape=(40, 40, 40), spacing_mm=1.0)
    patch = Overlay(fine, np.ones(fine.shape, np.uint8), None, "patch")
    body = slab()
    body = ps.Phantom(grid=body.grid, labels=body.labels, materials=(*body.materials, ps.material("air")), name="slab",
                      overlays=(patch,))
    there, here = (ps.simulate(body, BEAM, device=device) for device in ("cuda", "cpu"))
    assert "spectral_images" in one_gpu.launched
    np.testing.assert_allclose(there.layers["transmission"].array, here.layers["transmission"].array, rtol=2e-5)
    assert here.layers["transmission"].array.max() > 1.5 * ps.simulate(slab(), BEAM).layers["transmission"].array.max()
