"""Runs the report's cases, sets each figure beside its reference and judges it (verdict.py)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.evaluate.tg195 import radiography, tomography
from physsim.evaluate.tg195.problem import AIR, Figure, Problem
from physsim.evaluate.tg195.published import Reference, references
from physsim.evaluate.tg195.verdict import DOUBTFUL, LARGE_ERROR, LARGE_EV, SMALL_ERROR, passes
from physsim.randomness import Stream
from physsim.spec.scatter import MonteCarlo
from physsim.transport.montecarlo import transport_photons
from physsim.transport.montecarlo_result import MonteCarloResult

CASES: dict[str, Callable[[], list[Problem]]] = {
    "1": radiography.half_value_layers,
    "2": radiography.soft_tissue_box,
    "3": radiography.breast,
    "4.1": tomography.cylinder,
    "4.2": tomography.rods,
}
THORAX = "5"  # needs the report's file
_PILOT = 2**18
_PILOT_SHARE = 1 / 64  # of the photons that a run needs: a smaller pilot knows the energy of its rarest region badly
_MARGIN = 2.0  # of photons over the pilot's forecast: both runs know a variance within 18 %, and some more

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Row:
    """A figure beside its reference (None where the source has none); `passes`: see verdict.py; `run`: its problem."""

    case: str
    spectrum: str
    mode: str
    region: str
    value: float
    error: float
    unit: str
    reference: float | None
    difference_percent: float | None
    difference_sigma: float | None
    reference_low: float | None
    reference_high: float | None
    histories: int
    passes: bool | None
    run: str | None = None

    @property
    def undecided(self) -> bool:
        """Whether it would have a verdict, were its standard error smaller."""
        return self.passes is None and self.reference is not None and (self.case, self.region) not in DOUBTFUL

    @property
    def verdict(self) -> str:
        """agrees, disagrees, undecided, or none where there is nothing to judge by."""
        if self.undecided:
            return "undecided"
        return {True: "agrees", False: "disagrees", None: "none"}[self.passes]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {**asdict(self), "verdict": self.verdict}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Row:
        """What `as_dict` gave; TypeError for other keys."""
        return cls(**{name: value for name, value in data.items() if name != "verdict"})


def compare(
    cases: Iterable[str] | None = None,
    phantom: str | Path | None = None,
    error_percent: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
    chosen: Callable[[Problem], bool] = lambda problem: True,
) -> Iterator[Row]:
    """Rows of the cases (all by default, 5 where its `phantom` is given), problem by problem as they are finished.

    `error_percent`: largest relative standard error of a figure; by default 0.1 for totals, 0.3 above 20 eV, 1 below.
    Pilot runs forecast how many photons that takes; the run itself has other photons, and their number is fixed
    before it begins, so that its error is not chosen by its result.
    """
    known = [*CASES, THORAX]
    names = [name for name in known if name != THORAX or phantom is not None] if cases is None else list(cases)
    for name in names:
        if name not in known:
            raise InvalidInput(message(f"case {name!r}", "no such case", did_you_mean(name, known)))
    if (THORAX in names) != (phantom is not None):
        what, why, mend = (
            ("phantom", "only case 5 reads one", "Leave it out.")
            if phantom is not None
            else (
                "case 5",
                "its voxels are a file of the report",
                "Give case5world.bin (or .gz) as phantom, --phantom FILE.",
            )
        )
        raise InvalidInput(message(what, why, mend))
    if error_percent is not None and not error_percent > 0.0:
        raise InvalidInput(
            message(f"error_percent={error_percent:g}", "a standard error is larger than 0", "Give percent: 0.3.")
        )
    seeds = Stream(seed, "tg195")
    problems = [
        problem
        for name in names
        for problem in (CASES[name]() if name in CASES else tomography.thorax(Path(str(phantom))))
        if chosen(problem)
    ]
    for n, problem in enumerate(problems):

        def told(_: str, fraction: float, n: int = n, problem: Problem = problem) -> None:
            if progress is not None:
                progress(f"case {problem.case}, {problem.spectrum}, {problem.mode}", (n + fraction) / len(problems))

        result = solve(problem, error_percent, seeds.seed_for(n), threads, told)
        for figure in problem.figures:
            yield row(problem, figure, result)


def solve(
    problem: Problem, error_percent: float | None, seed: int, threads: int | None, progress: Progress | None = None
) -> MonteCarloResult:
    """Pilots, then a run of as many photons as the figures need."""

    def run(histories: int, number: int, told: Progress | None) -> MonteCarloResult:
        return transport_photons(
            problem.phantom(),
            problem.source,
            MonteCarlo(histories=histories)
            if problem.dose_regions is None
            else MonteCarlo(histories=histories, dose="expected", dose_regions=problem.dose_regions),
            ambient=AIR,
            geometry=problem.geometry,
            seed=number,
            threads=threads,
            progress=told,
            **problem.options,
        )

    pilots = Stream(seed, "pilot")
    needed = _needed(problem, error_percent, run(_PILOT, pilots.seed_for(0), None))
    if needed * _PILOT_SHARE > _PILOT:
        needed = _needed(problem, error_percent, run(int(needed * _PILOT_SHARE), pilots.seed_for(1), None))
    return run(max(int(needed * _MARGIN), 1 << 14), seed, progress)


def _needed(problem: Problem, error_percent: float | None, pilot: MonteCarloResult) -> float:
    """Photons by which every figure has its standard error, as the pilot knows it."""
    needed = 0.0
    for figure in problem.figures:
        found = figure.of(pilot)
        aim = (
            0.01 * error_percent
            if error_percent is not None
            else figure.aim or (LARGE_ERROR if found.value > LARGE_EV else SMALL_ERROR)
        )
        needed = max(needed, (found.relative_error / aim) ** 2)
    if not math.isfinite(needed):
        raise InvalidInput(
            message(
                f"case {problem.case}, {problem.mode}",
                f"{pilot.histories} photons of the pilot left a region without energy",
                "This is an error of physsim: report it.",
            )
        )
    return needed * pilot.histories


def row(problem: Problem, figure: Figure, result: MonteCarloResult) -> Row:
    """The figure beside its reference."""
    found = figure.of(result)
    mode = figure.mode or problem.mode
    known: Reference | None = references().get((problem.case, problem.spectrum, mode, figure.region))
    apart = None if known is None else found.value - known.mean
    return Row(
        problem.case,
        problem.spectrum,
        mode,
        figure.region,
        found.value,
        found.error,
        figure.unit,
        None if known is None else known.mean,
        None if known is None or apart is None else 100.0 * apart / known.mean,
        None if apart is None else apart / found.error,
        None if known is None else known.low,
        None if known is None else known.high,
        result.histories,
        None if known is None else passes(problem.case, figure.region, found, known),
        problem.mode,
    )
