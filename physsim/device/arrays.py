"""Arrays in = arrays out: numpy, cupy and torch by DLPack, where they are, importing neither cupy nor torch."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import CPU, Device
from physsim.errors import InvalidInput, message


def namespace_of(array: Any) -> str:
    """The library of an array: "torch", "cupy" or "numpy" (anything that numpy takes, such as lists).

    An array of a library can only exist once that library was imported: looking in `sys.modules` is enough.
    """
    for name, kind in (("torch", "Tensor"), ("cupy", "ndarray")):
        library = sys.modules.get(name)
        if library is not None and isinstance(array, getattr(library, kind, ())):
            return name
    return "numpy"


def device_of(array: Any) -> Device:
    """Where an array's data is.

    Errors: InvalidInput for a torch device that physsim does not know (mps, xpu, meta).
    """
    namespace = namespace_of(array)
    if namespace == "cupy":
        return Device("cuda", int(array.device.id))
    if namespace == "torch" and array.device.type != "cpu":
        if array.device.type != "cuda":
            raise InvalidInput(message(
                f"a tensor on {array.device}", "physsim computes on cpu and cuda", "Call .cpu() first."))
        return Device("cuda", int(array.device.index or 0))
    return CPU


def to_numpy(array: Any) -> NDArray[Any]:
    """`array` as numpy, on the CPU; no copy where the data is there already. Gradients are not followed."""
    namespace = namespace_of(array)
    if namespace == "cupy":
        return np.asarray(array.get())
    if namespace == "torch":
        return np.asarray(array.detach().cpu().numpy())
    return np.asarray(array)


def to_cupy(array: Any, device: Device) -> Any:
    """`array` as cupy on `device`; no copy where the data is there already. Gradients are not followed."""
    import cupy

    with cupy.cuda.Device(device.ordinal):
        if namespace_of(array) == "torch" and device_of(array).kind == "cuda":
            return cupy.asarray(cupy.from_dlpack(array.detach()))
        return cupy.asarray(array if namespace_of(array) == "cupy" else to_numpy(array))


def like(result: Any, model: Any) -> Any:
    """`result` (numpy or cupy) in the library and on the device of `model`; shared memory where they agree."""
    namespace, device = namespace_of(model), device_of(model)
    if device.kind == "cpu":
        host = to_numpy(result)
        return host if namespace == "numpy" else sys.modules["torch"].from_dlpack(np.require(host, requirements="W"))
    there = to_cupy(result, device)
    return there if namespace == "cupy" else sys.modules["torch"].from_dlpack(there)
