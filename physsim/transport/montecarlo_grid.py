"""An anti-scatter grid as the photon transport reads it, and what it did in a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.tables import ENERGY_MAX_KEV, ENERGY_MIN_KEV
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.transport.montecarlo_result import Estimate, MonteCarloResult, standard_error, variance_of_variance
from physsim.units import CM_PER_MM, MM_PER_CM

GRID = "anti-scatter grid"  # the region that its absorbed energy is counted in
STEP_KEV = 0.125  # of the attenuation, straight between: absorption edges are smeared that much


def pack_grid(grid: AntiScatterGrid | None, geometry: Geometry | None, region: int) -> dict[str, Any]:
    """The grid's fields of kernels/transport/detector.h; `region`: number of the region that is called GRID.

    Raises InvalidInput where there is no detector behind the grid, and for one that cannot be bent to a curved one.
    """
    if grid is None:
        return {
            "grid_attenuation": None,
            "grid_energies": 0,
            "grid_energy_low": 0.0,
            "grid_per_kev": 0.0,
            "grid_across": (1.0, 0.0),
            "grid_height": 0.0,
            "grid_period": 1.0,
            "grid_strip": 0.0,
            "grid_inverse_focus": 0.0,
            "grid_gap": 0.0,
            "grid_offset": 0.0,
            "grid_region": 0,
        }
    if geometry is None:
        raise InvalidInput(
            message(
                "anti_scatter_grid", "it stands before a detector, and this is none", "Leave it out, or give geometry."
            )
        )
    if geometry.radius_mm is not None:
        grid = grid.bent(geometry.radius_mm)
    energies = np.arange(ENERGY_MIN_KEV, ENERGY_MAX_KEV + 0.5 * STEP_KEV, STEP_KEV)
    strip, space, cover = grid.attenuation(energies)
    focus = grid.focal_distance_mm
    return {
        "grid_attenuation": np.stack([strip * MM_PER_CM, space * MM_PER_CM, cover], axis=1).astype(np.float32),
        "grid_energies": len(energies),
        "grid_energy_low": float(energies[0]),
        "grid_per_kev": 1.0 / STEP_KEV,
        "grid_across": grid.across,
        "grid_height": grid.height_mm * CM_PER_MM,
        "grid_period": grid.pitch_mm * CM_PER_MM,
        "grid_strip": grid.strip_mm * CM_PER_MM,
        "grid_inverse_focus": 0.0 if focus is None else 1.0 / (focus * CM_PER_MM),
        "grid_gap": (grid.gap_mm + 0.5 * grid.height_mm) * CM_PER_MM,
        "grid_offset": grid.offset_mm * CM_PER_MM,
        "grid_region": region,
    }


@dataclass(frozen=True)
class GridPerformance:
    """What a grid does to the energy on a detector, with standard errors. IEC 60627 defines the figures.

    `primary`, `scatter`, `total`: transmissions Tp, Ts, Tt; `selectivity`: Tp / Ts; `contrast_improvement`: Tp / Tt;
    `bucky_factor`: 1 / Tt. The detector is an ideal absorber.
    """

    primary: Estimate
    scatter: Estimate
    total: Estimate
    selectivity: Estimate
    contrast_improvement: Estimate
    bucky_factor: Estimate


def grid_performance(behind: MonteCarloResult, without: MonteCarloResult) -> GridPerformance:
    """Figures of a grid from two runs of the same photons (same seed, histories and problem), with it and without.

    Only that the photons are the same makes the errors small: they come from pairs of batches.
    Raises InvalidInput where the runs stand in the wrong order or hold other photons, or no primary or scatter was
    counted.

    Neglects: the response of a real detector by energy.

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("slab60"), spacing_mm=20)
    >>> view = ps.Geometry(source_mm=[(150, -800, 150)], centre_mm=[(150, 300, 150)], u=[(1, 0, 0)], v=[(0, 0, 1)],
    ...                    rows=5, columns=5, pixel_mm=60)
    >>> grid = ps.AntiScatterGrid(ratio=10, lines_per_cm=40, strip_mm=0.05, focal_distance_mm=1100)
    >>> beam, run = ps.PhotonSource.of_view(view, 60), ps.MonteCarlo(histories=10000)
    >>> behind, without = (ps.transport_photons(water, beam, run, geometry=view, anti_scatter_grid=one)
    ...                    for one in (grid, None))
    >>> ps.grid_performance(behind, without).selectivity.value > 3
    True
    """
    if GRID not in behind.regions.names or GRID in without.regions.names:
        raise InvalidInput(
            message(
                "grid_performance",
                "the first run has no grid, or the second one has",
                "Give the run with anti_scatter_grid=... first, the one without it second.",
            )
        )
    if (
        not np.array_equal(behind.batch_histories, without.batch_histories)
        or behind.seed != without.seed
        or behind.balance["born"] != without.balance["born"]
    ):
        raise InvalidInput(
            message(
                f"runs of {behind.histories} and {without.histories} photons, seeds {behind.seed} and {without.seed}",
                "they do not hold the same photons",
                "Run both with MonteCarlo(histories=...) and one seed.",
            )
        )
    sums = {
        (name, order): run.batch_images(order).sum(axis=(1, 2)) * run.batch_histories
        for name, run in (("behind", behind), ("without", without))
        for order in ("primary", "scatter", None)
    }
    for (_, order), counted in sums.items():
        if not counted.sum() > 0.0:
            text = f"no {order or 'energy'} was counted"
            raise InvalidInput(message("grid_performance", text, "Send more photons at a phantom."))
    primary, scatter, total = (
        [sums["behind", order], sums["without", order]] for order in ("primary", "scatter", None)
    )
    return GridPerformance(
        primary=_ratio(*primary),
        scatter=_ratio(*scatter),
        total=_ratio(*total),
        selectivity=_ratio(*primary, *scatter[::-1]),
        contrast_improvement=_ratio(*primary, *total[::-1]),
        bucky_factor=_ratio(*total[::-1]),
    )


def _ratio(*sums: NDArray[np.float64]) -> Estimate:
    """Of sums by batch: the first over the second, times the third over the fourth; its error to first order."""
    totals = [float(one.sum()) for one in sums]
    value = float(np.prod(totals[0::2])) / float(np.prod(totals[1::2]))
    terms = np.sum([sign * one / total for one, total, sign in zip(sums, totals, (1, -1, 1, -1), strict=False)], axis=0)
    apart = len(terms) * value * terms
    return Estimate(value, float(standard_error(apart, np.ones(len(terms), np.int64))), variance_of_variance(apart))
