"""Scatter over primary (energy on an ideal absorber) without a grid against published fits and measurements."""

import math

import numpy as np
import pytest

import physsim as ps
from physsim.body.breast.materials import FAT, GLAND
from physsim.physics.attenuation import mass_attenuation_cm2_g

SOURCE_MM = 650.0  # focus to detector
MIXED = ps.Material.from_masses([(GLAND, 0.5), (FAT, 0.5)], name="half gland")
AIR = ps.material("air")
MO = ps.Spectrum(kvp=26.0, target="Mo", filters=[("Be", 0.8), ("Mo", 0.03)])
RHODIUM = [("Be", 0.6), ("Rh", 0.05), ("pmma", 2.0)]


def boone(thickness_cm, diameter_cm):
    """Half gland, semicircular breast and field, Mo/Mo, 15 mm of air: Boone and Cooper, Med. Phys. 27 (2000) 1818."""
    return 1.0 / (-2.354528 + 22.396098 * diameter_cm**-1.5 + 8.850643 * thickness_cm**-0.5)


def scatter_over_primary(phantom, spectrum, gap_mm, reach_mm, at_mm, seed):
    """At `at_mm` from the chest wall; field from it to `reach_mm`, twice as long; material 1 is solid."""
    rows, columns = 18, 9
    view = ps.Geometry(source_mm=[(0, 0, SOURCE_MM - gap_mm)], centre_mm=[(reach_mm / 2, 0, -gap_mm)], u=[(1, 0, 0)],
                       v=[(0, -1, 0)], rows=rows, columns=columns, pixel_mm=(reach_mm / columns, 2 * reach_mm / rows))
    image = ps.scatter_image(phantom, view, spectrum, ps.MonteCarlo(histories=2**18), seed=seed).image()
    solid, thickness = phantom.materials[1], phantom.grid.shape[0] * phantom.grid.spacing_mm[2]
    beam = spectrum.sample()
    share = beam.fluence / beam.fluence.sum()
    mu = mass_attenuation_cm2_g(solid, beam.energies_kev) * solid.density_g_cm3 / 10.0
    angle = 2.0 * math.atan(reach_mm**2 / (SOURCE_MM * math.sqrt(2.0 * reach_mm**2 + SOURCE_MM**2)))  # of the field
    places = (np.arange(columns) + 0.5) * reach_mm / columns
    far = np.sqrt(places**2 + (0.5 * reach_mm / columns) ** 2 + SOURCE_MM**2)
    through = np.exp(-np.outer(far / SOURCE_MM, mu) * thickness) @ (share * beam.energies_kev)
    primary = through * (SOURCE_MM / far) / (angle * (far / 10.0) ** 2)
    return float(np.interp(at_mm, places, image[rows // 2 - 1 : rows // 2 + 1].mean(axis=0) / primary))


def half_cylinder(thickness_mm, radius_mm):
    """Its shadow on the detector has `radius_mm` at half its height; voxels of a fortieth of it."""
    h = radius_mm / 40.0
    radius = radius_mm * (1.0 - (15.0 + 0.5 * thickness_mm) / SOURCE_MM)
    x, y = (np.arange(40) + 0.5) * h, (np.arange(80) - 39.5) * h
    labels = (x[None, :] ** 2 + y[:, None] ** 2 < radius * radius).astype(np.uint8)[None]
    grid = ps.Grid(shape=labels.shape, spacing_mm=(h, h, thickness_mm), origin_mm=(x[0], y[0], 0.5 * thickness_mm))
    return ps.Phantom(grid=grid, labels=labels, materials=(AIR, MIXED))


def ratio_to_boone(thickness_cm, diameter_cm):
    radius = 5.0 * diameter_cm
    found = scatter_over_primary(half_cylinder(10.0 * thickness_cm, radius), MO, 15.0, 1.1 * radius,
                                 4.0 * radius / (3.0 * math.pi), seed=3)
    return found / boone(thickness_cm, diameter_cm)


@pytest.mark.parametrize(("thickness_cm", "diameter_cm"), [(2, 20), (3, 15), (5, 15)])
def test_usual_breasts_scatter_as_boone_found(thickness_cm, diameter_cm):
    """At the centre of mass: 0.993 +- 0.004, 1.022 +- 0.002 and 1.010 +- 0.011 of his fit; the last fails 1 in 150."""
    assert ratio_to_boone(thickness_cm, diameter_cm) == pytest.approx(1.0, abs=0.04)


def test_a_breast_of_8_cm_scatters_less_than_boones_fit():
    """0.868 +- 0.014: his fit rises 4 times from 2 to 8 cm; fails 1 in 10,000. See docs/mammography.md."""
    assert 0.81 < ratio_to_boone(8, 20) < 0.92


@pytest.mark.parametrize(("thickness_mm", "kvp", "measured"), [(20.0, 26.0, 0.268), (80.0, 32.0, 1.124)])
def test_pmma_scatters_as_beam_stops_measured(thickness_mm, kvp, measured):
    """Two digital units without grid: E. Salvagnini et al., Med. Phys. 39 (2012) 3167; repeatable within 1 to 5 %.

    Beam, gap (17 mm) and place (60 mm from the chest wall) are ours: the summary does not state them. Found 1.09 +-
    0.01 and 1.06 +- 0.02 of it: fails 1 in 1000.
    """
    found = scatter_over_primary(pmma(thickness_mm), ps.Spectrum(kvp=kvp, target="W", filters=RHODIUM), 17.0, 150.0,
                                 60.0, seed=3)
    assert found == pytest.approx(measured, rel=0.12)


def test_the_shipped_grid_leaves_what_beam_stops_measured():
    """Linear grids leave 0.052 to 0.187 of the primary behind PMMA of 20 to 80 mm (Salvagnini); 40 mm between them."""
    protocol = ps.protocols.mammogram(body_part="PHANTOM", pixel_mm=4.48, mas=10.0)
    shot = ps.simulate(pmma(40.0), protocol, scatter=ps.MonteCarlo(histories=2**15), noise=False, seed=3)
    assert 0.052 < shot.figures()["scatter_to_primary"] < 0.187


def pmma(thickness_mm):
    grid = ps.Grid(shape=(1, 1, 1), spacing_mm=(150.0, 300.0, thickness_mm), origin_mm=(75.0, 0.0, 0.5 * thickness_mm))
    return ps.Phantom(grid=grid, labels=np.ones((1, 1, 1), np.uint8), materials=(AIR, ps.material("pmma")))
