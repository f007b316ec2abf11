"""Filtered backprojection against balls whose line integrals are known, in every geometry that it takes."""

import numpy as np
import pytest

import physsim as ps
from physsim import _engine
from physsim.errors import InvalidInput
from physsim.imaging.reconstruction.fdk import fdk
from physsim.imaging.reconstruction.kernels import (
    KERNELS,
    fourier_length,
    fourier_table,
    response,
    storage_order,
    window,
)
from physsim.imaging.reconstruction.orbit import line_weights, orbit_of
from physsim.spec.grid import Grid

BALLS = (((0, 0, 0), 90, 0.02), ((40, 10, 0), 20, 0.02), ((-35, -30, 4), 18, -0.01))  # centre and radius mm, 1/mm
CIRCLE = {"source_axis_mm": 600, "source_detector_mm": 1000, "rows": 40, "columns": 192, "pixel_mm": 2.0}
NARROW = {**CIRCLE, "columns": 128}
GEOMETRIES = {
    "flat": ps.Geometry.circular(views=150, **CIRCLE),
    "curved": ps.Geometry.circular(views=150, curved=True, **CIRCLE),
    "short scan": ps.Geometry.circular(views=160, arc_deg=215, start_deg=30, **CIRCLE),
    "short scan, curved": ps.Geometry.circular(views=160, arc_deg=230, start_deg=-70, curved=True, **CIRCLE),
    "two turns": ps.Geometry.circular(views=360, arc_deg=720, **CIRCLE),
    "shifted": ps.Geometry.circular(views=240, offset_mm=(50, 0), **NARROW),
    "shifted back": ps.Geometry.circular(views=240, offset_mm=(-50, 0), **NARROW),
    "shifted, curved": ps.Geometry.circular(views=240, offset_mm=(50, 0), curved=True, **NARROW),
    "raised": ps.Geometry.circular(views=150, offset_mm=(0, 20), **CIRCLE),
    "parallel, half a turn": ps.Geometry.parallel(views=150, rows=24, columns=192, pixel_mm=1.2),
    "parallel, a turn": ps.Geometry.parallel(views=150, rows=24, columns=192, pixel_mm=1.2, arc_deg=360),
}
GRID = Grid(shape=(7, 104, 104), spacing_mm=2.0)


def integrals(geometry):
    """(views, rows, columns): chords times attenuation."""
    found = np.zeros(geometry.shape)
    for view in range(len(geometry)):
        start, end = geometry.rays_mm(view)
        way = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)
        for centre, radius, mu in BALLS:
            aside = start - np.array(centre, float)
            ahead = (aside * way).sum(-1)
            found[view] += 2.0 * mu * np.sqrt(np.maximum(ahead**2 - (aside**2).sum(-1) + radius**2, 0.0))
    return found.astype(np.float32)


def balls(grid):
    """Attenuation of each voxel, and where no ball's surface is within 8 mm, in view of all detectors."""
    nz, ny, nx = grid.shape
    k, j, i = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    place = np.stack([i, j, k, np.ones_like(i)], -1) @ grid.world_from_voxel.T
    value, clear = np.zeros(grid.shape), np.hypot(place[..., 0], place[..., 1]) < 105.0
    for centre, radius, mu in BALLS:
        distance = np.linalg.norm(place[..., :3] - np.array(centre, float), axis=-1)
        value += mu * (distance < radius)
        clear &= np.abs(distance - radius) > 8.0
    return value, clear


@pytest.mark.parametrize("name", GEOMETRIES)
def test_balls_have_their_values(name):
    """Away from surfaces, the mean in each ball within 0.15 % of the large one's; voxels within 3 % RMS (streaks)."""
    found = fdk(integrals(GEOMETRIES[name]), GEOMETRIES[name], GRID)
    value, clear = balls(GRID)
    assert found.dtype == np.float32
    for level in (0.01, 0.02, 0.04):
        inside = clear & np.isclose(value, level)
        assert inside.sum() > 50
        assert found[inside].mean() == pytest.approx(level, abs=0.0015 * 0.02), level
        assert found[inside].std() < 0.03 * 0.02
    assert abs(found[clear & (value == 0.0)].mean()) < 0.015 * 0.02


def test_the_world_turned_is_the_volume_turned():
    """A scan about x and a grid whose axes are exchanged and flipped: the same voxels, within rounding."""
    upright = GEOMETRIES["short scan"]
    turn = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # z becomes x
    images = integrals(upright)
    plain = fdk(images, upright, GRID)
    lying = Grid(
        shape=(104, 104, 7), spacing_mm=2.0, direction=((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    )
    turned = fdk(images, upright.moved(turn), lying)
    expected = plain.transpose(1, 2, 0)[:, ::-1, :]  # y -> z, x -> y and flipped, z -> x
    assert np.abs(turned - expected).max() < 5e-6 * np.abs(plain).max()


def test_voxels_against_double_precision():
    """Every voxel within 3e-6 RMS of the largest of a plain loop in double precision; short and long steps."""
    rng = np.random.default_rng(3)
    for pixel, rows, curved in ((4.0, 20, False), (0.9, 64, False), (4.0, 20, True)):
        geometry = ps.Geometry.circular(
            views=9, source_axis_mm=300, source_detector_mm=500, rows=rows, columns=41, pixel_mm=pixel, curved=curved
        )
        grid = Grid(shape=(21, 10, 11), spacing_mm=(3.0, 2.5, 2.0))
        images = rng.normal(size=geometry.shape).astype(np.float32)
        found, law = fdk(images, geometry, grid), plain_fdk(images, geometry, grid)
        assert np.sqrt(((found - law) ** 2).mean()) < 3e-6 * np.abs(law).max(), (pixel, curved)


def plain_fdk(images, geometry, grid):
    """Feldkamp's formula voxel by voxel, convolution by sums, in float64."""
    curved = geometry.radius_mm is not None
    views, rows, columns = geometry.shape
    distance, radius = 500.0, 300.0
    u = (np.arange(columns) - 0.5 * (columns - 1)) * geometry.pixel_mm[0]
    v = (np.arange(rows) - 0.5 * (rows - 1)) * geometry.pixel_mm[1]
    pitch = geometry.pixel_mm[0] / distance
    n = np.arange(columns)[:, None] - np.arange(columns)[None, :]
    kernel = np.where(n == 0, 0.25, np.where(n % 2 == 0, 0.0, -1.0 / (np.pi * np.where(n == 0, 1, n)) ** 2))
    if curved:
        kernel = kernel * np.where(n == 0, 1.0, (n * pitch / np.where(n == 0, 1.0, np.sin(n * pitch))) ** 2)
        cosine = np.cos(u / distance)[None, :] / np.sqrt(1.0 + (v[:, None] / distance) ** 2)
    else:
        cosine = 1.0 / np.sqrt(1.0 + (u[None, :] / distance) ** 2 + (v[:, None] / distance) ** 2)
    nz, ny, nx = grid.shape
    k, j, i = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    place = (np.stack([i, j, k, np.ones_like(i)], -1) @ grid.world_from_voxel.T)[..., :3]
    total = np.zeros(grid.shape)
    for view in range(views):
        filtered = np.zeros((rows + 2, columns + 2))
        filtered[1:-1, 1:-1] = (images[view] * cosine) @ kernel / pitch
        filtered[0], filtered[-1] = filtered[1], filtered[-2]  # edge rows hold to the edge of their pixels and beyond
        aside = place - geometry.source_mm[view]
        ahead, across, along = (aside @ axis for axis in (geometry.normal[view], geometry.u[view], geometry.v[view]))
        length = np.hypot(ahead, across) if curved else ahead
        column = (np.arctan2(across, ahead) if curved else across / ahead) / pitch + 0.5 * (columns - 1) + 1.0
        row = along / length * distance / geometry.pixel_mm[1] + 0.5 * (rows - 1) + 1.0
        c, r = np.floor(column).astype(int), np.floor(row).astype(int)
        there = (c >= 0) & (c <= columns) & (r >= 0) & (r <= rows)
        c, r, fc, fr = (np.where(there, one, 0) for one in (c, r, column - c, row - r))
        value = (1 - fr) * ((1 - fc) * filtered[r, c] + fc * filtered[r, c + 1])
        value += fr * ((1 - fc) * filtered[r + 1, c] + fc * filtered[r + 1, c + 1])
        total += np.where(there, value / length**2, 0.0) * radius
    return total * np.pi / views


@pytest.mark.parametrize("isa", ["avx512", "avx2"])
def test_bits_of_instruction_sets_and_threads(isa, monkeypatch):
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU has no {isa}")
    geometry = ps.Geometry.circular(views=30, **{**CIRCLE, "rows": 40, "columns": 100}, curved=True)
    images = np.random.default_rng(1).normal(size=geometry.shape).astype(np.float32)
    grid = Grid(shape=(19, 37, 41), spacing_mm=2.0)
    monkeypatch.setenv("PHYSSIM_ISA", "portable")
    portable = fdk(images, geometry, grid, threads=1)
    monkeypatch.setenv("PHYSSIM_ISA", isa)
    assert (fdk(images, geometry, grid, threads=3) == portable).all()


@pytest.mark.parametrize("length", [16, 24, 768, 1024])
def test_tables_of_the_transform(length):
    cosine, sine = fourier_table(length)
    turn = np.exp(2j * np.pi * np.arange(length) / length)
    assert np.abs(cosine + 1j * sine - turn).max() < 1e-15 * 3
    assert sorted(storage_order(length)) == list(range(length))


def test_kernels():
    """The ramp's response is |f| but for the lowest frequencies, which the cut at the end of the rows raises."""
    length = fourier_length(384)
    assert length == 768
    frequency = np.abs(np.fft.fftfreq(length))[storage_order(length)]
    ramp = response("ramp", length) * length
    assert np.abs(ramp - frequency).max() < 3e-4
    for kernel in KERNELS:
        edge = window(kernel, length)
        assert edge[0] == pytest.approx(1.0, abs=1e-12)
        assert (edge >= -1e-12).all()
        assert (edge.max() > 1.0) == (kernel == "sharp")


@pytest.mark.parametrize(("change", "text"), [
    ({"kernel": "hanning"}, "Did you mean 'hann'"),
    ({"geometry": ps.Geometry.circular(views=100, arc_deg=190, **CIRCLE)}, "spans 190 degrees"),
    ({"geometry": ps.Geometry.circular(views=100, arc_deg=300, offset_mm=(50, 0), **CIRCLE)}, "a whole turn"),
    ({"geometry": ps.Geometry.circular(views=100, pitch_mm=20, **CIRCLE)[[*range(50), *range(60, 99)]]}, "equal steps"),
    ({"geometry": ps.Geometry.parallel(views=100, rows=96, columns=192, pixel_mm=2.0, arc_deg=100)}, "half a turn"),
    ({"grid": Grid(shape=(4, 4, 4), direction=((1.0, 0.0, 0.0), (0.0, 0.8, 0.6), (0.0, -0.6, 0.8)))}, "rotation axis"),
    ({"projections": np.zeros((3, 4, 5))}, "of shape (3, 4, 5)")])
def test_bad_input(change, text):
    geometry = ps.Geometry.circular(views=100, **CIRCLE)
    given = {"geometry": geometry, "grid": Grid(shape=(4, 4, 4)), **change}
    given.setdefault("projections", np.zeros(given["geometry"].shape, np.float32))
    with pytest.raises(InvalidInput) as found:
        fdk(given.pop("projections"), given.pop("geometry"), given.pop("grid"), **given)
    assert text in str(found.value)


def test_weights_of_a_line_add_up():
    """Short scan: weights of the two measurements of one line sum to 1, wherever both are there."""
    geometry = ps.Geometry.circular(views=1000, arc_deg=240, **CIRCLE)
    orbit = orbit_of(geometry)
    weights = line_weights(geometry, orbit) / orbit.step
    both = 0
    for column in range(0, 192, 10):
        fan = orbit.fan[column]
        for view in range(0, 1000, 7):
            sums = []
            for sense in (1.0, -1.0):
                other = abs(orbit.angle[view] - orbit.angle[0]) + np.pi + 2.0 * sense * fan
                at = other / orbit.step
                if at < 999:
                    sums.append(weights[view, column] + np.interp(at, np.arange(1000), weights[:, 191 - column]))
            both += len(sums) == 2 and min(abs(one - 1.0) for one in sums) < 0.01
            if len(sums) == 2:
                assert min(abs(one - 1.0) for one in sums) < 0.01
    assert both > 50
