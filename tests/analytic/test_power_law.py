"""The exponent of images whose power spectrum is known."""

import numpy as np
import pytest

from physsim.errors import InvalidInput
from physsim.evaluate.power_law import power_law_exponent


@pytest.mark.parametrize("beta", [1.8, 3.1])
def test_exponent_of_a_made_power_law(beta):
    """Within 0.15: a window of 3 periods of the lowest frequency leaks a little of a steep law into its neighbours."""
    rng = np.random.default_rng(3)
    k = np.hypot(np.fft.fftfreq(512, 0.25)[:, None], np.fft.fftfreq(512, 0.25)[None, :])
    k[0, 0] = np.inf
    image = np.fft.ifft2(np.fft.fft2(rng.normal(size=(512, 512))) * k ** (-beta / 2)).real
    found, windows = power_law_exponent(image, 0.25, np.ones(image.shape, bool))
    assert windows == 81
    assert found == pytest.approx(beta, abs=0.15)


def test_no_room_for_a_window():
    with pytest.raises(InvalidInput, match=r"window_mm=25.6: no such window"):
        power_law_exponent(np.zeros((50, 50)), 0.25, np.ones((50, 50), bool))
