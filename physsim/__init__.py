"""X-ray images of virtual patients by physics. `import physsim as ps`; names load on first use (see docs)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from physsim._version import __version__

if TYPE_CHECKING:
    from physsim.body.body import Body as Body
    from physsim.body.breast import Breast as Breast
    from physsim.body.breast import BreastMass as BreastMass
    from physsim.body.breast import CalcificationCluster as CalcificationCluster
    from physsim.body.breast import breast as breast
    from physsim.body.breast import mammography_geometry as mammography_geometry
    from physsim.body.breathing import breathing as breathing
    from physsim.body.cardiac import cardiac as cardiac
    from physsim.body.contrast import Contrast as Contrast
    from physsim.body.lesion import Lesion as Lesion
    from physsim.body.lesion_pleura import PleuralCollection as PleuralCollection
    from physsim.body.patient import Patient as Patient
    from physsim.body.patient import anatomy as anatomy
    from physsim.body.patient import reference_patient as reference_patient
    from physsim.body.population import Population as Population
    from physsim.body.voxelise import voxelise_body as voxelise_body
    from physsim.cohort.rectified import Rectified as Rectified
    from physsim.cohort.rectify import Case as Case
    from physsim.cohort.rectify import cohort_subset as cohort_subset
    from physsim.cohort.rectify import rectify as rectify
    from physsim.device.memory import release_memory as release_memory
    from physsim.evaluate.audit import Audit as Audit
    from physsim.evaluate.audit import audit as audit
    from physsim.imaging.exposure import Exposure as Exposure
    from physsim.imaging.reconstruction.fdk import fdk as fdk
    from physsim.imaging.reconstruction.sart import os_sart as os_sart
    from physsim.imaging.reconstruction.tomosynthesis import tomosynthesis_fbp as tomosynthesis_fbp
    from physsim.imaging.scan.gated import GatedScan as GatedScan
    from physsim.imaging.scan.moving import Cine as Cine
    from physsim.imaging.scan.result import Scan as Scan
    from physsim.imaging.scan.spectral_result import SpectralScan as SpectralScan
    from physsim.imaging.simulate import simulate as simulate
    from physsim.imaging.stages import Stages as Stages
    from physsim.imaging.torch import ForwardModel as ForwardModel
    from physsim.imaging.torch import SpectralForwardModel as SpectralForwardModel
    from physsim.imaging.uncertainty import propagate as propagate
    from physsim.phantom.compiled import areal_density_g_cm2 as areal_density_g_cm2
    from physsim.phantom.compiled import path_lengths_mm as path_lengths_mm
    from physsim.phantom.library import scene as scene
    from physsim.phantom.library import scene_names as scene_names
    from physsim.phantom.mapping import phantom_from_ct as phantom_from_ct
    from physsim.phantom.mapping import phantom_from_labels as phantom_from_labels
    from physsim.phantom.mesh import Mesh as Mesh
    from physsim.phantom.mesh import MeshPart as MeshPart
    from physsim.phantom.mesh import mesh_coverage as mesh_coverage
    from physsim.phantom.overlay import Overlay as Overlay
    from physsim.phantom.phantom import Phantom as Phantom
    from physsim.phantom.scene import Scene as Scene
    from physsim.phantom.table import with_layer as with_layer
    from physsim.phantom.thorax import thorax as thorax
    from physsim.phantom.voxelise import voxelise as voxelise
    from physsim.physics.attenuation import linear_attenuation_per_mm as linear_attenuation_per_mm
    from physsim.physics.attenuation import mass_attenuation_cm2_g as mass_attenuation_cm2_g
    from physsim.spec.absorber import Photoconductor as Photoconductor
    from physsim.spec.absorber import Spread as Spread
    from physsim.spec.anti_scatter_grid import AntiScatterGrid as AntiScatterGrid
    from physsim.spec.bowtie import Bowtie as Bowtie
    from physsim.spec.breast_positioning import BreastPositioning as BreastPositioning
    from physsim.spec.detector import Detector as Detector
    from physsim.spec.detector import IdealAbsorber as IdealAbsorber
    from physsim.spec.detector import Scintillator as Scintillator
    from physsim.spec.detector_library import detectors as detectors
    from physsim.spec.geometry import Geometry as Geometry
    from physsim.spec.grid import Grid as Grid
    from physsim.spec.material import Material as Material
    from physsim.spec.material import material as material
    from physsim.spec.material import materials as materials
    from physsim.spec.noise import NoiseSurrogate as NoiseSurrogate
    from physsim.spec.noise_training import NoiseTechnique as NoiseTechnique
    from physsim.spec.noise_training import NoiseTraining as NoiseTraining
    from physsim.spec.protocol import Pose as Pose
    from physsim.spec.protocol import Positioning as Positioning
    from physsim.spec.protocol import Protocol as Protocol
    from physsim.spec.protocol_library import protocols as protocols
    from physsim.spec.radiation_quality import radiation_quality as radiation_quality
    from physsim.spec.readout import CountingReadout as CountingReadout
    from physsim.spec.readout import IntegratingReadout as IntegratingReadout
    from physsim.spec.readout import Lag as Lag
    from physsim.spec.sampled_spectrum import SampledSpectrum as SampledSpectrum
    from physsim.spec.scatter import Hybrid as Hybrid
    from physsim.spec.scatter import KernelScatter as KernelScatter
    from physsim.spec.scatter import MonteCarlo as MonteCarlo
    from physsim.spec.scatter import Surrogate as Surrogate
    from physsim.spec.source import ConeField as ConeField
    from physsim.spec.source import PhotonSource as PhotonSource
    from physsim.spec.source import RectangularField as RectangularField
    from physsim.spec.source import Sweep as Sweep
    from physsim.spec.spectrum import Filter as Filter
    from physsim.spec.spectrum import Spectrum as Spectrum
    from physsim.spec.training import ScatterTraining as ScatterTraining
    from physsim.spec.uncertainty import InputUncertainty as InputUncertainty
    from physsim.transport.montecarlo import transport_photons as transport_photons
    from physsim.transport.montecarlo_grid import grid_performance as grid_performance
    from physsim.transport.montecarlo_result import MonteCarloResult as MonteCarloResult
    from physsim.transport.montecarlo_track import Track as Track
    from physsim.transport.montecarlo_track import replay_photon as replay_photon
    from physsim.transport.operator import Projector as Projector
    from physsim.transport.project import backproject as backproject
    from physsim.transport.project import project as project
    from physsim.transport.scatter import scatter_image as scatter_image
    from physsim.transport.scatter_image import ScatterImage as ScatterImage
    from physsim.transport.scatter_image import single_scatter as single_scatter
    from physsim.transport.scatter_scan import scatter_scan as scatter_scan
    from physsim.transport.spectral import project_materials as project_materials
    from physsim.transport.spectral import project_signal as project_signal

# Public name -> module that holds it. Importing physsim imports none of them (import physsim stays under 0.1 s).
_PUBLIC = {
    "Body": "physsim.body.body",
    "breathing": "physsim.body.breathing",
    "cardiac": "physsim.body.cardiac",
    "Contrast": "physsim.body.contrast",
    "voxelise_body": "physsim.body.voxelise",
    "Breast": "physsim.body.breast",
    "BreastMass": "physsim.body.breast",
    "CalcificationCluster": "physsim.body.breast",
    "breast": "physsim.body.breast",
    "mammography_geometry": "physsim.body.breast",
    "Rectified": "physsim.cohort.rectified",
    "Case": "physsim.cohort.rectify",
    "cohort_subset": "physsim.cohort.rectify",
    "rectify": "physsim.cohort.rectify",
    "fdk": "physsim.imaging.reconstruction.fdk",
    "os_sart": "physsim.imaging.reconstruction.sart",
    "tomosynthesis_fbp": "physsim.imaging.reconstruction.tomosynthesis",
    "AntiScatterGrid": "physsim.spec.anti_scatter_grid",
    "Bowtie": "physsim.spec.bowtie",
    "BreastPositioning": "physsim.spec.breast_positioning",
    "Filter": "physsim.spec.spectrum",
    "ForwardModel": "physsim.imaging.torch",
    "SpectralForwardModel": "physsim.imaging.torch",
    "Geometry": "physsim.spec.geometry",
    "Grid": "physsim.spec.grid",
    "Material": "physsim.spec.material",
    "Projector": "physsim.transport.operator",
    "backproject": "physsim.transport.project",
    "release_memory": "physsim.device.memory",
    "project": "physsim.transport.project",
    "Hybrid": "physsim.spec.scatter",
    "KernelScatter": "physsim.spec.scatter",
    "Surrogate": "physsim.spec.scatter",
    "ScatterTraining": "physsim.spec.training",
    "NoiseSurrogate": "physsim.spec.noise",
    "NoiseTechnique": "physsim.spec.noise_training",
    "NoiseTraining": "physsim.spec.noise_training",
    "ScatterImage": "physsim.transport.scatter_image",
    "scatter_image": "physsim.transport.scatter",
    "scatter_scan": "physsim.transport.scatter_scan",
    "single_scatter": "physsim.transport.scatter_image",
    "project_signal": "physsim.transport.spectral",
    "project_materials": "physsim.transport.spectral",
    "phantom_from_ct": "physsim.phantom.mapping",
    "phantom_from_labels": "physsim.phantom.mapping",
    "Lesion": "physsim.body.lesion",
    "PleuralCollection": "physsim.body.lesion_pleura",
    "Patient": "physsim.body.patient",
    "anatomy": "physsim.body.patient",
    "reference_patient": "physsim.body.patient",
    "Population": "physsim.body.population",
    "Mesh": "physsim.phantom.mesh",
    "MeshPart": "physsim.phantom.mesh",
    "mesh_coverage": "physsim.phantom.mesh",
    "Overlay": "physsim.phantom.overlay",
    "Phantom": "physsim.phantom.phantom",
    "Scene": "physsim.phantom.scene",
    "areal_density_g_cm2": "physsim.phantom.compiled",
    "linear_attenuation_per_mm": "physsim.physics.attenuation",
    "mass_attenuation_cm2_g": "physsim.physics.attenuation",
    "material": "physsim.spec.material",
    "materials": "physsim.spec.material",
    "SampledSpectrum": "physsim.spec.sampled_spectrum",
    "Spectrum": "physsim.spec.spectrum",
    "path_lengths_mm": "physsim.phantom.compiled",
    "scene": "physsim.phantom.library",
    "scene_names": "physsim.phantom.library",
    "thorax": "physsim.phantom.thorax",
    "voxelise": "physsim.phantom.voxelise",
    "with_layer": "physsim.phantom.table",
    "Detector": "physsim.spec.detector",
    "Scintillator": "physsim.spec.detector",
    "detectors": "physsim.spec.detector_library",
    "Photoconductor": "physsim.spec.absorber",
    "Spread": "physsim.spec.absorber",
    "IntegratingReadout": "physsim.spec.readout",
    "CountingReadout": "physsim.spec.readout",
    "Lag": "physsim.spec.readout",
    "radiation_quality": "physsim.spec.radiation_quality",
    "IdealAbsorber": "physsim.spec.detector",
    "Positioning": "physsim.spec.protocol",
    "Pose": "physsim.spec.protocol",
    "Protocol": "physsim.spec.protocol",
    "protocols": "physsim.spec.protocol_library",
    "Cine": "physsim.imaging.scan.moving",
    "GatedScan": "physsim.imaging.scan.gated",
    "SpectralScan": "physsim.imaging.scan.spectral_result",
    "Scan": "physsim.imaging.scan.result",
    "simulate": "physsim.imaging.simulate",
    "propagate": "physsim.imaging.uncertainty",
    "Stages": "physsim.imaging.stages",
    "InputUncertainty": "physsim.spec.uncertainty",
    "Audit": "physsim.evaluate.audit",
    "audit": "physsim.evaluate.audit",
    "Exposure": "physsim.imaging.exposure",
    "ConeField": "physsim.spec.source",
    "MonteCarlo": "physsim.spec.scatter",
    "MonteCarloResult": "physsim.transport.montecarlo_result",
    "PhotonSource": "physsim.spec.source",
    "RectangularField": "physsim.spec.source",
    "Sweep": "physsim.spec.source",
    "Track": "physsim.transport.montecarlo_track",
    "replay_photon": "physsim.transport.montecarlo_track",
    "grid_performance": "physsim.transport.montecarlo_grid",
    "transport_photons": "physsim.transport.montecarlo",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    if name == "evaluate":  # the one module whose functions are called by its name: ps.evaluate.auc(...)
        return importlib.import_module("physsim.evaluate")
    from physsim.errors import did_you_mean

    raise AttributeError(f"module 'physsim' has no attribute {name!r}. {did_you_mean(name, _PUBLIC)}")


def __dir__() -> list[str]:
    return __all__
