"""`python -m physsim.cli`."""

from physsim.cli import main

main()
