"""Pieces, tunnels and cavities of a man's organs at 1 mm, in windows, from face to foot."""

import numpy as np
import pytest

from physsim.body.anatomy import canonical_declared, own_numbers
from physsim.body.body import Body
from physsim.body.growth import growth_map
from physsim.body.growth_controls import controlled
from physsim.body.growth_fit import controls_of
from physsim.body.patient import reference_patient
from physsim.body.topology import organ_topology
from physsim.body.voxelise import voxelise_body
from physsim.spec.grid import Grid

# x, y, z in mm; how many organs lie whole in it and are judged; those that still differ
WINDOWS = {
    "face": (((-80, 80), (-115, -10), (545, 665)), 60, {"maxilla"}),
    "larynx": (((-45, 45), (-75, 15), (470, 560)), 8, set()),
    "right atrium": (((-48, 32), (-72, 20), (220, 345)), 1, set()),
    "behind the stomach": (((-62, 108), (-80, 50), (72, 192)), 5, set()),
    "liver": (((-150, 130), (-130, 110), (20, 240)), 34, set()),
    "hips and sacrum": (((-60, 130), (-56, 102), (-150, 8)), 10, set()),
    "knee": (((30, 150), (-60, 80), (-620, -470)), 10, {"left knee cartilage"}),
    "foot": (((40, 140), (-190, 95), (-1020, -910)), 28, set()),
    "shoulder": (((70, 215), (-95, 112), (300, 455)), 5, set()),
}


@pytest.fixture(scope="module")
def man():
    """The reference man without the trees of vessels: these windows hardly hold any, and they grow long."""
    patient = reference_patient("M", 35)
    declared, numbers = canonical_declared(), own_numbers(patient)
    growth = growth_map(patient.sex, patient.age_years, patient.height_cm, patient.build)
    assert growth.is_identity
    sized = controlled(declared, controls_of(patient, declared, growth, numbers))
    makers = tuple(maker for maker in sized.maker if maker.kind not in ("tree", "surface vessels"))
    return Body.of(sized.replace(maker=makers), numbers)


# Organs that pass close by each other: what one window must judge.
MUST = {"behind the stomach": {"pancreas", "splenic artery", "splenic vein"}, "liver": {"liver"}}


@pytest.mark.parametrize("window", WINDOWS)
def test_organs_at_1_mm(man, window):
    ranges, least, others = WINDOWS[window]
    shape = tuple(high - low for low, high in reversed(ranges))
    origin = tuple(float(low) for low, _ in ranges)
    phantom = voxelise_body(man, grid=Grid(shape=shape, spacing_mm=1.0, origin_mm=origin), vanishing="keep")
    labels = phantom.truth.organ_labels
    faces = [labels[0], labels[-1], labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]]
    cut = {phantom.truth.names()[number] for number in np.unique(np.concatenate([face.ravel() for face in faces]))}
    rows = [row for row in organ_topology(phantom) if row.declared and row.name not in cut]
    assert len(rows) >= least
    assert MUST.get(window, set()) <= {row.name for row in rows}
    assert {row.name: (row.found, row.declared) for row in rows if not row.right and row.name not in others} == {}
