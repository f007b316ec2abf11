"""`physsim bench pix2pix` on made-up data: comparators learn the law, and are judged as the networks are."""

import json

import numpy as np
import pytest
from surrogate_cases import SPEC, cases, truth_of
from typer.testing import CliRunner

from physsim.cli.app import app
from physsim.errors import InvalidInput
from physsim.spec.training import HELD_OUT
from physsim.surrogate.ensemble import save_ensemble
from physsim.surrogate.shards import PATIENT, digest_of, read_shards, shard_files, write_shard

torch = pytest.importorskip("torch")
SMALL = SPEC.replace(patients=24, held_out=6, members=1, shard_patients=24, batch=16)
EPOCHS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data of some patients, and weights that say they were trained on them."""
    from physsim._benchmarks.pix2pix import untrained

    torch.set_num_threads(1)
    made = tmp_path_factory.mktemp("pix2pix")
    (made / "data").mkdir()
    files = shard_files(made / "data", SMALL)
    for path, numbers in files.items():
        write_shard(path, SMALL.data_json(), numbers, [cases(number) for number in numbers])
    seen, unseen = ([path for path in files if (files[path][0] >= HELD_OUT) == held] for held in (False, True))
    net = untrained(read_shards(seen, ("maps", "conditions", "scatter")), SMALL)
    card = {"spec": json.loads(SMALL.to_json()), "data_sha256": digest_of(seen), "held_out_sha256": digest_of(unseen),
            "inputs": {"channels": list("abcdefgh"), "conditions": list("abcdefghi")}}
    save_ensemble(made / "weights.safetensors", [net], card)
    return made


@pytest.fixture(scope="module")
def result(folder):
    from physsim._benchmarks import pix2pix

    return pix2pix.measure(folder / "data", "chest", folder / "weights.safetensors", EPOCHS, folder / "kept",
                           say=lambda text: None)


def _rows(result, job):
    return {row["estimator"]: row for row in result["rows"] if row["job"] == job}


def test_every_estimator_stands_in_the_table(result):
    from physsim._benchmarks import pix2pix, pix2pix_report

    nets = {"guesses", "Pix2Pix, dropout on", "network, one member", *(one.name for one in pix2pix.COMPARATORS)}
    assert set(_rows(result, pix2pix.ALL)) == nets | {"network, 1 members", "Monte Carlo, 256 photons",
                                                      "Monte Carlo, 1024 photons"}
    rows = _rows(result, pix2pix.THINNER)
    assert set(rows) == nets
    assert all(row["outside"] > 0.0 for row in rows.values())
    page = pix2pix_report.markdown(result)
    assert all(f"| {row['estimator']} |" in page for row in result["rows"])
    json.dumps(result)


def test_the_comparator_learns_the_law(folder, result):
    """Against the law itself, at views unseen: two thirds of what the best mixture of the guesses alone errs by."""
    from physsim._benchmarks import pix2pix

    rows = _rows(result, pix2pix.ALL)
    for how in pix2pix.COMPARATORS:
        assert rows[how.name]["e_s"] < rows["guesses"]["e_s"] / 1.5, how.name
    for row in rows.values():
        assert row["worst_views"] > row["e_s"]
    few, many = (rows[f"Monte Carlo, {count} photons"]["e_s"] for count in (256, 1024))
    assert 1.5 < few / many < 3.0  # twice as much from a quarter of the photons


def test_its_error_is_the_card_s(folder, result):
    """The generator as it was kept, through the function that writes a network's card."""
    from physsim._benchmarks import pix2pix
    from physsim._benchmarks.pix2pix_networks import trained

    from physsim.surrogate.scatter_training import held_out_errors

    numbers = shard_files(folder / "data", SMALL)
    known, judged = (read_shards([path for path in numbers if (numbers[path][0] >= HELD_OUT) == held],
                                 pix2pix._JUDGED) for held in (False, True))
    kept = next((folder / "kept").iterdir()) / f"{pix2pix.ALL}_2.pt"
    net, _ = trained(known, SMALL, EPOCHS, pix2pix.COMPARATORS[2], kept)
    found, row = held_out_errors([net], judged), _rows(result, pix2pix.ALL)["Pix2Pix"]
    assert row["e_s"] == found["mean_clean"]
    assert row["worst_subgroup"] == found["worst_subgroup"]
    with torch.inference_mode():
        guess = net(*(torch.from_numpy(judged[name].astype(np.float32)) for name in ("maps", "conditions"))).numpy()
    truth = truth_of(judged["maps"].astype(float), judged["conditions"])
    e_s = np.sqrt(((guess - truth) ** 2).mean(axis=(1, 2))) / truth.mean(axis=(1, 2))
    assert row["e_s"] == pytest.approx(float(np.sqrt((e_s**2).mean())), rel=0.1)


def test_the_heaviest_are_trained_on_by_no_network_of_the_second_job(folder, monkeypatch):
    from physsim._benchmarks import pix2pix

    from physsim.surrogate.scatter_training import body_mass_index

    seen = []

    def spy(data, *rest):
        seen.append(data)
        raise KeyboardInterrupt

    monkeypatch.setattr(pix2pix, "trained", spy)
    files = shard_files(folder / "data", SMALL)
    known, judged = (read_shards([path], pix2pix._JUDGED) for path in files)
    with pytest.raises(KeyboardInterrupt):
        pix2pix._without_the_heaviest(known, judged, SMALL, 1, None, lambda text: None)
    size = {int(one): body_mass_index(known)[known[PATIENT] == one][0] for one in known[PATIENT]}
    lightest = sorted(size, key=size.__getitem__)[:21]  # of 24
    taught = set(seen[0][PATIENT].tolist())
    assert len(taught) == 6  # every fourth of 21
    assert taught <= set(lightest)


def test_training_goes_on_where_it_was_stopped(folder, tmp_path):
    """With its dropout and its critic, to the same weights."""
    from physsim._benchmarks.pix2pix_networks import Comparator, trained

    how = Comparator("Pix2Pix", adversarial=True)
    data = read_shards(list(shard_files(folder / "data", SMALL))[:1], ("maps", "conditions", "scatter", "error"))
    some = {name: values[:48] for name, values in data.items()}
    whole, _ = trained(some, SMALL, 4, how)
    kept = tmp_path / "kept.pt"

    def stopped(*given):
        if kept.exists() and torch.load(kept, weights_only=True)["epochs"] == 2:
            raise KeyboardInterrupt
        return shuffled(*given)

    from physsim._benchmarks import pix2pix_networks

    shuffled = pix2pix_networks.shuffled
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pix2pix_networks, "shuffled", stopped)
        with pytest.raises(KeyboardInterrupt):
            trained(some, SMALL, 4, how, kept)
    resumed, _ = trained(some, SMALL, 4, how, kept)
    for name, value in whole.state_dict().items():
        np.testing.assert_allclose(value, resumed.state_dict()[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("harm", ["other data", "missing", "no weights"])
def test_data_that_are_not_the_weights_are_refused(folder, tmp_path, harm):
    from physsim._benchmarks import pix2pix

    for path, numbers in shard_files(tmp_path, SMALL).items():
        if harm == "other data" or numbers[0] < HELD_OUT:
            write_shard(path, SMALL.data_json(), numbers, [cases(number + 50) for number in numbers])
    words = {"other data": "not those", "missing": "held_", "no weights": "Give --weights"}
    weights = None if harm == "no weights" else folder / "weights.safetensors"
    with pytest.raises(InvalidInput, match=words[harm]):
        pix2pix.measure(tmp_path, "cbct", weights, 1)


def test_the_command_writes_json(tmp_path, monkeypatch):
    from physsim._benchmarks import pix2pix

    small = {"machine": {"cpu": "c"}, "settings": {"threads": 1}, "rows": [], "figures": {}, "notes": {}, "failed": []}
    monkeypatch.setattr(pix2pix, "measure", lambda *_: small)
    made = CliRunner().invoke(app, ["bench", "pix2pix", "--data", str(tmp_path), "--json", "--out",
                                    str(tmp_path / "r.json")])
    assert made.exit_code == 0, made.output
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(made.stdout)
