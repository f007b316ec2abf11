"""What the benchmark of noise networks says of noise whose difference from the truth is known; no speed is asserted."""

import math

import numpy as np
import pytest
from physsim._benchmarks import noise_network, noise_patches

import physsim as ps

SHAPE = (24, noise_patches.SIDE, noise_patches.SIDE)


@pytest.fixture(scope="module")
def three():
    """Three readings of white noise: truth, again, and one more."""
    return np.random.default_rng(2).normal(size=(3, *SHAPE))


def test_errors_are_those_put_in(three):
    """Variance 21 % up: known within 0.55 % in each of 24, their mean square within 0.3 %; and nothing for the same
    noise. Tolerances are four of those."""
    truth, again, third = three
    found = noise_patches.compared(1.1 * third, truth, again)
    assert found["variance"] == pytest.approx(0.21, abs=0.006)
    np.testing.assert_allclose(found["bands_mean"], 0.21, atol=0.1)
    same = noise_patches.compared(third, truth, again)
    assert same["variance"] < 0.005
    assert len(same["bands"]) == 8


def test_noise_of_one_kind_cannot_be_told_apart(three):
    """Areas of 2 x 256 patches are known within 0.026; four of those, of two classifiers: fails 1 in 8,000."""
    truth, _, third = three
    unit = np.ones((SHAPE[0], 1, 1))
    found = noise_patches.told_apart(third, truth, unit, 8)
    assert found["patches"] == 2 * 16 * 16
    assert abs(found["auc"] - 0.5) < 0.104
    assert abs(found["auc_squares"] - 0.5) < 0.104


def test_noise_of_another_kind_can(three):
    """Power of one band 20 % up; and variance that errs by 15 % either way, which only squares tell."""
    truth, _, third = three
    unit = np.ones((SHAPE[0], 1, 1))
    smooth = third + 0.1 * (np.roll(third, 1, axis=1) + np.roll(third, -1, axis=1))
    assert noise_patches.told_apart(smooth, truth, unit, 8)["auc"] > 0.95
    either = third * (1.0 + 0.07 * (-1.0) ** np.arange(SHAPE[0]))[:, None, None]
    found = noise_patches.told_apart(either, truth, unit, 8)
    assert found["auc"] < 0.65
    assert found["auc_squares"] > 0.9


def test_the_diffusion_draws_what_its_denoiser_knows():
    """Normal noise of deviation 0.7, whose best denoiser is a formula: 65,536 pixels tell it within 0.3 %, 50 steps
    within 2 %."""
    torch = pytest.importorskip("torch")
    from physsim._benchmarks.noise_diffusion import Diffusion

    rng = np.random.default_rng(1)
    model = Diffusion(rng.normal(size=(4, 64, 64)), rng.normal(size=(4, 2)), batches=2, batch=2, say=lambda text: None)
    assert np.isfinite(model.drawn(np.zeros((2, 2)), 64, 2, 1)).all()

    def best(x, when, told):
        cosine, sine = math.cos(0.5 * math.pi * float(when[0])), math.sin(0.5 * math.pi * float(when[0]))
        return x * cosine * sine * (1.0 - 0.49) / (0.49 * cosine**2 + sine**2)

    model.net = best
    assert model.drawn(np.zeros((4, 2)), 128, 50, 1).std() == pytest.approx(0.7, rel=0.03)
    assert torch.is_tensor(best(torch.ones(1), [0.5], None))


def test_exposures_are_those_of_the_protocol():
    """Signals and attenuation differ, beam and pixels do not; the network draws for them what the chain does, within
    what is stated and chance."""
    pytest.importorskip("torch")
    given = noise_patches.given("mammogram", 3)
    known = noise_patches.known_noise("mammogram", None)
    assert {one.detector.pixel_mm for one in given.exposures} == {ps.protocols.mammogram().detector.pixel_mm}
    assert len(np.unique(given.told().round(6), axis=0)) == 3
    ratio = given.network(known, 4).var(axis=(1, 2)) / given.chain(1).var(axis=(1, 2))
    np.testing.assert_allclose(ratio, 1.0, atol=4.0 * np.hypot(known.variance_error, 0.008))


def test_the_page_shows_all_rows():
    row = {"job": "chest_pa", "variance": 0.02, "worst_band": 0.03, "ns_a_pixel": 12.0,
           **{f"{name}{end}": 0.51 for name in ("auc", "auc_squares") for end in ("", "_low", "_high")}}
    result = {"machine": noise_network.machine.describe(), "settings": {"threads": 1, "rounds": 3},
              "rows": [row | {"drawn_by": one} for one in ("network", "diffusion")], "figures": {"a": 0.5}, "notes": {}}
    page = noise_network.markdown(result)
    assert "| chest_pa | network | 2 | 3 | 0.510 (0.510 to 0.510)" in page
    assert "| chest_pa | diffusion |" in page
    assert "- a: 0.5" in page
