"""What uncertain inputs do to an image and to an endpoint: the law of propagation, one input after the other.

The simulation runs once as it is and once with each input raised by its standard uncertainty, without noise; the
changes add in squares (JCGM 100:2008, 5.1: inputs that do not go together). An endpoint is any number or table of
numbers that follows from the result: its changes are found in the same runs.

Neglects: curvature (inputs that change the result other than in proportion), the detector's and the tube model's own
uncertainties. In a scan tissues are scaled and water and air are not, as CT numbers are calibrated to these, and the
distance is known to the reconstruction. With scatter by Monte Carlo its standard error adds to every change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.body.patient import Patient
from physsim.errors import InvalidInput, message
from physsim.imaging.body import voxels_of
from physsim.imaging.simulate import simulate
from physsim.io.hdf5 import Layer
from physsim.phantom.phantom import Phantom
from physsim.spec.material import Material
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import ScatterRun
from physsim.spec.uncertainty import InputUncertainty

Images = NDArray[np.float32]
Endpoint = Callable[[Any], "float | Mapping[str, float]"]

_CALIBRATED = ("water", "air_dry", "air")


@dataclass(frozen=True, eq=False)
class Propagated:
    """`result`: of the inputs as they are. `image`, `by_input`: standard uncertainty of its image (a radiograph's
    `image`, keV; a scan's volume, HU), and the change of the image with each input raised by its uncertainty.
    `endpoint`, `endpoint_by_input`: values by name, and their changes."""

    result: Any
    image: Images
    by_input: Mapping[str, Images]
    endpoint: Mapping[str, float]
    endpoint_by_input: Mapping[str, Mapping[str, float]]

    def uncertainty(self, name: str) -> float:
        """Standard uncertainty of an endpoint."""
        return float(np.sqrt(sum(one[name] ** 2 for one in self.endpoint_by_input.values())))

    def table(self) -> list[dict[str, float | str]]:
        """A row an endpoint: value, standard uncertainty, and what each input adds to it."""
        return [{"endpoint": name, "value": value, "uncertainty": self.uncertainty(name),
                 **{kind: one[name] for kind, one in self.endpoint_by_input.items()}}
                for name, value in self.endpoint.items()]

    def layers(self) -> dict[str, Layer]:
        """Image, its uncertainty and the changes by input, for HDF5."""
        scanned = self.image.ndim == 3 and hasattr(self.result, "volume")
        arrays = {"image": _image(self.result), "uncertainty": self.image,
                  **{f"change_{name}": one for name, one in self.by_input.items()}}
        if scanned:
            volume = self.result.volume
            return {name: Layer.of_image(dataclasses.replace(volume, array=array), "HU", name)
                    for name, array in arrays.items()}
        return {name: Layer(array, "keV", ("view", "row", "column"), name) for name, array in arrays.items()}


def propagate(phantom: Phantom | Patient, protocol: Protocol, inputs: InputUncertainty | None = None, *,
              endpoint: Endpoint | None = None, scatter: str | ScatterRun = "none", seed: int = 0,
              threads: int | None = None, progress: Callable[[str, float], None] | None = None) -> Propagated:
    """Uncertainty of the image that `protocol` takes of `phantom`, and of an `endpoint` (its figures if left out).

    Raises InvalidInput for protocols that make more than one image (dual energy, counting, gated), and where no input
    is uncertain.

    >>> import physsim as ps
    >>> slab = ps.voxelise(ps.scene("water_20cm"), spacing_mm=8)
    >>> found = ps.propagate(slab, ps.protocols.chest_pa(pixel_mm=8.0, mas=1.0))
    >>> bool(0.01 < found.uncertainty("transmission_min") / found.endpoint["transmission_min"] < 0.2)
    True
    """
    inputs = inputs or InputUncertainty()
    check_several(protocol)
    body = voxels_of(phantom, protocol)
    tell = progress or (lambda stage, fraction: None)

    def taken(name: str, one: Phantom, by: Protocol, share: float) -> Any:
        tell(name, share)
        return simulate(one, by, scatter=scatter, noise=False, seed=seed, threads=threads)

    cases = list(_cases(body, protocol, inputs))
    if not cases:
        raise InvalidInput(message("inputs", "none of them is uncertain, or has an effect here", "Give some."))
    result = taken("as it is", body, protocol, 0.0)
    values, plain = _values(result, endpoint), _image(result)
    changes: dict[str, Images] = {}
    moved: dict[str, dict[str, float]] = {}
    for number, (name, one, by) in enumerate(cases, 1):
        other = taken(name, one, by, number / (len(cases) + 1.0))
        changes[name] = _image(other) - plain
        found = _values(other, endpoint)
        moved[name] = {key: found[key] - value for key, value in values.items() if key in found}
    total = np.sqrt(sum((one.astype(np.float64) ** 2 for one in changes.values()), np.zeros(plain.shape)))
    known = {key: value for key, value in values.items() if all(key in one for one in moved.values())}
    return Propagated(result, total.astype(np.float32), changes, known, moved)


def check_several(protocol: Protocol) -> None:
    """InvalidInput for a protocol that makes more than one image."""
    if protocol.second_beam is not None or protocol.gating is not None or protocol.energy_bins:
        raise InvalidInput(message(f"protocol {protocol.name}", "it makes more than one image",
                                   "Give a radiograph or a scan with one beam."))


def _cases(body: Phantom, protocol: Protocol, inputs: InputUncertainty) -> Iterator[tuple[str, Phantom, Protocol]]:
    """Name, phantom and protocol with one input raised, of all that have an effect."""
    calibrated = _CALIBRATED if protocol.rotation is not None else ()
    if inputs.cross_sections:
        yield "cross_sections", _with(body, lambda one: one if one.name in calibrated else one.replace(
            density_g_cm3=one.density_g_cm3 * (1.0 + inputs.cross_sections))), protocol
    if inputs.composition:
        changed = _with(body, lambda one: _carbon_for_oxygen(one, inputs.composition))
        if changed.materials != body.materials:
            yield "composition", changed, protocol
    spectrum = protocol.spectrum
    if inputs.tube_voltage and spectrum.kvp is not None:
        kvp = spectrum.kvp * (1.0 + inputs.tube_voltage)
        yield "tube_voltage", body, protocol.replace(spectrum=spectrum.replace(kvp=kvp))
    if inputs.filtration and any(layer.thickness_mm > 0.0 for layer in spectrum.filters):
        thicker = tuple(layer.replace(thickness_mm=layer.thickness_mm * (1.0 + inputs.filtration))
                        for layer in spectrum.filters)
        yield "filtration", body, protocol.replace(spectrum=spectrum.replace(filters=thicker))
    if inputs.distance_mm:
        for name in ("positioning", "rotation"):
            placed = getattr(protocol, name)
            if placed is not None:
                far = placed.replace(source_detector_mm=placed.source_detector_mm + inputs.distance_mm)
                yield "distance", body, protocol.replace(**{name: far})


def _with(body: Phantom, changed: Callable[[Material], Material]) -> Phantom:
    return dataclasses.replace(body, materials=tuple(changed(one) for one in body.materials))


def _carbon_for_oxygen(material: Material, part: float) -> Material:
    """With `part` of its mass carbon that was oxygen, of materials that have both."""
    fractions = dict(material.mass_fractions)
    if not ("C" in fractions and "O" in fractions):
        return material
    swapped = min(part, fractions["O"])
    return material.replace(mass_fractions=fractions | {"O": fractions["O"] - swapped, "C": fractions["C"] + swapped})


def _image(result: Any) -> Images:
    return np.asarray(result.volume.array if hasattr(result, "volume") else result["image"], np.float32)


def _values(result: Any, endpoint: Endpoint | None) -> dict[str, float]:
    found = result.figures() if endpoint is None else endpoint(result)
    return dict(found) if isinstance(found, Mapping) else {"endpoint": float(found)}
