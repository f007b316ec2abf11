"""Reference tables of the body, read from phantoms/anatomy/reference."""

from __future__ import annotations

import csv
from functools import cache

from physsim.resources import phantoms_path


@cache
def reference_rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a table under phantoms/anatomy/reference (lines that begin with # are comments)."""
    lines = (phantoms_path() / "anatomy" / "reference" / name).read_text(encoding="utf-8").splitlines()
    return tuple(csv.DictReader(line for line in lines if not line.startswith("#")))
