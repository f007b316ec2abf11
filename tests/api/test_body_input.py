"""What an author of anatomy gets wrong: the message names file, structure and what was meant."""

import math

import pytest

from physsim.body.body import Body
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput

BALL = {"ellipsoid": {"centre": [0, 0, 0], "semi": [9, 9, 9]}}
CAVITY = {"name": "cavity", "parts": [BALL]}


def declared(parts=(BALL,), material="water", **fields):
    more = {key: fields.pop(key) for key in ("field", "noise", "numbers") if key in fields}
    return {**more, "structure": [{"name": "thing", "order": 1, "material": material, "parts": list(parts), **fields}]}


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"structur": []}, ["structur", "Did you mean 'structure'"]),
        (declared(material="livr"), ["structure 'thing'", "livr", "liver"]),
        (declared(wrap="soft"), ["structure 'thing'", "wrap", "Did you mean 'warp'"]),
        (declared(warp="sofd", noise=[]), ["structure 'thing'", "warp 'sofd'", "no such warp"]),
        (declared(texture="bony"), ["structure 'thing'", "texture 'bony'"]),
        (declared(inside=["cavty + 3"], field=[CAVITY]), ["cavty", "Did you mean 'cavity'"]),
        (declared([{"field": "cavty"}], field=[CAVITY]), ["cavty", "Did you mean 'cavity'"]),
        (declared([{"distance": "sqr(x)"}]), ["structure 'thing'", "sqr()", "Did you mean 'sqrt'"]),
        (declared([{"distance": "x - raduis"}], numbers={"radius": 3}), ["raduis", "Did you mean 'radius'"]),
        (declared([{"distance": "noise('fin')"}], noise=[{"name": "fine", "wavelengths_mm": [4, 8]}]), ["fin", "fine"]),
        (declared([{"distance": "table(x, 'fat')"}]), ["table 'fat'", "no such table"]),
        (declared([{"distance": "x if y else z"}]), ["not in the language"]),
        (declared([{"distance": "x +"}]), ["x +", "invalid syntax"]),
        (declared([{**BALL, "plane": {"point": [0, 0, 0], "normal": [0, 0, 1]}}]), ["ONE shape"]),
        (declared([{"op": "subtract", **BALL}]), ["first part", "Begin with an add"]),
        (declared([{"ellipsoid": {"centre": [0, 0, 0], "semi": [9, -1, 9]}}]), ["structure 'thing'", "larger than 0"]),
        (declared([{"tube": {"points": [[0, 0, 0], [0, 0, 0]], "radius": 2}}]), ["coincide"]),
        (declared([{"tube": {"points": [[0, 0, 0], [0, 0, 9]]}}]), ["radius and radii"]),
        (declared(density=9), ["density=9", "denser material"]),
        (declared(scale=0), ["structure 'thing'", "scale=0"]),
        (declared(numbers={"a": "b + 1", "b": "a"}), ["numbers a, b", "circle"]),
        (declared(field=[{"name": "p", "parts": [{"field": "q"}]}, {"name": "q", "parts": [{"field": "p"}]}]),
         ["p -> q -> p", "circle"]),
        (declared(field=[{"name": "p", "parts": [BALL], "inside": ["p"]}]), ["p -> p", "circle"]),
        ({"maker": [{"kind": "ribz"}]}, ["maker 'ribz'", "Did you mean 'ribs'"]),
        ({"maker": [{"kind": "ribs"}]}, ["maker 'ribs'", "is missing"]),
        (declared(when="femal", numbers={"female": 0}), ["structure 'thing'", "when", "Did you mean 'female'"]),
        (declared(when="x > 0"), ["structure 'thing'", "when", "cannot depend on x, y, z"]),
        (declared([{**BALL, "when": 0}]), ["structure 'thing'", "each of its parts is 0", "itself a when"]),
        (declared([{**BALL, "when": 0}, {"op": "subtract", **BALL}]), ["structure 'thing'", "Begin with an add"]),
        ({"maker": [{"kind": "ribs", "when": "men"}]}, ["maker 'ribs'", "when", "men"]),
        (declared(inside=["cavity + 3"], field=[{**CAVITY, "when": 0}]), ["field 'cavity'", "is 0", "same when"]),
        (declared([{"distance": "field('cavity') - 1"}], field=[{**CAVITY, "when": "0 * 1"}]),
         ["structure 'thing'", "'cavity'"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(plain, words):
    with pytest.raises(InvalidInput) as caught:
        _ = Body.of(plain, where="mine.toml").program
    text = str(caught.value)
    assert "mine.toml" in text
    for word in words:
        assert word in text


def test_a_wall_is_painted_right_after_its_lumen():
    parts = [{"ellipsoid": {"centre": [0, 0, 0], "semi": [9, 9, 9]}}]
    lumen, other, wall = ({"name": name, "order": order, "material": "water", "parts": parts}
                          for name, order in (("lumen", 3), ("other", 2), ("wall", 1)))  # fmt: skip
    with pytest.raises(InvalidInput, match=r"'wall'.*around = 'lumen'.*'other'"):
        _ = Body.of({"structure": [lumen, other, {**wall, "around": "lumen"}]}).program


def test_a_warp_that_folds_space():
    plain = declared(noise=[{"name": "n", "wavelengths_mm": [8, 16]}])
    plain["warp"] = [{"name": "w", "x": "9 * noise('n')"}]
    plain["structure"][0]["warp"] = "w"
    with pytest.raises(InvalidInput, match="nearly folds"):
        _ = Body.of(plain).program


def test_numbers_of_a_patient_are_known_ones():
    with pytest.raises(InvalidInput, match="Did you mean 'dome_right'"):
        Body.load("adult_trunk", {"dome_rigt": 200})


def test_structures_that_vanish_are_named():
    plain = declared([{"ellipsoid": {"centre": [0, 0, 0], "semi": [0.5, 0.5, 0.5]}}])
    plain["structure"].append({"name": "big", "order": 0, "material": "liver", "parts": [BALL]})
    with pytest.raises(InvalidInput, match="so coarse that 'thing' holds no voxel"):
        voxelise_body(Body.of(plain), 3.0)
    kept = voxelise_body(Body.of(plain), 3.0, vanishing="keep").truth
    assert kept.organ("thing").volume_mm3 > 0


def test_a_file_that_is_not_there():
    with pytest.raises(InvalidInput, match=r"Did you mean 'adult_trunk\.toml'"):
        Body.load("adult_tronk")


def test_what_a_body_lacks_by_its_numbers():
    twins = [{"name": "thing", "order": 1, "material": "water", "when": when, "parts": [{"ellipsoid":
              {"centre": [0, 0, 0], "semi": [size, 9, 9]}}]} for when, size in (("female", 9), ("1 - female", 18))]
    own = {"name": "ovary", "order": 2, "material": "liver", "when": "female", "pair": True, "parts": [BALL]}
    plain = {"numbers": {"female": 0}, "structure": [*twins, own], "maker": [{"kind": "ribs", "when": "0 * female"}]}
    man, woman = Body.of(plain), Body.of(plain, {"female": 1})
    assert man.organs == ("background", "thing")
    assert woman.organs == ("background", "thing", "left ovary", "right ovary")
    thing, smaller = (voxelise_body(body, 2.0, vanishing="keep").truth.organ("thing") for body in (man, woman))
    assert thing.volume_mm3 == pytest.approx(4 / 3 * math.pi * 18 * 9 * 9, rel=0.02)
    assert smaller.volume_mm3 < 0.05 * thing.volume_mm3  # under the pair, but for what shines through at its edge
    part = {**BALL, "when": "female"}
    one = Body.of({"numbers": {"female": 0}, "structure": [{**own, "when": 1, "parts": [BALL, part]}]})
    assert [len(structure.parts) for structure in one.structures] == [1, 1]
    with pytest.raises(InvalidInput, match="structure 'thing': is declared twice"):
        Body.of({"structure": [{**twin, "when": 1} for twin in twins]})


def test_an_organ_of_a_field_that_only_clips():
    bed = {"name": "bed", "parts": [{**BALL, "organ": "liver"}]}
    body = Body.of(declared([{"ellipsoid": {"centre": [0, 0, 0], "semi": [20, 20, 20]}}], field=[bed], outside=["bed"]))
    assert body.organs == ("background", "thing")
    shell = voxelise_body(body, 2.0).truth.organ("thing").volume_mm3
    assert shell == pytest.approx(4 / 3 * math.pi * (20**3 - 9**3), rel=0.02)


def test_densities_are_of_the_types_that_phantoms_hold():
    with pytest.raises(InvalidInput, match="density_dtype=float64: densities are kept in float16 or float32"):
        voxelise_body(Body.of(declared()), 3.0, density_dtype="float64")
