"""The pelvis and the limbs of the adult body against ranges of anatomy (man and woman)."""

import re

import numpy as np
import pytest
from scipy import ndimage

from physsim.body.body import Body
from physsim.body.declare import read_declared
from physsim.body.makers import GROWERS
from physsim.body.voxelise import voxelise_body
from physsim.resources import phantoms_path
from physsim.spec.grid import Grid

PELVIS = ((-46, 155), (-75, 105), (-200, 60))  # the left side with what lies in the middle


def voxels(body, box, spacing_mm):
    """A phantom of a box, its masks by a function of the organ's name, and the coordinates of its axes."""
    (x0, x1), (y0, y1), (z0, z1) = box
    shape = tuple(int((high - low) / spacing_mm) for low, high in ((z0, z1), (y0, y1), (x0, x1)))
    grid = Grid(shape=shape, spacing_mm=spacing_mm, origin_mm=(float(x0), float(y0), float(z0)))
    return voxelise_body(body, grid=grid, vanishing="keep")


def body_of(**numbers):
    """The adult body without what grows in its chest and abdomen (seconds of trees and coils)."""
    declared = read_declared(phantoms_path() / "anatomy" / "adult_body.toml")
    makers = tuple(one for one in declared.maker if one.kind not in GROWERS)
    kept = tuple(one for one in declared.structure if not one.name.startswith("small bowel"))
    return Body.of(declared.replace(maker=makers, structure=kept), numbers)


@pytest.fixture(scope="module")
def man():
    return body_of()


@pytest.fixture(scope="module")
def woman():
    return body_of(female=1)


@pytest.fixture(scope="module")
def pelvis(man):
    return voxels(man, PELVIS, 3.0)


def test_each_sex_has_its_organs(man, woman):
    own = {"prostate, central zone", "left testis", "left seminal vesicle", "right epididymis"}
    hers = {"uterus", "left ovary", "right fallopian tube", "vagina"}
    assert own - set(woman.organs) == own <= set(man.organs)
    assert hers - set(man.organs) == hers <= set(woman.organs)
    for body in (man, woman):
        assert len(body.organs) > 400
        assert {"left femur", "right patella", "urine", "sacrum", "right gluteus maximus"} <= set(body.organs)


def points_of(axes):
    """(n, 3) points of three axes (x, y, z), x slowest."""
    return np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1).astype(float)


def signed(body, field, points):
    """Distance (mm) of a named field at points."""
    return body.program.distance(points, field=[one.name for one in body.fields].index(field))


def middle(body, field, centre, normal, radius=32.0):
    """The centroid of a field's section with a plane."""
    normal = np.asarray(normal, float) / np.linalg.norm(normal)
    first = np.cross(normal, [0, 1, 0])
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    flat = points_of((np.arange(-radius, radius, 2), np.arange(-radius, radius, 2), [0.0]))
    points = np.asarray(centre, float) + flat[:, :1] * first + flat[:, 1:2] * second
    return points[signed(body, field, points) < 0].mean(0)


def rows_of(phantom, *organs):
    """Mask of organs (z, y, x) with the coordinates of its axes z, y, x."""
    names = list(phantom.truth.names())
    mask = np.isin(phantom.truth.organ_labels, [names.index(name) for name in organs])
    grid = phantom.grid
    axes = [grid.origin_mm[2 - a] + grid.spacing_mm[0] * np.arange(grid.shape[a]) for a in range(3)]
    return mask, *axes


# ranges of adults in the literature of radiology: tests state them as (man, woman)
def pelvimetry(phantom):
    """Distances (mm) and angles (degrees) that obstetricians and surgeons take on pelves."""
    step = phantom.grid.spacing_mm[0]
    ilium, z, y, x = rows_of(phantom, "left ilium")
    bone, *_ = rows_of(phantom, "left ilium", "left ischium", "left pubis")
    sacrum, *_ = rows_of(phantom, "sacrum")
    pubis, *_ = rows_of(phantom, "left pubis")
    wing = ilium[z > -40]
    front = np.nonzero(wing.any((0, 2)))[0][0]
    spine_z, spine_x = (axis.mean() for axis in np.nonzero(wing[:, front]))
    pubis = pubis[:, :, x < 14]
    heights = z[pubis.any((1, 2))]
    top = np.nonzero(pubis.any((1, 2)))[0][-1]
    promontory = min((y[plane.any(1)][0], level) for plane, level in zip(sacrum[:, :, abs(x) < 8], z, strict=True)
                     if plane.any() and level > -40)  # fmt: skip
    backs = [(y[plane.any(1)][-1], level) for plane, level in zip(pubis, z, strict=True) if plane.any()]
    inner = np.where(bone.any(2), x[bone.argmax(2)] - step / 2, np.inf)[(z > -85) & (z < -48)]
    inner = np.where(inner > 20, inner, np.inf).min(0)[(y > -12) & (y < 30)]
    edge = bone.any(1)
    arch = (z < heights[0]) & (z > heights[0] - 34) & edge.any(1)
    fall = np.polyfit(z[arch], x[edge[arch].argmax(1)], 1)[0]
    return {
        "between the crests": 2 * (x[ilium.any((0, 1))].max() + step / 2),
        "between the anterior spines": 2 * (x[0] + step * spine_x),
        "spines over the symphysis": z[z > -40][0] + step * spine_z - z[top],
        "conjugate": min(np.hypot(promontory[0] - a, promontory[1] - b) for a, b in backs) - step / 2,
        "transverse": 2 * inner.max(),
        "subpubic angle": 2 * np.degrees(np.arctan(-fall)),
    }


RANGES = {
    "between the crests": ((270, 290), (255, 282)),
    "between the anterior spines": ((235, 260), (230, 260)),
    "spines over the symphysis": ((80, 102), (80, 104)),
    "conjugate": ((105, 118), (105, 124)),
    "transverse": ((118, 132), (125, 142)),
    "subpubic angle": ((65, 85), (84, 102)),
}


@pytest.mark.parametrize("sex", [0, 1])
def test_pelvimetry(pelvis, woman, sex):
    own = pelvimetry(voxels(woman, PELVIS, 4.0) if sex else pelvis)
    wrong = {name: value for name, value in own.items()
             if not RANGES[name][sex][0] <= value <= RANGES[name][sex][1]}  # fmt: skip
    assert not wrong


def test_the_hip(man):
    near = points_of((np.arange(80, 97), np.arange(0, 17), np.arange(-113, -96)))
    depth = signed(man, "left femur", near)
    centre = near[depth.argmin()]
    assert 170 <= 2 * centre[0] <= 180
    assert -depth.min() == pytest.approx(24.2, abs=0.6)
    shaft = middle(man, "left femur", (126, 11, -230), (0, 0, 1)) - middle(man, "left femur", (120, 4, -300), (0, 0, 1))
    neck = centre - middle(man, "left femur", (107, 11, -122.5), (0.73, 0.1, -0.67), 24)
    cosine = -shaft[[0, 2]] @ neck[[0, 2]] / np.linalg.norm(shaft[[0, 2]]) / np.linalg.norm(neck[[0, 2]])
    assert 122 <= np.degrees(np.arccos(cosine)) <= 132
    assert 10 <= np.degrees(np.arctan2(-neck[1], -neck[0])) <= 15  # anteversion


def test_volumes_of_the_pelvis(pelvis):
    truth = pelvis.truth
    bladder = truth.organ("urine").volume_mm3 + truth.organ("bladder wall").volume_mm3
    assert 100e3 < bladder < 200e3
    prostate = sum(organ.volume_mm3 for organ in truth.organs if organ.name.startswith("prostate"))
    vesicles = sum(truth.organ(f"{side} seminal vesicle").volume_mm3 for side in ("left", "right"))
    assert 30e3 < prostate + vesicles < 40e3
    assert np.isfinite(pelvis.density).all()


def reach(body, field, start, direction, longest=700.0):
    """Where a line from a point inside a field leaves it for good (mm from the point)."""
    along = np.arange(0.0, longest, 0.5)
    points = np.asarray(start, float) + along[:, None] * np.asarray(direction, float)
    return along[signed(body, field, points) < 0][-1]


def test_lengths(man):
    """Of a man of 176 cm: the femur 25-27 % of his height, the tibia 20-23 %, the humerus 18-20 %, the foot 15 %."""
    sole = -200 - reach(man, "skin", (90, 50, -200), (0, 0, -1), 900)
    crown = 600 + reach(man, "head skin", (0, -7, 600), (0, 0, 1))
    assert crown - sole == pytest.approx(1760, abs=10)
    femur = reach(man, "left femur", (88, 8, -105), (0, 0, 1)) + reach(man, "left femur", (66.5, 17, -510), (0, 0, -1))
    assert 0.25 <= (femur + 405) / 1760 <= 0.27
    tibia = voxels(man, ((30, 140), (-40, 60), (-960, -535)), 4.0)
    mask, z, *_ = rows_of(tibia, "left tibia")
    assert 0.20 <= np.ptp(z[mask.any((1, 2))]) / 1760 <= 0.23
    foot = reach(man, "foot skin", (63, 0, -1000), (0, -1, 0)) + reach(man, "foot skin", (91, 0, -990), (0, 1, 0))
    assert 255 <= foot <= 275


def test_each_bone_is_one_piece(man, pelvis):
    """One component (26 neighbours) each; an island of at most two voxels is where a thin edge meets the grid."""
    hand = voxels(man, ((300, 440), (-30, 40), (-325, -60)), 2.0)
    foot = voxels(man, ((35, 145), (-190, 90), (-1018, -890)), 2.0)
    own = r"phalanx|carpal|tarsal|talus|calcan|navic|cune|cuboid|scaph|lunate|triquetrum|trapez|capit|hamate|pisi"
    bones = [(pelvis, ("left ilium", "left ischium", "left pubis")), (pelvis, ("sacrum",)), (pelvis, ("coccyx",))]
    bones += [(phantom, (name,)) for phantom in (hand, foot) for name in phantom.truth.names()
              if re.search("left .*(" + own + ")", name) and phantom.truth.organ(name).volume_mm3 > 0]  # fmt: skip
    assert len(bones) == 3 + 27 + 26
    for phantom, names in bones:
        mask, *_ = rows_of(phantom, *names)
        mask = mask[ndimage.find_objects(mask.astype(np.uint8))[0]]
        sizes = np.sort(np.bincount(ndimage.label(mask, np.ones((3, 3, 3)))[0].ravel())[1:])[::-1]
        assert sizes[1:].sum() <= 2, (names, sizes[:3])


def test_arms_are_raised(man):
    raised = body_of(arms=1)
    over = np.array([[190.0, 0.0, 760.0], [190.0, 4.0, 850.0]])
    beside = np.array([[310.0, 16.0, 60.0], [333.0, 10.0, -100.0]])
    assert (signed(man, "skin", beside) < 0).all()
    assert (signed(man, "skin", over) > 20).all()
    assert (signed(raised, "skin", beside) > 20).all()
    along = np.stack([np.linspace(150, 260, 56), np.full(56, 8.0), np.full(56, 860.0)], axis=1)
    assert (signed(raised, "skin", along) < 0).sum() > 20
    # the head of the humerus stays in its joint
    heads = [signed(body, "skin", np.array([[184.0, 8.0, 437.0]]))[0] for body in (man, raised)]
    assert max(heads) < -10
