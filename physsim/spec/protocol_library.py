"""The protocols that physsim ships: one TOML file each under phantoms/protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.resources import phantoms_path
from physsim.spec.protocol import Protocol


class ProtocolLibrary:
    """Shipped protocols by name: `protocols.chest_pa(kvp=110)`, `protocols["chest_pa"]`, `list(protocols)`."""

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(path.stem for path in (phantoms_path() / "protocols").glob("*.toml"))

    def __getitem__(self, name: str) -> Protocol:
        if name not in self.names():
            raise InvalidInput(message(f"protocol {name!r}", "the library has none of that name",
                                       did_you_mean(name, self.names())))
        return Protocol.from_toml(phantoms_path() / "protocols" / f"{name}.toml")

    def __getattr__(self, name: str) -> Callable[..., Protocol]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.names():
            raise AttributeError(message(f"protocol {name!r}", "the library has none of that name",
                                         did_you_mean(name, self.names())))

        def protocol(**changes: Any) -> Protocol:
            """The shipped protocol with some fields changed: see Protocol.changed."""
            return self[name].changed(**changes)

        return protocol

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __dir__(self) -> list[str]:
        return ["names", *self.names()]


protocols = ProtocolLibrary()
