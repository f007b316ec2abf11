"""Organ doses of a scan: a thin rod's is the air-kerma integral times mu_en; linear in mAs; where the current is."""

import numpy as np
import pytest

import physsim as ps
from physsim.imaging.dose.ct_organs import organ_doses
from physsim.physics.energy_absorption import mass_energy_absorption_cm2_g

AXIS = (0.0, 0.0)


def rods(water=False):
    """Two rods of thin water along z, 10 mm wide, on the axis and at x = 60 mm."""
    labels = np.zeros((20, 70, 70), np.uint8)
    y, x = np.mgrid[:70, :70] * 2.0 - 69.0
    labels[:, np.hypot(x, y) < 5.0] = 1
    labels[:, np.hypot(x - 60.0, y) < 5.0] = 2
    thin = ps.material("water").replace(density_g_cm3=1.0 if water else 0.05)
    grid = ps.Grid(shape=labels.shape, spacing_mm=(2.0, 2.0, 10.0), origin_mm=(-69.0, -69.0, -95.0))
    vacuum = ps.material("air").replace(density_g_cm3=1e-9)
    return ps.Phantom(grid=grid, labels=labels, materials=(vacuum, thin.replace(name="middle"),
                                                           thin.replace(name="side")))


def protocol(**changes):
    return ps.protocols.chest_ct(**{"energy_kev": 60.0, "output_factor": 1e6, "bowtie": None, "filters": (),
                                    "pitch": None, "modulation": None, "rows": 16, "views": 40} | changes)


def test_a_thin_rod_takes_the_fluence_times_its_absorption():
    """One turn of 5 mAs: kerma over the beam's height, spread over the rod (1 % is lost in it); noise 1.5 %."""
    taken = protocol(stops=1, columns=90, energy_kev=20.0)
    geometry = taken.geometry(((-70.0, -70.0, -100.0), (70.0, 70.0, 100.0)))
    mas = np.full(40, 0.125)
    found = organ_doses(rods(), taken, geometry, mas, AXIS, histories=2**20)
    fluence = 1e6 * 5.0 * (1000.0 / 570.0) ** 2  # per cm2
    high = taken.rotation.collimation_mm(taken.detector)
    absorbed = fluence * 20.0 * float(mass_energy_absorption_cm2_g("water", 20.0)) * high / 200.0
    wanted = absorbed * 1.602176634e-16 * 1e3 * 1e3
    dose, error = found.of("middle")
    assert error < 0.02 * dose
    assert dose == pytest.approx(wanted, rel=0.05)
    twice = organ_doses(rods(), taken, geometry, 2.0 * mas, AXIS, histories=2**12)
    once = organ_doses(rods(), taken, geometry, mas, AXIS, histories=2**12)
    assert twice.mgy == pytest.approx(2.0 * once.mgy, rel=1e-12)
    with pytest.raises(ps.errors.InvalidInput, match="Did you mean 'middle'"):
        found.of("midle")


def test_the_rod_that_the_current_favours_takes_more():
    """A helix with current only where the tube is at +x: the rod of water at +x shields the one on the axis."""
    taken = protocol(pitch=0.9, range_mm=(-20.0, 20.0))
    geometry = taken.geometry(((-70.0, -70.0, -100.0), (70.0, 70.0, 100.0)))
    right, left = ((sign * geometry.source_mm[:, 0] > 400.0).astype(float) for sign in (1.0, -1.0))
    near, far = (organ_doses(rods(water=True), taken, geometry, one + 1e-9, AXIS, histories=2**17)
                 for one in (right, left))
    assert near.of("side")[0] / right.sum() > 1.1 * far.of("side")[0] / left.sum()
    assert set(near.names) == {"air_dry", "middle", "side"}
    assert near.table()[1]["mass_g"] == pytest.approx(16 * 0.04 * 20.0, rel=1e-6)
