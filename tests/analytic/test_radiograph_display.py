"""Processing for presentation: what it keeps, raises and holds down, by images with one known contrast each."""

import numpy as np
import pytest

from physsim.errors import InvalidInput
from physsim.imaging import radiograph_display
from physsim.imaging.radiograph_display import displayed

SIZE, PIXEL_MM = 384, 0.5
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE] * PIXEL_MM
EVERYWHERE = np.ones((SIZE, SIZE), np.bool_)


def wave(period_mm, height):
    return height * np.sin(2 * np.pi * COLUMNS / period_mm)


def contrast(image, period_mm):
    """Amplitude of a wave in the middle of an image: least squares on sine and cosine."""
    inner = slice(SIZE // 4, -SIZE // 4)
    phase = 2 * np.pi * COLUMNS[0, inner] / period_mm
    row = np.asarray(image, float)[inner, inner].mean(0)
    parts, *_ = np.linalg.lstsq(np.stack([np.sin(phase), np.cos(phase), np.ones_like(phase)], 1), row, rcond=None)
    return float(np.hypot(*parts[:2]))


def test_the_pyramid_gives_an_image_back(monkeypatch):
    """With nothing raised or held down, levels are the curve of the image itself."""
    monkeypatch.setattr(radiograph_display, "_raised", lambda band: band)
    monkeypatch.setattr(radiograph_display, "_HELD", 1.0)
    image = np.random.default_rng(1).normal(2.0, 0.4, (SIZE, SIZE - 37))
    low, high = np.percentile(image, [1.0, 99.5])
    place = 1.1 * (image - 0.5 * (low + high)) / (0.5 * (high - low))
    expected = 0.5 + 0.5 * place / np.sqrt(1 + place**2) * np.sqrt(1 + 1.1**2) / 1.1
    found = displayed(image, PIXEL_MM, np.ones(image.shape, np.bool_))
    np.testing.assert_allclose(found, np.clip(expected, 0.0, 1.0), atol=2e-6)


def test_faint_waves_gain_on_large_steps():
    """A ramp of 3 (ln) across the field, waves of 10 mm: one of 0.02 gains 1.8 times as much as one of 0.8 at least."""
    gains = []
    for height in (0.02, 0.8):
        image = 2.0 + 3.0 * ROWS / ROWS.max() + wave(10.0, height)
        gains.append(contrast(displayed(image, PIXEL_MM, EVERYWHERE), 10.0) / height)
    assert gains[0] > 1.8 * gains[1]


def test_noise_is_not_raised():
    """Contrast at the finest scale over that of a faint wave of 10 mm falls to 0.6 or less of what it was."""
    numbers = np.random.default_rng(2)
    image = 2.0 + 3.0 * ROWS / ROWS.max() + wave(10.0, 0.05)
    noise = numbers.normal(0.0, 0.01, image.shape)
    with_noise, without = (displayed(one, PIXEL_MM, EVERYWHERE) for one in (image + noise, image))
    fine = np.std((with_noise - without)[96:-96, 96:-96]) / 0.01
    assert fine < 0.6 * contrast(without, 10.0) / 0.05


def test_order_is_kept_across_an_edge():
    """A step of 2 (ln), as of bone beside lung, stays a step: darker on one side, no overshoot beyond 0.12."""
    image = np.where(COLUMNS < 96.0, 1.0, 3.0)
    found = displayed(image, PIXEL_MM, EVERYWHERE).astype(float)
    left, right = found[:, :180], found[:, 204:]
    assert left.max() < right.min()
    assert left.max() - left[:, :20].mean() < 0.12
    assert right[:, -20:].mean() - right.min() < 0.12


@pytest.mark.parametrize(("image", "body"), [
    (np.ones((4, 5, 6)), np.ones((4, 5, 6), np.bool_)), (np.ones((8, 8)), np.ones((8, 7), np.bool_)),
    (np.full((8, 8), np.nan), np.ones((8, 8), np.bool_))])
def test_what_is_no_radiograph_is_refused(image, body):
    with pytest.raises(InvalidInput, match="a radiograph is"):
        displayed(image, PIXEL_MM, body)
