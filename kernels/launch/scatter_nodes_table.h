// The kernels of scatter images, as plain function pointers: histories one lane wide, detection 16 wide.
#pragma once
#include "core/random_words.h"
#include "transport/scatter_scene.h"

namespace physsim {

constexpr int32_t TARGETS_AT_ONCE = 16;
// What a grid lets through below which few targets are asked (node_detection.h): first collisions share their targets evenly as Sobol points
// do, so that thinning costs them more.
constexpr float THIN_FIRST = 0.4f, THIN_MORE = 2.5f;
constexpr int32_t MOST_EVENTS = 1 << 14;  // of one history

struct ScatterHistories {
    const char* name;
    // First collisions first ..< first + count of a scramble, as events.
    void (*first)(const ScatterScene&, const SobolPoints&, uint32_t first, int32_t count, ScatterEvent*);
    // Events of history `number`, appended; the new count, or -1 when there was no room.
    int32_t (*history)(const ScatterScene&, const SobolPoints&, uint32_t number, const Stream&, uint32_t batch, ScatterEvent*, int32_t count, int32_t room);
    // Isotropic emission at an energy from places (count, 3); optical depths count `share`.
    void (*probes)(const ScatterScene&, float energy_kev, float share, const float* places, int32_t count, ScatterEvent*);
    // Optical depths, or with a map worths, of one row of the field's cells.
    void (*field_rays)(const ScatterScene&, float energy_kev, int32_t cells, int32_t row, float* out);
    // Of one layer of cells: sums over voxels x coefficients, by cell, and the sum of squares of the first.
    void (*means)(const FineVoxels&, const float* coefficient, const int32_t (&factor)[3], const int32_t (&cells)[3], int32_t layer, float* means);
};

struct NodeKernels {
    const char* name;
    // Adds the scores of events to TARGETS_AT_ONCE targets.
    void (*detect)(const ScatterScene&, const ScatterEvent*, int32_t count, int32_t target, float thinned_below, double* compton, double* rayleigh);
    // What isotropic events are worth to all targets together.
    void (*reach)(const ScatterScene&, const ScatterEvent*, int32_t count, float* worth);
};

const ScatterHistories& scatter_baseline();
const ScatterHistories& scatter_avx2();

const NodeKernels& nodes_baseline();
const NodeKernels& nodes_avx2();
const NodeKernels& nodes_avx512();

}  // namespace physsim
