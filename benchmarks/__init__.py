"""Benchmarks: one file a question, accuracy beside speed. Installed as physsim._benchmarks, for `physsim bench`."""
