"""Damaged files of every format raise PhyssimError and nothing else; all inputs begin as a valid file."""


import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physsim.errors import PhyssimError
from physsim.io.image import Image
from physsim.io.volume import read_volume, write_volume

ENDINGS = (".nii", ".nii.gz", ".mhd", ".mha", ".h5", ".toml")


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")
    image = Image(np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7), (0.5, 1.0, 2.0))
    for ending in ENDINGS:
        write_volume(folder / f"v{ending}", image)
        if (folder / "v.raw").exists():
            (folder / "v.raw").replace(folder / f"raw{ending}")
    return folder


def mutate(data, edits, cut, doubled):
    whole = bytearray(data)
    for place, value in edits:
        whole[int(place * len(whole))] = value
    if cut is not None:
        del whole[int(cut * len(whole)):]
    return bytes(whole) + (bytes(whole[:doubled]) if doubled else b"")


EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=150, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, front=st.booleans(), cut=st.none() | st.floats(0, 1), doubled=st.integers(0, 3), noise=st.binary())
def test_mutated_files(valid, tmp_path, ending, edits, front, cut, doubled, noise):
    if front:  # headers are at the front: half of the edits go there
        edits = [(place * 0.2, value) for place, value in edits]
    data = mutate((valid / f"v{ending}").read_bytes(), edits, cut, doubled)
    path = tmp_path / f"v{ending}"
    path.write_bytes(noise if len(noise) > 40 else data)
    if (valid / f"raw{ending}").exists():
        (tmp_path / "v.raw").write_bytes((valid / f"raw{ending}").read_bytes())
    try:
        image = read_volume(path)
    except PhyssimError:
        pass
    else:
        assert image.array.ndim == 3
        assert np.asarray(image.array).nbytes < 10**6
