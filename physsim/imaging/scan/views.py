"""What a scan measures, views by views: signal, scatter, noise, readout, corrected, as lengths of water."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.detected import detected
from physsim.imaging.detector.calibration import correct
from physsim.imaging.detector.readout import read_out
from physsim.imaging.hardness import Hardness
from physsim.imaging.kernel_scatter import KernelScattering
from physsim.imaging.pixel_beam import PixelBeam
from physsim.imaging.primary_views import primary_views
from physsim.imaging.reading import even_calibration
from physsim.imaging.scan.moving import MovingBody
from physsim.imaging.scan.network_scan import NetworkScan
from physsim.imaging.scan.water import WaterLengths
from physsim.imaging.scatter_orders import MULTIPLE, ORDERS, SINGLE
from physsim.imaging.stages import OWN, Stages, checked_stage
from physsim.imaging.sub_poses import SubPoses
from physsim.phantom.phantom import Phantom
from physsim.portable import log
from physsim.spec.detector import Detector
from physsim.spec.geometry import Geometry
from physsim.surrogate.scan_verdict import ScanVerdict
from physsim.transport.scatter_scan import ScatterScan

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_CHUNK_PIXELS = 1 << 22
_LEAST_QUANTA = 1.0  # signals below that of so many mean photons of the open beam are taken as that much


@dataclass(frozen=True, eq=False)
class ScanScatter:
    """scan: of the signal, keV/cm2 per history. square_kev: its second moment over the first. per_mas: from keV/cm2 per
    history to keV a pixel per mAs. verdict: of a Hybrid."""

    scan: ScatterScan | NetworkScan
    square_kev: float
    per_mas: float
    verdict: ScanVerdict | None = None

    @property
    def relative_error(self) -> float:
        """e_S over the mean: the standard error, or what a network's is stated or guaranteed to be."""
        if self.verdict is not None and isinstance(self.scan, ScatterScan):
            return self.verdict.guarantee
        return self.scan.relative_error

    @property
    def network(self) -> str:
        """Hash of the weights, "" where none are in the image."""
        return self.scan.network if isinstance(self.scan, NetworkScan) else ""

    def signal(self, views: slice, threads: int | None) -> Images:
        """(views, rows, columns) keV per mAs."""
        images = self.scan.images(np.arange(views.start, views.stop), threads)
        images *= np.float32(self.per_mas)
        return images

    def orders(self, views: slice, threads: int | None, scatter: Images) -> dict[str, Images]:
        """The views' `scatter` by order, by the names of its layers: shared out as the two splines over the detector,
        of logarithms and so not quite additive, have them."""
        assert isinstance(self.scan, ScatterScan)
        numbers = np.arange(views.start, views.stop)
        single, multiple = (self.scan.images(numbers, threads, order) for order in ("single", "multiple"))
        once = scatter * (single / np.maximum(single + multiple, np.float32(1e-30)))
        return {SINGLE: once, MULTIPLE: scatter - once}


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some views: `lengths_mm` of water and the layers that were asked for, by name."""

    views: slice
    lengths_mm: Images
    layers: dict[str, NDArray[np.generic]]


@dataclass(eq=False)
class Measurement:
    """A scan's way from the phantom to lengths of water. `mas`: (views,). `saturated`, `starved`: pixels and views
    counted so far that could not be read out, or saw less than one photon.
    """

    phantom: Phantom | MovingBody
    detector: Detector
    geometry: Geometry
    beam: PixelBeam
    mas: Floats
    scatter: ScanScatter | KernelScattering | None
    known_scatter: bool
    hardness: Hardness
    water: WaterLengths
    noise: bool
    seed: int
    threads: int
    device: str
    keep: tuple[str, ...]
    rays: SubPoses
    stages: Stages = OWN
    saturated: int = 0
    starved: int = 0
    _opened: Floats = field(init=False)

    def __post_init__(self) -> None:
        self._opened = self.beam.open_field()

    def chunks(self, progress: Callable[[float], None] = lambda fraction: None) -> Iterator[Chunk]:
        """All views in order, some at a time; the same bits however they are cut."""
        views, pixels = len(self.geometry), self.geometry.rows * self.geometry.columns
        step = max(1, _CHUNK_PIXELS // pixels)
        held = None
        opened = detected(self.detector, self.hardness, *(one[None] for one in self._opened), noise=False,
                          threads=self.threads)[0][0]
        least = (opened * (_LEAST_QUANTA / np.maximum(self._opened_quanta(), 1e-30))).astype(np.float32)
        for first in range(0, views, step):
            some = slice(first, min(first + step, views))
            progress(first / views)
            mas = self.mas[some].astype(np.float32)[:, None, None]
            primary, square = (one * mas for one in np.moveaxis(self._primary(some), 1, 0))
            signal = primary
            layers: dict[str, NDArray[np.generic]] = {"primary": primary}
            if self.scatter is not None:
                if isinstance(self.scatter, KernelScattering):
                    scatter = self.scatter.signal(primary, self._opened[0] * mas)
                else:
                    scatter = self.scatter.signal(some, self.threads) * mas
                signal, square = primary + scatter, square + np.float32(self.scatter.square_kev) * scatter
                layers["scatter"] = scatter
                if isinstance(self.scatter, ScanScatter) and any(name in ORDERS for name in self.keep):
                    layers |= self.scatter.orders(some, self.threads, scatter)
            elif self.stages.scatter is not None:
                scatter = checked_stage("scatter", self.stages.scatter(primary, self.geometry[some]), primary.shape,
                                        negative=False)
                square = square * (1.0 + scatter / np.maximum(primary, np.float32(1e-30)))
                signal = primary + scatter
                layers["scatter"] = scatter
            else:
                scatter = None
            own = self.stages.noise if self.noise else None
            expected, noise = detected(self.detector, self.hardness, signal, square,
                                       noise=self.noise and own is None, seed=self.seed, first_view=first,
                                       threads=self.threads)
            if own is not None:
                image = checked_stage("noise", own(expected, square, first), signal.shape)
            elif noise is not None:
                noise += expected
                raw = read_out(noise, self.detector, seed=self.seed, first_view=first, held_kev=held,
                               threads=self.threads)
                held, self.saturated = raw.held_kev, self.saturated + raw.saturated
                image = correct(raw, even_calibration(self.detector, 0, self.threads))
                layers["raw"] = raw.dn
            else:
                image = expected
            if self.stages.correction is not None:
                image = checked_stage("correction", self.stages.correction(image), image.shape)
            layers |= {"signal": expected, "image": image}
            taken = scatter if self.known_scatter else None
            lengths, starved = self.water.of(image, taken, least, opened, mas, threads=self.threads)
            self.starved += starved
            if self.stages.lengths is not None:
                left = np.maximum(image if taken is None else image - taken, least)
                attenuation = (-log(left / (opened * mas))).astype(np.float32)
                lengths = checked_stage("lengths", self.stages.lengths(attenuation), attenuation.shape)
            yield Chunk(some, lengths, {name: layers[name] for name in self.keep if name in layers})

    def _opened_quanta(self) -> Floats:
        """(rows, columns) photons per mAs that would make the open signal, were they all alike."""
        return np.asarray(self._opened[0] ** 2 / np.maximum(self._opened[1], 1e-300))

    def _primary(self, views: slice) -> Images:
        """(views, 2, rows, columns) per mAs of keV and keV^2."""
        seen = [(views, self.phantom)] if isinstance(self.phantom, Phantom) else self.phantom.runs(views)
        return np.concatenate([primary_views(body, self.beam, self.geometry[some], self.device, self.threads,
                                             self.rays) for some, body in seen])
