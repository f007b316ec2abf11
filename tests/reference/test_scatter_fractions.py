"""Scatter in chest radiographs and CT against published figures: fractions in chests, SPR of 35 cm of water."""

import numpy as np
import pytest

import physsim as ps


@pytest.fixture(scope="module")
def chest():
    """A man of 85 kg in a quiet breath of his films, 4 mm voxels."""
    return ps.anatomy(sex="M", age=45, height_cm=176, weight_kg=85, seed=3, respiration=0.7,
                      posture="standing").phantom(4.0, region="chest")


def medians(chest, **changes):
    """Scatter over all, medians in the mediastinum (15 mm beside the middle) and in the lungs (rays that meet half of
    the most lung)."""
    shot = ps.simulate(chest, ps.protocols.chest_pa(pixel_mm=6.0, **changes), noise=False, seed=1, areal_density=True,
                       scatter=ps.MonteCarlo(relative_error=0.03))
    fraction = shot["scatter"][0] / (shot["scatter"][0] + shot["primary"][0])
    names = [one.name for one in chest.materials]
    lung = sum(shot["areal_density"][0, n] for n, name in enumerate(names) if "lung" in name)
    across = (np.arange(fraction.shape[1]) - 0.5 * (fraction.shape[1] - 1)) * 6.0
    middle = np.broadcast_to(np.abs(across) < 15.0, fraction.shape) & (np.abs(across)[:, None] < 110.0)
    return float(np.median(fraction[middle])), float(np.median(fraction[lung > 0.5 * np.percentile(lung, 99)]))


def test_scatter_fractions_of_the_chest_are_those_of_patients(chest):
    """L. T. Niklason et al., Med. Phys. 8 (1981) 677: without grid 0.87 to 0.95 in the mediastinum, 0.55 to 0.75 in the
    lungs; behind 12:1 more than half in the mediastinum. 125 kVp, 1.8 m, 40 mm between body and detector."""
    mediastinum, lungs = medians(chest, anti_scatter_grid=None)
    assert 0.87 < mediastinum < 0.95
    assert 0.55 < lungs < 0.75
    assert medians(chest)[0] > 0.5


def test_scatter_to_primary_of_35_cm_of_water_in_ct():
    """On the axis, 120 kVp with 3 mm Al, 0.2 mm Cu and the bowtie, focus to axis 570 and to detector 1040 mm, a beam of
    53 mm at the axis: 1.0 to 1.5 without grid, 0.08 to 0.13 behind plates of 20:1 across the fan."""
    y, x = np.mgrid[:90, :90] * 4.0 - 178.0
    labels = np.zeros((60, 90, 90), np.uint8)
    labels[:, np.hypot(x, y) < 175.0] = 1
    grid = ps.Grid(shape=labels.shape, spacing_mm=(4.0, 4.0, 8.0), origin_mm=(-178.0, -178.0, -236.0))
    water = ps.Phantom(grid=grid, labels=labels, materials=(ps.material("air"), ps.material("water")), name="35 cm")
    ratios = []
    for changes in ({"anti_scatter_grid": None}, {}):
        protocol = ps.protocols.abdomen_ct(pixel_mm=4.0, rows=24, columns=225, views=16, pitch=None, stops=1,
                                           modulation=None, range_mm=(-4.0, 4.0), offset_mm=(1.0, 0.0), slice_mm=8.0,
                                           matrix=32, **changes)
        scan = ps.simulate(water, protocol, scatter=ps.MonteCarlo(histories=8000), noise=False,
                           keep=("primary", "scatter"))
        middle = slice(108, 117)
        ratios.append(float(scan["scatter"][:, :, middle].mean() / scan["primary"][:, :, middle].mean()))
    assert 1.0 < ratios[0] < 1.5
    assert 0.08 < ratios[1] < 0.13
