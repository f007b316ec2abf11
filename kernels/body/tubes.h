// Distances (mm) of tubes and of branches: rows of 24 numbers a segment (physsim.body.shapes).
#pragma once
#include "body/arithmetic.h"

namespace physsim {
namespace PHYSSIM_ISA {

// The middle of the brick in a frame.
struct Middle {
    float x, y, z;
    explicit Middle(const float* box) : x(0.5f * (box[0] + box[3])), y(0.5f * (box[1] + box[4])), z(0.5f * (box[2] + box[5])) {}
};

// One segment of a tube: begin, way to its end, the inverse of that way's square, radius at its begin and what is added to the end.
struct Segment {
    float ax, ay, az, dx, dy, dz, inverse, r, dr;
    explicit Segment(const float* s) : ax(s[0]), ay(s[1]), az(s[2]), dx(s[3]), dy(s[4]), dz(s[5]), inverse(s[6]), r(s[7]), dr(s[8]) {}
};

// A point as seen from the nearest of a segment's axis, and how far along the axis that is (0 to 1; beyond them unless `ends`).
struct FromAxis {
    float x, y, z, along;
    FromAxis(const Segment& s, float px, float py, float pz, bool ends = true) : x(px - s.ax), y(py - s.ay), z(pz - s.az) {
        along = (x * s.dx + y * s.dy + z * s.dz) * s.inverse;
        if (ends) along = held(along, 0.0f, 1.0f);
        x = x - along * s.dx, y = y - along * s.dy, z = z - along * s.dz;
    }
    float square() const { return x * x + y * y + z * z; }
    float length() const { return square_root(square()); }
};

// Distance from a point to a segment's axis or, unless `axis`, to its round surface.
PHYSSIM_HD float to_segment(const float* numbers, float x, float y, float z, bool axis) {
    const Segment s(numbers);
    const FromAxis p(s, x, y, z);
    return axis ? p.length() : p.length() - (s.r + p.along * s.dr);
}

// Where in `data` the segments of a tube stand that can be the nearest one somewhere in a brick; how many. distances: memory for `count`.
static int nearest_segments(const float* data, int first, int count, const float* box, int32_t* candidates, float* distances, bool axis) {
    const Middle middle(box);
    const float reach = box[6];
    float least = BODY_FAR;
    for (int m = 0; m < count; m++) {
        const float* s = data + first + BODY_SEGMENT * m;
        distances[m] = to_segment(s, middle.x, middle.y, middle.z, axis);
        const float value = distances[m] + reach * (axis ? 1.0f : s[23]);
        least = least < value ? least : value;
    }
    int found = 0;
    for (int m = 0; m < count; m++) {
        const int32_t at = first + BODY_SEGMENT * m;
        candidates[found] = at;
        found += distances[m] - reach * (axis ? 1.0f : data[at + 23]) <= least;
    }
    return found;
}

template <int N>
static void round_tube(float* d, const float* x, const float* y, const float* z, const float* data, const int32_t* candidates, int count) {
    filled<N>(d, BODY_FAR);
    for (int m = 0; m < count; m++) {
        const Segment s(data + candidates[m]);
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) {
            const FromAxis p(s, x[i], y[i], z[i]);
            const float value = p.length() - (s.r + p.along * s.dr);
            d[i] = value < d[i] ? value : d[i];
        }
    }
}

// The cross-section of the nearest segment (the first of equals): d = q (q - 1) / |grad|; its round end has the smaller semi-axis. Which is
// the nearest is found first: the cross-sections of the others are not asked for. nearest, number: memory for N numbers each.
template <int N>
static void elliptic_tube(float* d, float* nearest, float* number, const float* x, const float* y, const float* z, const float* data, const int32_t* candidates, int count) {
    filled<N>(nearest, BODY_FAR);
    filled<N>(number, -1.0f);
    for (int m = 0; m < count; m++) {
        const Segment s(data + candidates[m]);
        const float own = static_cast<float>(m);
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) {
            const float square = FromAxis(s, x[i], y[i], z[i]).square();
            number[i] = square < nearest[i] ? own : number[i];
            nearest[i] = square < nearest[i] ? square : nearest[i];
        }
    }
    for (int m = 0; m < count; m++) {
        const float index = static_cast<float>(m);
        int32_t any = 0;
        for (int i = 0; i < N; i++) any |= number[i] == index;
        if (!any) continue;
        const float* own = data + candidates[m];
        const Segment s(own);
        const float q0 = own[9], dq = own[10];
        const float nx = own[11], ny = own[12], nz = own[13], mx = own[14], my = own[15], mz = own[16], bx = own[17], by = own[18], bz = own[19], ex = own[20], ey = own[21], ez = own[22];
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) {
            const FromAxis p(s, x[i], y[i], z[i]);
            const float square = p.square(), t = p.along;
            float u = p.x * (nx + t * mx) + p.y * (ny + t * my) + p.z * (nz + t * mz), v = p.x * (bx + t * ex) + p.y * (by + t * ey) + p.z * (bz + t * ez);
            float w = square - u * u - v * v;
            w = w > 0.0f ? w : 0.0f;
            const float a = 1.0f / (s.r + t * s.dr), b = 1.0f / (q0 + t * dq), c = a > b ? a : b;
            u = u * u * a * a, v = v * v * b * b, w = w * c * c;
            const float q = square_root(u + v + w + BODY_TINY), g = square_root(u * a * a + v * b * b + w * c * c + BODY_TINY * c * c);
            const float value = q * (q - 1.0f) / g;
            d[i] = number[i] == index ? value : d[i];
        }
    }
}

// Distance to the union of capsules, none drawn thinner than `least_radius`, for bounds and for queries (0).
template <int N>
static void branches(float* d, float* thin, const float* x, const float* y, const float* z, const float* data, const int32_t* candidates, int count, float least_radius) {
    const float least = least_radius * least_radius, ramp = least_radius * least_radius * static_cast<float>(1.0 / 3);
    filled<N>(d, BODY_FAR);
    filled<N>(thin, 1.0f);
    for (int m = 0; m < count; m++) {
        const Segment s(data + candidates[m]);
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) {
            const FromAxis p(s, x[i], y[i], z[i]);
            const float own = s.r + p.along * s.dr, square = own * own - ramp;
            const float value = p.length() - square_root(square > least ? square : least);
            d[i] = value < d[i] ? value : d[i];
        }
    }
}

// bounds (layers of N voxels, 6): low and high of the coordinates of each.
template <int N>
static void bounds_of_layers(const float* x, const float* y, const float* z, float* bounds) {
    constexpr int LAYER = BLOCK_EDGE * BLOCK_EDGE;
    for (int n = 0; n < N / LAYER; n++) {
        const float* own[3] = {x + n * LAYER, y + n * LAYER, z + n * LAYER};
        for (int axis = 0; axis < 3; axis++) {
            float low = own[axis][0], high = low;
            for (int i = 1; i < LAYER; i++) low = lesser(low, own[axis][i]), high = greater(high, own[axis][i]);
            bounds[6 * n + axis] = low, bounds[6 * n + axis + 3] = high;
        }
    }
}

// Segments that can be the nearest one somewhere in a block, of those listed for the brick: `bounds` (found, blocks) are to be their
// distances from the blocks' middles x, y, z, and `least` (blocks) how far from the nearest a voxel of the block is at most.
static void measure_segments(const float* data, const int32_t* candidates, int found, const float* x, const float* y, const float* z, const float* reach, bool axis,
                             float* bounds, float* least) {
    for (int b = 0; b < BLOCKS; b++) least[b] = BODY_FAR;
    for (int m = 0; m < found; m++) {
        const float* numbers = data + candidates[m];
        const Segment s(numbers);
        const float slope = axis ? 1.0f : numbers[23], r = axis ? 0.0f : s.r, dr = axis ? 0.0f : s.dr;
        float* own = bounds + BLOCKS * m;
        PHYSSIM_OVER_VOXELS
        for (int b = 0; b < BLOCKS; b++) {
            const FromAxis p(s, x[b], y[b], z[b]);
            const float value = p.length() - (r + p.along * dr), most = value + reach[b] * slope;
            least[b] = most < least[b] ? most : least[b];
            own[b] = value - reach[b] * slope;
        }
    }
}

// Those of `candidates` whose least distance in block b is not above the `least` there; how many.
PHYSSIM_HD int nearest_in_block(const int32_t* candidates, int found, const float* bounds, const float* least, int b, int32_t* nearest) {
    int few = 0;
    for (int m = 0; m < found; m++) {
        nearest[few] = candidates[m];
        few += bounds[BLOCKS * m + b] <= least[b];
    }
    return few;
}

// Capsules whose substance, and not whose drawn radius, is right, for painting.
// The ramp of a voxel v makes of a radius R the cross-section pi (R^2 + v^2 / 12): drawn is the R that gives the true one, where it is
// above v / 2 = `least_radius`. What is thinner covers the share r^2 / (v^2 / 3) of a drawn v / 2, and ends as a rod does that is
// averaged over a voxel: so the shares of branches that meet, or pass through one voxel, add up. Where there are such, d is -v and
// `thin` the whole coverage.
// Of one block, or half of one.
template <int N>
static void drawn_branches(float* d, float* thin, const float* x, const float* y, const float* z, const float* data, const int32_t* candidates, int count, float least_radius) {
    const float voxel = 2.0f * least_radius, inverse_voxel = 1.0f / voxel;
    const float ramp = least_radius * least_radius * static_cast<float>(1.0 / 3), least = least_radius * least_radius;
    constexpr int LAYER = BLOCK_EDGE * BLOCK_EDGE;
    filled<N>(d, BODY_FAR);
    filled<N>(thin, 0.0f);
    float bounds[N / LAYER * 6];
    bounds_of_layers<N>(x, y, z, bounds);
    for (int m = 0; m < count; m++) {
        const Segment s(data + candidates[m]);
        const float slim = lesser(s.r, s.r + s.dr), reach = greater(greater(s.r, s.r + s.dr), least_radius) + voxel;
        const bool thick = slim * slim - ramp > least;
        const float x0 = lesser(s.ax, s.ax + s.dx) - reach, x1 = greater(s.ax, s.ax + s.dx) + reach;
        const float y0 = lesser(s.ay, s.ay + s.dy) - reach, y1 = greater(s.ay, s.ay + s.dy) + reach;
        const float z0 = lesser(s.az, s.az + s.dz) - reach, z1 = greater(s.az, s.az + s.dz) + reach;
        const float steps = inverse_voxel / square_root(s.inverse);  // its length in voxels
        for (int row = 0; row < N / LAYER; row++) {
            const float* own = bounds + 6 * row;
            if (own[2] > z1 || own[5] < z0 || own[1] > y1 || own[4] < y0 || own[0] > x1 || own[3] < x0) continue;
            const int at = LAYER * row;
            if (thick) {
                PHYSSIM_OVER_VOXELS
                for (int i = at; i < at + LAYER; i++) {
                    const FromAxis p(s, x[i], y[i], z[i]);
                    const float drawn = s.r + p.along * s.dr, value = p.length() - square_root(drawn * drawn - ramp);
                    d[i] = value < d[i] ? value : d[i];
                }
                continue;
            }
            PHYSSIM_OVER_VOXELS
            for (int i = at; i < at + LAYER; i++) {
                const FromAxis p(s, x[i], y[i], z[i], false);
                const float begin = held(0.5f + p.along * steps, 0.0f, 1.0f), end = held(0.5f + (p.along - 1.0f) * steps, 0.0f, 1.0f);
                const float radius = s.r + held(p.along, 0.0f, 1.0f) * s.dr;
                float square = radius * radius - ramp;
                square = square > least ? square : least;
                const float c = held(0.5f - (p.length() - square_root(square)) * inverse_voxel, 0.0f, 1.0f);
                thin[i] += (begin - end) * c * radius * radius / (square + ramp);
            }
        }
    }
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        const float c = held(0.5f - d[i] * inverse_voxel, 0.0f, 1.0f), share = thin[i] < 1.0f ? thin[i] : 1.0f;
        const float both = c + (1.0f - c) * share;
        thin[i] = share > 0.0f ? both : 1.0f;
        d[i] = share > 0.0f ? -voxel : d[i];
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
