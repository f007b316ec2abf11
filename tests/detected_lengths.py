"""What a rod in water should read: what it adds along the central ray as a length of water, over its own length."""

import numpy as np

import physsim as ps
from physsim.imaging.pixel_beam import pixel_beam
from physsim.imaging.scan.water import water_lengths
from physsim.physics.attenuation import linear_attenuation_per_mm


def lengths_of(lengths, attenuation):
    """mm of water of -ln(signal / open signal), (views, rows, columns)."""
    ones = np.ones(attenuation.shape[1:], np.float32)
    found, starved = lengths.of(np.exp(-attenuation), None, 1e-30 * ones, ones, np.ones(len(attenuation)))
    assert starved == 0
    return found


def expected_hu(scan, material, rod_mm, whole_mm):
    """CT number of `rod_mm` of a material in a ray that passes `whole_mm` of body, the rest of it water."""
    beam = pixel_beam(scan.protocol, scan.geometry[0])
    lengths = water_lengths(beam)
    water = linear_attenuation_per_mm("water", beam.energies_kev)
    own = linear_attenuation_per_mm(ps.material(material), beam.energies_kev)
    signal = beam.behind(np.stack([0.0 * water, (whole_mm - rod_mm) * water + rod_mm * own]))[0]
    measured = -np.log(signal[1] / signal[0]).astype(np.float32)
    length = lengths_of(lengths, measured[None])[0][scan.geometry.rows // 2, scan.geometry.columns // 2]
    return 1000.0 * (float(length) - whole_mm) / rod_mm
