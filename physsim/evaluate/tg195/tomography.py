"""Cases 4 (CT of a PMMA cylinder) and 5 (CT of a voxel thorax) of the report; their results are not public."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from physsim.evaluate.tg195.problem import Figure, Problem, deposited
from physsim.evaluate.tg195.published import spectrum
from physsim.phantom.library import scene
from physsim.phantom.phantom import Phantom
from physsim.phantom.shapes import Cylinder
from physsim.phantom.tg195 import tg195_case5
from physsim.phantom.voxelise import voxelise
from physsim.spec.grid import Grid
from physsim.spec.source import PhotonSource, RectangularField, Sweep
from physsim.spec.spectrum import Spectrum

_BEAMS: tuple[tuple[str, float | str], ...] = (("56.4 keV", 56.4), ("120 kVp RQR9", "rqr9"))
_DISC_MM, _DISCS = 10.0, 4  # thickness of the discs of case 4.1; their centres lie at 0, 10, 20, 30 mm
_SLICES = 301  # of 10 mm: the cylinder is 3 m long
_ROD_RADIUS_MM, _ROD_MM = 5.0, 100.0
_ROD_ANGLES = range(0, 360, 10)  # degrees about the axis
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

    Cylinder and rods are one material: a source turned by an angle sees the rod as one that stands still sees a rod
    turned back by it. So 36 rods on the circle are scored in one run, each for one angle; with the source all round,
    what each receives has the same mean, and theirs is the figure. Rows of one run share its photons.

    Neglects: voxels of 1 mm make the round rods a little too large or small; energy is scaled by true over voxelised
    volume (within 2 %), and a rod's centre is off by up to 0.02 mm (0.03 % of its dose).
    """
    centre, ring = "VOI 1", tuple(_ring_rod(angle) for angle in _ROD_ANGLES)
    at_angles = tuple(
        _rod_dose(region, names, f"source angle {angle} deg")
        for angle, rod in zip(_ROD_ANGLES, ring, strict=True)
        for region, names in (("centre rod", (centre,)), ("peripheral rod", (rod,)))
    )
    all_round = "source angle continuous 0-360"
    turning = (_rod_dose("centre rod", (centre,), all_round), _rod_dose("peripheral rod", ring, all_round))
    return [
        Problem(
            "4.2",
            name,
            f"collimation {wide} mm; {mode}",
            _rods,
            _fan(beam, 600.0, 320.0, wide, turn),
            tuple(replace(figure, mode=f"collimation {wide} mm; {figure.mode}") for figure in figures),
            dose_regions=(centre, *ring),
        )
        for name, beam in _BEAMS
        for wide in (10, 80)
        for mode, turn, figures in (("36 source angles", None, at_angles), (all_round, Sweep(), turning))
    ]


def _ring_rod(angle_deg: int) -> str:
    return f"VOI 2, {angle_deg} deg"


def _rod_dose(region: str, names: tuple[str, ...], mode: str) -> Figure:
    """Energy deposited in one rod, the mean of `names`."""
    voxelised_mm3 = sum(_rod_voxels()[_rods().truth.number(name)] for name in names) * _rods().grid.voxel_volume_mm3
    return deposited(region, names, math.pi * _ROD_RADIUS_MM**2 * _ROD_MM / voxelised_mm3, mode=mode)


@cache
def _rod_voxels() -> tuple[int, ...]:
    """Voxels of each organ."""
    truth = _rods().truth
    assert truth.organ_labels is not None
    return tuple(int(n) for n in np.bincount(truth.organ_labels.ravel(), minlength=len(truth.organs)))


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
    """The scene of case 4.2 with its outer rod at all angles."""
    report = scene("tg195_case4_2")
    rod = report.shapes[-1]
    assert isinstance(rod, Cylinder)
    x, y, z = rod.centre_mm
    ring = []
    for angle in _ROD_ANGLES:
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        ring.append(rod.replace(name=_ring_rod(angle), centre_mm=(c * x - s * y, s * x + c * y, z)))
    return voxelise(report.replace(shapes=(*report.shapes[:-1], *ring)), grid=_long_grid(1.0), rays=13)
