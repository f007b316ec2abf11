"""The CUDA kernels of kernels/launch/*.cu: compiled at run time by NVRTC through cupy, each unit once a device."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from physsim.device.choice import Device, resolve
from physsim.resources import kernels_path

Dimensions = tuple[int, int, int]


class Kernels(Protocol):
    """What transport needs of a GPU. The tests run the same launches through a stand-in on the CPU."""

    xp: Any
    """The array library: cupy."""

    def launch(self, name: str, blocks: Dimensions, threads: Dimensions, *arguments: Any,
               shared_bytes: int = 0) -> None:
        """Run kernel `name`. Arguments: arrays of `xp`, numpy scalars of the kernel's types, 0-d arrays for structs."""

    def current(self) -> AbstractContextManager[Any]:
        """New arrays of `xp` lie on this GPU inside the context."""

    def address(self, array: Any) -> int:
        """Where the first element of an array of `xp` lies."""

    def free_bytes(self) -> int:
        """Memory that new arrays may take."""

    def processors(self) -> int:
        """Multiprocessors of this GPU."""


# Units, and the options of each beyond those of all. Photons are those of the CPU only if a * b + c is rounded twice.
UNITS: dict[str, tuple[str, ...]] = {"cuda.cu": (), "montecarlo.cu": ("--fmad=false",)}
RAYS, PHOTONS = UNITS


def source(unit: str = RAYS) -> str:
    """The CUDA source of a unit; it includes headers below `kernels_path()`."""
    return (kernels_path() / "launch" / unit).read_text()


def compile_options(unit: str = RAYS, include: Path | None = None) -> tuple[str, ...]:
    """NVRTC's options for `source(unit)`, the architecture apart."""
    return ("-std=c++17", "--device-as-default-execution-space", f"-I{include or kernels_path()}", *UNITS[unit])


def unit_of(kernel: str) -> str:
    """The unit that a kernel is in, by its name."""
    return PHOTONS if kernel.startswith("transport_") else RAYS


class CudaKernels:
    """The kernels on one GPU, on cupy's current stream."""

    def __init__(self, device: Device) -> None:
        import cupy

        self.xp: Any = cupy
        self.device = device
        self._modules: dict[str, Any] = {}

    def launch(self, name: str, blocks: Dimensions, threads: Dimensions, *arguments: Any,
               shared_bytes: int = 0) -> None:
        """Run kernel `name` on the current stream of this GPU."""
        unit = unit_of(name)
        with self.current():
            if unit not in self._modules:
                self._modules[unit] = self.xp.RawModule(
                    code=source(unit), options=compile_options(unit), backend="nvrtc")
            self._modules[unit].get_function(name)(blocks, threads, arguments, shared_mem=shared_bytes)

    def current(self) -> AbstractContextManager[Any]:
        """Makes this GPU cupy's current one."""
        context: AbstractContextManager[Any] = self.xp.cuda.Device(self.device.ordinal)
        return context

    def address(self, array: Any) -> int:
        """Where the first element lies."""
        return int(array.data.ptr)

    def free_bytes(self) -> int:
        """Free memory of the GPU and of cupy's pool."""
        with self.current():
            return int(self.xp.cuda.runtime.memGetInfo()[0] + self.xp.get_default_memory_pool().free_bytes())

    def processors(self) -> int:
        """Multiprocessors of this GPU."""
        return int(self.xp.cuda.Device(self.device.ordinal).attributes["MultiProcessorCount"])


@functools.lru_cache
def cuda_kernels(device: Device) -> CudaKernels:
    """The kernels on `device`; a unit is compiled at its first launch. Errors: DeviceUnavailable."""
    return CudaKernels(resolve(device))
