"""X-ray tube spectra from shipped tables: what a target emits at each depth, and how much of it gets out.

Photons/(cm2 mAs) at 1 m in vacuum, no filter at all, as a function of target, kVp and take-off angle (between ray and
target surface). Everything that depends on direction depends on that one angle: the path out of depth d is d /
sin(take-off), and the weak anisotropy of the bremsstrahlung is tabulated over it. So the heel effect needs no table of
its own.

Range: W 20-150 kVp, Mo and Rh 20-50 kVp, take-off up to 45 degrees, photons of 1-150 keV.
Neglects: extrafocal radiation, a rough or worn target, ripple of the high voltage, rhenium in the tungsten. Line yields
are linear between the model's own potentials (W 70, 75, 80, 90, 100, 125, 150 kVp), as in SpekPy: up to 1 % of the
photons too many half-way, against the smooth (overvoltage - 1)^1.67 through them.
Reference: the model "casim" of SpekPy 2.5.4 (Poludniowski et al., Med Phys 48 (2021) 3630); tables by build.py.
"""

from __future__ import annotations

import functools
import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import portable
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.physics.spectra.cross_sections import table_bytes
from physsim.physics.spectra.quantities import transmission
from physsim.physics.tables import DATA

Array = NDArray[np.float64]

ELECTRONS_PER_MAS = 1e-3 / 1.602176634e-19  # exact: SI 2019
CM2_PER_SR_AT_1M = 1e4
TARGETS = ("Mo", "Rh", "W")
PHOTON_RANGE_KEV = (1.0, 150.0)


@dataclass(frozen=True)
class Shell:
    """Characteristic emission of one shell: photons per electron, over kVp and depth, and the lines they share."""

    edge_kev: float
    kvp: Array  # (k,)
    emission: Array  # (k, line depths) photons per electron at each depth node, into 4 pi
    energies_kev: Array  # (lines,)
    branching: Array  # (lines,) shares of the shell's photons


@dataclass(frozen=True)
class TubeTable:
    """Emission by depth of one target; depths in CSDA ranges of the electrons."""

    kvp: Array  # (k,)
    takeoff_deg: Array  # (a,)
    energy_fraction: Array  # (u,) photon energy / kVp
    depth: Array  # (d,)
    emission: NDArray[np.float32]  # (k, a, u, d): k dN/(dk dOmega dtau) per electron
    range_cm: Array  # (k,) CSDA range
    attenuation: dict[str, tuple[Array, Array]]  # "continuum", "line": energies keV, mu 1/cm of the target
    line_depth: Array  # (depths,)
    shells: tuple[Shell, ...]

    @property
    def kvp_range(self) -> tuple[float, float]:
        """Lowest and highest tube potential."""
        return float(self.kvp[0]), float(self.kvp[-1])


@functools.cache
def tube_table(target: str) -> TubeTable:
    """The shipped table of one target, "W", "Mo" or "Rh"."""
    if target not in TARGETS:
        raise InvalidInput(message(f"target={target!r}", "no tube table for it", did_you_mean(target, TARGETS)))
    with np.load(io.BytesIO(table_bytes("spectra_tubes.npz"))) as stored:
        part = {name.partition("/")[2]: stored[name] for name in stored.files if name.startswith(f"{target}/")}
        shells = tuple(
            Shell(float(part[f"{shell}_edge_kev"][0]), part[f"{shell}_kvp"].astype(np.float64),
                  part[f"{shell}_emission"].astype(np.float64), part[f"{shell}_energy_kev"].astype(np.float64),
                  part[f"{shell}_branching"].astype(np.float64))
            for shell in ("K", "L1", "L2", "L3"))
        return TubeTable(
            part["kvp"], stored["takeoff_deg"], stored["energy_fraction"], part["depth"], part["emission"],
            part["range_cm"],
            {kind: (part[f"{kind}_attenuation_energy_kev"], part[f"{kind}_attenuation_per_cm"])
             for kind in ("continuum", "line")},
            part["line_depth"], shells)


def reference_cases() -> dict[str, dict[str, Any]]:
    """SpekPy's spectra to compare with, by name: kvp, target, angle, filters, its own figures and some bins."""
    text = (DATA / "spectra_reference.json").read_text(encoding="utf-8")
    cases: dict[str, dict[str, Any]] = json.loads(text)["cases"]
    return cases


def takeoff_sine(anode_angle_deg: float, anode_cathode_deg: ArrayLike = 0.0, transverse_deg: ArrayLike = 0.0) -> Array:
    """Sine of the angle between a ray and the target's surface: the ray's unit vector times the target's normal.

    `anode_cathode_deg` and `transverse_deg` are the ray's angles from the central ray, seen in the plane that holds the
    tube's axis (positive towards the cathode) and in the plane across it; scalars or arrays that broadcast. Negative
    values: the ray is behind the target (the field's heel cut-off).

    >>> float(takeoff_sine(20.0, 10.0).round(6))
    0.5
    """
    along = _sine(anode_cathode_deg) / _cosine(anode_cathode_deg)
    inward = _sine(anode_angle_deg) + along * _cosine(anode_angle_deg)
    return np.asarray(inward / obliquity(anode_cathode_deg, transverse_deg))


def obliquity(anode_cathode_deg: ArrayLike, transverse_deg: ArrayLike = 0.0) -> Array:
    """1/cos of a ray's angle from the central ray: its path through a flat filter, in thicknesses."""
    along, across = (_sine(x) / _cosine(x) for x in (anode_cathode_deg, transverse_deg))
    return np.asarray(np.sqrt(1.0 + along**2 + across**2))


def _sine(angle_deg: ArrayLike) -> Array:
    """Sine by its series, |angle| <= 90 degrees, to 1e-15; +, x only, so that its bits are the same on every CPU."""
    x = np.asarray(angle_deg, dtype=np.float64) * (np.pi / 180.0)
    series = np.ones_like(x)
    for order in range(24, 0, -2):
        series = 1.0 - series * (x * x) / (order * (order + 1))
    return np.asarray(x * series)


def _cosine(angle_deg: ArrayLike) -> Array:
    return 1.0 - 2.0 * _sine(0.5 * np.asarray(angle_deg, dtype=np.float64)) ** 2


def bin_edges_kev(kvp: float, bin_kev: float = 0.5) -> Array:
    """Edges of equal bins that end at kVp and begin at or just above 1 keV, (n + 1,) keV."""
    count = int((kvp - PHOTON_RANGE_KEV[0]) / bin_kev + 1e-6)
    return kvp - bin_kev * np.arange(count, -1, -1, dtype=np.float64)


@functools.lru_cache(maxsize=256)
def equal_bins(target: str, kvp: float, bin_kev: float, sine: float) -> tuple[Array, Array]:
    """Edges of equal bins (n + 1,) and what `tube_fluence` says of them (n,); read-only, for it is kept."""
    edges = bin_edges_kev(kvp, bin_kev)
    fluence = tube_fluence(target, kvp, sine, edges)
    edges.flags.writeable = fluence.flags.writeable = False
    return edges, fluence


def tube_fluence(target: str, kvp: float, sine: float, edges_kev: Array) -> Array:
    """Photons per bin, cm2 and mAs at 1 m from the bare target, (n,) for n + 1 `edges_kev`; 0 behind the target.

    `sine` is that of the take-off angle (see `takeoff_sine`). Errors: InvalidInput for an unknown target, a kVp or a
    take-off angle outside the tables.
    """
    return tube_continuum(target, kvp, sine, edges_kev) + tube_lines(target, kvp, sine, edges_kev)


def tube_continuum(target: str, kvp: float, sine: float, edges_kev: Array) -> Array:
    """Bremsstrahlung alone; arguments and result as `tube_fluence`. Taken at the bin's centre times its width."""
    table = tube_table(target)
    _check(table, target, kvp, sine)
    if sine <= 0.0:
        return np.zeros(edges_kev.size - 1)
    lower, share = _position(table.kvp, kvp)
    angle = _lagrange(_sine(table.takeoff_deg), max(sine, float(_sine(table.takeoff_deg[0]))))
    # Interpolation at fixed k/kVp and fixed depth in ranges: the end point scales with kVp and no edge is smeared.
    weights = np.outer([1.0 - share, share], angle)[:, :, None, None]
    emission = (weights * table.emission[lower : lower + 2]).sum(axis=(0, 1))
    centres, widths = 0.5 * (edges_kev[1:] + edges_kev[:-1]), np.diff(edges_kev)
    fraction = centres / kvp
    cell, part = _positions(table.energy_fraction, fraction)
    source = (1.0 - part)[:, None] * emission[cell] + part[:, None] * emission[cell + 1]
    path_cm = _electron_range_cm(table, kvp) / sine
    # The mean mu over the bin: the target's edges fall inside bins.
    within = centres[:, None] + widths[:, None] * ((np.arange(11) - 5.0) / 10.0)
    mu = _attenuation(table.attenuation["continuum"], within).mean(axis=1)
    escaped = _escaped(source, table.depth, mu * path_cm)
    per_kev = ELECTRONS_PER_MAS / CM2_PER_SR_AT_1M * escaped / centres
    return np.where(fraction < 1.0, per_kev * widths, 0.0)


def tube_lines(target: str, kvp: float, sine: float, edges_kev: Array) -> Array:
    """Characteristic lines alone, each in the bin that holds its energy; arguments and result as `tube_fluence`."""
    photons = np.zeros(edges_kev.size - 1)
    for energy, fluence in line_fluences(target, kvp, sine):
        place = int(np.searchsorted(edges_kev, energy, side="right")) - 1
        if 0 <= place < photons.size:
            photons[place] += fluence
    return photons


def line_fluences(target: str, kvp: float, sine: float) -> list[tuple[float, float]]:
    """Lines as pairs (keV, photons per cm2 and mAs at 1 m from the bare target)."""
    table = tube_table(target)
    _check(table, target, kvp, sine)
    if sine <= 0.0:
        return []
    path_cm = _electron_range_cm(table, kvp) / sine
    lines: list[tuple[float, float]] = []
    for shell in table.shells:
        if kvp <= shell.edge_kev:
            continue
        if kvp < shell.kvp[0]:  # from the edge to the first node: Green and Cosslett, Proc Phys Soc 78 (1961) 1206
            rise = (kvp - shell.edge_kev) / (shell.kvp[0] - shell.edge_kev)
            emission = float(portable.exp(1.67 * portable.log(rise))) * shell.emission[0]
        else:
            lower, share = _position(shell.kvp, kvp)
            emission = (1.0 - share) * shell.emission[lower] + share * shell.emission[lower + 1]
        mu = _attenuation(table.attenuation["line"], shell.energies_kev)
        photons = (transmission(np.outer(mu * path_cm, table.line_depth)) * emission).sum(axis=1) * shell.branching
        photons *= ELECTRONS_PER_MAS / CM2_PER_SR_AT_1M / (4.0 * np.pi)
        lines += zip(shell.energies_kev.tolist(), photons.tolist(), strict=True)
    return lines


def _check(table: TubeTable, target: str, kvp: float, sine: float) -> None:
    low, high = table.kvp_range
    if not low <= kvp <= high:
        raise InvalidInput(message(f"kvp={kvp:g}", f"the tables for {target} hold {low:g} to {high:g} kVp",
                                   "Choose a tube potential in that range, or give a table of your own."))
    if not sine <= _sine(table.takeoff_deg[-1]) + 1e-12:
        raise InvalidInput(message(f"take-off angle of sine {sine:.4g}",
                                   f"the tables end at {table.takeoff_deg[-1]:g} degrees from the target's surface",
                                   "Narrow the field towards the cathode, or take a smaller anode angle."))


def _position(nodes: Array, value: float) -> tuple[int, float]:
    lower = int(np.clip(np.searchsorted(nodes, value, side="right") - 1, 0, nodes.size - 2))
    return lower, float((value - nodes[lower]) / (nodes[lower + 1] - nodes[lower]))


def _positions(nodes: Array, values: Array) -> tuple[NDArray[np.intp], Array]:
    lower = np.clip(np.searchsorted(nodes, values, side="right") - 1, 0, nodes.size - 2)
    return lower, np.minimum((values - nodes[lower]) / (nodes[lower + 1] - nodes[lower]), 1.0)


def _lagrange(nodes: Array, value: float) -> Array:
    """Weights of the polynomial through all nodes."""
    weights = [np.prod([(value - other) / (node - other) for other in nodes if other != node]) for node in nodes]
    return np.array(weights, dtype=np.float64)


def _electron_range_cm(table: TubeTable, kvp: float) -> float:
    """CSDA range; a power law between nodes (its exponent varies slowly)."""
    return float(portable.exp(np.interp(portable.log(kvp), portable.log(table.kvp), portable.log(table.range_cm))))


def _attenuation(table: tuple[Array, Array], energies_kev: Array) -> Array:
    """Linear attenuation of the target, 1/cm, log-log between nodes."""
    nodes, values = table
    return portable.exp(np.interp(portable.log(energies_kev), portable.log(nodes), portable.log(values)))


def _escaped(source: Array, depth: Array, optical: Array) -> Array:
    """Integral over depth of source x exp(-optical x depth) by trapezia: (n, d), (d,), (n,) -> (n,).

    SpekPy's own rule on SpekPy's own depths, so that results compare to 1e-3. With the source linear and the
    exponential exact, air kerma would be 0.2-0.4 % lower. Below 1 degree of take-off and 25 keV the rule gives too much
    (15 % at 15 keV).
    """
    step = np.diff(depth)
    weight = 0.5 * (np.concatenate([[0.0], step]) + np.concatenate([step, [0.0]]))
    return np.asarray((source * transmission(optical[:, None] * depth) * weight).sum(axis=1))
