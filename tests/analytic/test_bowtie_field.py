"""Exposures through a bowtie: each pixel against the spectrum in its own direction, and Beer-Lambert at one energy."""

import math

import numpy as np
import pytest
from exposure_cases import one_energy, pixel_mm_and_rays, slab

import physsim as ps
from physsim import portable

BOWTIE = ps.Bowtie(material="Al", fan_angles_deg=(0, 4, 8, 12), thickness_mm=(1.0, 3.0, 12.0, 25.0))
WEDGE = ps.Bowtie(material="pmma", fan_angles_deg=(-12, 12), thickness_mm=(5.0, 45.0), symmetric=False)


def angles_deg(geometry, fan, view=0):
    """Of each pixel's ray from the central one, in the fan's plane and across it, by plain trigonometry."""
    places, _, _ = pixel_mm_and_rays(geometry, view)
    rays = places - geometry.source_mm[view]
    central = geometry.centre_mm[view] - geometry.source_mm[view]
    central = central / np.linalg.norm(central)
    other = np.cross(central, fan)
    ahead = rays @ central
    return np.degrees(np.arctan2(rays @ fan, ahead)), np.degrees(np.arctan2(rays @ other, ahead))


@pytest.mark.parametrize(("cathode", "shape"), [("v+", BOWTIE), ("u-", BOWTIE), ("v-", WEDGE), ("u+", WEDGE)])
def test_one_energy_falls_by_beer_and_lambert(cathode, shape):
    bare = one_energy(60.0, pixels=(17, 25))
    protocol = bare.changed(bowtie=shape, cathode=cathode)
    shot, open_ = ps.simulate(slab(60.0), protocol), ps.simulate(slab(60.0), bare)
    geometry = shot.geometry
    fan, cone = angles_deg(geometry, geometry.u[0] if cathode[0] == "v" else geometry.v[0])
    knots = np.array(shape.fan_angles_deg)
    thickness = np.interp(np.abs(fan) if shape.symmetric else fan, knots, shape.thickness_mm)
    leaning = np.sqrt(1 + (np.tan(np.radians(cone)) * np.cos(np.radians(fan))) ** 2)
    mu = float(ps.linear_attenuation_per_mm(ps.material(shape.material), 60.0))
    for name in ("primary", "photons", "air_kerma", "open_field"):
        np.testing.assert_allclose(shot[name][0] / open_[name][0], np.exp(-mu * thickness * leaning), rtol=2e-6)
    np.testing.assert_allclose(shot.transmission, open_.transmission, rtol=2e-6)  # one energy does not harden


def test_a_tube_through_a_bowtie_has_each_pixels_own_spectrum():
    """Heel, flat filter, bowtie, scintillator and 20 cm of water together."""
    bowtie = BOWTIE.replace(thickness_mm=(1.0, 3.0, 12.0, 30.0))
    protocol = ps.protocols.chest_pa(kvp=120, mas=2.0, pixel_mm=20.0, rows=15, columns=33, bowtie=bowtie)
    shot = ps.simulate(slab(200.0, width_mm=900.0), protocol)
    geometry, spectrum = shot.geometry, protocol.spectrum
    fan, cone = angles_deg(geometry, geometry.u[0])
    places, length, _ = pixel_mm_and_rays(geometry)
    sign = np.sign((geometry.v[0] @ (places[-1, 0] - places[0, 0])) * (cone[-1, 0] - cone[0, 0]))
    for r, c in [(7, 16), (0, 0), (14, 32), (3, 28), (12, 5)]:
        beam = spectrum.at(float(sign * cone[r, c]), float(fan[r, c])).at_distance(float(length[r, c]))
        kerma = protocol.mas * beam.kerma_ugy_per_mas
        assert shot["open_air_kerma"][0, r, c] == pytest.approx(kerma, rel=2e-5)
        slant = length[r, c] / abs((places[r, c] - geometry.source_mm[0])[1])
        behind = protocol.mas * beam.filtered("water", 200.0 * slant).kerma_ugy_per_mas
        assert shot["air_kerma"][0, r, c] == pytest.approx(behind, rel=2e-5)
    row = shot["open_air_kerma"][0, 7]
    assert row[16] > 5 * row[0]


def test_a_fan_wider_than_the_bowtie_is_refused():
    with pytest.raises(ps.errors.InvalidInput, match="the bowtie is given for -2 to 2 degrees"):
        ps.simulate(slab(60.0), one_energy().changed(bowtie=BOWTIE.replace(fan_angles_deg=(0, 0.5, 1, 2))))


def test_arctangent():
    x = np.concatenate([np.linspace(-3, 3, 20001), [1e-300, 0.0, 1e6, -1e12]])
    found = portable.arctan(x)
    np.testing.assert_allclose(found, [math.atan(value) for value in x], rtol=1e-15, atol=0)
