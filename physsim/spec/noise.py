"""Noise by a network in place of drawn quanta, as a spec."""

from __future__ import annotations

from typing import Literal

from physsim.errors import InvalidInput, message
from physsim.spec.base import Spec


class NoiseSurrogate(Spec):
    """Quantum noise by a network (docs/hybrid.md): from the signal, the sum of squares of what photons add and the
    protocol alone.

    `weights`: a file of `physsim train noise`; None: those that come with physsim. Light or charge counts,
    electronics and readout stay physics.

    >>> import physsim as ps
    >>> ps.NoiseSurrogate().kind
    'surrogate'
    """

    kind: Literal["surrogate"] = "surrogate"
    weights: str | None = None


NoiseRun = bool | NoiseSurrogate


def noise_run(noise: bool | str | NoiseSurrogate) -> NoiseRun:
    """What simulate() takes as `noise`. InvalidInput for other words."""
    if isinstance(noise, (bool, NoiseSurrogate)):
        return noise
    if noise == "surrogate":
        return NoiseSurrogate()
    raise InvalidInput(message(f"noise={noise!r}", "noise is drawn from photons, by a network or not at all",
                               "Give True, False, 'surrogate' or physsim.NoiseSurrogate(weights=...)."))
