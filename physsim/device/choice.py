"""Which device, instruction set, how many threads: asked for by name and absent is an error; nothing falls back."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
from collections.abc import Sequence

from physsim.errors import DeviceUnavailable, InvalidInput, did_you_mean, message

INSTRUCTION_SETS = ("avx512", "avx2", "portable")


@dataclasses.dataclass(frozen=True)
class Device:
    """A place to compute: kind "cpu" or "cuda", and which of several GPUs."""

    kind: str
    ordinal: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.ordinal}"


CPU = Device("cpu")


def resolve(device: str | Device = "auto") -> Device:
    """The device that `device` names: "cpu", "cuda", "cuda:1", or "auto" (a GPU if one can be used, else the CPU).

    Errors: InvalidInput for a name that means nothing, DeviceUnavailable for a GPU that is not there.

    >>> str(resolve("cpu"))
    'cpu'
    """
    if isinstance(device, Device):
        device = str(device)
    kind, colon, number = device.partition(":")
    if device in ("auto", "cpu"):
        return CPU if device == "cpu" or why_no_cuda() else Device("cuda")
    if kind != "cuda" or (colon and not number.isdecimal()):
        raise InvalidInput(message(f"device={device!r}", "devices are 'auto', 'cpu', 'cuda' and 'cuda:N'",
                                   did_you_mean(kind, ("auto", "cpu", "cuda"))))
    reason = why_no_cuda()
    if reason:
        raise DeviceUnavailable(message(f"device={device!r}", reason[0], reason[1]))
    ordinal, present = int(number or 0), _cuda_devices()
    if ordinal >= present:
        raise DeviceUnavailable(message(
            f"device={device!r}", f"this machine has {present} CUDA device(s), counted from 0",
            f"Give 'cuda:0' to 'cuda:{present - 1}'."))
    return Device("cuda", ordinal)


def why_no_cuda() -> tuple[str, str] | None:
    """Why CUDA cannot be used here and how to mend it, or None where it can."""
    if importlib.util.find_spec("cupy") is None:
        return ("cupy, which runs the kernels on a GPU, is not installed",
                "pip install 'physsim[cuda13]' (or cuda12), or use device='cpu'.")
    try:
        present = _cuda_devices()
    except Exception as error:  # cupy raises its own classes, and ImportError where its libraries are missing
        return (f"CUDA does not start ({type(error).__name__}: {error})",
                "Check the driver with nvidia-smi, or use device='cpu'.")
    if present == 0:
        return "no CUDA device is visible", "Check nvidia-smi and CUDA_VISIBLE_DEVICES, or use device='cpu'."
    return None


def _cuda_devices() -> int:
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def instruction_set(present: Sequence[str] | None = None) -> str:
    """The CPU instruction set of the kernels: PHYSSIM_ISA (avx512, avx2 or portable) where set, else the best present.

    All give the same bits.
    Errors: DeviceUnavailable when PHYSSIM_ISA names an unknown one or one that this CPU lacks.
    `present`: what this CPU has, best first (asked of the kernels when left out).
    """
    if present is None:
        from physsim import _engine

        present = _engine.instruction_sets()
    asked = os.environ.get("PHYSSIM_ISA", "")
    if not asked:
        return present[0]
    if asked not in INSTRUCTION_SETS:
        raise DeviceUnavailable(message(f"PHYSSIM_ISA={asked!r}", "no instruction set of the kernels has this name",
                                        did_you_mean(asked, INSTRUCTION_SETS)))
    if asked not in present:
        raise DeviceUnavailable(message(
            f"PHYSSIM_ISA={asked!r}", f"this CPU lacks it; it has {', '.join(present)}",
            "Unset PHYSSIM_ISA: every instruction set gives the same bits."))
    return asked


def thread_count(threads: int | None = None) -> int:
    """Threads of a call: `threads`, else PHYSSIM_THREADS, else the CPUs that this process may use."""
    if threads is None and not os.environ.get("PHYSSIM_THREADS"):
        return len(os.sched_getaffinity(0))
    name, value = ("threads", threads) if threads is not None else ("PHYSSIM_THREADS", os.environ["PHYSSIM_THREADS"])
    try:
        count = int(str(value))
    except ValueError:
        count = 0
    if count < 1:
        raise InvalidInput(message(f"{name}={value!r}", "a computation needs at least 1 thread",
                                   f"Give a whole number, for example {len(os.sched_getaffinity(0))}."))
    return count
