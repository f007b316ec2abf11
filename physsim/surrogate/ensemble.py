"""An ensemble of scatter networks as a file of weights (safetensors) with its card: what made it, and its errors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import FileFormatError, InvalidInput, message
from physsim.io.atomic import written_whole
from physsim.io.elements import input_file
from physsim.spec.training import ScatterTraining

if TYPE_CHECKING:
    from physsim.surrogate.network import ScatterNet

_ROOM = 0.05
FORMAT, FORMAT_VERSION = "physsim scatter networks", 1


@dataclass(frozen=True, eq=False)
class ScatterEnsemble:
    """Networks of one family.

    card: `spec` (ScatterTraining), `inputs` (channels, conditions), `condition_ends` (least and most of each in
    training), `data_sha256`, `held_out` (errors of unseen patients) and what else training wrote. digest: SHA-256 of
    the file.
    """

    nets: tuple[ScatterNet, ...]
    card: Mapping[str, Any]
    digest: str

    @property
    def spec(self) -> ScatterTraining:
        """What it was trained by."""
        return ScatterTraining.from_dict(dict(self.card["spec"]))

    def unknown(self, conditions: NDArray[Any]) -> tuple[str, ...]:
        """Names of the conditions (conditions,) of a view that lie beyond those of training by _ROOM of their range."""
        ends = np.array(self.card.get("condition_ends", [[-np.inf, np.inf]] * len(conditions)))
        room = _ROOM * np.maximum(ends[:, 1] - ends[:, 0], 0.01)
        beyond = (conditions < ends[:, 0] - room) | (conditions > ends[:, 1] + room)
        return tuple(name for name, out in zip(self.card["inputs"]["conditions"], beyond, strict=True) if out)

    def scatter(self, maps: NDArray[Any], conditions: NDArray[Any]) -> NDArray[np.float64]:
        """(members, n, rows, columns) scatter over the open signal at the places."""
        from physsim.surrogate.training import guesses

        return guesses(self.nets, maps, conditions).astype(np.float64)


def calibration_file(weights: Path) -> Path:
    """Where the calibration of weights lies: beside them."""
    return weights.with_suffix(".calibration.h5")


def shipped(protocol: str) -> Path | None:
    """The weights that come with physsim for a protocol by its name, or None."""
    return next((path for path in _shipped()
                 if protocol in (one["protocol"] for one in read_card(path)["spec"]["techniques"])), None)


def shipped_family(family: str) -> Path | None:
    """The weights that come with physsim for a family, or None."""
    return next((path for path in _shipped() if read_card(path)["spec"]["family"] == family), None)


def _shipped() -> list[Path]:
    return sorted(Path(__file__).parent.glob("weights/*.safetensors"))


def shipped_specs() -> dict[str, Path]:
    """Trainings that come with physsim, by family."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("specs/*.toml"))}


def read_card(path: Path) -> dict[str, Any]:
    """The card of weights, without torch and without checks."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        card: dict[str, Any] = json.loads(json.loads(file.read(size))["__metadata__"]["card"])
    return card


def save_ensemble(path: Path, nets: Sequence[ScatterNet], card: Mapping[str, Any], overwrite: bool = False) -> None:
    """Weights and card in one file, whole or not at all."""
    from safetensors.torch import save

    tensors = {f"{number}.{name}": value.contiguous() for number, net in enumerate(nets)
               for name, value in net.state_dict().items()}
    text = {"format": FORMAT, "format_version": str(FORMAT_VERSION), "card": json.dumps(card, sort_keys=True)}
    with written_whole(path, overwrite) as temporary:
        temporary.write_bytes(save(tensors, text))


def load_ensemble(path: str | Path) -> ScatterEnsemble:
    """Weights as they were trained.

    Raises FileFormatError for a file that is damaged, or whose tensors are not those of its card; InvalidInput without
    torch, and for a file of a newer version.
    """
    path = input_file(path)
    try:
        from safetensors import SafetensorError, safe_open

        from physsim.surrogate.network import ScatterNet
    except ImportError as error:
        raise InvalidInput(message(f"weights {path.name}", f"{error.name} is not installed",
                                   "pip install 'physsim[surrogate]', or use scatter='kernel'.")) from None
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileFormatError(message(str(path), f"is no whole safetensors file ({error})", "Copy it again.")) from None
    if told.get("format") != FORMAT:
        raise FileFormatError(message(str(path), "holds no scatter networks of physsim", "Give another file."))
    if int(told["format_version"]) > FORMAT_VERSION:
        raise InvalidInput(message(f"{path}: version {told['format_version']}", f"this physsim reads {FORMAT_VERSION}",
                                   "Update physsim."))
    try:
        card = json.loads(told["card"])
        spec = ScatterTraining.from_dict(dict(card["spec"]))
        channels, conditions = (len(card["inputs"][name]) for name in ("channels", "conditions"))
        nets = []
        for number in range(spec.members):
            net = ScatterNet(channels, conditions, spec.width, spec.stride)
            net.load_state_dict({name.split(".", 1)[1]: value for name, value in tensors.items()
                                 if name.startswith(f"{number}.")})
            nets.append(net.eval())
    except (KeyError, ValueError, RuntimeError) as error:
        why = f"its tensors are not those of its card ({str(error).splitlines()[0]})"
        raise FileFormatError(message(str(path), why, "Copy it again.")) from None
    return ScatterEnsemble(tuple(nets), card, hashlib.sha256(path.read_bytes()).hexdigest())
