"""A network's calibration comes back from its file as it was, and only for its own network."""

import h5py
import numpy as np
import pytest
from hybrid_toy import calibration

from physsim.errors import FileFormatError, InvalidInput, OutputError
from physsim.io.hdf5 import Layer, write_layers
from physsim.surrogate.calibration import Calibration

ARRAYS = ("size_edges_mm", "kvp_edges", "patients", "variance", "covariance", "noise", "spread", "spread_share",
          "budgets", "distances", "ratios", "expected")


@pytest.fixture(scope="module")
def made():
    return calibration(patients=160, seed=2)


def test_round_trip(made, tmp_path):
    made.save(tmp_path / "a.h5")
    made.save(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    back = Calibration.load(tmp_path / "a.h5", network="0" * 64)
    assert (back.network, back.held_out, back.batches) == (made.network, made.held_out, made.batches)
    for name in ARRAYS:
        assert np.array_equal(getattr(back, name), getattr(made, name)), name
    with pytest.raises(OutputError):
        made.save(tmp_path / "a.h5")


def test_of_another_network(made, tmp_path):
    made.save(tmp_path / "a.h5")
    with pytest.raises(FileFormatError, match="the weights are 2222"):
        Calibration.load(tmp_path / "a.h5", network="2" * 64)


def test_broken_files(made, tmp_path):
    made.save(tmp_path / "a.h5")
    whole = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "short.h5").write_bytes(whole[: len(whole) // 2])
    write_layers(tmp_path / "other.h5", {"a": Layer(np.zeros(3), "", ("i",))}, {"kind": "another"})
    for name in ("short.h5", "other.h5"):
        with pytest.raises(FileFormatError):
            Calibration.load(tmp_path / name)
    for change in (lambda file: file.pop("ratios"), lambda file: file.create_dataset("extra", data=[1.0]),
                   lambda file: file["budgets"].__setitem__(0, 1e9), lambda file: file["variance"].__setitem__(0, 0.0),
                   lambda file: file.attrs.modify("provenance", "{}")):
        (tmp_path / "changed.h5").write_bytes(whole)
        with h5py.File(tmp_path / "changed.h5", "r+") as file:
            change(file)
        with pytest.raises(FileFormatError):
            Calibration.load(tmp_path / "changed.h5")


def test_bins(made):
    assert made.bin_of(250.0, 120.0) == (0, 0)
    assert made.bin_of(350.0, 120.0) == (1, 0)
    for outside in ((199.0, 120.0), (400.0, 120.0), (250.0, 99.0), (np.nan, 120.0)):
        assert made.bin_of(*outside) is None


def test_contradictions(made):
    fields = {name: getattr(made, name) for name in (*ARRAYS, "network", "held_out", "batches")}
    for change, text in (({"ratios": made.ratios[1:]}, "ratios of shape"),
                         ({"budgets": made.budgets[::-1]}, "must grow"),
                         ({"variance": 0.0 * made.variance}, "not above 0")):
        with pytest.raises(InvalidInput, match=text):
            Calibration(**{**fields, **change})


def test_too_few_patients():
    with pytest.raises(InvalidInput, match="20 held-out patients"):
        calibration(patients=20)
