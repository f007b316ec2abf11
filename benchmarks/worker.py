"""The parent's side of runners/serve.py: one child process a code and a job, asked for one turn at a time.

Children stay alive between turns, so codes can take turns within one run: what slows the machine for a while slows all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from physsim.errors import PhyssimError


class WorkerFailed(PhyssimError, RuntimeError):
    """A child that ended early or said nothing; the end of its stderr is the reason."""


class Worker:
    """Runs `script` under `python` with a fixed number of threads. Use as a context manager."""

    def __init__(self, python: Path | str, script: Path, threads: int, log: Path) -> None:
        count = str(threads)
        names = (
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
            "NUMBA_NUM_THREADS",
        )
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment |= dict.fromkeys(names, count) | {"OMP_WAIT_POLICY": "PASSIVE"}  # idle threads must not spin
        self.log = log
        self._stderr = log.open("w")
        self._child = subprocess.Popen(
            [str(python), str(script)],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        """The child's answer to one command."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            print(json.dumps(command), file=self._child.stdin, flush=True)
            line = self._child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._stderr.flush()
            lines = [text for text in self.log.read_text().splitlines() if text.strip()]
            raise WorkerFailed(lines[-1] if lines else f"the child ended with status {self._child.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def result(self, folder: Path) -> np.ndarray:
        """The array of the last run."""
        file = folder / "result.npy"
        self.ask(save=str(file))
        array = np.load(file)
        file.unlink()
        return array

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.stdin is not None:
            self._child.stdin.close()
        try:
            self._child.wait(30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            print("a benchmark's child had to be killed", file=sys.stderr)
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._stderr.close()
