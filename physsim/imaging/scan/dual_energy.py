"""A dual-energy scan: the same path twice, with two beams, and what both together show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from physsim.device.choice import Device
from physsim.imaging.detector.readout import integrating
from physsim.imaging.scan.gantry import gantry
from physsim.imaging.scan.noise_map import noise_variance
from physsim.imaging.scan.result import Scan
from physsim.imaging.scan.scan import take_scan
from physsim.imaging.scan.spectral import effective_kev, spectral_volumes
from physsim.imaging.scan.spectral_result import SpectralScan
from physsim.io.image import Image
from physsim.phantom.phantom import Phantom
from physsim.randomness import stream_number
from physsim.spec.material import resolved_material
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import MonteCarlo
from physsim.spec.spectral import SpectralImages

NEGLECTS = ("body and table move between the beams", "cross-scatter of two sources")


def take_dual_energy(phantom: Phantom, protocol: Protocol, run: MonteCarlo | None, *, noise: bool, seed: int,
                     device: Device, threads: int, keep: Sequence[str],
                     progress: Callable[[str, float], None]) -> SpectralScan:
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
            threads=threads, keep=keep, progress=told)
    progress("materials", 0.95)
    made = combined(channels, protocol, seed, threads)
    progress("materials", 1.0)
    return made


def other_seed(seed: int, number: int) -> int:
    """Of a beam's own noise: the streams of two scans with one seed would be the same."""
    return (seed ^ (stream_number(f"beam {number}") << 31)) % 2**63


def combined(channels: dict[str, Scan], protocol: Protocol, seed: int, threads: int) -> SpectralScan:
    """What channels on one grid amount to."""
    scans = list(channels.values())
    wanted, one = protocol.spectral or SpectralImages(), scans[0]
    size = float(np.median(np.stack([scan.water_diameter_mm() for scan in scans])))
    effective = [effective_kev(gantry(scan.protocol, scan.geometry[0]), size, wanted.materials) for scan in scans]
    noisy = one.provenance.noise != "none"
    variances = [_variance(scan, threads) for scan in scans] if noisy else None
    found = spectral_volumes([scan.volume.array for scan in scans], variances, effective, wanted.materials,
                             wanted.energies_kev)
    names = [*(resolved_material(material).name for material in wanted.materials),
             *(f"mono {energy:g} keV" for energy in wanted.energies_kev)]

    def images(amounts: np.ndarray | None, single: np.ndarray | None) -> dict[str, Image]:
        if amounts is None or single is None:
            return {}
        grid = one.volume
        return {name: Image(array, grid.spacing_mm, grid.origin_mm, grid.direction)
                for name, array in zip(names, (*amounts, *single), strict=True)}

    record = one.provenance.replace(protocol=protocol, seed=seed,
                                    neglects=(*one.provenance.neglects, *NEGLECTS, "hardening by other than water"))
    return SpectralScan(channels, images(found.amounts, found.at_energy),
                        images(found.amounts_error, found.at_energy_error), tuple(effective), protocol, one.truth,
                        record)


def _name(protocol: Protocol, taken: dict[str, Scan]) -> str:
    spectrum = protocol.spectrum
    name = f"{spectrum.kvp:g} kV" if spectrum.kvp is not None else f"{spectrum.sample().mean_energy_kev:.3g} keV"
    return name if name not in taken else f"{name} (2)"


def _variance(scan: Scan, threads: int) -> np.ndarray:
    wanted = scan.protocol.reconstruction
    assert wanted is not None
    detector = scan.protocol.detector
    readout = integrating(detector)
    return noise_variance(scan.lengths_mm, scan.parts(), scan.grid(), wanted.kernel,
                          beam=gantry(scan.protocol, scan.geometry[0]), mas=scan.mas,
                          electronic_kev=readout.electronic_noise_electrons / detector.absorber.electrons_per_kev,
                          seed=scan.provenance.seed, threads=threads)
