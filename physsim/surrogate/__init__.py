"""Learned stand-ins for scatter and noise, blended with Monte Carlo, audited and bounded: docs/hybrid.md."""
