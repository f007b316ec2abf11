// Distance (mm) of curved sheets: rows of 31 numbers a triangle (physsim.body.shapes.surface).
#pragma once
#include "body/tubes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Distance of a point (from the first corner) to a triangle's sheet.
// s: corner, two edges (3 to 8), thickness and its changes along them, its limits (9 to 13), slope (14), middle and radius (15 to 18),
// normal (19), directions that give the shares of the edges (22, 25), 1 / squares of edges (28).
PHYSSIM_HD float to_triangle(const float* s, float px, float py, float pz) {
    const float ax = s[3], ay = s[4], az = s[5], bx = s[6], by = s[7], bz = s[8];
    float u = px * s[22] + py * s[23] + pz * s[24], v = px * s[25] + py * s[26] + pz * s[27];
    const float height = px * s[19] + py * s[20] + pz * s[21];
    // nearest points on the three edges
    float t = held((px * ax + py * ay + pz * az) * s[28], 0.0f, 1.0f);
    float ex = px - t * ax, ey = py - t * ay, ez = pz - t * az, edge = ex * ex + ey * ey + ez * ez;
    t = held((px * bx + py * by + pz * bz) * s[29], 0.0f, 1.0f);
    ex = px - t * bx, ey = py - t * by, ez = pz - t * bz;
    float other = ex * ex + ey * ey + ez * ez;
    edge = edge < other ? edge : other;
    const float cx = bx - ax, cy = by - ay, cz = bz - az, qx = px - ax, qy = py - ay, qz = pz - az;
    t = held((qx * cx + qy * cy + qz * cz) * s[30], 0.0f, 1.0f);
    ex = qx - t * cx, ey = qy - t * cy, ez = qz - t * cz;
    other = ex * ex + ey * ey + ez * ez;
    edge = edge < other ? edge : other;
    float out = u < v ? u : v;
    out = out < 1.0f - u - v ? out : 1.0f - u - v;
    const float square = out >= 0.0f ? height * height : edge;
    u = u > 0.0f ? u : 0.0f;
    v = v > 0.0f ? v : 0.0f;
    const float thick = held(s[9] + u * s[10] + v * s[11], s[12], s[13]);
    return square_root(square) - 0.5f * thick;
}

// Distance from the middle of the brick to a triangle's middle.
PHYSSIM_HD float to_middle(const Middle& middle, const float* s) {
    const float px = middle.x - s[15], py = middle.y - s[16], pz = middle.z - s[17];
    return square_root(px * px + py * py + pz * pz);
}

// Triangles that can be nearest somewhere in the brick, by their own middles; how many.
static int nearest_triangles(const float* data, int first, int count, const float* box, int32_t* candidates) {
    const Middle middle(box);
    float least = BODY_FAR;
    for (int m = 0; m < count; m++) {
        const float* s = data + first + BODY_TRIANGLE * m;
        const float bound = to_middle(middle, s) + s[18] - 0.5f * s[12];  // of the distance at the middle, from above
        least = least < bound ? least : bound;
    }
    const float limit = least + box[6] + box[6];
    int found = 0;
    for (int m = 0; m < count; m++) {
        const float* s = data + first + BODY_TRIANGLE * m;
        if (to_middle(middle, s) - s[18] - 0.5f * s[13] <= limit) candidates[found++] = first + BODY_TRIANGLE * m;
    }
    return found;
}

// Of those, `bounds` (found, blocks) are to be their least distances in the blocks, `least` (blocks) that of the nearest at most.
static void measure_triangles(const float* data, const int32_t* candidates, int found, const float* x, const float* y, const float* z, const float* reach, float* bounds,
                              float* least) {
    for (int b = 0; b < BLOCKS; b++) least[b] = BODY_FAR;
    for (int m = 0; m < found; m++) {
        float s[BODY_TRIANGLE], *own = bounds + BLOCKS * m;
        for (int i = 0; i < BODY_TRIANGLE; i++) s[i] = data[candidates[m] + i];
        PHYSSIM_OVER_VOXELS
        for (int b = 0; b < BLOCKS; b++) {
            const float value = to_triangle(s, x[b] - s[0], y[b] - s[1], z[b] - s[2]), most = value + reach[b] * s[14];
            least[b] = most < least[b] ? most : least[b];
            own[b] = value - reach[b] * s[14];
        }
    }
}

template <int N>
static void sheet(float* d, const float* x, const float* y, const float* z, const float* data, const int32_t* candidates, int count) {
    filled<N>(d, BODY_FAR);
    for (int m = 0; m < count; m++) {
        float s[BODY_TRIANGLE];
        for (int i = 0; i < BODY_TRIANGLE; i++) s[i] = data[candidates[m] + i];
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) {
            const float value = to_triangle(s, x[i] - s[0], y[i] - s[1], z[i] - s[2]);
            d[i] = value < d[i] ? value : d[i];
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
