"""Frozen specs: no arrays, checked at construction, the same in Python, TOML and JSON."""
