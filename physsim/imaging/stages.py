"""Stages of an image that a user replaces by his own: scatter, noise, correction, lengths of water, reconstruction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.spec.noise import NoiseRun, NoiseSurrogate

Images = NDArray[np.float32]

OF_SCANS = ("lengths", "reconstruction")
USERS_OWN = ": the user's own in its place"


@dataclass(frozen=True, kw_only=True)
class Stages:
    """What takes the place of physsim's own stages; None leaves them. Arrays are (views, rows, columns) float32, and
    what comes back is of the same shape, finite.

    `scatter(primary, geometry)`: expected scatter (keV) of an exposure whose primary signal is `primary` (keV), a few
    views at a time; radiographs ask for 1 mAs. `noise(signal, square, first_view)`: an image (keV) whose expectation is
    `signal`; `square`: sum of squares of what its photons add (keV^2), the variance of quanta. It replaces readout and
    flat-field correction too, and is not asked for with noise=False. `correction(image)`: the image for processing from
    the corrected one (keV). Of scans: `lengths(attenuation)`, mm of water from -ln(image / open beam) without scatter;
    `reconstruction(lengths_mm, parts, grid)`, CT numbers (z, y, x) on `grid` from the views of each turn.

    Scans by counting detectors have counts for keV and one axis more in front: `scatter`, `noise` and `correction` see
    all bins, `lengths` all channels (all counts together, then each bin where there are several); `reconstruction` is
    asked for each channel. `noise` replaces dead time and its correction too; its `square` is the signal again.

    >>> import numpy as np
    >>> import physsim as ps
    >>> slab = ps.voxelise(ps.scene("water_20cm"), spacing_mm=8)
    >>> half = ps.Stages(scatter=lambda primary, geometry: 0.5 * primary)
    >>> shot = ps.simulate(slab, ps.protocols.chest_pa(pixel_mm=8.0, mas=1.0), stages=half, noise=False)
    >>> bool(np.allclose(shot["scatter"], 0.5 * shot["primary"]))
    True
    """

    scatter: Callable[[Images, Geometry], Images] | None = None
    noise: Callable[[Images, Images, int], Images] | None = None
    correction: Callable[[Images], Images] | None = None
    lengths: Callable[[Images], Images] | None = None
    reconstruction: Callable[[Images, Sequence[Geometry], Grid], Images] | None = None

    @property
    def replaced(self) -> tuple[str, ...]:
        """Names of the stages that are the user's."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) is not None)

    def neglected(self, own: tuple[str, ...]) -> tuple[str, ...]:
        """What a result's provenance says: of physsim's own stages, without what the user's put in, and of these."""
        kept = tuple(one for one in own if self.scatter is None or one != "scattered photons")
        return (*kept, *(f"{name}{USERS_OWN}" for name in self.replaced))


OWN = Stages()


def checked_stage(name: str, made: object, like: tuple[int, ...], *, negative: bool = True) -> Images:
    """What a user's stage gave, as float32. Raises InvalidInput for another shape, values that are not finite, and
    negative ones unless `negative`."""
    array = np.asarray(made, np.float32)
    wrong = array.shape != like or not np.isfinite(array).all() or (not negative and bool((array < 0.0).any()))
    if wrong:
        found = f"shape {array.shape}" if array.shape != like else "values that are infinite, missing or negative"
        raise InvalidInput(message(f"stage {name} gave {found}", f"finite {'' if negative else 'positive '}values of "
                                   f"shape {like} go on", "Look at what it returns."))
    return array


def check_stages(stages: Stages, *, scanned: bool, noise: NoiseRun, scatter: bool) -> None:
    """InvalidInput for stages that have no effect in what is simulated."""
    for name in stages.replaced:
        if name in OF_SCANS and not scanned:
            why = "a radiograph has no such stage"
        elif name == "noise" and not noise:
            why = "noise=False draws none"
        elif name == "noise" and isinstance(noise, NoiseSurrogate):
            why = "noise is drawn by a network"
        elif name == "scatter" and scatter:
            why = "scatter is estimated by Monte Carlo"
        else:
            continue
        raise InvalidInput(message(f"stages.{name}", f"it has no effect: {why}", "Leave it out."))
