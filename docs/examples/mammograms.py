"""Mammograms of one breast a density class, from above (CC) and obliquely (MLO), as PNG.

    python docs/examples/mammograms.py --out mammograms --spacing 0.2
    python docs/examples/mammograms.py --out docs/pictures --spacing 0.1 --pixel 0.2 --classes B --views MLO

Ray-traced at 28 kVp (tungsten, 0.05 mm of rhodium), 650 mm from source to detector; no scatter, no noise; shown as
`physsim.imaging.mammogram.mammogram_levels` does. Voxels of 0.1 mm need 1 to 2 GB and some 20 s each on two cores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import physsim as ps
from physsim.imaging.mammogram import mammogram_levels
from physsim.io.png import write_png
from physsim.physics.attenuation import mass_attenuation_cm2_g

KVP, FILTER = 28.0, ps.Filter(material="Rh", thickness_mm=0.05)


def log_attenuation(phantom: ps.Phantom, pixel_mm: float, side: str = "L") -> np.ndarray:
    """ln(open field / signal) of an energy-integrating detector, (rows, columns)."""
    beam = ps.Spectrum(kvp=KVP, target="W", filters=(FILTER,)).sample()
    weights = beam.fluence * beam.energies_kev
    table = np.array([mass_attenuation_cm2_g(one, beam.energies_kev) for one in phantom.materials])
    density = [one.density_g_cm3 for one in phantom.materials]
    geometry = ps.mammography_geometry(phantom, pixel_mm, side=side)
    signal = ps.project_signal(phantom.labels, None, density, table, weights, phantom.grid, geometry)[0]
    return -np.log(np.asarray(signal, np.float64) / weights.sum())


def main() -> None:
    """Write one PNG a class and view."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("mammograms"))
    parser.add_argument("--spacing", type=float, default=0.2, help="voxels (mm)")
    parser.add_argument("--pixel", type=float, default=None, help="pixels of the picture (mm); default: the voxels'")
    parser.add_argument("--classes", default="ABCD")
    parser.add_argument("--views", nargs="+", default=["CC", "MLO"])
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for density in chosen.classes:
        for view in chosen.views:
            began = time.perf_counter()
            phantom = ps.breast(density, view, spacing_mm=chosen.spacing, seed=chosen.seed, organ_labels=False)
            image = log_attenuation(phantom, chosen.spacing)
            shown = mammogram_levels(image, chosen.spacing, thickness_mm=phantom.grid.shape[0] * chosen.spacing)
            step = max(1, round((chosen.pixel or chosen.spacing) / chosen.spacing))
            rows, columns = (n // step * step for n in shown.shape)
            shown = shown[:rows, :columns].reshape(rows // step, step, columns // step, step).mean((1, 3))
            path = chosen.out / f"mammogram_{density.lower()}_{view.lower()}.png"
            write_png(path, np.round(shown * 255).astype(np.uint8), step * chosen.spacing, overwrite=True)
            print(f"{path}: {phantom.labels.size / 1e6:.0f} million voxels, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
