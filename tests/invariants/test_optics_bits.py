"""Birth of photons and the way to the detector: the same bits one lane and sixteen wide, and the truth of float64."""

import shutil
import subprocess
import sysconfig

import numpy as np
import pytest

import physsim as ps
from physsim import _engine
from physsim.resources import kernels_path
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.transport.montecarlo_grid import pack_grid

PROGRAM = """
{pragma}
#define PHYSSIM_ISA {isa}
#define PHYSSIM_LANES_{upper}
#include "transport/anti_scatter_grid.h"
#include "transport/detector.h"
#include "transport/source.h"
#include <stdio.h>
using namespace physsim;
using namespace physsim::{isa};
struct Place {{ F x, y, z, ux, uy, uz; }};
static void put(F x) {{ float out[16]; store(out, x); fwrite(out, 4, LANES, stdout); }}
int main() {{
    float quantile[5], pose[14];
    int32_t energy[6 * 7 * 4], node[6 * 2], words[7][16];
    float place[6][16];
    if (fread(quantile, 4, 5, stdin) != 5 || fread(energy, 4, 168, stdin) != 168) return 1;
    if (fread(node, 4, 12, stdin) != 12) return 1;
    if (fread(pose, 4, 14, stdin) != 14) return 1;
    float grids[2][11];
    static float attenuation[2][2000][3];
    if (fread(grids, 4, 22, stdin) != 22 || fread(attenuation, 4, 12000, stdin) != 12000) return 1;
    MonteCarloSource source = {{}};
    source.x_quantile = quantile, source.x_nodes = 4;
    source.y_low = -0.2f, source.y_high = 0.3f, source.plane_cm = 100.0f;
    source.spot[0] = 0.1f, source.spot[1] = 0.05f;
    source.across[0] = source.along[1] = source.forward[2] = 1.0f;
    source.energy = energy, source.nodes[0] = 3, source.nodes[1] = 2, source.energy_bins = 7;
    source.axis[1] = 1.0f, source.axis_point[0] = 3.0f;
    MonteCarloDetector detector = {{}};
    detector.rows = 20, detector.columns = 30, detector.radius_squared = 1e6f;
    for (int a = 0; a < 3; a++) {{
        detector.centre[a] = pose[a], detector.u[a] = pose[3 + a], detector.v[a] = pose[6 + a];
        detector.normal[a] = pose[9 + a];
    }}
    detector.pixels_per_cm[0] = 0.4f, detector.pixels_per_cm[1] = 0.5f;
    while (fread(words, 4, 7 * 16, stdin) == 7 * 16 && fread(place, 4, 6 * 16, stdin) == 6 * 16) {{
        for (int lane = 0; lane < 16; lane += LANES) {{
            const PhiloxWords<I> first = {{load(words[0] + lane), load(words[1] + lane),
                                               load(words[2] + lane), load(words[3] + lane)}};
            const PhiloxWords<I> second = {{first.a, load(words[4] + lane),
                                                load(words[5] + lane), load(words[6] + lane)}};
            const Place photon = {{load(place[0] + lane), load(place[1] + lane), load(place[2] + lane),
                                  load(place[3] + lane), load(place[4] + lane), load(place[5] + lane)}};
            for (int kind = 0; kind < 4; kind++) {{
                source.cone = kind == 1, source.cone_height = 0.4f;
                source.node = kind == 3 ? node : nullptr;
                source.turn_range = kind == 2 ? 0.75f : 0.0f;
                const Birth birth = born(source, first, second);
                put(birth.x), put(birth.y), put(birth.z);
                put(birth.ux), put(birth.uy), put(birth.uz), put(birth.energy);
            }}
            for (int curved = 0; curved < 2; curved++) {{
                detector.curvature_cm = curved ? pose[12] : 0.0f;
                const F distance = distance_to_detector(detector, photon);
                put(distance), put(to_float(pixel_ahead(detector, photon, distance)));
            }}
            for (int k = 0; k < 2; k++) {{
                const float* g = grids[k];
                const AntiScatterGrid grid = {{attenuation[k][0], static_cast<int32_t>(g[0]), g[1], g[2],
                                              {{g[3], g[4]}}, g[5], g[6], g[7], g[8], g[9], g[10]}};
                const F energy = F(15.0f) + F(100.0f) * uniform(second.b);
                const F ahead = maximum(photon.uz, F(0.0f) - photon.uz);
                put(grid_transmission(grid, photon.x, photon.y, photon.ux, photon.uy, ahead, energy));
            }}
        }}
    }}
    return ferror(stdout);
}}
"""
GROUPS = 500
CENTRE, RADIUS = np.array([10.0, -5.0, 40.0]), 80.0


def pose():
    turn = np.linalg.qr(np.random.default_rng(4).standard_normal((3, 3)))[0]
    return turn[0], turn[1], np.cross(turn[0], turn[1])


def inputs():
    rng = np.random.default_rng(7)
    words = rng.integers(0, 2**32, (GROUPS, 7, 16), np.uint64).astype(np.uint32)
    words[0, :, :4] = np.array([0, 0xFFFFFFFF, 0x80000000, 0x7FFFFFFF], np.uint32)
    u, v, _ = pose()
    start = CENTRE[:, None] + rng.uniform(-60, 60, (GROUPS, 3, 16))
    aim = CENTRE + rng.uniform(-50, 50, (GROUPS, 16, 1)) * u + rng.uniform(-30, 30, (GROUPS, 16, 1)) * v
    direction = aim.swapaxes(1, 2) - start
    direction[::4] = rng.standard_normal((len(direction[::4]), 3, 16))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    places = np.concatenate([start, direction], axis=1)
    places[1, 3:] = np.array([0.0, 0.0, 1.0])[:, None]  # zeros in the direction
    return words, places.astype(np.float32)


def energies():
    """(6, 7, 4) words of an alias table: bins of 2 keV from 10, 24, 38 ..."""
    table = np.zeros((6, 7, 4), np.int32)
    table[..., 0] = np.linspace(0, 1, 42, dtype=np.float32).reshape(6, 7).view(np.int32)
    table[..., 1] = np.arange(7)[::-1]
    table[..., 2] = (10.0 + 2.0 * np.arange(42, dtype=np.float32)).reshape(6, 7).view(np.int32)
    table[..., 3] = np.float32(2.0).view(np.int32)
    return table


def nodes():
    """(6, 2) words of an alias table."""
    keep = np.array([0.2, 1.0, 0.7, 0.0, 0.5, 0.9], np.float32)
    return np.stack([keep.view(np.int32), np.array([3, 1, 5, 4, 2, 0], np.int32)], axis=1)


GRIDS = (
    AntiScatterGrid(ratio=12, lines_per_cm=40, strip_mm=0.043, cover_mm=0.4, focal_distance_mm=1200, offset_mm=20),
    AntiScatterGrid(ratio=4, lines_per_cm=20, strip_mm=0.2, strip="Cu", interspace="pmma", angle_deg=30, gap_mm=7),
)
FLAT = ps.Geometry(source_mm=[(0, 0, -1)], centre_mm=[(0, 0, 0)], u=[(1, 0, 0)], v=[(0, 1, 0)], rows=1, columns=1,
                   pixel_mm=1.0)
GRID_FIELDS = (
    "energies", "energy_low", "per_kev", "across", "height", "period", "strip",
    "inverse_focus", "gap", "offset",
)
QUANTILE = np.array([-0.5, -0.3, -0.1, 0.2, 0.4], np.float32)


def answers(isa, folder):
    """(groups, 16 lanes, 34) float32."""
    compiler = (sysconfig.get_config_var("CXX") or "g++").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on this machine")
    unit = kernels_path() / "launch" / f"cpu_{'baseline' if isa in ('portable', 'scalar') else isa}.cpp"
    pragma = "\n".join(line for line in unit.read_text().splitlines() if line.startswith("#pragma GCC target"))
    (folder / f"{isa}.cpp").write_text(PROGRAM.format(pragma=pragma, isa=isa, upper=isa.upper()))
    flags = ["-std=c++17", "-O1", "-ffp-contract=off", "-fno-math-errno", f"-I{kernels_path()}"]
    if isa == "scalar":
        flags += ["-fsanitize=undefined", "-fno-sanitize=shift"]  # core/exp2.h shifts into the sign, as GCC defines it
    subprocess.run([compiler, *flags, f"{isa}.cpp", "-o", isa], cwd=folder, check=True)
    words, places = inputs()
    u, v, normal = pose()
    head = [QUANTILE, energies(), nodes(), np.hstack([CENTRE, u, v, normal, np.array([RADIUS, 0])]).astype(np.float32)]
    packed = [pack_grid(one, FLAT, 0) for one in GRIDS]
    head += [np.hstack([one[f"grid_{name}"] for name in GRID_FIELDS]).astype(np.float32) for one in packed]
    head += [np.pad(one["grid_attenuation"], ((0, 2000 - one["grid_energies"]), (0, 0))) for one in packed]
    rows = b"".join(w.tobytes() + p.tobytes() for w, p in zip(words, places, strict=True))
    given = b"".join(h.tobytes() for h in head) + rows
    done = subprocess.run([folder / isa], input=given, capture_output=True, check=True)
    assert not done.stderr
    found = np.frombuffer(done.stdout, np.float32)
    if isa == "scalar":
        return found.reshape(GROUPS, 16, 34)
    return found.reshape(GROUPS, 34, 16).swapaxes(1, 2)


@pytest.fixture(scope="module")
def scalar(tmp_path_factory):
    return answers("scalar", tmp_path_factory.mktemp("scalar"))


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512"])
def test_lanes_give_the_bits_of_one_lane(isa, scalar, tmp_path):
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU lacks {isa}")
    np.testing.assert_array_equal(answers(isa, tmp_path).view(np.uint32), scalar.view(np.uint32))


def test_births_follow_their_words(scalar):
    words, _ = inputs()
    u = ((words >> 1).astype(np.float64) + 0.5) / 2**31
    table = energies()
    x = np.interp(4 * u[:, 2], np.arange(5), QUANTILE.astype(float))
    part = words[:, 5].astype(np.float64) * 6 / 2**32
    drawn = part.astype(int)
    keep, other = nodes()[:, 0].view(np.float32), nodes()[:, 1]
    node = np.where(part - drawn < keep[drawn], drawn, other[drawn])
    for kind in range(4):
        born = scalar[..., 7 * kind : 7 * kind + 7].astype(np.float64)
        assert np.abs(np.linalg.norm(born[..., 3:6], axis=-1) - 1).max() < 3e-7
        row = node * (kind == 3)
        place = words[:, 0].astype(np.float64) * 7 / 2**32
        own = place.astype(int)
        stays = place - own < table[row, own, 0].view(np.float32)
        low = table[row, np.where(stays, own, 6 - own), 2].view(np.float32)
        assert (np.abs(born[..., 6] - low - 2 * u[:, 1]) > 1e-4).mean() < 1e-3  # a word at a bin's end may round over
    flat = scalar[..., :7].astype(np.float64)
    aim = flat[..., :3] + flat[..., 3:6] * (100.0 / flat[..., 5:6])  # a spot moves the start alone
    np.testing.assert_allclose(aim[..., 0] / 100.0, x, atol=1e-6)
    sines = [y / np.sqrt(1 + x * x + y * y) for y in (-0.2, 0.3)]
    y = aim[..., 1] / 100.0
    np.testing.assert_allclose(y / np.sqrt(1 + x * x + y * y), sines[0] + u[:, 3] * (sines[1] - sines[0]), atol=1e-6)
    cone = scalar[..., 7:14].astype(np.float64)
    aim = cone[..., :3] + cone[..., 3:6] * (100.0 / cone[..., 5:6])
    np.testing.assert_allclose(1 / np.sqrt(1 + (aim[..., :2] ** 2).sum(-1) / 1e4), 1 - 0.4 * u[:, 2], atol=1e-6)
    turned = scalar[..., 14:21].astype(np.float64)
    by = 2 * np.pi * 0.75 * u[:, 6]

    def about(x, z):
        return x * np.cos(by) + z * np.sin(by), z * np.cos(by) - x * np.sin(by)

    start = np.stack(about(flat[..., 0] - 3.0, flat[..., 2]), -1) + np.array([3.0, 0.0])
    np.testing.assert_allclose(turned[..., [0, 2]], start, atol=2e-6)
    np.testing.assert_allclose(turned[..., [3, 5]], np.stack(about(flat[..., 3], flat[..., 5]), -1), atol=1e-6)


def crossing(places, curved):
    """By float64: distance, pixel, whether it is met, whether an edge is too near to tell, cosine of incidence."""
    u, v, normal = pose()
    p, d = places[:, :3].astype(np.float64).swapaxes(1, 2) - CENTRE, places[:, 3:].astype(np.float64).swapaxes(1, 2)
    if curved:
        axis = p + RADIUS * normal
        a, b = np.stack([axis @ u, axis @ normal], -1), np.stack([d @ u, d @ normal], -1)
        with np.errstate(invalid="ignore", divide="ignore"):
            half, square = (a * b).sum(-1), (b * b).sum(-1)
            distance = (-half + np.sqrt(half**2 - square * ((a * a).sum(-1) - RADIUS**2))) / square
            at = axis + distance[..., None] * d
            outwards = (half + square * distance) / RADIUS
            across = RADIUS * np.arctan2(at @ u, at @ normal)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(d @ normal > 0, -(p @ normal) / (d @ normal), np.nan)
            across, outwards = (p + distance[..., None] * d) @ u, d @ normal
    column, row = across * 0.4 + 15, (p + distance[..., None] * d) @ v * 0.5 + 10
    with np.errstate(invalid="ignore"):
        hit = (distance >= 0) & (column >= 0) & (column < 30) & (row >= 0) & (row < 20)
        edge = np.minimum(np.abs(column - np.round(column)), np.abs(row - np.round(row))) < 1e-4
    return distance, np.where(hit, np.floor(row) * 30 + np.floor(column), -1), hit, edge, outwards


@pytest.mark.parametrize("curved", [False, True])
def test_the_detector_is_met_where_float64_says(scalar, curved):
    places = inputs()[1]
    found, pixel = (scalar[..., 28 + 2 * curved + n].astype(np.float64) for n in (0, 1))
    distance, expected, hit, edge, outwards = crossing(places, curved)
    clear = ~edge
    assert clear.mean() > 0.99
    assert 0.15 < hit.mean() < 0.6
    np.testing.assert_array_equal((found < 1e29)[clear], hit[clear])
    np.testing.assert_array_equal(pixel[clear & hit], expected[clear & hit])
    assert np.abs((found - distance) * outwards)[clear & hit].max() < 5e-5  # cm from the surface


def test_a_shaped_field_follows_hat_functions(scalar):
    """Each node's places, undone to shares of the field, have the node's hat as their density: by moments."""
    words = inputs()[0]
    node = scalar[..., 27].astype(int) - 10  # energies begin at 10 + 14 node
    row, column = np.divmod(node // 14, 3)
    shaped = scalar[..., 21:28].astype(np.float64)
    aim = shaped[..., :3] + shaped[..., 3:6] * (100.0 / shaped[..., 5:6])
    x, y = aim[..., 0] / 100.0, aim[..., 1] / 100.0
    across = np.interp(x, QUANTILE.astype(float), np.arange(5) / 4)
    low, high = (edge / np.sqrt(1 + x * x + edge * edge) for edge in (-0.2, 0.3))
    along = (y / np.sqrt(1 + x * x + y * y) - low) / (high - low)
    for share, number, count in ((across, column, 3), (along, row, 2)):
        for one in range(count):
            off = share[number == one] * (count - 1) - one
            ends = (0.0 if one == 0 else -1.0, 0.0 if one == count - 1 else 1.0)
            assert ends[0] - 1e-5 <= off.min()
            assert off.max() <= ends[1] + 1e-5
            bound = 4.5 / np.sqrt(len(off))
            for power, mean in ((2, 1 / 6), (4, 1 / 15)):  # of 1 - |t|
                spread = np.sqrt({2: 1 / 15, 4: 1 / 45}[power] - mean**2)
                assert abs((off**power).mean() - mean) < bound * spread
    assert len(np.unique(words[:, 5])) > 7000


@pytest.mark.parametrize("number", [0, 1])
def test_a_grid_lets_through_what_float64_says(scalar, number):
    words, places = inputs()
    found = scalar[..., 32 + number].astype(np.float64)
    energy = 15.0 + 100.0 * ((words[:, 4] >> 1).astype(np.float64) + 0.5) / 2**31
    way = np.moveaxis(places[:, 3:].astype(np.float64), 1, -1)
    way[..., 2] = np.maximum(np.abs(way[..., 2]), 1e-6)
    at_mm = 10.0 * np.moveaxis(places[:, :2].astype(np.float64), 1, -1)
    expected = GRIDS[number].transmission(energy, way, at_mm)
    smeared = np.abs(energy - 88.0) < 0.2  # the K edge of lead
    assert np.abs(found - expected)[~smeared].max() < 5e-4
    assert (expected > 0.1).mean() > 0.01
    assert np.abs(found - expected)[~smeared].mean() < 5e-6
