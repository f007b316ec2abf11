"""Helical reconstruction against cylinders and balls whose line integrals are known."""

import numpy as np
import pytest
from reconstruction_cases import SCANNER, line_integrals, truth_of

import physsim as ps
from physsim import _engine
from physsim.errors import InvalidInput
from physsim.imaging.reconstruction.helical import helix_of
from physsim.spec.grid import Grid

WATER = 0.02  # 1/mm
TALL_MM = 40.04  # of the detector at the axis


def inserts(radius):
    """Water with rods of -100 to +300 HU and a ball of +1000 HU."""
    out = 0.6 * radius
    return (
        ((0, 0, 0), radius, WATER, "cylinder"), ((out, 0, 0), 12, 0.1 * WATER, "cylinder"),
        ((0, out, 0), 12, -0.1 * WATER, "cylinder"), ((-out, 0, 0), 12, 0.3 * WATER, "cylinder"),
        ((0, -out, 2), 12, WATER, "ball"),
    )


def scan(pitch, turns=2.6, views=360, **changes):
    return ps.Geometry.circular(
        views=round(turns * views), arc_deg=360.0 * turns, pitch_mm=pitch * TALL_MM, **{**SCANNER, **changes}
    )


CASES = {
    "water 20 cm, pitch 1": (100, scan(1.0, curved=True)),
    "water 32 cm, pitch 1": (160, scan(1.0, curved=True)),
    "water 20 cm, pitch 0.5": (100, scan(0.5, turns=4.0, curved=True)),
    "water 32 cm, pitch 1.5": (160, scan(1.5, curved=True)),
    "water 32 cm, flat": (160, scan(1.0)),
    "water 20 cm, table down, gantry back": (100, scan(-0.8, turns=-2.6, views=-360, curved=True, start_deg=40)),
    "water 20 cm, raised and shifted": (100, scan(0.8, curved=True, offset_mm=(0.75, 9))),
}


def ct_numbers(geometry, radius, parts):
    """CT numbers found and true (HU), and where no surface is within 7 mm; 24 mm of slices if the scan covers them."""
    side = int(2.0 * 1.1 * radius / 2.5)
    low, high = helix_of(geometry).range_mm(1.1 * radius)
    grid = Grid(shape=(int(min(-low, high, 12.0)), side, side), spacing_mm=(2.5, 2.5, 2.0))
    found = ps.fdk(line_integrals(geometry, parts), geometry, grid, field_mm=2.2 * radius)
    value, clear = truth_of(grid, parts, 7.0)
    return 1000.0 * (found / WATER - 1.0), 1000.0 * (value / WATER - 1.0), clear


@pytest.mark.parametrize("name", CASES)
def test_ct_numbers(name):
    """Means of water, rods and ball within 2 HU; streaks and windmills of a ball of +1000 HU 6 HU RMS in water."""
    radius, geometry = CASES[name]
    found, truth, clear = ct_numbers(geometry, radius, inserts(radius))
    for level in (-100.0, 0.0, 100.0, 300.0, 1000.0):
        own = clear & (np.abs(truth - level) < 1.0)
        assert own.sum() > 30, level
        assert found[own].mean() == pytest.approx(level, abs=2.0), level
    assert found[clear & (np.abs(truth) < 1.0)].std() < 6.0


@pytest.mark.parametrize("pitch", [0.9, 1.5])
def test_water_is_even(pitch):
    """In a cylinder along the axis, whatever the pitch: centre and edge within 2 HU; 2 HU RMS of streaks; slices alike.

    Nothing in it depends on the slope of rays, so what is left is the step between views and columns.
    """
    found, truth, clear = ct_numbers(scan(pitch, curved=True), 160, (((0, 0, 0), 160, WATER, "cylinder"),))
    y, x = np.meshgrid(*[(np.arange(found.shape[1]) - 0.5 * (found.shape[1] - 1)) * 2.5] * 2, indexing="ij")
    far, water = np.broadcast_to(np.hypot(x, y), found.shape), clear & (truth == 0.0)
    centre, edge = (found[water & zone].mean() for zone in (far < 48.0, far > 128.0))
    assert abs(centre - edge) < 2.0
    assert found[water].std() < 2.0
    assert np.ptp([one[inside].mean() for one, inside in zip(found, water, strict=True)]) < 0.2


def test_thick_slices_and_turned_grids():
    """Voxels much longer than rows are gathered, and a grid whose axes are flipped and exchanged: the same values."""
    geometry = scan(1.0, curved=True, columns=150, pixel_mm=(6.0, 2.0), rows=32)
    images = line_integrals(geometry, inserts(100))
    thin = ps.fdk(images, geometry, Grid(shape=(41, 30, 30), spacing_mm=(7.0, 7.0, 0.5)))
    thick = ps.fdk(images, geometry, Grid(shape=(5, 30, 30), spacing_mm=(7.0, 7.0, 5.0)))
    assert np.abs(thick - thin[::10]).max() < 2e-6
    turn = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # z becomes x
    lying = Grid(
        shape=(30, 30, 41), spacing_mm=(0.5, 7.0, 7.0), direction=((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))
    )
    turned = ps.fdk(images, geometry.moved(turn), lying)
    assert np.abs(turned - thin.transpose(1, 2, 0)[:, ::-1, ::-1]).max() < 2e-6


@pytest.mark.parametrize("isa", ["avx512", "avx2"])
def test_bits_of_instruction_sets_and_threads(isa, monkeypatch):
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU has no {isa}")
    geometry = scan(1.0, views=60, columns=101, rows=20)
    images = np.random.default_rng(1).normal(size=geometry.shape).astype(np.float32)
    grid = Grid(shape=(19, 37, 41), spacing_mm=(2.0, 2.0, 1.0))
    monkeypatch.setenv("PHYSSIM_ISA", "portable")
    portable = ps.fdk(images, geometry, grid, threads=1)
    monkeypatch.setenv("PHYSSIM_ISA", isa)
    assert (ps.fdk(images, geometry, grid, threads=3) == portable).all()


def test_largest_pitch_is_where_gaps_begin():
    """Just below it each voxel on the circle has its value; what the formula calls too much is refused."""
    helix = helix_of(scan(1.0, curved=True))
    assert helix.pitch == pytest.approx(1.0, abs=1e-3)
    angle = np.arcsin(160 / 541)
    assert helix.largest_pitch(160.0) == pytest.approx(2 * np.pi * np.cos(angle) / (np.pi + 2 * angle), abs=1e-9)
    assert helix.range_mm(100.0)[1] == -helix.range_mm(100.0)[0]
    assert helix.range_mm(200.0)[1] < helix.range_mm(100.0)[1]


@pytest.mark.parametrize(("change", "text"), [
    ({"geometry": scan(1.7, turns=4.0, curved=True)}, "pitch=1.7 (pitch_mm=68."),
    ({"geometry": scan(1.7, turns=4.0, curved=True)}, "voxels 160 mm from the axis is 1.604"),
    ({"grid": Grid(shape=(200, 8, 8))}, "the scan is complete from"),
    ({"geometry": scan(1.0, turns=0.6)}, "too short for any slice"),
    ({"geometry": scan(1.0, offset_mm=(100, 0))}, "needs both sides of the axis"),
    ({"field_mm": 0.0}, "field_mm=0.0")])
def test_bad_input(change, text):
    given = {"geometry": scan(1.0), "grid": Grid(shape=(4, 120, 120), spacing_mm=(3.0, 3.0, 1.0)), "field_mm": 320.0}
    given |= change
    images = np.zeros(given["geometry"].shape, np.float32)
    with pytest.raises(InvalidInput) as found:
        ps.fdk(images, given["geometry"], given["grid"], field_mm=given["field_mm"])
    assert text in str(found.value)


@pytest.mark.parametrize("name", ["chest_ct", "abdomen_ct"])
@pytest.mark.parametrize("half_mm", [180.0, 330.0])
def test_helices_are_complete_where_they_are_reconstructed(name, half_mm):
    """A body within what is measured: to the field's circle. One with hanging arms, beyond it: to the corners of the
    field, for all of its square is made; the scan is some views longer then, and was refused before."""
    protocol = ps.protocols[name]
    box = ((-half_mm, -150.0, 50.0), (half_mm, 150.0, 480.0))
    geometry = protocol.geometry(box)
    field, measured = protocol.reconstruction.field_mm, protocol.rotation.measured_diameter_mm(protocol.detector)
    reach = field * (np.sqrt(0.5) if half_mm > 0.5 * measured else 0.5)
    low, high = helix_of(geometry).range_mm(reach)
    assert low <= -215.0
    assert high >= 215.0
