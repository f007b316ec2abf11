// The brick's coordinates in a frame: warped, mirrored, scaled about an anchor; and its box there.
#pragma once
#include "body/elementary.h"

namespace physsim {
namespace PHYSSIM_ISA {

// dst = base + displacement along each axis, trilinear in the warp's lattice, held constant beyond it. number: of the frame's columns
// (physsim.body.arrays.Tables).
template <int N>
static void warped(float* dst, const float* base, const float* data, const int32_t* frame_int, const float* frame_float) {
    const int32_t nx = frame_int[3], ny = frame_int[4], nz = frame_int[5], plane = nx * ny, size = nx * ny * nz;
    const float ox = frame_float[4], oy = frame_float[5], oz = frame_float[6], inverse = frame_float[7];
    const float lx = static_cast<float>(nx - 1.001), ly = static_cast<float>(ny - 1.001), lz = static_cast<float>(nz - 1.001);
    constexpr int NEXT = REGISTER<N>;
    const float *x = base, *y = base + NEXT, *z = base + 2 * NEXT, *values = data + frame_int[2];
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        float u = held((x[i] - ox) * inverse, 0.0f, lx), v = held((y[i] - oy) * inverse, 0.0f, ly), w = held((z[i] - oz) * inverse, 0.0f, lz);
        const int32_t iu = static_cast<int32_t>(u), iv = static_cast<int32_t>(v), iw = static_cast<int32_t>(w);
        u = u - static_cast<float>(iu), v = v - static_cast<float>(iv), w = w - static_cast<float>(iw);
        const int32_t at = iu + nx * iv + plane * iw;
        for (int axis = 0; axis < 3; axis++) {
            const float* table = values + axis * size;
            float a = table[at] + u * (table[at + 1] - table[at]);
            const float b = table[at + nx] + u * (table[at + nx + 1] - table[at + nx]);
            float c = table[at + plane] + u * (table[at + plane + 1] - table[at + plane]);
            const float e = table[at + plane + nx] + u * (table[at + plane + nx + 1] - table[at + plane + nx]);
            a = a + v * (b - a), c = c + v * (e - c);
            dst[axis * NEXT + i] = base[axis * NEXT + i] + a + w * (c - a);
        }
    }
}

// Coordinates in frame f of the N places that stand from `base` on in frame 0 and from `own` on in f.
template <int N>
static void frame_places(float* own, const float* base, const float* data, const int32_t* ints, const float* floats) {
    constexpr int NEXT = REGISTER<N>;
    if (ints[0] >= 0) {
        warped<N>(own, base, data, ints, floats);
    } else {
        for (int axis = 0; axis < 3; axis++)
            for (int i = 0; i < N; i++) own[axis * NEXT + i] = base[axis * NEXT + i];
    }
    if (ints[1] == 1) {
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) own[i] = -own[i];
    } else if (ints[1] == 2) {
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) own[i] = size_of(own[i]);
    }
    if (floats[3] == 1.0f) return;
    for (int axis = 0; axis < 3; axis++) {
        const float anchor = floats[axis], inverse = floats[3];
        float* out = own + axis * NEXT;
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) out[i] = anchor + (out[i] - anchor) * inverse;
    }
}

// The brick's box in frame f, and how far its voxels are from their blocks' middles there.
static void frame_box(int f, const int32_t* ints, const float* floats, float* boxes, float* reaches) {
    float *box = boxes + BODY_BOX * f, steep = 1.0f;
    for (int c = 0; c < 6; c++) box[c] = boxes[c];
    if (ints[0] >= 0) {
        for (int axis = 0; axis < 3; axis++) box[axis] -= floats[8 + axis], box[axis + 3] += floats[8 + axis];
        steep = 1.0f + floats[11];
    }
    const float low = box[0], high = box[3], inverse = floats[3];
    if (ints[1] == 1) {
        box[0] = -high, box[3] = -low;
    } else if (ints[1] == 2) {
        if (low < 0.0f && high > 0.0f) box[0] = 0.0f, box[3] = greater(-low, high);
        else if (high <= 0.0f) box[0] = -high, box[3] = -low;
    }
    if (inverse != 1.0f)
        for (int c = 0; c < 6; c++) box[c] = floats[c % 3] + (box[c] - floats[c % 3]) * inverse;
    box[6] = boxes[6] * steep * inverse;
    for (int b = 0; b < BLOCKS; b++) reaches[BLOCKS * f + b] = reaches[b] * steep * inverse;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
