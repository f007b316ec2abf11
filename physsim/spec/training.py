"""What a family of scatter networks is trained on, and how: all that its data and its weights follow from."""

from __future__ import annotations

import json
from typing import Annotated, Literal, NamedTuple, Protocol

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec

Range = tuple[float, float]
Family = Literal["chest", "abdomen", "mammography", "ct", "cbct"]
FIRST_LOOK = 256  # histories of the first of a held-out view's looks; each next one holds twice as many
HELD_OUT = 2**32  # number of the first patient that is never trained on
AUDITED = 2**33  # number of the first patient of an audit, which no training has seen
ZOO = 2**34  # number of the first group of an audit's members outside the domain
SCANNED = 2**35  # number of the first patient of a held-out scan
# Among the channels of a view's maps (imaging/scatter_maps.py): narrow, wide, along the strips, single scatter's two,
# light within matter
GUESSES = (3, 4, 8, 9, 10, 11)
MAPS = 3  # version of the maps that networks see: data and weights of another are not mixed
# Version of the bodies drawn: since 2 they go on beyond a scan's ends, since 3 of radiographs beyond the picture's
_BODIES = {"chest": 3, "abdomen": 3, "mammography": 2, "ct": 2, "cbct": 2}
_SCANS = 2  # version of the held-out scans: since 2 they are whole, of all turns
_STRIDE = 4  # input pixels along each side of a place where scatter is known, 2 where it is finer


_NOT_DATA = ("patients", "held_out", "members", "width", "epochs", "batch", "learning_rate", "shard_patients")
_OF_SCANS = ("held_out_scans", "scan_nodes", "scan_histories", "scan_truth_histories")


def _rising(value: Range) -> Range:
    if value[1] < value[0]:
        raise ValueError(message(f"range {value}", "its ends are swapped", "Swap them."))
    return value


def _doubled(most: int) -> tuple[int, ...]:
    return tuple(FIRST_LOOK << times for times in range((most // FIRST_LOOK).bit_length()))


Span = Annotated[Range, pydantic.AfterValidator(_rising)]


class FileCounts(NamedTuple):
    """How many cases are trained on, how many are held out, and how many lie in one file."""

    trained: int
    held_out: int
    in_one: int


class Training(Protocol):
    """What data, checkpoints and weights of any network follow from."""

    @property
    def seed(self) -> int:
        """Of all that is drawn."""

    @property
    def files(self) -> FileCounts:
        """How data lie in files."""

    def data_json(self) -> str:
        """All that the data of a case follow from."""

    def to_json(self) -> str:
        """All of it."""


class Technique(Spec):
    """Exposures like those of a shipped `protocol`, with what is drawn evenly between two ends in each.

    `share`: of the family's patients. `kvp`; `copper_mm`: added filter; `source_detector_mm`, `patient_detector_mm`:
    distances, where the protocol has positioning; `aim_mm`: the central ray beside the body's middle, along the
    detector's rows and columns, at most; `field`: share of the detector's sides that is lit; `grid_ratios`: of the
    protocol's grid, 0 for none. What is left out is the protocol's own.
    """

    protocol: str
    share: float = pydantic.Field(default=1.0, gt=0.0)
    kvp: Span | None = None
    copper_mm: Span | None = None
    source_detector_mm: Span | None = None
    patient_detector_mm: Span | None = None
    aim_mm: tuple[pydantic.NonNegativeFloat, pydantic.NonNegativeFloat] = (0.0, 0.0)
    field: Span = (1.0, 1.0)
    grid_ratios: tuple[pydantic.NonNegativeFloat, ...] = ()


class ScatterTraining(Spec):
    """Data: `patients` of the ages `age_years` (a further `held_out` are never trained on), each in `bodies` bodies
    that are it, longer or shorter along each axis within `stretch`, each seen in `views` views. `spacing_mm`: of its
    voxels. `histories`: of a view's multiple scatter (an eighth as many Sobol points), behind a grid `grid_times` as
    many; `held_out_histories`: at the last look at a view held out, `truth_histories`: of others that give its truth,
    behind a grid `grid_times` as many too. `pixels`: (rows, columns) of the network's maps;
    scatter is known and guessed at a place for each `stride` of them (rows, columns): half as many across the strips of
    a grid, whose shadows are sharp.

    Scans: `held_out_scans` further patients are never trained on, and each of their bodies is seen in a whole scan, in
    `scan_nodes` views evenly over all its turns (6 a turn and more tell its waves apart): with `scan_histories` in each
    at the last look, and `scan_truth_histories`, behind a grid `grid_times` as many, of its truth.

    Network: `members` of an ensemble, each of `width` channels at full size; `epochs` of batches of `batch`, at most
    `learning_rate`. `seed`: of all that is drawn. `shard_patients`: in one file.

    >>> import physsim as ps
    >>> spec = ps.ScatterTraining(family="chest", techniques=[{"protocol": "chest_pa", "kvp": (100, 140)}])
    >>> spec.places
    (12, 12)
    """

    family: Family
    techniques: tuple[Technique, ...] = pydantic.Field(min_length=1)
    seed: int = pydantic.Field(default=1, ge=0, lt=2**63)
    patients: int = pydantic.Field(default=200, ge=1, le=HELD_OUT)
    held_out: int = pydantic.Field(default=50, ge=1, le=AUDITED - HELD_OUT)
    age_years: Span = (18.0, 90.0)
    bodies: int = pydantic.Field(default=6, ge=1)
    views: int = pydantic.Field(default=4, ge=1)
    stretch: Span = (1.0, 1.0)
    spacing_mm: float = pydantic.Field(default=4.0, gt=0.0)
    histories: int = pydantic.Field(default=4096, ge=16)
    held_out_histories: int = pydantic.Field(default=16384, ge=FIRST_LOOK)
    truth_histories: int = pydantic.Field(default=16384, ge=FIRST_LOOK)
    grid_times: float = pydantic.Field(default=4.0, ge=1.0)
    held_out_scans: int = pydantic.Field(default=0, ge=0, le=SCANNED)
    scan_nodes: int = pydantic.Field(default=16, ge=8)
    scan_histories: int = pydantic.Field(default=2048, ge=FIRST_LOOK)
    scan_truth_histories: int = pydantic.Field(default=4096, ge=FIRST_LOOK)
    pixels: tuple[int, int] = (48, 48)
    stride: tuple[Literal[2, 4], Literal[2, 4]] = (4, 4)
    members: int = pydantic.Field(default=3, ge=1, le=16)
    width: int = pydantic.Field(default=24, ge=4, le=256)
    epochs: int = pydantic.Field(default=40, ge=1)
    batch: int = pydantic.Field(default=32, ge=1)
    learning_rate: float = pydantic.Field(default=2e-3, gt=0.0)
    shard_patients: int = pydantic.Field(default=16, ge=1)

    @pydantic.field_validator("pixels")
    @classmethod
    def _whole_places(cls, value: tuple[int, int]) -> tuple[int, int]:
        if any(side < 2 * _STRIDE or side % (2 * _STRIDE) for side in value):
            raise ValueError(message(f"pixels={value}", f"the network halves them: multiples of {2 * _STRIDE}",
                                     "Give for example (48, 48)."))
        return value

    @property
    def files(self) -> FileCounts:
        """How data lie in files."""
        return FileCounts(trained=self.patients, held_out=self.held_out, in_one=self.shard_patients)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of all patients: those to train on, and those held out."""
        return (*range(self.patients), *range(HELD_OUT, HELD_OUT + self.held_out))

    def data_json(self) -> str:
        """All that the data of a patient follow from: specs that agree in it share their data."""
        told = {name: value for name, value in self._plain().items() if name not in (*_NOT_DATA, *_OF_SCANS)}
        return json.dumps({"maps": MAPS, "bodies": _BODIES[self.family]} | told)

    def scan_data_json(self) -> str:
        """All that the data of a held-out scan follow from."""
        own = {name: getattr(self, name) for name in _OF_SCANS if name != "held_out_scans"}
        return json.dumps({"scans": own, "version": _SCANS, "views": self.data_json()})

    @property
    def looks(self) -> tuple[int, ...]:
        """Histories at each look at a held-out view: FIRST_LOOK, twice as many, ... up to held_out_histories."""
        return _doubled(self.held_out_histories)

    @property
    def scan_looks(self) -> tuple[int, ...]:
        """Histories in each node view at each look at a held-out scan."""
        return _doubled(self.scan_histories)

    @property
    def places(self) -> tuple[int, int]:
        """(rows, columns) where scatter is known and guessed."""
        return self.pixels[0] // self.stride[0], self.pixels[1] // self.stride[1]
