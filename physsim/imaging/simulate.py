"""simulate(): the one path from a phantom and a protocol to an exposure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from physsim.body.patient import Patient
from physsim.device.choice import CPU, Device, resolve, thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.body import body_box_mm, check_in_field, phantom_record, voxels_of
from physsim.imaging.exposure import Exposure
from physsim.imaging.field import beam_field
from physsim.imaging.technique import PRIMARY_ONLY
from physsim.imaging.truth import exposure_truth
from physsim.io.hdf5 import Layer
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Pose, Protocol
from physsim.spec.provenance import Provenance, kernels_sha256, tables_sha256
from physsim.transport.primary import primary_signal
from physsim.transport.spectral_device import device_for_spectral

Progress = Callable[[str, float], None]
STAGES = ("beam at the pixels", "rays through the phantom", "truth", "layers")
NEGLECTS = ("scattered photons", "noise", "detector blur", "focal-spot size",
            "anti-scatter grid, table, detector cover", "air outside the phantom's grid, in the open field too",
            "K-escape and scatter inside the detector")
_SCATTER = ("none",)
_AXES = ("view", "row", "column")
_LAYERS = {"primary": ("keV", "energy absorbed per pixel"), "open_field": ("keV", "the same without the phantom"),
           "transmission": ("1", "primary / open_field"), "photons": ("1", "photons that reach the pixel"),
           "open_photons": ("1", "the same without the phantom"), "air_kerma": ("uGy", "air kerma at the pixel"),
           "open_air_kerma": ("uGy", "the same without the phantom")}


def simulate(phantom: Phantom | Patient, protocol: Protocol, *, scatter: str = "none", seed: int = 0,
             device: str | Device = "auto", threads: int | None = None, areal_density: bool = False,
             progress: Progress | None = None) -> Exposure:
    """The expected image of `phantom` by `protocol`, in absolute units; see Exposure for the layers.

    A Patient is voxelised first: at 2 mm, the region of the body that the protocol names (see voxels_of).
    Photons per mm2 and mAs fall by the inverse square from 1 m and by the ray's obliquity on the detector; the spectrum
    changes over the field by the heel effect and the slant through the filters; rays are attenuated exactly, voxel by
    voxel, all energies in one pass. `scatter`: "none" so far. `seed`: 0 to 2^63-1; names the study (there is no random
    number here). `device`: "cuda" traces the rays and sums over energies on a GPU, which agrees with the CPU within
    1e-5 RMS; "auto" is the CPU, so that a study has the same bits on every machine. `areal_density`: also keep the
    areal density of every material. `progress(stage, fraction)` is called as the work goes on. The same bits for any
    number of `threads`.

    Neglects: scatter, noise, blur of detector and focal spot, grid, table; air outside the phantom's grid (the beam
    runs in vacuum there, with and without the phantom: over 1.8 m of air it would lose 4 % at 60 keV).
    Raises InvalidInput before any work for a field of view that the phantom is not in and for unknown
    scatter; DeviceUnavailable for a device that is absent.

    >>> import physsim as ps
    >>> slab = ps.voxelise(ps.scene("water_20cm"), spacing_mm=4)
    >>> ps.simulate(slab, ps.protocols.chest_pa(pixel_mm=4)).provenance.scatter
    'none'
    """
    used = check_request(scatter, seed, device)
    phantom = voxels_of(phantom, protocol)
    device_for_spectral(phantom.labels, used)
    threads = thread_count(threads)
    tell = progress or (lambda stage, fraction: None)
    tell(STAGES[0], 0.0)
    box = body_box_mm(phantom)
    geometry = protocol.geometry(box)
    check_in_field(phantom, geometry)
    field = beam_field(protocol, geometry)
    position = field.position()
    tell(STAGES[1], 0.1)
    outputs, areal = primary_signal(phantom, field.energies_kev, field.weights, geometry, position,
                                    areal_density=areal_density, device=used, threads=threads)
    tell(STAGES[2], 0.8)
    truth = exposure_truth(phantom, geometry, threads)
    tell(STAGES[3], 0.85)
    made = field.layers(outputs, position)
    dark = made.free["signal"] <= 0.0
    arrays = {"primary": made.seen["signal"], "open_field": made.free["signal"],
              "transmission": np.where(dark, 0.0, made.seen["signal"] / np.where(dark, 1.0, made.free["signal"])),
              "photons": made.seen["photons"], "open_photons": made.free["photons"],
              "air_kerma": made.seen["air_kerma"], "open_air_kerma": made.free["air_kerma"]}
    arrays["transmission"] = arrays["transmission"].astype(np.float32, copy=False)
    layers = {name: Layer(array, _LAYERS[name][0], _AXES, f"{_LAYERS[name][1]}. {PRIMARY_ONLY}")
              for name, array in arrays.items()}
    if areal is not None:
        names = ", ".join(f"{n} {one.name}" for n, one in enumerate(phantom.materials))
        layers["areal_density"] = Layer(areal, "g/cm2", ("view", "material", "row", "column"), f"materials: {names}")
    record = Provenance(
        protocol=protocol, poses=_poses(geometry), phantom=phantom_record(phantom, box), seed=seed, scatter=scatter,
        device=used.kind, neglects=NEGLECTS, kernels_sha256=kernels_sha256(), tables_sha256=tables_sha256())
    tell(STAGES[3], 1.0)
    return Exposure(layers, geometry, protocol, truth, record)


def check_request(scatter: str = "none", seed: int = 0, device: str | Device = "auto") -> Device:
    """The device to use; InvalidInput or DeviceUnavailable for what simulate() cannot do. Call it before long work."""
    if scatter not in _SCATTER:
        raise InvalidInput(message(f"scatter={scatter!r}", "this version traces the primary beam only",
                                   "Give 'none': every output then says that it holds no scatter."))
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InvalidInput(message(f"seed={seed!r}", "a seed is a whole number from 0 to 2^63 - 1",
                                   "Give for example 7."))
    return CPU if str(device) == "auto" else resolve(device)


def _poses(geometry: Geometry) -> tuple[Pose, ...]:
    columns = (geometry.source_mm.tolist(), geometry.centre_mm.tolist(), geometry.u.tolist(), geometry.v.tolist())
    return tuple(Pose(source_mm=tuple(a), centre_mm=tuple(b), u=tuple(c), v=tuple(d))
                 for a, b, c, d in zip(*columns, strict=True))
