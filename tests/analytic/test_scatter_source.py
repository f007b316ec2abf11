"""Where scatter images draw their photons against the beam by direction (`Spectrum.at`) and its integral."""

import numpy as np
import pytest

import physsim as ps
from physsim.transport.scatter_focus import lit
from physsim.transport.scatter_optics import optics_of
from physsim.transport.scatter_source import brightness, mean_kev

VIEW = ps.Geometry(
    source_mm=[(0, -400, 0)], centre_mm=[(0, 200, 0)], u=[(1, 0, 0)], v=[(0, 0, 1)],
    rows=4, columns=6, pixel_mm=(50, 40),
)  # fmt: skip
BOWTIE = ps.Bowtie(material="Al", coefficients_mm=(0.5, 0.0, 0.08), max_angle_deg=20)
BEAMS = {
    "heel": ps.Spectrum(kvp=90, bin_kev=2.0, anode_angle_deg=9, filters=[("Al", 3.0)]),
    "bowtie": ps.Spectrum(energy_kev=60, bowtie=BOWTIE),
    "both": ps.Spectrum(kvp=110, bin_kev=2.0, filters=[("Al", 5.0)], bowtie=BOWTIE),
}
CELLS = 48


class World:
    """A frame that is the world's, in cm."""

    def local_cm(self, points_mm):
        return 0.1 * np.asarray(points_mm)

    def local_direction(self, vectors):
        return np.asarray(vectors)


def packed(name, view=VIEW):
    beam = BEAMS[name]
    return optics_of(view, beam, "v+", (0.0, 0.0), None).source_fields(view, World())


@pytest.mark.parametrize("name", BEAMS)
def test_photons_per_solid_angle_are_those_of_the_beam(name):
    """2304 cells; the mean over the field, weighted by solid angle, is 1; energies by the nodes' own spectra."""
    fields, beam = packed(name), BEAMS[name]
    found = brightness(fields, CELLS)
    (x0, y0), (x1, y1) = fields["low"], fields["high"]
    x, y = (low + (np.arange(CELLS) + 0.5) / CELLS * (high - low) for low, high in ((x0, x1), (y0, y1)))
    weight = (1.0 + x**2 + y[:, None] ** 2) ** -1.5
    assert (found * weight).sum() / weight.sum() == pytest.approx(1.0, abs=2e-3)
    places = [(0, 0), (10, 30), (24, 24), (40, 5), (47, 47)]
    truth = [
        beam.at(anode_cathode_deg=np.degrees(np.arctan(y[row])), transverse_deg=np.degrees(np.arctan(x[column])))
        for row, column in places
    ]
    photons = np.array([bins.fluence.sum() for bins in truth])
    ratio = np.array([found[place] for place in places]) / photons
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=4e-3)
    energies = [(bins.fluence * bins.energies_kev).sum() / bins.fluence.sum() for bins in truth]
    assert min(energies) - 0.5 <= mean_kev(fields) <= max(energies) + 0.5


def test_points_are_as_dense_as_photons():
    """Shares of rows and cells multiply to the brightness of a cell, but for the small part that goes everywhere."""
    fields = lit(packed("both"))
    rows = np.diff(fields["row_share"].astype(float), prepend=0.0)
    cells = np.diff(fields["cell_share"].astype(float), axis=1, prepend=0.0) * rows[:, None]
    shape = brightness(fields, len(rows))
    expected = shape / shape.sum() / 1.05 + 0.05 / 1.05 / shape.size
    np.testing.assert_allclose(cells, expected, rtol=1e-3)
    assert cells.sum() == pytest.approx(1.0)
    plain = optics_of(VIEW, 60.0, None, (0.0, 0.0), None).source_fields(VIEW, World())
    assert lit(plain) is plain


def test_a_scan_makes_its_spectra_once():
    geometry = ps.Geometry.circular(
        views=7, source_axis_mm=500, source_detector_mm=900, rows=4, columns=20, pixel_mm=(12, 12), curved=True
    )
    optics = optics_of(geometry, BEAMS["both"], "v+", (0.0, 0.0), None)
    first, other = (optics.source_fields(geometry[view], World()) for view in (0, 3))
    assert other["cumulative"] is first["cumulative"]
    assert other["position"] != first["position"]
