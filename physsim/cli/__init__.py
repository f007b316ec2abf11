"""The command line: thin commands over the library. Exit status 0, 1 (failed) or 2 (bad input)."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TextIO


def main() -> None:
    """Entry point of the `physsim` command."""
    from physsim.cli.app import app
    from physsim.errors import FileFormatError, InvalidInput, PhyssimError

    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
        logging.basicConfig(level=logging.DEBUG)
    with warnings.catch_warnings():
        warnings.showwarning = _said
        try:
            app()
        except PhyssimError as error:
            if debug:
                raise
            print(f"physsim: {error}", file=sys.stderr)
            sys.exit(2 if isinstance(error, (InvalidInput, FileFormatError)) else 1)


def _said(message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
          line: str | None = None) -> None:
    """A warning as a user reads it: without the line of code that gave it."""
    print(f"physsim: {category.__name__}: {message}", file=sys.stderr)
