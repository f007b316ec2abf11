"""Every operation on lanes gives numpy's bits, on every instruction set; NaN, infinity, denormals, signed zeros too."""

import shutil
import subprocess
import sysconfig
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from physsim import _engine
from physsim.resources import kernels_path

I32 = np.int32
LARGEST = float(np.finfo(np.float32).max)
OVERFLOW = Fraction(2) ** 128 - Fraction(2) ** 103  # from here on float32 rounds to infinity
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.0**-24, 1 + 2.0**-12, 1 + 2.0**-11, np.inf, -np.inf, np.nan,
                    1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 2147483648.0, -2147483648.0,
                    2147483520.0, 8388607.5, -8388607.5, 1e-20, 1e20], np.float32)


def truncated(x):
    inside = (x >= -2147483648.0) & (x < 2147483648.0)
    return np.where(inside, np.where(inside, x, 0).astype(I32), np.iinfo(I32).min)


@np.vectorize
def rounded_once(a, b, c):
    """a b + c of float32s as the nearest float32, ties to even, by rational numbers."""
    plain = float(a) * float(b) + float(c)  # exact product; right for infinities, NaN and the sign of an exact zero
    if not np.isfinite([a, b, c]).all():
        return np.float32(plain)
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    if exact == 0 or abs(exact) >= OVERFLOW:
        return np.float32(plain)
    near = np.float32(np.clip(plain, -LARGEST, LARGEST))
    choices = [near, np.nextafter(near, np.float32(-LARGEST)), np.nextafter(near, np.float32(LARGEST))]
    return min(choices, key=lambda f: (abs(Fraction(float(f)) - exact), int(f.view(np.uint32)) & 1))


def lane_bits(mask):
    return (mask * (1 << np.arange(16))).sum(1)


def packed_lanes(mask, values):
    order = np.argsort(~mask, axis=1, kind="stable")
    return np.where(np.arange(16) < mask.sum(1)[:, None], np.take_along_axis(values, order, 1), 0)


def transposed(v, add):
    square, base = v.square.reshape(-1, 16, 16).swapaxes(1, 2), v.base.reshape(-1, 16, 16)
    return ((base if add else np.float32(0)) + square).reshape(-1, 16)


HALVES = np.repeat([3, 15], 8)  # where the windows of lanes 0 to 7 and of 8 to 15 begin

# C++ expression of 16 lanes -> the same in numpy. a, b, c: float32; i, j: any int32; m, n: small int32; k: 0..31;
# h: half words; w: places in a window, some on planes.
LANES = {
    "a + b": lambda v: v.a + v.b,
    "a - b": lambda v: v.a - v.b,
    "a * b": lambda v: v.a * v.b,
    "a / b": lambda v: v.a / v.b,
    "multiply_add(a, b, c)": lambda v: rounded_once(v.a, v.b, v.c),
    "minimum(a, b)": lambda v: np.where(v.a < v.b, v.a, v.b),
    "maximum(a, b)": lambda v: np.where(v.a > v.b, v.a, v.b),
    "square_root(a)": lambda v: np.sqrt(v.a),
    "floor(a)": lambda v: np.floor(v.a),
    "floor_onto(maximum(minimum(a, F(4e6f)), F(-4e6f)), to_float(m) + F(12582912.0f))":
        lambda v: np.floor(np.clip(np.where(np.isnan(v.a), np.float32(4e6), v.a), np.float32(-4e6), np.float32(4e6)))
        + (v.m.astype(np.float32) + np.float32(12582912)),
    "a < b": lambda v: v.a < v.b,
    "a <= b": lambda v: v.a <= v.b,
    "a == b": lambda v: v.a == v.b,
    "m + n": lambda v: v.m + v.n,
    "m - n": lambda v: v.m - v.n,
    "m * n": lambda v: v.m * v.n,
    "i & j": lambda v: v.i & v.j,
    "i | j": lambda v: v.i | v.j,
    "i ^ j": lambda v: v.i ^ v.j,
    "multiply_low(i, 0xD2511F53u)": lambda v: (v.i.astype(np.int64) * 0xD2511F53).astype(I32),
    "multiply_high(i, 0xD2511F53u)": lambda v: ((v.i.view(np.uint32).astype(np.uint64) * np.uint64(0xD2511F53)) >> 32)
    .astype(np.uint32).view(I32),
    "i << 3": lambda v: v.i << I32(3),
    "i >> 5": lambda v: v.i >> I32(5),
    "minimum(i, j)": lambda v: np.minimum(v.i, v.j),
    "maximum(i, j)": lambda v: np.maximum(v.i, v.j),
    "i < j": lambda v: v.i < v.j,
    "m == n": lambda v: v.m == v.n,
    "~(a < b)": lambda v: ~(v.a < v.b),
    "without(a < b, i < j)": lambda v: (v.a < v.b) & ~(v.i < v.j),
    "first_lanes(bits(a < b) % 17)": lambda v: np.arange(16) < (lane_bits(v.a < v.b) % 17)[:, None],
    "I(count(a < b) + 100 * lowest_lane(bits(a < b) | 0x8000u))": lambda v: np.broadcast_to(
        ((v.a < v.b).sum(1) + 100 * np.argmax((v.a < v.b) | (np.arange(16) == 15), axis=1))[:, None], v.a.shape
    ),
    "I(static_cast<int>(sum_of_lanes(i)))":
        lambda v: np.broadcast_to(v.i.sum(1, dtype=np.int64).astype(I32)[:, None], v.i.shape),
    "packed(a < b, as_float(i))": lambda v: packed_lanes(v.a < v.b, v.i).view(np.float32),
    **{
        f"row_of_eight(table, k & I(3), {n})": lambda v, n=n: np.take_along_axis(v.table, (v.k & 3) * 8 + n, 1)
        for n in range(8)
    },
    "(a < b) & (i < j)": lambda v: (v.a < v.b) & (v.i < v.j),
    "(a < b) | (i < j)": lambda v: (v.a < v.b) | (v.i < v.j),
    "select(a < b, a, c)": lambda v: np.where(v.a < v.b, v.a, v.c),
    "select(a < b, i, j)": lambda v: np.where(v.a < v.b, v.i, v.j),
    "add_where(i < j, a, b)": lambda v: np.where(v.i < v.j, v.a + v.b, v.a),
    "add_where(a < b, m, n)": lambda v: np.where(v.a < v.b, v.m + v.n, v.m),
    "unlike(i, m, n)": lambda v: (v.i ^ v.m) & v.n != 0,
    "any_bit(i, m)": lambda v: v.i & v.m != 0,
    "to_float(i)": lambda v: v.i.astype(np.float32),
    "truncate(a)": lambda v: truncated(v.a),
    "as_float(m)": lambda v: v.m.view(np.float32),
    "as_int(to_float(i))": lambda v: v.i.astype(np.float32).view(I32),
    "load(h)": lambda v: v.h.view(np.float16).astype(np.float32),
    "gather(table, k)": lambda v: np.take_along_axis(v.table, v.k, 1),
    "Window(table)[k]": lambda v: np.take_along_axis(v.table, v.k, 1),
    "Window(table)[window_index<true>(w)]": lambda v: np.take_along_axis(v.table, np.floor(v.w).astype(I32) & 31, 1),
    "Window(table)[window_index<false>(w)]": lambda v: np.take_along_axis(
        v.table, np.ceil(v.w).astype(I32) - 1 & 31, 1
    ),
    **{f"picked<{count}>(table, k, {place})": lambda v, count=count, place=place: np.take_along_axis(
           v.table, v.k % count + HALVES + place, 1)
       for count in (8, 16) for place in (0, 1)},
    "past_plane<true>(w)": lambda v: v.w - np.floor(v.w),
    "past_plane<false>(w)": lambda v: v.w - np.ceil(v.w),
    "gather(as_words(table), k)": lambda v: np.take_along_axis(v.table.view(I32), v.k, 1),
    "lane_index()": lambda v: np.broadcast_to(np.arange(16, dtype=I32), v.i.shape),
    "I(any(a < b) + 2 * all(a <= a))":
        lambda v: np.broadcast_to(((v.a < v.b).any(1) + 2 * (v.a <= v.a).all(1))[:, None], v.a.shape),
}
PROGRAM = """
{pragma}
#define PHYSSIM_ISA {isa}
#define PHYSSIM_LANES_{upper}
#include "core/lanes.h"
#include <stdio.h>
using namespace physsim::{isa};
struct Inputs {{
    float a[16], b[16], c[16];
    int32_t i[16], j[16], m[16], n[16], k[16];
    float table[32];
    uint16_t h[16];
    float w[16];
}};
static void put(F x) {{ float out[16]; store(out, x); fwrite(out, 4, 16, stdout); }}
static void put(I x) {{ int32_t out[16]; store(out, x); fwrite(out, 4, 16, stdout); }}
static void put(M x) {{
    int32_t out[16];
    for (int lane = 0; lane < 16; lane++) out[lane] = static_cast<int32_t>(bits(x) >> lane & 1);
    fwrite(out, 4, 16, stdout);
}}
static F packed(M m, F x) {{
    float out[32] = {{}};
    store_packed(out, m, x);
    for (int lane = count(m); lane < 32; lane++) out[lane] = 0.0f;
    return load(out);
}}
static F row_of_eight(const float* p, I index, int column) {{
    F out[8];
    gather_rows(p, index, out);
    return out[column];
}}
template <int COUNT>
static F picked(const float* p, I index, int place) {{
    F two[2];
    int32_t at[16];
    store(at, index);
    for (int lane = 0; lane < 16; lane++) at[lane] = at[lane] % COUNT + (lane < 8 ? 3 : 15);
    pick_two<COUNT>(p, 3, 15, load(at), two[0], two[1]);
    return two[place];
}}
static const int32_t* as_words(const float* p) {{ return reinterpret_cast<const int32_t*>(p); }}
int main() {{
    Inputs in;
    float square[256], sum[256];
    if (fread(square, 4, 256, stdin) != 256 || fread(sum, 4, 256, stdin) != 256) return 1;
    transpose<true>(sum, 16, square, 16);
    fwrite(sum, 4, 256, stdout);
    transpose<false>(sum, 16, square, 16);
    fwrite(sum, 4, 256, stdout);
    while (fread(&in, sizeof in, 1, stdin) == 1) {{
        const F a = load(in.a), b = load(in.b), c = load(in.c), w = load(in.w);
        const I i = load(in.i), j = load(in.j), m = load(in.m), n = load(in.n), k = load(in.k);
        const float* table = in.table;
        const uint16_t* h = in.h;
        (void)c;
        {puts}
    }}
    return ferror(stdout);
}}
"""


def inputs():
    rng = np.random.default_rng(1)
    groups = 400
    draw = {}
    for name in "abc":
        ordinary = rng.standard_normal((groups, 16)) * 10.0 ** rng.integers(-8, 12, (groups, 16))
        special = rng.choice(SPECIAL, (groups, 16))
        draw[name] = np.where(rng.random((groups, 16)) < 0.4, special, ordinary).astype(np.float32)
    draw["b"][::3] = np.where(rng.random((len(draw["b"][::3]), 16)) < 0.5, draw["a"][::3], draw["b"][::3])
    # a b + c is 2^-24 when rounded once, else 0:
    draw["a"][0], draw["b"][0], draw["c"][0] = 1 + 2.0**-12, 1 + 2.0**-12, -1 - 2.0**-11
    whole = {name: rng.integers(-2**31, 2**31, (groups, 16), np.int64).astype(I32) for name in "ij"}
    small = {name: rng.integers(-2**14, 2**14, (groups, 16)).astype(I32) for name in "mn"}
    small["n"][1::2] = small["m"][1::2]
    on_planes, between = rng.integers(-40, 40, (groups, 16)), rng.uniform(-40, 40, (groups, 16))
    places = np.where(rng.random((groups, 16)) < 0.3, on_planes, between).astype(np.float32)
    return SimpleNamespace(**draw, **whole, **small, w=places, k=rng.integers(0, 32, (groups, 16)).astype(I32),
                           table=rng.random((groups, 32), np.float32),
                           h=rng.integers(0, 2**16, (groups, 16)).astype(np.uint16),
                           square=rng.random((1, 256), np.float32), base=rng.random((1, 256), np.float32))


def words(values):
    """(n, 16) as uint32; every NaN as one, since which operand's NaN survives is left open."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.float32(np.nan), values.astype(np.float32)).view(np.uint32)
    return values.astype(np.uint32) if values.dtype.kind == "b" else values.astype(np.int64).astype(np.uint32)


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_lanes_give_the_bits_of_numpy(isa, tmp_path):
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU lacks {isa}")
    compiler = (sysconfig.get_config_var("CXX") or "g++").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine")
    unit = kernels_path() / "launch" / f"cpu_{'baseline' if isa == 'portable' else isa}.cpp"
    pragma = "\n".join(line for line in unit.read_text().splitlines() if line.startswith("#pragma GCC target"))
    assert bool(pragma) == (isa != "portable")
    puts = "\n        ".join(f"put({expression});" for expression in LANES)
    (tmp_path / "lanes.cpp").write_text(PROGRAM.format(pragma=pragma, isa=isa, upper=isa.upper(), puts=puts))
    subprocess.run([compiler, "-std=c++17", "-O2", "-ffp-contract=off", "-fno-math-errno", f"-I{kernels_path()}",
                    "lanes.cpp", "-o", "lanes"], cwd=tmp_path, check=True)
    v = inputs()
    packed = np.concatenate([getattr(v, name).view(np.uint8).reshape(len(v.a), -1)
                             for name in ("a", "b", "c", "i", "j", "m", "n", "k", "table", "h", "w")], axis=1)
    done = subprocess.run([tmp_path / "lanes"], input=v.square.tobytes() + v.base.tobytes() + packed.tobytes(),
                          capture_output=True, check=True)
    got = np.frombuffer(done.stdout, np.uint32)
    turned, got = got[:512].reshape(2, 16, 16), got[512:].reshape(len(v.a), len(LANES), 16)
    with np.errstate(all="ignore"):
        for add in (True, False):
            np.testing.assert_array_equal(turned[0 if add else 1], transposed(v, add).view(np.uint32))
        wrong = []
        for place, (expression, truth) in enumerate(LANES.items()):
            expected = truth(v)
            result = got[:, place].view(np.float32 if expected.dtype.kind == "f" else I32)
            differing = np.argwhere(words(result) != words(expected))
            if len(differing):
                wrong.append(f"{expression}: group and lane {differing[:3].tolist()}")
    assert not wrong, "\n".join(wrong)
