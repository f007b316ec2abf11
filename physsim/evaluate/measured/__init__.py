"""Measured scans of test objects beside simulated ones: figures of both, and what explains their differences."""
