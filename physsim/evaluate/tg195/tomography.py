"""Cases 4 (CT of a PMMA cylinder) and 5 (CT of a voxel thorax) of the report; their results are not public."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np

from physsim.evaluate.tg195.problem import Problem, deposited
from physsim.evaluate.tg195.published import spectrum
from physsim.phantom.library import scene
from physsim.phantom.phantom import Phantom
from physsim.phantom.tg195 import tg195_case5
from physsim.phantom.voxelise import voxelise
from physsim.spec.grid import Grid
from physsim.spec.source import PhotonSource, RectangularField, Sweep
from physsim.spec.spectrum import Spectrum

_BEAMS: tuple[tuple[str, float | str], ...] = (("56.4 keV", 56.4), ("120 kVp RQR9", "rqr9"))
_DISC_MM, _DISCS = 10.0, 4  # thickness of the discs of case 4.1; their centres lie at 0, 10, 20, 30 mm
_SLICES = 301  # of 10 mm: the cylinder is 3 m long
_ROD_RADIUS_MM, _ROD_MM = 5.0, 100.0
_CASE5_REGIONS = (3, 20)  # indices of the organs that are scored
_LARGE = {"Soft tissue", "Heart", "Lung", "Liver", "Stomach", "Skin", "Cortical bone"}  # known well without more


def cylinder() -> list[Problem]:
    """Case 4.1: energy in discs of the whole cross-section; collimation 10 or 80 mm at the axis."""
    figures = tuple(deposited(f"disc {n + 1} (z={n * _DISC_MM:g} mm, +-5 mm)", [f"VOI {n + 1}"]) for n in range(_DISCS))
    return [
        Problem(
            "4.1", name, f"collimation {wide} mm", _cylinder, _fan(beam, 600.0, 320.0, wide), figures, dose_regions=()
        )
        for name, beam in _BEAMS
        for wide in (10, 80)
    ]


def rods() -> list[Problem]:
    """Case 4.2: rods of 5 mm radius at the centre and at (-150, 0) mm; the source at 36 angles, and all round.

    Voxels of 1 mm make the round rods a little too large or small: energy is scaled by true over voxelised volume.
    """
    true_mm3 = math.pi * _ROD_RADIUS_MM**2 * _ROD_MM
    body = _rods().truth
    assert body.organ_labels is not None
    counts = np.bincount(body.organ_labels.ravel(), minlength=len(body.organs)) * _rods().grid.voxel_volume_mm3
    figures = tuple(
        deposited(region, [name], true_mm3 / float(counts[body.number(name)]))
        for region, name in (("centre rod", "VOI 1"), ("peripheral rod", "VOI 2"))
    )
    turns = [(f"source angle {angle} deg", Sweep(first_deg=-angle, range_deg=0.0)) for angle in range(0, 360, 10)]
    return [
        Problem(
            "4.2",
            name,
            f"collimation {wide} mm; {mode}",
            _rods,
            _fan(beam, 600.0, 320.0, wide, turn),
            figures,
            dose_regions=("VOI 1", "VOI 2"),
        )
        for name, beam in _BEAMS
        for wide in (10, 80)
        for mode, turn in (*turns, ("source angle continuous 0-360", Sweep()))
    ]


def thorax(path: Path) -> list[Problem]:
    """Case 5: energy by organ; the source starts at (0, -600, 0) mm and turns clockwise as seen from +z."""

    @cache
    def made() -> Phantom:
        return tg195_case5(path)

    organs = made().truth.names()[slice(*_CASE5_REGIONS)]
    figures = tuple(deposited(name.capitalize(), [name]) for name in organs)
    turns = [(f"source angle {angle} deg", Sweep(first_deg=-angle, range_deg=0.0)) for angle in range(0, 360, 45)]
    small = tuple(name for name in organs if name.capitalize() not in _LARGE)
    return [
        Problem("5", name, mode, made, _fan(beam, 600.0, 500.0, 10, turn, front=True), figures, dose_regions=small)
        for name, beam in _BEAMS
        for mode, turn in (*turns, ("continuous 0-360", Sweep()))
    ]


def _fan(
    beam: float | str,
    distance_mm: float,
    wide_mm: float,
    slice_mm: float,
    turn: Sweep | None = None,
    front: bool = False,
) -> PhotonSource:
    """A fan `wide_mm` by `slice_mm` at the axis, from (-distance, 0, 0) or, `front`, from (0, -distance, 0)."""
    across = (1.0, 0.0, 0.0) if front else (0.0, 1.0, 0.0)
    field = RectangularField(centre_mm=(0, 0, 0), across=across, along=(0, 0, 1), size_mm=(wide_mm, slice_mm))
    return PhotonSource(
        spectrum=Spectrum(energy_kev=beam) if isinstance(beam, float) else spectrum(beam),
        position_mm=(0.0, -distance_mm, 0.0) if front else (-distance_mm, 0.0, 0.0),
        field=field,
        sweep=turn,
    )


def _long_grid(spacing_mm: float) -> Grid:
    across = round(322.0 / spacing_mm)
    return Grid(shape=(_SLICES, across, across), spacing_mm=(spacing_mm, spacing_mm, 10.0))


@cache
def _cylinder() -> Phantom:
    return voxelise(scene("tg195_case4_1"), grid=_long_grid(2.0), rays=55)


@cache
def _rods() -> Phantom:
    return voxelise(scene("tg195_case4_2"), grid=_long_grid(1.0), rays=13)
