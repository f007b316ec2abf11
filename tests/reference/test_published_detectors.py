"""Shipped detectors against what was measured on real ones, within 10 %: MTF, DQE and noise of named papers' abstracts.

The parameters were chosen on these figures; what the tests hold is that detectors, beams and theory stay together.
"""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.detector.theory import DetectorTheory, quanta_per_mm2_ugy
from physsim.spec.radiation_quality import QUALITIES, radiation_quality

UGY_PER_MR = 8.76  # air kerma of 1 mR: 2.58e-7 C/kg x 33.97 J/C


@pytest.mark.parametrize(("name", "hvl_mm_al", "quanta"), [
    # IEC 61267:2005 table 4 (half-value layers), IEC 62220-1:2003 table 2 (quanta per mm2 and uGy)
    ("RQA3", 3.8, 21759.0), ("RQA5", 6.8, 30174.0), ("RQA7", 9.2, 32362.0), ("RQA9", 11.6, 31077.0)])
def test_standard_beams(name, hvl_mm_al, quanta):
    """Half-value layers within 3 %, quanta per air kerma within 6.5 % (RQA3; the others within 2.5 %): the tube here
    has 2.5 mm Al of its own, where the standard turns the kV until the half-value layer is its own."""
    beam = radiation_quality(name).sample()
    assert beam.hvl1_mm() == pytest.approx(hvl_mm_al, rel=0.03)
    assert quanta_per_mm2_ugy(beam) == pytest.approx(quanta, rel=0.065 if name == "RQA3" else 0.025)


def test_standard_beams_harden_with_their_number():
    for kind in ("RQA", "RQA-M"):
        names = [name for name in QUALITIES if name.rstrip("0123456789") == kind]
        layers = [radiation_quality(name).sample().hvl1_mm() for name in names]
        assert (np.diff(layers) > 0.0).all()
        assert len(layers) > 3


def test_senographe_2000d():
    """S. Vedantham et al., Med. Phys. 27 (2000) 558, abstract: MTF at 2, 4, 5 /mm; DQE near zero frequency behind 4.5
    cm of Lucite at 28 kVp Mo/Mo, 32.8 and 1.3 mR."""
    beam = ps.Spectrum(kvp=28, target="Mo", filters=[("Be", 1.0), ("Mo", 0.03), ("pmma", 45.0)])
    theory = DetectorTheory.of(ps.detectors["ge_senographe_2000d"], beam)
    assert theory.mtf([2.0, 4.0, 5.0]) == pytest.approx(np.array([0.73, 0.42, 0.28]), rel=0.1)
    for exposure_mr, dqe in ((32.8, 0.55), (1.3, 0.40)):
        quanta = exposure_mr * UGY_PER_MR * theory.quanta_per_mm2_ugy
        assert float(theory.dqe(quanta, 0.1)) == pytest.approx(dqe, rel=0.1)


def test_selenia_dimensions():
    """T. Olgar et al., RoeFo 185 (2013) 1188, abstract: MTF 32 % at Nyquist (7.14 /mm), highest DQE 54 %; beam assumed
    28 kVp W/Rh + 2 mm Al."""
    beam = ps.Spectrum(kvp=28, filters=[("Be", 0.6), ("Rh", 0.05), ("Al", 2.0)])
    theory = DetectorTheory.of(ps.detectors["hologic_selenia_dimensions"], beam)
    assert float(theory.mtf(0.5 / 0.07)) == pytest.approx(0.32, rel=0.1)
    kermas = np.array([10.0, 50.0, 100.0, 300.0]) * theory.quanta_per_mm2_ugy
    best = max(float(theory.dqe(quanta, np.linspace(0.25, 7.0, 28)).max()) for quanta in kermas)
    assert best == pytest.approx(0.54, rel=0.1)


def test_lorad_selenia():
    """M. Lazzari et al., Med. Phys. 34 (2007) 2730, abstract: MTF 0.92, 0.85, 0.69 at 2, 3, 5 /mm."""
    beam = ps.Spectrum(kvp=28, target="Mo", filters=[("Be", 1.0), ("Mo", 0.03), ("pmma", 40.0)])
    theory = DetectorTheory.of(ps.detectors["lorad_selenia"], beam)
    assert theory.mtf([2.0, 3.0, 5.0]) == pytest.approx(np.array([0.92, 0.85, 0.69]), rel=0.1)


def test_csi_radiography():
    """N. W. Marshall et al., Phys. Med. Biol. 56 (2011), doi 10.1088/0031-9155/56/4/007, abstract: six CsI panels, 70
    kV + 1 mm Cu, 2.57 uGy: MTF 50 % at 1.29 /mm, DQE(0.5 /mm) 0.60, NNPS 1.42e-5 mm2; M. Spahn et al., Invest. Radiol.
    35 (2000) 260, abstract (Siemens, 143 um): DQE(0) 70 %."""
    beam = ps.Spectrum(kvp=70, filters=[("Al", 2.5), ("Cu", 1.0)])
    theory = DetectorTheory.of(ps.detectors["csi_radiography"], beam)
    quanta = 2.57 * theory.quanta_per_mm2_ugy
    frequency = np.linspace(0.5, 3.0, 251)
    half = float(np.interp(-0.5, -theory.mtf(frequency), frequency))
    assert half == pytest.approx(1.29, rel=0.1)
    assert float(theory.dqe(quanta, 0.5)) == pytest.approx(0.60, rel=0.1)
    assert float(theory.noise_power(quanta, 0.5)) / theory.signal_kev(quanta) ** 2 == pytest.approx(1.42e-5, rel=0.1)
    at_rqa5 = DetectorTheory.of(ps.detectors["csi_radiography"], radiation_quality("RQA5"))
    assert float(at_rqa5.dqe(2.5 * at_rqa5.quanta_per_mm2_ugy, 0.0)) == pytest.approx(0.70, rel=0.1)


def test_every_shipped_detector_loads():
    assert {"csi_radiography", "ge_senographe_2000d", "hologic_selenia_dimensions", "gos_ct", "cdte_ct",
            "silicon_ct"} <= set(ps.detectors)
    for name in ps.detectors:
        assert ps.Detector.from_toml(ps.detectors[name].to_toml()) == ps.detectors[name]
    with pytest.raises(InvalidInput, match="Did you mean 'csi_radiography'"):
        ps.detectors["csi_radiograph"]
