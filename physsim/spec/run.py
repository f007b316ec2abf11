"""A whole simulation as one spec: which phantom, which protocol, which seed."""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec
from physsim.spec.noise import NoiseSurrogate, noise_run
from physsim.spec.protocol import Protocol
from physsim.spec.protocol_library import protocols
from physsim.spec.scatter import Hybrid, MonteCarlo, Surrogate, scatter_from


class PhantomSource(Spec):
    """Where the phantom comes from: exactly one of `scene`, `patient` and `file`.

    `scene`: a name of the library ("thorax", "water_20cm") or a path ending in .toml, voxelised at `spacing_mm`
    (the scene's own when left out). `patient`: parameters of physsim.anatomy (sex, age, height_cm, weight_kg, bmi,
    seed, and those of Patient), what is left out being drawn; voxelised at `spacing_mm`, 2 mm when left out: the
    region that the protocol names, in the protocol's posture. `file`: a phantom's file (.h5, or .nii.gz, .mhd ...
    with its .phantom.json beside it), `materials` naming the labels of a file that has no description; "tg195:PATH"
    for the voxels of TG-195 case 5.
    """

    scene: str | None = None
    patient: dict[str, str | float | bool] | None = None
    spacing_mm: float | None = pydantic.Field(default=None, gt=0.0)
    file: str | None = None
    materials: tuple[str, ...] | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> PhantomSource:
        given = [name for name in ("scene", "patient", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(message("phantom with " + (" and ".join(given) or "neither scene, patient nor file"),
                                     "one of them says what is in the beam", "Give scene, patient or file."))
        for name, needed in (("spacing_mm", ("scene", "patient")), ("materials", ("file",))):
            if getattr(self, name) is not None and given[0] not in needed:
                raise ValueError(message(f"{name}={getattr(self, name)!r}",
                                         f"it has no effect without {' or '.join(needed)}", f"Leave {name} out."))
        return self


def protocol_from(value: Any) -> Any:
    """A shipped protocol by its name, or a table with it as `preset` and the fields to change; others as given."""
    if isinstance(value, str):
        return protocols[value]
    if isinstance(value, dict) and "preset" in value:
        changes = dict(value)
        return protocols[changes.pop("preset")].changed(**changes)
    return value


def noise_from(value: Any) -> Any:
    """The value, where it is none of the words that `noise` knows an InvalidInput."""
    if isinstance(value, str):
        noise_run(value)
    return value


class Run(Spec):
    """What `physsim simulate SPEC.toml` does.

    `scatter`: "none", "kernel", "surrogate", "hybrid", "montecarlo" (within 2 %) or the fields of MonteCarlo, or of a
    Hybrid or Surrogate with their `kind`; `noise`: see physsim.simulate.
    `protocol`: a whole Protocol, or a table with `preset` (a shipped one) and the fields to change:

        seed = 7
        [phantom]
        scene = "thorax"
        spacing_mm = 2.0
        [protocol]
        preset = "chest_pa"
        kvp = 110
        pixel_mm = 0.4
    """

    phantom: PhantomSource
    protocol: Protocol
    seed: int = pydantic.Field(default=0, ge=0, lt=2**63)
    scatter: Literal["none", "kernel", "surrogate", "hybrid", "montecarlo"] | MonteCarlo | Hybrid | Surrogate = "none"
    noise: bool | Literal["surrogate"] | NoiseSurrogate = True

    _preset = pydantic.field_validator("protocol", mode="before")(protocol_from)
    _way = pydantic.field_validator("scatter", mode="before")(scatter_from)
    _drawn = pydantic.field_validator("noise", mode="before")(noise_from)
