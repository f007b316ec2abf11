"""Small exposures with known answers, for the tests of simulate()."""

import math

import numpy as np

import physsim as ps


def slab(thickness_mm=200.0, width_mm=600.0, spacing_mm=20.0, material="water", density=None):
    """A block of one material, its faces at right angles to y."""
    across, deep = round(width_mm / spacing_mm), round(thickness_mm / spacing_mm)
    grid = ps.Grid(shape=(across, deep, across), spacing_mm=spacing_mm)
    relative = None if density is None else np.full(grid.shape, density, np.float32)
    return ps.Phantom(grid=grid, labels=np.zeros(grid.shape, np.uint8), materials=(ps.material(material),),
                      density=relative, name="slab")


def one_energy(energy_kev=60.0, absorber=None, pixels=(15, 21), pixel_mm=20.0, **fields):
    """PA, 1500 mm, one energy of 1e6 photons per cm2 and mAs at 1 m."""
    detector = ps.Detector(rows=pixels[0], columns=pixels[1], pixel_mm=pixel_mm,
                           absorber=absorber or ps.IdealAbsorber())
    return ps.Protocol(spectrum=ps.Spectrum(energy_kev=energy_kev, output_factor=1e6), mas=2.0, detector=detector,
                       **({"positioning": ps.Positioning(view="PA", source_detector_mm=1500.0)} | fields))


def tilted_pose(turn_deg=25.0):
    """A detector turned about x against a source that stands off its axis."""
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    return ps.Pose(source_mm=(50.0, 1000.0, 30.0), centre_mm=(-20.0, -300.0, 10.0), u=(1.0, 0.0, 0.0), v=(0.0, s, -c))


def pixel_mm_and_rays(geometry, view=0):
    """World positions of the pixels by loops of plain arithmetic, and the rays' lengths and cosines."""
    rows, columns = geometry.shape[1:]
    normal = np.cross(geometry.u[view], geometry.v[view])
    place, length, cosine = np.empty((rows, columns, 3)), np.empty((rows, columns)), np.empty((rows, columns))
    for r in range(rows):
        for c in range(columns):
            place[r, c] = (geometry.centre_mm[view] + (c - (columns - 1) / 2) * geometry.pixel_mm[0] * geometry.u[view]
                           + (r - (rows - 1) / 2) * geometry.pixel_mm[1] * geometry.v[view])
            ray = place[r, c] - geometry.source_mm[view]
            length[r, c] = math.sqrt(sum(float(x) ** 2 for x in ray))
            cosine[r, c] = abs(float(np.dot(ray, normal))) / length[r, c]
    return place, length, cosine
