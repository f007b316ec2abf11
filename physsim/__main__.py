"""`python -m physsim`."""

from physsim.cli import main

main()
