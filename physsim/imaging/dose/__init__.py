"""Doses: what an exposure leaves in the body."""
