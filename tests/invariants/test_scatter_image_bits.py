"""Scatter images of all orders: equal bits on every instruction set and number of threads; what a run promises."""

import dataclasses

import numpy as np
import pytest
from scatter_cases import VIEW, phantom

import physsim as ps
from physsim import _engine
from physsim.errors import InvalidInput
from physsim.transport import scatter_focus, scatter_image, scatter_importance, scatter_scene, scatter_sums
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.response_table import ResponseTable


def image(monkeypatch, isa, threads, **aim):
    monkeypatch.setattr(scatter_sums, "instruction_set", lambda: isa)
    monkeypatch.setattr(scatter_focus, "instruction_set", lambda: isa)
    monkeypatch.setattr(scatter_importance, "instruction_set", lambda: isa)
    monkeypatch.setattr(scatter_scene, "instruction_set", lambda: isa)
    spectrum = ps.Spectrum(kvp=100, filters=[("Al", 3.0)])
    return ps.scatter_image(phantom(), VIEW, spectrum, ps.MonteCarlo(**aim), seed=6, threads=threads)


@pytest.mark.parametrize("isa", _engine.instruction_sets())
def test_instruction_sets_and_threads_give_equal_bits(monkeypatch, isa):
    expected = image(monkeypatch, "portable", 1, histories=512)
    assert expected.image().min() > 0
    for threads in (1, 3):
        found = image(monkeypatch, isa, threads, histories=512)
        np.testing.assert_array_equal(found.image(), expected.image())
        np.testing.assert_array_equal(found.deviations(), expected.deviations())


CT_VIEW = dataclasses.replace(VIEW, centre_mm=[(5, 60, 0)], radius_mm=120.0)  # targets near the phantom too
BEAM = ps.Spectrum(
    kvp=100,
    filters=[("Al", 3.0)],
    bowtie=ps.Bowtie(material="Al", fan_angles_deg=(0, 4, 12), thickness_mm=(0.5, 6, 20)),
)
OPTICS = {
    "cathode": "v+",
    "focal_spot_mm": (2.0, 1.0),
    "anti_scatter_grid": ps.AntiScatterGrid(ratio=6, lines_per_cm=30, strip_mm=0.05, interspace="pmma"),
    "response": ResponseTable.of(lambda kev, slant: kev * (1.0 - np.exp(-20.0 * slant / kev))),
}


@pytest.mark.parametrize("isa", _engine.instruction_sets())
def test_optics_give_equal_bits(monkeypatch, isa):
    """Bowtie, heel, focal spot, a bent grid, a thin absorber and a curved detector close by."""
    images = {}
    for name, threads in (("portable", 1), (isa, 1), (isa, 3)):
        for module in (scatter_focus, scatter_sums, scatter_scene, scatter_image):
            monkeypatch.setattr(module, "instruction_set", lambda name=name: name)
        run = ps.MonteCarlo(histories=512)
        found = ps.scatter_image(phantom(), CT_VIEW, BEAM, run, seed=6, threads=threads, **OPTICS)
        once = ps.single_scatter(phantom(), CT_VIEW, BEAM, points=32, replicates=8, seed=6, threads=threads, **OPTICS)
        images[name, threads] = found.image(), found.deviations(), once.replicates
    expected = images["portable", 1]
    assert expected[0].min() > 0
    for found in images.values():
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_run_by_error_looks_at_preset_counts_and_says_what_it_took(monkeypatch):
    isa = _engine.instruction_sets()[0]
    found = image(monkeypatch, isa, 1, relative_error=0.1)
    assert found.aim_reached
    assert found.relative_error <= 0.1
    assert found.multiple.histories // 32 in {quarters * 4 * 2**k for quarters in (4, 5, 6, 7) for k in range(12)}
    again = image(monkeypatch, isa, 2, relative_error=0.1)
    np.testing.assert_array_equal(again.image(), found.image())
    with pytest.warns(MonteCarloWarning, match="not reached"):
        short = image(monkeypatch, isa, 1, relative_error=0.001, most_histories=2048)
    assert not short.aim_reached
    assert short.multiple.histories <= 4096


def test_nothing_scatters_in_vacuum():
    body = phantom()
    empty = body.replace(density=np.zeros(body.labels.shape, np.float16))
    with pytest.warns(MonteCarloWarning, match="no photon scattered"):
        found = ps.scatter_image(empty, VIEW, 60.0, ps.MonteCarlo(relative_error=0.02), threads=1)
    assert (found.image() == 0).all()
    assert (found.error() == 0).all()


def test_single_and_multiple_add_up():
    found = ps.scatter_image(phantom(), VIEW, 60.0, ps.MonteCarlo(histories=512), threads=1)
    parts = [found.image(process) for process in ("compton", "rayleigh", "multiple")]
    np.testing.assert_allclose(sum(parts), found.image(), rtol=1e-12)
    assert found.deviations().shape == (8 + 32, 5, 7)
    np.testing.assert_allclose(found.error() ** 2, (found.deviations() ** 2).sum(axis=0))
    assert found.cell_mm is not None
    assert found.basis_error < 0.01
    with pytest.raises(InvalidInput, match="scatter_image"):
        ps.single_scatter(phantom(), VIEW, 60.0, points=8, threads=1).image("multiple")


@pytest.mark.parametrize(("cell_mm", "says"), [(0.0, "width"), (-3.0, "width")])
def test_bad_cells_are_named(cell_mm, says):
    with pytest.raises(InvalidInput, match=says):
        ps.scatter_image(phantom(), VIEW, 60.0, ps.MonteCarlo(histories=64), cell_mm=cell_mm)


def test_materials_beyond_the_basis_are_refused():
    """Three functions miss the attenuation of barium beside iodine, bone and water by a factor."""
    names = ("water", "bone_cortical_icru44", "I", "Ba")
    body = ps.Phantom(
        grid=ps.Grid(shape=(4, 4, 4), spacing_mm=(5, 5, 5)),
        labels=(np.arange(64) % 4).reshape(4, 4, 4).astype(np.uint8),
        materials=tuple(ps.material(name) for name in names),
    )
    with pytest.raises(InvalidInput, match="bone_cortical_icru44, I, Ba: the 3 functions"):
        ps.scatter_image(body, VIEW, ps.Spectrum(kvp=100), ps.MonteCarlo(histories=64), threads=1)


def test_a_spline_is_scipys():
    """Not-a-knot and periodic cubic splines against scipy's; weights add up to 1."""
    from scipy.interpolate import CubicSpline

    from physsim.transport.node_spline import node_spline, spline_weights

    x = np.linspace(-3.0, 4.0, 8)
    y, places = np.sin(x) + 0.1 * x**2, np.linspace(-3.0, 4.0, 33)
    np.testing.assert_allclose(spline_weights(x, places) @ y, CubicSpline(x, y)(places), atol=1e-13)
    angle = np.arange(12) * 30.0
    y = np.sin(np.deg2rad(angle)) + np.cos(np.deg2rad(2 * angle))
    turned = np.linspace(0.0, 359.0, 100)
    known = CubicSpline(np.append(angle, 360.0), np.append(y, y[0]), bc_type="periodic")(turned)
    np.testing.assert_allclose(spline_weights(angle, turned, 360.0) @ y, known, atol=1e-13)
    uneven = np.array([0.0, 1.0, 2.5, 3.0, 5.0])
    y, places = np.cos(uneven), np.linspace(0.0, 5.0, 21)
    np.testing.assert_allclose(spline_weights(uneven, places) @ y, CubicSpline(uneven, y)(places), atol=1e-13)
    spline = node_spline(48, 40, 8, 7)
    smooth = np.exp(-(np.add.outer(spline.node_row**2, spline.node_column**2)) / 900.0).ravel()
    image, checks = spline.image(smooth)
    column, row = np.arange(48) - 23.5, np.arange(40) - 19.5
    np.testing.assert_allclose(image, np.exp(-np.add.outer(row**2, column**2) / 900.0), rtol=1e-12)
    np.testing.assert_allclose(checks, np.exp(-(spline.check_place**2).sum(axis=1) / 900.0), rtol=1e-12)


def test_wide_pixels_are_means_and_not_middles():
    """exp(a x + b y) has a mean of sinh(h a / 2) / (h a / 2) times its middle, and so along y."""
    from physsim.transport.node_spline import node_spline

    spline, a, b = node_spline(6, 5, 8, 7, split=2), 0.5, -0.3
    values = np.exp(np.add.outer(b * spline.node_row, a * spline.node_column)).ravel()
    image, _ = spline.image(values)
    middle = np.exp(np.add.outer(b * (np.arange(5) - 2.0), a * (np.arange(6) - 2.5)))
    mean = np.sinh(a / 2) / (a / 2) * np.sinh(b / 2) / (b / 2)
    np.testing.assert_allclose(image / middle, mean, rtol=2e-5)
    assert mean > 1.01
    step = 1e-6 * values
    images, _ = spline.deviations(values, step[None])
    np.testing.assert_allclose(images[0], 1e-6 * image, rtol=1e-9)
