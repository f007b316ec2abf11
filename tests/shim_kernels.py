"""The CUDA kernels compiled by g++ and run on the CPU: stands in for physsim.device.cuda.CudaKernels in tests."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import subprocess
from pathlib import Path

import numpy as np

from physsim.resources import kernels_path

HERE = Path(__file__).parent / "devices"
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-shared", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-unknown-pragmas"]


class ShimKernels:
    """Kernels on numpy arrays. `free` is the memory that it claims to have; `launched` lists the kernels that ran."""

    xp = np

    def __init__(self, folder: Path) -> None:
        library = folder / "libshim.so"
        source = str(HERE / "shim_kernels.cpp")
        with (folder / "lock").open("w") as lock:  # several processes may share the folder
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not library.exists():
                command = ["g++", *FLAGS, f"-I{HERE}", f"-I{kernels_path()}", source, "-o", str(library)]
                subprocess.run(command, check=True)
        self._library = ctypes.CDLL(str(library))
        self._library.shim_kernel.restype = ctypes.c_char_p
        self.free = 1 << 40
        self.launched: list[str] = []

    def names(self) -> list[str]:
        names, i = [], 0
        while (name := self._library.shim_kernel(i)) is not None:
            names.append(name.decode())
            i += 1
        return sorted(names)

    def disagreement(self) -> int:
        return int(self._library.shim_disagreement())

    def launch(self, name, blocks, threads, *arguments, shared_bytes=0):
        held, pointers = [], []
        for argument in arguments:
            if isinstance(argument, np.ndarray) and argument.dtype.fields is None:  # an array is passed by its address
                argument = np.array(argument.ctypes.data, np.uint64)
            held.append(np.array(argument))
            pointers.append(held[-1].ctypes.data)
        packed = (ctypes.c_void_p * len(pointers))(*pointers)
        three = ctypes.c_uint * 3
        sizes = three(*blocks), three(*threads), ctypes.c_size_t(shared_bytes)
        result = self._library.shim_launch(name.encode(), *sizes, packed)
        assert result == 0, (name, result)
        assert max(blocks[1:]) <= 65535
        assert np.prod(threads) <= 256  # __launch_bounds__
        assert shared_bytes <= 48 * 1024
        self.launched.append(name)

    def current(self):
        return contextlib.nullcontext()

    def address(self, array):
        return array.ctypes.data

    def free_bytes(self):
        return self.free

    def processors(self):
        return 2
