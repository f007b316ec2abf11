"""The command line as a function, for the tests of this folder."""

import sys

import pytest

from physsim.cli import main


@pytest.fixture
def physsim(monkeypatch, capfd):
    """Run a command line in this process; returns exit status, stdout, stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["physsim", *map(str, words)])
        status = 0
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        text = capfd.readouterr()
        return status, text.out, text.err

    return run
