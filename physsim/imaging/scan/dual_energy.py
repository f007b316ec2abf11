"""A dual-energy scan: the same path twice, with two beams, and what both together show."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from physsim.device.choice import Device
from physsim.imaging.detector.readout import integrating
from physsim.imaging.pixel_beam import PixelBeam, pixel_beam
from physsim.imaging.scan.coverage import PADDING_HU
from physsim.imaging.scan.noise_map import noise_variance
from physsim.imaging.scan.result import Scan
from physsim.imaging.scan.scan import take_scan
from physsim.imaging.scan.spectral import effective_kev, spectral_volumes
from physsim.imaging.scan.spectral_result import SpectralScan
from physsim.imaging.stages import OWN, Stages
from physsim.io.image import Image
from physsim.phantom.phantom import Phantom
from physsim.randomness import stream_number
from physsim.spec.material import resolved_material
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import ScatterRun
from physsim.spec.spectral import SpectralImages

NEGLECTS = ("body and table move between the beams", "cross-scatter of two sources", "hardening by other than water")


@dataclass(frozen=True, eq=False)
class Channel:
    """A scan, the beam as its channel sees it, noise of a reading beside quanta (in the unit of the beam's signal), and
    whether materials are found from it; False for a sum of other channels."""

    scan: Scan
    beam: PixelBeam
    electronic: float
    one_of_all: bool = True


def take_dual_energy(phantom: Phantom, protocol: Protocol, run: ScatterRun | None, *, noise: bool, seed: int,
                     device: Device, threads: int, keep: Sequence[str],
                     progress: Callable[[str, float], None], stages: Stages = OWN) -> SpectralScan:
    """See physsim.simulate; `protocol` has a rotation and a second beam, which takes the same path.

    Neglects: what moves between the beams, scatter of one beam in the other's views (two rotations, or two scans).
    """
    assert protocol.second_beam is not None
    first = protocol.replace(second_beam=None, spectral=None)
    second = first.replace(spectrum=protocol.second_beam.spectrum, mas=protocol.second_beam.mas)
    channels: dict[str, Scan] = {}
    for number, one in enumerate((first, second)):
        def told(stage: str, share: float, before: float = 0.5 * number) -> None:
            progress(stage, before + 0.45 * share)

        channels[_name(one, channels)] = take_scan(
            phantom, one, run, noise=noise, seed=seed if number == 0 else other_seed(seed, number), device=device,
            threads=threads, keep=keep, progress=told, stages=stages)
    progress("materials", 0.95)
    made = combined({name: _channel(one) for name, one in channels.items()}, protocol, seed, threads)
    record = made.provenance
    made = dataclasses.replace(made, provenance=record.replace(neglects=(*record.neglects, *NEGLECTS)))
    progress("materials", 1.0)
    return made


def other_seed(seed: int, number: int) -> int:
    """Of a beam's own noise: the streams of two scans with one seed would be the same."""
    return (seed ^ (stream_number(f"beam {number}") << 31)) % 2**63


def combined(channels: Mapping[str, Channel], protocol: Protocol, seed: int, threads: int) -> SpectralScan:
    """What channels on one grid amount to; of fewer than two no materials."""
    scans = {name: one.scan for name, one in channels.items()}
    wanted, one = protocol.spectral or SpectralImages(), next(iter(scans.values()))
    size = float(np.median(np.stack([scan.water_diameter_mm() for scan in scans.values()])))
    effective = {name: effective_kev(one.beam, size, wanted.materials) for name, one in channels.items()}
    record = one.provenance.replace(protocol=protocol, seed=seed)
    used = [name for name, one in channels.items() if one.one_of_all]
    if len(used) < 2:
        return SpectralScan(scans, {}, {}, tuple(effective.values()), protocol, one.truth, record)
    noisy = one.provenance.noise != "none"
    variances = [_variance(channels[name], threads) for name in used] if noisy else None
    found = spectral_volumes([scans[name].volume.array for name in used], variances, [effective[name] for name in used],
                             wanted.materials, wanted.energies_kev)
    names = [*(resolved_material(material).name for material in wanted.materials),
             *(f"mono {energy:g} keV" for energy in wanted.energies_kev)]

    def images(amounts: np.ndarray | None, single: np.ndarray | None) -> dict[str, Image]:
        if amounts is None or single is None:
            return {}
        grid = one.volume
        for made in (*amounts, *single):
            made[~one.measured] = PADDING_HU
        return {name: Image(array, grid.spacing_mm, grid.origin_mm, grid.direction)
                for name, array in zip(names, (*amounts, *single), strict=True)}

    return SpectralScan(scans, images(found.amounts, found.at_energy),
                        images(found.amounts_error, found.at_energy_error), tuple(effective.values()), protocol,
                        one.truth, record)


def _name(protocol: Protocol, taken: dict[str, Scan]) -> str:
    spectrum = protocol.spectrum
    name = f"{spectrum.kvp:g} kV" if spectrum.kvp is not None else f"{spectrum.sample().mean_energy_kev:.3g} keV"
    return name if name not in taken else f"{name} (2)"


def _channel(scan: Scan) -> Channel:
    detector = scan.protocol.detector
    noise_kev = integrating(detector).electronic_noise_electrons / detector.absorber.electrons_per_kev
    return Channel(scan, pixel_beam(scan.protocol, scan.geometry[0]), noise_kev)


def _variance(channel: Channel, threads: int) -> np.ndarray:
    scan = channel.scan
    wanted = scan.protocol.reconstruction
    assert wanted is not None
    return noise_variance(scan.lengths_mm, scan.parts(), scan.grid(), wanted.kernel, beam=channel.beam, mas=scan.mas,
                          electronic_kev=channel.electronic, seed=scan.provenance.seed, threads=threads)
