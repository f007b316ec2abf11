"""Is ray tracing exact and fast? physsim against codes that anyone can install, in one run, accuracy beside speed.

Why it is honest:
- Each code runs in a process of its own with the same number of threads, on the same rays and voxels, from files.
  Codes take turns within one run, after a warm-up; the least wall time of all turns counts, for each alike.
- A turn of each code, ours and the peers' alike, begins with one call that does not count. While others had their turn,
  the memory that a code gave back went to the system, on a virtual machine to its host, and the first call pays for
  getting it again. What counts is the computation, as where a program projects again and again; what the first call of
  a turn took stands beside it (`first_call_seconds`, median of the turns).
- A peer's clock covers its computation alone. Ours covers the whole public call: checks, output, plan and all.
- Peers get the voxel order and the poses that they document; the 2D peer, which has one thread, meets ours with one.
- Crossings are counted ray by ray in float64, not estimated. Accuracy is taken over all rays of the timed run
  (spectral and adjoint: 30,000 rays drawn from all views), against float64, and against an object with known integrals.
- A peer too slow for the whole job renders some of its views; its seconds are scaled by the number of rays, and the row
  says so (`rays_measured`).
- What could not be measured is null, with the reason under "notes". Times of a busy machine mean little: "machine"
  holds the load at the start, and each row the CPU seconds beside the wall's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from . import accuracy, jobs, machine
from .jobs import Job
from .peers import PEERS, RUNNERS, interpreter
from .worker import Worker, WorkerFailed

PEER_SETS = {"none": (), "rtk": ("rtk",), "all": tuple(PEERS)}
SPHERE_VIEWS = 15
SLOW_VIEWS = 2  # of a peer that takes minutes for the whole job
TURN_SECONDS = 0.5  # fast codes run several times a turn
Row = dict[str, Any]
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A code on a job. peer: whose environment, or None for ours. views: how many of the job's views it runs."""

    job: Job
    code: str
    peer: str | None = None
    views: int | None = None

    @property
    def timed(self) -> Job:
        """The job as this code runs it."""
        total = len(self.job.geometry)
        return self.job if self.views is None else self.job.with_views(slice(0, None, max(total // self.views, 1)))


def measure(
    *,
    size: int = 256,
    threads: int = 2,
    peers: Iterable[str] = tuple(PEERS),
    rounds: int = 5,
    peers_folder: Path = Path(".peers"),
    say: Say = lambda text: print(text, file=sys.stderr),
) -> dict[str, Any]:
    """Run every code on every job: {"rows", "figures", "notes", "machine", "settings"}, ready for JSON."""
    described = machine.describe()
    counters, no_joules = machine.energy_counters()
    notes = {} if no_joules is None else {"joules": no_joules}
    if described["load_at_start"] > 0.25 * described["cores"]:
        notes["load"] = f"other work ran at the start (load {described['load_at_start']}): seconds are too long"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="physsim-bench-") as place:
        bench = Bench(Path(place), threads, tuple(peers), rounds, peers_folder, counters, notes, say)
        reference = jobs.p256(size, threads)
        rows += bench.group(
            [
                Entry(reference, "physsim"),
                Entry(reference, "plain DDA"),
                Entry(reference, "RTK Joseph", "rtk"),
                Entry(reference, "physsim Joseph"),
                Entry(jobs.spectral(reference), "physsim"),
                Entry(jobs.adjoint(reference), "physsim"),
                Entry(jobs.scale(size, threads), "physsim"),
            ]
        )
        turned = jobs.oblique(reference)
        rows += bench.group([Entry(turned, "physsim"), Entry(turned, "plain DDA"), Entry(turned, "RTK Joseph", "rtk")])
        flat = jobs.fan(reference)
        rows += bench.group(
            [Entry(flat, "physsim"), Entry(flat, "ASTRA line", "astra"), Entry(flat, "ASTRA strip", "astra")]
        )
        rows += bench.group(
            [Entry(reference, f"DiffDRR {kind}", "diffdrr", SLOW_VIEWS) for kind in ("trilinear", "Siddon")], most=2
        )
    return {
        "rows": rows,
        "figures": figures(rows, size, notes),
        "notes": notes,
        "failed": bench.failed,
        "machine": described,
        "settings": {
            "size": size,
            "threads": threads,
            "rounds": rounds,
            "calls_a_turn_that_do_not_count": 1,
            "peers": list(bench.peers),
        },
    }


def figures(rows: list[Row], size: int, notes: dict[str, str]) -> dict[str, float | None]:
    """The issue's figures; one that lacks a row is None, with the reason in `notes`."""
    job, fine = f"p{size}", f"p{2 * size}"

    def value(name: str, code: str, key: str) -> float | None:
        found = [row[key] for row in rows if (row["job"], row["code"]) == (name, code)]
        return found[0] if found else None

    def ratio(above: tuple[str, str, str], below: tuple[str, str, str], power: float = 1.0) -> float | None:
        a, b = value(*above), value(*below)
        return None if a is None or b is None else float((a / b) ** power)

    def seconds(name: str, code: str = "physsim") -> tuple[str, str, str]:
        return name, code, "seconds"

    result = {
        "p256_over_rtk": ratio(seconds(job, "RTK Joseph"), seconds(job)),
        "p256_over_dda": ratio(seconds(job, "plain DDA"), seconds(job)),
        "p256_rms": value(job, "physsim", "rms_vs_float64"),
        "oblique_over_rtk": ratio(seconds(f"{job}-oblique", "RTK Joseph"), seconds(f"{job}-oblique")),
        "spectral_ratio": ratio(seconds(f"{job}-spectral"), seconds(job)),
        "adjoint_ratio": ratio(seconds(f"{job}-adjoint"), seconds(job)),
        "cost_512_ratio": ratio((fine, "physsim", "gsteps_per_s"), (job, "physsim", "gsteps_per_s"), -1.0),
        "fan_over_astra": ratio(seconds(f"fan{size}", "ASTRA line"), seconds(f"fan{size}")),
        "p256_over_diffdrr": ratio(seconds(job, "DiffDRR Siddon"), seconds(job)),
    }
    for name, figure in result.items():
        if figure is None:
            notes.setdefault(name, "a row that it needs is missing: see the other notes")
    if size != 256:
        notes["size"] = f"a miniature ({size}^3): its figures say nothing about speed"
    return result


@dataclasses.dataclass
class Bench:
    """One run of the benchmark: where its files lie and what it was asked for."""

    place: Path
    threads: int
    peers: tuple[str, ...]
    rounds: int
    peers_folder: Path
    counters: list[tuple[Path, int]]
    notes: dict[str, str]
    say: Say
    failed: list[str] = dataclasses.field(default_factory=list)

    def group(self, entries: list[Entry], most: int | None = None) -> list[Row]:
        """Rows of codes that take turns: warm-up, turns (`most` at most), then accuracy."""
        with contextlib.ExitStack() as stack:
            running = [started for entry in entries if (started := self._start(entry, stack)) is not None]
            for turn in range(min(self.rounds, most or self.rounds)):
                for entry, worker, turns in running:
                    self.say(f"{entry.job.name} {entry.code}: turn {turn + 1}")
                    turns.append(self._turn(worker, int(np.clip(TURN_SECONDS / turns[0]["seconds"], 1, 10))))
            truths: dict[tuple[str, int], Any] = {}
            return [self._row(entry, worker, _best(turns), truths) for entry, worker, turns in running]

    def _start(self, entry: Entry, stack: contextlib.ExitStack) -> tuple[Entry, Worker, list[Row]] | None:
        """A child with the job loaded and the figures of its warm-up; or None, and a note that says why."""
        label = f"{entry.job.name} {entry.code}"
        if entry.peer is not None and entry.peer not in self.peers:
            self.notes[label] = "not asked for (--peers)"
            return None
        try:
            python = sys.executable if entry.peer is None else interpreter(PEERS[entry.peer], self.peers_folder)
            script = RUNNERS / ("run_ours.py" if entry.peer is None else PEERS[entry.peer].runner)
            worker = stack.enter_context(Worker(python, script, entry.job.threads, self._log()))
            loaded = worker.ask(load=str(entry.timed.write(self.place / "job", entry.code)))
            self.say(f"{label}: warm-up")
            warm_up = loaded | self._turn(worker, 0)
        except subprocess.CalledProcessError as error:
            self.notes[label] = (
                f"its environment could not be made: {(error.stderr or str(error)).strip().splitlines()[-1]}"
            )
        except WorkerFailed as error:
            self.notes[label] = str(error)
            self.failed += [label] if entry.peer is None else []
        else:
            return entry, worker, [warm_up]
        return None

    def _log(self) -> Path:
        """A file for the stderr of one child."""
        return self.place / f"stderr-{len(list(self.place.glob('stderr-*')))}.txt"

    def _turn(self, worker: Worker, calls: int) -> Row:
        before = machine.energy_uj(self.counters)
        took = worker.ask(run=calls)
        if self.counters:
            spent = machine.joules_between(before, machine.energy_uj(self.counters), self.counters)
            took["joules"] = spent / (1 + calls)
        return took

    def _row(self, entry: Entry, worker: Worker, best: Row, truths: dict[tuple[str, int], Any]) -> Row:
        """Scale what was timed to the whole job, and compare the last timed result with the truths."""
        self.say(f"{entry.job.name} {entry.code}: accuracy")
        timed, job = entry.timed, entry.job
        key = (timed.name, len(timed.geometry))
        share = len(timed.geometry) / len(job.geometry)
        if (crossings := (job.name, 0)) not in truths:
            truths[crossings] = accuracy.crossings(job)
        count = truths[crossings]
        row: Row = {
            "job": job.name,
            "title": job.title,
            "code": entry.code,
            "threads": job.threads,
            "seconds": best["seconds"] / share,
            "cpu_seconds": best["cpu_seconds"] / share,
            "first_call_seconds": best["first_call_seconds"] / share,
            "gsteps_per_s": 1e-9 * count / (best["seconds"] / share),
            "crossings": count,
            "rays": int(np.prod(job.geometry.shape)),
            "rays_measured": int(np.prod(timed.geometry.shape)),
            "rms_vs_float64": None,
            "sphere_vs_analytic": None,
            "rss_mb": best["rss_mb"],
            "joules": best["joules"] / share if "joules" in best else None,
            "versions": best["versions"],
        }
        result = worker.result(self.place)
        if job.kind == "forward":
            if key not in truths:
                truths[key] = accuracy.siddon(timed, self.threads)
            row["rms_vs_float64"] = accuracy.relative_rms(result, truths[key])
            views = slice(0, None, max(len(timed.geometry) // SPHERE_VIEWS, 1))
            ball = accuracy.sphere(timed.with_views(views))
            self._again(worker, ball, entry.code)
            row["sphere_vs_analytic"] = accuracy.relative_rms(
                worker.result(self.place), accuracy.sphere_integrals(ball)
            )
            return row
        rng = np.random.default_rng(4)
        rays = np.sort(rng.choice(row["rays"], min(accuracy.CHECKED_RAYS, row["rays"] // 4), replace=False))
        if job.kind == "spectral":
            truth = accuracy.spectral_signal(job, rays)
            got = result.reshape(-1)[rays]
            row["rms_vs_float64"] = accuracy.relative_rms(got[None], truth[None])
            row["greatest_relative_error"] = float(np.abs(got / truth - 1).max())
        else:
            image = np.zeros_like(job.arrays["image"])
            image.reshape(-1)[rays] = job.arrays["image"].reshape(-1)[rays]
            sparse = job.with_arrays(image=image)
            self._again(worker, sparse, entry.code)
            row["rms_vs_float64"] = accuracy.relative_rms(
                worker.result(self.place), accuracy.adjoint_volume(sparse, rays)
            )
        return row

    def _again(self, worker: Worker, job: Job, code: str) -> None:
        """Run another job of the same kind in the same child, untimed."""
        worker.ask(load=str(job.write(self.place / "job", code)))
        worker.ask(run=0)


def _best(turns: list[Row]) -> Row:
    """The least of each figure over the turns after the warm-up, which is the first.

    Of memory the greatest; of a turn's first call, which does not count, the median.
    """
    warm_up, *others = turns
    of = {"rss_mb": max, "first_call_seconds": statistics.median}
    return warm_up | {key: of.get(key, min)(turn[key] for turn in others) for key in others[0]}
