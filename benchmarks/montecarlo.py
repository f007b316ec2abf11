"""How fast is photon transport, and how fast a scatter image of a stated error? `physsim bench montecarlo`.

Why it is honest:
- Each task runs in a process of its own, which has made its phantom before the clock starts; the clock covers the
  whole public call. Start-up (checks, tables, majorants: the same call with one photon or the fewest points) is shown
  apart, and taken off the times to a stated error, for each code alike; figures that include it say so. The least wall
  time of the rounds counts; CPU seconds and memory stand beside it.
- Errors are e_S: the RMS over the 48 x 40 pixels of the standard error, over the mean scatter; from independent batches
  or scrambles of the timed run itself. Analog errors fall as 1 / sqrt(t), so its times to 5, 2 and 1 % follow from one
  run; those of forced detection are measured one by one, and grow where noise and the spline's own error, summed in
  squares, exceed the aim. That error is taken from the most accurate run with as many nodes.
- Cells of means bias scatter_image by what docs/design/scatter.md states: beside "scatter_image" stand
  "scatter_image, voxels" and, as a figure, the ratio of all scattered energy to that of the analog run.
- The second comparison is analog transport whose image is smoothed as a spline would: least squares on 12 x 10 nodes.
- MC-GPU runs on SLAB60 within the same run when its executable is named. Otherwise its rates are those measured on
  another machine, and the notes say so.
- The CT rotation takes the whole call and then every view on the detector's own pixels; the call alone stands beside.
- What could not be measured is null, with the reason under "notes".
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from . import machine, mcgpu
from .scatter_jobs import COLUMNS, ESTIMATORS, FASTEST, ROWS, TARGETS, Row, run

Say = Callable[[str], None]
JOBS = {"slab60": "slab60", "thorax90": "thorax"}  # and how the figures call them
MCGPU_HISTORIES = 400_000
MISSING = "its row failed (see the other notes), or interpolation alone errs by more than the aim (see the rows)"


def measure(
    *,
    threads: int = 1,
    histories: int = 2_000_000,
    rounds: int = 2,
    quick: bool = False,
    mcgpu_executable: Path | None = None,
    mcgpu_water: Path | None = None,
    say: Say = lambda text: print(text, file=sys.stderr),
) -> dict[str, Any]:
    """Run every task: {"kind", "rows", "figures", "notes", "failed", "machine", "settings"}, ready for JSON."""
    peer = None if mcgpu_executable is None else mcgpu.check(mcgpu_executable, mcgpu_water)
    described = machine.describe()
    counters, no_joules = machine.energy_counters()
    notes = {} if no_joules is None else {"joules": no_joules}
    if described["load_at_start"] > 0.25 * described["cores"]:
        notes["load"] = f"other work ran at the start (load {described['load_at_start']}): seconds are too long"
    bench = _Bench(
        not quick, min(histories, 20_000) if quick else histories, 1 if quick else rounds, counters, notes, say
    )
    rows: list[Row] = []
    for job in JOBS:
        rows += bench.analog(job, threads)
        for code in ESTIMATORS:
            rows += bench.forced(job, code, threads)
    rows += bench.dose("slab60", threads)
    rows += bench.forced("chest", FASTEST, threads)
    rows += bench.rotation(min(2, described["cores"]))
    rows += bench.start(threads)
    bench.close()
    if peer is not None:
        rows += bench.mcgpu(*peer)
    else:
        notes["mcgpu"] = (
            "MC-GPU was not run here (--mcgpu PATH names an executable): its rates, "
            + ", ".join(f"{rate:.3g}/s on {name.upper()}" for name, rate in mcgpu.MEASURED_PER_S.items())
            + ", were measured on one core of another machine (AVX-512 Xeon, gcc 12 -O3 -ffast-math)"
        )
    notes["cuda_histories_per_s"] = "`python -m benchmarks.gpu` measures photons on a card"
    notes["mcgpu thorax"] = "MC-GPU's rate on a thorax is that of another voxel thorax at 90 kVp, on that machine"
    if quick:
        notes["quick"] = "miniatures: these figures say nothing about speed"
    return {
        "kind": "montecarlo",
        "rows": rows,
        "figures": figures(rows, notes),
        "notes": notes,
        "failed": bench.failed,
        "machine": described,
        "settings": {"threads": threads, "histories": bench.histories, "rounds": bench.rounds, "quick": quick},
    }


def figures(rows: list[Row], notes: dict[str, str]) -> dict[str, float | None]:
    """The issue's figures; one that lacks a row is None, with the reason in `notes`. Start-up is apart unless named."""

    def row(job: str, code: str) -> Row | None:
        return next((one for one in rows if (one["job"], one["code"]) == (job, code)), None)

    def seconds(job: str, start: bool = False) -> float | None:
        found = row(job, FASTEST)
        if found is None or found["seconds_to_2_percent"] is None:
            return None
        return _to(found, 2) + (found["cold_startup_seconds"] if start else 0.0)

    def over_analog(job: str) -> float | None:
        ours, theirs = row(job, FASTEST), row(job, "analog")
        both = ours is not None and theirs is not None
        return ours["scatter_ev_per_history"] / theirs["scatter_ev_per_history"] if both else None

    def gain(job: str, code: str, rate: float | None) -> float | None:
        """Time of analog transport (or smoothed) at a rate of histories, over ours."""
        ours, theirs = seconds(job), row(job, code)
        if ours is None or theirs is None:
            return None
        own = _to(theirs, 2)
        return own * (1.0 if rate is None else theirs["histories_per_s"] / rate) / ours

    slab, start, rotation = row("slab60", "analog"), row("start", "start-up"), row("ct", "scatter_scan")
    theirs = row("slab60", "MC-GPU")
    rates = {**mcgpu.MEASURED_PER_S, **({"slab60": theirs["histories_per_s"]} if theirs else {})}
    result: dict[str, float | None] = {
        "analog_histories_per_s": slab and slab["histories_per_s"],
        "mcgpu_histories_per_s": theirs and theirs["histories_per_s"],
        "cuda_histories_per_s": None,
    }
    for job, name in JOBS.items():
        result[f"scatter_2_percent_seconds_{name}"] = seconds(job)
        result[f"gain_over_mcgpu_rate_{name}"] = gain(job, "analog", rates[job])
        result[f"gain_over_smoothed_analog_{name}"] = gain(job, "analog, smoothed", rates[job])
        result[f"gain_over_own_smoothed_analog_{name}"] = gain(job, "analog, smoothed", None)
        result[f"scatter_over_analog_{name}"] = over_analog(job)
    for name in ("gain_over_mcgpu_rate", "gain_over_smoothed_analog"):
        both = [result[f"{name}_{job}"] for job in JOBS.values()]
        result[name] = None if None in both else min(value for value in both if value is not None)
    result["chest_2_percent_seconds"] = seconds("chest", start=True)
    result["ct_rotation_seconds"] = rotation and rotation["seconds_to_2_percent"]
    result["ct_rotation_nodes_seconds"] = rotation and rotation["seconds_of_nodes"]
    result["startup_seconds"] = start and start["seconds"]
    for name, figure in result.items():
        if figure is None:
            notes.setdefault(name, notes.get("mcgpu", MISSING) if name == "mcgpu_histories_per_s" else MISSING)
    return result


def _to(row: Row, percent: int) -> float:
    return float(row[f"seconds_to_{percent}_percent"])


class _Bench:
    """One run of the benchmark."""

    def __init__(
        self, fine: bool, histories: int, rounds: int, counters: list[tuple[Path, int]], notes: dict[str, str], say: Say
    ) -> None:
        self.fine, self.histories, self.rounds = fine, histories, rounds
        self.counters, self.notes, self.say = counters, notes, say
        self.failed: list[str] = []
        # A miniature measures nothing: one process does all of its tasks.
        self._child = None if fine else ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    def close(self) -> None:
        """Ends the process of miniatures."""
        if self._child is not None:
            self._child.shutdown()

    def analog(self, job: str, threads: int) -> list[Row]:
        """Raw and smoothed; on one core, and for the rate on all of them."""
        rows: list[Row] = []
        cores = len(os.sched_getaffinity(0))
        for count in dict.fromkeys((threads, cores)):
            done = self._task("analog", job, "analog", count, histories=self.histories * count)
            if done is None:
                continue
            common = _common(job, count, done) | {
                "histories": done["histories"],
                "histories_per_s": done["histories_per_s"],
                "scatter_ev_per_history": done["scatter_ev_per_history"],
            }
            names = {"analog": "raw", "analog, smoothed": "smoothed", "analog, single scatter": "single"}
            for code, kind in names.items():
                if count == threads or kind == "raw":
                    name = code if count == threads else f"{code}, {count} threads"
                    rows.append({**common, "code": name, **_scaled(done["errors"][kind], done["seconds"])})
        return rows

    def forced(self, job: str, code: str, threads: int) -> list[Row]:
        """Forced detection to each error; seconds are those of the call less its start-up."""
        done = self._task("forced", job, code, threads, code=code)
        if done is None:
            return []
        row: Row = _common(job, threads, done) | {"code": code, "extrapolated": False}
        spline = {at["nodes"]: at["interpolation_error"] for at in done["targets"]}  # the last one counts
        for at in done["targets"]:  # a miniature leaves some out
            percent = round(100 * at["target"])
            seconds = max(at["seconds"] - done["startup_seconds"], 1e-6)
            row[f"seconds_to_{percent}_percent"] = reached(seconds, at["error"], spline[at["nodes"]], at["target"])
            row[f"error_at_{percent}_percent"] = at["error"]
        middle = next(at for at in done["targets"] if at["target"] == 0.02)
        row |= {name: middle[name] for name in ("seconds", "cpu_seconds", "error")}
        row |= {name: done[name] for name in ("scatter_ev_per_history", "cold_startup_seconds")}
        row["interpolation_error"] = spline[middle["nodes"]]
        row["figure_of_merit"] = 1.0 / (middle["error"] ** 2 * max(middle["seconds"] - done["startup_seconds"], 1e-6))
        return [row]

    def rotation(self, threads: int) -> list[Row]:
        """A CT rotation: start-up and images of all views are in its seconds."""
        done = self._task("rotation", "ct", "scatter_scan", threads)
        if done is None:
            return []
        interpolation = done["interpolation_error"] if self.fine else 0.0  # a miniature has too few nodes
        nodes = reached(done["seconds"], done["error"], interpolation, 0.02)
        row: Row = _common("ct", threads, done) | {"code": "scatter_scan", "extrapolated": not self.fine}
        row |= {"error": done["error"], "figure_of_merit": 1.0 / (done["error"] ** 2 * done["seconds"])}
        row |= {name: done[name] for name in ("images_seconds", "node_views", "interpolation_error")}
        row["interpolation_noise"] = done["interpolation_noise"]
        row |= {"seconds_of_nodes": nodes, "seconds_to_2_percent": nodes and nodes + done["images_seconds"]}
        return [row]

    def dose(self, job: str, threads: int) -> list[Row]:
        """Dose by voxel; its error is the mean relative one of voxels above half of the maximum."""
        done = self._task("dose", job, "dose by voxel", threads, histories=self.histories)
        if done is None:
            return []
        row = _common(job, threads, done) | {"code": "dose by voxel", **_scaled(done["errors"]["raw"], done["seconds"])}
        return [row | {"histories": done["histories"], "histories_per_s": done["histories_per_s"]}]

    def start(self, threads: int) -> list[Row]:
        """From voxels to the first photon."""
        done = self._task("start", "start", "start-up", threads)
        return [] if done is None else [_common("start", threads, done) | {"code": "start-up"}]

    def mcgpu(self, executable: Path, water: Path) -> list[Row]:
        """MC-GPU on SLAB60; its error follows from ours by the number of histories."""
        self.say("slab60 MC-GPU")
        try:
            with tempfile.TemporaryDirectory(prefix="physsim-mcgpu-") as place:
                done = mcgpu.run_slab60(executable, water, Path(place), MCGPU_HISTORIES, ROWS, COLUMNS)
        except Exception as error:  # whatever a foreign program does is a note
            self.notes["MC-GPU"] = str(error)
            return []
        row = _common("slab60", 1, {"seconds": done["seconds"], "startup_seconds": None, "voxels": "150x100x150"})
        orders = dict(zip(("primary", "compton", "rayleigh", "multiple"), done["ev_per_history"], strict=True))
        extra = {"code": "MC-GPU", "histories": done["histories"], "histories_per_s": done["histories_per_s"]}
        return [row | extra | {"ev_per_history": orders}]

    def _task(self, what: str, job: str, label: str, threads: int, **more: Any) -> Row | None:
        """What a fresh process says of a task; None and a note when it failed."""
        self.say(f"{job} {label}, {threads} threads")
        task = {"what": what, "job": job, "fine": self.fine, "threads": threads, "rounds": self.rounds, **more}
        before = machine.energy_uj(self.counters)
        try:
            if self._child is not None:
                done = self._child.submit(run, task).result()
            else:
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
                    done = child.submit(run, task).result()
        except Exception as error:  # any failure of a task is a note, and the run's status
            self.notes[f"{job} {label}"] = f"failed: {type(error).__name__}: {error}"
            self.failed.append(f"{job} {label}")
            return None
        if self.counters:  # of the whole task, phantom included: a watt is not known better
            watts = (
                machine.joules_between(before, machine.energy_uj(self.counters), self.counters) / done["task_seconds"]
            )
            done["joules"] = watts * done["seconds"] if "seconds" in done else None
        return done


def _common(job: str, threads: int, done: Row) -> Row:
    empty = dict.fromkeys((*(f"seconds_to_{round(100 * t)}_percent" for t in TARGETS), "error", "figure_of_merit"))
    names = ("seconds", "cpu_seconds", "startup_seconds", "voxels", "rss_mb", "joules")
    return {"job": job, "device": "cpu", "threads": threads, "histories": None, "histories_per_s": None, **empty,
            **{name: done.get(name) for name in names}}  # fmt: skip


def reached(seconds: float, error: float, interpolation: float, target: float) -> float | None:
    """Seconds until noise and interpolation, summed in squares, are at the target; None where they never are."""
    left = target**2 - interpolation**2
    return seconds * max(1.0, error**2 / left) if left > 0.0 else None


def _scaled(error: float, seconds: float) -> Row:
    """Times to each target when the error falls as 1 / sqrt(t)."""
    targets = {f"seconds_to_{round(100 * t)}_percent": seconds * (error / t) ** 2 for t in TARGETS}
    return {"error": error, "figure_of_merit": 1.0 / (error**2 * seconds), "extrapolated": True, **targets}
