"""The child's side: commands in as lines of JSON, one answer a line. Needs nothing but numpy.

{"load": folder} prepares a job; {"run": calls} runs it once, which does not count, and then `calls` times: it answers
the least wall and CPU seconds of these, and the seconds of the first; {"save": file} writes the last result, {"stop":
true} ends. Only the computation lies between the clocks: reading files, handing arrays over and starting Python do not.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Prepare = Callable[["Job"], Callable[[], Any]]


class Job:
    """A folder with job.json (fields) and arrays as .npy; `job["volume"]` reads an array, `job.threads` a field."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.__dict__.update(json.loads((self.folder / "job.json").read_text()))

    def __getitem__(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy")

    def __contains__(self, name: str) -> bool:
        return (self.folder / f"{name}.npy").exists()


def peak_memory_mb() -> float:
    """Most memory that this process ever had resident (MiB). Not getrusage: its maximum begins with the parent's."""
    found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found.group(1)) / 1024 if found else float("nan")


def serve(prepare: Prepare, finish: Callable[[Any], np.ndarray], versions: Callable[[], dict[str, str]]) -> None:
    """Answer until told to stop. `finish` turns what a run returned into an array (outside the clocks)."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to stderr
    run, result = None, None
    for line in sys.stdin:
        command = json.loads(line)
        answer: dict[str, Any] = {}
        if "load" in command:
            run, result = prepare(Job(command["load"])), None
            answer = {"versions": versions()}
        elif "run" in command:
            assert run is not None
            wall, cpu = [], []
            for _ in range(1 + command["run"]):
                result = None
                start, start_cpu = time.perf_counter(), time.process_time()
                result = run()
                cpu.append(time.process_time() - start_cpu)
                wall.append(time.perf_counter() - start)
            first, *counted = wall
            answer = {"seconds": min(counted or wall), "cpu_seconds": min(cpu[1:] or cpu)}
            answer |= {"first_call_seconds": first, "rss_mb": peak_memory_mb()}
        elif "save" in command:
            np.save(command["save"], finish(result))
        print(json.dumps(answer), file=answers, flush=True)
        if "stop" in command:
            return
