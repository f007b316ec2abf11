"""What photon transport found: energies by region, pixel and voxel, each with its standard error from batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.spec.grid import Grid
from physsim.transport.montecarlo_scene import Regions
from physsim.units import EV_PER_KEV, G_PER_KG, J_PER_KEV, MGY_PER_GY

Floats = NDArray[np.float64]

ORDERS = ("primary", "compton", "rayleigh", "multiple")  # rows of the image tally: kernels/transport/photon.h
KEV_PER_COUNT = 2.0**-20  # kernels/transport/tally.h
HEAVY_TAIL = 0.1  # variance of the variance beyond which an error is not believed


@dataclass(frozen=True)
class Estimate:
    """A mean and its standard error; `vov`, the relative variance of that variance, is above 0.1 for heavy tails."""

    value: float
    error: float
    vov: float

    @property
    def relative_error(self) -> float:
        """Standard error over value; infinite where nothing was counted."""
        return self.error / self.value if self.value > 0.0 else float("inf")

    @property
    def heavy_tailed(self) -> bool:
        """Whether the error itself is too uncertain to be believed."""
        return not self.vov < HEAVY_TAIL


@dataclass(frozen=True)
class VoxelSums:
    """Energy by voxel: `total` (nz, ny, nx) int64 counts of 2^-20 keV; `squares` float64, sum of batch^2 / photons."""

    total: NDArray[np.int64]
    squares: Floats


@dataclass(frozen=True, eq=False)
class MonteCarloResult:
    """Sums of the finished batches, in counts of 2^-20 keV, and what follows from them (eV per history).

    batch_histories: (batches,) int64. image_counts: (batches, 4 orders, energy bins, rows, columns) int64, energy that
    met the detector. region_counts: (batches, regions) int64, energy deposited. `balance`: energies born, deposited,
    detected, escaped. `aim_reached`: False when `most_histories` or the user ended the run before its aim.
    """

    batch_histories: NDArray[np.int64]
    image_counts: NDArray[np.int64]
    region_counts: NDArray[np.int64]
    balance: dict[str, int]
    regions: Regions
    grid: Grid
    energy_edges_kev: Floats
    voxels: VoxelSums | None
    aim_reached: bool
    seed: int
    fingerprint: str

    @property
    def histories(self) -> int:
        """Photons in all."""
        return int(self.batch_histories.sum())

    def batch_images(self, order: str | None = None, energy_bin: int | None = None) -> Floats:
        """(batches, rows, columns) eV per history and pixel, of one order ("scatter": all but primary) or all."""
        counts = self.image_counts[:, self._orders(order)].sum(axis=1)
        counts = counts.sum(axis=1) if energy_bin is None else counts[:, energy_bin]
        return np.asarray(_ev(counts) / self.batch_histories[:, None, None])

    def image(self, order: str | None = None, energy_bin: int | None = None) -> Floats:
        """(rows, columns) eV per history and pixel; `order`: one of ORDERS, scatter, or None (all)."""
        counts = self.image_counts[:, self._orders(order)].sum(axis=(0, 1))
        return np.asarray(_ev(counts.sum(axis=0) if energy_bin is None else counts[energy_bin]) / self.histories)

    def image_error(self, order: str | None = None, energy_bin: int | None = None) -> Floats:
        """(rows, columns) standard error of `image`."""
        return standard_error(self.batch_images(order, energy_bin), self.batch_histories)

    def image_covariance(self, order: str | None = None) -> Floats:
        """(pixels, pixels) covariance of `image` between pixels, from the batches; its rank is below their number."""
        values = self.batch_images(order).reshape(len(self.batch_histories), -1)
        weights = np.sqrt(self.batch_histories / self.histories)[:, None]
        apart = (values - self.image(order).ravel()) * weights
        return np.asarray(apart.T @ apart / max(len(values) - 1, 1))

    def total(self, order: str | None = None) -> Estimate:
        """Energy on the whole detector, eV per history."""
        return self._estimate(self.image_counts[:, self._orders(order)].sum(axis=(1, 2, 3, 4)))

    def scatter_error(self) -> float:
        """e_S: RMS over pixels of the scatter image's standard error, over its mean; infinite where there is none."""
        mean = float(self.image("scatter").mean()) if self.image_counts.size else 0.0
        return float(np.sqrt((self.image_error("scatter") ** 2).mean())) / mean if mean > 0.0 else float("inf")

    def region(self, *names: str) -> Estimate:
        """Energy deposited in a region, or in several together: eV per history."""
        return self._estimate(self.region_counts[:, [self._number(name) for name in names]].sum(axis=1))

    def dose(self, name: str) -> Estimate:
        """Mean absorbed dose of a region, mGy per history: energy deposited over mass (kerma: electrons stay)."""
        mass = float(self.regions.mass_g[self._number(name)])
        if not mass > 0.0:
            raise InvalidInput(message(f"region {name!r}", "it has no mass", "Ask for its energy: region()."))
        energy, scale = self.region(name), J_PER_KEV / EV_PER_KEV * G_PER_KG / mass * MGY_PER_GY
        return Estimate(energy.value * scale, energy.error * scale, energy.vov)

    def voxel_energy(self) -> Floats:
        """(nz, ny, nx) eV per history deposited in each voxel; InvalidInput when it was not asked for."""
        return np.asarray(_ev(self._voxels().total) / self.histories)

    def voxel_error(self) -> Floats:
        """(nz, ny, nx) standard error of `voxel_energy`."""
        sums, batches = self._voxels(), len(self.batch_histories)
        spread = np.maximum(sums.squares - sums.total.astype(np.float64) ** 2 / self.histories, 0.0)
        if batches < 2:
            return np.full(spread.shape, np.nan)
        return np.asarray(_ev(np.sqrt(spread / ((batches - 1) * self.histories))))

    def largest_region_error(self) -> float:
        """The largest relative standard error of a region that has mass, the ambient medium apart."""
        return max(
            self.region(name).relative_error
            for name, mass in zip(self.regions.names[:-1], self.regions.mass_g[:-1], strict=True)
            if mass > 0.0
        )

    def balance_ev(self) -> dict[str, float]:
        """Energy per history: born, deposited, detected, escaped (eV). born = the sum of the others, exactly."""
        return {name: float(_ev(np.int64(count))) / self.histories for name, count in self.balance.items()}

    def _estimate(self, counts: NDArray[np.int64]) -> Estimate:
        values = _ev(counts) / self.batch_histories
        value = float(_ev(counts.sum()) / self.histories)
        return Estimate(value, float(standard_error(values, self.batch_histories)), variance_of_variance(values))

    def _orders(self, order: str | None) -> list[int]:
        if order is None or order == "scatter":
            return [n for n in range(len(ORDERS)) if order is None or n > 0]
        if order not in ORDERS:
            raise InvalidInput(
                message(f"order={order!r}", "no such class of photons", did_you_mean(order, (*ORDERS, "scatter")))
            )
        return [ORDERS.index(order)]

    def _number(self, name: str) -> int:
        if name not in self.regions.names:
            raise InvalidInput(message(f"region {name!r}", "is not there", did_you_mean(name, self.regions.names)))
        return self.regions.names.index(name)

    def _voxels(self) -> VoxelSums:
        if self.voxels is None:
            raise InvalidInput(message("dose by voxel", "it was not counted", "Run with voxel_dose=True."))
        return self.voxels


def standard_error(values: Floats, histories: NDArray[np.int64]) -> Floats:
    """Of the mean over histories, from batch means (batches, ...) of `histories` each; NaN for a single batch."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    weights = (histories / histories.sum()).reshape(-1, *([1] * (values.ndim - 1)))
    mean = (weights * values).sum(axis=0)
    return np.asarray(np.sqrt((weights * (values - mean) ** 2).sum(axis=0) / (len(values) - 1)))


def variance_of_variance(values: Floats) -> float:
    """Relative variance of the variance of batch means (batches,): 2 / batches for normal ones; NaN without spread."""
    apart = (values - values.mean()) ** 2
    total = float(apart.sum())
    return float((apart**2).sum()) / total**2 - 1.0 / len(values) if total > 0.0 else float("nan")


def _ev(counts: Any) -> Floats:
    return np.asarray(np.asarray(counts, np.float64) * (KEV_PER_COUNT * EV_PER_KEV))
