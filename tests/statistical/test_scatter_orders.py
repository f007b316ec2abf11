"""The default scatter image against analog transport: every order, the same photons drawn in two quite different ways.

Seeds are fixed; the odds named are those of a run with other seeds.
"""

import dataclasses

import numpy as np
import pytest
from scatter_cases import PROCESSES, compare

import physsim as ps


def aimed(view):
    """The same field as that of scatter images: the outline of the detector."""
    size = tuple(n * pitch for n, pitch in zip((view.columns, view.rows), view.pixel_mm, strict=True))
    return ps.RectangularField(centre_mm=view.centre_mm[0], across=view.u[0], along=view.v[0], size_mm=size)


def both(phantom, view, spectrum, histories, fast, cell_mm, **physics):
    source = ps.PhotonSource(spectrum=spectrum, position_mm=view.source_mm[0], field=aimed(view))
    analog = ps.transport_photons(
        phantom, source, ps.MonteCarlo(histories=histories, **physics), geometry=view, seed=3, threads=2
    )
    run = ps.MonteCarlo(histories=fast, **physics)
    return analog, ps.scatter_image(phantom, view, spectrum, run, seed=5, threads=2, cell_mm=cell_mm)


@pytest.fixture(scope="module")
def water():
    return ps.voxelise(ps.scene("slab60"), spacing_mm=10)


VIEW = ps.Geometry(
    source_mm=[(150, -800, 150)],
    centre_mm=[(150, 300, 150)],
    u=[(1, 0, 0)],
    v=[(0, 0, 1)],
    rows=5,
    columns=6,
    pixel_mm=(50, 60),
)


def test_slab60_in_voxels(water):
    analog, fast = both(water, VIEW, 60.0, 4_000_000, 131_072, None)
    compare(analog, fast, VIEW)
    assert fast.relative_error < 0.01
    assert fast.multiple.interpolation_error < 0.005
    total, fine = analog.total("scatter"), fast.mean()
    assert fine[1] < 0.004 * fine[0]
    assert total.error < 0.003 * total.value


def test_thorax_in_voxels_and_in_cells():
    """Lung, bone, air around the body, 90 kVp; cells of 24 mm shift the total by < 4 %."""
    body = ps.thorax(spacing_mm=8.0)
    centre = np.array(body.grid.origin_mm) + np.array(body.grid.size_mm) / 2
    view = ps.Geometry(
        source_mm=[centre - np.array([0.0, 1500.0, 0.0])],
        centre_mm=[centre + np.array([0.0, 190.0, 0.0])],
        u=[(1, 0, 0)],
        v=[(0, 0, 1)],
        rows=5,
        columns=6,
        pixel_mm=(60, 60),
    )
    spectrum = ps.Spectrum(kvp=90, filters=[("Al", 4.0)])
    analog, fast = both(body, view, spectrum, 1_000_000, 65536, None)
    compare(analog, fast, view)
    coarse = ps.scatter_image(body, view, spectrum, ps.MonteCarlo(histories=65536), seed=5, threads=2, cell_mm=24)
    difference, error = coarse.mean()[0] - fast.mean()[0], np.hypot(coarse.mean()[1], fast.mean()[1])
    assert abs(difference) < 0.04 * fast.mean()[0] + 4 * error


def test_fluorescence_of_iodine_counts_as_multiple():
    """5 % iodine in water at 50 keV: K lines of 28 to 33 keV carry a part of multiple scatter; edges in the beam."""
    mixture = ps.Material(name="iodine water", density_g_cm3=1.0, mass_fractions={"H": 0.1063, "O": 0.8437, "I": 0.05})
    labels = np.zeros((10, 4, 10), np.uint8)
    phantom = ps.Phantom(
        grid=ps.Grid(shape=labels.shape, spacing_mm=(10, 10, 10), origin_mm=(5, 5, 5)),
        labels=labels,
        materials=(mixture,),
    )
    view = ps.Geometry(
        source_mm=[(50, -500, 50)], centre_mm=[(50, 70, 50)], u=[(1, 0, 0)], v=[(0, 0, 1)],
        rows=3, columns=3, pixel_mm=(40, 40),
    )  # fmt: skip
    analog, fast = both(phantom, view, 50.0, 400_000, 65536, None)
    compare(analog, fast, view)
    dark = ps.scatter_image(
        phantom, view, 50.0, ps.MonteCarlo(histories=65536, fluorescence=False), seed=5, threads=2, cell_mm=None
    )
    assert dark.mean(process="multiple")[0] < 0.9 * fast.mean(process="multiple")[0]


def test_a_detector_that_touches_the_phantom(water):
    """No gap: targets near a collision are drawn uniform in solid angle, so that the error stays finite."""
    touching = dataclasses.replace(VIEW, centre_mm=[(150, 200, 150)], pixel_mm=(40, 48))
    analog, fast = both(water, touching, 60.0, 500_000, 65536, None)
    compare(analog, fast, touching, sigmas=4.5)
    assert fast.relative_error < 0.05


def test_errors_are_those_of_repeated_runs(water):
    """Standard errors against the spread of 24 seeds: chi-square of 23 degrees; 1 in 1,000 by chance for each."""
    runs = [
        ps.scatter_image(water, VIEW, 60.0, ps.MonteCarlo(histories=1024), seed=n, threads=1, cell_mm=20)
        for n in range(24)
    ]
    for process in (*PROCESSES, None):
        means = np.array([run.mean(process=process) for run in runs])
        chi = means[:, 0].var(ddof=1) / (means[:, 1] ** 2).mean() * 23
        assert 7 < chi < 50, process


def test_deep_water_in_a_bounded_number_of_events():
    """600 mm of water: splitting by depth would breed tens of thousands of events from one history."""
    labels = np.zeros((10, 10, 30), np.uint8)
    grid = ps.Grid(shape=labels.shape, spacing_mm=(20, 40, 40))
    deep = ps.Phantom(grid=grid, labels=labels, materials=(ps.material("water"),))
    view = ps.Geometry(
        source_mm=[(-600, 180, 180)],
        centre_mm=[(650, 180, 180)],
        u=[(0, 1, 0)],
        v=[(0, 0, 1)],
        rows=10,
        columns=10,
        pixel_mm=(60, 60),
    )
    analog, fast = both(deep, view, 100.0, 400_000, 4096, None)
    assert 2.0 < fast.multiple.events / fast.multiple.histories < 10.0
    area = 36.0 * 100 * 1000.0  # cm2 of 100 pixels, eV a keV
    total, (mean, error) = analog.total("multiple"), fast.mean(process="multiple")
    assert abs(mean - total.value / area) < 4.0 * np.hypot(error, total.error / area)
