"""A noise network as a file of weights (safetensors) with its card: what made it, what it is for, and its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.noise_training import NoiseTraining
from physsim.surrogate.weights_file import not_of_its_card, read_weights, write_weights

if TYPE_CHECKING:
    from physsim.surrogate.noise_network import NoiseNet

Floats = NDArray[np.float64]

FORMAT, FORMAT_VERSION = "physsim noise networks", 2


@dataclass(frozen=True, eq=False)
class NoiseWeights:
    """A network. card: `spec` (NoiseTraining), `hardness`, `data_sha256`, `held_out` (errors on unseen beams) and what
    else training wrote. digest: SHA-256 of the file."""

    net: NoiseNet
    card: Mapping[str, Any]
    digest: str

    @property
    def spec(self) -> NoiseTraining:
        """What it was trained by."""
        return NoiseTraining.from_dict(dict(self.card["spec"]))

    def rows(self, conditions: Floats) -> Floats:
        """(components, terms, radius + 1) of the kernels in a beam of `conditions`; see NoiseNet."""
        import torch

        with torch.inference_mode():
            return np.asarray(self.net.rows(torch.tensor(conditions[None], dtype=torch.float32))[0].double())

    def noise(self, conditions: Floats, hardness: Floats) -> tuple[Floats, Floats]:
        """(n, components) keV: gains and bends at `hardness` (n,); see NoiseNet."""
        import torch

        with torch.inference_mode():
            told = torch.tensor(np.tile(conditions, (len(hardness), 1)), dtype=torch.float32)
            hard = torch.tensor(hardness, dtype=torch.float32)
            return np.asarray(self.net.gains(told, hard).double()), np.asarray(self.net.bends(told, hard).double())


def shipped_noise() -> Path:
    """The weights that come with physsim."""
    return Path(__file__).parent / "weights" / "noise" / "radiographs.safetensors"


def shipped_noise_specs() -> dict[str, Path]:
    """Trainings that come with physsim, by name."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("specs/noise/*.toml"))}


def save_noise(path: Path, net: NoiseNet, card: Mapping[str, Any], overwrite: bool = False) -> None:
    """Weights and card in one file, whole or not at all."""
    write_weights(path, net.state_dict(), card, kind=FORMAT, version=FORMAT_VERSION, overwrite=overwrite)


def load_noise(path: str | Path) -> NoiseWeights:
    """Weights as they were trained.

    Raises FileFormatError for a file that is damaged, or whose tensors are not those of its card; InvalidInput without
    torch, and for a file of another version.
    """
    tensors, told, digest = read_weights(path, kind=FORMAT, version=FORMAT_VERSION, instead="noise=True")
    from physsim.surrogate.noise_network import NoiseNet

    if int(told["format_version"]) < FORMAT_VERSION:
        raise InvalidInput(message(f"{path}: version {told['format_version']}", "its noise followed another law",
                                   "Train it again: physsim train noise."))
    try:
        card = json.loads(told["card"])
        spec = NoiseTraining.from_dict(dict(card["spec"]))
        net = NoiseNet(len(tensors["condition_mean"]), spec.components, spec.terms, spec.radius, spec.width)
        net.load_state_dict(tensors)
    except (KeyError, ValueError, RuntimeError) as error:
        raise not_of_its_card(path, error) from None
    return NoiseWeights(net.eval(), card, digest)
