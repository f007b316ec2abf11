"""The X-ray beam as a spec: a tube with its filters, a single energy, or a table of the user's own."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from numpy.typing import NDArray

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.spectra import tube
from physsim.physics.spectra.cross_sections import filter_optical_depth
from physsim.physics.spectra.files import midpoint_edges_kev, read_spectrum
from physsim.physics.spectra.heel import HeelTable, heel_table
from physsim.physics.spectra.quantities import transmission
from physsim.spec.base import Spec
from physsim.spec.bowtie import Bowtie
from physsim.spec.material import KnownMaterial, Material, resolved_material
from physsim.spec.sampled_spectrum import SampledSpectrum

Array = NDArray[np.float64]

ANODE_ANGLE_RANGE_DEG = (4.0, 30.0)
_DEFAULT_ANODE_ANGLE_DEG = {"W": 12.0, "Mo": 20.0, "Rh": 20.0}
_TUBE_FIELDS = ("target", "anode_angle_deg", "bin_kev")


class Filter(Spec):
    """A flat filter in the beam: any material by name or as a Material, and its thickness in mm.

    A tube's filters are taken with the tube model's own cross sections (see `physics/spectra/cross_sections.py`), those
    of a table or a single energy with physsim's.
    """

    material: KnownMaterial
    thickness_mm: float = pydantic.Field(ge=0.0)

    @property
    def substance(self) -> Material:
        """The filter's material."""
        return resolved_material(self.material)


class SpectrumTable(Spec):
    """Bins of a user's own: centres in keV (1-150, rising) and photons per bin.

    The photons are per cm2 and mAs at 1 m if `absolute`, else in any unit.
    """

    energies_kev: tuple[float, ...]
    fluence: tuple[float, ...]
    absolute: bool = False

    @pydantic.model_validator(mode="after")
    def _sound(self) -> SpectrumTable:
        energies, fluence = np.array(self.energies_kev), np.array(self.fluence)
        low, high = tube.PHOTON_RANGE_KEV
        if energies.size != fluence.size or energies.size == 0:
            raise ValueError(f"{energies.size} energies and {fluence.size} fluences: one a bin. Complete the table.")
        if energies.min() < low or energies.max() > high:
            wrong = energies.min() if energies.min() < low else energies.max()
            raise ValueError(f"energy {wrong:g} keV: photons must lie within {low:g}-{high:g} keV. "
                             "Cut the table, and look whether it is in eV.")
        if (np.diff(energies) <= 0.0).any():
            place = int(np.argmax(np.diff(energies) <= 0.0))
            raise ValueError(f"{energies[place]:g}, {energies[place + 1]:g} keV: energies must rise. Sort.")
        if fluence.min() < 0.0:
            raise ValueError(f"fluence {fluence.min():g}: photon numbers are not negative. Mend the table.")
        if fluence.sum() <= 0.0:
            raise ValueError("fluence 0 in every bin: a spectrum holds photons. Mend the table.")
        return self


class Spectrum(Spec):
    """The beam that leaves the tube housing.

    Exactly one of: `kvp` (a tube; with `target` W, Mo or Rh, `anode_angle_deg` and `bin_kev`), `energy_kev` (one
    energy), or `table`. `filters` are flat and lie across the central ray, in any order; `bowtie` is a shape over the
    fan angle.
    `output_factor` multiplies the photons: 1 for a tube means the physics model's output, a relative table or one
    energy has no output until it is given (it is then their total photons per cm2 and mAs at 1 m, before filters).

    >>> import physsim as ps
    >>> beam = ps.Spectrum(kvp=120, target="W", anode_angle_deg=12, filters=[("Al", 2.5)])
    >>> bins = beam.sample()                                     # energies_kev, fluence per bin, cm2 and mAs at 1 m
    >>> round(bins.mean_energy_kev, 1), round(bins.hvl1_mm(), 1), round(bins.kerma_ugy_per_mas)
    (54.4, 4.2, 159)
    >>> round(beam.at(anode_cathode_deg=-8).total_fluence / bins.total_fluence, 2)        # the heel effect
    0.74

    Neglects: what `physics/spectra/tube.py` names (extrafocal radiation, worn targets, ripple); scatter from filters.
    Errors: InvalidInput with the value, at construction.
    """

    kvp: float | None = None
    target: str | None = None
    anode_angle_deg: float | None = None
    bin_kev: float | None = pydantic.Field(default=None, ge=0.05, le=5.0)
    energy_kev: float | None = None
    table: SpectrumTable | None = None
    filters: tuple[Filter, ...] = ()
    bowtie: Bowtie | None = None
    output_factor: float | None = pydantic.Field(default=None, gt=0.0)

    @pydantic.field_validator("filters", mode="before")
    @classmethod
    def _pairs_are_filters(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return value
        return [dict(zip(("material", "thickness_mm"), item, strict=True))
                if isinstance(item, (list, tuple)) and len(item) == 2 else item for item in value]

    @pydantic.model_validator(mode="after")
    def _one_source(self) -> Spectrum:
        given = [name for name in ("kvp", "energy_kev", "table") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(message(f"spectrum with {' and '.join(given) or 'no source'}", "a spectrum has one source",
                                     "Give kvp (a tube), energy_kev (one energy) or table (bins of your own)."))
        if self.kvp is None:
            idle = [name for name in _TUBE_FIELDS if getattr(self, name) is not None]
            if idle:
                raise ValueError(message(f"{idle[0]}={getattr(self, idle[0])!r}", f"it has no effect beside {given[0]}",
                                         f"Leave {idle[0]} out, or give kvp."))
            low, high = tube.PHOTON_RANGE_KEV
            if self.energy_kev is not None and not low <= self.energy_kev <= high:
                raise ValueError(
                    f"energy_kev={self.energy_kev:g}: photons must lie within {low:g}-{high:g} keV. Give keV.")
        else:
            self._check_tube(self.kvp)
        return self

    def _check_tube(self, kvp: float) -> None:
        target = "W" if self.target is None else self.target
        if target not in tube.TARGETS:
            mend = did_you_mean(target, tube.TARGETS)
            raise ValueError(message(f"target={target!r}", "no tube table for it", mend))
        low, high = tube.tube_table(target).kvp_range
        if not low <= kvp <= high:
            raise ValueError(message(f"kvp={kvp:g}", f"the tables for {target} hold {low:g} to {high:g} kVp",
                                     "Choose a potential in that range, or give a table of your own."))
        angle = _DEFAULT_ANODE_ANGLE_DEG[target] if self.anode_angle_deg is None else self.anode_angle_deg
        low, high = ANODE_ANGLE_RANGE_DEG
        if not low <= angle <= high:
            raise ValueError(message(f"anode_angle_deg={angle:g}", f"{low:g} to {high:g} degrees are modelled",
                                     "Give the angle between the target's surface and the central ray, such as 12."))
        object.__setattr__(self, "target", target)
        object.__setattr__(self, "anode_angle_deg", angle)
        object.__setattr__(self, "bin_kev", 0.5 if self.bin_kev is None else self.bin_kev)

    @classmethod
    def from_file(cls, path: str | Path, **fields: Any) -> Spectrum:
        """A spectrum from a .csv or .spc file (formats: physics/spectra/files.py), with filters and so on."""
        read = read_spectrum(Path(path))
        table = SpectrumTable(energies_kev=tuple(read.energies_kev.tolist()), fluence=tuple(read.fluence.tolist()),
                              absolute=read.absolute)
        return cls(table=table, **fields)

    @classmethod
    def monoenergetic(cls, energy_kev: float, **fields: Any) -> Spectrum:
        """One energy, 1-150 keV."""
        return cls(energy_kev=energy_kev, **fields)

    @property
    def has_heel(self) -> bool:
        """Whether the spectrum changes across the field by the anode (tubes only)."""
        return self.kvp is not None

    @property
    def absolute(self) -> bool:
        """Whether photon numbers are per cm2 and mAs at 1 m."""
        own = self.table is not None and self.table.absolute
        return self.kvp is not None or own or self.output_factor is not None

    def sample(self) -> SampledSpectrum:
        """The bins on the central ray, behind filters and bowtie."""
        return self.at()

    def at(self, anode_cathode_deg: float = 0.0, transverse_deg: float = 0.0) -> SampledSpectrum:
        """The bins in a direction of the field, 1 m from the focus along the ray, behind filters and bowtie.

        Angles from the central ray: `anode_cathode_deg` positive towards the cathode; `transverse_deg` across the
        tube's axis, which is the fan angle of a CT scanner and of the bowtie. Filters are passed obliquely. Behind the
        anode: no photons.
        """
        bins = self._bare(float(tube.takeoff_sine(self.anode_angle_deg or 0.0, anode_cathode_deg, transverse_deg)))
        slant = float(tube.obliquity(anode_cathode_deg, transverse_deg))
        if self.filters:
            bins = replace(bins, fluence=bins.fluence * transmission(self.filter_optical_depth(bins.edges_kev, slant)))
        if self.bowtie is not None:
            leaning = slant / float(tube.obliquity(0.0, transverse_deg))  # 1 / cos of the ray to the fan's plane
            bins = bins.filtered(self.bowtie.substance, float(self.bowtie.path_mm(transverse_deg)) * leaning)
        return bins

    def heel(self, anode_cathode_deg: tuple[float, float], transverse_deg: float = 0.0, nodes: int = 33) -> HeelTable:
        """Node spectra over a field, for interpolation in every pixel (see HeelTable); filters in, bowtie not.

        `anode_cathode_deg`: the field's ends on the anode (lower) and cathode side; `transverse_deg`: its largest angle
        across. Errors: InvalidInput where there is no anode (a table, one energy).
        """
        first, last = anode_cathode_deg
        if not first < last:
            raise InvalidInput(message(f"anode_cathode_deg=({first:g}, {last:g})",
                                       "the field needs an anode side below its cathode side",
                                       "Give for example (-8, 8)."))
        ends, across = np.array([[first], [last]]), np.array([0.0, transverse_deg])
        corners = tube.takeoff_sine(self.anode_angle_deg or 0.0, ends, across)
        return self.heel_between(float(corners.min()), float(corners.max()), nodes)

    def heel_between(self, low: float, high: float, nodes: int = 33) -> HeelTable:
        """Node spectra from one sine of the take-off angle to another; see `heel`."""
        if self.kvp is None or self.target is None or self.anode_angle_deg is None or self.bin_kev is None:
            raise InvalidInput(message("heel effect without a tube", "kvp, target and anode angle define it",
                                       "Use sample() for the whole field, or describe the tube."))
        if not low < high or nodes < 2:
            raise InvalidInput(message(f"sines {low:g} to {high:g}, nodes={nodes}", "nodes lie between two sines",
                                       "Give a field of some size, and two nodes at least."))
        return _heel_table(self.replace(bowtie=None), low, high, nodes)

    def scaled_to_kerma(self, ugy_per_mas: float, distance_mm: float = 1000.0) -> Spectrum:
        """The same beam with the output of the user's own tube: air kerma measured on the central ray, free in air.

        `ugy_per_mas` at `distance_mm` from the focus, behind these filters. Air on the way is left out.
        """
        if not (ugy_per_mas > 0.0 and np.isfinite(ugy_per_mas)):
            raise InvalidInput(message(f"ugy_per_mas={ugy_per_mas:g}", "a measured air kerma is larger than 0",
                                       "Give uGy per mAs."))
        unit = self.replace(output_factor=1.0)
        return unit.replace(output_factor=ugy_per_mas / unit.sample().at_distance(distance_mm).kerma_ugy_per_mas)

    def filter_optical_depth(self, edges_kev: Array, slant: float = 1.0) -> Array:
        """-log of the transmission of all flat filters, (n,) for n + 1 bin edges, at `slant` thicknesses of path."""
        layers = [(layer.substance, layer.thickness_mm * slant) for layer in self.filters]
        if self.kvp is not None:
            return filter_optical_depth(layers, edges_kev)
        depth = np.zeros(edges_kev.size - 1)
        for substance, path_mm in layers:
            depth += linear_attenuation_per_mm(substance, 0.5 * (edges_kev[1:] + edges_kev[:-1])) * path_mm
        return depth

    def _bare(self, sine: float) -> SampledSpectrum:
        if self.kvp is not None and self.target is not None and self.bin_kev is not None:
            edges, fluence = tube.equal_bins(self.target, self.kvp, self.bin_kev, sine)
            bins = SampledSpectrum(0.5 * (edges[1:] + edges[:-1]), edges, fluence)
        elif self.table is not None:
            energies, photons = np.array(self.table.energies_kev), np.array(self.table.fluence)
            scale = 1.0 if self.table.absolute else photons.sum()
            bins = SampledSpectrum(energies, midpoint_edges_kev(energies), photons / scale, self.absolute)
        else:
            assert self.energy_kev is not None
            energies = np.array([self.energy_kev])
            bins = SampledSpectrum(energies, midpoint_edges_kev(energies), np.ones(1), self.absolute)
        return bins if self.output_factor is None else bins.scaled(self.output_factor)


@lru_cache(maxsize=16)
def _heel_table(beam: Spectrum, low: float, high: float, nodes: int) -> HeelTable:
    """Kept: the scatter images of one exposure share it, and so do exposures."""
    assert beam.target is not None
    assert beam.kvp is not None
    assert beam.anode_angle_deg is not None
    assert beam.bin_kev is not None
    edges = tube.bin_edges_kev(beam.kvp, beam.bin_kev)
    return heel_table(beam.target, beam.kvp, beam.anode_angle_deg, edges, beam.filter_optical_depth(edges), (low, high),
                      nodes, beam.output_factor or 1.0)
