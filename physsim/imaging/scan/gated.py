"""Gated scans: for each phase of heartbeat or breath axial short scans, each view of the body at its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from physsim.body.breathing import quiet_respiration
from physsim.body.patient import Patient
from physsim.device.choice import Device
from physsim.errors import InvalidInput, message
from physsim.imaging.body import body_box_mm, check_part, voxels_of
from physsim.imaging.scan.coverage import organs_box_mm, placed
from physsim.imaging.scan.dual_energy import other_seed
from physsim.imaging.scan.moving import Cine, MovingBody, states_of_views
from physsim.imaging.scan.result import Scan, figures_together, largest_scatter_error
from physsim.imaging.scan.scan import take_scan
from physsim.imaging.stages import OWN, Stages
from physsim.phantom.phantom import Phantom
from physsim.spec.gating import Gating
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import Provenance
from physsim.spec.scatter import ScatterRun

_MARGIN_MM = 10.0  # beyond the organs that are looked at


@dataclass(frozen=True, eq=False)
class GatedScan:
    """`phases`: name ("phase 75 %") -> a Scan of the body about that phase, all on one grid; its truth is the body's at
    the phase itself. Neglects: between states of the body (see Gating) it stands still; scatter and the tube's current
    are those of the body at the phase; beats and breaths are all alike."""

    phases: Mapping[str, Scan]
    protocol: Protocol
    provenance: Provenance

    def __getitem__(self, name: str) -> Scan:
        """The scan of a phase, by its name. Raises InvalidInput for another."""
        if name not in self.phases:
            raise InvalidInput(message(f"phase {name!r}", "this scan has none of that name",
                                       f"It has {', '.join(self.phases)}."))
        return self.phases[name]

    @property
    def scatter_error(self) -> float | None:
        """The largest e_S of the phases; None without scatter."""
        return largest_scatter_error(self.phases)

    @property
    def saturated(self) -> int:
        """Pixels and views beyond what can be read out, of all phases."""
        return sum(one.saturated for one in self.phases.values())

    def figures(self) -> dict[str, float]:
        """Of each phase, by "phase: figure"; doses of all together."""
        return figures_together(self.phases)

    def save_dose(self, path: str | Path, overwrite: bool = False) -> None:
        """Doses of each phase as a DICOM dose report (.dcm) or a table (.json)."""
        from physsim.imaging.scan.dose_files import save_dose

        save_dose(self.phases, self.provenance, path, overwrite)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """A folder (no ending): one folder of DICOM slices a phase. `.h5`: all volumes. `.png`: planes of the first.

        Raises OutputError when a file exists and `overwrite` is False, InvalidInput for an unknown ending.
        """
        from physsim.imaging.scan.spectral_files import save_gated

        save_gated(self, path, overwrite)


def take_gated(body: Patient | Cine, protocol: Protocol, run: ScatterRun | None, *, noise: bool, seed: int,
               device: Device, threads: int, keep: Sequence[str], progress: Callable[[str, float], None],
               stages: Stages = OWN) -> GatedScan:
    """See physsim.simulate; `protocol` has a rotation and a gating."""
    gating, rotation = protocol.gating, protocol.rotation
    assert gating is not None
    assert rotation is not None
    count = len(body.bodies) if isinstance(body, Cine) else gating.bodies
    made: dict[int, Phantom] = {}

    def at(state: int) -> Phantom:
        if state not in made:
            made[state] = body.at(state) if isinstance(body, Cine) else \
                voxels_of(_moved(body, gating, state / count), protocol)
        return made[state]

    progress("bodies", 0.0)
    first = at(round(gating.phases[0] * count) % count)
    check_part(first, protocol)
    fixed = _placed(protocol, gating, first)
    views = round(rotation.views * rotation.arc_deg / 360.0)
    scans: dict[str, Scan] = {}
    for number, phase in enumerate(gating.phases):
        turn = states_of_views(views, rotation.views, rotation.turn_s, phase, gating.period_s, count)
        middle = at(round(phase * count) % count)
        assert fixed.rotation is not None
        assert fixed.reconstruction is not None
        stops = len(fixed.rotation.turns(fixed.detector, body_box_mm(middle), fixed.reconstruction.field_mm))
        moving = MovingBody({int(state): at(int(state)) for state in np.unique(turn)}, np.tile(turn, stops))

        def told(stage: str, share: float, before: float = number / len(gating.phases)) -> None:
            progress(stage, before + share / len(gating.phases))

        scans[f"phase {100.0 * phase:g} %"] = take_scan(
            middle, fixed.replace(gating=None), run, noise=noise, seed=other_seed(seed, number) if number else seed,
            device=device, threads=threads, keep=keep, progress=told, moving=moving, stages=stages)
    record = next(iter(scans.values())).provenance
    return GatedScan(scans, protocol, record.replace(
        protocol=protocol, seed=seed, neglects=(*record.neglects, "motion between the body's states of a cycle",
                                                "motion in scatter and current", "irregular beats and breaths")))


def check_gated(body: Phantom | Patient | Cine, protocol: Protocol) -> None:
    """InvalidInput for a body that does not move in a gated scan, and for a cycle in another."""
    if protocol.gating is None and isinstance(body, Cine):
        raise InvalidInput(message(f"protocol {protocol.name}", "it takes one state of a body",
                                   "Give one phantom, or a protocol with gating."))
    if protocol.gating is not None and isinstance(body, Phantom):
        raise InvalidInput(message(f"phantom {body.name!r} in a gated scan", "it stands still",
                                   "Give a Patient, or physsim.Cine(phantoms of its cycle)."))


def _moved(patient: Patient, gating: Gating, phase: float) -> Patient:
    return patient.replace(cardiac=phase) if gating.motion == "heart" else \
        patient.replace(respiration=quiet_respiration(phase))


def _placed(protocol: Protocol, gating: Gating, body: Phantom) -> Protocol:
    """With the range and the axis of one body, so that volumes of all phases lie on one grid.

    Raises InvalidInput where none of the organs looked for is there.
    """
    rotation, (low, high) = protocol.rotation, body_box_mm(body)
    assert rotation is not None
    if rotation.range_mm is None and gating.organs:
        protocol = protocol.replace(rotation=rotation.replace(range_mm=_heights(gating.organs, body)))
    rotation = placed(protocol, body).rotation
    assert rotation is not None
    wanted = rotation.range_mm or (low[2], high[2])
    axis = rotation.aim_mm or (0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]))
    return protocol.replace(rotation=rotation.replace(range_mm=wanted, aim_mm=axis))


def _heights(words: tuple[str, ...], body: Phantom) -> tuple[float, float]:
    found = organs_box_mm(body, words)
    if found is None:
        raise InvalidInput(message(f"organs={words}", "the phantom has none of that name, or no voxel of theirs",
                                   "Give range_mm."))
    return found[0][2] - _MARGIN_MM, found[1][2] + _MARGIN_MM
