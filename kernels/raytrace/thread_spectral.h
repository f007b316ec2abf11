// One ray a thread through labels and densities: the path through one material at a time, folded into the ray's channels when
// the material changes, and the detector's signal of all energies from the channels. See spectral projection in transport.
#pragma once
#include "core/exp2.h"
#include "core/lanes.h"
#include "raytrace/voxel.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Channels of a ray: line integrals of basis functions, or the path through each material where `coefficient` is null.
struct Channels {
    const float* coefficient;  // (count, labels) channel's unit a mm of relative density 1
    const int32_t* number;     // (labels) a label's channel
    int32_t count, labels;
};

// signal = sum over energies of weight x 2^-(attenuation . channels), weights linear between the nodes.
struct Detector {
    const float* attenuation;  // (energies, channels) log2 of the attenuation a unit of each channel
    const float* weights;      // (outputs, columns, nodes, energies)
    int32_t outputs, columns, nodes, energies;  // columns: 1, or as many as the image's, each with nodes of its own
};

struct NoDensity {};
using physsim::voxel_value;
PHYSSIM_HD float voxel_value(const NoDensity*) { return 1.0f; }

// What a ray gathers; channel k lies at sums[k * stride].
struct ThreadRun {
    const Channels& channels;
    float* sums;
    int32_t stride;
    int32_t label;  // of the last voxel
    float path;     // relative density x parameter since the label last changed

    PHYSSIM_HD ThreadRun(const Channels& c, float* first, int32_t step) : channels(c), sums(first), stride(step), label(0), path(0.0f) {
        for (int k = 0; k < channels.count; k++) sums[k * stride] = 0.0f;
    }

    PHYSSIM_HD void add(int32_t next, float density_path) {
        if (next != label) {
            fold();
            label = next, path = 0.0f;
        }
        path += density_path;
    }

    PHYSSIM_HD void fold() {
        if (path == 0.0f) return;
        if (channels.coefficient) {
            for (int k = 0; k < channels.count; k++)
                sums[k * stride] += load_read_only(channels.coefficient + static_cast<int64_t>(k) * channels.labels + label) * path;
        } else {
            sums[load_read_only(channels.number + label) * stride] += path;
        }
    }
};

// Signal of one output in a column at `place` between its nodes.
PHYSSIM_HD float detected(const Detector& detector, const float* sums, int32_t stride, int32_t channels, int32_t output, int64_t column, float place) {
    place = minimum(maximum(place, 0.0f), static_cast<float>(detector.nodes - 1));
    const int32_t low = minimum(static_cast<int32_t>(place), maximum(detector.nodes - 2, 0));
    const float between = place - static_cast<float>(low);
    const int64_t set = output * static_cast<int64_t>(detector.columns) + (detector.columns > 1 ? column : 0);
    const float* weights = detector.weights + (set * detector.nodes + low) * detector.energies;
    const int32_t next = detector.nodes > 1 ? detector.energies : 0;
    float total = 0.0f;
    for (int e = 0; e < detector.energies; e++) {
        float t = 0.0f;
        for (int k = 0; k < channels; k++) t += load_read_only(detector.attenuation + e * channels + k) * sums[k * stride];
        const float weight = load_read_only(weights + e), other = load_read_only(weights + e + next);
        total += (weight + (other - weight) * between) * exp2_of_minus(t);
    }
    return total;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
