"""Photon transport on a GPU: the arrays of a job copied there once, tallies that are fetched after each launch.

A launch has as many threads as the GPU holds at once; each sends photons, by their numbers, until there is none left.
The photons are those of the CPU and the sums are of whole numbers: the same bits. The laws are in kernels/transport.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physsim.device.arrays import to_numpy
from physsim.device.cuda import Kernels
from physsim.errors import InvalidInput, message
from physsim.transport.montecarlo_job import PackedJob

THREADS = 128  # of a block
BLOCKS = 7  # that a multiprocessor holds at 72 registers a thread
MOST = 2**31  # photons of a launch
MAX_REGIONS = 4096  # that fit the memory of a block, 8 bytes each

_TALLY = np.dtype([("regions", "u8"), ("balance", "u8"), ("image", "u8"), ("image_stride", "i8"), ("voxels", "u8")])
_NUMBERS = np.dtype([("first", "u4"), ("upper", "u4"), ("count", "u4"), ("regions", "i4"), ("in_block", "i4"),
                     ("taken", "u8")], align=True)


class CudaPhotons:
    """Histories by number on a GPU: `run` as that of `_engine.MonteCarlo`.

    Raises InvalidInput when job and tallies do not fit the GPU's memory.
    """

    def __init__(self, kernels: Kernels, job: PackedJob, voxel_dose: bool) -> None:
        self._kernels = kernels
        voxels = job.scene.grid.shape if voxel_dose else None
        _check_memory(kernels, job, voxels)
        with kernels.current():
            xp = kernels.xp
            self._held = {name: xp.asarray(np.ascontiguousarray(array)) for name, array in job.arrays.items()}
            packed = job.engine.elsewhere({name: kernels.address(array) for name, array in self._held.items()})
            self._job = np.frombuffer(packed, np.dtype([("bytes", "u1", len(packed))])).reshape(()).copy()
            self._regions = xp.zeros(len(job.scene.regions.names), np.int64)
            self._image = xp.zeros(max(math.prod(job.image), 1), np.int64)
            self._voxels = None if voxels is None else xp.zeros(voxels, np.int64)
            self._balance, self._taken = xp.zeros(6, np.int64), xp.zeros(1, np.uint32)
        self._pixels = job.image[2] * job.image[3]

    def run(self, first: int, count: int, regions: NDArray[np.int64], image: NDArray[np.int64],
            voxels: NDArray[np.int64] | None, balance: NDArray[np.int64], threads: int, isa: str) -> None:
        """Add histories first .. first + count - 1 to the sums; `threads` and `isa` are of the CPU.

        regions: (n,), image: (orders, energy bins, rows, columns), voxels: (z, y, x) or None, balance: (6,).
        """
        kernels = self._kernels
        with kernels.current():
            for array in (self._regions, self._image, self._voxels, self._balance):
                if array is not None:
                    array[...] = 0
            while count > 0:  # the photons of a launch have the same upper half of their numbers
                part = min(count, MOST, 2**32 - first % 2**32)
                self._launch(first, part)
                first, count = first + part, count - part
            found = to_numpy(self._regions)
            pixels = to_numpy(self._image)[: image.size].reshape(image.shape)
            rest = to_numpy(self._balance)
            if voxels is not None and self._voxels is not None:
                voxels += to_numpy(self._voxels)
        regions += found
        image += pixels
        balance += rest
        balance[1] += found.sum()  # deposited and detected: what the GPU counted in regions and pixels
        balance[2] += pixels.sum()

    def _launch(self, first: int, count: int) -> None:
        kernels, tally, numbers, regions = self._kernels, np.zeros((), _TALLY), np.zeros((), _NUMBERS), self._regions
        self._taken[...] = 0
        for name, array in (("regions", regions), ("balance", self._balance), ("image", self._image)):
            tally[name] = kernels.address(array)
        tally["image_stride"] = self._pixels
        tally["voxels"] = 0 if self._voxels is None else kernels.address(self._voxels)
        numbers["first"], numbers["upper"], numbers["count"] = first % 2**32, first // 2**32, count
        in_block = len(regions) <= MAX_REGIONS
        numbers["taken"], numbers["regions"], numbers["in_block"] = kernels.address(self._taken), len(regions), in_block
        blocks = max(1, min(kernels.processors() * BLOCKS, -(-count // THREADS)))
        kernels.launch("transport_photons", (blocks, 1, 1), (THREADS, 1, 1), self._job, tally, numbers,
                       shared_bytes=8 * len(regions) if in_block else 0)


def _check_memory(kernels: Kernels, job: PackedJob, voxels: tuple[int, ...] | None) -> None:
    scene, image = sum(array.nbytes for array in job.arrays.values()), 8 * math.prod(job.image)
    dose, free = 0 if voxels is None else 8 * math.prod(voxels), kernels.free_bytes()
    if scene + image + dose <= free:
        return
    raise InvalidInput(message(
        f"photon transport of {job.scene.grid.shape} voxels on a GPU",
        f"voxels and tables take {scene / 1e9:.3g} GB, image tallies {image / 1e9:.3g} GB and dose tallies "
        f"{dose / 1e9:.3g} GB; {free / 1e9:.3g} GB are free",
        "Take larger pixels or voxels, leave voxel_dose out, or use device='cpu'."))
