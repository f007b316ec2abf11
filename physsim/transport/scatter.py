"""The default estimate of a scatter image: all orders, fast, with an error for every pixel.

Single scatter from Sobol points on some hundred nodes, or on all pixels where a spline would err; multiple scatter by
Monte Carlo on fewer nodes and a spline of the logarithm between them.
Law and tricks: kernels/transport/{scatter_history,node_detection}.h, docs/design/scatter.md.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from physsim.device.choice import thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.physics.photon_tables import build
from physsim.physics.tables import ENERGY_MAX_KEV
from physsim.randomness import checked_seed
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.scatter import MonteCarlo, form_factor_name
from physsim.spec.spectrum import Spectrum
from physsim.transport.montecarlo import MonteCarloWarning
from physsim.transport.pre_set_counts import least_growth
from physsim.transport.response_table import ResponseTable
from physsim.transport.scatter_image import ScatterImage
from physsim.transport.scatter_optics import ScatterOptics, Side, check_one_view, optics_of
from physsim.transport.scatter_scene import ScatterScene, pack_scatter_scene
from physsim.transport.scatter_sums import (
    BATCHES,
    REPLICATES,
    MultipleSums,
    SingleSums,
    ViewJob,
    node_levels,
    single_levels,
)

CELL_MM = 8.0
SINGLE_SHARE = 1.0 / 3.0  # of the error asked for: most that the nodes of order 1 may add
_MOST_STEPS = 160  # looks: 2^20 times the first of each
_EARLY_POINTS = 2048  # of a replicate: what order 1 is interpolated from is settled
_NEAR = 1.3  # times the variance asked for, by its nodes: from there images are looked at


def scatter_image(
    phantom: Phantom,
    geometry: Geometry,
    spectrum: Spectrum | float,
    run: MonteCarlo,
    *,
    cathode: Side | None = None,
    focal_spot_mm: tuple[float, float] = (0.0, 0.0),
    anti_scatter_grid: AntiScatterGrid | None = None,
    response: ResponseTable | None = None,
    cell_mm: float | None = CELL_MM,
    seed: int = 0,
    threads: int | None = None,
) -> ScatterImage:
    """Scatter of all orders on the pixels of one view (its own, coarse ones: 48 x 40 is often fine), flat or curved.

    A history is a photon of `spectrum` (or of one energy in keV) that the source emits into the outline of the
    detector (`PhotonSource.of_view`), behind filters and bowtie. `cathode`, `focal_spot_mm`: as in PhotonSource; with a
    `cathode` heel, bowtie and slant filters shape the field, else it is uniform in solid angle.
    `anti_scatter_grid`: before the detector; every photon counts with the share of its energy that gets through.
    `response`: what the detector makes of it (None: an ideal absorber); images are then of that: keV absorbed, or
    another moment of the signal, per cm2.
    `run`: `relative_error` is e_S, the RMS standard error of pixels over the mean
    scatter, looked at after pre-set numbers of points and histories only; `histories` counts photons of the multiple
    scatter (an eighth as many Sobol points carry the single one). Nodes become more where the interpolation of multiple
    scatter errs by more than half of the `relative_error` asked for, that of single scatter by a third (behind the
    sharpest shadows its spline may fall below 0 by that). `cell_mm`: rays meet the phantom in cells about
    this wide, of mean density; None: in its voxels (slower). Means bias: those of 8 mm lower single Compton
    scatter of a thorax by 0.4 %, those of 4 mm by 0.1 % (docs/design/scatter.md); the standard errors do not hold that.
    The same seed gives the same bits on any number of threads.

    Raises InvalidInput for a parallel beam, several views, a bowtie without a `cathode`, a `cathode` without effect, a
    grid that does not suit the detector.
    Warns (MonteCarloWarning) when nothing scatters and when the aim is not reached.
    Neglects: air around the phantom, off-focus radiation, scatter from filters, bowtie and
    grid; the voxels of overlays within the phantom's, into which they are averaged (`merged_overlays`: mass is kept);
    Doppler broadening of the last scattering's energy (its mean falls by 0.05 % in water at 60 keV, 0.2 % at 30);
    the rest as in transport_photons.

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("slab60"), spacing_mm=20)
    >>> view = ps.Geometry(source_mm=[(150, -800, 150)], centre_mm=[(150, 300, 150)], u=[(1, 0, 0)], v=[(0, 0, 1)],
    ...                    rows=5, columns=6, pixel_mm=(50, 60))
    >>> scatter = ps.scatter_image(water, view, 60, ps.MonteCarlo(relative_error=0.05))
    >>> 0.0015 < float(scatter.image()[2, 3]) < 0.0035
    True
    """
    seed, count = checked_seed(seed), thread_count(threads)
    check_one_view(geometry)
    optics = optics_of(geometry, spectrum, cathode, focal_spot_mm, anti_scatter_grid, response)
    scene = scatter_scene(phantom, optics.spectrum, run, cell_mm, count)
    return one_view(scene, geometry, optics, run, seed, count)


def scatter_scene(
    phantom: Phantom, beam: Spectrum, run: MonteCarlo, cell_mm: float | None, threads: int
) -> ScatterScene:
    """The phantom for every view of it."""
    if cell_mm is not None and not cell_mm > 0.0:
        raise InvalidInput(message(f"cell_mm={cell_mm}", "a cell has a width", "Give for example 4, or None."))
    tables = build(
        [dict(one.mass_fractions) for one in phantom.materials],
        fluorescence=run.fluorescence,
        doppler=run.doppler,
        binding=run.binding,
        form_factors=[form_factor_name(one.name) if run.interference else None for one in phantom.materials],
    )
    most = beam.energy_kev or float(beam.replace(bowtie=None).sample().edges_kev[-1])
    return pack_scatter_scene(phantom, tables, min(most, ENERGY_MAX_KEV), cell_mm, threads)


def one_view(
    scene: ScatterScene,
    geometry: Geometry,
    optics: ScatterOptics,
    run: MonteCarlo,
    seed: int,
    threads: int,
) -> ScatterImage:
    """Looks at pre-set numbers; between two of them grows what lowers the error most for its cost."""
    source, targets = optics.source_fields(geometry, scene), optics.target_fields(geometry, scene)
    job = ViewJob(scene, geometry, source, targets, run, seed, threads, 1.0)
    began, level = time.monotonic(), 0
    levels, single_left = node_levels(targets["grid"]), single_levels(targets["grid"], geometry)
    single, multiple = SingleSums(job, single_left.pop(0)), MultipleSums(job, levels[0])
    single.grow()
    multiple.grow()
    while True:
        if run.histories is not None:
            single.grow_to(-(-run.histories // (8 * REPLICATES)))
            multiple.grow_to(-(-run.histories // BATCHES))
        reached = _until(job, single, multiple, began, _EARLY_POINTS if single.points < _EARLY_POINTS else None)
        early = reached is None  # what nodes of order 1 miss is told by few points: the same photons make both
        found = multiple.result()
        wanted = run.relative_error or 0.01
        # beyond what is allowed by 2 sigma of 8 checks: that is once the noise in squares
        coarse = found.interpolation_error > np.hypot(0.5 * wanted, found.interpolation_noise)
        refine = coarse and level + 1 < len(levels) and not early
        if refine:
            level, histories = level + 1, multiple.histories
            multiple = MultipleSums(job, levels[level])
            multiple.grow_to(histories)
        between, noise = single.interpolation()
        scatter = single.mean_and_variance()[0] + float(found.image.mean())
        if between > np.hypot(SINGLE_SHARE * wanted * scatter, noise):  # of 32 checks neighbours err together
            points = single.points
            single, refine = SingleSums(job, single_left.pop(0)), True
            single.grow_to(points)
        if not refine and not early:
            break
    reached = bool(reached) and (run.relative_error is None or not coarse)
    result = ScatterImage(
        single.images(),
        single.points,
        seed,
        found,
        reached,
        scene.basis_error,
        (scene.cell_cm[0] * 10.0, scene.cell_cm[1] * 10.0, scene.cell_cm[2] * 10.0),
        single.nodes,
        between / scatter if scatter > 0.0 else 0.0,
    )
    _warn(result, run)
    return result


def _until(
    job: ViewJob, single: SingleSums, multiple: MultipleSums, began: float, most_points: int | None
) -> bool | None:
    """Whether the aim was reached; None: not yet, but single scatter has `most_points`, not None."""
    run, seen = job.run, 1.0  # the share of the variance of nodes that an image of them has, once the aim is near
    if run.histories is not None:
        return True
    for _ in range(_MOST_STEPS):
        mean, variance = single.mean_and_variance()
        more_mean, more_variance = multiple.mean_and_variance()
        total = mean + more_mean
        if not total > 0.0:
            return False
        least = 1.0
        if run.relative_error is not None:
            over = (variance + more_variance) / (run.relative_error * total) ** 2
            if seen * over <= _NEAR:
                error = ScatterImage(single.images(), single.points, job.seed, multiple.result()).relative_error
                if error <= run.relative_error:
                    return True
                seen = (error / run.relative_error) ** 2 / over
            if most_points is not None and single.points >= most_points:
                return None
            least = least_growth(seen * over)
        elif time.monotonic() - began > (run.seconds or 0.0):
            return True
        if run.most_histories is not None and multiple.histories * BATCHES >= run.most_histories:
            return False
        if variance * multiple.cost > more_variance * single.cost:
            single.grow(least)
        else:
            multiple.grow(least)
    return False


def _warn(result: ScatterImage, run: MonteCarlo) -> None:
    interpolation = result.multiple.interpolation_error if result.multiple else 0.0
    if not result.image().max() > 0.0:
        text = message(
            "the field", "no photon scattered in the phantom", "Look at the source, the field and the phantom."
        )
    elif not result.aim_reached:
        text = message(
            f"relative_error={run.relative_error}",
            f"not reached: {result.relative_error:.3g}, interpolation {interpolation:.3g}",
            "Allow more most_histories, or ask for less.",
        )
    else:
        return
    warnings.warn(text, MonteCarloWarning, stacklevel=4)
