"""The arrays of photon transport against the cross sections that they are made of."""

import numpy as np
import pytest

from physsim.errors import InvalidInput
from physsim.physics.attenuation import absorption_edges_kev, mass_attenuation_cm2_g
from physsim.physics.energy_rows import CELLS, cell_energies_kev
from physsim.physics.photon_tables import build
from physsim.transport.scatter_scene import _row_energies

MATERIALS = ["water", "bone_cortical", "I", "lead_glass", "air", "W"]


def read(tables, material, energy_kev):
    """Values of the row of an energy, as kernels/physics/lookup.h reads them."""
    bits = np.asarray(energy_kev, np.float32).view(np.int32) - 0x3F800000
    cell, along = bits >> 15, (bits & 0x7FFF) / 2.0**15
    row = tables.cell_row[cell] + (tables.cell_edge[cell] <= energy_kev)
    return tables.row[material, row, :4] + along[:, None] * tables.row[material, row, 4:]


@pytest.mark.parametrize("material", range(len(MATERIALS)))
def test_lines_in_cells_follow_the_cross_sections(material):
    rng = np.random.default_rng(material)
    energy = np.exp(rng.uniform(0, np.log(150), 20_000)).astype(np.float32)
    got = read(build(MATERIALS), material, energy)
    photo, rayleigh, total = (mass_attenuation_cm2_g(MATERIALS[material], energy, process)
                              for process in ("photoelectric", "rayleigh", "total"))
    np.testing.assert_allclose(got[:, 0], total, rtol=4e-4)  # worst at bends of xraylib's spline (W, 1.8 keV)
    np.testing.assert_allclose(got[:, 2], photo / total, atol=3e-5)
    np.testing.assert_allclose(got[:, 3], (photo + rayleigh) / total, atol=3e-5)


def test_edges_stand_where_they_are():
    tables = build(MATERIALS)
    for material, name in enumerate(MATERIALS):
        edges = absorption_edges_kev(name)
        edges = edges[edges > 2.0]
        for side, towards in (("below", 0), ("above", 1000)):
            at = np.float32(edges) if side == "above" else np.nextafter(np.float32(edges), np.float32(towards))
            expected = mass_attenuation_cm2_g(name, edges, side=side)
            np.testing.assert_allclose(read(tables, material, at)[:, 0], expected, rtol=2e-4)


def test_cells_are_those_of_the_bits():
    ends = cell_energies_kev()
    assert ends[0] == 1.0
    assert ends[CELLS - 1] == 150.0
    bits = np.float32(ends[:-1]).view(np.int32)
    np.testing.assert_array_equal((bits - 0x3F800000) >> 15, np.arange(CELLS))
    np.testing.assert_array_equal(bits & 0x7FFF, 0)


def test_rows_have_the_energies_of_their_cells():
    tables = build(MATERIALS)
    energy = _row_energies(tables)
    assert (np.diff(energy) > 0.0).all()
    split = tables.cell_edge < 1e29
    assert split.sum() == energy.size - CELLS
    np.testing.assert_array_equal(energy, np.sort(np.append(cell_energies_kev()[:-1], tables.cell_edge[split])))


def test_bad_input_is_refused():
    with pytest.raises(InvalidInput, match="one at least"):
        build([])
    with pytest.raises(InvalidInput, match="watr"):
        build(["watr"])
