"""The photon samplers become machine code for GPUs: few registers, no stack, no spills. No GPU needed."""

import pytest

from physsim.device.compile_gate import ARCHITECTURES, compile_kernels

pytest.importorskip("cuda.bindings.nvrtc")

REGISTERS = 40
KERNEL = """
#include "launch/physics.h"
using namespace physsim;
using namespace physsim::scalar;
extern "C" __global__ void {name}(PhotonTables t, const int* material, const float* energy, const float* value,
                                  const int* w, float* out, int n) {{
    const int i = blockIdx.x * blockDim.x + threadIdx.x, m = material[i];
    const float e = energy[i], v = value[i];
    {body}
}}
"""
BODIES = {
    "rayleigh": "out[i] = sample_rayleigh(t, m, e, w[i], w[n + i]);",
    "compton": "const Scattered s = sample_compton(t, m, e, w[i], w[n + i], w[2 * n + i], w[3 * n + i]);"
               "out[i] = s.cosine; out[n + i] = s.energy_kev;",
    "photoelectric": "out[i] = sample_photoelectric(t, m, e, lookup(t, m, e), v, w[i]).emitted_kev;",
    "dsigma": "out[i] = dsigma_rayleigh(t, m, e, v) + dsigma_compton(t, m, e, v);",
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_samplers_compile_for_cuda(architecture):
    for name, body in BODIES.items():
        found, = compile_kernels(architecture, KERNEL.format(name=name, body=body))
        assert (found.stack_bytes, found.spill_bytes) == (0, 0), found
        assert found.registers <= REGISTERS, found
