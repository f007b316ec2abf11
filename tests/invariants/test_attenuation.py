"""What holds for any attenuation: processes sum to the total, it falls between edges and rises at them."""

import os
import subprocess
import sys

import numpy as np
import pytest

from physsim import portable
from physsim.errors import FileFormatError, InvalidInput
from physsim.physics.attenuation import absorption_edges_kev, mass_attenuation_cm2_g
from physsim.physics.elements import elements
from physsim.physics.tables import DATA, PROCESSES, checked_bytes, element_table, provenance, scattering_tables

ENERGIES = np.geomspace(1.0, 150.0, 3001)


@pytest.mark.parametrize("symbol", list(elements()))
def test_processes_sum_to_the_total(symbol):
    parts = sum(mass_attenuation_cm2_g({symbol: 1.0}, ENERGIES, process) for process in PROCESSES)
    total = mass_attenuation_cm2_g({symbol: 1.0}, ENERGIES)
    np.testing.assert_allclose(parts, total, rtol=1e-14)
    assert (total > 0.0).all()


@pytest.mark.parametrize("symbol", list(elements()))
def test_total_falls_between_edges_and_rises_at_them(symbol):
    edges = absorption_edges_kev({symbol: 1.0})
    above, below = (mass_attenuation_cm2_g({symbol: 1.0}, edges, side=side) for side in ("above", "below"))
    assert (above > 1.005 * below).all()
    energies = np.geomspace(10.0, 150.0, 2001)
    total = mass_attenuation_cm2_g({symbol: 1.0}, energies)
    crossed = np.searchsorted(edges, energies[1:], side="right") > np.searchsorted(edges, energies[:-1], side="right")
    assert (np.diff(total)[~crossed] < 0.0).all()


def test_an_edge_is_a_step_without_width():
    edge = 69.525  # tungsten K, keV
    energies = np.array([np.nextafter(edge, 0), edge, np.nextafter(edge, 99)])
    just_below, at, just_above = mass_attenuation_cm2_g({"W": 1.0}, energies)
    assert at == pytest.approx(just_above, rel=1e-12)
    assert just_below == pytest.approx(float(mass_attenuation_cm2_g({"W": 1.0}, edge, side="below")), rel=1e-12)
    assert at / just_below == pytest.approx(11.23 / 2.552, rel=0.001)  # NIST, tungsten, either side of the K edge


def test_shape_of_energies_is_kept():
    assert mass_attenuation_cm2_g({"H": 0.111894, "O": 0.888106}, 60.0).shape == ()
    assert mass_attenuation_cm2_g({"Al": 1.0}, np.full((2, 3), 60.0)).shape == (2, 3)
    assert mass_attenuation_cm2_g({"Al": 1.0}, []).shape == (0,)


@pytest.mark.parametrize("energy", [0.999, 150.001, 0.0, -1.0, float("nan"), float("inf")])
def test_energies_outside_the_tables_are_refused(energy):
    with pytest.raises(InvalidInput, match=r"energy_kev=.*1 to 150 keV"):
        mass_attenuation_cm2_g({"Al": 1.0}, [60.0, energy])


def test_unknown_process_is_refused():
    with pytest.raises(InvalidInput, match="Did you mean 'compton'"):
        mass_attenuation_cm2_g({"Al": 1.0}, 60.0, "comptom")


def test_portable_logarithm_and_exponential():
    x = np.geomspace(1e-300, 1e300, 20001)
    np.testing.assert_array_max_ulp(portable.log(x), np.log(x), maxulp=2)
    y = np.linspace(-690.0, 690.0, 20001)
    np.testing.assert_allclose(portable.exp(y), np.exp(y), rtol=5e-16)
    assert portable.log(1.0) == 0.0
    assert portable.exp(0.0) == 1.0


def test_bits_do_not_depend_on_the_instruction_set():
    """numpy's own log differs in its last bit between AVX-512 and the rest."""
    code = ("import hashlib, numpy as np, physsim as ps\n"
            "from physsim.physics.energy_absorption import mass_energy_absorption_cm2_g as absorbed\n"
            "e = np.linspace(1.0, 150.0, 5003)\n"
            "rows = [ps.linear_attenuation_per_mm(n, e) for n in ('water', 'bone', 'csi', 'lead_glass')]\n"
            "rows.append(absorbed('air', e))\n"
            "print(hashlib.sha256(np.array(rows).tobytes()).hexdigest())")
    hashes = set()
    for switched_off in ("", "X86_V4 AVX512_SKX AVX512F", "X86_V3 X86_V4 AVX2 FMA3 AVX512_SKX AVX512F"):
        environment = {**os.environ, "PHYSSIM_CACHE": "off", "NPY_DISABLE_CPU_FEATURES": switched_off}
        if not switched_off:
            environment.pop("NPY_DISABLE_CPU_FEATURES")
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True)
        hashes.add(done.stdout.strip())
    assert len(hashes) == 1


def test_scattering_functions_are_bounded_by_the_electrons():
    tables = scattering_tables()
    z = np.arange(1, 93)[:, None]
    assert (tables.form_factor[:, 0] == z[:, 0]).all()
    assert (np.diff(tables.form_factor, axis=1) <= 1e-6 * z).all()
    assert (tables.incoherent_function[:, 0] == 0.0).all()
    assert (np.diff(tables.incoherent_function, axis=1) >= -2e-3 * z).all()
    assert (tables.incoherent_function <= 1.001 * z).all()


def test_compton_profiles_hold_all_electrons():
    tables = scattering_tables()
    electrons = np.bincount(tables.profile_atomic_number, weights=tables.profile_electrons)[1:]
    np.testing.assert_allclose(electrons, np.arange(1, 93), atol=1e-5)
    integral = 2.0 * np.trapezoid(tables.profile, tables.momentum_au, axis=1)
    assert integral.max() < 1.01
    light = tables.profile_atomic_number <= 30  # the K shells of heavy elements reach beyond 100 a.u.
    assert integral[light].min() > 0.985
    assert (tables.profile >= 0.0).all()


def test_tables_are_small_and_carry_their_checksum(tmp_path):
    checksums = provenance()["sha256"]
    for name, checksum in checksums.items():
        assert len(checked_bytes(DATA / name, checksum)) < 4e6
    spoiled = tmp_path / "attenuation.npz"
    spoiled.write_bytes((DATA / "attenuation.npz").read_bytes()[:-1])
    with pytest.raises(FileFormatError, match="SHA-256"):
        checked_bytes(spoiled, checksums["attenuation.npz"])


def test_every_table_spans_the_range():
    for z in range(1, 93):
        energy = element_table(z).energy_kev
        assert energy[0] == 1.0
        assert energy[-1] == 150.0
        assert (np.diff(energy) >= 0.0).all()
