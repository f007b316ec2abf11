"""Philox4x32-10 against the known answers of Random123 (tests/kat_vectors, release 1.14), in numpy and in C++."""

import shutil
import subprocess

import numpy as np
import pytest

from physsim.errors import InvalidInput
from physsim.randomness import Stream, open_uniform, philox4x32, stream_number
from physsim.resources import kernels_path

KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]

PROGRAM = r"""
#include "core/philox.h"
#include <cstdio>
#include <cstdlib>
using namespace physsim;
static_assert(philox4x32(PhiloxWords<Word>{0, 0, 0, 0}, 0, 0).a == 0x6627e8d5u, "usable in constant expressions");
int main(int, char** argv) {
    unsigned long long seed = std::strtoull(argv[1], nullptr, 10), index = std::strtoull(argv[3], nullptr, 10);
    Word stream = std::strtoul(argv[2], nullptr, 10);
    for (Word block = 0; block < 1000; ++block) {
        auto r = random_words<Word>(seed, stream, Word(index), Word(index >> 32), block);
        std::printf("%u %u %u %u %a\n", r.a, r.b, r.c, r.d, open_uniform(r.a));
    }
    unsigned int c[6];
    while (std::scanf("%x %x %x %x %x %x", c, c + 1, c + 2, c + 3, c + 4, c + 5) == 6) {
        auto r = philox4x32(PhiloxWords<Word>{c[0], c[1], c[2], c[3]}, c[4], c[5]);
        std::printf("%08x %08x %08x %08x\n", r.a, r.b, r.c, r.d);
    }
}
"""


def numbers(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    assert philox4x32(numbers(counter), tuple(numbers(key))).tolist() == numbers(answer)


def test_vectorised_equals_one_by_one():
    counters = np.random.default_rng(1).integers(0, 2**32, (3, 5, 4), dtype=np.uint32)
    together = philox4x32(counters, (1, 2))
    assert together.shape == (3, 5, 4)
    assert all((together[i, j] == philox4x32(counters[i, j], (1, 2))).all() for i in range(3) for j in range(5))


def test_cpp_header_gives_the_same_words(tmp_path):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++ on this machine")
    (tmp_path / "main.cpp").write_text(PROGRAM)
    subprocess.run([compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", "-O1", f"-I{kernels_path()}",
                    "main.cpp", "-o", "philox"], cwd=tmp_path, check=True)
    seed, index = 0x1234567890ABCDEF, 2**40 + 17
    known = "\n".join(f"{counter} {key}" for counter, key, _ in KNOWN)
    lines = subprocess.run([str(tmp_path / "philox"), str(seed), str(stream_number("transport")), str(index)],
                           input=known, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[1000:] == [answer for _, _, answer in KNOWN]
    stream = Stream(seed, "transport")
    words = stream.words(index, np.arange(1000))
    assert [[int(word) for word in line.split()[:4]] for line in lines[:1000]] == words.tolist()
    floats = stream.uniform(index, np.arange(1000))
    assert [float.fromhex(line.split()[4]) for line in lines[:1000]] == floats[:, 0].tolist()


def test_header_compiles_for_cuda():
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings is not installed", exc_type=ImportError)
    source = (kernels_path() / "core" / "philox.h").read_text() + """
extern "C" __global__ void draw(float* out) {
    out[threadIdx.x] = physsim::open_uniform(physsim::random_words<physsim::Word>(7, 1, threadIdx.x, 0, 0).a);
}"""
    try:
        status, program = nvrtc.nvrtcCreateProgram(source.encode(), b"philox.cu", 0, [], [])
    except RuntimeError as error:  # the bindings are there, the compiler's library is not
        pytest.skip(str(error))
    assert status == 0
    options = [b"--gpu-architecture=sm_80", b"--std=c++17", b"--device-as-default-execution-space"]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    log = bytearray(nvrtc.nvrtcGetProgramLogSize(program)[1])
    nvrtc.nvrtcGetProgramLog(program, log)
    assert status == 0, bytes(log).decode()


def test_uniforms_are_open_and_symmetric():
    ends = open_uniform(np.array([0, 2**32 - 1], np.uint32))
    assert ends.tolist() == [2.0**-24, 1 - 2.0**-24]
    assert ends.dtype == np.float32


def test_stream_numbers_never_change():
    # BLAKE2b-32 of the names (hashlib, RFC 7693), little endian: a change here would change every result of every user.
    assert [stream_number(name) for name in ("noise", "transport", "anatomy")] == [2112928580, 4007953888, 3871512736]


def test_rows_differ_between_seeds_names_indices_and_blocks():
    rows = [Stream(seed, name).words(index, block) for seed in (1, 1 + 2**32) for name in ("a", "b")
            for index in (0, 1, 2**32) for block in (0, 1)]
    assert len({tuple(row.tolist()) for row in rows}) == 24
    assert Stream(3, "patients").seed_for(4) != Stream(3, "patients").seed_for(5)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "7"])
def test_bad_seed(seed):
    with pytest.raises(InvalidInput, match="whole number from 0"):
        Stream(seed, "noise")


@pytest.mark.parametrize(("index", "block"), [([-1], 0), ([0.5], 0), ([0], 2**32)])
def test_bad_counter(index, block):
    with pytest.raises(InvalidInput, match="whole numbers from 0"):
        Stream(1, "noise").words(index, block)
