"""Scatter by a network and by a hybrid, against Monte Carlo of the same thorax: what is delivered, what is said of it.

The network is a plain one that was never trained: its scatter is 0.7 of the mean of its guesses, some 30 % off.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from network_cases import calibration, plain_weights

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.body import body_box_mm
from physsim.imaging.network_scatter import NetworkGuess, network_guess, weights_for
from physsim.imaging.scatter_maps import CHANNELS, CONDITIONS, open_field, scatter_maps
from physsim.imaging.scattered import signal_responses
from physsim.imaging.technique import contents
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.ensemble import calibration_file, load_ensemble, save_ensemble
from physsim.surrogate.novelty import features, fit_novelty
from physsim.transport.scatter import scatter_scene
from physsim.transport.scatter_optics import optics_of
from physsim.transport.scatter_places import ScatterPlaces

torch = pytest.importorskip("torch")
SPEC = ps.ScatterTraining(family="chest", techniques=[{"protocol": "chest_pa"}], pixels=(16, 16), width=8, members=2)
PROTOCOL = ps.protocols.chest_pa(pixel_mm=5.375, mas=2.0, anti_scatter_grid=None)
RUN = ps.MonteCarlo(histories=1)
pytestmark = pytest.mark.filterwarnings("ignore:.*lies within them")  # of 16 places: `within`, in every stated error


@pytest.fixture(scope="module")
def thorax():
    return ps.thorax(spacing_mm=8.0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Without calibration."""
    return plain_weights(tmp_path_factory.mktemp("weights") / "plain.safetensors", SPEC)


def calibrated(weights, folder, per_cent, times=1.0):
    """A copy, its guesses so many times brighter, beside a calibration that says how much the network errs."""
    path = folder / f"errs_{per_cent}.safetensors"
    other = load_ensemble(weights)
    for net in other.nets:
        torch.nn.init.constant_(net.leave.bias, net.leave.bias[0].item() + float(np.log(times)))
    save_ensemble(path, other.nets, dict(other.card))
    calibration(load_ensemble(path).digest, per_cent).save(calibration_file(path))
    return str(path)


@pytest.fixture(scope="module")
def truth(thorax):
    """(4, 4) scatter over the open field by 2^16 histories: within 0.5 %."""
    view = PROTOCOL.geometry(body_box_mm(thorax), thorax.grid)
    optics = optics_of(view, PROTOCOL.spectrum, PROTOCOL.cathode, PROTOCOL.focal_spot_mm, None,
                       signal_responses(PROTOCOL.detector)[0])
    sums = ScatterPlaces(scatter_scene(thorax, PROTOCOL.spectrum, RUN, 8.0, 2), view, optics, RUN, (4, 4), 77, 2)
    sums.grow_to(2**16)
    shot = ps.simulate(thorax, PROTOCOL, noise=False)
    photons = float(shot["open_photons"].sum(dtype=float)) * (5.375 * 0.1) ** 2
    return sums.batches().mean(axis=0) * photons / shot["open_field"].mean(dtype=float)


def at_places(shot):
    ratio = shot["scatter"][0].astype(float) / shot["open_field"].mean(dtype=float)
    return ratio.reshape(4, 20, 4, 20).mean(axis=(1, 3))


def e_s(found, truth):
    return float(np.sqrt(((found - truth) ** 2).mean()) / truth.mean())


@pytest.fixture(scope="module")
def within(thorax, truth):
    """What is stated of the structure within 4 x 4 places, and how far it really is from Monte Carlo's."""
    shot = ps.simulate(thorax, PROTOCOL, scatter=ps.MonteCarlo(relative_error=0.01), noise=False, seed=8)
    scene = scatter_scene(thorax, PROTOCOL.spectrum, RUN, 8.0, 2)
    view = PROTOCOL.geometry(body_box_mm(thorax), thorax.grid).in_pixels(16, 16)
    maps = scatter_maps(scene, PROTOCOL, view, open_field(PROTOCOL, view), 2)
    image, stated = NetworkGuess(maps, truth, 0.0).image(truth)
    fine = shot["scatter"][0].astype(float).reshape(16, 5, 16, 5).mean(axis=(1, 3))
    return stated, e_s(image, fine / shot["open_field"].mean(dtype=float))


def test_structure_within_places_errs_less_than_is_stated(within):
    stated, found = within
    assert 0.03 < stated < 0.3
    assert found < stated


def test_shapes_are_the_mixture_that_the_places_are():
    """Of two views with unlike shares of four patterns; nothing is taken away where a pattern would have to be."""
    from physsim.imaging.place_shapes import fitted_shapes

    guesses = np.random.default_rng(1).random((2, 4, 8, 12))
    shares = np.array([[0.5, 0.0, 2.0, 0.1], [0.0, 1.0, 0.0, 0.3]])
    fine = np.einsum("vn,vnrc->vrc", shares, guesses)
    places = fine.reshape(2, 4, 2, 6, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(fitted_shapes(places, guesses), fine, rtol=1e-9)
    assert (fitted_shapes(places - 2.0 * guesses[:, :1].mean(), guesses) >= 0.0).all()


def test_images_have_the_means_delivered_where_the_shape_is_nothing():
    """Beside a breast the physics' shape falls to 1e-16 within places where a network still has a little."""
    from physsim.imaging.place_shapes import with_means

    across, away = np.linspace(0.0, 1.0, 40), (np.arange(10) + 0.5) / 10.0
    shape = np.tile(np.exp(-((across / 0.17) ** 2)), (48, 1))
    wanted = np.tile(np.exp(-((away / 0.25) ** 2)) + 1e-5, (24, 1))
    made = with_means(wanted[None], shape[None])[0]
    assert np.isfinite(made).all()
    np.testing.assert_allclose(made.reshape(24, 2, 10, 4).mean(axis=(1, 3)), wanted, atol=1e-3 * wanted.mean())


def test_a_network_alone_delivers_its_guess_and_states_what_held_out_patients_say(thorax, weights, truth, within,
                                                                                  tmp_path):
    path = calibrated(weights, tmp_path, 5)
    shot = ps.simulate(thorax, PROTOCOL, scatter=ps.Surrogate(weights=path), noise=False, seed=2)
    ensemble, _ = weights_for(ps.Surrogate(weights=path), PROTOCOL)
    scene = scatter_scene(thorax, PROTOCOL.spectrum, RUN, 8.0, 2)
    guess = network_guess(ensemble, scene, PROTOCOL, PROTOCOL.geometry(body_box_mm(thorax), thorax.grid), 2)
    assert e_s(at_places(shot), guess.places) < 0.005
    assert np.sqrt(shot.scatter_error**2 - within[0] ** 2) == pytest.approx(0.05, rel=0.3)
    assert shot.provenance.network == ensemble.digest
    assert str(tmp_path) not in shot.provenance.to_json()
    assert 0.005 < guess.spread < 0.02
    assert "network alone, stated to err by" in contents(shot)
    assert e_s(guess.places, truth) > 0.1  # it is a poor network


def test_a_network_that_was_not_calibrated_states_that_nothing_is_known(thorax, weights):
    shot = ps.simulate(thorax, PROTOCOL, scatter=ps.Surrogate(weights=str(weights)), noise=False)
    assert shot.scatter_error >= 1.0


def test_unbiased_is_monte_carlo_within_the_tolerance(thorax, weights, truth):
    run = ps.Hybrid(tolerance=0.05, mode="unbiased", weights=str(weights))
    shot = ps.simulate(thorax, PROTOCOL, scatter=run, noise=False, seed=5)
    (verdict,) = shot.provenance.verdicts
    assert verdict["word"] == "CERTIFIED"
    assert verdict["network"] == ""
    assert verdict["bound"] <= 0.05 < shot.scatter_error
    assert e_s(at_places(shot), truth) < 0.05 + 0.005


def test_a_network_that_errs_far_more_than_it_did_is_rejected(thorax, weights, truth, tmp_path):
    """Three times as bright: the fewest photons see that."""
    run = ps.Hybrid(tolerance=0.05, weights=calibrated(weights, tmp_path, 2, times=3.0))
    shot = ps.simulate(thorax, PROTOCOL, scatter=run, noise=False, seed=5)
    (verdict,) = shot.provenance.verdicts
    assert verdict["word"] == "REJECTED"
    assert verdict["p_value"] <= 0.01
    assert verdict["weight"] == 1.0
    assert e_s(at_places(shot), truth) < 0.05 + 0.005
    assert "REJECTED" in contents(shot)
    assert f"With what lies between places {100 * shot.scatter_error:.2g} %" in contents(shot)


def test_an_object_unlike_any_of_training_is_rejected_before_a_look(thorax, weights, truth, tmp_path):
    """The maps of training: noise about nothing at all."""
    run = ps.Hybrid(tolerance=0.05, weights=calibrated(weights, tmp_path, 2))
    path, rng = calibration_file(Path(run.weights)), np.random.default_rng(1)
    maps = rng.normal(0.0, 0.01, (800, len(CHANNELS), *SPEC.pixels))
    blank = features(maps, rng.uniform(size=(800, len(CONDITIONS))))
    known = Calibration.load(path)
    dataclasses.replace(known, novelty=fit_novelty(blank, np.arange(800))).save(path, overwrite=True)
    shot = ps.simulate(thorax, PROTOCOL, scatter=run, noise=False, seed=5)
    (verdict,) = shot.provenance.verdicts
    assert (verdict["word"], verdict["weight"]) == ("REJECTED", 1.0)
    assert verdict["reason"] == "beyond all training: the object"
    assert "p_value" not in verdict
    assert e_s(at_places(shot), truth) < 0.05 + 0.005
    alone = ps.simulate(thorax, PROTOCOL, scatter=ps.Surrogate(weights=run.weights), noise=False)
    assert alone.scatter_error >= 1.0


def test_images_without_the_network_are_the_same_by_any_network(thorax, weights, tmp_path):
    """Unbiased: other weights change no pixel."""
    from physsim.surrogate.network import ScatterNet

    torch.manual_seed(9)
    wild = [ScatterNet(len(CHANNELS), len(CONDITIONS), SPEC.width) for _ in range(SPEC.members)]
    path = tmp_path / "wild.safetensors"
    save_ensemble(path, wild, dict(load_ensemble(weights).card))
    one, other = (ps.simulate(thorax, PROTOCOL, noise=False, seed=5,
                              scatter=ps.Hybrid(tolerance=0.1, mode="unbiased", weights=str(name)))["scatter"]
                  for name in (weights, path))
    assert (one == other).all()


def test_a_network_that_errs_as_it_did_is_blended(thorax, weights, truth, tmp_path):
    run = ps.Hybrid(tolerance=0.12, weights=calibrated(weights, tmp_path, 40))
    shot = ps.simulate(thorax, PROTOCOL, scatter=run, noise=False, seed=5)
    (verdict,) = shot.provenance.verdicts
    assert verdict["word"] in ("BLENDED", "CERTIFIED")
    assert verdict["p_value"] > 0.01
    assert min(verdict["bound"], verdict.get("error_bar", 1.0)) <= 0.12
    assert e_s(at_places(shot), truth) < 0.12 + 0.005


def test_verdicts_are_in_the_files(thorax, weights, tmp_path):
    from physsim.io.hdf5 import read_provenance

    run = ps.Hybrid(tolerance=0.1, weights=calibrated(weights, tmp_path, 2, times=3.0))
    shot = ps.simulate(thorax, PROTOCOL, scatter=run, seed=5)
    shot.save(tmp_path / "shot.h5")
    (kept,) = read_provenance(tmp_path / "shot.h5")["exposure"]["verdicts"]
    (verdict,) = shot.provenance.verdicts
    assert kept == json.loads(json.dumps(verdict))
    assert {"word", "bound", "p_value", "units", "network"} <= set(kept)
    shot.save(tmp_path / "shot.dcm")
    pydicom = pytest.importorskip("pydicom")
    assert f"Scatter {verdict['word']}" in pydicom.dcmread(tmp_path / "shot.dcm").ImageComments


def test_a_tolerance_out_of_reach_says_how_many_photons_it_takes(thorax, weights):
    run = ps.Hybrid(tolerance=0.005, mode="unbiased", most_histories=8192, weights=str(weights))
    with pytest.warns(UserWarning, match=r"tolerance=0\.005: not reached.*histories"):
        shot = ps.simulate(thorax, PROTOCOL, scatter=run, noise=False)
    assert shot.provenance.verdicts[0]["units_wanted"] > 8192


@pytest.mark.parametrize(("protocol", "run", "words"), [
    (ps.protocols.tomosynthesis(), "surrogate", "none are shipped"),
    (PROTOCOL, "network", "'surrogate', 'hybrid'"),
    (ps.protocols.photon_counting_ct(), "hybrid", "none are shipped"),
    (PROTOCOL, ps.Hybrid(weights="not_there.safetensors"), "not_there"),
])
def test_what_cannot_be_done_is_said(thorax, protocol, run, words):
    with pytest.raises((InvalidInput, FileNotFoundError), match=words):
        ps.simulate(thorax, protocol, scatter=run)


def test_a_hybrid_without_calibration_is_refused(thorax, weights):
    with pytest.raises(InvalidInput, match="no calibration"):
        ps.simulate(thorax, PROTOCOL, scatter=ps.Hybrid(weights=str(weights)))


def test_calibrations_of_other_weights_are_refused(thorax, weights, tmp_path):
    path = calibrated(weights, tmp_path, 2)
    other = load_ensemble(path)
    net = dataclasses.replace(other).nets
    torch.nn.init.constant_(net[0].leave.bias, 0.0)
    save_ensemble(tmp_path / "errs_2.safetensors", net, dict(other.card), overwrite=True)
    with pytest.raises(Exception, match="the weights are"):
        ps.simulate(thorax, PROTOCOL, scatter=ps.Hybrid(weights=path))


@pytest.mark.parametrize(("name", "wrong", "words"), [
    ("channels", (*CHANNELS[:2], "light", *CHANNELS[3:]), "channels that are not made here .'light'"),
    ("conditions", CONDITIONS[::-1], "conditions that are not made here"),
])
def test_networks_of_other_maps_are_refused_by_name(weights, tmp_path, name, wrong, words):
    made, path = load_ensemble(weights), tmp_path / "other.safetensors"
    save_ensemble(path, made.nets, dict(made.card) | {"inputs": {**made.card["inputs"], name: wrong}})
    with pytest.raises(InvalidInput, match=words):
        weights_for(ps.Surrogate(weights=str(path)), PROTOCOL)
