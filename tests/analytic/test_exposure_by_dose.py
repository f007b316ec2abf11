"""Exposures by dose: the figures of the result are what was asked for, and in proportion to mAs."""

import pytest
from exposure_cases import slab

import physsim as ps
from physsim.errors import InvalidInput
from physsim.spec.exposure_control import ExposureControl

SMALL = {"views": 90, "columns": 56, "rows": 2, "pixel_mm": 16.0, "offset_mm": (4.0, 0.0), "pitch": None, "stops": 1,
         "matrix": 32, "slice_mm": 8.0, "field_mm": 448.0, "range_mm": (-4.0, 4.0)}


@pytest.mark.parametrize(("name", "wanted"), [("entrance_air_kerma_mgy", 0.15), ("dose_area_product_mgy_cm2", 80.0)])
def test_a_radiograph_has_the_dose_asked_for(name, wanted):
    body = slab(160.0, width_mm=500.0)
    shot, more = (ps.simulate(body, ps.protocols.chest_pa(pixel_mm=10.0, **{name: part * wanted}), noise=False)
                  for part in (1.0, 3.0))
    assert shot.figures()[name] == pytest.approx(wanted, rel=1e-5)
    assert more.mas == pytest.approx(3.0 * shot.mas, rel=1e-9)
    by_mas = ps.simulate(body, ps.protocols.chest_pa(pixel_mm=10.0, mas=shot.mas), noise=False)
    assert by_mas.figures()[name] == pytest.approx(wanted, rel=1e-5)


def test_entrance_air_kerma_of_a_beam_of_one_kerma_at_a_metre():
    """1.8 m, 160 mm of body, 40 mm behind it: the entrance stands 1.60 m from the source, so that 1 mAs gives the
    tube's kerma at 1 m over its square; heel and slant change less than 1 % on the axis."""
    protocol = ps.protocols.chest_pa(pixel_mm=10.0, entrance_air_kerma_mgy=0.1)
    shot = ps.simulate(slab(160.0, width_mm=500.0), protocol, noise=False)
    near = 1800.0 - protocol.positioning.patient_detector_mm - 160.0
    per_mas = protocol.spectrum.sample().kerma_ugy_per_mas * (1000.0 / near) ** 2 / 1000.0
    assert shot.mas * per_mas == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("changes", [{}, {"modulation": None}])
def test_a_scan_has_the_index_asked_for(changes):
    water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=8)
    scans = [ps.simulate(water, ps.protocols.chest_ct(ctdi_vol_mgy=value, **SMALL, **changes), noise=False)
             for value in (4.0, 8.0)]
    assert [scan.figures()["ctdi_vol_mgy"] for scan in scans] == pytest.approx([4.0, 8.0], rel=1e-6)
    assert scans[1].mas.sum() == pytest.approx(2.0 * scans[0].mas.sum(), rel=1e-9)


@pytest.mark.parametrize(("make", "why"), [
    (lambda: ps.protocols.chest_pa(ctdi_vol_mgy=5.0), "it is of CT scans"),
    (lambda: ps.protocols.chest_ct(entrance_air_kerma_mgy=5.0), "Give ctdi_vol_mgy or mas"),
    (lambda: ps.protocols.chest_pa(entrance_air_kerma_mgy=-1.0), "greater than 0"),
    (lambda: ExposureControl(entrance_air_kerma_mgy=1.0, glandular_dose_mgy=1.0), "Give one of them"),
    (lambda: ps.protocols.chest_pa(entrance_air_kerma_mgy=1.0, detector_air_kerma_ugy=1.0), "Give one of them"),
    (lambda: ps.protocols.chest_dual_energy_ct(ctdi_vol_mgy=5.0), "Give mas of each"),
    (lambda: ps.simulate(slab(160.0, width_mm=500.0), ps.protocols.chest_pa(pixel_mm=10.0, entrance_air_kerma_mgy=1e4)),
     "600 mAs give .* mGy at the entrance"),
    (lambda: ps.simulate(slab(160.0), ps.protocols.chest_ct(ctdi_vol_mgy=1e4, **SMALL)), "mGy of CTDIvol")])
def test_doses_that_cannot_be_had(make, why):
    with pytest.raises(InvalidInput, match=why):
        make()
