"""How scatter and dose are computed: by Monte Carlo, or scatter alone by kernels, networks or both."""

from __future__ import annotations

from typing import Any, Literal

import pydantic

from physsim.errors import did_you_mean, message
from physsim.physics.tables import ENERGY_MAX_KEV, ENERGY_MIN_KEV
from physsim.spec.base import Spec

MOST_HISTORIES = 10**13  # sums of 2^-20 keV stay below 2^63 up to 150 keV

# Beginning of a material's name -> measured form factor (physsim/physics/form_factors.py).
INTERFERING = {
    "water": "water",
    "pmma": "pmma",
    "polycarbonate": "polycarbonate",
    "adipose": "fat",
    "fat": "fat",
    "breast": "breast",
    "muscle": "muscle",
    "blood": "blood",
    "liver": "liver",
}


class KernelScatter(Spec):
    """Scatter by superposition of kernels of slabs of water (imaging.kernel_scatter): a fast guess without noise.

    `error`: e_S, its RMS error over the mean scatter, stated and not found in the image at hand: larger than in the
    views of adults in docs/radiographs.md (0.06 to 0.30).
    """

    kind: Literal["kernel"] = "kernel"

    @property
    def error(self) -> float:
        """Stated e_S."""
        return 0.4


class Surrogate(Spec):
    """Scatter by a network alone (docs/hybrid.md): fast, and no better than its held-out patients say.

    `weights`: a file of `physsim train scatter`; None: those shipped for the protocol.
    """

    kind: Literal["surrogate"] = "surrogate"
    weights: str | None = None


class Hybrid(Spec):
    """Scatter by a network and few photons, with a guarantee (docs/hybrid.md).

    `tolerance`: e_S, RMS error over the mean scatter, that is guaranteed. `mode`: "fast" ends with the first of BLENDED
    and CERTIFIED (a scan that is neither is Monte Carlo's), "certified" asks for a bound that assumes nothing of the
    network, "unbiased" is Monte Carlo alone.
    `level`: how often a guarantee may fail. `most_histories`: ends a view that would take longer; the verdict says so.
    `weights`: as in Surrogate; beside them lies their calibration (.calibration.h5; of
    scans also .scans.h5).

    >>> import physsim as ps
    >>> ps.Hybrid(tolerance=0.02).mode
    'fast'
    """

    kind: Literal["hybrid"] = "hybrid"
    tolerance: float = pydantic.Field(default=0.02, gt=0.0, lt=1.0)
    mode: Literal["fast", "certified", "unbiased"] = "fast"
    level: float = pydantic.Field(default=0.05, gt=0.0, lt=0.5)
    most_histories: int = pydantic.Field(default=10**8, ge=4096)
    weights: str | None = None


class MonteCarlo(Spec):
    """Analog photon transport, and when it is enough. Exactly one of:

    `histories`: that many photons; `relative_error`: until the stated error is below it, looked at after 2^16, 2^17,
    ... photons (with a detector: e_S, the RMS error of the scatter image's pixels over its mean; without: the
    largest relative error of a region); `seconds`: until the time is over (the result then depends on the machine).
    `most_histories` ends a run by `relative_error` that would take longer; the result says so.
    `dose`: "analog", each collision deposits what it leaves; "expected", each candidate of the flights deposits what a
    collision there would leave on average, times its chance to be one. The means are the same, the second has less
    noise in small regions (and more in whole bodies); energy is balanced on average, no more in each history.
    `dose_regions`: small regions (names) where candidates of "expected" stand close, so that its noise is that of a
    track length.
    `cutoff_kev`: below it a photon's energy is deposited where it is.
    `doppler`, `fluorescence`, `binding`: Compton scattering from moving electrons, K and L lines, the incoherent
    scattering function; `interference`: measured molecular form factors for the phantom's materials that have one
    (by name, see `INTERFERING`; the others scatter as free atoms).

    >>> import physsim as ps
    >>> ps.MonteCarlo(histories=1e6).histories
    1000000
    """

    histories: int | None = None
    relative_error: float | None = pydantic.Field(default=None, gt=0.0, lt=1.0)
    seconds: pydantic.PositiveFloat | None = None
    most_histories: int | None = None
    dose: Literal["analog", "expected"] = "analog"
    dose_regions: tuple[str, ...] = ()
    doppler: bool = True
    fluorescence: bool = True
    binding: bool = True
    interference: bool = False
    cutoff_kev: float = pydantic.Field(default=ENERGY_MIN_KEV, ge=ENERGY_MIN_KEV, lt=ENERGY_MAX_KEV)

    @pydantic.field_validator("histories", "most_histories", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @pydantic.field_validator("histories", "most_histories")
    @classmethod
    def _positive(cls, value: int | None) -> int | None:
        if value is not None and not 1 <= value <= MOST_HISTORIES:
            raise ValueError(f"a run has 1 to {MOST_HISTORIES:.0e} photons. Give for example 1e6.")
        return value

    @pydantic.model_validator(mode="after")
    def _one_aim(self) -> MonteCarlo:
        given = [name for name in ("histories", "relative_error", "seconds") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                message(
                    f"{' and '.join(given) or 'no aim'}",
                    "a run has one aim",
                    "Give histories, relative_error or seconds.",
                )
            )
        if self.dose_regions and self.dose == "analog":
            raise ValueError(
                message(
                    f"dose_regions={self.dose_regions}",
                    'they have no effect where dose="analog"',
                    'Leave them out, or give dose="expected".',
                )
            )
        if self.most_histories is not None and self.relative_error is None:
            raise ValueError(
                message(
                    f"most_histories={self.most_histories}",
                    f"it has no effect beside {given[0]}",
                    "Leave it out, or give relative_error.",
                )
            )
        return self


def form_factor_name(material_name: str) -> str | None:
    """The measured form factor of a material by the beginning of its name; None: free atoms."""
    plain = material_name.lower().removeprefix("tg195_").removeprefix("icrp_")
    return next((factor for start, factor in INTERFERING.items() if plain.startswith(start)), None)


ScatterRun = MonteCarlo | KernelScatter | Surrogate | Hybrid


WAYS = ("none", "kernel", "surrogate", "hybrid", "montecarlo")


def scatter_from(value: Any) -> Any:
    """What a file's `scatter` means: a name of WAYS as it is, a table the spec of its `kind` (MonteCarlo without one).

    Raises ValueError for other names and kinds, InvalidInput for a table that is no such spec.
    """
    if isinstance(value, str) and value not in WAYS:
        raise ValueError(f"there is no such way to scatter. {did_you_mean(value, WAYS)}")
    if not isinstance(value, dict):
        return value
    kinds: dict[Any, type[MonteCarlo | Hybrid | Surrogate]] = {None: MonteCarlo, "hybrid": Hybrid,
                                                               "surrogate": Surrogate}
    kind = value.get("kind")
    if kind not in kinds:
        raise ValueError(f"kind={kind!r} has no fields. {did_you_mean(str(kind), [name for name in kinds if name])}")
    return kinds[kind](**value)


def record_of(run: ScatterRun | None) -> str:
    """For provenance: no path of a machine goes in, the hash of a network stands beside it."""
    if run is None:
        return "none"
    return (run.replace(weights=None) if isinstance(run, (Surrogate, Hybrid)) else run).to_json()
