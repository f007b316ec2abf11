"""Builds the shipped tube tables from SpekPy: `python -m physsim.physics.spectra.build` (needs the extra `tables`).

What is stored is not spectra but what precedes self-absorption: photons emitted per depth in the target. The take-off
angle and the target's absorption edges then enter at run time, exactly, and the tables are smooth in every variable.

Continuum: photon-energy-weighted emission k dN/(dk dOmega dtau) per electron over (kVp, take-off angle, k/kVp, depth
tau in CSDA ranges), from the model "casim" of SpekPy evaluated at the take-off angle itself. Lines: photons per
electron and unit tau for each shell (K, L1, L2, L3), isotropic, with line energies and branching.

Reference: Omar, Andreo, Poludniowski, NIM B 437 (2018) 36 and Med Phys 47 (2020) 4763, 4005; Poludniowski et al., Med
Phys 48 (2021) 3630 (SpekPy v2, MIT licence).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.physics.tables import DATA

Array = NDArray[np.float64]

SPEKPY_VERSION = "2.5.4"  # the version that the shipped tables were built from; its internals are read below
TAKEOFF_DEG = np.array([1.0, 12.0, 25.0, 45.0])  # the cubic through them meets SpekPy within 5e-4 from 1 to 45 degrees
ENERGY_FRACTION = np.concatenate([np.arange(1, 90) * 0.01, 0.9 + np.arange(20) * 0.005, [1.0]])
LINE_DEPTH = np.concatenate([np.arange(51) * 0.02, np.geomspace(1.05, 20.0, 30)])
MANTISSA_BITS = 13  # float32 rounded to 6e-5, so that the file compresses
# Nodes in kVp: they contain those of SpekPy's electron simulations (20 25 30 40 50 75 ... 150), linear between them.
KVP = {
    "W": np.concatenate([np.arange(20, 25, 1.25), np.arange(25, 50, 2.5), np.arange(50, 151, 6.25)]),
    "Mo": np.concatenate([np.arange(20, 25, 1.25), np.arange(25, 51, 2.5)]),
    "Rh": np.concatenate([np.arange(20, 25, 1.25), np.arange(25, 51, 2.5)]),
}
SHELLS = ("K", "L1", "L2", "L3")


def build_target(target: str) -> dict[str, Any]:
    """All tables of one target element ("W", "Mo", "Rh"), as arrays by name."""
    nodes = KVP[target]
    models = [[_model(target, kvp, angle) for angle in TAKEOFF_DEG] for kvp in nodes]
    first = models[0][0]
    tables: dict[str, Any] = {
        "kvp": nodes,
        "depth": np.round(first.t / first.rcsda, 6),
        "range_cm": np.array([float(row[0].rcsda) for row in models]),
        "emission": _rounded(np.array([[_emission(model, kvp) for model in row]
                                       for kvp, row in zip(nodes, models, strict=True)])),
    }
    for with_rayleigh, name in ((True, "continuum"), (False, "line")):
        log_attenuation, density = first._SpekAniso__get_logmac_fn(Rayleigh=with_rayleigh)
        tables[f"{name}_attenuation_energy_kev"] = np.exp(log_attenuation.x)
        tables[f"{name}_attenuation_per_cm"] = np.exp(log_attenuation.y) * float(density)
    return {**tables, **_shells(target, first)}


def _model(target: str, kvp: float, takeoff_deg: float) -> Any:
    from spekpy.SpekAniso import SpekAniso

    energies = ENERGY_FRACTION[:-1] * kvp  # the emission at the tip k = kVp is zero
    # SpekPy warns of its self-filtration at 0 keV in bins as wide as k[1] - k[0]; that part of it is not used here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SpekAniso(target=target, shape="casim", diffuse=False, brsrc="nist", x=0.0, y=0.0, z=100.0, k=energies,
                         th=float(takeoff_deg), kvp=float(kvp), thick=None, trans=False)


def _emission(model: Any, kvp: float) -> Array:
    weighted = model.brem_kt * (ENERGY_FRACTION[:-1] * kvp)[:, None] * model.rcsda
    return np.vstack([weighted, np.zeros(weighted.shape[1])])


def _shells(target: str, model: Any) -> dict[str, Any]:
    """Line tables: `K_kvp`, `K_emission` (kvp, depth), `K_edge_kev`, `K_energy_kev`, `K_branching`, and so on."""
    data = np.load(Path(model.dirpath) / f"FluorescenceZ{model.Z}.npz")
    edge_k, energy_k, branch_k, *rest = model._SpekAniso__get_char_data()
    edges = (edge_k, *rest[0:3])
    energies = (energy_k, *rest[3:6])
    branches = (branch_k, *rest[6:9])
    tables: dict[str, Any] = {"line_depth": LINE_DEPTH}
    top = float(KVP[target][-1])
    for shell, edge, energy, branch in zip(SHELLS, edges, energies, branches, strict=True):
        potentials = data[f"E0_{shell}"].astype(np.float64)
        wanted = potentials <= top
        depth = data[f"x_{shell}"].astype(np.float64)
        emission = np.array([_lumped(depth, data[shell][:, j].astype(np.float64)) for j in np.flatnonzero(wanted)])
        seen = energy >= 1.0
        tables |= {f"{shell}_kvp": potentials[wanted], f"{shell}_emission": _rounded(emission),
                   f"{shell}_edge_kev": np.array([float(edge)]), f"{shell}_energy_kev": energy[seen],
                   f"{shell}_branching": branch[seen]}
    return tables


def _lumped(depth: Array, emission: Array) -> Array:
    """Node values whose hat functions hold the same photons as the fine table (number and mean depth)."""
    weight = np.gradient(depth)
    weight[[0, -1]] *= 0.5
    photons = emission * weight
    cell = np.clip(np.searchsorted(LINE_DEPTH, depth, side="right") - 1, 0, LINE_DEPTH.size - 2)
    share = np.clip((depth - LINE_DEPTH[cell]) / (LINE_DEPTH[cell + 1] - LINE_DEPTH[cell]), 0.0, 1.0)
    node = np.zeros(LINE_DEPTH.size)
    np.add.at(node, cell, photons * (1.0 - share))
    np.add.at(node, cell + 1, photons * share)
    return node


def _rounded(values: Array) -> NDArray[np.float32]:
    mantissa, exponent = np.frexp(values)
    rounded = np.ldexp(np.round(np.ldexp(mantissa, MANTISSA_BITS)), exponent - MANTISSA_BITS)
    return np.asarray(rounded, dtype=np.float32)


def build_cross_sections() -> dict[str, Any]:
    """PENELOPE's attenuation of Z 1-92, 1-150 keV, thinned to the nodes that keep log-log interpolation within 2e-4.

    `first`: (93,) start of each element in the others; `energy_kev`, `mass_attenuation_cm2_g`: edges are double nodes.
    `air_energy_kev`, `air_absorption_cm2_g`: mu_en/rho of air.
    """
    from spekpy.DataTables import MuData, MuEnAirData

    data = MuData("pene_mu.dat")
    energies, values = [], []
    for z in range(92):
        energy = np.array(data.mu_over_rho_coefficients_energies[z], dtype=np.float64) * 1e3  # MeV -> keV
        value = np.array(data.mu_over_rho_coefficients[z], dtype=np.float64)
        inside = np.flatnonzero((energy > 1.0) & (energy < 150.0))
        outer = np.array([1.0, 150.0])
        outer_value = np.exp(np.interp(np.log(outer), np.log(energy), np.log(value)))
        energy = np.concatenate([outer[:1], energy[inside], outer[1:]])
        value = np.concatenate([outer_value[:1], value[inside], outer_value[1:]])
        kept = _thinned(np.log(energy), np.log(value), 2e-4)
        energies.append(energy[kept])
        values.append(value[kept])
    first = np.concatenate([[0], np.cumsum([part.size for part in energies])])
    air = np.geomspace(1.0, 150.0, 601)
    air[[0, -1]] = 1.0, 150.0
    return {"first": first, "energy_kev": np.concatenate(energies), "mass_attenuation_cm2_g": np.concatenate(values),
            "air_energy_kev": air, "air_absorption_cm2_g": MuEnAirData("pene_muen_air.dat").get_muen_over_rho_air(air)}


def _thinned(x: Array, y: Array, tolerance: float) -> list[int]:
    """Indices of nodes of a polyline that stays within `tolerance` of all points; keeps double nodes (edges)."""
    kept, start = [0], 0
    while start < x.size - 1:
        end = start + 1
        while end + 1 < x.size and x[end] > x[start] and x[end + 1] > x[end]:
            line = y[start] + (y[end + 1] - y[start]) * (x[start : end + 2] - x[start]) / (x[end + 1] - x[start])
            if np.abs(line - y[start : end + 2]).max() > tolerance:
                break
            end += 1
        kept.append(end)
        start = end
    return kept


def build(folder: Path = DATA) -> list[Path]:
    """Write the tables of all targets and the cross sections into `folder`; returns the files."""
    import spekpy

    if spekpy.__version__ != SPEKPY_VERSION:
        raise RuntimeError(f"SpekPy {spekpy.__version__} is installed; this reads the internals of {SPEKPY_VERSION}.")
    arrays: dict[str, Any] = {"takeoff_deg": TAKEOFF_DEG, "energy_fraction": ENERGY_FRACTION}
    for target in KVP:
        arrays |= {f"{target}/{name}": table for name, table in build_target(target).items()}
    written = [folder / "spectra_tubes.npz", folder / "spectra_cross_sections.npz", folder / "spectra_tables.json"]
    np.savez_compressed(written[0], **arrays)
    np.savez_compressed(written[1], **build_cross_sections())
    provenance = {
        "made_by": "python -m physsim.physics.spectra.build",
        "source": f"SpekPy {SPEKPY_VERSION} (MIT), model casim, with PENELOPE's cross sections",
        "units": {"emission": "k dN/(dk dOmega dtau) per electron", "K_emission ...": "photons per electron, into 4 pi",
                  "depth, line_depth": "CSDA ranges", "energy_kev, kvp": "keV, kV", "mass_attenuation": "cm2/g"},
        "mantissa_bits": MANTISSA_BITS,
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in written[:2]}}
    written[2].write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=DATA)
    build(parser.parse_args().folder)
