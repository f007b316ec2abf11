"""The peers' virtual environments, one each under .peers/: `python -m benchmarks.peers [rtk diffdrr astra]`.

Peers are codes that anyone can install by name. None of them is a dependency of physsim, and none meets
another's versions: each lives in an environment of its own and is run as a subprocess.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import venv
from pathlib import Path

RUNNERS = Path(__file__).parent / "runners"


@dataclasses.dataclass(frozen=True)
class Peer:
    """installs: the arguments of each `pip install`; runner: the script in runners/."""

    name: str
    installs: tuple[tuple[str, ...], ...]
    runner: str


PEERS = {
    "rtk": Peer("rtk", (("itk-rtk",),), "run_rtk.py"),
    # Its renderers need torch alone; the rest of its long list (torchvision, timm, pyvista) serves its other modules.
    "diffdrr": Peer("diffdrr", (("torch==2.13.0", "numpy"), ("--no-deps", "diffdrr")), "run_diffdrr.py"),
    "astra": Peer("astra", (("astra-toolbox",),), "run_astra.py"),
}


def interpreter(peer: Peer, folder: Path) -> Path:
    """The peer's Python, after making its environment where it is not there yet (minutes, needs an index).

    Raises subprocess.CalledProcessError when pip fails; its output is the reason.
    """
    place = folder / peer.name
    python, stamp = place / "bin" / "python", place / "installed.txt"
    wanted = "\n".join(" ".join(words) for words in peer.installs)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"Installing {peer.name} into {place}", file=sys.stderr)
    venv.create(place, with_pip=True, clear=True)
    for words in peer.installs:
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words],
            check=True,
            text=True,
            capture_output=True,
        )
    stamp.write_text(wanted)
    return python


if __name__ == "__main__":
    for chosen in sys.argv[1:] or PEERS:
        print(interpreter(PEERS[chosen], Path(".peers")))
