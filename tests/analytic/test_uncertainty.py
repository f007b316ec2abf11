"""Propagated uncertainties against derivatives by hand: Beer-Lambert, inverse square, CT numbers of scaled tissue."""

import numpy as np
import pytest

import physsim as ps
from physsim.physics.attenuation import mass_attenuation_cm2_g

NONE = {"cross_sections": 0.0, "composition": 0.0, "tube_voltage": 0.0, "filtration": 0.0, "distance_mm": 0.0}
KEV = 60.0


def slab(material, thickness_mm=40.0):
    grid = ps.Grid(shape=(20, 4, 20), spacing_mm=(4.0, thickness_mm / 4.0, 4.0), origin_mm=(-38.0, -15.0, -38.0))
    return ps.Phantom(grid=grid, labels=np.zeros(grid.shape, np.uint8), materials=(ps.material(material),), name="slab")


def single_energy(**changes):
    detector = ps.Detector(rows=9, columns=9, pixel_mm=2.0, absorber=ps.IdealAbsorber())
    return ps.Protocol(**{"spectrum": {"energy_kev": KEV, "output_factor": 1e6}, "mas": 1.0, "detector": detector,
                          "positioning": {"view": "PA", "source_detector_mm": 1000.0}, **changes})


def middle(found, name):
    return float(found.by_input[name][0, 4, 4] / found.result["image"][0, 4, 4])


def test_cross_sections_by_beer_and_lambert():
    """1 % more of mu x: exp(-0.01 mu x) - 1, along the middle ray."""
    found = ps.propagate(slab("water"), single_energy(), ps.InputUncertainty(**NONE | {"cross_sections": 0.01}))
    assert list(found.by_input) == ["cross_sections"]
    mu_x = float(mass_attenuation_cm2_g("water", KEV)) * 4.0
    assert middle(found, "cross_sections") == pytest.approx(np.expm1(-0.01 * mu_x), rel=1e-3)
    assert np.array_equal(found.image, np.abs(found.by_input["cross_sections"]))


def test_composition_by_the_attenuation_of_carbon_and_oxygen():
    """2 % of the mass from oxygen to carbon: exp(0.02 (mu_O - mu_C) x) - 1, of mass coefficients times density."""
    plastic = ps.material("pmma")
    found = ps.propagate(slab("pmma"), single_energy(), ps.InputUncertainty(**NONE | {"composition": 0.02}))
    change = 0.02 * float(mass_attenuation_cm2_g("O", KEV) - mass_attenuation_cm2_g("C", KEV))
    assert middle(found, "composition") == pytest.approx(np.expm1(change * plastic.density_g_cm3 * 4.0), rel=1e-2)


def test_distance_by_the_inverse_square():
    """2 mm more to the detector, behind which the object stays: (D / (D + 2))^2 - 1."""
    found = ps.propagate(slab("water"), single_energy(), ps.InputUncertainty(**NONE | {"distance_mm": 2.0}))
    assert middle(found, "distance") == pytest.approx((1000.0 / 1002.0) ** 2 - 1.0, rel=1e-2)


def test_changes_add_in_squares_and_the_endpoint_follows_the_same_runs():
    """Tube voltage and filters: the change of an endpoint is that of two simulations; totals are roots of squares."""
    beam = {"kvp": 80.0, "filters": [["Al", 3.0]]}
    protocol = single_energy(spectrum=beam)

    def endpoint(shot):
        return {"middle": float(shot["image"][0, 4, 4]), "contrast": float(shot["transmission"][0, 4, 4])}

    found = ps.propagate(slab("water"), protocol, endpoint=endpoint)
    assert list(found.by_input) == ["cross_sections", "tube_voltage", "filtration", "distance"]  # water has no carbon
    higher = ps.simulate(slab("water"), protocol.changed(kvp=80.8), noise=False)
    assert found.endpoint_by_input["tube_voltage"]["middle"] == pytest.approx(
        endpoint(higher)["middle"] - found.endpoint["middle"], rel=1e-6)
    total = np.sqrt(sum(one["contrast"] ** 2 for one in found.endpoint_by_input.values()))
    assert found.uncertainty("contrast") == pytest.approx(float(total))
    squares = sum(one.astype(float) ** 2 for one in found.by_input.values())
    assert np.allclose(found.image, np.sqrt(squares), rtol=1e-5)
    row = found.table()[0]
    assert (row["endpoint"], row["uncertainty"]) == ("middle", found.uncertainty("middle"))


def test_a_scan_s_rods_move_by_their_attenuation_and_water_does_not():
    """CT numbers of a rod whose mu is 1 % more rise by 10 (1 + HU / 1000); of water, the calibration, by none."""
    inserts = ps.voxelise(ps.scene("ct_numbers"), spacing_mm=2)
    protocol = ps.protocols.head_ct(views=180, pixel_mm=4.0, rows=4, columns=160, stops=1, matrix=80, field_mm=240.0,
                                    slice_mm=4.0, range_mm=(-2.0, 2.0), offset_mm=(1.0, 0.0))

    def rods(scan):
        x, y = (np.arange(80) - 39.5)[None, :] * 3.0, (np.arange(80) - 39.5)[:, None] * 3.0
        places = {"delrin": (-60.0, 0.0), "acrylic": (0.0, 60.0), "water": (0.0, 0.0)}
        return {name: float(scan.volume.array[0][np.hypot(x - a, y - b) < 7.0].mean())
                for name, (a, b) in places.items()}

    found = ps.propagate(inserts, protocol, ps.InputUncertainty(**NONE | {"cross_sections": 0.01}), endpoint=rods)
    for name in ("delrin", "acrylic"):
        assert found.uncertainty(name) == pytest.approx(10.0 * (1.0 + found.endpoint[name] / 1000.0), rel=0.1)
    assert found.uncertainty("water") < 1.0
    assert set(found.layers()) == {"image", "uncertainty", "change_cross_sections"}


def test_what_propagation_refuses():
    for protocol, inputs, words in (
        (ps.protocols.chest_dual_energy_ct(), None, "more than one image"),
        (single_energy(), ps.InputUncertainty(**NONE), "none of them is uncertain"),
    ):
        with pytest.raises(ps.errors.InvalidInput, match=words):
            ps.propagate(slab("water"), protocol, inputs)
