"""A packed scene of photon transport against what numpy finds in its voxels one by one."""

import numpy as np
import pytest

import physsim as ps
from physsim import _engine
from physsim.transport.montecarlo_job import Problem, pack_job

NAMES = ("air_dry", "water", "bone_cortical", "I", "adipose_icru44")
ENERGY_KEV = 60.0
GRIDS = {"odd": (13, 11, 23), "one cell": (3, 2, 3), "line": (1, 1, 41), "many": (40, 48, 56)}


def packed(shape, label_type, density_type, threads=2):
    """A phantom of blobs, half of it uniform, with density that is uneven in places."""
    rng = np.random.default_rng(sum(shape))
    labels = np.kron(rng.integers(0, len(NAMES), [-(-n // 3) for n in shape]), np.ones((3, 3, 3)))
    labels = labels[:shape[0], :shape[1], :shape[2]].astype(label_type)
    labels[:, :, shape[2] // 2:] = 1
    density = None if density_type is None else np.where(
        rng.random(shape) < 0.02, rng.uniform(0.5, 1.5, shape), 1.0).astype(density_type)
    grid = ps.Grid(shape=shape, spacing_mm=(1.0, 1.5, 2.0))
    phantom = ps.Phantom(grid=grid, labels=labels, density=density,
                         materials=tuple(ps.material(name) for name in NAMES))
    source = ps.PhotonSource(position_mm=(0.0, -500.0, 0.0), spectrum=ps.Spectrum(energy_kev=ENERGY_KEV),
                             field=ps.ConeField(toward_mm=(0.0, 0.0, 0.0), half_angle_deg=5.0))
    job = pack_job(Problem(phantom, source, ps.MonteCarlo(histories=1)), threads)
    return labels, np.ones(shape) if density is None else density.astype(np.float64), phantom, job.scene


@pytest.mark.parametrize("density_type", [None, np.float16, np.float32])
@pytest.mark.parametrize("label_type", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", GRIDS.values(), ids=GRIDS)
def test_scene_is_that_of_its_voxels(shape, label_type, density_type):
    labels, density, phantom, scene = packed(shape, label_type, density_type)
    own = np.array([one.density_g_cm3 for one in phantom.materials])
    volume = np.bincount(labels.ravel(), minlength=len(NAMES)) * 3.0
    mass = np.bincount(labels.ravel(), density.ravel(), len(NAMES)) * own * 3e-3
    np.testing.assert_allclose(scene.regions.volume_mm3[:-1], volume, rtol=1e-12)
    np.testing.assert_allclose(scene.regions.mass_g[:-1], mass, rtol=1e-6)  # own densities are float32

    fields, table = scene.fields, scene.tables.row[:, :, 0].astype(np.float64)
    edge = fields["cell_voxels"][::-1]
    bits = int(np.float32(ENERGY_KEV).view(np.int32)) - 0x3F800000
    mu = table[:, scene.tables.cell_row[bits >> 15]]
    for cell in np.ndindex(*(n - 2 for n in fields["cell_label"].shape)):
        inside = tuple(slice(k * step, (k + 1) * step) for k, step in zip(cell, edge, strict=True))
        padded = tuple(k + 1 for k in cell)
        mine, dense = labels[inside], density[inside]
        same = (mine == mine.flat[0]).all() and (dense == dense.flat[0]).all()
        assert fields["cell_label"][padded] == (mine.flat[0] if same else -1)
        assert not same or fields["cell_density"][padded] == dense.flat[0]
        greatest = (mu[mine] * own[mine] * dense).max()
        majorant = fields["majorant"][fields["cell_class"][padded], bits >> 19]
        assert greatest <= majorant <= 1.15 * greatest  # 4 bits of density, 1/16 octave of energy


def test_threads_change_no_bit():
    one, four = (packed(GRIDS["many"], np.uint8, np.float32, threads)[3] for threads in (1, 4))
    np.testing.assert_array_equal(one.regions.mass_g, four.regions.mass_g)
    for name in ("cell_label", "cell_density", "cell_class", "majorant"):
        np.testing.assert_array_equal(one.fields[name], four.fields[name])


@pytest.mark.parametrize(("count", "columns", "kinds"), [(1, 1, 1), (5000, 3, 4), (2000, 12, 1000), (17, 2, 100)])
def test_rows_are_numbered(count, columns, kinds):
    rng = np.random.default_rng(count)
    rows = rng.integers(0, 2**32, (kinds, columns), dtype=np.uint32)[np.sort(rng.integers(0, kinds, count))]
    rows[count // 2:] = rows[count // 2:][rng.permutation(count - count // 2)]
    first, numbers = _engine.number_rows(rows)
    np.testing.assert_array_equal(rows[first][numbers], rows)
    assert len(np.unique(rows[first], axis=0)) == len(first)
    assert (np.diff(first) > 0).all()
    np.testing.assert_array_equal(numbers[first], np.arange(len(first)))
