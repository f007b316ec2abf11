"""Analog photon transport through a phantom: images by scatter order, dose by region and voxel, errors from batches."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physsim.device.choice import Device, instruction_set, resolve, thread_count
from physsim.errors import PhyssimError, message
from physsim.phantom.phantom import Phantom
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.material import Material
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource
from physsim.transport.montecarlo_job import Problem, pack_job
from physsim.transport.montecarlo_result import MonteCarloResult
from physsim.transport.montecarlo_sums import Sums

BATCHES = 64  # in a run by histories; by error or time there are 64 to 127
FIRST_LOOK = 2**16  # histories; each further look takes twice as many
_CALL_SECONDS = 0.25  # of the engine: how long Ctrl-C and a time limit may wait
_FIRST_CALL = 4096

Progress = Callable[[str, float], None]


class MonteCarloWarning(UserWarning):
    """A run whose result is empty, or whose aim was not reached."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C during a run: `result` holds the finished batches (or None); the text says how to go on."""

    def __init__(self, text: str, result: MonteCarloResult | None) -> None:
        super().__init__(text)
        self.result = result


def transport_photons(
    phantom: Phantom,
    source: PhotonSource,
    run: MonteCarlo,
    *,
    geometry: Geometry | None = None,
    seed: int = 0,
    ambient: Material | str | None = None,
    regions: NDArray[Any] | None = None,
    region_names: Sequence[str] | None = None,
    disc_mm: float | None = None,
    energy_edges_kev: Sequence[float] | None = None,
    anti_scatter_grid: AntiScatterGrid | None = None,
    voxel_dose: bool = False,
    file: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    device: str | Device = "cpu",
    threads: int | None = None,
) -> MonteCarloResult:
    """Send photons from `source` through `phantom` and count where their energy goes.

    `geometry`: one view; its detector absorbs every photon that meets its front (`disc_mm`: only within that radius of
    its centre); energies are counted by order, pixel and, with `energy_edges_kev` (equal steps), energy.
    `anti_scatter_grid`: before the detector. Each photon counts with the share of its energy that the grid lets
    through on average over a period of its strips; what it absorbs is the energy of the region "anti-scatter grid".
    `ambient`: what surrounds the voxels, out to source and detector: a material, or None for vacuum.
    `regions`: (nz, ny, nx) whole numbers into `region_names` that energy is summed by; else the organs of the phantom's
    truth, or its materials. `voxel_dose`: energy by voxel too.
    The voxels of overlays replace what they cover; their energy counts for the region, and the voxel, of the phantom
    beneath them (where materials are the regions, for their own).
    `file`: kept there (HDF5) when the run ends or is stopped by Ctrl-C; where it exists the run goes on from it.
    `provenance`: plain data that is kept in it too, for example the spec that all this came from.
    `progress(stage, fraction)` is called a few times a second.
    `device`: "cpu", "cuda", "cuda:N", or "auto" (a GPU where one is present). A GPU sends the same photons: its sums
    are those of the CPU, and either goes on from a file of the other.
    The same seed gives the same bits on any number of threads, in one run or several.

    Raises InvalidInput (see each argument), DeviceUnavailable, Stopped on Ctrl-C. Warns (MonteCarloWarning) when no
    photon meets anything.
    Neglects: transport of electrons, refraction, polarisation, what the detector scatters back.

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("slab60"), spacing_mm=20)
    >>> field = ps.RectangularField(centre_mm=(150, 300, 150), across=(1, 0, 0), along=(0, 0, 1), size_mm=(300, 300))
    >>> beam = ps.PhotonSource(spectrum=60, position_mm=(150, -800, 150), field=field)
    >>> dose = ps.transport_photons(water, beam, ps.MonteCarlo(histories=1000), seed=1).region("water")
    >>> 20000 < dose.value < 50000
    True
    """
    problem = Problem(
        phantom,
        source,
        run,
        geometry,
        seed,
        ambient,
        regions,
        region_names,
        disc_mm,
        energy_edges_kev,
        anti_scatter_grid,
    )
    return transport(
        problem,
        voxel_dose=voxel_dose,
        file=file,
        provenance=provenance,
        progress=progress,
        device=device,
        threads=threads,
    )


def transport(
    problem: Problem,
    *,
    voxel_dose: bool = False,
    file: str | Path | None = None,
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    device: str | Device = "cpu",
    threads: int | None = None,
) -> MonteCarloResult:
    """`transport_photons` of a problem that is already made."""
    chosen, count, run = resolve(device), thread_count(threads), problem.run
    job = pack_job(problem, count, 2 * BATCHES, voxel_dose)
    balanced, grid = run.dose == "analog", problem.phantom.grid
    sums = Sums(job.image, job.scene.regions, grid, job.edges_kev, voxel_dose, job.seed, job.mark, balanced)
    if file is not None and Path(file).exists():
        sums.load(file)
    engine = job.engine
    if chosen.kind == "cuda":
        from physsim.device.cuda import cuda_kernels
        from physsim.transport.montecarlo_cuda import CudaPhotons

        engine = CudaPhotons(cuda_kernels(chosen), job, voxel_dose)
    state = _Run(run, count, instruction_set(), problem.geometry is not None)
    try:
        for fraction in state.steps(engine, sums):
            if progress is not None:
                progress("photons", fraction)
    except KeyboardInterrupt:
        raise _stopped(sums, file, provenance) from None
    result = sums.result(aim_reached=state.aim_reached)
    if file is not None:
        sums.save(file, provenance)
    if result.balance["deposited"] == 0 and result.balance["detected"] == 0:
        warnings.warn(
            message(
                "the field",
                f"none of {result.histories} photons met the phantom or the detector",
                "Look at the source's position and field.",
            ),
            MonteCarloWarning,
            stacklevel=3,
        )
    elif not state.aim_reached:
        warnings.warn(
            message(
                f"relative_error={run.relative_error}",
                f"not reached with {result.histories} photons",
                "Allow more most_histories.",
            ),
            MonteCarloWarning,
            stacklevel=3,
        )
    return result


class _Run:
    """When batches begin and end."""

    def __init__(self, run: MonteCarlo, threads: int, isa: str, by_image: bool) -> None:
        self.run, self.threads, self.isa, self.by_image = run, threads, isa, by_image
        self.aim_reached = False
        self._call = _FIRST_CALL

    def steps(self, job: Any, sums: Sums) -> Iterator[float]:
        """Do the work, telling the fraction done after each call of the engine."""
        began = time.monotonic()
        while not self._enough(sums, began):
            size, done = self._batch_size(sums), 0
            while done < size:
                count, call = min(self._call, size - done), time.monotonic()
                sums.add(job, done, count, self.threads, self.isa)
                done += count
                if time.monotonic() - call < 0.5 * _CALL_SECONDS:
                    self._call *= 2
                elif time.monotonic() - call > 2.0 * _CALL_SECONDS:
                    self._call = max(self._call // 2, 256)
                if self.run.seconds is not None and sums.batches and time.monotonic() - began > self.run.seconds:
                    sums.drop_unfinished()
                    self.aim_reached = True
                    return
                yield self._fraction(sums, done, began)
            sums.finish_batch(size)

    def _batch_size(self, sums: Sums) -> int:
        if self.run.histories is not None:
            return min(-(-self.run.histories // BATCHES), self.run.histories - sums.histories)
        if sums.batches >= 2 * BATCHES:
            sums.merge_pairs()
        return FIRST_LOOK // BATCHES if not sums.batches else sums.largest_batch

    def _enough(self, sums: Sums, began: float) -> bool:
        run = self.run
        if run.histories is not None:
            self.aim_reached = sums.histories >= run.histories
            return self.aim_reached
        if run.seconds is not None:
            self.aim_reached = bool(sums.batches) and time.monotonic() - began > run.seconds
            return self.aim_reached
        looks = sums.batches in (BATCHES, 2 * BATCHES)
        if looks:
            result = sums.result(aim_reached=True)
            error = result.scatter_error() if self.by_image else result.largest_region_error()
            self.aim_reached = error <= (run.relative_error or 0.0)
        most = run.most_histories
        return self.aim_reached or (most is not None and sums.histories + self._batch_size(sums) > most)

    def _fraction(self, sums: Sums, done: int, began: float) -> float:
        if self.run.histories is not None:
            return (sums.histories + done) / self.run.histories
        if self.run.seconds is not None:
            return min((time.monotonic() - began) / self.run.seconds, 1.0)
        reached = (sums.histories + done) / FIRST_LOOK
        return float(1.0 - 1.0 / (1.0 + reached))  # the end is not known


def _stopped(sums: Sums, file: str | Path | None, provenance: Mapping[str, Any] | None) -> Stopped:
    sums.drop_unfinished()
    kept = f"{sums.batches} finished batches ({sums.histories} photons) are kept"
    if not sums.batches:
        return Stopped("stopped before the first batch was finished: nothing is kept", None)
    result = sums.result(aim_reached=False)
    if file is None:
        return Stopped(f"stopped: {kept} in this exception's result. To go on later, run with file='run.h5'.", result)
    try:
        sums.save(file, provenance)
    except PhyssimError as error:
        return Stopped(f"stopped: {kept} in this exception's result, but not in a file ({error})", result)
    return Stopped(f"stopped: {kept} in {file}. The same call goes on from there.", result)
