"""The track of one photon of a run, event by event: the same photon, by its number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.spec.material import Material
from physsim.spec.scatter import MonteCarlo
from physsim.spec.source import PhotonSource
from physsim.transport.montecarlo_grid import GRID
from physsim.transport.montecarlo_job import PackedJob, Problem, pack_job
from physsim.transport.montecarlo_result import KEV_PER_COUNT, ORDERS

# kernels/transport/track.h, in its order
KINDS = (
    "born",
    "entered",
    "Compton",
    "Rayleigh",
    "photoelectric",
    "fluorescence",
    "cut off",
    "detected",
    "escaped",
    "lost",
)
MOST_NUMBER = 2**63

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Event:
    """What happened to a photon, and how it was afterwards. mm and keV; directions are unit vectors of the world.

    `kind`: one of KINDS; fluorescence is absorption with a line that goes on. `energy_kev`: the photon's; of the last
    event, what it takes to the detector or away. `deposited_kev`: what stays. Both are whole multiples of 2^-20 keV.
    `order`: how it would be scored, one of ORDERS. `material`, `region`, `voxel` (z, y, x): of a collision; no voxel in
    the ambient medium. `pixel` (row, column): of a detected photon.
    """

    kind: str
    position_mm: Vector
    direction: Vector
    energy_kev: float
    deposited_kev: float
    order: str
    material: str | None = None
    region: str | None = None
    voxel: tuple[int, int, int] | None = None
    pixel: tuple[int, int] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return dict(vars(self))


@dataclass(frozen=True)
class Track:
    """The events of photon `number`, from "born" to its end. `fingerprint`: that of the run's result."""

    number: int
    seed: int
    fingerprint: str
    events: tuple[Event, ...]

    @property
    def born_kev(self) -> float:
        """Energy at birth: exactly the sum of what was deposited, detected and what escaped."""
        return self.events[0].energy_kev

    @property
    def deposited_kev(self) -> float:
        """Energy left in the phantom and around it."""
        return sum(event.deposited_kev for event in self.events)

    @property
    def detected_kev(self) -> float:
        """Energy that met the detector."""
        return self.events[-1].energy_kev if self.events[-1].kind == "detected" else 0.0

    @property
    def escaped_kev(self) -> float:
        """Energy that left the world."""
        return self.events[-1].energy_kev if self.events[-1].kind == "escaped" else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "photon": self.number,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "born_kev": self.born_kev,
            "deposited_kev": self.deposited_kev,
            "detected_kev": self.detected_kev,
            "escaped_kev": self.escaped_kev,
            "events": [event.as_dict() for event in self.events],
        }


def replay_photon(
    phantom: Phantom,
    source: PhotonSource,
    run: MonteCarlo,
    number: int,
    *,
    geometry: Geometry | None = None,
    seed: int = 0,
    ambient: Material | str | None = None,
    regions: NDArray[Any] | None = None,
    region_names: Sequence[str] | None = None,
    disc_mm: float | None = None,
    energy_edges_kev: Sequence[float] | None = None,
    anti_scatter_grid: AntiScatterGrid | None = None,
    threads: int | None = None,
) -> Track:
    """The track of photon `number` (from 0) of a run of `transport_photons` with the same arguments.

    Its events add up to what the run counted for it, exactly. Candidates of delta tracking that were no collision are
    not events. Raises InvalidInput as transport_photons does, and for a number that no photon has.

    >>> import physsim as ps
    >>> water = ps.voxelise(ps.scene("slab60"), spacing_mm=20)
    >>> field = ps.RectangularField(centre_mm=(150, 300, 150), across=(1, 0, 0), along=(0, 0, 1), size_mm=(300, 300))
    >>> beam = ps.PhotonSource(spectrum=60, position_mm=(150, -800, 150), field=field)
    >>> track = ps.replay_photon(water, beam, ps.MonteCarlo(histories=1000), 17, seed=1)
    >>> track.born_kev == track.deposited_kev + track.escaped_kev == 60.0
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
    return replay(problem, (number,), threads)[0]


def replay(problem: Problem, numbers: Iterable[int], threads: int | None = None) -> list[Track]:
    """Tracks of several photons; the problem is packed once."""
    numbers = [_checked(number, problem.run) for number in numbers]
    job = pack_job(problem, thread_count(threads))
    return [_track(job, number) for number in numbers]


def _checked(number: int, run: MonteCarlo) -> int:
    if isinstance(number, bool) or int(number) != number or not 0 <= number < (run.histories or MOST_NUMBER):
        last = f"of {run.histories} photons the last is {run.histories - 1}" if run.histories else "they count from 0"
        raise InvalidInput(message(f"photon {number}", last, "Give the number of a photon of the run."))
    return int(number)


def _region(job: PackedJob, label: int, deposited: int) -> str | None:
    """Where an event's energy is counted; without a medium only a grid takes some."""
    if label < 0:
        return GRID if deposited else None
    return job.scene.regions.names[int(job.scene.fields["media"][label, 1])]


def _track(job: PackedJob, number: int) -> Track:
    scene = job.scene
    numbers, vectors = job.engine.replay(number, len(scene.regions.names))
    places = scene.world_mm(vectors[:, :3]).tolist()
    ways = (vectors[:, 3:].astype(np.float64) @ np.array(scene.grid.direction)).tolist()
    _, ny, nx = scene.grid.shape
    events = []
    for row, place, way in zip(numbers.tolist(), places, ways, strict=True):
        kind, order, label, voxel, pixel, energy, deposited = row
        events.append(
            Event(
                kind=KINDS[kind],
                position_mm=tuple(place),
                direction=tuple(way),
                energy_kev=energy * KEV_PER_COUNT,
                deposited_kev=deposited * KEV_PER_COUNT,
                order=ORDERS[order],
                material=None if label < 0 else scene.substances[label],
                region=_region(job, label, deposited),
                voxel=None if voxel < 0 else (voxel // (ny * nx), voxel // nx % ny, voxel % nx),
                pixel=None if pixel < 0 else divmod(pixel, job.image[3]),
            )
        )
    return Track(number, job.seed, job.mark, tuple(events))
