"""The CPU kernels (kernels/launch/cpu.cpp). Arrays are checked by the callers in physsim.transport."""

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

_Volume = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int16]
_Doubles = NDArray[np.float64]

def instruction_sets() -> list[str]: ...
def project(
    volume: _Volume, spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles, end_row: _Doubles,
    flat: bool, along: Sequence[int], image: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
@overload
def project_plain(
    volume: NDArray[np.float32], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, image: NDArray[np.float32], threads: int, /,
) -> None: ...
@overload
def project_plain(
    volume: NDArray[np.float32], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, image: NDArray[np.float64], threads: int, /,
) -> None: ...
def backproject(
    image: NDArray[np.float32], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, flat: bool, along: Sequence[int], volume: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def project_joseph(
    volume: _Volume, spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles, end_row: _Doubles,
    flat: bool, image: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def backproject_joseph(
    image: NDArray[np.float32], spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles,
    end_row: _Doubles, flat: bool, volume: NDArray[np.float32], threads: int, isa: str, /,
) -> None: ...
def joseph_gradient(
    volume: _Volume, spacing: Sequence[float], start: _Doubles, end: _Doubles, start_row: _Doubles, end_row: _Doubles,
    flat: bool, image: NDArray[np.float32], threads: int, isa: str, /,
) -> _Doubles: ...
