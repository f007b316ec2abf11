"""The CUDA kernels become machine code within limits on registers, stack and spills. No GPU needed."""

import pytest

from physsim.device.compile_gate import ARCHITECTURES, compile_kernels, read_log, violations

pytest.importorskip("cuda.bindings.nvrtc")
pytestmark = pytest.mark.gate


@pytest.mark.gate
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_fit(architecture):
    assert violations(compile_kernels(architecture)) == []


def test_the_stand_in_runs_all_kernels(kernels):
    assert kernels.names() == [kernel.kernel for kernel in compile_kernels("sm_90")]


# Values that are all alive at once, against 32 registers, and against none of the bounds: spills, and many registers.
ALIVE = """
extern "C" __global__ void __launch_bounds__(BOUNDS) project_too_much(float* x, int rounds) {
    float v[COUNT];
    for (int i = 0; i < COUNT; i++) v[i] = x[i * 1024 + threadIdx.x];
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < COUNT; i++) v[i] = v[i] * v[(i * 7 + 3) % COUNT] + v[(i + 11) % COUNT];
    for (int i = 0; i < COUNT; i++) x[i * 1024 + threadIdx.x] = v[i];
}"""
SPILLS = ALIVE.replace("BOUNDS", "1024, 2").replace("COUNT", "100")
REGISTERS = ALIVE.replace("BOUNDS", "64").replace("COUNT", "100")
# An array indexed by values known at run time only: lies in the stack.
STACK = """
extern "C" __global__ void project_by_index(float* x, int k) {
    float v[64];
    for (int i = 0; i < 64; i++) v[i] = 0.0f;
    for (int i = 0; i < k; i++) v[int(x[i]) & 63] += 1.0f;
    for (int i = 0; i < 64; i++) x[i * 1024 + threadIdx.x] = v[i];
}"""
UNKNOWN = 'extern "C" __global__ void unheard_of(float* x) { x[threadIdx.x] = 1.0f; }'


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("code", "complaint"), [
    pytest.param(SPILLS, "bytes of spills", id="spills"), pytest.param(STACK, "bytes of stack", id="stack"),
    pytest.param(REGISTERS, "registers", id="registers"), pytest.param(UNKNOWN, "no limit", id="unknown")])
def test_the_gate_closes(architecture, code, complaint):
    wrong = violations(compile_kernels(architecture, code))
    assert wrong
    assert complaint in wrong[0]


def test_spills_are_counted():
    assert compile_kernels("sm_90", SPILLS)[0].spill_bytes > 100
    assert compile_kernels("sm_90", STACK)[0].stack_bytes >= 32


def test_an_error_of_the_compiler_is_told():
    with pytest.raises(RuntimeError, match="undefined_name"):
        compile_kernels("sm_90", 'extern "C" __global__ void project_x(float* x) { *x = undefined_name; }')


def test_a_log_without_kernels_does_not_pass():
    with pytest.raises(RuntimeError, match="no kernel"):
        read_log("ptxas info: all is well", "sm_90")
