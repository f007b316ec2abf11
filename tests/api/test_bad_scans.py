"""Bad input to the imaging chain, from the command line and from Python: each is refused before any work, or simulated
and said, with the values. Voxels of another part of the body: test_body_parts."""

import tomllib

import pytest
import tomli_w

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.bowtie_fan import BowtieWarning

WATER = ("--phantom", "water_20cm", "--spacing-mm", 20)
SMALL = {"views": 72, "pixel_mm": 16.0, "rows": 2, "columns": 56, "matrix": 32, "slice_mm": 4.0, "field_mm": 256.0,
         "pitch": None, "stops": 1, "range_mm": (-4.0, 4.0), "modulation": None, "mas": 0.5}
DENTAL = {"views": 72, "pixel_mm": 8.0}


def edited(path, protocol, edit):
    """A protocol in TOML after `edit(its plain data)`, as a user writes it."""
    fields = tomllib.loads(protocol.to_toml())
    edit(fields)
    path.write_text(tomli_w.dumps(fields))
    return path


def falling(fields):
    fields["detector"]["readout"]["thresholds_kev"] = [52.0, 33.0]


def narrow(fields):
    fields["spectrum"]["bowtie"] |= {"fan_angles_deg": [0.0, 10.0], "thickness_mm": [1.0, 5.0]}


def misspelt(fields):
    fields["spectrum"]["bowtie"]["fan_angles"] = fields["spectrum"]["bowtie"].pop("fan_angles_deg")


def gapping(fields):
    fields["rotation"]["pitch"] = 1.9


@pytest.mark.parametrize(("name", "changes", "edit", "words"), [
    ("photon_counting_ct", {}, falling, ("52 keV stands before 33", "Did you mean (33, 52)?")),
    ("chest_ct", {}, narrow, ("given for -10 to 10 degrees", "from -24.79 to 24.79 degrees", "to 24.9 degrees")),
    ("chest_ct", {}, misspelt, ("fan_angles: no such key", "Did you mean 'fan_angles_deg'")),
    ("chest_ct", {}, gapping, ("pitch=1.9: the helix leaves gaps within the field of 400 mm", "Give at most 1.524")),
    ("chest_ct", SMALL, lambda fields: fields["rotation"].update(arc_deg=150.0),
     ("spans 150 degrees", "half a turn and the fan: 229.4 degrees", "arc_deg=229.4")),
    ("c_arm_ct", DENTAL, lambda fields: fields["rotation"].update(arc_deg=190.0),
     ("spans 190 degrees", "arc_deg=199")),
    ("dental_ct", DENTAL, lambda fields: fields["rotation"].update(arc_deg=250.0),
     ("spans 250 degrees", "a whole turn, as the detector is shifted aside", "arc_deg=360")),
])
def test_a_scan_that_cannot_be_is_refused_before_any_work(physsim, monkeypatch, tmp_path, name, changes, edit, words):
    """From the command line, of a patient that would take minutes to make."""
    monkeypatch.setattr("physsim.body.patient.Patient.body", None)
    path = edited(tmp_path / "mine.toml", ps.protocols[name].changed(**changes), edit)
    status, _, err = physsim("simulate", "--patient", "sex=F age=54", "--protocol", path, "--out", tmp_path / "ct")
    assert status == 2
    assert not (tmp_path / "ct").exists()
    for word in words:
        assert word in err


@pytest.mark.parametrize(("arc_deg", "enough"), [(199.0, True), (195.0, False)])
def test_python_refuses_too_short_an_arc_before_any_work(monkeypatch, arc_deg, enough):
    """Unless the user's own reconstruction takes what there is; the arc that the message names does."""
    class Made(Exception):
        """Voxels were asked for."""

    def never(*_):
        raise Made

    monkeypatch.setattr("physsim.imaging.simulate.voxels_of", never)
    patient = ps.anatomy(sex="F", age=54, seed=7)
    short = ps.protocols.c_arm_ct(**DENTAL | {"views": 360}, arc_deg=arc_deg)
    with pytest.raises(Made if enough else InvalidInput, match=None if enough else r"198\.9 degrees.*arc_deg=199\."):
        ps.simulate(patient, short)
    with pytest.raises(Made):
        ps.simulate(patient, short, stages=ps.Stages(reconstruction=lambda lengths, parts, grid: None))


@pytest.mark.filterwarnings("default::physsim.imaging.grid_focus.GridFocusWarning")
@pytest.mark.filterwarnings("default::physsim.imaging.bowtie_fan.BowtieWarning")
def test_what_is_odd_is_simulated_and_said(physsim, tmp_path):
    """A grid focused elsewhere, a bowtie for a far wider fan: one line each, and no line of code."""
    def elsewhere(fields):
        fields["anti_scatter_grid"]["focal_distance_mm"] = 1000.0

    def wide(fields):
        fields["spectrum"]["bowtie"] = {"material": "Al", "fan_angles_deg": [0.0, 10.0, 26.0],
                                        "thickness_mm": [1.0, 5.0, 30.0]}

    for number, (edit, words) in enumerate((
            (elsewhere, ("GridFocusWarning", "focal_distance_mm=1000", "stands 1788.8 mm", "which is simulated")),
            (wide, ("BowtieWarning", "up to 26 degrees", "ends at 6.8", "3.74 of its 30 mm")))):
        path = edited(tmp_path / f"{number}.toml", ps.protocols.chest_pa(pixel_mm=16.0), edit)
        status, _, err = physsim("simulate", *WATER, "--protocol", path, "--out", tmp_path / f"{number}.h5")
        assert status == 0
        assert err.startswith(f"physsim: {words[0]}: ")
        assert ".py" not in err
        for word in words:
            assert word in err


def test_scans_too_warn_of_a_bowtie_for_a_far_wider_fan():
    water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=20)
    with pytest.warns(BowtieWarning, match=r"fan ends at 7\.\d+"):
        ps.simulate(water, ps.protocols.chest_ct(**SMALL | {"columns": 16, "field_mm": 120.0}), noise=False)


def test_saturated_pixels_are_counted_and_reported(physsim, tmp_path):
    """In the figures, in the sentence on what the image holds, and in the DICOM file's comments; silent otherwise."""
    import pydicom

    words = (*WATER, "--protocol", "chest_pa", "--pixel-mm", 16, "--seed", 3)
    said = "pixels are saturated: more than they can tell reached them."
    for number, (mas, full) in enumerate(((2000, True), (1, False))):
        path = tmp_path / f"{number}.dcm"
        status, out, _ = physsim("simulate", *words, "--mas", mas, "--out", path)
        assert status == 0
        assert (said in out) == (said in str(pydicom.dcmread(path).ImageComments)) == full
    water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=20)
    shot = ps.simulate(water, ps.protocols.chest_pa(pixel_mm=16.0, mas=2000.0), seed=3)
    assert shot.figures()["saturated_pixels"] == shot.saturated > 0.5 * shot.primary.size
    scan = ps.simulate(water, ps.protocols.chest_ct(**SMALL | {"mas": 5000.0}), seed=3)
    assert scan.figures()["saturated_pixels"] == scan.saturated > 0
