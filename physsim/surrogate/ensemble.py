"""An ensemble of scatter networks as a file of weights (safetensors) with its card: what made it, and its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physsim.spec.training import MAPS, ScatterTraining
from physsim.surrogate.weights_file import not_of_its_card, read_card, read_weights, write_weights

if TYPE_CHECKING:
    from physsim.surrogate.network import ScatterNet

_ROOM = 0.05
FORMAT, FORMAT_VERSION = "physsim scatter networks", MAPS


@dataclass(frozen=True, eq=False)
class ScatterEnsemble:
    """Networks of one family.

    card: `spec` (ScatterTraining), `inputs` (channels, conditions), `condition_ends` (least and most of each in
    training), `data_sha256`, `held_out` (errors of unseen patients) and what else training wrote. digest: SHA-256 of
    the file. maps: version of the maps that it sees (imaging/scatter_maps.py), which is that of its file.
    """

    nets: tuple[ScatterNet, ...]
    card: Mapping[str, Any]
    digest: str
    maps: int = MAPS

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


def scan_calibration_file(weights: Path) -> Path:
    """Where their calibration by held-out scans lies."""
    return weights.with_suffix(".scans.h5")


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


def as_stored(nets: Sequence[ScatterNet]) -> list[ScatterNet]:
    """The networks that `load_ensemble` finds where these are saved: weights rounded to 16 bits (2^-11 of each), means
    and scales as they are."""
    made = [deepcopy(net) for net in nets]
    for net in made:
        for weight in net.parameters():
            weight.data = weight.data.half().float()
    return made


def save_ensemble(path: Path, nets: Sequence[ScatterNet], card: Mapping[str, Any], overwrite: bool = False) -> None:
    """Weights, in 16 bits, and card in one file, whole or not at all."""
    tensors: dict[str, Any] = {}
    for number, net in enumerate(nets):
        weights = {name for name, _ in net.named_parameters()}
        tensors |= {f"{number}.{name}": value.half() if name in weights else value
                    for name, value in net.state_dict().items()}
    write_weights(path, tensors, card, kind=FORMAT, version=FORMAT_VERSION, overwrite=overwrite)


def load_ensemble(path: str | Path) -> ScatterEnsemble:
    """Networks as they were saved.

    Raises FileFormatError for a file that is damaged, or whose tensors are not those of its card; InvalidInput without
    torch, and for a file of a newer version.
    """
    tensors, told, digest = read_weights(path, kind=FORMAT, version=FORMAT_VERSION, instead="scatter='kernel'")
    from physsim.surrogate.network import ScatterNet

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
        raise not_of_its_card(path, error) from None
    return ScatterEnsemble(tuple(nets), card, digest, int(told["format_version"]))
