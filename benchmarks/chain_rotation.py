"""A CT rotation by stage for benchmarks/chain.py: of a cylinder, and of an adult's chest."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .chain_gecatsim import NoGecatsim, view_seconds
from .rows import add_row, least
from .worker import WorkerFailed

_RANGE_MM = 16.0  # along the axis: one turn
_AIM = 0.02  # e_S of scatter


def rotation_job(quick: bool = False) -> tuple[Any, Any]:
    """A cylinder of water with rods of bone, and the protocol that turns around it."""
    import physsim as ps

    size, slices, views = (32, 8, 16) if quick else (256, 64, 1000)
    place = (np.arange(size) + 0.5) / size - 0.5
    x, y = np.meshgrid(place, place)
    plane = (x**2 + y**2 < 0.49**2).astype(np.uint8)
    for angle in range(0, 360, 45):
        middle = 0.3 * np.cos(np.deg2rad(angle)), 0.3 * np.sin(np.deg2rad(angle))
        plane[(x - middle[0]) ** 2 + (y - middle[1]) ** 2 < 0.04**2] = 2
    spacing, thick = 300.0 / size, 64.0 / slices
    grid = ps.Grid(shape=(slices, size, size), spacing_mm=(spacing, spacing, thick),
                   origin_mm=(-150.0 + spacing / 2, -150.0 + spacing / 2, -32.0 + thick / 2))  # fmt: skip
    names = ("air_dry", "water", "bone_cortical_icru44")
    phantom = ps.Phantom(grid=grid, labels=np.broadcast_to(plane, grid.shape).copy(),
                         materials=tuple(ps.material(name) for name in names))  # fmt: skip
    return phantom, _scanner(views, np.zeros(3), quick)


def adult_job(quick: bool = False) -> tuple[Any, Any]:
    """A man's chest in voxels of 1 mm, arms up, and the same turn around its middle."""
    import physsim as ps
    from physsim.imaging.body import body_box_mm

    man = ps.anatomy(sex="M", age=54, height_cm=176.0, weight_kg=80.0, posture="supine", arms="up")
    phantom = man.phantom(8.0 if quick else 1.0, region="chest", vanishing="keep")
    low, high = body_box_mm(phantom)
    return phantom, _scanner(16 if quick else 1000, 0.5 * (np.array(low) + np.array(high)), quick)


def _scanner(views: int, middle_mm: np.ndarray, quick: bool) -> Any:
    import physsim as ps

    x, y, z = (float(one) for one in middle_mm)
    bowtie = ps.protocols.chest_ct().spectrum.bowtie
    assert bowtie is not None
    wider = bowtie.replace(fan_angles_deg=(*bowtie.fan_angles_deg[:-1], 28.0))  # the fan is
    protocol = ps.protocols.chest_ct(
        source_axis_mm=540.0, source_detector_mm=950.0, views=views, pitch=None, stops=1, modulation=None,
        range_mm=(z - 0.5 * _RANGE_MM, z + 0.5 * _RANGE_MM), aim_mm=(x, y), mas=200.0, bowtie=wider,
    )  # fmt: skip
    if quick:
        protocol = protocol.changed(columns=60, rows=4, pixel_mm=(15.0, 16.0))
    return protocol


def rotation(result: dict[str, Any], quick: bool, rounds: int, threads: int, peers_folder: Path | None) -> None:
    """Of the cylinder, and of gecatsim where there is one."""
    phantom, protocol = rotation_job(quick)
    _stages(result, "rotation", phantom, protocol, 0.4 if quick else _AIM, rounds, threads)
    result["figures"]["rotation_over_gecatsim_cpu"] = None
    if peers_folder is None:
        result["notes"]["gecatsim"] = "not asked for (--peers)"
        return
    try:
        theirs = view_seconds(phantom, protocol, threads, peers_folder)
    except (NoGecatsim, WorkerFailed) as error:
        result["notes"]["gecatsim"] = str(error)
        return
    views, view = protocol.rotation.views, protocol.detector.rows * protocol.detector.columns / 1e6
    stage = "primary, detector and noise"
    ours = next(one for one in result["rows"] if one["job"] == "rotation" and one["stage"] == stage)
    result["rows"].append({"job": "rotation", "stage": stage, "code": f"gecatsim {theirs['gecatsim']}",
                           "seconds": theirs["seconds"] * views,
                           "cpu_seconds": theirs["cpu_seconds"] * views,
                           "us_per_pixel": theirs["seconds"] / view})  # fmt: skip
    result["figures"]["rotation_over_gecatsim_cpu"] = (
        theirs["cpu_seconds"] * views / ours["cpu_seconds"])  # fmt: skip


def adult(result: dict[str, Any], quick: bool, rounds: int, threads: int) -> None:
    """Of the chest."""
    phantom, protocol = adult_job(quick)
    _stages(result, "adult", phantom, protocol, 0.5 if quick else _AIM, rounds, threads)


def _stages(result: dict[str, Any], name: str, phantom: Any, protocol: Any, aim: float, rounds: int, threads: int
            ) -> None:
    """Rows and figures, those by the job's name; `aim`: e_S of its scatter."""
    from physsim.imaging.beam_rays import central_fluence
    from physsim.imaging.body import body_box_mm
    from physsim.imaging.hardness import hardness
    from physsim.imaging.pixel_beam import pixel_beam
    from physsim.imaging.primary_views import primary_views
    from physsim.imaging.scan.scan import scan_scatter
    from physsim.imaging.scan.views import Measurement
    from physsim.imaging.scan.water import water_lengths
    from physsim.imaging.sub_poses import SubPoses
    from physsim.spec.scatter import MonteCarlo

    geometry = protocol.geometry(body_box_mm(phantom))
    millions = math.prod(geometry.shape) / 1e6
    row = partial(add_row, result, name, millions=millions)
    beam = row("beam at the pixels, once a scanner", least(lambda: pixel_beam(protocol, geometry[0]), 1))
    noise = hardness(protocol.detector, beam.energies_kev, central_fluence(protocol, beam.energies_kev))
    water = water_lengths(beam)
    views = range(0, len(geometry), 50)

    def traced() -> None:
        for first in views:
            primary_views(phantom, beam, geometry[first : first + 50], "cpu", threads)

    row("primary", least(traced, rounds))
    run = MonteCarlo(relative_error=aim)
    strewn = row("scatter: Monte Carlo", least(
        lambda: scan_scatter(phantom, protocol, beam, geometry, run, 1, threads), 1))  # fmt: skip
    result["figures"][f"{name}_scatter_error"] = strewn.scan.relative_error
    mas = np.full(len(geometry), protocol.mas / len(geometry))

    def measured(scatter: Any) -> None:
        made = Measurement(phantom, protocol.detector, geometry, beam, mas, scatter, scatter is not None, noise, water,
                           True, 1, threads, "cpu", (), SubPoses())  # fmt: skip
        for _ in made.chunks():
            pass

    row("primary, detector and noise", least(lambda: measured(None), rounds))
    row("primary, scatter's images, detector and noise", least(lambda: measured(strewn), rounds))
    seconds = {one["stage"]: one["seconds"] for one in result["rows"] if one["job"] == name}
    without = seconds["primary, detector and noise"]
    both = seconds["primary, scatter's images, detector and noise"] + seconds["scatter: Monte Carlo"]
    result["figures"] |= {
        f"{name}_us": without / millions, f"{name}_with_scatter_us": both / millions,
        f"{name}_with_scatter_seconds": both,
    }  # fmt: skip
