"""What training has seen: views of fresh patients are rarely called novel, objects of another kind nearly always."""

from dataclasses import replace

import numpy as np
import pytest
from network_cases import calibration

from physsim.errors import FileFormatError, InvalidInput
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.novelty import features, fit_novelty

CHANNELS, SIDE, CONDITIONS, VIEWS = 2, 24, 3, 8
_LINE = np.linspace(-1.0, 1.0, SIDE)


def views(seed, patients, change=lambda maps: maps):
    """Maps of bodies: a broad bump of each patient's own size and place, moved a little from view to view; and
    conditions that follow from them."""
    rng = np.random.default_rng(seed)
    maps, conditions, patient = [], [], []
    for one in range(patients):
        size, place, tall = rng.uniform(0.5, 0.8), rng.normal(0.0, 0.1, 2), rng.uniform(0.8, 1.2)
        for _ in range(VIEWS):
            down, across = place + rng.normal(0.0, 0.03, 2)
            bump = tall * np.exp(-((_LINE[:, None] - down) ** 2 + (_LINE - across) ** 2) / size**2)
            found = np.stack([bump, np.exp(-bump)]) + rng.normal(0.0, 0.003, (CHANNELS, SIDE, SIDE))
            maps.append(change(found))
            conditions.append([size, tall, rng.uniform()])
            patient.append(one)
    return np.array(maps), np.array(conditions), np.array(patient)


@pytest.fixture(scope="module")
def novelty():
    maps, conditions, patient = views(1, 200)
    return fit_novelty(features(maps, conditions), patient, most=24)


def p_values(novelty, seed, patients, change=lambda maps: maps):
    maps, conditions, _ = views(seed, patients, change)
    return np.array([novelty.p_value(*one) for one in zip(maps, conditions, strict=True)])


def test_p_values_of_fresh_patients_are_at_most_as_small_as_they_say(novelty):
    """1,600 views of 200 patients, whose errors go together: 1 and 5 % are found within 3 sigma of 400 free ones."""
    found = p_values(novelty, 2, 200)
    for level in (0.01, 0.05):
        assert np.mean(found <= level) <= level + 3.0 * np.sqrt(level * (1.0 - level) / 400.0)
    assert np.mean(found <= 0.5) > 0.3  # and not all of them say 1


def rod(maps):
    changed = maps.copy()
    changed[0, :, 10:12] += 3.0
    return changed


@pytest.mark.parametrize("change", [rod, lambda maps: np.roll(maps, 9, axis=2), lambda maps: maps[:, ::-1] * 1.5])
def test_other_objects_are_novel(novelty, change):
    """A rod; a body beside the beam's middle; one of half as much attenuation again, turned."""
    assert np.mean(p_values(novelty, 3, 20, change) <= 0.005) > 0.99


def test_a_calibration_keeps_what_training_has_seen(novelty, tmp_path):
    made = replace(calibration("0" * 64, 2.0), novelty=novelty)
    made.save(tmp_path / "c.h5")
    read = Calibration.load(tmp_path / "c.h5")
    maps, conditions, _ = views(4, 20)
    for one in zip(maps, conditions, strict=True):
        assert read.novelty.p_value(*one) == pytest.approx(made.novelty.p_value(*one), abs=0.01)
        assert read.unlike_any(rod(one[0]), one[1])
    assert read.gate_level == 0.005
    assert calibration("0" * 64, 2.0).gate_level == 0.01
    assert not calibration("0" * 64, 2.0).unlike_any(rod(maps[0]), conditions[0])


def test_maps_of_another_network_are_refused(novelty):
    maps, conditions, _ = views(5, 1)
    with pytest.raises(InvalidInput, match="features were calibrated"):
        novelty.p_value(maps[0, :1], conditions[0])


def test_a_calibration_with_half_of_it_is_damaged(novelty, tmp_path):
    from physsim.io.hdf5 import read_layers, write_layers

    path = tmp_path / "c.h5"
    replace(calibration("0" * 64, 2.0), novelty=novelty).save(path)
    file = read_layers(path)
    write_layers(path, {name: layer for name, layer in file.layers.items() if name != "novelty_modes"},
                 dict(file.provenance), overwrite=True)
    with pytest.raises(FileFormatError, match="Calibrate again"):
        Calibration.load(path)
