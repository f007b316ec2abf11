// Noise of the breast: a periodic tile of fine noise, and octaves of cubic B-splines over a lattice of random numbers.
#pragma once
#include "breast/job.h"
#include "core/lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int BREAST_TILE = 128;     // cells of the tile along each axis
constexpr int BREAST_LATTICE = 64;   // numbers of the lattice along each axis, repeated beyond

// Trilinear value of the periodic tile at a place in cells.
static F tile_at(const float* tile, F x, F y, F z) {
    const F fi = floor(x), fj = floor(y), fk = floor(z), a = x - fi, b = y - fj, c = z - fk;
    const I wrap(BREAST_TILE - 1), one(1);
    const I i0 = truncate(fi) & wrap, i1 = (i0 + one) & wrap;
    const I j = truncate(fj), k = truncate(fk);
    const I j0 = (j & wrap) << 7, j1 = ((j + one) & wrap) << 7, k0 = (k & wrap) << 14, k1 = ((k + one) & wrap) << 14;
    const auto along = [&](I row) {
        const F p = gather(tile, row + i0), q = gather(tile, row + i1);
        return p + a * (q - p);
    };
    const F r00 = along(k0 + j0), r01 = along(k0 + j1), r10 = along(k1 + j0), r11 = along(k1 + j1);
    const F low = r00 + b * (r01 - r00), high = r10 + b * (r11 - r10);
    return low + c * (high - low);
}

// The tile's values at points (n, 3) in cells.
static void tile_values(const float* tile, const float* points, int64_t n, float* values) {
    alignas(64) float place[3][LANES], out[LANES];
    for (int64_t first = 0; first < n; first += LANES) {
        const int count = n - first < LANES ? static_cast<int>(n - first) : LANES;
        for (int l = 0; l < LANES; l++)
            for (int axis = 0; axis < 3; axis++) place[axis][l] = l < count ? points[3 * (first + l) + axis] : 0.0f;
        store(out, tile_at(tile, load(place[0]), load(place[1]), load(place[2])));
        for (int l = 0; l < count; l++) values[first + l] = out[l];
    }
}

// Weights of a cubic B-spline's four nodes at t in [0, 1).
PHYSSIM_HD void spline_weights(float t, float (&w)[4]) {
    constexpr float SIXTH = static_cast<float>(1.0 / 6);
    const float s = 1.0f - t;
    w[0] = s * s * s * SIXTH, w[1] = (3.0f * t * t * (t - 2.0f) + 4.0f) * SIXTH;
    w[2] = (3.0f * s * s * (s - 2.0f) + 4.0f) * SIXTH, w[3] = t * t * t * SIXTH;
}

// Sum of octaves at points (n, 3) mm: white noise on a lattice of each octave's pitch under a cubic B-spline. lattice: (64, 64, 67),
// the first three numbers of each row repeated at its end; octaves: rows of 1 / pitch, amplitude and offsets x, y, z.
static void field_values(const float* lattice, const float* points, int64_t n, const float* octaves, int32_t count, float* values) {
    constexpr int WRAP = BREAST_LATTICE - 1, ROW = BREAST_LATTICE + 3;
    for (int64_t at = 0; at < n; at++) {
        float total = 0.0f;
        for (int32_t octave = 0; octave < count; octave++) {
            const float* own = octaves + 5 * octave;
            int32_t cell[3];
            float w[3][4];
            for (int axis = 0; axis < 3; axis++) {
                const float x = points[3 * at + axis] * own[0] + own[2 + axis], whole = __builtin_floorf(x);
                cell[axis] = static_cast<int32_t>(whole);
                spline_weights(x - whole, w[axis]);
            }
            float sum[4] = {};
            for (int c = 0; c < 4; c++)
                for (int b = 0; b < 4; b++) {
                    const float* row = lattice + ROW * (BREAST_LATTICE * ((cell[2] + c) & WRAP) + ((cell[1] + b) & WRAP)) + (cell[0] & WRAP);
                    const float weight = w[2][c] * w[1][b];
                    for (int a = 0; a < 4; a++) sum[a] += weight * row[a];
                }
            total += own[1] * ((w[0][0] * sum[0] + w[0][1] * sum[1]) + (w[0][2] * sum[2] + w[0][3] * sum[3]));
        }
        values[at] = total;
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
