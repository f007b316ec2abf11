"""The pelvis and the limbs of the adult body against ranges of anatomy (man and woman)."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.voxelise import voxelise_body
from physsim.spec.grid import Grid

PELVIS = ((-190, 190), (-140, 150), (-200, 60))


def voxels(body, box, spacing_mm):
    """A phantom of a box, its masks by a function of the organ's name, and the coordinates of its axes."""
    (x0, x1), (y0, y1), (z0, z1) = box
    shape = tuple(int((high - low) / spacing_mm) for low, high in ((z0, z1), (y0, y1), (x0, x1)))
    grid = Grid(shape=shape, spacing_mm=spacing_mm, origin_mm=(float(x0), float(y0), float(z0)))
    return voxelise_body(body, grid=grid, vanishing="keep")


@pytest.fixture(scope="module")
def man():
    return Body.load("adult_body")


@pytest.fixture(scope="module")
def woman():
    return Body.load("adult_body", {"female": 1})


@pytest.fixture(scope="module")
def pelvis(man):
    return voxels(man, PELVIS, 4.0)


def test_each_sex_has_its_organs(man, woman):
    own = {"prostate, central zone", "left testis", "left seminal vesicle", "right epididymis"}
    hers = {"uterus", "left ovary", "right fallopian tube", "vagina"}
    assert own - set(woman.organs) == own <= set(man.organs)
    assert hers - set(man.organs) == hers <= set(woman.organs)
    for body in (man, woman):
        assert len(body.organs) > 400
        assert {"left femur", "right patella", "urine", "sacrum", "right gluteus maximus"} <= set(body.organs)


def test_volumes_of_the_pelvis(pelvis):
    truth = pelvis.truth
    bladder = truth.organ("urine").volume_mm3 + truth.organ("bladder wall").volume_mm3
    assert 100e3 < bladder < 200e3
    prostate = sum(organ.volume_mm3 for organ in truth.organs if organ.name.startswith("prostate"))
    vesicles = sum(truth.organ(f"{side} seminal vesicle").volume_mm3 for side in ("left", "right"))
    assert 30e3 < prostate + vesicles < 40e3
    assert np.isfinite(pelvis.density).all()
