"""The shipped tables of photon cross sections and scattering functions, read once and checked against their checksum.

Made by `python -m physsim.physics.build_tables` (extra `tables`); running needs numpy alone.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.errors import FileFormatError, message

Floats = NDArray[np.float64]

DATA = Path(__file__).parent / "data"
PROVENANCE = DATA / "tables.json"
PROCESSES = ("photoelectric", "rayleigh", "compton")
ENERGY_MIN_KEV = 1.0
ENERGY_MAX_KEV = 150.0
LAST_ATOMIC_NUMBER = 92


@dataclass(frozen=True, kw_only=True)
class ElementTable:
    """Cross sections of one element on its own energies; an absorption edge is the same energy twice.

    energy_kev: (n,) float64, ascending, first 1, last 150; log_energy: (n,) its natural logarithm.
    log_mass_attenuation: process -> (n,) natural logarithm of the cross section in cm2/g.
    """

    energy_kev: Floats
    log_energy: Floats
    log_mass_attenuation: dict[str, Floats]

    @cached_property
    def edges_kev(self) -> Floats:
        """Absorption edges within 1-150 keV, ascending."""
        edges: Floats = self.energy_kev[1:][np.diff(self.energy_kev) == 0.0]
        return edges


@dataclass(frozen=True, kw_only=True)
class ScatteringTables:
    """Functions of the bound electrons, for Rayleigh and Compton scattering.

    momentum_transfer_per_angstrom: (nx,) x = sin(theta/2) E / 12.398 keV A, first 0.
    form_factor: (92, nx), electrons; element Z in row Z - 1. incoherent_function: (92, nx), electrons.
    momentum_au: (np,) electron momentum projection p_z >= 0 in atomic units; the profiles are even in p_z.
    profile: (ns, np) Compton profile per electron (1/a.u., integral over both signs 1).
    profile_atomic_number, profile_electrons, profile_binding_kev: (ns,); profile_shell: ns names such as "L3".
    """

    momentum_transfer_per_angstrom: Floats
    form_factor: Floats
    incoherent_function: Floats
    momentum_au: Floats
    profile: Floats
    profile_atomic_number: NDArray[np.int32]
    profile_electrons: Floats
    profile_binding_kev: Floats
    profile_shell: tuple[str, ...]


@cache
def element_table(atomic_number: int) -> ElementTable:
    """The cross sections of element Z (1-92)."""
    arrays = _arrays("attenuation.npz")
    first, last = arrays["first"][atomic_number - 1:atomic_number + 1]
    energy = arrays["energy_kev"][first:last].astype(np.float64)
    logs = {process: portable.log(arrays[process][first:last].astype(np.float64)) for process in PROCESSES}
    table = ElementTable(energy_kev=energy, log_energy=portable.log(energy), log_mass_attenuation=logs)
    for array in (table.energy_kev, table.log_energy, *logs.values()):
        array.flags.writeable = False
    return table


@cache
def scattering_tables() -> ScatteringTables:
    """Form factors, incoherent scattering functions and Compton profiles of the elements 1-92."""
    arrays = _arrays("scattering.npz")
    fields = {name: arrays[name].astype(np.float64) for name in (
        "momentum_transfer_per_angstrom", "form_factor", "incoherent_function", "momentum_au", "profile",
        "profile_electrons", "profile_binding_kev")}
    for array in fields.values():
        array.flags.writeable = False
    return ScatteringTables(
        **fields, profile_atomic_number=arrays["profile_atomic_number"].astype(np.int32),
        profile_shell=tuple(str(name) for name in arrays["profile_shell"]))


def fluorescence_arrays() -> dict[str, NDArray[Any]]:
    """Shells, Coster-Kronig probabilities and lines as build_tables.fluorescence_arrays describes them."""
    return _arrays("fluorescence.npz")


def provenance() -> dict[str, object]:
    """Where the tables come from, and the SHA-256 of each file."""
    known: dict[str, object] = json.loads(PROVENANCE.read_text(encoding="utf-8"))
    return known


def checked_bytes(path: Path, sha256: str) -> bytes:
    """The content of a data file; FileFormatError when it is not the file that was shipped."""
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise FileFormatError(message(
            f"{path.name} has SHA-256 {found[:12]}...", f"the shipped table has {sha256[:12]}...",
            "Install physsim again, or rebuild the tables by `python -m physsim.physics.build_tables`."))
    return content


@cache
def _arrays(name: str) -> dict[str, NDArray[np.generic]]:
    sha256 = json.loads(PROVENANCE.read_text(encoding="utf-8"))["sha256"][name]
    with np.load(io.BytesIO(checked_bytes(DATA / name, sha256)), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}
