"""A spectrum as bins: the value that the ray tracer and the Monte Carlo take, with what it amounts to."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.energy_absorption import mass_energy_absorption_cm2_g
from physsim.physics.spectra import quantities
from physsim.physics.spectra.cross_sections import air_absorption_cm2_g
from physsim.spec.material import Material, material
from physsim.units import MM_PER_M

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SampledSpectrum:
    """Photons in energy bins at one point of the beam.

    `energies_kev`: (n,) float64, rising: bin centres, or the mean energy where bins were merged.
    `edges_kev`: (n + 1,) float64.
    `fluence`: (n,) float64, photons per bin, per cm2 and mAs, at `distance_mm` from the focus (1 m unless moved by
    `at_distance`), in vacuum; where `absolute` is False (a relative table without `output_factor`) only ratios mean
    something. All three are read-only.

    Neglects: the spread of energies inside a bin (0.5 keV by default), and of a characteristic line from its bin's
    centre.
    """

    energies_kev: Array
    edges_kev: Array
    fluence: Array
    absolute: bool = True
    distance_mm: float = MM_PER_M

    def __post_init__(self) -> None:
        for name in ("energies_kev", "edges_kev", "fluence"):
            values = np.array(getattr(self, name), dtype=np.float64)
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        if self.fluence.shape != self.energies_kev.shape or self.edges_kev.size != self.energies_kev.size + 1:
            raise InvalidInput(message(f"spectrum of {self.energies_kev.size} energies",
                                       f"{self.fluence.size} fluences and {self.edges_kev.size} edges do not fit",
                                       "Give n energies, n fluences and n + 1 edges."))
        if self.fluence.min() < 0.0 or not np.isfinite(self.fluence).all():
            raise InvalidInput(message(f"fluence {self.fluence.min():g}", "photon numbers are finite and not negative",
                                       "Mend the table."))

    @property
    def bin_kev(self) -> Array:
        """Widths of the bins, (n,) keV."""
        return np.diff(self.edges_kev)

    @property
    def fluence_per_kev(self) -> Array:
        """Photons per keV, cm2 and mAs, (n,)."""
        return self.fluence / self.bin_kev

    @property
    def total_fluence(self) -> float:
        """Photons per cm2 and mAs."""
        return float(self.fluence.sum())

    @property
    def energy_fluence_kev(self) -> float:
        """Energy fluence, keV per cm2 and mAs."""
        return float((self.fluence * self.energies_kev).sum())

    @property
    def mean_energy_kev(self) -> float:
        """Mean photon energy, by number."""
        self._lit("the mean energy")
        return self.energy_fluence_kev / self.total_fluence

    @property
    def kerma_ugy_per_mas(self) -> float:
        """Air kerma, uGy per mAs, free in air at `distance_mm`: fluence x energy x PENELOPE's mu_en/rho of air.

        The same for tubes, tables and single energies; why not NIST's: `physics/spectra/cross_sections.py`.
        Errors: InvalidInput for a relative spectrum.
        """
        return self._kerma(air_absorption_cm2_g(self.energies_kev))

    @property
    def kerma_nist_ugy_per_mas(self) -> float:
        """The same by NIST's mu_en/rho of air, for comparison with codes that use it: up to 2.6 % more."""
        return self._kerma(mass_energy_absorption_cm2_g("air", self.energies_kev))

    def hvl1_mm(self, layer: Material | str = "Al") -> float:
        """First half-value layer in mm: what halves the air kerma in narrow-beam geometry."""
        return self.layer_mm(0.5, layer)

    def hvl2_mm(self, layer: Material | str = "Al") -> float:
        """Second half-value layer in mm: what halves it again."""
        return self.layer_mm(0.25, layer) - self.layer_mm(0.5, layer)

    def homogeneity(self, layer: Material | str = "Al") -> float:
        """First over second half-value layer; 1 for one energy."""
        return self.hvl1_mm(layer) / self.hvl2_mm(layer)

    def layer_mm(self, fraction: float, layer: Material | str = "Al") -> float:
        """Thickness in mm that reduces the air kerma to `fraction`, 0 < fraction <= 1."""
        if not 0.0 < fraction <= 1.0:
            raise InvalidInput(message(f"fraction={fraction:g}", "a layer leaves more than none and at most all",
                                       "Give 0 < fraction <= 1, such as 0.5."))
        self._lit("a half-value layer")
        weights = self.fluence * self.energies_kev * air_absorption_cm2_g(self.energies_kev)
        return quantities.layer_mm(weights, self._mu_per_mm(layer), fraction)

    def effective_energy_kev(self, layer: Material | str = "Al") -> float:
        """The single energy with the same first half-value layer."""
        substance = _material(layer)
        return quantities.energy_of_attenuation_kev(lambda energy: linear_attenuation_per_mm(substance, energy),
                                                    math.log(2.0) / self.hvl1_mm(substance))

    def filtered(self, substance: Material | str, thickness_mm: float) -> SampledSpectrum:
        """The beam behind a layer, narrow-beam; `filtered("air", 1000.0)` puts the metre of air into the way."""
        if not (math.isfinite(thickness_mm) and thickness_mm >= 0.0):
            raise InvalidInput(message(f"thickness_mm={thickness_mm:g}", "a layer is 0 mm or thicker", "Give mm."))
        return self._with(self.fluence * quantities.transmission(self._mu_per_mm(substance) * thickness_mm))

    def at_distance(self, distance_mm: float) -> SampledSpectrum:
        """The beam at another distance from the focus, by the inverse square; air on the way: `filtered("air", mm)`."""
        if not (math.isfinite(distance_mm) and distance_mm > 0.0):
            raise InvalidInput(message(f"distance_mm={distance_mm:g}", "the focus is more than 0 mm away",
                                       "Give mm, for example 1500."))
        return replace(self, fluence=self.fluence * (self.distance_mm / distance_mm) ** 2, distance_mm=distance_mm)

    def scaled(self, factor: float) -> SampledSpectrum:
        """All photon numbers times `factor`."""
        if not (math.isfinite(factor) and factor > 0.0):
            why = "an output factor is larger than 0"
            raise InvalidInput(message(f"factor={factor:g}", why, "Give for example 0.93."))
        return self._with(self.fluence * factor)

    def rebinned(self, bins: int) -> SampledSpectrum:
        """At most `bins` bins that conserve the number of photons and their energy exactly; see `rebinning_error`."""
        if bins < 1:
            raise InvalidInput(message(f"bins={bins}", "at least one bin is needed", "Give for example 30."))
        self._lit("rebinning")
        if bins >= self.fluence.size:
            return self
        bounds = quantities.group_bounds(self.fluence, bins)
        energies, number = quantities.merged(self.energies_kev, self.fluence, bounds)
        return replace(self, energies_kev=energies, edges_kev=self.edges_kev[bounds], fluence=number)

    def rebinning_error(self, other: SampledSpectrum, substance: Material | str = "water",
                        transmissions: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)) -> float:
        """Largest relative difference of `other`'s energy fluence from this one's, behind layers of a material.

        The layers are those that let these parts of this spectrum's energy fluence through.
        """
        self._lit("the error of rebinning")
        weights, mu = self.fluence * self.energies_kev, self._mu_per_mm(substance)
        worst = 0.0
        for transmission in transmissions:
            thickness = quantities.layer_mm(weights, mu, transmission)
            mine, theirs = (beam.filtered(substance, thickness).energy_fluence_kev for beam in (self, other))
            worst = max(worst, abs(theirs / mine - 1.0))
        return worst

    def summary(self) -> dict[str, float]:
        """The figures that a physicist asks for, by name; kerma and fluence only where the spectrum is absolute."""
        figures = {"mean_energy_kev": self.mean_energy_kev, "hvl1_mm_al": self.hvl1_mm(), "hvl2_mm_al": self.hvl2_mm(),
                   "homogeneity": self.homogeneity(), "effective_energy_kev": self.effective_energy_kev()}
        if self.absolute:
            figures |= {"kerma_ugy_per_mas": self.kerma_ugy_per_mas, "fluence_per_cm2_mas": self.total_fluence}
        return figures

    def to_csv(self) -> str:
        """The bins as CSV text; where they are equally wide and at 1 m, `Spectrum.from_file` reads them back."""
        unit = "fluence_per_cm2_mas" if self.absolute else "relative"
        pairs = zip(self.energies_kev.tolist(), self.fluence.tolist(), strict=True)
        rows = [f"{energy!r},{number!r}" for energy, number in pairs]
        note = f"# photons per bin {self.distance_mm:g} mm from the focus; energy = centre of the bin"
        return "\n".join([note, f"energy_kev,{unit}", *rows, ""])

    def _kerma(self, absorption_cm2_g: Array) -> float:
        if not self.absolute:
            raise InvalidInput(message("air kerma", "the table is relative, without photons per mAs",
                                       "Fix its output with Spectrum.scaled_to_kerma(ugy_per_mas) or output_factor."))
        return quantities.kerma_ugy(self.energies_kev, self.fluence, absorption_cm2_g)

    def _mu_per_mm(self, substance: Material | str) -> Array:
        return linear_attenuation_per_mm(_material(substance), self.energies_kev)

    def _with(self, fluence: Array) -> SampledSpectrum:
        return replace(self, fluence=fluence)

    def _lit(self, wanted: str) -> None:
        if self.total_fluence <= 0.0:
            raise InvalidInput(message(wanted, "the spectrum holds no photons (behind the anode, or filtered away)",
                                       "Look at the direction and the filters."))


def _material(substance: Material | str) -> Material:
    return material(substance) if isinstance(substance, str) else substance
