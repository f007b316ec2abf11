"""Noise drawn by a network: variance, noise power and mean by the law of its weights, and what the image says of it.

The toy network was never trained: two components that have 0.3 and 0.7 of the sum of squares at any hardness, and 1.2
and 1.5 times the deposit that it tells as third cumulant over variance.
"""

import json

import numpy as np
import pytest
from exposure_cases import slab

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.network_noise import _kernels, network_noise
from physsim.imaging.technique import contents
from physsim.io.hdf5 import read_layers

torch = pytest.importorskip("torch")
TECHNIQUE = {"protocol": "chest_pa", "kvp": (100.0, 140.0), "copper_mm": (0.0, 0.3), "pixel_mm": (0.2, 10.0),
             "signal_kev_mm2": (1e4, 1e7), "water_mm": (0.0, 300.0)}
SPEC = ps.NoiseTraining(techniques=[TECHNIQUE], radius=4, width=8)
SHARES, BENDS = (0.3, 0.7), (1.2, 1.5)
STATED = {"variance": 0.012, "bands": [0.01, 0.03, 0.02]}
SMALL = ps.protocols.chest_pa(pixel_mm=1.0, mas=2.0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    from physsim.surrogate.noise_network import NoiseNet
    from physsim.surrogate.noise_weights import save_noise

    torch.manual_seed(3)
    net = NoiseNet(5, SPEC.components, SPEC.terms, SPEC.radius, SPEC.width)
    torch.nn.init.zeros_(net.noise[-1].weight)
    with torch.no_grad():
        net.noise[-1].bias.copy_(torch.log(torch.tensor(SHARES + BENDS)))
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    save_noise(path, net, {"spec": json.loads(SPEC.to_json()), "hardness": [[-0.2, 0.5]],
                           "held_out": {"subgroups": {"technique 0": STATED}}})
    return path


@pytest.fixture(scope="module")
def known(weights):
    return network_noise(ps.NoiseSurrogate(weights=str(weights)), ps.protocols.chest_pa(mas=1.0))


def transfers(known, size):
    """(components, size, size) of the kernels that are drawn with."""
    found = []
    for kernel in known.kernels:
        whole, padded = kernel.whole(), np.zeros((size, size))
        padded[: len(whole), : len(whole)] = whole
        found.append(np.abs(np.fft.fft2(padded)))
    return np.array(found)


def drawn(known, signal, deposit, shape=(4, 512, 512), seed=5):
    image = np.full(shape, signal, np.float32)
    return known.quanta(image, image * np.float32(deposit), seed=seed).astype(np.float64)


@pytest.mark.parametrize("quanta", [2.0, 20.0, 1e3, 1e6])
def test_the_first_three_cumulants_are_those_of_the_law(known, quanta):
    """A million pixels, of which some five are alike: a variance is known within 0.4 % (of few quanta 0.6 %), skewness
    within 0.006 (of two quanta 0.02); the mean within 5 standard errors."""
    deposit = 1.2 * ps.protocols.chest_pa().spectrum.sample().mean_energy_kev
    signal = quanta * deposit
    noise = drawn(known, signal, deposit)
    wholes = [kernel.whole() for kernel in known.kernels]
    law, third = (signal * deposit ** (n - 1) * sum(share * bend ** (n - 2) * (whole**n).sum()
                  for share, bend, whole in zip(SHARES, BENDS, wholes, strict=True)) for n in (2, 3))
    assert noise.var() == pytest.approx(law, rel=0.02)
    assert abs(noise.mean()) < 5.0 * np.sqrt(signal * deposit / noise.size)
    skewness = (noise**3).mean() / noise.var() ** 1.5
    assert skewness == pytest.approx(third / law**1.5, abs=0.02 if quanta > 10.0 else 0.06)


def test_noise_power_is_the_squared_transfer_of_the_kernels(known):
    """By bands of frequency, of 1,024 patches, through their windows: a band is known within 0.3 %, the lowest within
    1.5 %; kernels are cut at 0.5 %."""
    from physsim.imaging.noise_cases import periodogram
    from physsim.surrogate.noise_network import noise_power
    from physsim.surrogate.noise_training import banded

    energy = ps.protocols.chest_pa().spectrum.sample().mean_energy_kev
    noise = drawn(known, 1e5, energy, shape=(1, 1024, 1024))[0]
    quarters = np.zeros((len(SHARES), SPEC.radius + 1, SPEC.radius + 1))
    for quarter, kernel in zip(quarters, known.kernels, strict=True):
        middle = len(whole := kernel.whole()) // 2
        quarter[: middle + 1, : middle + 1] = whole[middle:, middle:]
    law = noise_power(torch.tensor(quarters)[None], torch.tensor(SHARES)[None], torch.zeros(1), 32).double().numpy()
    ratio = banded(periodogram(noise)[None]) / (1e5 * energy * banded(law))
    assert ratio[0, 0] == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(ratio[0, 1:], 1.0, atol=0.02)


def test_kernels_keep_what_they_do_without_their_ends(weights, known):
    """Against those of the network: sums of 1, transfer functions within 1e-3."""
    from physsim.surrogate.noise_weights import load_noise

    turns = np.linspace(0.0, np.pi, 12)
    told = torch.zeros(1, 5)
    wide = load_noise(weights).net.kernels(told).detach().double().numpy()[0]
    found = load_noise(weights).rows(np.zeros(5))
    for quarter, kernel in zip(wide, _kernels(found), strict=True):
        whole = kernel.whole()
        assert whole.sum() == pytest.approx(1.0, abs=1e-6)
        cosine = np.cos(turns[:, None] * (np.arange(len(whole)) - len(whole) // 2))
        beside = np.cos(turns[:, None] * np.arange(len(quarter))) * (1.0 + (np.arange(len(quarter)) > 0))
        np.testing.assert_allclose(cosine @ whole @ cosine.T, beside @ quarter @ beside.T, atol=1e-3)


def test_no_signal_gives_no_quanta(known):
    dark = np.zeros((1, 64, 64), np.float32)
    assert not known.quanta(dark, dark, seed=1).any()
    assert np.isfinite(known.quanta(dark + 1e5, dark, seed=1)).all()


def test_the_law_is_positive_whatever_the_weights(weights):
    """Gains and powers of a network of random weights, far outside of what it was trained for; together gains are what
    quanta deposit."""
    from physsim.surrogate.noise_network import NoiseNet, noise_power

    for seed in range(5):
        torch.manual_seed(seed)
        net = NoiseNet(5, 3, 2, 5, 8).double()
        for one in net.parameters():
            torch.nn.init.normal_(one, std=1.0)
        told, hardness = 3.0 * torch.randn(20, 5).double(), 3.0 * torch.randn(20).double()
        told[:, 1] = told[:, 1].abs() + 1.0
        kernels, gains = net.kernels(told), net.gains(told, hardness)
        assert (gains >= 0.0).all()
        np.testing.assert_allclose(gains.sum(dim=1).detach(), told[:, 1] * torch.exp(hardness))
        assert (noise_power(kernels, gains, torch.zeros(20), 16) > 0.0).all()
        twice = 1.0 + (torch.arange(6) > 0)
        whole = (kernels * twice[:, None] * twice[None, :]).sum(dim=(-1, -2))
        np.testing.assert_allclose(whole.detach(), 1.0, atol=1e-5)


def test_the_same_bits_for_any_threads(known):
    signal = np.random.default_rng(1).uniform(0.0, 5e3, (2, 90, 110)).astype(np.float32)
    one, two = (known.quanta(signal, signal * 3, seed=7, threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert (known.quanta(signal, signal * 3, seed=8) != one).mean() > 0.99


def test_an_image_says_whose_noise_it_holds(weights, tmp_path):
    """Without the path of the weights; with their hash, the stated errors, and in the words of caption and DICOM."""
    shot = ps.simulate(slab(), SMALL, noise=ps.NoiseSurrogate(weights=str(weights)), seed=3)
    record = shot.provenance
    assert len(record.noise_network) == 64
    assert (record.noise_variance_error, record.noise_power_error) == (0.012, 0.03)
    assert record.noise.startswith("quanta by a network (variance within 1.2 %, power within 3 % (RMS))")
    assert "variance within 1.2 %" in contents(shot)
    assert str(weights.parent) not in record.to_json()
    shot.save(tmp_path / "a.h5")
    assert read_layers(tmp_path / "a.h5").provenance["exposure"]["noise_network"] == record.noise_network
    plain = ps.simulate(slab(), SMALL, seed=3)
    assert plain.provenance.noise_network is None
    assert "noise_network" not in json.loads(plain.provenance.to_json())
    np.testing.assert_array_equal(plain["signal"], shot["signal"])
    assert (plain["image"] != shot["image"]).mean() > 0.7  # numbers are whole
    assert "raw" in shot.layers
    again = ps.simulate(slab(), SMALL, noise=ps.NoiseSurrogate(weights=str(weights)), seed=3)
    np.testing.assert_array_equal(again["image"], shot["image"])


@pytest.mark.parametrize(("changes", "words"), [
    ({"kvp": 70.0}, "kvp=70"),
    ({"pixel_mm": 12.0}, "pixel_mm=12"),
    ({"filters": [("Al", 4.0)]}, "another tube or filter"),
])
def test_what_was_not_trained_is_refused_by_name(weights, changes, words):
    with pytest.raises(InvalidInput, match=f"not trained for {words}"):
        ps.simulate(slab(), SMALL.changed(**changes), noise=ps.NoiseSurrogate(weights=str(weights)))


@pytest.mark.parametrize("hardness", [-0.4, 0.7])
def test_an_image_by_another_beam_than_was_trained_says_so(known, hardness):
    energy = ps.protocols.chest_pa().spectrum.sample().mean_energy_kev
    signal = np.full((1, 10, 10), 50.0, np.float32)
    square = signal * np.float32(energy)
    assert known.judged(signal, square) is known
    square[0, 0, :2] *= np.float32(np.exp(hardness))
    assert known.judged(signal, square).variance_error == 1.0
    assert "in 2 % of the pixels the beam is softer or harder" in known.judged(signal, square).record()["noise"]
    signal[0, 0, :2] = square[0, 0, :2] = 0.0
    assert known.judged(signal, square) is known


@pytest.mark.parametrize("protocol", [ps.protocols.mammogram(), ps.protocols.chest_pa(thickness_mm=0.4)])
def test_a_detector_that_was_not_trained_is_refused(weights, protocol):
    with pytest.raises(InvalidInput, match="its absorber is not among those"):
        network_noise(ps.NoiseSurrogate(weights=str(weights)), protocol)


@pytest.mark.parametrize(("protocol", "noise", "words"), [
    (ps.protocols.chest_ct(), "surrogate", "networks know radiographs so far"),
    (SMALL, "network", "by a network or not at all"),
])
def test_what_no_network_draws_is_refused(protocol, noise, words):
    with pytest.raises(InvalidInput, match=words):
        ps.simulate(slab(), protocol, noise=noise)


def test_a_users_noise_beside_a_networks_is_refused(weights):
    own = ps.Stages(noise=lambda signal, square, first: signal)
    with pytest.raises(InvalidInput, match="noise is drawn by a network"):
        ps.simulate(slab(), SMALL, noise=ps.NoiseSurrogate(weights=str(weights)), stages=own)


def test_a_run_in_toml_may_ask_for_it():
    from physsim.spec.run import Run

    run = {"phantom": {"scene": "water_20cm"}, "protocol": SMALL}
    for noise in ("surrogate", ps.NoiseSurrogate(weights="a.safetensors"), False, True):
        made = Run(**run, noise=noise)
        assert Run.from_toml(made.to_toml()).noise == noise


def test_the_command_refuses_what_has_no_effect(tmp_path):
    from typer.testing import CliRunner

    from physsim.cli.app import app

    out = str(tmp_path / "a.h5")
    for given, words in ((["--noise-by", "surrogate", "--no-noise"], "no effect"),
                         (["--noise-by", "diffusion"], "physics or surrogate")):
        found = CliRunner().invoke(app, ["simulate", "--protocol", "chest_pa", "--out", out, *given])
        assert words in str(found.exception)
    found = CliRunner().invoke(app, ["train", "noise", "radiograph", "--out", str(tmp_path / "a.safetensors")])
    assert "Did you mean 'radiographs'" in str(found.exception)
