"""Training of scatter networks: data equal by any workers and stops, the mean found in noise, weights kept whole."""

import json

import numpy as np
import pytest
from surrogate_cases import NOISE, SPEC, cases, cases_but_one, truth_of

import physsim as ps
from physsim.errors import FileFormatError, InvalidInput
from physsim.spec.training import HELD_OUT
from physsim.surrogate.shards import PATIENT, PatientsFailed, make_shards, read_shards, shard_files

torch = pytest.importorskip("torch")
INPUTS = {"channels": [f"map {n}" for n in range(8)], "conditions": [f"number {n}" for n in range(9)]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Card, folder and weights of a small ensemble."""
    from physsim.surrogate.scatter_training import train_scatter

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("training")
    weights = folder / "weights.safetensors"
    return train_scatter(SPEC, cases, folder, weights, inputs=INPUTS), folder, weights


def test_data_are_the_same_by_any_number_of_workers_and_after_a_stop(trained, tmp_path):
    _, folder, _ = trained
    small = SPEC.replace(held_out=1)
    files = make_shards(tmp_path, small, cases, workers=2)
    files[1].unlink()  # stopped before the second file
    before = files[0].stat().st_mtime_ns
    make_shards(tmp_path, small, cases)
    assert files[0].stat().st_mtime_ns == before
    for path in files[:2]:
        assert path.read_bytes() == (folder / "data" / path.name).read_bytes()


def test_a_patient_that_fails_is_named_and_the_other_files_are_made(tmp_path):
    small = SPEC.replace(held_out=1)
    with pytest.raises(PatientsFailed, match="1 patients, number 17 first: ValueError: no such body") as caught:
        make_shards(tmp_path, small, cases_but_one)
    files = list(shard_files(tmp_path, small))
    assert [path.exists() for path in files] == [True, False, True]
    assert list(caught.value.files) == [files[0], files[2]]
    assert make_shards(tmp_path, small, cases) == files  # its cause mended, the rest is made


def test_data_of_another_spec_are_refused(trained):
    _, folder, _ = trained
    with pytest.raises(InvalidInput, match="another spec"):
        make_shards(folder / "data", SPEC.replace(seed=2), cases)
    assert make_shards(folder / "data", SPEC.replace(epochs=99, width=64), cases)  # not what data follow from


def test_held_out_patients_are_never_among_the_training_data(trained):
    card, folder, _ = trained
    numbers = shard_files(folder / "data", SPEC)
    seen = read_shards([path for path, held in numbers.items() if held[0] < HELD_OUT], [PATIENT])[PATIENT]
    unseen = read_shards([path for path, held in numbers.items() if held[0] >= HELD_OUT], [PATIENT])[PATIENT]
    assert set(seen.tolist()) == set(range(SPEC.patients))
    assert set(unseen.tolist()) == set(range(HELD_OUT, HELD_OUT + SPEC.held_out))
    assert card["views"] == len(seen)
    assert card["held_out"]["patients"] == SPEC.held_out


def test_the_mean_is_learned_from_noisy_images(trained):
    """Unseen views against the truth: a third of the noise of a place (it is a seventh of the spread of the truth)."""
    from physsim.surrogate.ensemble import load_ensemble

    card, _, weights = trained
    unseen = [cases(HELD_OUT + n) for n in range(SPEC.held_out)]
    maps, conditions = (np.concatenate([one[name] for one in unseen]) for name in ("maps", "conditions"))
    truth = truth_of(maps.astype(float), conditions)
    guess = load_ensemble(weights).scatter(maps, conditions).mean(axis=0)
    e_s = np.sqrt(((guess - truth) ** 2).mean(axis=(1, 2))) / truth.mean(axis=(1, 2))
    assert e_s.mean() < NOISE / 3.0
    assert abs(float((guess / truth).mean()) - 1.0) < 0.01  # the deviance finds the mean, not the median or the mode
    assert card["held_out"]["mean_clean"] == pytest.approx(float(np.sqrt((e_s**2).mean())), rel=0.25)
    assert card["held_out"]["worst_subgroup"] >= card["held_out"]["mean_clean"] * 0.99


def test_deviance_is_least_where_the_guess_is_the_mean():
    from physsim.surrogate.training import deviance

    told = torch.tensor(np.random.default_rng(3).poisson(2.0, (4000, 1, 1)).astype(np.float32))
    levels = np.linspace(1.6, 2.4, 81)
    cost = [float((deviance(torch.full_like(told, float(one)), told) * one).mean()) for one in levels]
    assert levels[int(np.argmin(cost))] == pytest.approx(float(told.mean()), abs=0.011)


def test_training_goes_on_from_its_checkpoint_as_if_never_stopped(trained, tmp_path):
    from physsim.surrogate.training import NEEDED, train

    _, folder, _ = trained
    numbers = shard_files(folder / "data", SPEC)
    data = read_shards([path for path, held in numbers.items() if held[0] < HELD_OUT], NEEDED)
    some = {name: values[:64] for name, values in data.items()}
    spec = SPEC.replace(epochs=4)
    whole, losses = train(some, spec, 0)

    def stop(stage, share):
        if share >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(some, spec, 0, tmp_path / "kept.safetensors", stop)
    resumed, again = train(some, spec, 0, tmp_path / "kept.safetensors")
    assert len(again) == len(losses) == 4
    np.testing.assert_allclose(again, losses, rtol=1e-4)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        np.testing.assert_allclose(one.detach(), other.detach(), atol=1e-4)


def test_guesses_are_positive_and_in_proportion_to_the_light(trained):
    """Both guesses' channels twice as bright would be twice the scatter, were the other maps alike: the factors see the
    maps, so the light is told apart from the object by construction (maps are over the open signal)."""
    from physsim.surrogate.ensemble import load_ensemble

    found = load_ensemble(trained[2])
    one = cases(HELD_OUT)
    given = (torch.from_numpy(np.asarray(one[name], np.float32)) for name in ("maps", "conditions"))
    with torch.inference_mode():
        maps, conditions = given
        factors = np.stack([net.factors(maps, conditions).double().numpy() for net in found.nets])
    guesses = one["maps"][:, 3:5].astype(float).reshape(-1, 2, 4, 4, 4, 4).mean(axis=(3, 5))
    made = (guesses * np.exp(factors)).sum(axis=2)
    np.testing.assert_allclose(made, found.scatter(one["maps"], one["conditions"]), rtol=1e-4)
    assert (made > 0.0).all()


def test_weights_carry_their_card_and_hash(trained):
    from physsim.surrogate.ensemble import load_ensemble

    card, _, weights = trained
    found = load_ensemble(weights)
    assert found.spec == SPEC
    assert found.card["data_sha256"] == card["data_sha256"]
    assert len(found.digest) == 64
    assert len(found.nets) == SPEC.members


def test_the_card_tells_the_errors_of_the_weights_as_stored(trained, tmp_path):
    """In 16 bits, half as long as checkpoints of 32 without their optimiser; saved again they are the same bytes."""
    from physsim.surrogate.ensemble import load_ensemble, save_ensemble
    from physsim.surrogate.scatter_training import CALIBRATED, held_out_errors

    card, folder, weights = trained
    found = load_ensemble(weights)
    files = shard_files(folder / "data", SPEC)
    unseen = read_shards([path for path, some in files.items() if some[0] >= HELD_OUT],
                         {*CALIBRATED, "person", "technique"})
    assert held_out_errors(found.nets, unseen)["mean_clean"] == card["held_out"]["mean_clean"]
    save_ensemble(tmp_path / "again.safetensors", found.nets, card)
    assert (tmp_path / "again.safetensors").read_bytes() == weights.read_bytes()
    numbers = sum(value.numel() for net in found.nets for value in net.parameters())
    assert weights.stat().st_size - 2 * numbers < 25_000 + len(json.dumps(card))


def test_views_beyond_all_training_get_finite_scatter_and_constants_of_training_do_not_count(trained):
    """A condition that never varied, 1 % off, were 10,000 deviations: its weights were never trained."""
    from physsim.surrogate.network import ScatterNet

    torch.manual_seed(1)
    maps, conditions = torch.rand(32, 5, 16, 16), torch.rand(32, 3)
    conditions[:, 1] = 0.5
    net = ScatterNet(5, 3, 8).eval()
    net.learn_scales(maps, conditions, torch.rand(32, 4, 4))
    torch.nn.init.normal_(net.leave.weight, std=0.1)
    other = conditions.clone()
    other[:, 1] = 0.505
    with torch.inference_mode():
        assert torch.equal(net(maps, other), net(maps, conditions))
        assert not torch.equal(net(maps, other + torch.tensor([0.1, 0.0, 0.0])), net(maps, conditions))
        assert torch.isfinite(net(1e6 * maps, 1e6 * conditions)).all()


@pytest.mark.parametrize("harm", ["cut", "other", "newer", "card"])
def test_weights_that_are_broken_are_refused(trained, tmp_path, harm):
    from safetensors.torch import load, save

    from physsim.surrogate.ensemble import FORMAT, load_ensemble

    path = tmp_path / "broken.safetensors"
    whole = trained[2].read_bytes()
    told = {"format": FORMAT, "format_version": "1", "card": json.dumps({"spec": json.loads(SPEC.to_json()),
                                                                         "inputs": INPUTS})}
    if harm == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "other":
        path.write_bytes(save({"a": torch.zeros(2)}))
    elif harm == "newer":
        path.write_bytes(save(load(whole), told | {"format_version": "99"}))
    else:
        path.write_bytes(save({"0.enter.weight": torch.zeros(2)}, told))
    words = {"cut": "no whole safetensors", "other": "no scatter networks", "newer": "Update physsim",
             "card": "not those of its card"}
    with pytest.raises((FileFormatError, InvalidInput), match=words[harm]):
        load_ensemble(path)


@pytest.mark.parametrize(("fields", "words"), [
    ({"pixels": (50, 48)}, "multiples of 8"),
    ({"stretch": (1.1, 0.9)}, "swapped"),
    ({"family": "knee"}, "family"),
    ({"epoch": 3}, "epochs"),
])
def test_specs_that_make_no_sense_are_refused(fields, words):
    with pytest.raises(InvalidInput, match=words):
        ps.ScatterTraining(**{"family": "chest", "techniques": [{"protocol": "chest_pa"}], **fields})


def test_a_calibration_lies_beside_the_weights_and_says_what_the_network_errs_by(trained):
    """b2 of half of the held-out views against the truth of the same views."""
    from physsim.surrogate.calibration import Calibration
    from physsim.surrogate.ensemble import calibration_file, load_ensemble

    _, _, weights = trained
    found = load_ensemble(weights)
    calibration = Calibration.load(calibration_file(weights), network=found.digest)
    assert calibration.budgets.tolist() == [256.0, 512.0, 1024.0]
    unseen = [cases(HELD_OUT + n) for n in range(SPEC.held_out)]
    maps, conditions = (np.concatenate([one[name] for one in unseen]) for name in ("maps", "conditions"))
    truth = truth_of(maps.astype(float), conditions)
    guess = found.scatter(maps, conditions).mean(axis=0)
    square = (((guess - truth) ** 2).mean(axis=(1, 2)) / truth.mean(axis=(1, 2)) ** 2).mean()
    assert float(calibration.variance.max()) == pytest.approx(square, rel=0.5)
    assert calibration.patients.sum() == 4 * SPEC.held_out  # every other view, of every other patient


def test_no_patient_gives_both_error_and_ranks():
    from physsim.surrogate.scatter_calibration import by_patient

    patient = np.repeat(np.arange(10), [3, 8, 1, 5, 5, 5, 2, 9, 4, 6])
    order = by_patient(patient, 1)
    first, second = set(patient[order[0::2]].tolist()), set(patient[order[1::2]].tolist())
    assert not first & second
    assert len(order) == len(set(order)) == 2 * min(sum(patient % 2 == side) for side in (0, 1))


def test_a_checkpoint_of_another_training_is_refused(trained, tmp_path):
    from physsim.surrogate.training import NEEDED, train

    _, folder, _ = trained
    data = read_shards(list(shard_files(folder / "data", SPEC))[:1], NEEDED)
    spec = SPEC.replace(epochs=1)
    train(data, spec, 0, tmp_path / "kept.safetensors")
    other = data | {"scatter": data["scatter"] * np.float32(1.1)}
    for given, wanted in ((other, spec), (data, spec.replace(learning_rate=1e-3))):
        with pytest.raises(InvalidInput, match="another training"):
            train(given, wanted, 0, tmp_path / "kept.safetensors")


def test_data_of_two_builds_are_refused(tmp_path, monkeypatch):
    from physsim.surrogate.shards import engine_of

    small = SPEC.replace(patients=1, held_out=1)
    files = make_shards(tmp_path, small, cases)
    assert set(engine_of(files)) == {"kernels_sha256", "tables_sha256"}
    files[1].unlink()
    monkeypatch.setattr("physsim.surrogate.shards.kernels_sha256", lambda: "another")
    make_shards(tmp_path, small, cases)
    with pytest.raises(InvalidInput, match="2 builds"):
        engine_of(files)


def test_few_held_out_views_give_no_calibration():
    from physsim.surrogate.scatter_calibration import calibrated

    one = cases(HELD_OUT)
    one[PATIENT] = np.zeros(len(one["scatter"]), np.int64)
    assert calibrated(one["scatter"][None], one, SPEC, "0" * 64, "1" * 64) is None


def test_views_beyond_the_conditions_of_training_are_named(trained):
    from physsim.surrogate.ensemble import load_ensemble

    card, _, weights = trained
    made, ends = load_ensemble(weights), np.array(card["condition_ends"])
    assert made.unknown(ends.mean(axis=1)) == ()
    beyond = ends.mean(axis=1)
    beyond[[0, 7]] = ends[0, 0] - 0.2, ends[7, 1] + 0.2
    assert made.unknown(beyond) == ("number 0", "number 7")


@pytest.mark.parametrize("stride", [(4, 4), (4, 2), (2, 4), (2, 2)])
@pytest.mark.parametrize(("channels", "factors"),
                         [(8, {3: 0.5, 4: 0.2}), (9, {3: 0.3, 8: 0.4}), (12, {4: 0.1, 10: 2.0})])
def test_places_as_fine_as_is_asked_start_from_the_mixture_that_scatter_is(stride, channels, factors):
    """An untrained network, of scatter made of two of its guesses: the others add 2 % of all at most, each."""
    from physsim.surrogate.network import ScatterNet

    torch.manual_seed(1)
    net = ScatterNet(channels, 9, 8, stride)
    maps, conditions = torch.rand(3, channels, 16, 24), torch.rand(3, 9)
    fine = sum(factor * maps[:, guess] for guess, factor in factors.items())
    wanted = fine.reshape(3, 16 // stride[0], stride[0], 24 // stride[1], stride[1]).mean(dim=(2, 4))
    net.learn_scales(maps, conditions, wanted)
    found = net(maps, conditions)
    assert found.shape == wanted.shape
    others = 0.02 * (len(net.guessed) - len(factors))
    np.testing.assert_allclose((found / wanted).detach(), 1.0 + 0.5 * others, atol=0.5 * others + 1e-4)
    assert SPEC.replace(pixels=(16, 24), stride=stride).places == tuple(wanted.shape[1:])
