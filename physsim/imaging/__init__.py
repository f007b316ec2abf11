"""simulate() and the imaging chain."""
