"""The errors that users meet, and the one grammar of their messages: what, why, how to mend, with the value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_BEGINNING = 3  # letters from which on the beginning of a name stands for it


class PhyssimError(Exception):
    """Base of every error that physsim raises on purpose."""


class InvalidInput(PhyssimError, ValueError):
    """A parameter, spec or array that cannot mean anything; raised at construction, before any work."""


class FileFormatError(PhyssimError, ValueError):
    """A file that is truncated, malformed, or contradicts its own header."""


class OutputError(PhyssimError, OSError):
    """A file that exists already, or could not be written whole (nothing is left behind)."""


class DeviceUnavailable(PhyssimError, RuntimeError):
    """A device that was asked for by name and is not there; nothing falls back silently."""


def message(what: str, why: str, mend: str) -> str:
    """Join the three parts of an error message.

    >>> message("pixel_mm=0", "pixels must be larger than 0 mm", "Give the pitch in mm, for example 0.2.")
    'pixel_mm=0: pixels must be larger than 0 mm. Give the pitch in mm, for example 0.2.'
    """
    return f"{what}: {why.rstrip('.')}. {mend}"


def did_you_mean(word: str, choices: Iterable[str], listed: int = 8) -> str:
    """The closest of `choices`, or those that begin so, as a question; else the first few of them when none is close.

    >>> did_you_mean("watr", ["water", "air"])
    "Did you mean 'water'?"
    """
    known = sorted(choices)
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), folded, n=3, cutoff=0.6)
    if not close and len(word) >= _BEGINNING:
        close = [name for name in folded if name.startswith(word.lower())][:3]
    if close:
        return "Did you mean " + " or ".join(repr(folded[name]) for name in close) + "?"
    more = f" and {len(known) - listed} more" if len(known) > listed else ""
    return "Known: " + ", ".join(known[:listed]) + more + "."
