"""Training of noise networks: the law found in periodograms of few patches, errors stated as they are, weights kept
whole."""

import json

import numpy as np
import pytest
from noise_toy import BROAD, SPEC, TECHNIQUE, cases

import physsim as ps
from physsim.errors import FileFormatError, InvalidInput
from physsim.spec.training import HELD_OUT
from physsim.surrogate.noise_training import BANDS, banded, bands_of, noise_errors
from physsim.surrogate.shards import PATIENT

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Card, folder and weights."""
    from physsim.surrogate.noise_training import train_noise

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("noise")
    weights = folder / "weights.safetensors"
    return train_noise(SPEC, cases, folder, weights, command="physsim train noise toy.toml"), folder, weights


@pytest.fixture(scope="module")
def unseen():
    """Exposures of beams held out."""
    made = [cases(HELD_OUT + n) for n in range(SPEC.held_out)]
    return {name: np.concatenate([one[name] for one in made]) for name in made[0]}


def test_expected_periodograms_are_those_of_the_autocovariance():
    """By convolution and an explicit sum over pairs of pixels, to 1e-5."""
    from physsim.surrogate.noise_network import noise_power

    quarter = np.array([[0.3, 0.1, 0.02], [0.1, 0.05, 0.01], [0.02, 0.01, 0.0]])
    whole = np.block([[quarter[:0:-1, :0:-1], quarter[:0:-1]], [quarter[:, :0:-1], quarter]])
    n, gain, white = 8, 50.0, 3.0
    padded = np.zeros((16, 16))
    padded[:5, :5] = whole
    covariance = gain * np.fft.ifft2(np.abs(np.fft.fft2(padded)) ** 2).real
    covariance[0, 0] += white
    pixels = np.arange(n)
    turn = np.exp(-2j * np.pi * np.outer(pixels, pixels) / n)
    apart = (pixels[:, None] - pixels[None, :]) % 16
    wanted = np.zeros((n, n))
    for u in range(n):
        along = turn[u][:, None] * turn[u].conj()[None, :]
        by_rows = np.array([[(along * covariance[apart, (b - a) % 16]).sum() for b in pixels] for a in pixels])
        for v in range(n):
            across = turn[v].conj()[:, None] * turn[v][None, :]
            wanted[u, v] = (across * by_rows).sum().real / n**2
    tensors = [torch.tensor(one, dtype=torch.float32)[None] for one in (quarter[None], [gain])]
    found = noise_power(*tensors, torch.tensor([white]), n)[0].numpy()
    np.testing.assert_allclose(found, wanted, rtol=2e-5)
    assert found.mean() == pytest.approx(gain * (whole**2).sum() + white, rel=1e-5)  # Parseval: the variance


def test_the_law_is_found_and_the_stated_error_is_the_true_one(trained, unseen):
    """Against the variance that made the data: within 3 %, and 1.5 times what is stated."""
    from physsim.surrogate.noise_fit import expected_noise
    from physsim.surrogate.noise_weights import load_noise

    guess, third = expected_noise(load_noise(trained[2]).net, unseen)
    np.testing.assert_allclose(third, unseen["third_kev3"], rtol=0.05)
    error = guess.mean(axis=(1, 2)) / unseen["truth"] - 1.0
    true = float(np.sqrt((error**2).mean()))
    stated = trained[0]["held_out"]
    assert true < 0.03
    assert true < 1.5 * stated["variance"]
    assert abs(float(error.mean())) < 0.015
    assert max(stated["bands"]) < 0.05
    assert stated["third"] < 0.03
    assert stated["bias"] == pytest.approx(1.0, abs=0.25)  # of 128 means: 4 standard errors


def test_kernels_are_those_that_spread_the_noise(trained):
    """Noise power over frequency of the two components together, as told by the law: within 5 %."""
    from noise_toy import law

    from physsim.surrogate.noise_weights import load_noise

    net = load_noise(trained[2]).net
    told, hardness = torch.tensor([[103.0, 55.0, 10.0, -1.0, 1.0]] * 2), torch.tensor([0.1, 0.4])
    with torch.inference_mode():
        kernels, gains = net.kernels(told).double().numpy()[0], net.gains(told, hardness).double().numpy()
    turns = np.cos(2.0 * np.pi * np.outer(np.arange(17) / 32.0, np.arange(SPEC.radius + 1)))
    turns[:, 1:] *= 2.0
    transfer = np.einsum("ui,kij,vj->kuv", turns, kernels, turns)
    np.testing.assert_allclose(transfer[:, 0, 0], 1.0, atol=1e-5)
    along = 0.5 + 0.5 * np.cos(2.0 * np.pi * np.arange(17) / 32.0)
    for hard, gain in zip((0.1, 0.4), gains, strict=True):
        power = (gain[:, None, None] * transfer**2).sum(axis=0)
        fine, broad = law(55.0, hard)
        np.testing.assert_allclose(power, fine + broad * np.outer(along, along) ** 2, rtol=0.08)
    assert BROAD.sum() == pytest.approx(1.0)


def test_whittle_is_least_where_the_guess_is_the_mean():
    from physsim.surrogate.noise_fit import whittle

    told = torch.tensor(np.random.default_rng(3).exponential(2.0, (1, 200, 200)).astype(np.float32))
    levels = np.linspace(1.6, 2.4, 81)
    cost = [float((torch.log(torch.tensor(one)) + told / one).mean()) for one in levels]
    ours = [float(whittle(torch.full_like(told, float(one)), told)[0]) for one in levels]
    assert np.argmin(ours) == np.argmin(cost)
    assert levels[int(np.argmin(ours))] == pytest.approx(float(told.mean()), abs=0.011)
    assert float(whittle(told, told)[0]) == pytest.approx(0.0, abs=1e-6)


def test_errors_are_what_a_guess_is_off_by():
    """A guess 10 % too high in variance, and 20 % in one band, of exponential truth in 128 patches of 200 beams. Powers
    of frequencies near 0 are known within 4 % in each, their mean error within 0.3 %; tolerances are three of those."""
    rng = np.random.default_rng(8)
    power = 1.0 + 3.0 * (bands_of(32) < 2)
    truth = power * rng.gamma(64.0, 1.0 / 64.0, (200, 32, 32))
    truth = 0.5 * (truth + np.roll(truth[:, ::-1, ::-1], 1, axis=(1, 2)))  # opposite frequencies are one
    data = {"power": truth, "patches": np.full(200, 128), "bias": rng.normal(size=200) * np.sqrt(4.0 / 128 / 1024),
            "signal_kev": np.ones(200), "third_kev3": np.full(200, 5.0),
            "drawn": np.tile([100.0, 0.2, 50.0, 0.1], (200, 1)),
            "technique": np.zeros(200), PATIENT: np.arange(200)}
    fair = noise_errors(np.tile(power, (200, 1, 1)), np.full(200, 4.0), data)
    assert fair["third"] == pytest.approx(0.25, abs=1e-6)
    assert fair["variance"] < 4e-3
    assert max(fair["bands"]) < 0.025  # 4 % times the fourth root of what is left by 200
    assert fair["bias"] == pytest.approx(1.0, abs=0.15)  # three standard errors
    off = np.tile(power * 1.1, (200, 1, 1))
    off[:, bands_of(32) == 5] *= 1.2 / 1.1
    found = noise_errors(off, np.full(200, 5.0), data)
    assert found["bands"][0] == pytest.approx(1.0 - 1.0 / 1.1, abs=0.01)
    assert found["bands"][5] == pytest.approx(1.0 - 1.0 / 1.2, abs=3e-3)
    few = {name: one[:8] for name, one in data.items()}
    assert noise_errors(np.tile(power, (8, 1, 1)), np.full(8, 5.0), few)["variance"] > fair["variance"]
    assert banded(off).shape == (200, BANDS)
    assert found["worst_band"] >= max(found["bands"])


def test_held_out_beams_are_never_among_the_training_data(trained):
    from physsim.surrogate.shards import read_shards, shard_files

    card, folder, _ = trained
    numbers = shard_files(folder / "data", SPEC)
    seen = read_shards([path for path, held in numbers.items() if held[0] < HELD_OUT], ["held_out", PATIENT])
    assert set(seen[PATIENT].tolist()) == set(range(SPEC.beams))
    assert not seen["held_out"].any()
    assert card["exposures"] == len(seen[PATIENT])
    assert card["held_out"]["beams"] == SPEC.held_out


def test_training_goes_on_from_its_checkpoint_as_if_never_stopped(trained, tmp_path):
    from physsim.surrogate.noise_fit import NEEDED, fit_noise
    from physsim.surrogate.shards import read_shards, shard_files

    data = read_shards(list(shard_files(trained[1] / "data", SPEC))[:1], NEEDED)
    spec = SPEC.replace(epochs=4)
    whole, losses = fit_noise(data, spec)

    def stop(stage, share):
        if share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_noise(data, spec, tmp_path / "kept.safetensors", stop)
    resumed, again = fit_noise(data, spec, tmp_path / "kept.safetensors")
    np.testing.assert_allclose(again, losses, rtol=1e-4)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        np.testing.assert_allclose(one.detach(), other.detach(), atol=1e-4)
    with pytest.raises(InvalidInput, match="another training"):
        fit_noise(data | {"hardness": data["hardness"] + 1.0}, spec, tmp_path / "kept.safetensors")


@pytest.mark.parametrize("harm", ["cut", "other", "scatter", "older", "newer", "card"])
def test_weights_that_are_broken_are_refused(trained, tmp_path, harm):
    from safetensors.torch import load, save

    from physsim.surrogate.noise_weights import FORMAT, load_noise

    path, whole = tmp_path / "broken.safetensors", trained[2].read_bytes()
    told = {"format": FORMAT, "format_version": "2", "card": json.dumps(trained[0])}
    if harm == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "other":
        path.write_bytes(save({"a": torch.zeros(2)}))
    elif harm == "scatter":
        path.write_bytes(save(load(whole), told | {"format": "physsim scatter networks"}))
    elif harm == "older":
        path.write_bytes(save(load(whole), told | {"format_version": "1"}))
    elif harm == "newer":
        path.write_bytes(save(load(whole), told | {"format_version": "99"}))
    else:
        path.write_bytes(save({"condition_mean": torch.zeros(6)}, told))
    words = {"cut": "no whole safetensors", "other": "no noise networks", "scatter": "no noise networks",
             "older": "Train it again", "newer": "Update physsim", "card": "not those of its card"}
    with pytest.raises((FileFormatError, InvalidInput), match=words[harm]):
        load_noise(path)


@pytest.mark.parametrize(("fields", "words"), [
    ({"held_out_pixels": 100}, "multiple of 32"),
    ({"radius": 16}, "radius"),
    ({"patients": 3}, "no such key"),
    ({"techniques": [TECHNIQUE | {"kvp": (140.0, 60.0)}]}, "swapped"),
    ({"techniques": [TECHNIQUE | {"signal_kev_mm2": (0.0, 1.0)}]}, "above 0"),
    ({"techniques": []}, "techniques"),
])
def test_specs_that_make_no_sense_are_refused(fields, words):
    with pytest.raises(InvalidInput, match=words):
        ps.NoiseTraining(**{"techniques": [TECHNIQUE], **fields})
