"""Organ doses of radiographs: a thin plate's is fluence times absorption; the side that the tube sees takes more."""

import math

import numpy as np
import pytest
from exposure_cases import one_energy, slab

import physsim as ps
from physsim.physics.energy_absorption import mass_energy_absorption_cm2_g

KEV = 10.0


def plate(width_mm=200.0):
    """20 mm of water of a hundredth of its density: 0.02 g/cm2."""
    grid = ps.Grid(shape=(10, 1, 10), spacing_mm=(width_mm / 10.0, 20.0, width_mm / 10.0))
    thin = ps.material("water").replace(name="plate", density_g_cm3=0.01)
    return ps.Phantom(grid=grid, labels=np.zeros(grid.shape, np.uint8), materials=(thin,), name="plate")


def test_a_thin_plate_takes_the_fluence_times_its_absorption():
    """Within the field, 200 x 200 mm: mean fluence by the inverse square on the plate's middle plane, halfway in. 2^20
    photons know it within 0.8 % (found +1.4 %); what scatters once and stays adds less than 1 %."""
    protocol = one_energy(KEV)
    shot = ps.simulate(plate(), protocol, noise=False)
    source = shot.geometry.source_mm[0]
    x = (np.arange(40) - 19.5) * 5.0
    square = source[1] ** 2 + x[:, None] ** 2 + x[None, :] ** 2
    mu = ps.linear_attenuation_per_mm("water", KEV) * 0.01
    fluence = 2.0 * 1e6 * float((1e6 / square).mean()) * math.exp(-mu * 10.0)  # per cm2
    wanted = fluence * KEV * float(mass_energy_absorption_cm2_g("water", KEV)) * 1.602176634e-16 * 1e3 * 1e3
    dose, error = shot.organ_doses(plate()).of("plate")
    assert error < 0.01 * dose
    assert dose == pytest.approx(wanted, rel=0.03)


def placed(view):
    return ps.Positioning(view=view, source_detector_mm=1500.0)


def test_the_side_that_the_tube_sees_takes_more_and_doses_are_linear_in_mas():
    """200 mm of water in two halves, back and front: PA and AP are mirror images, and both views add."""
    body = slab(200.0)
    labels = np.zeros(body.grid.shape, np.uint8)
    labels[:, 5:] = 1
    water = ps.material("water")
    halves = ps.Phantom(grid=body.grid, labels=labels, name="halves",
                        materials=(water.replace(name="front"), water.replace(name="back")))
    doses, poses = {}, ()
    for view in ("PA", "AP"):
        shots = [ps.simulate(halves, one_energy(positioning=placed(view)).replace(mas=mas), noise=False)
                 for mas in (2.0, 6.0)]
        once, thrice = (shot.organ_doses(halves, histories=2**16) for shot in shots)
        assert thrice.mgy == pytest.approx(3.0 * once.mgy, rel=1e-5)
        doses[view] = once
        poses += shots[0].provenance.poses
    assert doses["PA"].of("back")[0] > 2.0 * doses["PA"].of("front")[0]
    for near, far in (("back", "front"), ("front", "back")):
        assert doses["PA"].of(near)[0] == pytest.approx(doses["AP"].of(far)[0], rel=0.03)
    both = ps.simulate(halves, one_energy(positioning=None, poses=poses), noise=False)
    found = both.organ_doses(halves, histories=2**17)
    for name in ("front", "back"):
        assert found.of(name)[0] == pytest.approx(doses["PA"].of(name)[0] + doses["AP"].of(name)[0], rel=0.02)
    with pytest.raises(ps.errors.InvalidInput, match="that was imaged"):
        both.organ_doses(body)
