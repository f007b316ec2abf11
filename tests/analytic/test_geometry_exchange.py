"""Exported geometries against our own rays: points on a pixel's ray are projected onto that pixel."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.reconstruction.exchange import RTK_FROM_WORLD, astra_geometry, rtk_geometry_xml
from physsim.spec.grid import Grid

SCAN = {"source_axis_mm": 541, "source_detector_mm": 949, "rows": 12, "columns": 30, "pixel_mm": (2.0, 3.0)}
TILTED = ps.Geometry.circular(views=7, **SCAN).moved(
    np.array([[0.8, 0.0, 0.6], [0.36, 0.8, -0.48], [-0.48, 0.6, 0.64]]), (5.0, -7.0, 11.0)
)
GEOMETRIES = {
    "circle": ps.Geometry.circular(views=7, start_deg=20, **SCAN),
    "helix, shifted": ps.Geometry.circular(views=9, arc_deg=700, pitch_mm=30, offset_mm=(4, -6), **SCAN),
    "tilted": TILTED,
    "radiograph": ps.Geometry.radiograph(
        source_detector_mm=1800, detector_object_mm=150, rows=12, columns=30, pixel_mm=2.0, view="LAT"
    ),
    "parallel": ps.Geometry.parallel(views=5, rows=12, columns=30, pixel_mm=(2.0, 3.0)),
}
GRID = Grid(
    shape=(6, 8, 10), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(-3.0, 4.0, 5.0),
    direction=((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
)


def points(geometry, view):
    """Each pixel's row and column, and a point on its ray."""
    start, end = geometry.rays_mm(view)
    row, column = np.meshgrid(np.arange(geometry.rows), np.arange(geometry.columns), indexing="ij")
    return row, column, start + np.linspace(0.2, 0.9, geometry.columns)[:, None] * (end - start)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_astra_vectors_hit_our_pixels(name):
    """Where a ray meets ASTRA's detector, in pixels from its centre, within 1e-9; the window holds the voxels."""
    geometry = GEOMETRIES[name]
    projections, volume = astra_geometry(geometry, GRID)
    vectors = projections["Vectors"]
    assert vectors.shape == (len(geometry), 12)
    assert projections["type"] == ("parallel3d_vec" if name == "parallel" else "cone_vec")
    axes = np.array(GRID.direction)
    for view in range(len(geometry)):
        row, column, place = points(geometry, view)
        first, centre, u, v = vectors[view].reshape(4, 3)
        inside = place @ axes.T
        way = np.broadcast_to(first, inside.shape) if name == "parallel" else inside - first
        system = np.stack(np.broadcast_arrays(u, v, -way), -1)
        found = np.linalg.solve(system, (inside - centre)[..., None])[..., 0]
        assert np.abs(found[..., 0] + 0.5 * (geometry.columns - 1) - column).max() < 1e-9
        assert np.abs(found[..., 1] + 0.5 * (geometry.rows - 1) - row).max() < 1e-9
    option, counts = volume["option"], ("GridColCount", "GridRowCount", "GridSliceCount")
    voxel = (GRID.world_from_voxel @ [3, 2, 1, 1])[:3]
    for i, (axis, count) in enumerate(zip("XYZ", counts, strict=True)):
        step = (option[f"WindowMax{axis}"] - option[f"WindowMin{axis}"]) / volume[count]
        assert option[f"WindowMin{axis}"] + step * ((3, 2, 1)[i] + 0.5) == pytest.approx((axes @ voxel)[i], abs=1e-12)


@pytest.mark.parametrize("name", [one for one in GEOMETRIES if one != "parallel"])
def test_rtk_matrices_hit_our_pixels(name):
    """A point on a pixel's ray, turned to RTK's frame, goes to that pixel by the file's matrix within 1e-7 pixel."""
    geometry = GEOMETRIES[name]
    tree = ElementTree.fromstring(rtk_geometry_xml(geometry))
    assert tree.tag == "RTKThreeDCircularGeometry"
    views = tree.findall("Projection")
    assert len(views) == len(geometry)
    for view, entry in enumerate(views):
        row, column, place = points(geometry, view)
        matrix = np.array(entry.findtext("Matrix").split(), float).reshape(3, 4)
        found = np.concatenate([place @ RTK_FROM_WORLD.T, np.ones((*place.shape[:2], 1))], -1) @ matrix.T
        across, along = found[..., 0] / found[..., 2], found[..., 1] / found[..., 2]
        assert np.abs(across / geometry.pixel_mm[0] + 0.5 * (geometry.columns - 1) - column).max() < 1e-7
        assert np.abs(along / geometry.pixel_mm[1] + 0.5 * (geometry.rows - 1) - row).max() < 1e-7


def test_rtk_angles_of_a_plain_circle():
    """Gantry angles are ours, other angles and offsets 0: RTK's own FDK takes such files."""
    views = ElementTree.fromstring(rtk_geometry_xml(GEOMETRIES["circle"])).findall("Projection")
    for view, entry in enumerate(views):
        value = {child.tag: float(child.text) for child in entry if child.tag != "Matrix"}
        assert value["GantryAngle"] == pytest.approx(20 + view * 360 / 7, abs=1e-9)
        assert value["SourceToIsocenterDistance"] == pytest.approx(541)
        assert value["SourceToDetectorDistance"] == pytest.approx(949)
        for name in ("OutOfPlaneAngle", "InPlaneAngle", "SourceOffsetX", "SourceOffsetY", "ProjectionOffsetX",
                     "ProjectionOffsetY"):
            assert value[name] == pytest.approx(0.0, abs=1e-9)


def test_what_the_others_do_not_know_is_refused():
    curved = ps.Geometry.circular(views=3, curved=True, **SCAN)
    for export in (rtk_geometry_xml, lambda geometry: astra_geometry(geometry, GRID)):
        with pytest.raises(InvalidInput, match="flat"):
            export(curved)
    with pytest.raises(InvalidInput, match="ASTRA"):
        rtk_geometry_xml(GEOMETRIES["parallel"])
    mirrored = ps.Geometry.tomosynthesis(
        views=3, arc_deg=20, source_detector_mm=650, pivot_mm=0, rows=8, columns=8, pixel_mm=1
    )
    with pytest.raises(InvalidInput, match="mirrored"):
        rtk_geometry_xml(mirrored)
