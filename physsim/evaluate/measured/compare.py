"""Measured scans beside simulated ones: which figures differ, and which change of the scanner would explain it.

A scan is simulated as its TOML says, `replicates` times with other noise: their mean is what is expected, their spread
the error of a figure, pooled over figures of one kind; the measured scan's noise is taken to be of that size too. Then
the changes of CHANGES are sought that explain the differences best (weighted least squares): a scan with a changed tube
voltage and one with a changed focal spot tell how figures follow them, and the estimate is simulated again for what is
not linear. Reference: weighted least squares, C. L. Lawson, R. J. Hanson, Solving least squares problems (1974).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.body.source import body_from
from physsim.errors import InvalidInput, message
from physsim.evaluate.measured.figures import Figure, by_kind, differences, figures_of
from physsim.imaging.body import voxels_of
from physsim.imaging.dicom.ct_projection_reader import read_ct_projections
from physsim.imaging.scan.measured_files import line_integrals
from physsim.imaging.simulate import simulate
from physsim.io.dicom import read_dicom_series
from physsim.io.image import Image
from physsim.io.volume import read_volume
from physsim.phantom.phantom import Phantom
from physsim.spec.measured import MeasuredScan

Floats = NDArray[np.float64]

SIGMAS = 4.0  # by which a figure differs, or a change is found
# Changes that are sought: what they are where nothing is changed, and the least that counts.
CHANGES = {"kvp": (0.0, 0.5), "focal spot": (1.0, 0.1), "HU offset": (0.0, 1.0), "noise": (1.0, 0.03)}
_STEPS = {"kvp": 2.0, "focal spot": 1.5}
_ROUNDS = 2
_LEAST_SPOT, _MOST_SPOT, _MOST_KV = 0.2, 5.0, 20.0


@dataclass(frozen=True)
class Row:
    """One figure, measured and simulated; `error`: standard error of the difference. HU, or relative: of noise power,
    of the frequency of an MTF's level, of scatter to primary."""

    figure: str
    kind: str
    measured: float
    simulated: float
    difference: float
    error: float
    differs: bool


@dataclass(frozen=True)
class Change:
    """A change of the scanner from its description that explains the differences best: kV added, factor of the focal
    spot's widths, HU added, factor of the noise."""

    name: str
    value: float
    error: float
    unchanged: float
    found: bool


@dataclass(frozen=True)
class Comparison:
    """rows: of all figures. changes: of what the figures can tell. chi_square: of what these leave unexplained, per
    degree of freedom."""

    rows: tuple[Row, ...]
    changes: tuple[Change, ...]
    chi_square: float

    @property
    def agrees(self) -> bool:
        """No figure differs and no change is found."""
        return not any(one.differs for one in self.rows) and not any(one.found for one in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"agrees": self.agrees, "chi_square": self.chi_square, "rows": [asdict(one) for one in self.rows],
                "changes": [asdict(one) for one in self.changes]}


class Predicted:
    """Simulated figures of some scans, each kept once made."""

    def __init__(self, scans: Sequence[MeasuredScan], folder: str | Path = ".", threads: int | None = None,
                 progress: Callable[[str, float], None] = lambda stage, fraction: None) -> None:
        self.scans, self.threads, self.progress = tuple(scans), threads, progress
        self._folder, self._bodies = Path(folder), dict[int, Phantom]()
        self._made: dict[tuple[float, float, int], list[Figure]] = {}

    def figures(self, kvp: float = 0.0, focal_spot: float = 1.0, seed: int = 0) -> list[Figure]:
        """Of all scans, with the tube voltage raised by `kvp` and the focal spot's widths times `focal_spot`."""
        key = (round(kvp, 6), round(focal_spot, 6), seed)
        if key not in self._made:
            self.progress(f"simulated scan {len(self._made) + 1}", 0.0)
            self._made[key] = [one for n, scan in enumerate(self.scans) for one in self._scan(n, scan, *key)]
        return self._made[key]

    def _scan(self, number: int, scan: MeasuredScan, kvp: float, focal_spot: float, seed: int) -> list[Figure]:
        protocol = scan.protocol
        if number not in self._bodies:
            source = scan.phantom
            if source.scene is not None and source.scene.endswith(".toml"):
                source = source.replace(scene=str(self._folder / source.scene))
            if source.file is not None and not source.file.startswith("tg195:"):
                source = source.replace(file=str(self._folder / source.file))
            self._bodies[number] = voxels_of(body_from(source, {"seed": 0}), protocol, source.spacing_mm)
        if kvp and protocol.spectrum.kvp is not None:
            protocol = protocol.replace(spectrum=protocol.spectrum.replace(kvp=protocol.spectrum.kvp + kvp))
        if focal_spot != 1.0:
            protocol = protocol.replace(focal_spot_mm=tuple(width * focal_spot for width in protocol.focal_spot_mm))
        made = simulate(self._bodies[number], protocol, scatter=scan.scatter, seed=seed + 1, threads=self.threads,
                        keep=("image",) if scan.beam_stops else ())
        return figures_of(scan, made.volume if scan.volume is not None else None,
                          line_integrals(made) if scan.beam_stops else None)


def read_scans(path: str | Path) -> tuple[Path, list[MeasuredScan]]:
    """The descriptions at `path`: a TOML, or all those of a folder; and the folder. Raises InvalidInput for none."""
    path = Path(path)
    if path.suffix == ".toml":
        return path.parent, [MeasuredScan.from_toml(path)]
    files = sorted(path.glob("*.toml")) if path.is_dir() else []
    scans = [MeasuredScan.from_toml(one) for one in files if not one.name.endswith(".scene.toml")]
    if not scans:
        raise InvalidInput(message(str(path), "holds no description of a measured scan",
                                   "Give a TOML, or a folder of them; see docs/measured.md."))
    names = [one.name for one in scans]
    if len(set(names)) < len(names):
        raise InvalidInput(message(f"names {names}", "two scans have one name", "Give each its own."))
    return path, scans


def measured_figures(scans: Sequence[MeasuredScan], folder: str | Path) -> list[Figure]:
    """Of the files that the descriptions name. Raises InvalidInput or FileFormatError for what cannot be read."""
    found = []
    for scan in scans:
        volume = None
        if scan.volume is not None:
            file = Path(folder) / scan.volume
            volume = read_dicom_series(file) if file.is_dir() else read_volume(file)
            x, y, z = (a - b for a, b in zip(volume.origin_mm or (0.0, 0.0, 0.0), scan.shift_mm, strict=True))
            volume = Image(volume.array, volume.spacing_mm, (x, y, z), volume.direction)
        projections = None if scan.projections is None else read_ct_projections(Path(folder) / scan.projections)[0]
        found += figures_of(scan, volume, projections)
    return found


def compare(measured: list[Figure], predicted: Predicted, replicates: int = 4) -> Comparison:
    """See the module. Raises InvalidInput for fewer than two replicates and figures that do not match."""
    if replicates < 2:
        raise InvalidInput(message(f"replicates={replicates}", "their spread is the error of a figure", "Give 4."))
    made = [predicted.figures(seed=seed) for seed in range(replicates)]
    if [one.name for one in measured] != [one.name for one in made[0]]:
        raise InvalidInput(message("figures", "pixels of volume and protocol differ, and with them bands of noise",
                                   "Give the protocol the scan's matrix and field_mm."))
    values = np.array([[one.value for one in figures] for figures in made])
    spread = by_kind(measured, (values - values.mean(axis=0)) * np.sqrt(replicates / (replicates - 1.0)))
    error = np.array([max(spread[one.kind], 1e-9) for one in measured]) * np.sqrt(1.0 + 1.0 / replicates)
    off = np.array([one.value for one in measured]) - values.mean(axis=0)
    rows = tuple(_row(one, simulated, o, e) for one, simulated, o, e in zip(
        measured, values.mean(axis=0).tolist(), off.tolist(), error.tolist(), strict=True))
    changes, chi_square = _changes(measured, predicted, off, error)
    return Comparison(rows, changes, chi_square)


def _row(one: Figure, simulated: float, off: float, error: float) -> Row:
    differs = abs(off) > SIGMAS * error and abs(off) > one.limit
    if one.kind == "HU":
        return Row(one.name, one.kind, one.value, simulated, off, error, differs)
    return Row(one.name, one.kind, one.shown, float(np.exp(simulated)), float(np.expm1(off)), error, differs)


def _changes(measured: list[Figure], predicted: Predicted, off: Floats,
             error: Floats) -> tuple[tuple[Change, ...], float]:
    plain = predicted.figures()
    columns: dict[str, Floats] = {}
    protocols = [scan.protocol for scan in predicted.scans]
    if any(one.spectrum.kvp is not None for one in protocols):
        columns["kvp"] = differences(predicted.figures(kvp=_STEPS["kvp"]), plain) / _STEPS["kvp"]
    if any(max(one.primary_rays[:2]) > 1 for one in protocols):
        # Squares of widths add: so figures follow the square of the spot's factor.
        columns["focal spot"] = differences(predicted.figures(focal_spot=_STEPS["focal spot"]), plain) / (
            _STEPS["focal spot"] ** 2 - 1.0)
    kinds = np.array([one.kind for one in measured])
    if (kinds == "HU").any():
        columns["HU offset"] = np.where(kinds == "HU", 1.0, 0.0)
    if (kinds == "noise").any():
        columns["noise"] = np.where(kinds == "noise", 2.0, 0.0)
    names = [name for name, column in columns.items() if np.abs(column / error).max() > 0.0]
    if not names or len(names) >= len(measured):
        return (), float("nan")
    slopes = np.stack([columns[name] for name in names], axis=1) / error[:, None]
    total, rest = np.zeros(len(names)), off / error
    for _ in range(_ROUNDS):
        total = total + np.linalg.lstsq(slopes, rest, rcond=1e-10)[0]
        at = dict(zip(names, total.tolist(), strict=True))
        kvp = float(np.clip(at.get("kvp", 0.0), -_MOST_KV, _MOST_KV))
        spot = float(np.clip(np.sqrt(max(1.0 + at.get("focal spot", 0.0), _LEAST_SPOT**2)), _LEAST_SPOT, _MOST_SPOT))
        expected = differences(predicted.figures(kvp=kvp, focal_spot=spot), plain)
        expected = expected + sum((at[name] * columns[name] for name in ("HU offset", "noise") if name in at),
                                  np.zeros(len(off)))
        rest = (off - expected) / error
    covariance = np.linalg.pinv(slopes.T @ slopes, rcond=1e-12)
    freedom = len(measured) - len(names)
    changes = []
    for n, name in enumerate(names):
        value, sigma = float(total[n]), float(np.sqrt(covariance[n, n]))
        if name == "focal spot":
            value = float(np.sqrt(max(1.0 + value, _LEAST_SPOT**2)))
            sigma /= 2.0 * value
        elif name == "noise":
            value = float(np.exp(value))
            sigma *= value
        unchanged, least = CHANGES[name]
        changes.append(Change(name, value, sigma, unchanged,
                              abs(value - unchanged) > SIGMAS * sigma and abs(value - unchanged) > least))
    return tuple(changes), float((rest**2).sum() / freedom)
