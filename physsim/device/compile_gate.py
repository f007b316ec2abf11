"""Compiles the CUDA kernels without a GPU and holds registers, stack and spills below their limits.

Run `python -m physsim.device.compile_gate`.

Neglects: what only a run can show (occupancy, cache misses, time).
"""

from __future__ import annotations

import ctypes
import dataclasses
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from physsim.device.cuda import RAYS, UNITS, compile_options, source
from physsim.errors import DeviceUnavailable, message

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
# Registers a thread, by the beginning of the kernel's name. Beyond 64, less than half of the threads fit.
REGISTER_LIMITS = {
    "project_": 56, "backproject_": 56,
    "spectral_meshes_": 192,  # float64, a search for each crossing: waits for memory anyway
    "spectral_": 64, "joseph_slopes_": 56,
    "joseph_column_gradient": 128,  # float64, a thread for all rows of a column: waits for memory anyway
    "transport_photons": 80,  # 6 blocks of 128 threads a multiprocessor; up to 72, 7
    "labels_present_": 32, "transpose_": 32,
    "volume_from_sums": 32}


@dataclasses.dataclass(frozen=True)
class Resources:
    """What ptxas says a kernel takes: registers, stack and spills (bytes) a thread, shared memory (bytes) a block."""

    kernel: str
    architecture: str
    registers: int
    stack_bytes: int
    spill_bytes: int
    shared_bytes: int


def compile_kernels(architecture: str, code: str | None = None) -> list[Resources]:
    """Compile `code` (the shipped kernels when left out) to machine code for `architecture`, such as "sm_90".

    Errors: RuntimeError with the compiler's log; DeviceUnavailable without cuda-bindings and nvidia-cuda-nvrtc.
    """
    if code is not None:
        return _compiled(architecture, code, RAYS)
    found = [kernel for unit in UNITS for kernel in _compiled(architecture, source(unit), unit)]
    return sorted(found, key=lambda kernel: kernel.kernel)


def _compiled(architecture: str, code: str, unit: str) -> list[Resources]:
    nvrtc = _nvrtc()
    options = [*compile_options(unit), f"-arch={architecture}", "--ptxas-options=-v"]
    result, program = nvrtc.nvrtcCreateProgram(code.encode(), unit.encode(), 0, [], [])
    _check(nvrtc, result, "nvrtcCreateProgram")
    compiled, = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    log = b" " * size
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(program)
    text = log.decode(errors="replace").rstrip("\0 \n")
    if int(compiled) != 0:
        raise RuntimeError(f"the CUDA kernels do not compile for {architecture}:\n{text}")
    return read_log(text, architecture)


def read_log(log: str, architecture: str) -> list[Resources]:
    """The kernels' resources in ptxas's log.

    Errors: RuntimeError when the log names none (its format changed: the gate would be blind).
    """
    found = []
    for part in log.split("Compiling entry function")[1:]:
        name = re.search(r"'(\w+)'", part)
        stack = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part)
        registers = re.search(r"Used (\d+) registers", part)
        if name is None or stack is None or registers is None:
            raise RuntimeError(f"ptxas's log is not as expected:\n{part}")
        shared = re.search(r"(\d+) bytes smem", part)
        found.append(Resources(
            kernel=name[1], architecture=architecture, registers=int(registers[1]), stack_bytes=int(stack[1]),
            spill_bytes=int(stack[2]) + int(stack[3]), shared_bytes=int(shared[1]) if shared else 0))
    if not found:
        raise RuntimeError(f"ptxas's log names no kernel:\n{log}")
    return sorted(found, key=lambda kernel: kernel.kernel)


def violations(kernels: Sequence[Resources]) -> list[str]:
    """What is over a limit, a line each: any stack or spill, registers beyond the table, a kernel not in the table."""
    wrong = []
    for kernel in kernels:
        where = f"{kernel.kernel} on {kernel.architecture}"
        if kernel.stack_bytes or kernel.spill_bytes:
            wrong.append(f"{where}: {kernel.stack_bytes} bytes of stack, {kernel.spill_bytes} bytes of spills "
                         "(both must be 0)")
        limit = next((limit for name, limit in REGISTER_LIMITS.items() if kernel.kernel.startswith(name)), None)
        if limit is None:
            wrong.append(f"{where}: no limit in REGISTER_LIMITS")
        elif kernel.registers > limit:
            wrong.append(f"{where}: {kernel.registers} registers (at most {limit})")
    return wrong


def _nvrtc() -> Any:
    try:
        nvidia: Any = importlib.import_module("nvidia")
        from cuda.bindings import nvrtc
    except ImportError as error:
        raise DeviceUnavailable(message("NVRTC", str(error), "pip install cuda-bindings nvidia-cuda-nvrtc.")) from error
    # cuda-bindings looks only into the site-packages of its own interpreter; a library that is loaded already is taken.
    for folder in nvidia.__path__:
        for library in sorted(Path(folder).glob("*/lib/libnvrtc.so.*")):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    return nvrtc


def _check(nvrtc: Any, result: Any, what: str) -> None:
    if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise RuntimeError(f"{what}: {result}")


def main() -> int:
    """Compile for all architectures; print a table; 1 when a limit is passed."""
    kernels = [kernel for architecture in ARCHITECTURES for kernel in compile_kernels(architecture)]
    print(f"{'kernel':32} {'for':7} registers stack spills shared")
    for kernel in kernels:
        print(f"{kernel.kernel:32} {kernel.architecture:7} {kernel.registers:9} {kernel.stack_bytes:5} "
              f"{kernel.spill_bytes:6} {kernel.shared_bytes:6}")
    wrong = violations(kernels)
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
