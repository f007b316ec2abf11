"""Single scatter of boxes by a quadrature in float64 over their volume.

Per photon emitted uniformly into the solid angle Omega, the energy per area at a pixel's centre is

    I = 1 / Omega  integral over the volume of  exp(-tau_in) / R^2  rho (d sigma / d Omega)(E, cos theta)
        (cos alpha / r^2) exp(-tau_out(E')) E'  dV,

R the way from the source, r that to the pixel: photons per area at depth, times the chance to scatter per length and
solid angle, times the solid angle per area. Ways through boxes come from the box's faces, cross sections from the
shipped tables in numpy; nothing is shared with the kernels but these tables.
"""

import numpy as np

import physsim as ps
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.scattering_law import ScatteringLaw

SOURCE_MM = np.array([10.0, -500.0, -15.0])


CASES = {
    "water": [("water", 1.0, (-20, -10, -25), (22, 14, 20))],
    "layers": [
        ("water", 1.1, (-20, -10, -24), (20, 0, 20)),
        ("bone_cortical", 1.9, (-20, 0, -24), (20, 4, 20)),
        ("lung", 0.3, (-20, 4, -24), (20, 14, 20)),
    ],
}


def way_through(start, end, low, high):
    """Length (same unit) of the ways start (..., 3) -> end (..., 3) inside the box."""
    step = end - start
    with np.errstate(divide="ignore"):
        faces = np.stack([(low - start) / step, (high - start) / step])
    enter = np.maximum(faces.min(axis=0).max(axis=-1), 0.0)
    leave = np.minimum(faces.max(axis=0).min(axis=-1), 1.0)
    return np.maximum(leave - enter, 0.0) * np.linalg.norm(step, axis=-1)


def angular(material, energy, cosine):
    """cm2/g/sr of Compton and Rayleigh, normalised to the table's cross sections."""
    law = ScatteringLaw(dict(ps.material(material).mass_fractions), None, binding=True)
    grid = (np.arange(200_000) + 0.5) / 200_000
    grid = grid**3  # (1 - cos) / 2, dense at small angles
    width = np.diff((np.arange(200_001) / 200_000) ** 3)
    found = {}
    for process in ("compton", "rayleigh"):
        shape = getattr(law, process)
        total = (shape(energy, grid) * width).sum() * 4 * np.pi
        scale = float(mass_attenuation_cm2_g(material, [energy], process)[0]) / total
        found[process] = scale * shape(energy, 0.5 * (1 - cosine))
    return found


def expected(boxes, energy, pixels_mm, normals, omega, nodes=24, start=SOURCE_MM, share=None):
    """boxes: (material, density, low_mm, high_mm). Energy per area (keV/cm2) at the pixels, (pixels,) by process.

    `normals`: (3,) or one a pixel. `share(number, ways, energies)`: what a grid before pixel `number` lets through.
    """
    images = {"compton": np.zeros(len(pixels_mm)), "rayleigh": np.zeros(len(pixels_mm))}
    normals = np.broadcast_to(normals, (len(pixels_mm), 3))
    x, w = np.polynomial.legendre.leggauss(nodes)
    for material, density, low, high in boxes:
        low, high = np.array(low, float), np.array(high, float)
        axes = [0.5 * (b - a) * x + 0.5 * (a + b) for a, b in zip(low, high, strict=True)]
        at = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        volume = np.einsum("i,j,k->ijk", w, w, w).ravel() * np.prod(high - low) / 8 / 1000  # cm3
        inward = at - start
        distance = np.linalg.norm(inward, axis=1)
        tau_in = sum(
            0.1
            * rho
            * mass_attenuation_cm2_g(m, [energy])[0]
            * way_through(start, at, np.array(a, float), np.array(b, float))
            for m, rho, a, b in boxes
        )
        for number, pixel in enumerate(pixels_mm):
            outward = pixel - at
            r = np.linalg.norm(outward, axis=1)
            cosine = (inward * outward).sum(1) / distance / r
            law = angular(material, energy, cosine)
            for process, energy_out in (
                ("compton", energy / (1 + energy / 510.99895 * (1 - cosine))),
                ("rayleigh", np.full(len(at), energy)),
            ):
                tau = tau_in + sum(
                    0.1
                    * rho
                    * mass_attenuation_cm2_g(m, energy_out)
                    * way_through(at, pixel, np.array(a, float), np.array(b, float))
                    for m, rho, a, b in boxes
                )
                solid = (outward @ normals[number]) / r**3 * 100
                if share is not None:
                    solid = solid * share(number, outward, energy_out)
                images[process][number] += (
                    volume * np.exp(-tau) / (0.1 * distance) ** 2 * density * law[process] * solid * energy_out
                ).sum() / omega
    return images


def box_phantom(boxes, spacing):
    low = np.min([box[2] for box in boxes], axis=0)
    high = np.max([box[3] for box in boxes], axis=0)
    shape = np.rint((high - low) / spacing).astype(int)
    labels = np.zeros(tuple(shape[::-1]), np.uint8)
    density = np.zeros(labels.shape, np.float32)
    for label, (_, relative, a, b) in enumerate(boxes):
        (i, j, k), (p, q, r) = (np.rint((np.array(end) - low) / spacing).astype(int) for end in (a, b))
        labels[k:r, j:q, i:p] = label
        density[k:r, j:q, i:p] = relative / ps.material(boxes[label][0]).density_g_cm3
    return ps.Phantom(
        grid=ps.Grid(shape=labels.shape, spacing_mm=tuple(spacing), origin_mm=tuple(low + 0.5 * np.array(spacing))),
        labels=labels,
        materials=tuple(ps.material(box[0]) for box in boxes),
        density=density,
    )
