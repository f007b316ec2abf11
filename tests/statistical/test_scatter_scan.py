"""Scatter of a scan between its nodes against scatter images of single views."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput

RUN = ps.MonteCarlo(histories=8192)


def box():
    """Water of 160 x 100 x 80 mm: scatter changes with the angle."""
    labels = np.zeros((8, 10, 16), np.uint8)
    grid = ps.Grid(shape=labels.shape, spacing_mm=(10, 10, 10), origin_mm=(-75, -45, -35))
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("water"),))


def scan(views):
    return ps.Geometry.circular(
        views=views, source_axis_mm=500, source_detector_mm=900, rows=12, columns=30, pixel_mm=(12, 12)
    )


def test_views_between_nodes_are_those_of_direct_images():
    """Two views amid the nodes, image means within 4.5 sigma of each other (1 in 150,000 each) and 2 % of spline."""
    geometry, phantom = scan(64), box()
    found = ps.scatter_scan(phantom, geometry, 60.0, RUN, node_views=32, grid=(10, 6), seed=2, threads=2)
    assert found.node_views.tolist() == list(range(0, 64, 2))
    assert found.interpolation_error < 0.03
    images = found.images([1, 21])
    assert images.shape == (2, 12, 30)
    for number, view in enumerate((1, 21)):
        direct = ps.scatter_image(phantom, geometry[view], 60.0, RUN, seed=9, threads=2)
        mean, error = direct.mean()
        around = np.hypot(error, mean * found.nodes[0].mean()[1] / found.nodes[0].mean()[0])
        assert abs(images[number].mean() - mean) < 4.5 * around + 0.02 * mean
    turned = found.images([0, 16])
    assert abs(turned[0].mean() / turned[1].mean() - 1.0) > 0.05  # the box is not round


def test_nodes_stay_as_they_are_and_arcs_stay_open():
    geometry = scan(64)[:40]
    found = ps.scatter_scan(box(), geometry, 60.0, ps.MonteCarlo(histories=256), node_views=8, grid=(6, 5), threads=1)
    assert found.node_views[0] == 0
    assert found.node_views[-1] == 39
    np.testing.assert_allclose(found.angles[found.node_views], np.eye(8), atol=1e-12)
    np.testing.assert_allclose(found.angles.sum(axis=1), 1.0, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"node_views": 3}, "4 to 64"), ({"grid": (3, 9)}, "4 places"), ({"cell_mm": -1.0}, "width")],
)
def test_bad_input_is_named(change, says):
    with pytest.raises(InvalidInput, match=says):
        ps.scatter_scan(box(), scan(64), 60.0, RUN, **change)
    with pytest.raises(InvalidInput, match="8 at least"):
        ps.scatter_scan(box(), scan(64)[:5], 60.0, RUN)
