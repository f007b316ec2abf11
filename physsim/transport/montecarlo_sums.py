"""Sums of photon transport as they grow: the batch under way, the finished ones, and their file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, PhyssimError, message
from physsim.io.hdf5 import Layer, read_layers, write_layers
from physsim.spec.grid import Grid
from physsim.transport.montecarlo_result import MonteCarloResult, VoxelSums
from physsim.transport.montecarlo_scene import Regions

_BALANCE = ("born", "deposited", "detected", "escaped", "lost", "above_majorant")  # kernels/transport/tally.h
_COUNT = "2^-20 keV"


class Sums:
    """Energies in counts of 2^-20 keV, by batch. Whole numbers: their order and grouping do not matter."""

    def __init__(
        self,
        image: tuple[int, ...],
        regions: Regions,
        grid: Grid,
        edges_kev: NDArray[np.float64],
        voxel_dose: bool,
        seed: int,
        mark: str,
        balanced: bool = True,
    ) -> None:
        """`balanced`: energy in = out + deposited in every batch, not on average alone."""
        self._balanced = balanced
        self._regions, self._grid, self._edges_kev, self._seed, self._mark = regions, grid, edges_kev, seed, mark
        self._images: list[NDArray[np.int64]] = []
        self._deposits: list[NDArray[np.int64]] = []
        self._sizes: list[int] = []
        self._image = np.zeros(image, np.int64)
        self._deposit = np.zeros(len(regions.names), np.int64)
        self._balance, self._total = np.zeros(len(_BALANCE), np.int64), np.zeros(len(_BALANCE), np.int64)
        self._voxel = np.zeros(grid.shape, np.int64) if voxel_dose else None
        self._voxels = VoxelSums(np.zeros(grid.shape, np.int64), np.zeros(grid.shape)) if voxel_dose else None

    @property
    def batches(self) -> int:
        """Finished batches."""
        return len(self._sizes)

    @property
    def histories(self) -> int:
        """Photons of the finished batches."""
        return sum(self._sizes)

    @property
    def largest_batch(self) -> int:
        """Photons of the largest finished batch."""
        return max(self._sizes)

    def add(self, job: Any, done: int, count: int, threads: int, isa: str) -> None:
        """Send `count` more photons of the batch under way, of which `done` are through."""
        job.run(self.histories + done, count, self._deposit, self._image, self._voxel, self._balance, threads, isa)

    def finish_batch(self, size: int) -> None:
        """Keep the batch under way as one of `size` photons."""
        own = dict(zip(_BALANCE, self._balance.tolist(), strict=True))
        apart = own["born"] - own["deposited"] - own["detected"] - own["escaped"]
        if own["lost"] or own["above_majorant"] or (self._balanced and apart):
            raise PhyssimError(
                message(
                    f"photon transport: {own}",
                    "photons were lost, met more than a majorant, or energy is not balanced: an error of physsim",
                    "Report it with the phantom and the source.",
                )
            )
        self._images.append(self._image)
        self._deposits.append(self._deposit)
        self._sizes.append(size)
        self._total += self._balance
        if self._voxel is not None and self._voxels is not None:
            total = self._voxels.total
            total += self._voxel
            squares = self._voxels.squares
            squares += self._voxel.astype(np.float64) ** 2 / size
        self._image, self._deposit = np.zeros_like(self._image), np.zeros_like(self._deposit)
        self.drop_unfinished()

    def drop_unfinished(self) -> None:
        """Forget the batch under way."""
        for array in (self._image, self._deposit, self._balance, self._voxel):
            if array is not None:
                array[...] = 0

    def merge_pairs(self) -> None:
        """Half as many batches, each of two neighbours."""
        for sums in (self._images, self._deposits, self._sizes):
            sums[:] = [a + b for a, b in zip(sums[0::2], sums[1::2], strict=True)]  # type: ignore[operator]

    def result(self, aim_reached: bool) -> MonteCarloResult:
        """What the finished batches say."""
        return MonteCarloResult(
            batch_histories=np.array(self._sizes, np.int64),
            image_counts=np.array(self._images),
            region_counts=np.array(self._deposits),
            regions=self._regions,
            grid=self._grid,
            voxels=self._voxels,
            balance=dict(zip(_BALANCE[:4], self._total.tolist(), strict=False)),
            energy_edges_kev=self._edges_kev,
            aim_reached=aim_reached,
            seed=self._seed,
            fingerprint=self._mark,
        )

    def save(self, path: str | Path, provenance: Mapping[str, Any] | None = None) -> None:
        """Write the finished batches to an HDF5 file of layers, in place of an older state; `provenance` is added."""
        layers = {
            "batch_histories": Layer(np.array(self._sizes, np.int64), "", ("batch",), "photons"),
            "image_counts": Layer(
                np.array(self._images), _COUNT, ("batch", "order", "energy", "v", "u"), "energy on the detector"
            ),
            "region_counts": Layer(np.array(self._deposits), _COUNT, ("batch", "region"), "energy deposited"),
            "balance": Layer(self._total, _COUNT, ("part",), ", ".join(_BALANCE[:4])),
        }
        if self._voxels is not None:
            layers["voxel_counts"] = Layer(self._voxels.total, _COUNT, ("z", "y", "x"), "energy deposited")
            layers["voxel_squares"] = Layer(self._voxels.squares, _COUNT, ("z", "y", "x"), "sum of batch^2 / photons")
        own = {
            "what": "physsim photon transport",
            "fingerprint": self._mark,
            "seed": self._seed,
            "histories": self.histories,
            "regions": list(self._regions.names),
        }
        write_layers(path, layers, {**(provenance or {}), **own}, overwrite=True)

    def load(self, path: str | Path) -> None:
        """Take up the batches of a file; InvalidInput when they are of another problem."""
        found = read_layers(path)
        if found.provenance.get("fingerprint") != self._mark:
            raise InvalidInput(
                message(
                    str(path),
                    "holds another run (phantom, source, detector, seed, tallies or version differ)",
                    "Give another file, or remove this one.",
                )
            )
        layers = {name: np.array(layer.array) for name, layer in found.layers.items()}
        self._sizes = [int(n) for n in layers["batch_histories"]]
        self._images, self._deposits = list(layers["image_counts"]), list(layers["region_counts"])
        self._total = layers["balance"]
        if self._voxels is not None:
            self._voxels = VoxelSums(layers["voxel_counts"], layers["voxel_squares"])


def check_memory(image: tuple[int, ...], batches: int, voxels: tuple[int, ...] | None) -> None:
    """InvalidInput when the tallies would take more than the memory that is free, with what makes them smaller."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    pixels, kept = int(np.prod(image)) * 8 * (batches + 1), 0 if voxels is None else int(np.prod(voxels)) * 24
    if pixels + kept <= free:
        return
    if pixels > kept:
        raise InvalidInput(
            message(
                f"image tally of {image[2]} x {image[3]} pixels, {image[0]} orders and {image[1]} energy bins",
                f"with its {batches} batches it takes {pixels / 1e9:.3g} GB, {free / 1e9:.3g} GB are free",
                "Take larger pixels (scatter is smooth: 48 x 40 is often enough) or fewer energy bins.",
            )
        )
    raise InvalidInput(
        message(
            f"dose tally of {voxels} voxels",
            f"it takes {kept / 1e9:.3g} GB, {free / 1e9:.3g} GB are free",
            "Leave voxel_dose out and sum by region, or take larger voxels.",
        )
    )


def fingerprint(*parts: dict[str, Any]) -> str:
    """A name of the problem: equal when every array and number is."""
    digest = hashlib.sha256()  # CPUs that know it are twice as fast as with blake2b: large phantoms take 0.07 s
    for part in parts:
        for name, value in sorted(part.items()):
            digest.update(name.encode())
            if isinstance(value, np.ndarray):
                digest.update(f"{value.dtype.str}{value.shape}".encode())
                digest.update(np.ascontiguousarray(value).view(np.uint8).data)
            else:
                digest.update(json.dumps(value, default=str).encode())
    return digest.hexdigest()[:32]
