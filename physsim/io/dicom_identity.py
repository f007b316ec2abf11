"""Unique identifiers and dates of DICOM files that follow from what was simulated, not from a clock or a machine."""

from __future__ import annotations

import datetime
import hashlib
import uuid
from dataclasses import dataclass

_FIRST_DAY, _DAYS = datetime.date(2000, 1, 1), 7305  # twenty years that no simulated study leaves


def uid_from(*parts: str | bytes | int) -> str:
    """A UID of the 2.25 arc (a UUID as a decimal number, PS3.5 annex B.2) that depends on `parts` alone.

    >>> uid_from("spec", 7, "study") == uid_from("spec", 7, "study") != uid_from("spec", 8, "study")
    True
    """
    return f"2.25.{uuid.UUID(bytes=_digest(*parts)[:16], version=5).int}"


@dataclass(frozen=True)
class Identity:
    """What names a study: the `content` simulated (a spec as JSON, or its hash) and the `seed`."""

    content: str
    seed: int

    def uid(self, *parts: str | bytes | int) -> str:
        """The UID of a part of the study, for example ``uid("series", 1)``."""
        return uid_from(self.content, self.seed, *parts)

    @property
    def moment(self) -> datetime.datetime:
        """When the study says it was made: a date in 2000-2019 and a time of day that follow from content and seed."""
        digest = _digest(self.content, self.seed, "moment")
        days = int.from_bytes(digest[:4], "little") % _DAYS
        seconds = int.from_bytes(digest[4:8], "little") % 86400
        return datetime.datetime.combine(_FIRST_DAY, datetime.time()) + datetime.timedelta(days=days, seconds=seconds)


def _digest(*parts: str | bytes | int) -> bytes:
    digest = hashlib.blake2b(digest_size=20, person=b"physsim-dicom")
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "little") + data)  # lengths keep ("ab", "c") and ("a", "bc") apart
    return digest.digest()
