"""The beam over its field as photons are drawn from it: spectra at nodes of the field, behind filters and bowtie.

Photons that a point source sends uniformly in solid angle over a rectangle are uniform in two numbers: the share of the
field's solid angle below x, and the share below y of the sine of the angle at that x (kernels/transport/source.h). The
nodes stand at equal steps of both; between them the photons per solid angle and energy are bilinear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.spectra.quantities import transmission
from physsim.physics.spectra.tube import takeoff_sine
from physsim.spec.source import PhotonSource, RectangularField

Floats = NDArray[np.float64]

TOLERANCE = 1e-3  # of the photons in a direction, between nodes
_COUNTS = (2, 3, 5, 9, 17, 33, 65, 129)
_MOST_NODES = 4096
_DARK = 0.02  # of the brightest direction: below it the tolerance stays
_HEEL_NODES = 33  # spectra over the sine of the take-off angle; cubics through four between


@dataclass(frozen=True, eq=False)
class FieldNodes:
    """`photons` (nodes along y, along x, energy bins): per solid angle, in any unit. `edges_kev`: (bins + 1,)."""

    photons: Floats
    edges_kev: Floats

    def weights(self) -> Floats:
        """(nodes along y, along x) share of the photons that are drawn from each node's hat function."""
        total = self._hats()
        return np.asarray(total / total.sum())

    def mean(self) -> float:
        """Photons per solid angle on average over the field."""
        total = self._hats()
        return float(total.sum() / np.prod([max(count - 1, 1) for count in total.shape]))

    def _hats(self) -> Floats:
        total = self.photons.sum(axis=-1)
        for axis in (0, 1):
            if total.shape[axis] > 1:
                np.moveaxis(total, axis, 0)[[0, -1]] *= 0.5
        return np.asarray(total)


def field_nodes(
    source: PhotonSource,
    bounds: tuple[float, float, float, float],
    place_of_share: Callable[[Floats], Floats],
) -> FieldNodes:
    """Spectra at the fewest nodes that describe the field of a source with a `cathode` within TOLERANCE.

    `bounds`: tangents x low, x high, y low, y high on the field's plane; `place_of_share(share)`: x where that share of
    the field's solid angle lies below. Bowties with a kink are described beside it only as well as by 129 nodes; there
    are 4096 nodes at most in all, fewer along x where y takes more than 31.
    Raises InvalidInput where the fan is wider than the bowtie, or no photon is left.
    """
    beam = _Beam(source, bounds)

    def at(across: Floats, along: Floats) -> Floats:  # shares (m,), (n,) -> (n, m, bins)
        x = place_of_share(across)
        reach = 1.0 + x * x
        low, high = (y / np.sqrt(reach + y * y) for y in bounds[2:])
        sine = low + along[:, None] * (high - low)
        return beam.photons(np.broadcast_to(x, sine.shape), sine * np.sqrt(reach / ((1.0 - sine) * (1.0 + sine))))

    few = np.linspace(0.0, 1.0, 5)
    m = _fewest(lambda shares: at(shares, few).sum(axis=-1))
    n = _fewest(lambda shares: at(few, shares).sum(axis=-1).T)
    m = min(m, max(count for count in _COUNTS if count * n <= _MOST_NODES))
    photons = at(np.linspace(0.0, 1.0, m), np.linspace(0.0, 1.0, n))
    if not photons.sum() > 0.0:
        raise InvalidInput(
            message("spectrum", "no photon is left behind its filters and bowtie", "Take thinner ones.")
        )
    return FieldNodes(photons, beam.edges_kev)


def direction_photons(source: PhotonSource, bounds: tuple[float, float, float, float], x: Floats,
                      y: Floats) -> tuple[Floats, Floats]:
    """Energies (keV), and (..., energies) photons per cm2 at 1 m in the directions of tangents (x, y), per mAs."""
    if source.cathode is not None:
        beam = _Beam(source, bounds)
        return beam.energies_kev, beam.photons(x, y)
    bins = source.spectrum.sample()
    return bins.energies_kev, np.broadcast_to(bins.fluence, (*x.shape, bins.fluence.size))


def _fewest(totals: Callable[[Floats], Floats]) -> int:
    """How many equal nodes describe `totals(shares)`, (others, shares), within TOLERANCE between them."""
    for count in _COUNTS:
        ends = totals(np.linspace(0.0, 1.0, count))
        between = totals((np.arange(count - 1) + 0.5) / (count - 1))
        error = np.abs(0.5 * (ends[:, 1:] + ends[:, :-1]) - between)
        if (error <= TOLERANCE * np.maximum(between, _DARK * between.max())).all():
            break
    return count


class _Beam:
    """The spectrum by direction; directions are tangents (x, y) on the field's plane."""

    def __init__(self, source: PhotonSource, bounds: tuple[float, float, float, float]) -> None:
        field, spectrum = source.field, source.spectrum
        assert isinstance(field, RectangularField)
        assert source.cathode is not None
        across, along = np.array(field.across), np.array(field.along)
        forward = np.cross(across, along)
        central = np.array(field.centre_mm) - np.array(source.position_mm)
        forward = forward if central @ forward > 0.0 else -forward
        central = central / np.linalg.norm(central)
        side = (across if source.cathode[0] == "u" else along) * (1.0 if source.cathode[1] == "+" else -1.0)
        cathode = side - (side @ central) * central
        cathode = cathode / np.linalg.norm(cathode)
        fan = np.cross(central, cathode)
        fan = fan if fan @ (along if source.cathode[0] == "u" else across) > 0.0 else -fan
        self._frame = np.stack([across, along, forward], axis=1)
        self._axes = np.stack([central, cathode, fan])
        self._spectrum = spectrum
        flat = spectrum.replace(bowtie=None)
        self._heel = None
        if spectrum.has_heel:
            corners = self._angles(*np.meshgrid(np.linspace(*bounds[:2], 9), np.linspace(*bounds[2:], 9)))
            sines = takeoff_sine(spectrum.anode_angle_deg or 0.0, *corners)
            self._heel = flat.heel_between(float(sines.min()), float(sines.max()) + 1e-9, _HEEL_NODES)
        bins = flat.sample()
        self.edges_kev, self.energies_kev, self._photons = bins.edges_kev, bins.energies_kev, bins.fluence
        self._filter_depth = flat.filter_optical_depth(bins.edges_kev)

    def _angles(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Degrees from the central ray towards the cathode, and across the tube's axis."""
        ways = np.stack([x, y, np.ones_like(x)], axis=-1) @ self._frame.T @ self._axes.T
        towards, across = (np.degrees(np.arctan(ways[..., n] / ways[..., 0])) for n in (1, 2))
        return np.asarray(towards), np.asarray(across)

    def photons(self, x: Floats, y: Floats) -> Floats:
        """(..., bins) photons per solid angle in the directions of the tangents."""
        towards, across = self._angles(x, y)
        slant = np.sqrt(1.0 + np.tan(np.radians(towards)) ** 2 + np.tan(np.radians(across)) ** 2)
        if self._heel is None:
            bare = np.broadcast_to(self._photons, (*x.shape, self._photons.size))
        else:
            place = np.clip(self._heel.position(towards, across), 0.0, _HEEL_NODES - 1)
            first = np.clip(place.astype(np.int64) - 1, 0, _HEEL_NODES - 4)
            t = (place - first)[..., None]
            shares = (
                (1.0 - t) * (2.0 - t) * (3.0 - t) / 6.0,
                0.5 * t * (2.0 - t) * (3.0 - t),
                0.5 * t * (t - 1.0) * (3.0 - t),
                t * (t - 1.0) * (t - 2.0) / 6.0,
            )
            bare = np.zeros((*x.shape, self._photons.size))
            for k, share in enumerate(shares):
                bare += share * self._heel.fluence[first + k]
            bare = np.maximum(bare, 0.0)
        depth = self._filter_depth * (slant - 1.0)[..., None]
        bowtie = self._spectrum.bowtie
        if bowtie is not None:
            path = bowtie.path_mm(across) * slant * np.cos(np.radians(across))
            depth = depth + linear_attenuation_per_mm(bowtie.substance, self.energies_kev) * path[..., None]
        return np.asarray(bare * transmission(depth))
