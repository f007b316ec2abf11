"""Devices, instruction sets and threads by name; arrays in = arrays out."""

import os
import sys
import types

import numpy as np
import pytest

from physsim.device import CPU, Device, arrays, choice, instruction_set, resolve, thread_count
from physsim.errors import DeviceUnavailable, InvalidInput


class FakeRuntime:
    def __init__(self, devices):
        self.devices = devices

    def getDeviceCount(self):
        if self.devices is None:
            raise RuntimeError("cudaErrorInsufficientDriver")
        return self.devices


@pytest.fixture
def machine(monkeypatch):
    def with_gpus(devices):
        cupy = types.ModuleType("cupy")
        cupy.cuda = types.SimpleNamespace(runtime=FakeRuntime(devices))
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: object())
    return with_gpus


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)


def test_without_cupy(no_cupy):
    assert resolve("cpu") == CPU
    assert resolve("auto") == CPU
    with pytest.raises(DeviceUnavailable, match=r"device='cuda': cupy.*not installed.*pip install"):
        resolve("cuda")


def test_with_two_gpus(machine):
    machine(2)
    assert resolve("auto") == Device("cuda", 0)
    assert resolve("cuda:1") == Device("cuda", 1)
    assert resolve("cpu") == CPU
    with pytest.raises(DeviceUnavailable, match=r"device='cuda:2': this machine has 2 .*'cuda:1'"):
        resolve("cuda:2")


@pytest.mark.parametrize(("devices", "why"), [(0, "no CUDA device is visible"), (None, "InsufficientDriver")])
def test_cupy_without_a_gpu(machine, devices, why):
    machine(devices)
    assert resolve("auto") == CPU
    with pytest.raises(DeviceUnavailable, match=why):
        resolve("cuda")


@pytest.mark.parametrize("name", ["gpu", "cudda", "cuda:", "cuda:x", "cuda:-1", "cpu:1", ""])
def test_a_name_that_means_nothing(name):
    with pytest.raises(InvalidInput, match="device="):
        resolve(name)


def test_instruction_set(monkeypatch):
    monkeypatch.delenv("PHYSSIM_ISA", raising=False)
    assert instruction_set(["avx2", "portable"]) == "avx2"
    assert instruction_set() in choice.INSTRUCTION_SETS
    monkeypatch.setenv("PHYSSIM_ISA", "portable")
    assert instruction_set() == "portable"
    monkeypatch.setenv("PHYSSIM_ISA", "avx512")
    with pytest.raises(DeviceUnavailable, match="PHYSSIM_ISA='avx512': this CPU lacks it; it has avx2, portable"):
        instruction_set(["avx2", "portable"])
    monkeypatch.setenv("PHYSSIM_ISA", "avx51")
    with pytest.raises(DeviceUnavailable, match=r"PHYSSIM_ISA='avx51'.*Did you mean 'avx512'"):
        instruction_set()


def test_threads(monkeypatch):
    monkeypatch.delenv("PHYSSIM_THREADS", raising=False)
    assert thread_count() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("PHYSSIM_THREADS", "3")
    assert thread_count() == 3
    assert thread_count(5) == 5
    for wrong in ("0", "many", "1.5"):
        monkeypatch.setenv("PHYSSIM_THREADS", wrong)
        with pytest.raises(InvalidInput, match=f"PHYSSIM_THREADS='{wrong}'"):
            thread_count()
    with pytest.raises(InvalidInput, match="threads=0"):
        thread_count(0)


def test_numpy_in_numpy_out():
    values = np.arange(6.0).reshape(2, 3)
    assert arrays.namespace_of(values) == "numpy"
    assert arrays.namespace_of([1, 2]) == "numpy"
    assert arrays.device_of(values) == CPU
    assert arrays.to_numpy(values) is values
    assert arrays.like(values, values) is values


def test_torch_in_torch_out():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0, requires_grad=True)
    assert arrays.namespace_of(tensor) == "torch"
    assert arrays.device_of(tensor) == CPU
    host = arrays.to_numpy(tensor)
    host[0] = 7.0
    assert tensor[0] == 7.0  # the same memory
    back = arrays.like(host, tensor)
    assert isinstance(back, torch.Tensor)
    assert back.dtype == torch.float32
    host[1] = 8.0
    assert back[1] == 8.0
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    assert arrays.like(frozen, tensor).tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(InvalidInput, match="meta"):
        arrays.device_of(torch.empty(3, device="meta"))
