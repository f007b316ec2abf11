"""Detectors as specs: TOML and JSON round trip, and what is refused, with the value and how to mend it."""

import json

import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.detector.blur import blur_kernel
from physsim.imaging.detector.moments import signal_moments
from physsim.imaging.detector.readout import read_out
from physsim.imaging.detector.theory import DetectorTheory
from physsim.spec.absorber import Photoconductor, Scintillator, Spread
from physsim.spec.radiation_quality import radiation_quality
from physsim.spec.readout import CountingReadout, IntegratingReadout, Lag


def detector(**fields):
    return ps.Detector(**{"rows": 30, "columns": 40, "pixel_mm": 0.2, **fields})


def counting(**fields):
    return CountingReadout(**{"thresholds_kev": (20, 50), **fields})


@pytest.mark.parametrize("one", [
    detector(absorber=Scintillator(depth_layers=3, spread=Spread(near_mm=0.1, far_mm=0.5), light_swank=0.9),
             readout=IntegratingReadout(lag=(Lag(fraction=0.01, frames=3),), crosstalk=0.01, bits=14)),
    detector(absorber=Photoconductor(material="cdte", thickness_mm=2.0, hole_range_mm=3.0),
             readout=counting(dead_time_ns=20, pile_up="nonparalysable", bias_v=800)),
    detector(absorber=ps.IdealAbsorber()),
])
def test_round_trip(one):
    assert ps.Detector.from_toml(one.to_toml()) == one
    assert ps.Detector.from_json(one.to_json()) == one


@pytest.mark.parametrize(("make", "text"), [
    (lambda: counting(thresholds_kev=(50, 20)), "50 keV stands before 20: thresholds rise. Did you mean (20, 50)?"),
    (lambda: counting(thresholds_kev=(20, 20)), "20 keV stands before 20"),
    (lambda: counting(thresholds_kev=()), "a counter needs a threshold"),
    (lambda: counting(thresholds_kev=(0, 20)), "a threshold of 0 keV"),
    (lambda: counting(pile_up="paralyzable"), "pile_up"),
    (lambda: detector(readout=counting()), "readout of kind counting on a scintillator"),
    (lambda: detector(absorber=ps.IdealAbsorber(), readout=counting(bias_v=100)), "bias_v=100"),
    (lambda: Scintillator(depth_layers=4), "depth_layers=4: it has no effect"),
    (lambda: Photoconductor(spread=Spread(near_mm=0.1, far_mm=0.2)), "spread.far_mm=0.2"),
    (lambda: Scintillator(fill_factor=1.2), "fill_factor=1.2"),
    (lambda: Scintillator(gain_slop=0.2), "Did you mean 'gain_slope'?"),
    (lambda: IntegratingReadout(offset_dn=300, bits=8), "offset_dn=300: 8 bits end at 255"),
    (lambda: IntegratingReadout(lag=[{"fraction": 0.6, "frames": 1}, {"fraction": 0.5, "frames": 2}]),
     "lag of 1.1 of the signal"),
    (lambda: IntegratingReadout(bits=30), "bits=30"),
    (lambda: blur_kernel(detector(), 1), "layer=1: this detector has 1 depth layers"),
    (lambda: blur_kernel(detector(pixel_mm=0.01, absorber=Scintillator(spread=Spread(near_mm=2.0)))),
     "spread over more than 24 pixels of 0.01 mm"),
    (lambda: signal_moments(detector(), [0.5]), "0.5"),
    (lambda: radiation_quality("RQA1"), "radiation quality 'RQA1'"),
    (lambda: read_out([[[0.0]]], detector(absorber=Photoconductor(), readout=counting()), seed=1),
     "it gives counts, not numbers of charge"),
    (lambda: DetectorTheory.of(detector(absorber=Photoconductor(), readout=counting()), radiation_quality("RQA5")),
     "this is the theory of integrating detectors"),
])
def test_refused(make, text):
    with pytest.raises(InvalidInput) as found:
        make()
    assert text in str(found.value)


def test_layers_are_changed_by_name():
    protocol = ps.protocols.chest_pa(thickness_mm=0.4, electrons_per_kev=12.0)
    assert protocol.detector.absorber.thickness_mm == 0.4
    assert protocol.detector.absorber.electrons_per_kev == 12.0


def test_detectors_command(physsim):
    """The list names every shipped one; figures are those of the theory; an unknown name and beam are bad input."""
    status, out, _ = physsim("detectors", "--json")
    assert status == 0
    assert [row["detector"] for row in json.loads(out)] == list(ps.detectors)
    status, out, _ = physsim("detectors", "csi_radiography", "--json")
    assert status == 0
    figures = json.loads(out)
    theory = DetectorTheory.of(ps.detectors["csi_radiography"], radiation_quality("RQA5"))
    assert figures["quanta_per_mm2"] == pytest.approx(2.5 * theory.quanta_per_mm2_ugy)
    assert figures["dqe"] == pytest.approx(theory.dqe(figures["quanta_per_mm2"], figures["frequency_mm"]).tolist())
    status, out, _ = physsim("detectors", "csi_radiography")
    assert status == 0
    assert f"{figures['dqe'][-1]:.3f}" in out
    assert physsim("detectors", "gos_ct", "--toml")[1] == ps.detectors["gos_ct"].to_toml()
    assert "DQE(0)" in physsim("detectors", "cdte_ct", "--beam", "RQA5")[1]
    for call in (("detectors", "gos"), ("detectors", "gos_ct", "--beam", "RQA")):
        status, _, error = physsim(*call)
        assert status == 2
        assert "Did you mean" in error or "Known" in error


def test_a_readout_wants_its_kind_and_rising_thresholds():
    """What a TOML file gives as a table without `kind`, and thresholds out of order."""
    with pytest.raises(InvalidInput, match=r"readout\.kind: is missing"):
        ps.detectors["cdte_ct"].replace(readout={"thresholds_kev": [30.0, 60.0]})
    with pytest.raises(InvalidInput, match="thresholds_kev"):
        ps.detectors["cdte_ct"].replace(readout={"kind": "counting", "thresholds_kev": [60.0, 30.0]})
