"""simulate(): the one path from a phantom and a protocol to an exposure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from physsim.body.patient import Patient
from physsim.device.choice import CPU, Device, resolve, thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import central_fluence
from physsim.imaging.body import body_box_mm, check_in_field, phantom_record, voxels_of
from physsim.imaging.bowtie_fan import warn_of_bowtie
from physsim.imaging.breast_body import made_thickness_mm
from physsim.imaging.dose.exposure_dose import check_dose, dose_per_mas
from physsim.imaging.dose.glandular import GlandularDose
from physsim.imaging.dose.wanted_mas import wanted_mas, with_scan_mas
from physsim.imaging.exposure import Exposure
from physsim.imaging.grid_focus import warn_of_focus
from physsim.imaging.kernel_scatter import kernel_scattered
from physsim.imaging.network_noise import NetworkNoise, network_noise
from physsim.imaging.network_scatter import network_scattered, weights_for
from physsim.imaging.primary_layers import Images, PrimaryLayers
from physsim.imaging.reading import Reading, take_reading
from physsim.imaging.scan.coverage import check_turns, placed
from physsim.imaging.scan.dual_energy import take_dual_energy
from physsim.imaging.scan.gated import check_gated, take_gated
from physsim.imaging.scan.moving import Cine
from physsim.imaging.scan.photon_counting import take_counting
from physsim.imaging.scan.scan import check_kept, take_scan
from physsim.imaging.scatter_orders import ORDERS, check_orders
from physsim.imaging.scattered import Scattered, scattered
from physsim.imaging.stages import OWN, Stages, check_stages, checked_stage
from physsim.imaging.sub_poses import point_source, sub_poses
from physsim.imaging.truth import exposure_truth
from physsim.io.hdf5 import Layer
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.noise import NoiseSurrogate, noise_run
from physsim.spec.protocol import Pose, Protocol
from physsim.spec.provenance import Provenance, kernels_sha256, tables_sha256
from physsim.spec.scatter import Hybrid, KernelScatter, MonteCarlo, ScatterRun, Surrogate, record_of
from physsim.transport.mesh import traced_meshes
from physsim.transport.spectral import project_materials
from physsim.transport.spectral_device import device_for_spectral

Progress = Callable[[str, float], None]
STAGES = ("beam at the pixels", "rays through the phantom", "truth", "scatter", "detector", "layers")
NEGLECTS = ("table, detector cover", "air outside the phantom's grid, in the open field too", "extrafocal radiation",
            "scatter that leaves the detector")
WITHOUT_SCATTER, WITHOUT_NOISE = "scattered photons", "noise"
DEFAULT_RUN = MonteCarlo(relative_error=0.02)
_AXES = ("view", "row", "column")
_LAYERS = {
    "primary": ("keV", "energy that unscattered photons add to the signal of each pixel"),
    "open_field": ("keV", "the same without the phantom"),
    "transmission": ("1", "primary / open_field"),
    "scatter": ("keV", "energy that scattered photons add"),
    "signal": ("keV", "primary + scatter, blurred by the detector: the expected image"),
    **ORDERS,
    "raw": ("DN", "digital numbers as they are read out"),
    "image": ("keV", "corrected for offset, gain and defects: the image for processing"),
    "photons": ("1", "unscattered photons that reach the pixel, before a grid"),
    "open_photons": ("1", "the same without the phantom"),
    "air_kerma": ("uGy", "air kerma of unscattered photons at the pixel, before a grid"),
    "open_air_kerma": ("uGy", "the same without the phantom"),
}


def simulate(phantom: Phantom | Patient | Cine, protocol: Protocol, *, scatter: str | ScatterRun = "none",
             noise: bool | str | NoiseSurrogate = True, seed: int = 0, device: str | Device = "auto",
             threads: int | None = None, areal_density: bool = False, keep: Sequence[str] = (), stages: Stages = OWN,
             progress: Progress | None = None) -> Any:
    """The image of `phantom` by `protocol`, in absolute units: an Exposure, a Scan of a protocol with a rotation, or a
    SpectralScan of one with a second beam or a counting detector, a GatedScan of one with gating (of a Patient, or a
    Cine of its states).

    A Patient is voxelised first: at 2 mm, the region of the body that the protocol names (see voxels_of).
    Photons per mm2 and mAs fall by the inverse square from 1 m and by the ray's obliquity on the detector; the spectrum
    changes over the field by the heel effect and the slant through the filters; rays are attenuated exactly, voxel by
    voxel, all energies in one pass, and by the anti-scatter grid. `scatter`: "none", "montecarlo" (its image within 2 %
    RMS of its mean), a MonteCarlo, "kernel" (a fast guess, see KernelScatter), or of radiographs "surrogate" and
    "hybrid" (see Surrogate, Hybrid). `noise`: quanta, light or charge and electronics, read out and corrected by a flat
    field; without it `image` is the expected signal; of radiographs also "surrogate", or a NoiseSurrogate: quanta by a
    network. `seed`: 0 to 2^63-1, of noise and scatter; it names the study.
    `device`: "cuda" traces the rays and sums over energies on a GPU, which agrees with the CPU within
    1e-5 RMS; "auto" is the CPU, so that a study has the same bits on every machine. `areal_density`: also keep the
    areal density of every material of a radiograph. `keep`: layers of a scan to keep beside its lengths of water and
    volume, of "primary", "scatter", "signal", "raw" and "image" (a radiograph keeps all); and of Monte Carlo
    "scatter_single" and "scatter_multiple", whose sum is "scatter" (of radiographs too).
    `stages`: the user's own in place of scatter, noise, correction, lengths of water or reconstruction (see Stages).
    `progress(stage, fraction)` is called as the work goes on. The same bits for any number of `threads`.

    Neglects: table and detector cover; the focal spot's size for unscattered photons, unless protocol.primary_rays
    has more than one; air outside the phantom's grid
    (the beam runs in vacuum there, with and without the phantom: over 1.8 m of air it would lose 4 % at 60 keV).
    Raises InvalidInput before any work for a field of view that the phantom is not in, unknown scatter, and a tube that
    cannot give what exposure control asks for; DeviceUnavailable for a device that is absent.

    >>> import physsim as ps
    >>> slab = ps.voxelise(ps.scene("water_20cm"), spacing_mm=4)
    >>> ps.simulate(slab, ps.protocols.chest_pa(pixel_mm=4)).provenance.scatter
    'none'
    """
    used, run, drawn = check_request(scatter, seed, device, noise), scatter_run(scatter), noise_run(noise)
    noise = bool(drawn)
    scanned = protocol.rotation is not None
    kept_anyway = not scanned and not set(keep) <= set(ORDERS)
    for name, value, useless in (("areal_density", areal_density, scanned), ("keep", keep, kept_anyway)):
        if value and useless:
            raise InvalidInput(message(f"{name}={value!r}", f"it has no effect on {protocol.name}", "Leave it out."))
    if scanned:
        check_kept(keep)
        if stages.reconstruction is None:
            check_turns(protocol)
    check_orders(keep, run, protocol)
    check_gated(phantom, protocol)
    check_stages(stages, scanned=scanned, noise=drawn, scatter=run is not None)
    quanta = network_noise(drawn, protocol) if isinstance(drawn, NoiseSurrogate) else None
    if isinstance(run, (Surrogate, Hybrid)):
        weights_for(run, protocol)  # before any work
    if isinstance(phantom, Cine) or (protocol.gating is not None and isinstance(phantom, Patient)):
        return take_gated(phantom, protocol, run, noise=noise, seed=seed, device=used, threads=thread_count(threads),
                          keep=keep, progress=progress or (lambda stage, fraction: None), stages=stages)
    phantom = voxels_of(phantom, protocol)
    protocol = with_scan_mas(placed(protocol, phantom), body_box_mm(phantom), threads) if scanned else protocol
    has_dose = not scanned and check_dose(phantom, protocol)
    device_for_spectral(phantom.labels, used)
    threads = thread_count(threads)
    tell = progress or (lambda stage, fraction: None)
    if protocol.second_beam is not None:
        return take_dual_energy(phantom, protocol, run, noise=noise, seed=seed, device=used, threads=threads,
                                keep=keep, progress=tell, stages=stages)
    if protocol.energy_bins:
        return take_counting(phantom, protocol, run, noise=noise, seed=seed, device=used, threads=threads, keep=keep,
                             progress=tell, stages=stages)
    if scanned:
        return take_scan(phantom, protocol, run, noise=noise, seed=seed, device=used, threads=threads, keep=keep,
                         progress=tell, stages=stages)
    return _expose(phantom, protocol, run, noise, quanta, seed, used, threads, areal_density, has_dose, tell, stages,
                   keep)


def _expose(phantom: Phantom, protocol: Protocol, run: ScatterRun | None, noise: bool, quanta: NetworkNoise | None,
            seed: int, used: Device, threads: int, areal_density: bool, has_dose: bool, tell: Progress,
            stages: Stages, keep: Sequence[str]) -> Exposure:
    """One radiograph, or views of any poses."""
    tell(STAGES[0], 0.0)
    networks = weights_for(run, protocol) if isinstance(run, (Surrogate, Hybrid)) else None
    box = body_box_mm(phantom)
    geometry = protocol.geometry(box, phantom.grid)
    check_in_field(phantom, geometry)
    warn_of_focus(protocol, geometry)
    warn_of_bowtie(protocol, geometry)
    tell(STAGES[1], 0.1)
    made = PrimaryLayers(phantom, protocol, geometry, sub_poses(protocol, box), str(used), threads)
    tell(STAGES[2], 0.5)
    truth = exposure_truth(phantom, geometry, threads)
    tell(STAGES[3], 0.55)
    strewn = None
    if isinstance(run, KernelScatter):
        strewn = kernel_scattered(phantom, protocol, geometry, made.seen["signal"], made.free["signal"], threads)
    elif isinstance(run, (Surrogate, Hybrid)):
        assert networks is not None
        strewn = network_scattered(phantom, protocol, geometry, made.free["signal"], run, networks, seed, threads)
    elif run is not None:
        strewn = scattered(phantom, protocol, geometry, made.free["photons"], run, seed=seed, threads=threads,
                           by_order=bool(keep))
    elif stages.scatter is not None:
        strewn = _own_scatter(stages, made.seen, geometry)
    dose = dose_per_mas(phantom, protocol, geometry, made.free["photons"], seed, threads) if has_dose else None
    thickness = made_thickness_mm(phantom)
    mas = wanted_mas(protocol, geometry, box, thickness, made.seen, made.free,
                     None if strewn is None else strewn.signal, dose)
    made.times(mas)
    tell(STAGES[4], 0.8)
    sums = _sums(made.seen, strewn, mas)
    reading = _read(protocol, made, sums, noise, quanta, seed, threads, stages)
    tell(STAGES[5], 0.95)
    layers = _layers(made.seen, made.free, strewn, mas, reading, keep)
    if areal_density:
        names = ", ".join(f"{n} {one.name}" for n, one in enumerate(phantom.materials))
        dense = project_materials(
            phantom.labels, phantom.density, [one.density_g_cm3 for one in phantom.materials], phantom.grid, geometry,
            overlays=phantom.overlays, meshes=traced_meshes(phantom), device=used, threads=threads)
        layers["areal_density"] = Layer(dense, "g/cm2", ("view", "material", "row", "column"), f"materials: {names}")
    record = Provenance(
        protocol=protocol, poses=_poses(geometry), phantom=phantom_record(phantom, box), seed=seed,
        scatter=record_of(run), network="" if strewn is None else strewn.network,
        verdicts=() if strewn is None else strewn.verdicts,
        device=used.kind, neglects=stages.neglected(_neglects(run, noise, protocol)),
        kernels_sha256=kernels_sha256(), tables_sha256=tables_sha256(),
        **({"noise": "quanta, charge, electronics" if noise else "none"} if quanta is None else
           quanta.judged(*sums).record()))
    tell(STAGES[5], 1.0)
    return Exposure(layers, geometry, protocol, truth, record, mas=mas,
                    scatter_error=None if strewn is None or run is None else max(strewn.errors),
                    saturated=0 if reading is None else reading.saturated,
                    thickness_mm=thickness,
                    glandular_dose=None if dose is None else GlandularDose(dose.mgy * mas, dose.relative_error))


def scatter_run(scatter: str | ScatterRun) -> ScatterRun | None:
    """The run of what simulate() takes as `scatter`; None for none. InvalidInput for what is neither."""
    if isinstance(scatter, ScatterRun):
        return scatter
    if scatter == "none":
        return None
    if scatter == "montecarlo":
        return DEFAULT_RUN
    named: dict[str, type[ScatterRun]] = {"kernel": KernelScatter, "surrogate": Surrogate, "hybrid": Hybrid}
    if scatter in named:
        return named[scatter]()
    raise InvalidInput(message(
        f"scatter={scatter!r}", "scatter is left out, guessed by kernels or networks, or estimated by Monte Carlo",
        "Give 'none', 'kernel', 'surrogate', 'hybrid', 'montecarlo' or physsim.MonteCarlo(relative_error=0.02)."))


def check_request(scatter: str | ScatterRun = "none", seed: int = 0, device: str | Device = "auto",
                  noise: bool | str | NoiseSurrogate = True) -> Device:
    """The device to use; InvalidInput or DeviceUnavailable for what simulate() cannot do. Call it before long work."""
    scatter_run(scatter)
    noise_run(noise)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InvalidInput(message(f"seed={seed!r}", "a seed is a whole number from 0 to 2^63 - 1",
                                   "Give for example 7."))
    return CPU if str(device) == "auto" else resolve(device)


def _sums(seen: dict[str, Images], strewn: Scattered | None, mas: float) -> tuple[Images, Images]:
    """Signal (keV) and sum of squares (keV^2) of primary and scatter."""
    if strewn is None:
        return seen["signal"], seen["square"]
    return (seen["signal"] + np.float32(mas) * strewn.signal, seen["square"] + np.float32(mas) * strewn.square)


def _read(protocol: Protocol, layers: PrimaryLayers, sums: tuple[Images, Images], noise: bool,
          network: NetworkNoise | None, seed: int, threads: int, stages: Stages) -> Reading:
    signal, square = sums
    own = noise and stages.noise is not None
    drawn = None if network is None else network.quanta(signal, square, seed=seed, threads=threads)
    made = take_reading(protocol.detector, layers.energies_kev, central_fluence(protocol, layers.energies_kev), signal,
                        square, layers.free["signal"], noise=noise and not own, quanta=drawn, seed=seed,
                        threads=threads)
    image = made.image
    if own and stages.noise is not None:
        image = checked_stage("noise", stages.noise(made.expected, np.asarray(square, np.float32), 0), image.shape)
    if stages.correction is not None:
        image = checked_stage("correction", stages.correction(image), image.shape)
    return made if image is made.image else dataclasses.replace(made, image=image)


def _own_scatter(stages: Stages, seen: dict[str, Images], geometry: Geometry) -> Scattered:
    """The user's, per mAs, its photons of the primary's energies; no error is known."""
    assert stages.scatter is not None
    primary = seen["signal"]
    signal = checked_stage("scatter", stages.scatter(primary, geometry), primary.shape, negative=False)
    square = np.asarray(signal * (seen["square"] / np.maximum(primary, np.float32(1e-30))), np.float32)
    return Scattered(signal, square, (0.0,) * len(primary), 0, True)


def _layers(seen: dict[str, Images], free: dict[str, Images], strewn: Scattered | None, mas: float,
            reading: Reading, keep: Sequence[str]) -> dict[str, Layer]:
    dark = free["signal"] <= 0.0
    transmission = np.where(dark, 0.0, seen["signal"] / np.where(dark, 1.0, free["signal"]))
    arrays: dict[str, Any] = {"primary": seen["signal"], "open_field": free["signal"],
                              "transmission": transmission.astype(np.float32, copy=False)}
    if strewn is not None:
        arrays["scatter"] = np.float32(mas) * strewn.signal
        arrays |= {name: np.float32(mas) * strewn.orders[name] for name in keep}
    arrays["signal"] = reading.expected
    if reading.raw is not None:
        arrays["raw"] = reading.raw
    arrays["image"] = reading.image
    arrays |= {"photons": seen["photons"], "open_photons": free["photons"], "air_kerma": seen["air_kerma"],
               "open_air_kerma": free["air_kerma"]}
    return {name: Layer(array, _LAYERS[name][0], _AXES, _LAYERS[name][1]) for name, array in arrays.items()}


def _neglects(run: ScatterRun | None, noise: bool, protocol: Protocol) -> tuple[str, ...]:
    return (*NEGLECTS, *((WITHOUT_SCATTER,) if run is None else ()), *(() if noise else (WITHOUT_NOISE,)),
            *point_source(protocol))


def _poses(geometry: Geometry) -> tuple[Pose, ...]:
    columns = (geometry.source_mm.tolist(), geometry.centre_mm.tolist(), geometry.u.tolist(), geometry.v.tolist())
    return tuple(Pose(source_mm=tuple(a), centre_mm=tuple(b), u=tuple(c), v=tuple(d))
                 for a, b, c, d in zip(*columns, strict=True))
