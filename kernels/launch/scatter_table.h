// The scatter kernels of one instruction set, as plain function pointers, and what they read.
#pragma once
#include "physics/photon_tables.h"
#include "transport/forced_detection.h"

namespace physsim {

struct ScatterJob {
    PackedVoxels voxels;
    PhotonTables tables;
    ScatterSource source;
    ScatterTargets targets;
};

struct ScatterKernels {
    // Collisions first ..< first + count of a replicate; attenuation: (count, materials rounded up to 16).
    void (*collide)(const ScatterJob&, const SobolPoints&, uint32_t first, int32_t count, Collision*, float* attenuation);
    // Adds to 16 pixels from `pixel` on; areal: (materials, 16) floats of room.
    void (*detect)(const ScatterJob&, const Collision*, const float* attenuation, int32_t count, int32_t pixel, float* areal, double* compton, double* rayleigh);
};

constexpr int32_t rounded_materials(int32_t materials) { return (materials + 15) / 16 * 16; }

}  // namespace physsim
