"""The detectors that physsim ships: one TOML file each under phantoms/detectors, with the sources of its figures."""

from __future__ import annotations

from collections.abc import Iterator

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.resources import phantoms_path
from physsim.spec.detector import Detector


class DetectorLibrary:
    """Shipped detectors by name: `detectors["csi_radiography"]`, `list(detectors)`."""

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(path.stem for path in (phantoms_path() / "detectors").glob("*.toml"))

    def __getitem__(self, name: str) -> Detector:
        if name not in self.names():
            raise InvalidInput(message(f"detector {name!r}", "the library has none of that name",
                                       did_you_mean(name, self.names())))
        return Detector.from_toml(phantoms_path() / "detectors" / f"{name}.toml")

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())


detectors = DetectorLibrary()
