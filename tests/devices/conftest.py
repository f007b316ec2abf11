"""The CUDA kernels on the CPU, compiled once for all tests of this folder."""

import os
import sys

import pytest
from cupy_stand_in import CupyStandIn, GpuArray
from shim_kernels import ShimKernels

from physsim.device import choice
from physsim.device import cuda as device_cuda


@pytest.fixture(scope="session")
def shim_folder(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shim"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def kernels(shim_folder):
    return ShimKernels(shim_folder)


@pytest.fixture
def one_gpu(kernels, monkeypatch):
    """A machine with one GPU, as far as physsim can tell; its kernels run on the CPU."""
    monkeypatch.setattr(choice, "why_no_cuda", lambda: None)
    monkeypatch.setattr(choice, "_cuda_devices", lambda: 1)
    monkeypatch.setattr(device_cuda, "cuda_kernels", lambda device: kernels)
    kernels.launched.clear()
    return kernels


@pytest.fixture
def cupy(one_gpu, monkeypatch):
    """Arrays on that GPU, as far as physsim can tell."""
    module = CupyStandIn("cupy")
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(one_gpu, "xp", module)
    monkeypatch.setattr(GpuArray, "fetched", [])
    return module
