"""Compressed streams with the same bytes for the same input: no name, no time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Literal

LEVEL = 6
_WINDOW = {"zlib": 15, "gzip": 31}


def deflated(pieces: Iterable[bytes], form: Literal["zlib", "gzip"]) -> Iterator[bytes]:
    """`pieces` as one zlib (RFC 1950) or gzip (RFC 1952) stream; the gzip header that zlib writes holds no time."""
    encoder = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOW[form])
    for piece in pieces:
        yield encoder.compress(piece)
    yield encoder.flush()
