"""Planes of a photon's picture lie as radiologists look: the patient's left on the right, front or head above."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import physsim as ps
from physsim.imaging.track_picture import track_figure

BOX_MM = 40.0
BONE_MM = np.array((28.0, -28.0, 28.0))  # a block at the left, front and head


def body():
    """Air in a box of 80 mm around the origin, with bone in one corner."""
    grid = ps.Grid(shape=(10, 10, 10), spacing_mm=(8, 8, 8), origin_mm=(-36, -36, -36))
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[7:, :3, 7:] = 1
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("air"), ps.material("bone_cortical_icru44")))


def track_along(axis):
    """A photon through the box's corner of bone along a world axis, by its first collision there."""
    source = np.array(BONE_MM)
    source[axis] = -200.0
    across, along = np.eye(3)[[a for a in range(3) if a != axis]]
    centre = np.array(BONE_MM)
    centre[axis] = 0.0
    field = ps.RectangularField(centre_mm=tuple(centre), across=tuple(across), along=tuple(along), size_mm=(1, 1))
    beam = ps.PhotonSource(spectrum=60, position_mm=tuple(source), field=field)
    for number in range(100):
        track = ps.replay_photon(body(), beam, ps.MonteCarlo(histories=100), number)
        if any(event.material == "bone_cortical_icru44" for event in track.events):
            return track
    raise AssertionError("none of 100 photons met 24 mm of bone")


@pytest.mark.parametrize(
    ("axis", "names"), [(0, ("axial", "coronal")), (1, ("axial", "sagittal")), (2, ("coronal", "sagittal"))]
)
def test_planes_lie_as_radiologists_look(axis, names):
    figure = track_figure(track_along(axis), body())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    grey = np.asarray(canvas.buffer_rgba())[..., :3].mean(axis=2)
    for sheet, name in zip(figure.axes[:2], names, strict=True):
        assert sheet.get_title().startswith(name)
        assert (sheet.get_xlabel(), sheet.get_ylabel()) == {
            "axial": ("x (mm)", "y (mm)"),
            "coronal": ("x (mm)", "z (mm)"),
            "sagittal": ("y (mm)", "z (mm)"),
        }[name]
        right = name != "sagittal"  # where the bone is; it is above in all
        low, high = sheet.transAxes.transform([(0, 0), (1, 1)])
        share = (np.array((36 if right else -36, 36)) / BOX_MM / 1.16 + 1) / 2  # 8 % of margin on each side
        for x in (share[0], 1 - share[0]):
            for y in (share[1], 1 - share[1]):
                column, row = low + (x, y) * (high - low)
                found = grey[int(len(grey) - row), int(column)]
                assert (found < 200) == ((x, y) == tuple(share)), (name, x, y, found)
    widths = [sheet.get_window_extent().width / np.ptp(sheet.get_xlim()) for sheet in figure.axes[:2]]
    heights = [sheet.get_window_extent().height / np.ptp(sheet.get_ylim()) for sheet in figure.axes[:2]]
    assert np.allclose([*widths, *heights], widths[0])  # one scale


def test_overlays_are_drawn_in_place_of_what_they_cover():
    patch = ps.Grid(shape=(24, 8, 8), spacing_mm=(1, 1, 1), origin_mm=(32.5, -39.5, 16.5))
    covered = body().replace(overlays=(ps.Overlay(patch, np.zeros((24, 8, 8), np.uint8)),))
    picture = track_figure(track_along(1), covered).axes[0].images[0].get_array()  # axial, a raster of 0.5 mm
    assert picture.shape == (160, 160)
    bone = np.zeros((160, 160), bool)
    bone[:48, 112:] = True
    bone[:16, 144:] = False
    assert np.array_equal(picture > picture.min(), bone)


def test_nothing_of_the_picture_is_cut():
    """All texts end within the sheet."""
    figure = track_figure(track_along(1), body())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    sheet = figure.bbox
    for axis in figure.axes:
        for text in (*axis.texts, axis.title, axis.xaxis.label, axis.yaxis.label):
            if text.get_text():
                box = text.get_window_extent()
                assert sheet.x0 <= box.x0 <= box.x1 <= sheet.x1, text
                assert sheet.y0 <= box.y0 <= box.y1 <= sheet.y1, text
