"""Builds the shipped tables from xraylib: `python -m physsim.physics.build_tables [FOLDER]` (extra `tables`).

Cross sections come from CS_Photo, CS_Rayl and CS_Compt (their sum is CS_Total), which reproduce NIST's XCOM; xraylib's
functions built on Kissel's partial cross sections are not used (wrong by up to 47 % for light elements below 60 keV).

An absorption edge stands twice in the table. xraylib's cross sections keep the edges as rounded logarithms of rounded
energies, so that a step lies up to 2e-3 (mostly 5e-5) beside the edge: the step is found by bisection and moved to the
edge energy of EdgeEnergy, which up to Z = 83 is NIST's, while the values on both sides follow the local power law over
that shift. From Z = 84 on EdgeEnergy is another source than NIST and only takes away the rounding (1e-4).

Reference: T. Schoonjans et al., Spectrochim. Acta B 66 (2011) 776, doi:10.1016/j.sab.2011.09.011.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import PhyssimError, message
from physsim.physics.tables import DATA, ENERGY_MAX_KEV, ENERGY_MIN_KEV, LAST_ATOMIC_NUMBER

Floats = NDArray[np.float64]

GRID_INTERVALS = 500  # common logarithmic grid
INTERPOLATION_ERROR = 1e-4  # relative; where log-log interpolation is further from xraylib's spline, points are added
FINEST = 2e-4  # relative width of the narrowest interval that is still halved
SCAN_POINTS = 20001  # to find the steps; two edges are never closer than 4 of these points
STEP_ABOVE_TREND = 2e-3  # a step rises this much above the trend of the neighbouring points
SNAP = 2.2e-3  # relative distance within which a step is the edge of EdgeEnergy, up to SNAP_LAST_Z
SNAP_LAST_Z = 83
SNAP_ROUNDING = 1e-4  # the same beyond that element
MARGIN = 3e-4  # no grid point lies this near (relative) to a step or its edge
MOMENTUM_TRANSFER_MAX = 12.5  # 1/angstrom; 150 keV backwards is 12.1
SHELLS = ("K", *(f"L{i}" for i in (1, 2, 3)), *(f"M{i}" for i in range(1, 6)), *(f"N{i}" for i in range(1, 8)),
          *(f"O{i}" for i in range(1, 8)), *(f"P{i}" for i in range(1, 6)), "Q1")
SAME_ORBITAL = {f"{n}{i}": f"{n}{i ^ 1}" for n in "LMNOP" for i in range(2, 8)}  # L2-L3, M4-M5, N6-N7: j = l -+ 1/2
RAREST_LINE = 2e-3  # of its shell
MISPRINTED_PROFILES = {(63, "L2")}  # xraylib 4.3.0: 1000 times too high at 30 a.u.; its L3, the same orbital, is smooth


def main(arguments: list[str] | None = None) -> None:
    """Write the three .npz files and tables.json into FOLDER (default: the package's data)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    folder = Path(arguments[0]) if arguments else DATA
    folder.mkdir(parents=True, exist_ok=True)
    for path in build(folder):
        print(f"{path}  {path.stat().st_size / 1e6:.2f} MB")


def build(folder: Path) -> list[Path]:
    """Build all tables into a folder that exists; returns the files, provenance last."""
    xraylib = _xraylib()
    files = [folder / "attenuation.npz", folder / "scattering.npz", folder / "fluorescence.npz"]
    _save(files[0], attenuation_arrays(xraylib))
    _save(files[1], scattering_arrays(xraylib))
    _save(files[2], fluorescence_arrays(xraylib))
    about = {
        "made_by": "python -m physsim.physics.build_tables",
        "source": f"xraylib {xraylib.__version__} (BSD-3-Clause), doi:10.1016/j.sab.2011.09.011",
        "functions": {
            "attenuation.npz": "CS_Photo, CS_Rayl, CS_Compt (NIST XCOM); EdgeEnergy",
            "scattering.npz": "FF_Rayl, SF_Compt (Hubbell 1975); ComptonProfile_Partial, ElectronConfig (Biggs 1975); "
                              "EdgeEnergy",
            "fluorescence.npz": "FluorYield, CosKronTransProb (Krause 1979), RadRate (Scofield 1974), LineEnergy "
                                "(Bearden 1967); EdgeEnergy",
        },
        "units": {
            "energy_kev": "keV", "photoelectric, rayleigh, compton": "cm2/g",
            "momentum_transfer_per_angstrom": "1/angstrom, sin(theta/2)/wavelength",
            "form_factor, incoherent_function": "electrons", "momentum_au": "atomic units",
            "profile": "1/a.u. per electron", "profile_binding_kev": "keV",
            "shell_edge_kev, line_kev": "keV", "shell_yield, coster_kronig, line_rate": "probabilities",
        },
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }
    provenance = folder / "tables.json"
    provenance.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return [*files, provenance]


def attenuation_arrays(xraylib: Any) -> dict[str, NDArray[Any]]:
    """Cross sections (cm2/g) of all elements one after the other; element Z has rows first[Z - 1] to first[Z]."""
    first, energies, values = [0], [], {"photoelectric": [], "rayleigh": [], "compton": []}  # type: ignore[var-annotated]
    for z in range(1, LAST_ATOMIC_NUMBER + 1):
        photo, edges = _photoelectric(xraylib, z)
        grid = np.geomspace(ENERGY_MIN_KEV, ENERGY_MAX_KEV, GRID_INTERVALS + 1)
        grid[-1] = ENERGY_MAX_KEV
        keep = np.ones(grid.size, dtype=bool)
        zones = [(min(edge, step) * (1.0 - MARGIN), max(edge, step) * (1.0 + MARGIN)) for edge, step, *_ in edges]
        for low, high in zones:
            keep &= (grid < low) | (grid > high)
        keep[[0, -1]] = True
        grid = _refined(photo, grid[keep], zones)
        doubled = np.repeat([edge for edge, *_ in edges], 2)
        energy = np.concatenate([grid, doubled])
        order = np.argsort(energy, kind="stable")
        photo_all = np.concatenate([[photo(e) for e in grid], [value for _, _, *sides in edges for value in sides]])
        energies.append(energy[order])
        values["photoelectric"].append(photo_all[order])
        values["rayleigh"].append([xraylib.CS_Rayl(z, e) for e in energy[order]])
        values["compton"].append([xraylib.CS_Compt(z, e) for e in energy[order]])
        first.append(first[-1] + energy.size)
    return {"first": np.array(first, dtype=np.int32), "energy_kev": np.concatenate(energies),
            **{name: np.concatenate(parts).astype(np.float32) for name, parts in values.items()}}


def scattering_arrays(xraylib: Any) -> dict[str, NDArray[Any]]:
    """Form factors, incoherent scattering functions (electrons) and Compton profiles by shell (1/a.u. per electron)."""
    x = np.concatenate([[0.0], np.geomspace(1e-3, MOMENTUM_TRANSFER_MAX, 320)])
    elements = range(1, LAST_ATOMIC_NUMBER + 1)
    # xraylib refuses q = 0; there F = Z and S = 0.
    form = np.array([[float(z), *(xraylib.FF_Rayl(z, q) for q in x[1:])] for z in elements])
    incoherent = np.array([[0.0, *(xraylib.SF_Compt(z, q) for q in x[1:])] for z in elements])
    momentum = np.concatenate([np.arange(0.0, 2.0, 0.05), np.geomspace(2.0, 100.0, 60)])
    shells: list[tuple[int, str, float, float]] = []
    profiles = []
    for z in elements:
        for name in SHELLS:
            shell = getattr(xraylib, f"{name}_SHELL")
            electrons = _or_zero(xraylib.ElectronConfig, z, shell)
            if electrons > 0.0:
                shells.append((z, name, electrons, _or_zero(xraylib.EdgeEnergy, z, shell)))
                profiles.append(_profile(xraylib, z, name, momentum))
    return {
        "momentum_transfer_per_angstrom": x, "form_factor": form.astype(np.float32),
        "incoherent_function": incoherent.astype(np.float32), "momentum_au": momentum,
        "profile": np.array(profiles, dtype=np.float32),
        "profile_atomic_number": np.array([z for z, *_ in shells], dtype=np.int32),
        "profile_shell": np.array([name for _, name, *_ in shells]),
        "profile_electrons": np.array([n for *_, n, _ in shells]),
        "profile_binding_kev": np.array([e for *_, e in shells]),
    }


def fluorescence_arrays(xraylib: Any) -> dict[str, NDArray[Any]]:
    """K and L shells with a fluorescence yield, and their lines; rates of a shell's lines sum to 1.

    Lines of less than RAREST_LINE of a shell count to the nearest line kept.
    """
    shells: list[tuple[int, int, float, float]] = []
    transfers = np.zeros((LAST_ATOMIC_NUMBER, 3))
    lines: list[tuple[int, int, float, float]] = []
    for z in range(1, LAST_ATOMIC_NUMBER + 1):
        for number, shell in enumerate(("K", "L1", "L2", "L3")):
            known = [(energy, rate) for upper in SHELLS
                     if (line := getattr(xraylib, f"{shell}{upper}_LINE", None)) is not None
                     and (rate := _or_zero(xraylib.RadRate, z, line)) > 0.0
                     and (energy := _or_zero(xraylib.LineEnergy, z, line)) > 0.0]
            fluorescence = _or_zero(xraylib.FluorYield, z, getattr(xraylib, f"{shell}_SHELL"))
            if not known or fluorescence == 0.0:
                continue
            edge = float(xraylib.EdgeEnergy(z, getattr(xraylib, f"{shell}_SHELL")))
            shells.append((z, number, edge, fluorescence))
            lines += [(z, number, energy, rate) for energy, rate in _merged(known)]
        for column, transfer in enumerate(("FL12", "FL13", "FL23")):
            transfers[z - 1, column] = _or_zero(xraylib.CosKronTransProb, z, getattr(xraylib, f"{transfer}_TRANS"))
    return {
        "shell_atomic_number": np.array([z for z, *_ in shells], dtype=np.int32),
        "shell_number": np.array([number for _, number, *_ in shells], dtype=np.int32),
        "shell_edge_kev": np.array([edge for *_, edge, _ in shells]),
        "shell_yield": np.array([value for *_, value in shells]),
        "coster_kronig": transfers,
        "line_atomic_number": np.array([z for z, *_ in lines], dtype=np.int32),
        "line_shell": np.array([number for _, number, *_ in lines], dtype=np.int32),
        "line_kev": np.array([energy for *_, energy, _ in lines]),
        "line_rate": np.array([rate for *_, rate in lines]),
    }


def _merged(lines: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """(energy, rate) of a shell's lines, rare ones added to the nearest, rates scaled to sum to 1; by energy."""
    total = sum(rate for _, rate in lines)
    rates = {energy: 0.0 for energy, rate in lines if rate / total >= RAREST_LINE}
    for energy, rate in lines:  # lines of one energy become one
        rates[min(rates, key=lambda kept: abs(kept - energy))] += rate / total
    return sorted(rates.items())


def _profile(xraylib: Any, z: int, name: str, momentum: Floats) -> list[float]:
    """Compton profile per electron of one shell; where xraylib has none, that of the other shell of the same n and l.

    Biggs tabulates a profile for each n and l; xraylib lacks it for one of the two j in the elements whose open shell
    holds a fraction of an electron there (boron's L3 takes L2's).
    """
    other = SAME_ORBITAL.get(name, name)
    for shell in (other, name) if (z, name) in MISPRINTED_PROFILES else (name, other):
        try:
            return [float(xraylib.ComptonProfile_Partial(z, getattr(xraylib, f"{shell}_SHELL"), p)) for p in momentum]
        except ValueError:
            continue
    raise PhyssimError(message(
        f"Z={z} {name}", "xraylib has no Compton profile for it", "Use the xraylib of extra `tables`."))


def _refined(photo: Callable[[float], float], grid: Floats, zones: list[tuple[float, float]]) -> Floats:
    """The grid with points added where the cross section bends, and at both ends of the zones around the edges.

    xraylib's spline has kinks of its own: at joints of NIST's tables, and ramps of up to 1 % in energy in place of some
    M edges (rhenium M5 at 1.883 keV).
    """
    inside = [end for zone in zones for end in zone if ENERGY_MIN_KEV < end < ENERGY_MAX_KEV
              and not any(low < end < high for low, high in zones)]
    points = np.unique(np.concatenate([grid, inside]))
    added: list[float] = []
    waiting = [(float(a), float(b)) for a, b in itertools.pairwise(points)
               if not any(low < b and a < high for low, high in zones)]
    while waiting:
        low, high = waiting.pop()
        middle = float(np.sqrt(low * high))
        error = np.log(photo(middle)) - 0.5 * (np.log(photo(low)) + np.log(photo(high)))
        if abs(error) > INTERPOLATION_ERROR and high / low > 1.0 + FINEST:
            added.append(middle)
            waiting += [(low, middle), (middle, high)]
    return np.unique(np.concatenate([points, added]))


def _photoelectric(xraylib: Any, z: int) -> tuple[Callable[[float], float], list[tuple[float, float, float, float]]]:
    """The photoelectric cross section, and its edges as (energy, xraylib's step, value below, value above)."""

    def photo(energy: float) -> float:
        return float(xraylib.CS_Photo(z, energy))

    tabulated = [energy for name in SHELLS
                 if (energy := _or_zero(xraylib.EdgeEnergy, z, getattr(xraylib, f"{name}_SHELL"))) > ENERGY_MIN_KEV]
    nearness = SNAP if z <= SNAP_LAST_Z else SNAP_ROUNDING
    edges = []
    for below, above in _steps(photo):
        near = [edge for edge in tabulated if abs(edge / above - 1.0) <= nearness]
        edge = near[int(np.argmin(np.abs(np.array(near) - above)))] if near else above
        edges.append((edge, above, _carried(photo, below, -1, edge), _carried(photo, above, 1, edge)))
    return photo, edges


def _steps(photo: Callable[[float], float]) -> list[tuple[float, float]]:
    """Energies just below and just above each step of the cross section."""
    grid = np.geomspace(ENERGY_MIN_KEV, ENERGY_MAX_KEV, SCAN_POINTS)
    rise = np.diff(np.log([photo(energy) for energy in grid]))
    trend = np.maximum(np.append(rise[1:], rise[-1]), np.append(rise[0], rise[:-1]))
    found = []
    for i in np.nonzero(rise > trend + STEP_ABOVE_TREND)[0]:
        below, above = float(grid[i]), float(grid[i + 1])
        while (middle := 0.5 * (below + above)) not in (below, above):
            if abs(np.log(photo(middle) / photo(below))) > abs(np.log(photo(above) / photo(middle))):
                above = middle
            else:
                below = middle
        if np.log(photo(above) / photo(below)) > STEP_ABOVE_TREND:
            found.append((below, above))
    return found


def _carried(photo: Callable[[float], float], start: float, side: int, edge: float) -> float:
    """The value at `start`, on one side of a step, carried to the edge by the local power law."""
    aside = start * (1.0 + side * 1e-3)
    exponent = np.log(photo(aside) / photo(start)) / np.log(aside / start)
    return float(photo(start) * (edge / start) ** exponent)


def _save(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    compressed: Callable[..., None] = np.savez_compressed
    compressed(path, **arrays)


def _or_zero(function: Callable[..., float], *arguments: int) -> float:
    try:
        return float(function(*arguments))
    except ValueError:  # xraylib's answer for a shell that the element lacks
        return 0.0


def _xraylib() -> Any:
    try:
        return importlib.import_module("xraylib")
    except ModuleNotFoundError:
        raise PhyssimError(message(
            "xraylib is not installed", "the tables are built from it",
            "Run `pip install 'physsim[tables]'`.")) from None


if __name__ == "__main__":
    main()
