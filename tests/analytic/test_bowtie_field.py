"""Exposures through a bowtie: each pixel against the spectrum in its own direction, and Beer-Lambert at one energy."""

import math

import numpy as np
import pytest
from exposure_cases import one_energy, pixel_mm_and_rays, slab

import physsim as ps
from physsim import portable
from physsim.imaging.bowtie_fan import BowtieWarning

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
    """By the protocol, with both ranges: nothing is known of the beam beyond the shape."""
    bare = one_energy(pixels=(17, 25))
    edge = math.degrees(math.atan(0.5 * bare.detector.size_mm[0] / bare.positioning.source_detector_mm))
    with pytest.raises(ps.errors.InvalidInput, match="given for -2 to 2 degrees") as caught:
        bare.changed(bowtie=BOWTIE.replace(fan_angles_deg=(0, 0.5, 1, 2)))
    assert f"from {-edge:.4g} to {edge:.4g} degrees" in str(caught.value)
    for reach, fits in ((edge + 1e-4, True), (edge - 1e-4, False)):
        shape = BOWTIE.replace(fan_angles_deg=(0, 1, 2, reach))
        if fits:
            assert ps.simulate(slab(60.0), bare.changed(bowtie=shape), scatter=ps.MonteCarlo(histories=512))
        else:
            with pytest.raises(ps.errors.InvalidInput, match="Extend the bowtie's shape"):
                bare.changed(bowtie=shape)


@pytest.mark.parametrize("cathode", ["v+", "u+"])
def test_the_fan_of_a_scan_is_that_of_its_arc(cathode):
    """A curved detector's fan is its arc over the radius; across the rows it is widest at the corners. Shifted aside,
    it is told from the ray to the detector's middle, as the bowtie's shape is."""
    scan = ps.protocols.chest_ct(views=90, columns=56, rows=8, pixel_mm=16.0, offset_mm=(4.0, 0.0))
    half, high = 0.5 * 56 * 16.0 / 1040.0, 0.5 * 8 * 16.0 / 1040.0
    edge = math.degrees(half if cathode == "v+" else math.atan(high / math.cos(half)))  # at the corners
    for reach, fits in ((edge + 1e-3, True), (edge - 1e-3, False)):
        shape = ps.Bowtie(material="Al", fan_angles_deg=(0, 0.5 * reach, reach), thickness_mm=(1.0, 3.0, 9.0))
        if fits:
            assert scan.changed(bowtie=shape, cathode=cathode).spectrum.bowtie == shape
        else:
            with pytest.raises(ps.errors.InvalidInput, match=f"to {edge:.4g} degrees"):
                scan.changed(bowtie=shape, cathode=cathode)


def test_a_bowtie_for_a_far_wider_fan_is_simulated_and_said():
    """As far as the fan goes: the same image as with the shape cut there."""
    bare = one_energy(pixels=(17, 25))
    wide = BOWTIE.replace(fan_angles_deg=(0, 4, 8, 10, 30), thickness_mm=(1.0, 3.0, 12.0, 14.0, 25.0))
    words = r"up to 30 degrees: the detector's fan ends at 9\.462, where 13\.5 of its 25 mm are met"
    with pytest.warns(BowtieWarning, match=words):
        found = ps.simulate(slab(60.0), bare.changed(bowtie=wide), noise=False)
    cut = wide.replace(fan_angles_deg=(0, 4, 8, 10), thickness_mm=(1.0, 3.0, 12.0, 14.0))
    whole = ps.simulate(slab(60.0), bare.changed(bowtie=cut), noise=False)
    np.testing.assert_array_equal(found.primary, whole.primary)


def test_arctangent():
    x = np.concatenate([np.linspace(-3, 3, 20001), [1e-300, 0.0, 1e6, -1e12]])
    found = portable.arctan(x)
    np.testing.assert_allclose(found, [math.atan(value) for value in x], rtol=1e-15, atol=0)
