"""A scan by a detector that counts photons: all bins of energy are measured together, and each makes a volume."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import Device
from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import central_fluence
from physsim.imaging.beam_spectra import SIGNAL
from physsim.imaging.detector.count_kinds import count_kinds
from physsim.imaging.detector.counting import counting
from physsim.imaging.detector.counting_table import mean_counts, response_at_normal
from physsim.imaging.detector.pile_up_beams import pile_up_of_beam
from physsim.imaging.pixel_beam import PixelBeam, pixel_beam
from physsim.imaging.scan.counted_views import CountedViews, channels
from physsim.imaging.scan.dual_energy import Channel, combined
from physsim.imaging.scan.result import Scan
from physsim.imaging.scan.scan import (
    AXES,
    check_kept,
    node_views,
    relative_views,
    scan_poses,
    scan_record,
    scan_volume,
    scatter_estimator,
)
from physsim.imaging.scan.spectral_result import SpectralScan
from physsim.imaging.scan.truth import scan_truth
from physsim.imaging.scan.views import ScanScatter
from physsim.imaging.scan.water import water_lengths
from physsim.imaging.stages import OWN, Stages
from physsim.imaging.sub_poses import SubPoses, sub_poses
from physsim.io.hdf5 import Layer
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import MonteCarlo, ScatterRun
from physsim.transport.response_table import ResponseTable
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]

LAYERS = {"primary": "counts that unscattered photons leave in the bin, without dead time",
          "scatter": "counts that scattered photons leave",
          "signal": "primary + scatter, shared with neighbours: the expected image without dead time",
          "raw": "counts that are registered",
          "image": "corrected for dead time"}
NEGLECTS = ("heights of piled-up pulses behind other than water", "registered counts vary as Poisson's",
            "noise that bins share, in the errors of materials", "hardening by other than water")
US_PER_S = 1e6


def take_counting(phantom: Phantom, protocol: Protocol, run: ScatterRun | None, *, noise: bool, seed: int,
                  device: Device, threads: int, keep: Sequence[str],
                  progress: Callable[[str, float], None], stages: Stages = OWN) -> SpectralScan:
    """See physsim.simulate; `protocol` has a rotation and a counting detector. Scatter has a run for each bin.

    Neglects: see NEGLECTS and imaging.detector.counts.
    """
    rotation, wanted = protocol.rotation, protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    assert protocol.mas is not None
    if run is not None and not isinstance(run, MonteCarlo):
        raise InvalidInput(message(f"scatter={run.kind!r}", "kernels and networks are of signals, not of counts in "
                                   "bins of energy", "Give 'none' or 'montecarlo'."))
    kept = check_kept(keep)
    progress("beam at the pixels", 0.0)
    box, parts, geometry = scan_poses(phantom, protocol)
    readout = counting(protocol.detector)
    every = pixel_beam(protocol, geometry[0])
    beams = channel_gantries(protocol, every)
    mas = protocol.mas / rotation.views * relative_views(phantom, protocol, beams[0], geometry, device, threads)
    progress("scatter", 0.05)
    strewn = [] if run is None else _scatter(phantom, protocol, every, geometry, run, seed, threads)
    measured = counted_views(phantom, protocol, geometry, every, beams, mas, strewn, noise=noise, seed=seed,
                             device=device, threads=threads, keep=kept, rays=sub_poses(protocol, box), stages=stages)
    lengths = np.empty((len(beams), *geometry.shape), np.float32)
    layers: dict[str, NDArray[np.float32]] = {}
    for chunk in measured.chunks(lambda share: progress("views", 0.2 + 0.4 * share)):
        lengths[:, chunk.views] = chunk.lengths_mm
        for name, values in chunk.layers.items():
            layers.setdefault(name, np.empty(lengths.shape, np.float32))[:, chunk.views] = values
    record = scan_record(phantom, protocol, box, run, "counts, shared charge, dead time" if noise else "none", seed,
                         device)
    record = record.replace(neglects=stages.neglected((*record.neglects, *NEGLECTS)))
    error = max((one.scan.relative_error for one in strewn), default=None)
    done: dict[str, Channel] = {}
    truth = None
    for number, (name, beam) in enumerate(zip(names_of(readout.thresholds_kev), beams, strict=True)):
        progress("reconstruction", 0.6 + 0.3 * number / len(beams))
        volume, grid = scan_volume(lengths[number], protocol, box, parts, threads, stages)
        truth = scan_truth(phantom, grid) if truth is None else truth
        made = {key: Layer(values[number], "counts", AXES, LAYERS[key]) for key, values in layers.items()}
        scan = Scan(volume, lengths[number], made, geometry, protocol, truth, record, mas, error, measured.beyond,
                    measured.starved)
        done[name] = Channel(scan, beam, 0.0, one_of_all=number > 0 or len(beams) == 1)
    progress("materials", 0.9)
    result = combined(done, protocol, seed, threads)
    progress("materials", 1.0)
    return result


def counted_views(phantom: Phantom, protocol: Protocol, geometry: Geometry, every: PixelBeam,
                  beams: Sequence[PixelBeam], mas: Floats, strewn: Sequence[ScanScatter], *, noise: bool, seed: int,
                  device: Device, threads: int, keep: tuple[str, ...], rays: SubPoses, stages: Stages) -> CountedViews:
    """The way from the phantom to lengths of water by bin. `every`: the beam as all bins count it; `beams`: as each
    channel does (see channel_gantries); `mas`: (views,); `strewn`: scatter of each bin, or none."""
    rotation, wanted = protocol.rotation, protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    view_us = US_PER_S * rotation.turn_s / rotation.views
    detector = protocol.detector.replace(readout=counting(protocol.detector).replace(frame_us=view_us))
    fluence = central_fluence(protocol, every.energies_kev)
    return CountedViews(
        phantom, detector, geometry, every, mas, strewn, wanted.scatter_correction == "known",
        wanted.count_rate_correction != "none", count_kinds(detector, every.energies_kev, fluence),
        pile_up_of_beam(detector, every.energies_kev, fluence),
        [water_lengths(one, first_order=wanted.beam_hardening == "none") for one in beams], noise, seed, threads,
        str(device), keep, rays, stages)


def names_of(thresholds_kev: Sequence[float]) -> list[str]:
    """Of the channels: all counts, and each bin where there are several."""
    whole = f"above {thresholds_kev[0]:g} keV"
    if len(thresholds_kev) == 1:
        return [whole]
    bins = [f"{low:g}-{high:g} keV" for low, high in itertools.pairwise(thresholds_kev)]
    return [whole, *bins, f"above {thresholds_kev[-1]:g} keV"]


def channel_gantries(protocol: Protocol, every: PixelBeam) -> list[PixelBeam]:
    """Of each channel: its mean counts, and the variance of what one photon leaves in neighbours together."""
    response = response_at_normal(protocol.detector, every.energies_kev)
    counts, seconds = channels(response.mean.T), np.stack([np.diag(one) for one in response.second_moment()], axis=1)
    if len(counts) > 1:
        seconds = np.concatenate([response.second_moment().sum(axis=(1, 2))[None], seconds])
    excess = np.where(counts > 0.0, seconds / np.where(counts > 0.0, counts, 1.0), 1.0)  # (channels, E)
    return [dataclasses.replace(every, quantities=SIGNAL, anchors=np.stack([one, one * more]),
                                looked_at=np.stack([other, other * more]))
            for one, other, more in zip(channels(every.anchors), channels(every.looked_at), excess, strict=True)]


def _scatter(phantom: Phantom, protocol: Protocol, every: PixelBeam, geometry: Geometry, run: MonteCarlo, seed: int,
             threads: int) -> list[ScanScatter]:
    """Counts of each bin, of the same histories."""
    estimate = scatter_estimator(phantom, protocol, seed, threads)
    per_mas = every.photons() * float(np.prod(geometry.pixel_mm)) * CM_PER_MM**2

    def counts(number: int, energies: Floats, slant: float) -> Floats:
        return np.asarray(mean_counts(protocol.detector, energies, slant)[number])

    return [ScanScatter(estimate(geometry, run=run, node_views=node_views(protocol, geometry),
                                 response=ResponseTable.of(partial(counts, number))), 0.0, per_mas)
            for number in range(protocol.energy_bins)]
