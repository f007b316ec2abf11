"""One CT scan: views of a turning tube, measured, corrected and reconstructed to CT numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import Device
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.beam_rays import central_fluence
from physsim.imaging.body import body_box_mm, check_in_field, phantom_record
from physsim.imaging.bowtie_fan import warn_of_bowtie
from physsim.imaging.grid_focus import warn_of_focus
from physsim.imaging.hardness import hardness
from physsim.imaging.kernel_scatter import KernelScattering, kernel_scattering
from physsim.imaging.network_scatter import scan_weights_for
from physsim.imaging.pixel_beam import PixelBeam, pixel_beam
from physsim.imaging.primary_views import primary_views
from physsim.imaging.scan.coverage import PADDING_HU, check_range, measured_voxels
from physsim.imaging.scan.current import middle_columns, relative_current
from physsim.imaging.scan.moving import MovingBody
from physsim.imaging.scan.network_scan import NetworkScan, network_scan, warn_of_scan
from physsim.imaging.scan.result import Scan
from physsim.imaging.scan.truth import scan_truth
from physsim.imaging.scan.views import Measurement, ScanScatter
from physsim.imaging.scan.volume import reconstructed
from physsim.imaging.scan.water import water_lengths
from physsim.imaging.scatter_orders import ORDERS
from physsim.imaging.scattered import signal_responses
from physsim.imaging.stages import OWN, Stages, checked_stage
from physsim.imaging.sub_poses import point_source, sub_poses
from physsim.io.hdf5 import Layer
from physsim.io.image import Image
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box, Grid
from physsim.spec.protocol import Protocol
from physsim.spec.provenance import Provenance, kernels_sha256, tables_sha256
from physsim.spec.scatter import Hybrid, KernelScatter, MonteCarlo, ScatterRun, Surrogate, record_of
from physsim.transport.scatter_scan import NODE_VIEWS, ScatterScan, scatter_scan
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]

LAYERS = {"primary": ("keV", "energy that unscattered photons add to the signal of each pixel"),
          "scatter": ("keV", "energy that scattered photons add"),
          "signal": ("keV", "primary + scatter, blurred by the detector: the expected image"),
          **ORDERS,
          "raw": ("DN", "digital numbers as they are read out"),
          "image": ("keV", "corrected for offset, gain and defects")}
NEGLECTS = ("table, detector cover", "air outside the phantom's grid, in the open field too", "extrafocal radiation",
            "scatter that leaves the detector")
AXES = ("view", "row", "column")
_LOOKED_AT = 8  # views of which one is looked at to set the current
_SCATTER_GRID = (48, 6)  # places across and along: bowtie and grid bend scatter across
_SCATTER_SQUARE = MonteCarlo(histories=2048)
_MARGIN = 1.3  # of the square of a Monte Carlo's noise: what its bound is wider than its standard error
_SCATTER_VIEWS = 8  # node views of the second moment, of which only the ratio to the first is taken


def check_kept(keep: Sequence[str]) -> tuple[str, ...]:
    """The layers to keep; InvalidInput, with the nearest names, for what is none."""
    for name in keep:
        if name not in LAYERS:
            raise InvalidInput(message(f"keep={name!r}", "a scan has no such layer", did_you_mean(name, LAYERS)))
    return tuple(keep)


def take_scan(phantom: Phantom, protocol: Protocol, run: ScatterRun | None, *, noise: bool, seed: int, device: Device,
              threads: int, keep: Sequence[str], progress: Callable[[str, float], None],
              moving: MovingBody | None = None, stages: Stages = OWN) -> Scan:
    """See physsim.simulate; `protocol` has a rotation and a reconstruction. `moving`: what each view sees, where that
    is not `phantom`, of which box, scatter and current are."""
    rotation, wanted = protocol.rotation, protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    assert protocol.mas is not None
    kept = check_kept(keep)
    progress("beam at the pixels", 0.0)
    box, parts, geometry = scan_poses(phantom, protocol)
    beam = pixel_beam(protocol, geometry[0])
    per_view = protocol.mas / rotation.views
    mas = per_view * relative_views(phantom, protocol, beam, geometry, device, threads)
    progress("scatter", 0.05)
    strewn: ScanScatter | KernelScattering | None = None
    if isinstance(run, KernelScatter):
        strewn = kernel_scattering(phantom, protocol, geometry, threads)
    elif isinstance(run, (Surrogate, Hybrid)):
        strewn = _by_networks(phantom, protocol, beam, geometry, run, seed, threads)
    elif run is not None:
        strewn = scan_scatter(phantom, protocol, beam, geometry, run, seed, threads)
    fluence = central_fluence(protocol, beam.energies_kev)
    measurement = Measurement(
        phantom if moving is None else moving, protocol.detector, geometry, beam, mas, strewn,
        wanted.scatter_correction == "known",
        hardness(protocol.detector, beam.energies_kev, fluence),
        water_lengths(beam, first_order=wanted.beam_hardening == "none"), noise, seed, threads, str(device), kept,
        sub_poses(protocol, box), stages)
    lengths = np.empty(geometry.shape, np.float32)
    layers: dict[str, NDArray[np.generic]] = {}
    for chunk in measurement.chunks(lambda share: progress("views", 0.2 + 0.5 * share)):
        lengths[chunk.views] = chunk.lengths_mm
        for name, values in chunk.layers.items():
            layers.setdefault(name, np.empty(geometry.shape, values.dtype))[chunk.views] = values
    progress("reconstruction", 0.7)
    volume, grid = scan_volume(lengths, protocol, box, parts, threads, stages)
    progress("truth", 0.95)
    record = scan_record(phantom, protocol, box, run, "quanta, charge, electronics" if noise else "none", seed, device)
    record = record.replace(neglects=stages.neglected(record.neglects))
    if isinstance(strewn, ScanScatter) and isinstance(run, (Surrogate, Hybrid)):
        verdicts = () if strewn.verdict is None else (strewn.verdict.record(),)
        record = record.replace(network=strewn.network, verdicts=verdicts)
    made = {name: Layer(values, LAYERS[name][0], AXES, LAYERS[name][1]) for name, values in layers.items()}
    done = Scan(volume, lengths, made, geometry, protocol, scan_truth(phantom, grid), record, mas,
                None if strewn is None else strewn.relative_error, measurement.saturated, measurement.starved)
    progress("truth", 1.0)
    return done


def scan_poses(phantom: Phantom, protocol: Protocol) -> tuple[Box, tuple[Geometry, ...], Geometry]:
    """The body's box, the views of each turn, and all of them. Raises InvalidInput for a body out of the field."""
    rotation, wanted = protocol.rotation, protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    box = body_box_mm(phantom)
    parts, geometry = rotation.turns(protocol.detector, box, wanted.field_mm), protocol.geometry(box)
    check_range(protocol)
    warn_of_focus(protocol, geometry[:1])
    warn_of_bowtie(protocol, geometry[:1])
    check_in_field(phantom, geometry)
    return box, parts, geometry


def scan_volume(lengths: NDArray[np.float32], protocol: Protocol, box: Box, parts: Sequence[Geometry],
                threads: int, stages: Stages = OWN) -> tuple[Image, Grid]:
    """CT numbers of lengths of water, and their grid; `box`: of the body. See `reconstructed`. Voxels that are not
    measured hold PADDING_HU; those of a reconstruction of the user's own are as it makes them."""
    rotation, wanted = protocol.rotation, protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    grid = wanted.grid(box, rotation.range_of(box), rotation.aim_mm)
    assert grid.origin_mm is not None
    if stages.reconstruction is not None:
        made = checked_stage("reconstruction", stages.reconstruction(lengths, parts, grid), grid.shape)
        return Image(made, grid.spacing_mm, grid.origin_mm, grid.direction), grid
    axis = np.array(grid.origin_mm[:2]) + 0.5 * (wanted.matrix - 1) * np.array(grid.spacing_mm[:2])
    reach = float(np.abs(np.array([corner[:2] for corner in box]) - axis).max())
    beyond = reach > 0.5 * rotation.measured_diameter_mm(protocol.detector)
    volume = reconstructed(lengths, parts, grid, wanted.kernel, body_per_mm=1.0 if beyond else None, threads=threads)
    turns = np.array([float(part.source_mm[:, 2].mean()) for part in parts])
    volume.array[~measured_voxels(protocol, turns, grid, (float(axis[0]), float(axis[1])))] = PADDING_HU
    return volume, grid


def scan_record(phantom: Phantom, protocol: Protocol, box: Box, run: ScatterRun | None, noise: str, seed: int,
                device: Device) -> Provenance:
    """Of a scan whose noise is `noise`, "none" for none."""
    return Provenance(
        protocol=protocol, poses=(), phantom=phantom_record(phantom, box), seed=seed,
        scatter=record_of(run), noise=noise, device=device.kind,
        neglects=_neglects(run, noise != "none", protocol), kernels_sha256=kernels_sha256(),
        tables_sha256=tables_sha256())


def relative_views(phantom: Phantom, protocol: Protocol, beam: PixelBeam, geometry: Geometry, device: Device,
             threads: int) -> Floats:
    """(views,) of each view over the mean, by the middle of every _LOOKED_AT-th view, linear between."""
    assert protocol.rotation is not None
    if protocol.rotation.modulation is None:
        return np.ones(len(geometry))
    looked = np.unique(np.append(np.arange(0, len(geometry), _LOOKED_AT), len(geometry) - 1))
    found = []
    opened = beam.open_field()[0]
    middle = middle_columns(geometry.columns)
    for first in range(0, len(looked), 32):
        views = looked[first : first + 32]
        seen = primary_views(phantom, beam, geometry[views], str(device), threads)[:, 0, :, middle]
        shares = (seen / opened[:, middle]).reshape(len(views), -1).astype(np.float64)
        found.append(np.add.accumulate(shares, axis=1)[:, -1] / shares.shape[1])
    every = np.interp(np.arange(len(geometry)), looked, np.concatenate(found))
    return relative_current(protocol.rotation.modulation, every)


def scan_scatter(phantom: Phantom, protocol: Protocol, beam: PixelBeam, geometry: Geometry, run: MonteCarlo, seed: int,
                 threads: int) -> ScanScatter:
    """Scatter in every view, by the scan's nodes, as many a turn in each turn; `run`: see scatter_scan."""
    estimate = scatter_estimator(phantom, protocol, seed, threads)
    responses = signal_responses(protocol.detector)
    scan = estimate(geometry, run=run, node_views=node_views(protocol, geometry), response=responses[0])
    few = np.unique(np.rint(np.linspace(0, len(geometry) - 1, _SCATTER_VIEWS)).astype(int))
    second = estimate(geometry[few], run=_SCATTER_SQUARE, node_views=_SCATTER_VIEWS, response=responses[1])
    mean = float(scan.grid(few).mean())
    ratio = float(second.grid(np.arange(len(few))).mean()) / mean if mean > 0.0 else 0.0
    area = float(np.prod(geometry.pixel_mm)) * CM_PER_MM**2
    return ScanScatter(scan, ratio, beam.photons() * area)


def _by_networks(phantom: Phantom, protocol: Protocol, beam: PixelBeam, geometry: Geometry, run: Surrogate | Hybrid,
                 seed: int, threads: int) -> ScanScatter:
    scan = network_scan(phantom, protocol, geometry, run, scan_weights_for(run, protocol), seed, threads)
    if isinstance(scan, NetworkScan):
        return ScanScatter(scan, scan.square_ratio, beam.photons() * float(np.prod(geometry.pixel_mm)) * CM_PER_MM**2,
                           scan.verdict)
    assert isinstance(run, Hybrid)
    aim = run.tolerance / np.sqrt(2.0 * _MARGIN)  # noise and what the splines bend, squares added
    found = scan_scatter(phantom, protocol, beam, geometry,
                         MonteCarlo(relative_error=aim, most_histories=run.most_histories), seed, threads)
    assert isinstance(found.scan, ScatterScan)
    views = found.scan.multiple_views
    verdict = scan.verdict(found.scan.grid(views), noise_bound(found.scan, run.level), run.tolerance, run.level,
                           float(found.scan.histories))
    warn_of_scan(run, verdict, len(views))
    return replace(found, verdict=verdict)


def noise_bound(scan: ScatterScan, level: float) -> float:
    """Of e_S over all views, with probability `level` that it is larger: the noise, worth as many free numbers as the
    angle's smoother leaves (each view's places at least one), and what the splines over angle and detector err by, with
    the standard errors of those figures.

    Neglects: that the standard errors are estimated, and that the splines' errors are taken as found.
    """
    from scipy.special import ndtri

    smoother = scan.angles[1].T @ scan.angles[1]
    freedom = float(np.trace(smoother)) ** 2 / float((smoother**2).sum())
    wider = 1.0 + float(ndtri(1.0 - level)) * np.sqrt(2.0 / freedom)
    parts = (scan.interpolation_error, scan.interpolation_noise, scan.detector_error, scan.multiple_error,
             scan.multiple_noise)
    return float(np.sqrt(wider * scan.relative_error**2 + sum(one**2 for one in parts)))


def scatter_estimator(phantom: Phantom, protocol: Protocol, seed: int, threads: int) -> Callable[..., ScatterScan]:
    """scatter_scan of a protocol's beam: give it geometry, run, node_views and response."""
    return partial(
        scatter_scan, phantom, spectrum=protocol.spectrum, cathode=protocol.cathode,
        focal_spot_mm=protocol.focal_spot_mm, anti_scatter_grid=protocol.anti_scatter_grid, grid=_SCATTER_GRID,
        seed=seed, threads=threads)


def node_views(protocol: Protocol, geometry: Geometry) -> int:
    """As many in each turn."""
    assert protocol.rotation is not None
    return max(8, round(NODE_VIEWS * max(1.0, len(geometry) / protocol.rotation.views)))


def _neglects(run: ScatterRun | None, noise: bool, protocol: Protocol) -> tuple[str, ...]:
    return (*NEGLECTS, *(("scattered photons",) if run is None else ()), *(() if noise else ("noise",)),
            *point_source(protocol), *(("motion of tube and body during a view",) if protocol.primary_rays[2] == 1 else
                                       ("motion of the body during a view",)))
