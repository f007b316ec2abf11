"""X-ray tube spectra: the tube model and its tables, heel effect, files, and what a beam amounts to."""
