"""The doubter's table: how often a hybrid's guarantees hold on patients and objects that no training has seen."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.audit_cases import BODIES, VIEWS, AuditCases
from physsim.imaging.audit_zoo import GROUP, kinds_of, zoo_sha256
from physsim.imaging.network_scatter import weights_for
from physsim.imaging.simulate import check_request
from physsim.spec.protocol_library import protocols
from physsim.spec.scatter import Hybrid
from physsim.spec.training import AUDITED, ZOO, Family, ScatterTraining
from physsim.surrogate.audit import IN_DOMAIN, MODES, audit_figures
from physsim.surrogate.ensemble import shipped_family
from physsim.surrogate.scatter_training import subgroups
from physsim.surrogate.shards import PATIENT, Files, PatientsFailed, make_files, read_shards

Progress = Callable[[str, float], None]

_A_PROTOCOL = {"chest": "chest_pa", "abdomen": "abdomen_ap", "mammography": "mammogram", "ct": "chest_ct",
               "cbct": "c_arm_ct"}  # of a family
TOLERANCE, MOST_HISTORIES = 0.05, 2**19
_LAYERS = ("truth", "truth_error", "network", *MODES[:2], "seen", "figures", "drawn", "person", "technique", "kind",
           "case", PATIENT)


@dataclass(frozen=True, eq=False)
class Audit:
    """figures: all that was found, as plain data (docs/hybrid.md says what each means). views: arrays of AuditCases,
    one row a view, and `patient`; kinds: the zoo's, by number."""

    figures: Mapping[str, Any]
    views: Mapping[str, NDArray[Any]] = dataclasses.field(repr=False)
    kinds: tuple[str, ...] = dataclasses.field(repr=False)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """One HTML page: the tables, and the worst views as pictures."""
        from physsim.evaluate.audit_page import page
        from physsim.io.atomic import write_bytes

        write_bytes(path, page(self).encode(), overwrite)


def audit(family: str = "chest", *, cases: int = 2000, zoo: int = 1000, seed: int = 0, tolerance: float = TOLERANCE,
          level: float = 0.05, weights: str | Path | None = None, most_histories: int = MOST_HISTORIES,
          workers: int = 1, folder: str | Path | None = None, progress: Progress | None = None) -> Audit:
    """Audit the hybrid of a family's single views: bias, coverage of each guarantee, gate, subgroups, worst cases.

    `cases`: views of fresh patients, drawn as the family's training draws its own, but with other numbers and another
    seed, which follows from `seed`; `zoo`: views of what it was not trained on. Each is delivered in the mode "fast",
    in-domain ones also "certified" and "unbiased", to `tolerance` (e_S) with guarantees that fail with probability
    `level`, of `most_histories` at most, and compared with a truth by other photons. `weights`: those shipped when left
    out. `workers`: patients at a time; `folder`: where the views are kept, so that the same audit goes on after a stop.

    Of ct and cbct single views of scans are audited, each with a verdict of its own; a scan's verdict, over all its
    views together, is another one. Raises InvalidInput for an unknown family, one without weights, numbers that
    make no sense, and a folder that holds another audit. Patients that cannot be made are named in `figures["failed"]`,
    and missing from the others; PatientsFailed where none is left.
    Neglects: what failed patients have in common, if they have; what surrogate/audit.py and judged_coverage.py neglect.
    """
    path = check_audit(family, weights, cases=cases, zoo=zoo, seed=seed, workers=workers)
    run = Hybrid(tolerance=tolerance, level=level, most_histories=most_histories, weights=str(path))
    ensemble, calibration = weights_for(run, protocols[_A_PROTOCOL[family]])
    spec = ensemble.spec
    if spec.family != family:
        raise InvalidInput(message(f"family={family!r}", f"the weights {path.name} are of {spec.family}",
                                   f"Give family={spec.family!r}, or other weights."))
    assert calibration is not None
    views_of = AuditCases(spec, run, seed, cases, zoo)
    plan = json.dumps({"audit of": spec.data_json(), "network": ensemble.digest, "seed": seed, "cases": cases,
                       "zoo": zoo, "run": run.replace(weights=None).to_json(), "shared": [BODIES, VIEWS, GROUP]})
    keeper: AbstractContextManager[str] = tempfile.TemporaryDirectory() if folder is None else nullcontext(str(folder))
    with keeper as kept:
        files = {Path(kept) / f"audit_{number:012d}.h5": (number,) for number in views_of.numbers}
        made, failed = _made(files, plan, views_of, workers, progress)
        found = read_shards(made, _LAYERS)
    inside = found["kind"] == IN_DOMAIN
    if (found[PATIENT] < AUDITED).any():
        raise AssertionError("patients of the training among the audit's")
    kinds = tuple(one.name for one in kinds_of(spec))
    groups = {_named(name, spec): mask
              for name, mask in subgroups({name: values[inside] for name, values in found.items()}).items()}
    figures = audit_figures(found, calibration, tolerance, level, groups, kinds)
    told = {"family": family, "verdicts": "single views", "cases": cases, "zoo_members": zoo,
            "patients": len(np.unique(found[PATIENT][inside])),
            "seed": seed, "tolerance": tolerance, "level": level, "most_histories": most_histories,
            "failed": failed, "network": ensemble.digest, "zoo_sha256": zoo_sha256(spec, seed, zoo),
            "views_sha256": hashlib.sha256(np.ascontiguousarray(found["case"]).tobytes()).hexdigest()}
    return Audit({**figures, **told}, found, kinds)


def _made(files: Files, plan: str, views_of: AuditCases, workers: int, progress: Progress | None
          ) -> tuple[Sequence[Path], dict[str, str]]:
    """Files of the views, and what failed, by patient (or group of the zoo): the others are audited all the same.

    Raises PatientsFailed where no patient, or nothing of the zoo, is left."""
    try:
        return make_files(files, plan, views_of, workers=workers, progress=progress), {}
    except PatientsFailed as error:
        left = [number for path in error.files for number in files[path]]
        if not any(number < ZOO for number in left) or not any(number >= ZOO for number in left):
            raise
        return error.files, {str(number): f"{type(one).__name__}: {one}" for number, one in error.failed.items()}


def check_audit(family: str, weights: str | Path | None = None, *, cases: int = 1, zoo: int = 1, seed: int = 0,
                workers: int = 1) -> Path:
    """The weights to audit; InvalidInput for what audit() cannot do, before any work."""
    check_request(seed=seed)
    for name, value in (("cases", cases), ("zoo", zoo), ("workers", workers)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidInput(message(f"{name}={value!r}", "an audit has one or more", "Give a whole number from 1."))
    return _weights(family, weights)


def _weights(family: str, weights: str | Path | None) -> Path:
    known = get_args(Family)
    if family not in known:
        raise InvalidInput(message(f"family={family!r}", "no such family of networks", did_you_mean(family, known)))
    if weights is not None:
        from physsim.io.elements import input_file

        return input_file(Path(weights))
    found = shipped_family(family)
    if found is None:
        raise InvalidInput(message(f"family={family!r}", "no weights are shipped for it",
                                   "Give weights= (--weights) of physsim train scatter."))
    return found


def _named(group: str, spec: ScatterTraining) -> str:
    """Scanners by their protocol's name."""
    kind = group.removeprefix("technique ")
    return group if kind == group else f"technique {spec.techniques[int(kind)].protocol}"
