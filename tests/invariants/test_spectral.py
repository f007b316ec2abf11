"""What must hold whatever the phantom: sums, linearity, equal bits, exactness of a full basis, bounded memory."""

import subprocess
import sys

import numpy as np
import pytest
from spectral_cases import SPECTRUM, ellipsoids, materials, rotation

import physsim as ps
from physsim import _engine
from physsim.errors import InvalidInput
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.transport import spectral, spectral_tables
from physsim.transport.basis import basis_functions
from physsim.transport.energies import few_energies
from physsim.transport.spectral import project_materials, project_signal, project_spectral

SHAPE = (40, 44, 50)
GRID = ps.Grid(shape=SHAPE)
STRAIGHT = ps.Geometry.circular(
    views=3, source_axis_mm=200, source_detector_mm=300, rows=40, columns=43, pixel_mm=1.7, start_deg=8
)
TILTED = STRAIGHT.moved(rotation(0.3, 0.5))


def body(count=20, kind=np.float32):
    rho, table = materials(count)
    density = np.random.default_rng(4).uniform(0.7, 1.3, SHAPE).astype(kind)
    return ellipsoids(SHAPE, count), density, rho, table


@pytest.mark.parametrize("geometry", [STRAIGHT, TILTED])
def test_areal_densities_add_up_to_the_projected_density(geometry):
    labels, density, rho, _ = body(kind=np.float16)
    areal = project_materials(labels, density, rho, GRID, geometry).sum(1)
    total = project_materials(np.zeros_like(labels), (rho[labels] * density).astype(np.float32), [1.0], GRID, geometry)[
        :, 0
    ]
    np.testing.assert_allclose(areal, total, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("geometry", [STRAIGHT, TILTED])
def test_columns_with_nodes_of_their_own_sum_their_own_spectra(geometry):
    """Each pixel against the sum over energies of its column's mixture, from the areal densities of the same rays."""
    labels, density, rho, table = body()
    draw = np.random.default_rng(6)
    spectra = np.stack([SPECTRUM, SPECTRUM[::-1]])
    mix = draw.uniform(0.1, 1.0, (geometry.columns, 3, 2))
    position = draw.uniform(0.0, 2.0, geometry.shape[1:])
    signal = project_signal(labels, density, rho, table, np.stack([spectra, 2.0 * spectra]), GRID, geometry,
                            position=position, mix=mix, tolerance=None)
    areal = project_materials(labels, density, rho, GRID, geometry).astype(float)
    behind = np.exp(-np.einsum("me,vmrc->verc", table, areal))
    lower = np.minimum(position.astype(int), 1)
    column = np.arange(geometry.columns)
    share = (position - lower)[..., None]
    shares = mix[column, lower] * (1.0 - share) + mix[column, lower + 1] * share  # (rows, columns, spectra)
    wanted = np.einsum("rcs,se,verc->vrc", shares, spectra, behind)
    for output, times in ((0, 1.0), (1, 2.0)):
        np.testing.assert_allclose(signal[:, output], times * wanted, rtol=1e-5)
    with pytest.raises(InvalidInput, match="43 columns"):
        project_signal(labels, density, rho, table, spectra[None], GRID, geometry, position=position, mix=mix[:4])


@pytest.mark.parametrize("geometry", [STRAIGHT, TILTED])
def test_equal_bits_for_threads_and_instruction_sets(geometry):
    labels, density, rho, table = body()
    weights = np.stack([SPECTRUM, 2.0 * SPECTRUM[::-1]])[None]
    position = np.broadcast_to(np.linspace(0, 1, geometry.columns), geometry.shape[1:])
    checked = spectral.checked_body(labels, density, rho, GRID)

    def bits(isa, threads, areal):
        images = spectral._project(
            checked,
            GRID,
            geometry,
            table,
            weights,
            position=position,
            tolerance=1e-5,
            isa=isa,
            threads=threads,
            areal=areal,
        )
        return images.signal.tobytes() + images.areal_density_g_cm2.tobytes()

    for areal in (False, True):
        first = bits("portable", 1, areal)
        for isa in _engine.instruction_sets():
            for threads in (1, 2, 3):
                assert bits(isa, threads, areal) == first, (isa, threads)


def test_linear_in_fluence_and_additive_over_energy_bins():
    labels, density, rho, table = body(8)
    low = np.where(np.arange(60) < 30, SPECTRUM, 0.0)
    bins = project_signal(
        labels, density, rho, table, np.stack([low, SPECTRUM - low, SPECTRUM, 4 * SPECTRUM])[:, None], GRID, STRAIGHT
    )
    np.testing.assert_allclose(bins[:, 0] + bins[:, 1], bins[:, 2], rtol=1e-6)
    np.testing.assert_array_equal(4 * bins[:, 2], bins[:, 3])


def test_views_do_not_depend_on_each_other():
    labels, density, rho, table = body(8)
    for geometry in (STRAIGHT, TILTED):
        together = project_signal(labels, density, rho, table, SPECTRUM, GRID, geometry)
        alone = project_signal(labels, density, rho, table, SPECTRUM, GRID, geometry[[1]])
        np.testing.assert_array_equal(together[1], alone[0])


def test_strided_arrays_are_read_in_place():
    labels, density, rho, table = body(8)
    straight = project_signal(labels, density, rho, table, SPECTRUM, GRID, STRAIGHT)
    for order in ((2, 1, 0), (1, 0, 2)):
        stored = [np.ascontiguousarray(a.transpose(order)).transpose(np.argsort(order)) for a in (labels, density)]
        np.testing.assert_array_equal(
            project_signal(stored[0], stored[1], rho, table, SPECTRUM, GRID, STRAIGHT), straight
        )


def test_signal_and_areal_densities_of_one_pass_agree():
    labels, density, rho, table = body()
    both = project_spectral(labels, density, rho, table, SPECTRUM, GRID, STRAIGHT)
    areal = project_materials(labels, density, rho, GRID, STRAIGHT)
    np.testing.assert_array_equal(both.areal_density_g_cm2, areal)
    from_areal = np.exp(-np.einsum("vmrc,me->vrce", areal.astype(float), table)) @ SPECTRUM
    np.testing.assert_allclose(both.signal[:, 0], from_areal, rtol=5e-6)


def test_a_full_basis_is_exact():
    _, table = materials(12)
    basis = basis_functions(table, SPECTRUM, 1e-15)
    np.testing.assert_allclose(basis.coefficients @ basis.functions, table, rtol=1e-9)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_basis_functions_hold_their_tolerance_on_mixtures(tolerance):
    """On random mixtures of all materials, not among the rays that chose the basis: up to twice their error."""
    _, table = materials(20)
    basis = basis_functions(table, [SPECTRUM, SPECTRUM[::-1]], tolerance)
    assert basis.log_error <= tolerance
    assert basis.count < 20
    rays = np.random.default_rng(5).dirichlet(np.full(20, 0.2), 4000)
    for spectrum in (SPECTRUM, SPECTRUM[::-1]):
        for areal in (1.0, 5.0, 20.0, 60.0):
            exact = np.exp(-areal * rays @ table) @ spectrum
            found = np.exp(-areal * (rays @ basis.coefficients) @ basis.functions) @ spectrum
            seen = exact > np.exp(-12) * spectrum.sum()
            assert np.abs(np.log(found / exact))[seen].max(initial=0) < 2 * tolerance


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6])
def test_few_energies_hold_their_tolerance_on_mixtures(tolerance):
    """Random mixtures of all materials, not among the rays that chose the energies, against all 60 energies."""
    _, table = materials(20)
    spectra = np.stack([SPECTRUM, SPECTRUM * np.linspace(0.2, 3.0, 60), np.where(np.arange(60) < 30, SPECTRUM, 0.0)])
    limits = np.where(np.arange(20) == 3, 0.2, np.inf)
    chosen, weights = few_energies(table, spectra, basis_functions(table, spectra), tolerance, limits_g_cm2=limits)
    assert weights.shape == (3, len(chosen))
    assert len(chosen) < 50
    assert len(set(chosen.tolist())) == len(chosen)
    rays = np.random.default_rng(5).dirichlet(np.full(20, 0.2), 4000)
    for areal in (0.0, 0.01, 0.1, 1.0, 5.0, 20.0, 60.0):
        within = np.minimum(areal * rays, limits)
        exact = np.exp(-within @ table) @ spectra.T
        found = np.exp(-within @ table[:, chosen]) @ weights.T
        seen = exact > np.exp(-12) * spectra.sum(1)
        assert np.abs(np.log(np.where(seen, found / exact, 1.0))).max() < tolerance
        cancelled = np.exp(-within @ table[:, chosen]) @ np.abs(weights).T
        assert (cancelled / exact)[seen].max() < 3  # digits of float32 are not lost


def test_few_energies_of_one_material_hold_their_tolerance_between_the_rays_looked_at():
    """Bone alone, 248 energies: lengths that were not among those looked at."""
    energies = np.arange(1.25, 125.0, 0.5)
    table = mass_attenuation_cm2_g("bone", energies)[None]
    spectra = np.stack([np.clip(120.0 - energies, 0, None) * (energies > 15.0), np.clip(energies - 20.0, 0.0, 40.0)])
    chosen, weights = few_energies(table, spectra, basis_functions(table, spectra), 1e-6)
    for areal in np.linspace(0.0, 20.0, 97):
        exact = spectra @ np.exp(-table[0] * areal)
        assert weights @ np.exp(-table[0, chosen] * areal) == pytest.approx(exact, rel=1e-6)


def test_few_energies_change_the_signal_less_than_their_tolerance():
    """The kernel with few energies and its own basis against all energies and all materials by themselves."""
    labels, density, rho, table = body()
    exact = project_signal(labels, density, rho, table, SPECTRUM, GRID, STRAIGHT, tolerance=None)
    for tolerance in (1e-3, 1e-5):
        signal = project_signal(labels, density, rho, table, SPECTRUM, GRID, STRAIGHT, tolerance=tolerance)
        assert np.abs(signal / exact - 1).max() < 1.1 * tolerance + 3e-6


def test_columns_that_give_the_others():
    rng = np.random.default_rng(7)
    matrix = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 12))
    chosen, transfer = _engine.interpolative(matrix, 1e-9)
    assert len(chosen) == 5
    np.testing.assert_allclose(transfer[:, chosen], np.eye(5), atol=1e-12)
    np.testing.assert_allclose(matrix[:, chosen] @ transfer, matrix, atol=1e-9)
    chosen, transfer = _engine.interpolative(rng.normal(size=(9, 4)), 0.0)
    assert sorted(chosen) == [0, 1, 2, 3]
    assert len(_engine.interpolative(np.zeros((3, 4)), 0.0)[0]) == 0


def test_fewest_columns_whose_sums_are_wanted():
    """Sums of exponentials, which few nodes give; what is dropped does not come back, and what cannot be is kept."""
    depth, energy = np.linspace(0.0, 8.0, 200)[:, None], np.linspace(0.1, 1.0, 30)
    matrix = np.exp(-depth * energy)
    wanted = matrix @ np.stack([np.ones(30), energy], axis=1)
    for tolerance, most in ((1e-3, 5), (1e-7, 9)):
        kept, weights = _engine.fewest_columns(matrix, wanted, tolerance)
        assert 2 <= len(kept) <= most
        assert np.abs(matrix[:, kept] @ weights - wanted).max() <= tolerance
    kept, weights = _engine.fewest_columns(np.eye(5), np.arange(5.0)[:, None], 0.0)
    assert kept.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(weights[:, 0], [1.0, 2.0, 3.0, 4.0])


def test_singular_vectors():
    rng = np.random.default_rng(6)
    for shape in ((5, 9), (9, 5), (4, 4), (1, 7), (7, 1)):
        matrix = rng.normal(size=shape)
        matrix[-1] = matrix[0]  # short of full rank
        left, right = _engine.singular_vectors(matrix)
        np.testing.assert_allclose(left @ right, matrix, atol=1e-13)
        size = np.linalg.norm(left, axis=0)
        np.testing.assert_allclose(size, np.linalg.svd(matrix, compute_uv=False), atol=1e-12)
        kept = right[size > 1e-10]
        np.testing.assert_allclose(kept @ kept.T, np.eye(len(kept)), atol=1e-12)


def test_memory_does_not_grow_with_energies_and_materials():
    """Peak memory of 200 energies and 20 materials: volume, images, and 400 MB (the sums' bound is 256 MB)."""
    code = """
import resource, numpy as np, physsim as ps
from spectral_cases import ellipsoids, materials
from physsim.transport.spectral import project_signal
rho, table = materials(20)
table = np.repeat(table, 4, axis=1)[:, :200]
labels = ellipsoids((160, 160, 160), 20)
geometry = ps.Geometry.circular(
    views=40, source_axis_mm=500, source_detector_mm=800, rows=512, columns=512, pixel_mm=0.6)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
project_signal(labels, None, rho, table, np.ones(200), ps.Grid(shape=labels.shape), geometry)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    printed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": "tests", "PATH": ""},
    ).stdout
    assert int(printed) / 1024 < 400 + 40 * 512 * 512 * 4 / 2**20


def test_kept_basis_and_energies_are_those_of_their_tables():
    labels, density, rho, table = body()
    first = project_signal(labels, density, rho, table, SPECTRUM, GRID, STRAIGHT)
    other = table * np.linspace(1.0, 1.1, table.shape[1])
    kept = [project_signal(labels, density, rho, one, SPECTRUM, GRID, STRAIGHT) for one in (table, other, table, other)]
    spectral_tables._chosen.cache_clear()
    fresh = project_signal(labels, density, rho, other, SPECTRUM, GRID, STRAIGHT)
    assert np.array_equal(kept[0], first)
    assert np.array_equal(kept[2], first)
    assert np.array_equal(kept[1], fresh)
    assert np.array_equal(kept[3], fresh)
    assert not np.allclose(fresh, first, rtol=1e-4)
