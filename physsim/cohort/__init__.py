"""Cohorts of virtual patients: what many fast images and a few full ones say together."""
