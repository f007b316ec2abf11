"""Scatter by order as layers of their own: photons that scattered once, and those that did so more often."""

from __future__ import annotations

from collections.abc import Sequence

from physsim.errors import InvalidInput, message
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import MonteCarlo, ScatterRun

SINGLE, MULTIPLE = "scatter_single", "scatter_multiple"
ORDERS = {SINGLE: ("keV", "energy that photons add which scattered once"),
          MULTIPLE: ("keV", "energy that photons add which scattered twice or more, and lines of fluorescence")}


def check_orders(keep: Sequence[str], run: ScatterRun | None, protocol: Protocol) -> None:
    """InvalidInput where orders are to be kept that nothing tells apart; call it before the work."""
    wanted = [name for name in keep if name in ORDERS]
    if wanted and not isinstance(run, MonteCarlo):
        raise InvalidInput(message(f"keep={wanted[0]!r}", "only Monte Carlo tells orders of scatter apart",
                                   "Give scatter='montecarlo', or leave it out."))
    if wanted and protocol.energy_bins:
        raise InvalidInput(message(f"keep={wanted[0]!r} of {protocol.name}", "counts in bins of energy are kept of all "
                                   "scatter together", "Give keep='scatter', or leave it out."))
