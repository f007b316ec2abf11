"""`physsim validate measured` on scans by a scanner that was changed: it finds what, and is quiet where nothing was.

The measured scans are physsim's own, of other noise, stored as DICOM. Seeds are fixed: a change that is none is found 1
time in 4,000 by chance (4 changes, 4 sigma).
"""

import json
from pathlib import Path

import numpy as np
import pytest
from measured_cases import DESCRIPTION, SCENE, STOP_DESCRIPTION, STOP_SCENE
from typer.testing import CliRunner

import physsim as ps
from physsim.cli.app import app
from physsim.evaluate.measured.compare import Predicted, compare, measured_figures, read_scans
from physsim.evaluate.measured.figures import figures_of
from physsim.io.image import Image

SEED = 77
# The scanner of few columns meets the middle of its bowtie alone
pytestmark = pytest.mark.filterwarnings("ignore::physsim.imaging.bowtie_fan.BowtieWarning")


@pytest.fixture(scope="module")
def scanner(tmp_path_factory):
    """The description, its predictions, and a function that measures with a changed scanner."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "object.scene.toml").write_text(SCENE)
    (folder / "object.toml").write_text(DESCRIPTION)
    _, (scan,) = read_scans(folder)
    body = ps.voxelise(ps.scene(str(folder / "object.scene.toml")))
    predicted = Predicted([scan], folder)

    def measure(hu=0.0, **changes):
        made = ps.simulate(body, scan.protocol.changed(**changes), seed=SEED)
        volume = made.volume
        shifted = Image(volume.array + np.float32(hu), volume.spacing_mm, volume.origin_mm, volume.direction)
        return compare(figures_of(scan, shifted, None), predicted, replicates=3)

    return folder, scan, body, measure


CASES = {  # what was changed, and what is found: name, value
    "nothing": ({}, None),
    "tube voltage + 3 kV": ({"kvp": 123.0}, ("kvp", 3.0, 0.6)),
    "focal spot doubled": ({"focal_spot_mm": (4.0, 4.0)}, ("focal spot", 2.0, 0.1)),
    "CT numbers + 8 HU": ({"hu": 8.0}, ("HU offset", 8.0, 1.5)),
    "noise x 1.2": ({"mas": 10.0 / 1.44}, ("noise", 1.2, 0.12)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_changed_scanner_is_found_out(scanner, name):
    changes, wanted = CASES[name]
    found = scanner[3](**changes)
    assert found.chi_square < 10.0  # what is found explains the differences
    assert [one.name for one in found.changes if one.found] == ([] if wanted is None else [wanted[0]])
    assert found.agrees == (wanted is None)
    if wanted is not None:
        (one,) = (change for change in found.changes if change.name == wanted[0])
        assert one.value == pytest.approx(wanted[1], abs=wanted[2])
        assert abs(one.value - wanted[1]) < 5.0 * one.error + 0.03 * wanted[1]


def test_the_command_reads_dicom_and_says_what_was_changed(scanner):
    """A folder of slices of a scanner whose voltage is 4 kV higher, lying 7 and -4 mm aside: kV found, status 1."""
    pytest.importorskip("pydicom")
    folder, scan, body, _ = scanner
    made = ps.simulate(body, scan.protocol.changed(kvp=124.0), seed=SEED)
    volume = made.volume
    x, y, z = volume.origin_mm
    moved = Image(volume.array, volume.spacing_mm, (x + 7.0, y - 4.0, z), volume.direction)
    made.save(folder / "slices")
    from physsim.imaging.dicom.ct import save_ct_series
    from physsim.imaging.scan.files import ct_technique
    from physsim.imaging.technique import identity, subject

    save_ct_series(folder / "slices", moved, ct_technique(made), subject(made.provenance), identity(made.provenance),
                   overwrite=True)
    text = DESCRIPTION.replace('volume = "slices"', 'volume = "slices"\nshift_mm = [7.0, -4.0, 0.0]')
    (folder / "object.toml").write_text(text)
    done = CliRunner().invoke(app, ["validate", "measured", "--data", str(folder), "--replicates", "2"])
    assert done.exit_code == 1, done.output
    assert "kvp" in done.stdout
    (line,) = (one for one in done.stdout.splitlines() if "FOUND" in one)
    assert line.startswith("kvp")
    assert float(line.split()[1]) == pytest.approx(4.0, abs=0.8)


def test_scatter_under_a_beam_stop(tmp_path):
    """Projections of a lead rod in water, with the grid and as measured without it: scatter to primary of both, and the
    command's verdict; figures are the law T / (T beside - T)."""
    pytest.importorskip("pydicom")
    (tmp_path / "stop.scene.toml").write_text(STOP_SCENE)
    (tmp_path / "stop.toml").write_text(STOP_DESCRIPTION)
    folder, (scan,) = read_scans(tmp_path / "stop.toml")
    body = ps.voxelise(ps.scene(str(tmp_path / "stop.scene.toml")))
    predicted = Predicted([scan], folder)
    for changes, agrees in (({}, True), ({"anti_scatter_grid": None}, False)):
        made = ps.simulate(body, scan.protocol.changed(**changes), scatter=scan.scatter, seed=SEED,
                           keep=("image", "primary", "scatter"))
        made.save_projections(tmp_path / "views", corrected=False, overwrite=True)
        (figure,) = measured_figures([scan], folder)
        found = compare([figure], predicted, replicates=2)
        stop = scan.beam_stops[0]
        places = [(slice(stop.views[0], stop.views[1] + 1), slice(r0, r1 + 1), slice(c0, c1 + 1))
                  for r0, r1, c0, c1 in (stop.under, stop.beside)]
        under, beside = (float(made["image"][place].mean(dtype=float)) for place in places)
        opened = [float((made["image"] / np.exp(-_integrals(made)))[place].mean(dtype=float)) for place in places]
        law = (under / opened[0]) / (beside / opened[1] - under / opened[0])
        assert figure.shown == pytest.approx(law, rel=0.02)
        assert found.agrees == agrees
    assert found.rows[0].difference > 1.0  # without the grid more than twice the scatter
    assert json.dumps(found.as_dict())


def _integrals(scan):
    from physsim.imaging.scan.measured_files import line_integrals

    return line_integrals(scan)


def test_the_page_s_example_is_a_description():
    _, (scan,) = read_scans(Path(__file__).parents[2] / "docs" / "examples" / "measured.toml")
    assert (len(scan.regions), scan.protocol.spectrum.kvp, scan.phantom.scene) == (4, 120.0, "ct_numbers")


def test_what_descriptions_refuse(scanner, tmp_path):
    folder, scan, _, _ = scanner
    for changes, words in (
        ({"volume": None}, "regions, noise and wire"),
        ({"regions": (), "noise": None, "wire": None}, "nothing to look at"),
        ({"projections": "views"}, "0 beam_stops"),
        ({"protocol": ps.protocols.chest_pa()}, "scans of one beam"),
    ):
        with pytest.raises(ps.errors.InvalidInput, match=words):
            scan.replace(**changes)
    with pytest.raises(ps.errors.InvalidInput, match="holds no description"):
        read_scans(tmp_path)
    with pytest.raises(ps.errors.InvalidInput, match="spread is the error"):
        compare([], Predicted([scan], folder), replicates=1)
    volume = Image(np.zeros((1, 64, 64), np.float32), (1.0, 1.0, 1.0), (-32.0, -32.0, 0.0))
    with pytest.raises(ps.errors.InvalidInput, match="holds no pixel"):
        figures_of(scan, volume, None)
