"""What cases of a training draw by name: each a pure function of the training's seed, the case and the name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from physsim.randomness import Stream
from physsim.spec.noise_training import NoiseTechnique
from physsim.spec.protocol import Protocol
from physsim.spec.spectrum import Filter
from physsim.spec.training import Range, Technique


@dataclass(frozen=True)
class Draw:
    """Numbers by name, each a function of the training's `seed`, the case's `number`, the `kind` of cases and the name
    alone."""

    seed: int
    number: int
    kind: str = "scatter cases"

    def uniform(self, name: str) -> float:
        """In (0, 1)."""
        return float(Stream(self.seed, f"{self.kind} {name}").uniform64([self.number])[0, 0])

    def between(self, ends: Range, name: str) -> float:
        """Evenly."""
        return ends[0] + (ends[1] - ends[0]) * self.uniform(name)

    def by_logarithm(self, ends: Range, name: str) -> float:
        """Evenly in the logarithm."""
        return float(ends[0] * (ends[1] / ends[0]) ** self.uniform(name))

    def of(self, shares: list[float], name: str) -> int:
        """A number below len(shares), as often as its share says."""
        whole = np.cumsum(shares) / sum(shares)
        return int(np.searchsorted(whole[:-1], self.uniform(name), side="right"))

    def seed_of(self, name: str) -> int:
        """Of 64 bits."""
        return Stream(self.seed, f"{self.kind} {name}").seed_for(self.number)


def drawn_beam(base: Protocol, technique: Technique | NoiseTechnique, draw: Draw, body: int) -> Protocol:
    """The protocol with the beam of one body's views."""
    spectrum = base.spectrum
    if technique.kvp is not None:
        spectrum = spectrum.replace(kvp=round(draw.between(technique.kvp, f"kvp {body}")))
    if technique.copper_mm is not None:
        thickness = round(draw.between(technique.copper_mm, f"copper {body}"), 3)
        others = tuple(one for one in spectrum.filters if one.material != "Cu")
        spectrum = spectrum.replace(filters=(*others, Filter(material="Cu", thickness_mm=max(thickness, 1e-3))))
    return base.replace(spectrum=spectrum, mas=1.0, exposure_control=None)
