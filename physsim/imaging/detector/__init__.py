"""Detectors: from photons that arrive to numbers that are read out."""
