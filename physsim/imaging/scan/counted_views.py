"""What a scan by a counting detector measures, views by views: counts by bin, dead time, noise, lengths of water."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.detector.count_kinds import CountKinds
from physsim.imaging.detector.counts import corrected_counts, counted_images, expected_counts
from physsim.imaging.detector.pile_up_table import PileUpTable
from physsim.imaging.pixel_beam import PixelBeam
from physsim.imaging.primary_views import primary_views
from physsim.imaging.scan.views import ScanScatter
from physsim.imaging.scan.water import WaterLengths
from physsim.imaging.stages import OWN, Stages, checked_stage
from physsim.imaging.sub_poses import SubPoses
from physsim.phantom.phantom import Phantom
from physsim.portable import log
from physsim.spec.detector import Detector
from physsim.spec.geometry import Geometry

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_CHUNK_PIXELS = 1 << 20
_LEAST_COUNTS = 1.0  # fewer are taken as that many


@dataclass(frozen=True, eq=False)
class CountedChunk:
    """Some views: `lengths_mm` (channels, views, rows, columns) of water, channels as in CountedViews, and the layers
    that were asked for, by name, of the same channels."""

    views: slice
    lengths_mm: Images
    layers: dict[str, Images]


@dataclass(eq=False)
class CountedViews:
    """A scan's way from the phantom to lengths of water. Channels: all counts together, then each bin.

    `detector`: with the time of a view as its frame. `beam`: of all bins; `scatter`: of each bin, per mAs; `water`:
    of each channel; `pile_up`: None without dead time. `beyond`, `starved`: pixels and views counted so far whose rate
    no correction finds, and those of less than a count, in any channel.
    """

    phantom: Phantom
    detector: Detector
    geometry: Geometry
    beam: PixelBeam
    mas: Floats
    scatter: Sequence[ScanScatter]
    known_scatter: bool
    corrected: bool
    kinds: CountKinds
    pile_up: PileUpTable | None
    water: Sequence[WaterLengths]
    noise: bool
    seed: int
    threads: int
    device: str
    keep: tuple[str, ...]
    rays: SubPoses
    stages: Stages = OWN
    beyond: int = 0
    starved: int = 0
    _opened: Images = field(init=False)

    def __post_init__(self) -> None:
        self._opened = channels(self.beam.open_field()).astype(np.float32)

    def chunks(self, progress: Callable[[float], None] = lambda fraction: None) -> Iterator[CountedChunk]:
        """All views in order, some at a time; the same bits however they are cut."""
        views, pixels = len(self.geometry), self.geometry.rows * self.geometry.columns
        step = max(1, _CHUNK_PIXELS // pixels)
        for first in range(0, views, step):
            some = slice(first, min(first + step, views))
            progress(first / views)
            mas = self.mas[some].astype(np.float32)[:, None, None]
            seen = primary_views(self.phantom, self.beam, self.geometry[some], self.device, self.threads, self.rays)
            primary = np.moveaxis(seen, 1, 0) * mas
            layers, scatter = {"primary": primary}, None
            if self.scatter:
                scatter = np.stack([one.signal(some, self.threads) for one in self.scatter]) * mas
                layers["scatter"] = scatter
            elif self.stages.scatter is not None:
                scatter = checked_stage("scatter", self.stages.scatter(primary, self.geometry[some]), primary.shape,
                                        negative=False)
                layers["scatter"] = scatter
            rates = self.kinds.rates(primary if scatter is None else primary + scatter)
            own = self.stages.noise if self.noise else None
            if not self.noise or own is not None or "signal" in self.keep:
                layers["signal"] = expected_counts(self.detector, self.kinds.kinds, rates)
            if own is not None:
                expected = layers["signal"]
                layers["image"] = checked_stage("noise", own(expected, expected.copy(), first), expected.shape)
            elif self.noise:
                layers["raw"] = counted_images(self.detector, self.kinds.kinds, rates, seed=self.seed,
                                               first_view=first, table=self.pile_up, threads=self.threads).counts
                layers["image"] = layers["raw"]
                if self.corrected:
                    layers["image"], many = corrected_counts(self.detector, layers["raw"], self.pile_up,
                                                             self.threads)
                    self.beyond += many
            else:
                layers["image"] = layers["signal"]
            if self.stages.correction is not None:
                layers["image"] = checked_stage("correction", self.stages.correction(layers["image"]), primary.shape)
            left = layers["image"] if scatter is None or not self.known_scatter else layers["image"] - scatter
            lengths = np.stack([self._lengths(n, one, mas) for n, one in enumerate(channels(left))])
            if self.stages.lengths is not None:
                attenuation = -log(np.maximum(channels(left), self._least) / (self._opened[:, None] * mas))
                made = self.stages.lengths(attenuation.astype(np.float32))
                lengths = checked_stage("lengths", made, lengths.shape)
            yield CountedChunk(some, lengths, {name: channels(layers[name]) for name in self.keep if name in layers})

    @property
    def _least(self) -> float:
        return _LEAST_COUNTS if self.noise else float(np.finfo(np.float32).tiny)

    def _lengths(self, channel: int, counts: Images, mas: Images) -> Images:
        opened = self._opened[channel]
        least = np.full_like(opened, self._least)
        lengths, starved = self.water[channel].of(counts, None, least, opened, mas, threads=self.threads)
        self.starved += starved if self.noise else 0
        return lengths


def channels(bins: NDArray[np.floating]) -> NDArray[np.floating]:
    """(1 + bins, ...): the sum of all bins, and each; one bin is a channel by itself."""
    return bins if len(bins) == 1 else np.concatenate([bins.sum(axis=0, dtype=bins.dtype)[None], bins])
