// A painted brick into the arrays: voxels are means over samples, labels the levels nearest to them.
#pragma once
#include "breast/surface.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Memory of one thread. Profile: fields along the beam of each column, (levels, channels, columns).
struct BreastRoom {
    Columns columns;
    NearCells cells[2];
    alignas(64) float covered[BREAST_SAMPLES], skin[BREAST_SAMPLES], muscle[BREAST_SAMPLES], blood[BREAST_SAMPLES], gland[BREAST_SAMPLES];
    alignas(64) float named[NAMED_ORGANS][BREAST_SAMPLES], pooled[5 + NAMED_ORGANS][BREAST_SAMPLES];
    alignas(64) float sums[BreastOrgan::COUNT][BreastPart::COUNT][LANES], left[BREAST_COLUMNS];
    int32_t near_segments[BREAST_SEGMENTS];
    uint8_t labels[BREAST_SAMPLES], organs[BREAST_SAMPLES];
};

class BreastVoxels {
  protected:
    BreastVoxels(const BreastJob& job, BreastRoom& room)
        : job_(job), m_(room), across_(job.brick[2] * job.part), deep_(job.brick[1] * job.part),
          columns_((across_ * deep_ + LANES - 1) / LANES * LANES), voxels_((job.brick[1] * job.brick[2] + LANES - 1) / LANES * LANES) {}

    const BreastJob& job_;
    BreastRoom& m_;
    const int32_t across_, deep_, columns_, voxels_;  // samples along x and y of a brick; columns of samples and of voxels in whole lanes
    int32_t j_first_ = 0, j_last_ = 0, i_first_ = 0, i_last_ = 0;  // voxels of the bricks at hand

    // What rounding left over of the columns of voxels, from the job's array or to it.
    void carry(bool back) {
        for (int32_t v = 0; v < voxels_; v++) m_.left[v] = back ? m_.left[v] : 0.0f;
        for (int32_t j = j_first_; j < j_last_; j++)
            for (int32_t i = i_first_; i < i_last_; i++) {
                float &own = m_.left[(j - j_first_) * job_.brick[2] + i - i_first_], &kept = job_.carry[int64_t{j} * job_.nx + i];
                (back ? kept : own) = back ? own : kept;
            }
    }

    template <typename Value>
    void rows_of(uint8_t* out, int32_t k, Value&& value) {
        for (int32_t j = j_first_; j < j_last_; j++) {
            uint8_t* row = out + (int64_t{k - job_.begin} * job_.ny + (job_.mirror ? job_.ny - 1 - j : j)) * job_.nx + i_first_;
            for (int32_t i = 0; i < i_last_ - i_first_; i++) row[i] = value((j - j_first_) * job_.brick[2] + i);
        }
    }

    void fill_air(int32_t begin, int32_t end) {
        for (int32_t k = begin; k < end; k++) {
            rows_of(job_.labels, k, [](int32_t) { return uint8_t{AIR_LABEL}; });
            if (job_.organs) rows_of(job_.organs, k, [](int32_t) { return uint8_t{BreastOrgan::BACKGROUND}; });
        }
    }

    // Means over the samples of each voxel, (slices, voxels).
    const float* pooled(const float* samples, float* out, int32_t slices) const {
        const int32_t part = job_.part;
        if (part == 1) return samples;
        const float share = 1.0f / static_cast<float>(part * part * part);
        for (int32_t n = 0; n < slices * voxels_; n++) out[n] = 0.0f;
        for (int32_t s = 0; s < slices * part; s++)
            for (int32_t c = 0; c < across_ * deep_; c++)
                out[s / part * voxels_ + c / across_ / part * job_.brick[2] + c % across_ / part] += share * samples[s * columns_ + c];
        return out;
    }

    void store_voxels(int32_t k_first, int32_t slices) {
        const float* parts[5] = {m_.covered, m_.skin, m_.muscle, m_.blood, m_.gland};
        for (int n = 0; n < 5; n++) parts[n] = pooled(parts[n], m_.pooled[n], slices);
        const float* named[NAMED_ORGANS] = {};
        if (job_.organs) for (int n = 0; n < NAMED_ORGANS; n++) named[n] = pooled(m_.named[n], m_.pooled[5 + n], slices);
        for (int32_t s = 0; s < slices; s++) {
            for (int32_t v = 0; v < voxels_; v += LANES) {
                const int32_t n = s * voxels_ + v;
                const Fractions of = {load(parts[0] + n), load(parts[1] + n), load(parts[2] + n), load(parts[3] + n), load(parts[4] + n)};
                F left = load(m_.left + v);
                bytes(label_of(of, left), m_.labels + v);
                store(m_.left + v, left);
                if (!job_.organs) continue;
                F own[NAMED_ORGANS];
                for (int o = 0; o < NAMED_ORGANS; o++) own[o] = load(named[o] + n);
                bytes(organ_of(of, own), m_.organs + v);
            }
            rows_of(job_.labels, k_first + s, [&](int32_t v) { return m_.labels[v]; });
            if (job_.organs) rows_of(job_.organs, k_first + s, [&](int32_t v) { return m_.organs[v]; });
        }
    }

    static void bytes(I values, uint8_t* out) {
        alignas(64) int32_t words[LANES];
        store(words, values);
        for (int l = 0; l < LANES; l++) out[l] = static_cast<uint8_t>(words[l]);
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
