"""Results kept between processes: the same bits, made once; a folder that cannot be used costs time alone."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from physsim.body import growth_fit
from physsim.body.anatomy import canonical_declared, own_numbers
from physsim.body.growth import growth_map
from physsim.body.patient import anatomy
from physsim.io.kept import cache_folder, digest_of_files, kept_numbers

NUMBERS = {"a": 0.1 + 0.2, "b": 1e-310, "c": -0.0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PHYSSIM_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def refused():
    raise AssertionError("made again")


def test_made_once_with_equal_bits(folder):
    assert kept_numbers("kind", "key", lambda: NUMBERS) == NUMBERS
    found = kept_numbers("kind", "key", refused)
    assert {name: value.hex() for name, value in found.items()} == {name: v.hex() for name, v in NUMBERS.items()}
    assert kept_numbers("kind", "another key", lambda: {"a": 2.0}) == {"a": 2.0}
    assert kept_numbers("another kind", "key", lambda: {"a": 3.0}) == {"a": 3.0}
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "key"}', '{"key": "other", "numbers": {"a": 9}}'])
def test_a_damaged_file_is_made_again(folder, text):
    kept_numbers("kind", "key", lambda: NUMBERS)
    (file,) = (folder / "kind").iterdir()
    file.write_text(text)
    assert kept_numbers("kind", "key", lambda: NUMBERS) == NUMBERS
    assert kept_numbers("kind", "key", refused) == NUMBERS


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("PHYSSIM_CACHE", str(tmp_path / "a file"))
    for _ in range(2):
        assert kept_numbers("kind", "key", lambda: NUMBERS) == NUMBERS


def test_it_can_be_switched_off(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PHYSSIM_CACHE", "off")
    assert cache_folder() is None
    kept_numbers("kind", "key", lambda: NUMBERS)
    assert not list(tmp_path.iterdir())
    monkeypatch.delenv("PHYSSIM_CACHE")
    assert cache_folder() == tmp_path / "physsim"


def test_many_may_write_at_once(folder):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: kept_numbers("kind", "key", lambda: NUMBERS), range(64)))
    assert all(one == NUMBERS for one in found)
    assert len(list((folder / "kind").iterdir())) == 1


def test_a_digest_follows_names_and_bytes(tmp_path):
    found = set()
    for name, text in (("a.toml", "1"), ("a.toml", "2"), ("b.toml", "2"), ("b.txt", "3")):
        (tmp_path / name).write_text(text)
        digest_of_files.cache_clear()
        found.add(digest_of_files((tmp_path,), (".toml",)))
    assert len(found) == 3
    digest_of_files.cache_clear()


def test_a_patients_fit_is_found_again(folder, monkeypatch):
    """The fit of a body hangs on its sizes, and not on the person's shapes, breath, heartbeat or lesions."""
    fits = []

    def found(patient, *others):
        fits.append(patient.weight_kg)
        controls = growth_fit.present_controls(canonical_declared())
        return {one.name: 1.0 + 0.001 * len(fits) for one in controls}

    monkeypatch.setattr(growth_fit, "fitted_tissues", found)
    monkeypatch.setattr(growth_fit, "_fitted", type(growth_fit._fitted)())
    first = values(seed=1)
    growth_fit._fitted.clear()  # another process
    assert values(seed=2, respiration=0.5, cardiac=0.3) == first
    assert fits == [85.0]
    assert values(weight_kg=95.0) != first
    assert fits == [85.0, 95.0]


def values(**changes):
    patient = anatomy(**{"sex": "M", "age": 40, "height_cm": 178, "weight_kg": 85.0, "build": 1.0, **changes})
    space = growth_map(patient.sex, patient.age_years, patient.height_cm, patient.build)
    return growth_fit.controls_of(patient, canonical_declared(), space, own_numbers(patient))
