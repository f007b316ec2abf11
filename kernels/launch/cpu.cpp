// The only file that knows pybind11: arrays in, arrays out, threads.
#include <pybind11/pybind11.h>

PYBIND11_MODULE(_engine, m) { m.doc() = "physsim's CPU kernels"; }
