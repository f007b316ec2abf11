"""PNG files: exact pixels, read by another package; windows, logarithm, labels; the same bytes for the same input."""

import math

import numpy as np
import pytest
from PIL import Image as Pillow

from physsim import portable
from physsim.errors import InvalidInput, OutputError
from physsim.io.picture import labelled_picture, write_radiograph_png
from physsim.io.png import png_bytes, write_png
from physsim.io.presentation import Window, display_levels, log_attenuation, percentile_window

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("pixels", [
    RNG.integers(0, 256, (7, 5), np.uint8), RNG.integers(0, 65536, (300, 211), np.uint16),
    RNG.integers(0, 256, (7, 5, 3), np.uint8), np.full((1, 1), 65535, np.uint16)])
def test_pillow_reads_the_same_pixels(tmp_path, pixels):
    write_png(tmp_path / "a.png", pixels)
    with Pillow.open(tmp_path / "a.png") as back:
        assert np.array_equal(np.asarray(back), pixels)


def test_physical_size(tmp_path):
    write_png(tmp_path / "a.png", np.zeros((4, 4), np.uint8), pixel_mm=0.2)
    with Pillow.open(tmp_path / "a.png") as back:
        assert back.info["dpi"][0] == pytest.approx(127.0)


@pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)])
def test_what_is_no_picture(pixels):
    with pytest.raises(InvalidInput, match="a PNG is"):
        png_bytes(pixels)


def test_logarithm():
    values = np.concatenate([np.geomspace(1e-300, 1e300, 10_001), 1 + np.linspace(-0.4, 0.5, 10_001), [1.0]])
    exact = np.array([math.log(value) for value in values])
    assert np.abs(portable.log(values) - exact).max() <= 2e-13  # half a unit in the last place of 690
    assert (np.abs(portable.log(values) - exact) <= 4.5e-16 * np.maximum(np.abs(exact), 1)).all()
    assert portable.log(1.0) == 0.0


def test_levels_are_linear_clipped_and_rounded():
    values = np.array([[-1.0, 0.0, 0.5, 1.0, 2.0, 127.4 / 255]])
    assert display_levels(values, Window(0, 1), 8).tolist() == [[0, 0, 128, 255, 255, 127]]
    assert display_levels(values, Window(0, 1), 16)[0, [0, 1, 3, 4]].tolist() == [0, 0, 65535, 65535]
    assert display_levels(values, Window(0, 1), 12).max() == 4095


def test_log_attenuation_is_beer_lambert():
    thickness = np.linspace(0, 20, 50).reshape(5, 10)
    signal = 1e5 * np.exp(-0.2 * thickness)
    assert log_attenuation(signal, 1e5) == pytest.approx(0.2 * thickness, abs=1e-12)
    signal[0, 0] = 0  # a dead pixel takes the smallest signal
    assert log_attenuation(signal, 1e5)[0, 0] == pytest.approx(4.0)


def test_percentile_window():
    image = np.arange(10_001.0).reshape(1, -1)
    assert percentile_window(image, 1, 99) == Window(100.0, 9900.0)
    assert percentile_window(np.full((3, 3), 5.0)) == Window(4.5, 5.5)


def shot():
    y, x = np.mgrid[-1:1:200j, -1:1:700j]
    return 1e4 * np.exp(-3 * np.clip(1 - x**2 - y**2, 0, None))


@pytest.mark.parametrize("bits", [8, 16])
def test_picture_holds_the_exact_pixels(tmp_path, bits):
    signal = shot()
    window = write_radiograph_png(tmp_path / "a.png", signal, 0.5, ["Chest PA, 125 kVp"], open_field=1e4, bits=bits)
    with Pillow.open(tmp_path / "a.png") as back:
        pixels = np.asarray(back)
        assert "Chest PA" in back.info["Description"]
        assert "not for clinical use" in back.info["Description"]
    assert np.array_equal(pixels[:200], display_levels(log_attenuation(signal, 1e4), window, bits))
    assert pixels.dtype == (np.uint8 if bits == 8 else np.uint16)


def longest_white_run(rows):
    return max(len(run) for row in rows for run in "".join("1" if pixel == 255 else " " for pixel in row).split())


def test_scale_bar_has_its_length():
    picture = labelled_picture(np.zeros((200, 700), np.uint8), 0.5, ["x"])
    assert longest_white_run(picture[200:]) == 100 / 0.5  # the longest round length within 30 % of 350 mm is 100 mm


def test_scale_bar_of_an_enlarged_image():
    picture = labelled_picture(np.zeros((50, 100), np.uint8), 4.0, ["x"])
    assert picture.shape[1] == 700
    assert longest_white_run(picture[350:]) == 100 / 4.0 * 7


@pytest.mark.parametrize("background", [0, 255])
def test_side_marker_is_at_the_patients_side(background):
    levels = np.full((200, 700), background, np.uint8)
    plain, right, left, lateral = (labelled_picture(levels, 0.5, ["x"], orientation)[:200] for orientation in (
        None, ("L", "F"), ("R", "F"), ("P", "F")))
    assert (plain == background).all()
    assert (right != left).any()
    assert (right != background).any()
    assert (right[:, 350:] == background).all()  # in the left half, on either background
    assert (lateral == background).all()


def test_long_captions_are_wrapped():
    short = labelled_picture(np.zeros((200, 700), np.uint8), 0.5, ["word " * 4])
    long = labelled_picture(np.zeros((200, 700), np.uint8), 0.5, ["word " * 60])
    assert long.shape[0] > short.shape[0]
    assert (long[200:, -10:] == 0).all()


def test_same_input_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        write_radiograph_png(tmp_path / name, shot(), 0.5, ["caption"], open_field=1e4, patient_orientation=("L", "F"))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_radiograph_png(tmp_path / "a.png", shot(), 0.5, ["caption"])


@pytest.mark.parametrize(("call", "why"), [
    (lambda: Window(2, 1), "window 2 to 1"), (lambda: Window(0, math.nan), "nan"),
    (lambda: display_levels(np.zeros((2, 2)), Window(0, 1), 17), "1 to 16 bits"),
    (lambda: display_levels(np.full((2, 2), np.nan), Window(0, 1)), "4 values that are not finite"),
    (lambda: log_attenuation(np.zeros((2, 2)), 1.0), "above 0"),
    (lambda: log_attenuation(np.ones((2, 2)), 0.0), "above 0"),
    (lambda: percentile_window(np.zeros((2, 2)), 60, 40), "percentiles 60 to 40"),
    (lambda: labelled_picture(np.zeros((2, 2), np.uint8), 0.0, []), "pixel_mm=0"),
    (lambda: write_radiograph_png("x.png", np.ones((2, 2)), 1.0, [], bits=12), "bits=12")])
def test_bad_input(call, why):
    with pytest.raises(InvalidInput, match=why):
        call()
