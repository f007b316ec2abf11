"""A patient's body is made once: phases and lesions share it, other people do not, and bits are those of a new one."""

import numpy as np

import physsim as ps
from physsim.body import anatomy


def test_phases_and_lesions_share_the_body_at_rest_and_no_other_parameter_does() -> None:
    child = ps.reference_patient("M", 5)
    made = child.body()
    lesion = ps.Lesion(site="right upper lobe", diameter_mm=6.0)
    for same in (child.replace(respiration=0.4), child.replace(cardiac=0.3), child.insert(lesion)):
        assert same.body() is made
    for other in (child.replace(organ_scale={"liver": 1.1}), child.replace(arms="up"), child.replace(seed=1)):
        assert other.body() is not made


def test_a_kept_body_gives_the_bits_of_a_new_one() -> None:
    child = ps.reference_patient("M", 5)
    anatomy.forget_bodies()
    new = child.phantom(8.0, region="chest")
    kept = child.phantom(8.0, region="chest")
    assert kept.grid == new.grid
    for name in ("labels", "density"):
        assert np.array_equal(getattr(kept, name), getattr(new, name))
    assert kept.truth.organs == new.truth.organs
