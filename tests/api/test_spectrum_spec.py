"""Spectrum and Bowtie specs: round trips, the user's own files, bad input, the command line."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import physsim as ps
from physsim.errors import FileFormatError, InvalidInput

TUBE = {"kvp": 28, "target": "Mo", "anode_angle_deg": 18, "bin_kev": 0.25, "filters": [("Be", 1.0), ("Mo", 0.03)],
        "output_factor": 0.93}
OWN = {"table": {"energies_kev": [20.5, 21.5, 22.5], "fluence": [1.0, 5.0, 2.0], "absolute": True},
       "bowtie": {"material": "Al", "fan_angles_deg": [0, 5], "thickness_mm": [1, 2]}}


@pytest.mark.parametrize("fields", [TUBE, OWN, {"energy_kev": 60.0}, {"kvp": 120}])
def test_round_trip(fields):
    beam = ps.Spectrum(**fields)
    assert ps.Spectrum.from_toml(beam.to_toml()) == beam
    assert ps.Spectrum.from_json(beam.to_json()) == beam
    np.testing.assert_array_equal(ps.Spectrum.from_toml(beam.to_toml()).sample().fluence, beam.sample().fluence)


def test_a_users_own_material_as_filter():
    alloy = ps.Material(name="alloy", density_g_cm3=2.7, mass_fractions={"Al": 0.98, "Fe": 0.02})
    beam = ps.Spectrum(kvp=80, filters=[ps.Filter(material=alloy, thickness_mm=2.5)])
    assert ps.Spectrum.from_json(beam.to_json()) == beam
    assert beam.sample().mean_energy_kev > ps.Spectrum(kvp=80, filters=[("Al", 2.5)]).sample().mean_energy_kev


def test_sampled_arrays_are_read_only_and_steady():
    sampled = ps.Spectrum(kvp=100).sample()
    for array in (sampled.energies_kev, sampled.edges_kev, sampled.fluence):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    np.testing.assert_array_equal(sampled.fluence, ps.Spectrum(kvp=100).sample().fluence)


@pytest.mark.parametrize(("fields", "words"), [
    ({}, ["no source", "kvp"]), ({"kvp": 100, "energy_kev": 60}, ["kvp and energy_kev"]),
    ({"kvp": 190}, ["kvp=190", "20 to 150"]), ({"kvp": 60, "target": "Mo"}, ["kvp=60", "20 to 50"]),
    ({"kvp": float("nan")}, ["kvp"]), ({"kvp": 100, "anode_angle_deg": 1}, ["anode_angle_deg=1", "4 to 30"]),
    ({"kvp": 100, "target": "Mo2"}, ["Mo2", "Did you mean 'Mo'?"]), ({"energy_kev": 0.3}, ["0.3", "1-150"]),
    ({"energy_kev": 60, "anode_angle_deg": 12}, ["anode_angle_deg", "no effect"]),
    ({"kvp": 100, "filters": [("Alu", 1)]}, ["Alu"]), ({"kvp": 100, "filters": [("Al", -1)]}, ["-1"]),
    ({"kvp": 100, "filter": [("Al", 1)]}, ["filter", "filters"]),
    ({"kvp": 100, "output_factor": 0}, ["output_factor=0"]),
    ({"table": {"energies_kev": [20, 19], "fluence": [1, 1]}}, ["20, 19", "rise"]),
    ({"table": {"energies_kev": [20, 21], "fluence": [1, -2]}}, ["-2", "negative"]),
    ({"table": {"energies_kev": [20000, 21000], "fluence": [1, 2]}}, ["21000", "eV"]),
    ({"table": {"energies_kev": [20, 21], "fluence": [1]}}, ["2 energies and 1"]),
    ({"table": {"energies_kev": [20, 21], "fluence": [0, 0]}}, ["holds photons"]),
])
def test_bad_spectra(fields, words):
    with pytest.raises(InvalidInput) as caught:
        ps.Spectrum(**fields)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("fields", "words"), [
    ({}, ["no shape"]), ({"fan_angles_deg": (0, 5), "thickness_mm": (1,)}, ["2 angles and 1"]),
    ({"fan_angles_deg": (0, 5, 4), "thickness_mm": (1, 1, 1)}, ["rise"]),
    ({"fan_angles_deg": (-5, 5), "thickness_mm": (1, 1)}, ["-5", "symmetric"]),
    ({"fan_angles_deg": (0, 5), "thickness_mm": (1, -1)}, ["-1"]),
    ({"coefficients_mm": (1, -1), "max_angle_deg": 10}, ["-9"]),
    ({"coefficients_mm": (1, 1)}, ["max_angle_deg"]),
])
def test_bad_bowties(fields, words):
    with pytest.raises(InvalidInput) as caught:
        ps.Bowtie(material="Al", **fields)
    for word in words:
        assert word in str(caught.value)


def test_bad_requests():
    beam = ps.Spectrum(kvp=100)
    for call in (lambda: beam.at(60.0), lambda: ps.Spectrum(energy_kev=60).heel((-5, 5)), lambda: beam.heel((5, -5)),
                 lambda: beam.scaled_to_kerma(0), lambda: beam.sample().at_distance(0),
                 lambda: beam.sample().layer_mm(1.5),
                 lambda: beam.sample().filtered("Al", -1), lambda: beam.sample().rebinned(0),
                 lambda: ps.Spectrum(energy_kev=60).sample().kerma_ugy_per_mas, lambda: beam.at(-13.0).mean_energy_kev,
                 lambda: ps.Bowtie(material="Al", fan_angles_deg=(0, 5), thickness_mm=(1, 2)).path_mm(6.0)):
        with pytest.raises(InvalidInput):
            call()


def test_csv_and_spc_files(tmp_path):
    csv, spc = tmp_path / "own.csv", tmp_path / "own.spc"
    csv.write_text("# measured\nenergy_kev,fluence_per_kev_cm2_mas\n20.25,100\n20.75,300\n21.25,0\n")
    read = ps.Spectrum.from_file(csv)
    assert read.absolute
    np.testing.assert_allclose(read.sample().fluence, [50.0, 150.0, 0.0])
    np.testing.assert_allclose(read.sample().edges_kev, [20.0, 20.5, 21.0, 21.5])
    spc.write_text("# eV, lower edges\n 15.0e3  1.5e1 # first\n 15.5e3  4.5e1\n 16.0e3 -3.0e1\n")
    read = ps.Spectrum.from_file(spc, filters=[("Al", 0.0)])
    assert not read.absolute
    np.testing.assert_allclose(read.sample().energies_kev, [15.25, 15.75])
    np.testing.assert_allclose(read.sample().fluence, [0.25, 0.75])
    whole = ps.Spectrum(kvp=80, filters=[("Al", 2.5)]).sample()
    csv.write_text(whole.to_csv())
    back = ps.Spectrum.from_file(csv).sample()
    np.testing.assert_array_equal(back.fluence, whole.fluence)
    np.testing.assert_allclose(back.edges_kev, whole.edges_kev)


@pytest.mark.parametrize(("name", "text", "words"), [
    ("a.spc", "15.0e3 1.0\n15.5e3 2.0\n", ["truncated", "negative"]), ("a.spc", "15.0e3 1.0\n15.5", ["line 2", "15.5"]),
    ("a.spc", "15e3 1\n14e3 1\n16e3 -1\n", ["line 2", "rise"]), ("a.spc", "15e3 nan\n16e3 -1\n", ["line 1"]),
    ("a.csv", "", ["no table"]), ("a.csv", "energy_kev,relative\n", ["truncated"]),
    ("a.csv", "energy_kev,relativ\n20,1\n", ["relativ", "Did you mean 'relative'"]),
    ("a.csv", "energy,number\n20,1\n", ["line 1"]), ("a.csv", "energy_kev,relative\n20,1\n21\n", ["line 3"]),
    ("a.csv", "energy_kev,relative\n20,1\n21,-4\n", ["line 3", "-4"]),
    ("a.csv", "energy_kev,relative\n20,1\n19,4\n", ["line 3", "rise"]), ("a.txt", "20 1\n", [".txt", ".spc"]),
])
def test_damaged_files(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(FileFormatError) as caught:
        ps.Spectrum.from_file(path)
    for word in words:
        assert word in str(caught.value)
    with pytest.raises(FileFormatError):
        ps.Spectrum.from_file(tmp_path / "absent.csv")


def test_file_in_ev_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("energy_kev,relative\n20000,1\n")
    with pytest.raises(InvalidInput, match="eV"):
        ps.Spectrum.from_file(tmp_path / "a.csv")


def test_bowtie_file(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("# head bowtie\nfan_angle_deg,thickness_mm\n0,1\n10,4\n")
    assert ps.Bowtie.from_csv(path, "Al").path_mm(-5.0) == pytest.approx(2.5)
    path.write_text("fan_angle_deg,thickness_mm\n-10,0\n10,4\n")
    assert ps.Bowtie.from_csv(path, "Al").path_mm(-5.0) == pytest.approx(1.0)
    for text in ("", "angle,mm\n0,1\n", "fan_angle_deg,thickness_mm\n0;1\n"):
        path.write_text(text)
        with pytest.raises(FileFormatError):
            ps.Bowtie.from_csv(path, "Al")


def test_command_line(tmp_path):
    from physsim.cli.app import app

    run = CliRunner().invoke
    found = run(app, ["spectrum", "--kvp", "120", "--filter", "Al:2.5", "--json", "--table", "--bins", "20"])
    assert found.exit_code == 0
    figures = json.loads(found.stdout)
    beam = ps.Spectrum(kvp=120, filters=[("Al", 2.5)])
    assert figures["hvl1_mm_al"] == beam.sample().hvl1_mm()
    assert len(figures["energies_kev"]) == figures["bins"] == 20
    spec = tmp_path / "beam.toml"
    spec.write_text(beam.to_toml())
    text = run(app, ["spectrum", "--spec", str(spec), "--kerma", "50", "--distance-mm", "1500"])
    assert "kerma_ugy_per_mas            50" in text.stdout
    bare = run(app, ["spectrum", "--energy", "60", "--air", "--json"])
    assert json.loads(bare.stdout)["mean_energy_kev"] == pytest.approx(60.0)
    rows = json.loads(run(app, ["validate", "spectra", "--json"]).stdout)
    assert {row["quantity"] for row in rows} >= {"hvl1_mm", "mean_energy_kev", "kerma_ugy_per_mas"}
    assert max(abs(row["difference_percent"]) for row in rows) < 2.0


@pytest.mark.parametrize("options", [["--kvp", "190"], ["--kvp", "80", "--filter", "Al"],
                                     ["--kvp", "80", "--spec", "x.toml"]])
def test_command_line_refuses_with_status_2(options):
    command = [sys.executable, "-P", "-m", "physsim", "spectrum", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("physsim: ")
