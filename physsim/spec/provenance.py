"""Where a result comes from: everything needed to make it again, and nothing of when, where and how fast."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from physsim._version import __version__
from physsim.resources import kernels_path
from physsim.spec.base import Spec
from physsim.spec.grid import Grid, Vector
from physsim.spec.material import Material
from physsim.spec.protocol import Pose, Protocol


class PhantomRecord(Spec):
    """What was in the beam: `sha256` of labels, density and overlays with their grids and materials; low and high
    corner (world mm) of the body, between the heights of its region where voxels reach beyond (see Patient.phantom)."""

    name: str
    sha256: str
    grid: Grid
    materials: tuple[Material, ...]
    overlays: tuple[str, ...] = ()
    lesions: tuple[str, ...] = ()
    body_low_mm: Vector
    body_high_mm: Vector


class Provenance(Spec):
    """How a result was made: specs, seed, version, hashes of kernels and tables, device, and what was left out.
    `network`: hash of the weights of a Surrogate or Hybrid; `verdicts`: what a Hybrid guarantees of each view's
    scatter (surrogate.verdict.Verdict). `noise_network`: hash of the weights of a NoiseSurrogate, and what is stated of
    the noise: relative errors (RMS) of its variance and of its power in the worst band of frequencies; 1: nothing.

    It holds no clock, host, path, thread count or instruction set: the bits do not depend on them.
    """

    protocol: Protocol
    poses: tuple[Pose, ...]
    phantom: PhantomRecord
    seed: int
    scatter: str
    network: str = ""
    verdicts: tuple[dict[str, Any], ...] = ()
    noise: str = "none"
    noise_network: str | None = None
    noise_variance_error: float | None = None
    noise_power_error: float | None = None
    device: str
    neglects: tuple[str, ...]
    physsim_version: str = __version__
    kernels_sha256: str
    tables_sha256: str


@cache
def kernels_sha256() -> str:
    """Hash of the kernels' sources, as installed."""
    root = kernels_path()
    return _files_sha256(root, (path for ending in ("*.h", "*.cpp", "*.cu") for path in root.rglob(ending)))


@cache
def tables_sha256() -> str:
    """Hash of the shipped tables of cross sections and spectra."""
    import physsim.physics

    root = Path(physsim.physics.__path__[0]) / "data"
    return _files_sha256(root, (path for path in root.rglob("*") if path.is_file()))


def _files_sha256(root: Path, paths: Iterable[Path]) -> str:
    """Names and contents, in the order of the names."""
    total = hashlib.sha256()
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()
