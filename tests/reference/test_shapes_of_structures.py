"""No two of the man's structures are one shape rescaled, unless they are a pair: shapes of the declared geometry."""

from itertools import combinations

import numpy as np
import pytest

from physsim.body.anatomy import canonical_declared, own_numbers
from physsim.body.body import Body
from physsim.body.patient import reference_patient

ONE_SHAPE = 0.965  # of either one's points lie in the other, turned and brought to its size; exact copies have 1
COPIED = ("portal vein", "sternum", "thalamus", "epiglottis", "menisci")
FLIPS = np.stack(np.meshgrid(*[[1, -1]] * 3), -1).reshape(-1, 3)


class Shape:
    """Points in a structure, in the frame of its principal axes; moments that its size and turn do not change.

    Neglects: shapes whose axes are not told apart by their moments (a cube) and thin sheets
    (whose axes a lattice does not tell well enough) may not be found.
    """

    def __init__(self, program, number, points):
        self.program, self.number, self.middle = program, number, points.mean(0)
        of_axes, self.axes = np.linalg.eigh(np.cov(points.T))
        self.size = np.sqrt(of_axes.sum())
        own = (points - self.middle) @ self.axes / np.sqrt(of_axes)
        self.moments = np.r_[np.sqrt(of_axes[:2] / of_axes[2]), (own**4).mean(0) / 3, np.abs((own**3).mean(0))]
        self.points = points[np.random.default_rng(0).permutation(len(points))[:600]]

    def share_in(self, other, flip):
        own = (self.points - self.middle) @ self.axes * flip
        there = other.middle + own @ other.axes.T * (other.size / self.size)
        return (other.program.distance(there, structure=other.number, margin_mm=1.0) < 0).mean()

    def like(self, other):
        return max(min(self.share_in(other, flip), other.share_in(self, flip)) for flip in FLIPS)


def points_in(program, number):
    """Some 600 to 15,000 points, on a lattice that suits the structure's size."""
    low, high = program.tables.structure_float[number, :6].astype(float).reshape(2, 3)
    step, points = np.cbrt(np.prod(high - low) / 20_000), np.zeros((0, 3))
    for _ in range(3):
        axes = [np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True)]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        points = lattice[program.distance(lattice, structure=number, margin_mm=step) < 0]
        if len(points) == 0:
            step /= 2
            continue
        low, high = np.maximum(low, points.min(0) - 2 * step), np.minimum(high, points.max(0) + 2 * step)
        step = max(np.cbrt(len(points)) * step / 9, np.cbrt(np.prod(high - low) / 400_000))
    return points


def one_shape(body, names=None):
    """How many are compared, and which (name, name, likeness) are one shape; the left stands for both of a pair."""
    program, found = body.program, {}
    for number, structure in enumerate(program.structures):
        bounded = np.abs(program.tables.structure_float[number, :6]).max() < 2000
        asked = names is None or structure.name.removeprefix("left ") in names
        if asked and bounded and not structure.name.startswith("right "):
            points = points_in(program, number)
            if len(points) > 200:
                found[structure.name] = Shape(program, number, points), structure.organ or structure.name
    same = []
    for (a, (one, organ)), (b, (other, of_other)) in combinations(found.items(), 2):
        asked = organ != of_other and np.abs(one.moments - other.moments).max() < 0.1
        if asked and (like := one.like(other)) > ONE_SHAPE:
            same.append((a, b, round(float(like), 3)))
    return len(found), same


@pytest.fixture(scope="module")
def declared():
    return canonical_declared()


def test_no_two_structures_are_one_shape_rescaled(declared):
    count, same = one_shape(Body.of(declared, own_numbers(reference_patient("M", 35))))
    assert count >= 300  # of the 127 and more that are wanted; discs of the spine are one organ
    assert not same


def test_copies_at_other_sizes_are_found(declared):
    own = {structure.name: structure for structure in declared.structure}
    copies = [own[name].replace(name=f"copy of {name}", organ="{side} copy" if own[name].pair else "copy", scale=0.8,
                                anchor=(10.0, -5.0, 20.0)) for name in COPIED]  # fmt: skip
    more = declared.replace(structure=(*declared.structure, *copies))
    body = Body.of(more, own_numbers(reference_patient("M", 35)))
    count, same = one_shape(body, names={*COPIED, *(f"copy of {name}" for name in COPIED)})
    assert count == 2 * len(COPIED)
    found = {frozenset(one.removeprefix("left ") for one in (a, b)) for a, b, _ in same}
    assert found == {frozenset((name, f"copy of {name}")) for name in COPIED}
