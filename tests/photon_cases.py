"""A small body, beam and detector that the tests of photon transport share."""

import numpy as np

import physsim as ps

MATERIALS = ("bone_cortical_icru44", "adipose_icru44", "I", "lung_inflated_icru44")
UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def body(direction=UPRIGHT):
    """Bone, fat, iodine and lung of uneven density in voxels of 8 x 10 x 5 mm, along turned axes, around the origin."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, (12, 7, 9)).astype(np.uint8)
    return ps.Phantom(
        grid=ps.Grid(
            shape=labels.shape,
            spacing_mm=(8, 10, 5),
            direction=direction,
            origin_mm=tuple(np.array(direction).T @ np.array([-32.0, -30.0, -27.5])),
        ),
        labels=labels,
        density=rng.uniform(0.3, 1.5, labels.shape).astype(np.float32),
        materials=tuple(ps.material(name) for name in MATERIALS),
    )


def beam_and_detector(turn=None):
    """110 kVp from a focal spot of 1 mm onto 6 x 5 pixels of 30 mm; all of it turned."""
    geometry = ps.Geometry(
        source_mm=[(0, -600, 20)],
        centre_mm=[(0, 200, 0)],
        u=[(1, 0, 0)],
        v=[(0, 0, 1)],
        rows=6,
        columns=5,
        pixel_mm=(30, 30),
    )
    geometry = geometry if turn is None else geometry.moved(turn)
    spectrum = ps.Spectrum(kvp=110, filters=[("Al", 3.0)])
    return ps.PhotonSource.of_view(geometry, spectrum, focal_spot_mm=(1, 1)), geometry
