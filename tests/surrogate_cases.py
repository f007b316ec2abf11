"""Made-up training data whose truth is known: scatter is a smooth function of the maps, told with much noise."""

import numpy as np

import physsim as ps
from physsim.spec.training import HELD_OUT

SPEC = ps.ScatterTraining(
    family="chest", techniques=[{"protocol": "chest_pa"}], patients=32, held_out=26, bodies=2, views=4, pixels=(16, 16),
    width=8, epochs=12, batch=16, members=2, shard_patients=16, learning_rate=5e-3, held_out_histories=1024,
    grid_times=1.0)
LOOKS = (256, 512, 1024)  # histories
NOISE = 0.1  # relative, of a place


def truth_of(maps, conditions):
    """(views, rows, columns): the first guess, more where the beam is harder and there is more matter."""
    guess, matter = (maps[:, c].reshape(len(maps), 4, 4, 4, 4).mean(axis=(2, 4)) for c in (3, 0))
    return guess * (0.5 + 0.2 * conditions[:, 0, None, None]) * np.exp(-0.3 * matter)


def batches_of(rng, truth, noise):
    """(views, looks, 16, rows, columns) of photons that add up; the mean of the last ones errs by `noise`."""
    sums, found, before = 0.0, [], 0
    for histories in LOOKS:
        scale = 4.0 * noise * np.sqrt(LOOKS[-1] * (histories - before))
        sums = sums + rng.normal(size=(16, *truth.shape)) * scale
        found.append(np.moveaxis(truth * (1.0 + sums / histories), 0, 1))
        before = histories
    return np.stack(found, axis=1)


def cases(number):
    """As ScatterCases: of one patient, by its number alone."""
    rng = np.random.default_rng(number)
    views = 8
    smooth = rng.normal(size=(views, 8, 4, 4)).repeat(4, axis=2).repeat(4, axis=3)
    maps = np.abs(0.3 + 0.2 * smooth).astype(np.float16)
    maps[:, 3:5] += np.float16(0.2)
    conditions = rng.uniform(0.5, 1.5, (views, 9)).astype(np.float32)
    truth = truth_of(maps.astype(float), conditions)
    noise = NOISE if number < HELD_OUT else 0.1 * NOISE
    photons = 1.0 / noise**2
    scatter = truth * rng.poisson(photons, truth.shape) / photons
    drawn = np.column_stack([rng.uniform(100, 140, views), *(np.zeros((4, views))), rng.integers(0, 2, views) * 12.0])
    person = np.tile([float(number % 2), 20.0 + number % 60, 170.0, 60.0 + number % 40], (views, 1))
    held_out = {} if number < HELD_OUT else {"batches": batches_of(rng, truth, noise).astype(np.float32)}
    return held_out | {"maps": maps, "conditions": conditions, "scatter": scatter.astype(np.float32), "drawn": drawn,
            "error": (noise * truth).astype(np.float32), "person": person,
            "technique": np.zeros(views, np.int32)}


def cases_but_one(number):
    """The same, but for patient 17, whom nobody can make."""
    if number == 17:
        raise ValueError("no such body")
    return cases(number)
