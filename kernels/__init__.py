"""Kernel sources as package data: physsim._kernels when installed."""
