"""Left and right differ as in people: measured sizes of ribs and clavicles, and no pair is an exact mirror image."""

import numpy as np
import pytest

from physsim.body.anatomy import canonical_declared, own_numbers
from physsim.body.body import Body
from physsim.body.breathing_field import neck_axis, rib_lines
from physsim.body.patient import reference_patient
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid

ACROSS = np.array([-1.0, 1.0, 1.0])
SPACING_MM = 3.0
SAME_VOLUME = 1e-5  # mirror images in a grid that is symmetric itself: all but rounding of sums


def body(declared=None):
    return Body.of(declared or canonical_declared(), own_numbers(reference_patient("M", 35)))


@pytest.fixture(scope="module")
def man():
    return body()


def length(line):
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def mirror_images(made):
    """Pairs of organs, and those of them whose voxels and volumes are mirror images."""
    half = 150
    grid = Grid(shape=(600, 126, 2 * half + 1), spacing_mm=SPACING_MM, origin_mm=(-half * SPACING_MM, -210.0, -1035.0))
    truth = voxelise_body(made, grid=grid, vanishing="keep").truth
    volume = {organ.name: organ.volume_mm3 for organ in truth.organs}
    number = {name: n for n, name in enumerate(truth.names())}
    labels, flipped = truth.organ_labels, truth.organ_labels[:, :, ::-1]
    pairs = [(name, name.replace("left", "right")) for name in volume if "left" in name.split()]
    pairs = [(one, other) for one, other in pairs if volume.get(other, 0.0) > 0 and volume[one] > 0]
    close = [(one, other) for one, other in pairs if abs(volume[one] / volume[other] - 1) < SAME_VOLUME]
    same = [one for one, other in close if ((labels == number[one]) == (flipped == number[other])).all()]
    return pairs, same


def test_no_pair_is_a_mirror_image(man):
    pairs, same = mirror_images(man)
    assert len(pairs) > 190
    assert not same


def test_pairs_of_a_body_without_declared_differences_are(man):
    _, same = mirror_images(body(canonical_declared().replace(side=())))
    assert len(same) > 40  # bones of hand and foot, muscles of the limbs, eyes, teeth


def test_ribs_differ_by_millimetres(man):
    """Single pairs' lengths by up to 3 % without a common direction: Stokes, J. Orthop. Res. 7 (1989) 599, controls."""
    lines = rib_lines(man)
    shares, apart, turned = [], [], []
    for number in range(1, 13):
        left, right = lines[number, "left"], lines[number, "right"] * ACROSS
        shares.append(length(right) / length(left) - 1)
        apart.append(np.linalg.norm(left[:, None] - right, axis=2).min(1).max())
        turned.append(np.degrees(np.arccos(neck_axis(left) @ neck_axis(right))))
    assert np.abs(shares).max() < 0.03
    assert np.abs(np.mean(shares)) < 0.01
    assert min(apart) > 1.5
    assert max(apart) < 8.0
    assert min(turned) > 0.5  # degrees between the hinges about which both breathe


def test_right_clavicle_is_shorter_and_stouter(man):
    """143.58 and 145.72 mm: Ribas, Rev. Bras. Ortop. 58 (2023) e617."""
    tubes = {one.name: one.parts[0].tube for one in man.structures if one.name.endswith("clavicle")}
    ends = {side: np.array(tubes[f"{side} clavicle"].points)[[0, -1]] for side in ("left", "right")}
    ratio = np.linalg.norm(np.diff(ends["right"], axis=0)) / np.linalg.norm(np.diff(ends["left"], axis=0))
    assert ratio == pytest.approx(143.58 / 145.72, abs=0.002)
    radii = [np.array(tubes[f"{side} clavicle"].radius) for side in ("right", "left")]
    assert radii[0] / radii[1] == pytest.approx(1.03, abs=1e-3)
    assert ends["left"][1, 2] - ends["right"][1, 2] == pytest.approx(2.0, abs=0.05)  # the right shoulder is lower


def test_differences_that_tear_or_fall_are_refused():
    wrong = {"side": [{"name": "torn", "source": "", "shift_mm": [9, 0, 0], "up": [0, 10, 20, 40]}]}
    with pytest.raises(InvalidInput, match=r"side 'torn'.*tears"):
        Body.of(wrong)
    with pytest.raises(InvalidInput, match="four rising places"):
        Body.of({"side": [{"name": "back", "source": "", "up": [40, 10, 20, 0]}]})


def test_a_difference_is_shared_by_both_sides():
    """A ball 10 mm to the side, its right lower by 2 mm where the rule holds: 1 mm up on the left, 1 mm down there."""
    ball = {"name": "ball", "order": 1, "material": "water", "pair": True,
            "parts": [{"ellipsoid": {"centre": [10, 0, 0], "semi": [4, 4, 4]}},
                      {"tube": {"points": [[10, 0, 0], [20, 0, 0]], "radius": 2}}]}  # fmt: skip
    rules = [{"name": "lower", "source": "", "shift_mm": [0, 0, -2], "lateral": [-60, -20, 14, 60]},
             {"name": "stouter", "source": "", "solids": ["ba*"], "thicker": 0.1}]  # fmt: skip
    made = Body.of({"structure": [ball], "side": rules})
    left, right = made.structures
    assert left.parts[0].ellipsoid.centre == (10, 0, 1)
    assert right.parts[0].ellipsoid.centre == (10, 0, -1)  # mirrored later
    assert (left.parts[1].tube.radius, right.parts[1].tube.radius) == (pytest.approx(1.9), pytest.approx(2.1))
    points = [[10, 0, 4.9], [-10, 0, 2.9], [-10, 0, -4.9]]
    number = [structure.name for structure in made.program.structures].index("right ball")
    assert (made.program.distance(points, structure=number) < 0).tolist() == [False, True, True]
