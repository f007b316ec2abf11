// Weighted Voronoi cells (fat lobules): their random points, those near a brick, and how far a sample is from the walls between them.
#pragma once
#include "breast/noise.h"

namespace physsim {
namespace PHYSSIM_ISA {

// A 32-bit word scrambled (the finaliser of MurmurHash3).
PHYSSIM_HD uint32_t mixed(uint32_t h) {
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}
PHYSSIM_HD I mixed(I h) {
    h = multiply_low(h ^ ((h >> 16) & I(0xFFFF)), 0x85EBCA6Bu);
    h = multiply_low(h ^ ((h >> 13) & I(0x7FFFF)), 0xC2B2AE35u);
    return h ^ ((h >> 16) & I(0xFFFF));
}

// A word as a number in [0, 1).
PHYSSIM_HD float unit(uint32_t h) { return static_cast<float>(static_cast<int32_t>(h >> 8)) * 0x1p-24f; }
PHYSSIM_HD F unit(I h) { return to_float((h >> 8) & I(0xFFFFFF)) * F(0x1p-24f); }

// One jittered point a cubic cell, its power weight (+-0.11 of the pitch squared, about normal) and its name, as functions of the
// cell's place and the key.
static void make_cells(float pitch, const int32_t* first, const int32_t* shape, uint32_t key, float* seeds, uint32_t* names) {
    for (int32_t k = 0; k < shape[0]; k++)
        for (int32_t j = 0; j < shape[1]; j++)
            for (int32_t i = 0; i < shape[2]; i++, seeds += 4, names++) {
                const int32_t place[3] = {first[0] + i, first[1] + j, first[2] + k};
                uint32_t h = mixed(static_cast<uint32_t>(place[0]) * 0x9E3779B1u ^ key);
                h = mixed(h ^ static_cast<uint32_t>(place[1]) * 0x85EBCA77u);
                h = mixed(h ^ static_cast<uint32_t>(place[2]) * 0xC2B2AE3Du);
                *names = h;
                const auto next = [&h] { return unit(h = mixed(h + 0x9E3779B9u)); };
                for (int axis = 0; axis < 3; axis++) seeds[axis] = (static_cast<float>(place[axis]) + next()) * pitch;
                float total = 0.0f;
                for (int n = 0; n < 4; n++) total += next();
                seeds[3] = 0.03f * (total - 2.0f) * 1.7320508f;
            }
}

// Cells that can be among the three nearest (by power) of any sample of a brick; own: 0.11 pitch^2 - weight, never negative.
struct NearCells {
    alignas(64) float u[BREAST_CELLS], v[BREAST_CELLS], w[BREAST_CELLS], own[BREAST_CELLS], random[BREAST_CELLS];
    alignas(64) int32_t name[BREAST_CELLS];
    int32_t count;

    // Those of the points within `radius` of `centre`; whether there was room.
    bool find(const BreastCells& cells, const float* centre, float radius) {
        const float pitch = cells.pitch, inverse = 1.0f / pitch, ceiling = 0.11f * pitch * pitch;
        int32_t low[3], high[3];
        const auto around = [&](float reach, int32_t beyond) {
            for (int axis = 0; axis < 3; axis++) {
                low[axis] = static_cast<int32_t>(__builtin_floorf((centre[axis] - reach) * inverse)) - cells.first[axis] - beyond;
                high[axis] = static_cast<int32_t>(__builtin_floorf((centre[axis] + reach) * inverse)) - cells.first[axis] + 1 + beyond;
                low[axis] = low[axis] > 0 ? low[axis] : 0;
                high[axis] = high[axis] < cells.shape[2 - axis] ? high[axis] : cells.shape[2 - axis];
            }
        };
        // distance of a cell's point from the centre
        const auto distance = [&](const float* seed) {
            const float x = seed[0] - centre[0], y = seed[1] - centre[1], z = seed[2] - centre[2];
            return __builtin_sqrtf(x * x + y * y + z * z);
        };
        const auto each = [&](auto&& visit) {
            for (int32_t k = low[2]; k < high[2]; k++)
                for (int32_t j = low[1]; j < high[1]; j++)
                    for (int32_t i = low[0]; i < high[0]; i++) visit((int64_t{k} * cells.shape[1] + j) * cells.shape[2] + i);
        };
        float best[3] = {1e30f, 1e30f, 1e30f};  // upper bounds of the three least power distances, anywhere in the brick
        around(0.0f, 1);
        each([&](int64_t at) {
            const float* seed = cells.seeds + 4 * at;
            const float far = distance(seed) + radius, bound = far * far + ceiling - seed[3] * pitch * pitch;
            if (bound < best[0]) best[2] = best[1], best[1] = best[0], best[0] = bound;
            else if (bound < best[1]) best[2] = best[1], best[1] = bound;
            else if (bound < best[2]) best[2] = bound;
        });
        around(__builtin_sqrtf(best[2]) * 1.0001f + radius, 0);
        count = 0;
        bool room = true;
        each([&](int64_t at) {
            const float* seed = cells.seeds + 4 * at;
            const float beyond = distance(seed) - radius, near = beyond > 0.0f ? beyond : 0.0f, weight = ceiling - seed[3] * pitch * pitch;
            if (near * near + weight > best[2] * 1.0001f) return;
            if (count == BREAST_CELLS) return void(room = false);
            u[count] = seed[0], v[count] = seed[1], w[count] = seed[2], own[count] = weight;
            name[count] = static_cast<int32_t>(cells.names[at]), random[count] = unit(mixed(cells.names[at] + 77u));
            count++;
        });
        return room && count >= 3;
    }
};

// What the three nearest cells say about samples: distance to the wall of the first two cells, to that of the first and third; the
// first cell's random number, those of the pair and of the three.
struct Walls { F b, b3, random, pair, triple; };

constexpr int FEW_CELLS = 32;  // as many as a window holds

template <bool FEW>
PHYSSIM_HD F picked(const float* values, I key) {
    if (FEW) return Window(values)[key];
    return gather(values, key & I(BREAST_CELLS - 1));
}
template <bool FEW>
PHYSSIM_HD I picked(const int32_t* values, I key) {
    return as_int(picked<FEW>(reinterpret_cast<const float*>(values), key));
}

template <bool FEW>
static Walls walls_among(const NearCells& cells, F u, F v, F w) {
    // the three nearest as keys: power distance in the high bits, number in the low ten
    I first(0x7F000000), second(0x7F000000), third(0x7F000000);
    for (int32_t c = 0; c < cells.count; c++) {
        const F x = u - F(cells.u[c]), y = v - F(cells.v[c]), z = w - F(cells.w[c]);
        const I key = (as_int(x * x + y * y + z * z + F(cells.own[c])) & I(-BREAST_CELLS)) | I(c);
        const I over = maximum(first, key);
        first = minimum(first, key);
        const I above = maximum(second, over);
        second = minimum(second, over), third = minimum(third, above);
    }
    const auto place = [&](I key, const float* axis) { return picked<FEW>(axis, key); };
    const F u1 = place(first, cells.u), v1 = place(first, cells.v), w1 = place(first, cells.w);
    F x = u - u1, y = v - v1, z = w - w1;
    const F f1 = x * x + y * y + z * z + place(first, cells.own);
    const auto wall = [&](I key) {
        const F ux = place(key, cells.u), vx = place(key, cells.v), wx = place(key, cells.w);
        x = u - ux, y = v - vx, z = w - wx;
        const F other = x * x + y * y + z * z + place(key, cells.own);
        x = u1 - ux, y = v1 - vx, z = w1 - wx;
        return F(0.5f) * maximum(other - f1, F(0.0f)) / square_root(x * x + y * y + z * z + F(1e-12f));
    };
    Walls found;
    found.b = wall(second), found.b3 = wall(third), found.random = place(first, cells.random);
    const I pair = picked<FEW>(cells.name, first) ^ picked<FEW>(cells.name, second);
    found.pair = unit(mixed(pair)), found.triple = unit(mixed((pair ^ picked<FEW>(cells.name, third)) + I(5)));
    return found;
}

PHYSSIM_HD Walls walls_of(const NearCells& cells, F u, F v, F w) {
    return cells.count <= FEW_CELLS ? walls_among<true>(cells, u, v, w) : walls_among<false>(cells, u, v, w);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
