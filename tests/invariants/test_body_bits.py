"""A body's voxels have equal bits over threads and instruction sets, and every spacing shows the same person."""

import hashlib

import numpy as np
import pytest

from physsim import _engine
from physsim.body.body import Body
from physsim.body.voxelise import voxelise_body

DECLARED = {
    "numbers": {"r": 14},
    "noise": [{"name": "a", "wavelengths_mm": [60, 120]}, {"name": "fine", "wavelengths_mm": [4, 12], "beta": 2}],
    "warp": [{"name": "soft", "x": "1.5 * noise('a')", "y": "sin(0.05 * z)"}],
    "field": [{"name": "cut", "parts": [{"height": "20 + 0.3 * x - 0.004 * y ** 2 + 6 * exp(-(x / 9) ** 2)"}]}],
    "structure": [
        {"name": "trunk", "order": 1, "warp": "soft", "layers": [{"material": "skin"},
         {"depth_mm": "3 + 2 * s(z / 9)", "material": "muscle", "density": "1 + 0.1 * noise('fine')",
          "mix": {"material": "adipose", "fraction": "clip(noise('fine'), 0, 1)"}}],
         "parts": [
            {"loft": {"sections": [[-40, 40, -30, 30, 2, 2.5], [0, 44, -36, 30, 2.3, 2], [45, 30, -20, 22, 2, 2]],
                      "notch": [[-40, 4], [40, 6]]}},
            {"tube": {"points": [[-40, 0, 0], [0, 30, 10], [40, 0, -20]], "radius": [5, "r", 4]}, "blend_mm": 9}]},
        {"name": "bones", "order": 3, "cortex_mm": 1.5, "pair": True,
         "layers": [{"material": "bone"}, {"depth_mm": "cortex", "material": "spongiosa"}], "parts": [
            {"tube": {"points": [[5, 0, -30], [20, 9, 0], [25, 0, 30]], "radii": [[4, 7]], "normal": [1, 0, 0]},
             "organ": "{side} rod"},
            {"surface": {"rows": [[[10, -20, 0], [20, -10, 9]], [[10, 0, 20], [22, 8, 24]]], "thickness": 3}},
            {"plate": {"polygon": [[8, 9, -9], [30, 9, -9], [30, 9, 12]], "thickness": 4, "rounding_mm": 1}}]},
        {"name": "ball", "order": 2, "material": "liver", "inside": ["cut + 2"], "clip_blend_mm": 4, "scale": 1.2,
         "parts": [{"ellipsoid": {"centre": [0, -5, 5], "semi": [18, 14, 22], "turn_deg": [10, 20, 30], "n": 2.5}}]},
        {"name": "tree", "order": 4, "material": "blood",
         "parts": [{"branches": [[-30, 0, 0, 0.4, 30, 9, 4, 1.4], [0, -30, 0, 2, 4, 30, 8, 1]]}]},
    ],
}


def digest(phantom):
    arrays = (phantom.labels, phantom.density, phantom.truth.organ_labels)
    found = hashlib.sha256(b"".join(array.tobytes() for array in arrays))
    found.update(repr(phantom.truth.organs).encode())
    return found.hexdigest()


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_bit(monkeypatch, threads):
    body = Body.of(DECLARED, seed=4)
    many = voxelise_body(body, 1.3)
    monkeypatch.setenv("PHYSSIM_THREADS", str(threads))
    assert digest(voxelise_body(body, 1.3)) == digest(many)


@pytest.mark.parametrize("name", _engine.instruction_sets())
def test_equal_bits_of_all_instruction_sets(monkeypatch, name):
    body = Body.of(DECLARED, seed=4)
    best = digest(voxelise_body(body, 1.3))
    monkeypatch.setenv("PHYSSIM_ISA", name)
    assert digest(voxelise_body(Body.of(DECLARED, seed=4), 1.3)) == best  # its warps are tabulated by them, too


def test_density_is_rounded_as_numpy_does():
    body = Body.of(DECLARED, seed=4)
    exact = voxelise_body(body, 1.3, density_dtype=np.float32).density
    assert np.array_equal(voxelise_body(body, 1.3).density, exact.astype(np.float16))


# Thinner than the voxels below, or what thin walls leave over.
SHEETS = {"intermuscular fat", "diaphragm", "pericardial fat", "spinal canal"}


@pytest.fixture(scope="module")
def trunks():
    """Truth of one trunk at 2 and at 3 mm."""
    body = Body.load("adult_trunk", seed=1)
    return [voxelise_body(body, spacing, vanishing="keep").truth for spacing in (2.0, 3.0)]


def keeps_its_volume(organ, coarse):
    """From 2 to 3 mm, organs of more than 150 ml keep their volumes within 0.6 %, those of more than 20 ml in 2 %."""
    limit = 6e-3 if organ.volume_mm3 > 150e3 and "wall" not in organ.name else 2e-2
    assert coarse.organ(organ.name).volume_mm3 == pytest.approx(organ.volume_mm3, rel=limit), organ.name


def test_the_same_person_at_every_spacing(trunks):
    fine, coarse = trunks
    organs = [organ for organ in fine.organs[1:] if organ.volume_mm3 > 20e3 and organ.name not in SHEETS]
    assert len(organs) > 40
    for organ in organs:
        if organ.name != "visceral fat":
            keeps_its_volume(organ, coarse)


@pytest.mark.xfail(reason="gains 0.74 %: the coverage of sheets hardly thicker than a voxel is too small", strict=True)
def test_visceral_fat_is_the_same_at_every_spacing(trunks):
    """It lies about the diaphragm, whose two faces bend each other's mean distance: the sheet loses 6.5 % at 3 mm."""
    fine, coarse = trunks
    keeps_its_volume(fine.organ("visceral fat"), coarse)


def test_a_pair_is_two_mirrored_organs():
    body = Body.of({"structure": [{"name": "kidney", "order": 1, "pair": True, "material": "liver", "parts": [
        {"ellipsoid": {"centre": [50, 3, 2], "semi": [20, 15, 30], "turn_deg": [0, 20, 10]}}]}]})  # fmt: skip
    phantom = voxelise_body(body, 2.0)
    assert body.organs == ("background", "left kidney", "right kidney")
    left, right = (phantom.truth.organ(f"{side} kidney").volume_mm3 for side in ("left", "right"))
    assert left == pytest.approx(right, rel=1e-4)
    where = np.argwhere(phantom.truth.mask("left kidney"))
    assert (phantom.grid.origin_mm[0] + 2 * where[:, 2] > 0).all()


def test_noise_has_its_rms_and_its_seed():
    parts = [{"distance": "noise('n')"}]
    noises = [{"name": "n", "wavelengths_mm": [5, 40], "beta": 2.5, "rms": 1.7}]
    points = np.random.default_rng(0).uniform(-400, 400, (60000, 3))
    values = []
    for seed in (1, 2):
        body = Body.of({"noise": noises, "field": [{"name": "f", "parts": parts}]}, seed=seed)
        values.append(body.program.distance(points, field=0))
        assert abs(values[-1].mean()) < 0.15  # 8000 cells of the longest wave: 0.02; fails less than 1 in a million
        assert values[-1].std() == pytest.approx(1.7, rel=0.04)
    assert abs(np.corrcoef(values)[0, 1]) < 0.05
