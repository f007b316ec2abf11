"""Single scatter on curved detectors, behind grids, in a thin absorber against a quadrature: scatter_quadrature.py."""

import dataclasses

import numpy as np
import pytest
from scatter_quadrature import CASES, SOURCE_MM, box_phantom, expected

import physsim as ps
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter_image import PROCESSES, single_scatter

SIGMAS = 5.0  # 15 degrees of freedom: 1 in 6,000 by chance
GRID = ps.AntiScatterGrid(ratio=6, lines_per_cm=36, strip_mm=0.05, focal_distance_mm=800.0, cover_mm=0.3, gap_mm=1.0)
FLAT = ps.Geometry(
    source_mm=[SOURCE_MM], centre_mm=[(5, 60, 0)], u=[(1, 0, 0)], v=[(0, 0, 1)], rows=25, columns=25, pixel_mm=(4, 4)
)
CURVED = dataclasses.replace(FLAT, radius_mm=70.0)  # 82 degrees of arc: obliquity and areas count
BENT = GRID.replace(focal_distance_mm=None)
VIEWS = {
    "curved": (CURVED, None, False),
    "curved with grid": (CURVED, BENT, False),
    "curved with rings": (CURVED, GRID.replace(angle_deg=90.0, focal_distance_mm=300.0), False),
    "flat with grid": (FLAT, GRID.replace(angle_deg=30.0, offset_mm=-7.0), False),
    "flat, thin absorber": (FLAT, None, True),
    "curved with grid, thin absorber": (CURVED, BENT, True),
}


def in_csi(energies, slant):
    """Share of the energy absorbed in 0.1 mm of CsI: a third at normal incidence, twice as much at 70 degrees."""
    depth = linear_attenuation_per_mm(ps.material("csi"), energies) * 0.1
    return -np.expm1(-depth * slant)


def arrivals(view, rows, columns):
    """Places (mm) of pixels, and by their axes u, v, normal the frames (pixels, 3, 3) that stand there."""
    pixels = view.pixel_centres_mm(0)[rows, columns]
    frames = np.broadcast_to(np.stack([view.u[0], view.v[0], view.normal[0]]), (len(pixels), 3, 3)).copy()
    if view.radius_mm is not None:
        angle = (columns - 12) * view.pixel_mm[0] / view.radius_mm
        u, n = view.u[0], view.normal[0]
        frames[:, 0] = np.outer(np.cos(angle), u) - np.outer(np.sin(angle), n)
        frames[:, 2] = np.outer(np.cos(angle), n) + np.outer(np.sin(angle), u)
    return pixels, frames


@pytest.mark.parametrize("name", VIEWS)
def test_the_volume_integral_behind_grid_and_on_an_arc(name):
    """5 pixels of two processes: fails 1 in 700 by chance. The quadrature is within 3e-3; pixels are 4 mm wide."""
    view, grid, thin = VIEWS[name]
    boxes, energy = CASES["water"], 60.0
    result = single_scatter(
        box_phantom(boxes, (3.0, 2.0, 5.0)),
        view,
        energy,
        points=2048,
        replicates=16,
        seed=3,
        threads=2,
        anti_scatter_grid=grid,
        response=ResponseTable.of(lambda kev, slant: kev * in_csi(kev, slant)) if thin else None,
    )
    rows, columns = np.array([0, 5, 12, 19, 24]), np.array([0, 17, 12, 4, 24])
    pixels, frames = arrivals(view, rows, columns)
    placed = None if grid is None else grid if view.radius_mm is None else grid.bent(view.radius_mm)

    def share(number, ways, energies):
        along = 4.0 * (rows[number] - 12)
        across = 4.0 * (columns[number] - 12) if view.radius_mm is None else 0.0
        local = ways @ frames[number].T
        through = 1.0 if placed is None else placed.transmission(energies, local, (across, along))
        return through * in_csi(energies, np.linalg.norm(local, axis=-1) / local[..., 2]) if thin else through

    from physsim.spec.source import PhotonSource
    from physsim.transport.scatter_source import solid_angle

    field = PhotonSource.of_view(view, energy).field
    middle = (np.array(field.centre_mm) - SOURCE_MM) / 560.0
    half = 0.5 * np.array(field.size_mm) / 560.0
    omega = solid_angle(middle[[0, 2]] - half, middle[[0, 2]] + half)
    truth = expected(boxes, energy, pixels, frames[:, 2], omega, share=share if thin or grid is not None else None)
    for process in PROCESSES:
        found, error = result.image(process)[rows, columns], result.error(process)[rows, columns]
        assert (np.abs(found - truth[process]) < SIGMAS * error + 3e-3 * truth[process]).all(), found / truth[process]
        assert (error < 0.04 * truth[process]).all()
