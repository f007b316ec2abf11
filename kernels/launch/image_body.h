// Included by one translation unit an instruction set, after its target pragma. No std:: templates.
#include "detect/blur.h"
#include "detect/count_noise.h"
#include "detect/dead_time.h"
#include "detect/layer_quanta.h"
#include "detect/pixel_noise.h"
#include "detect/read_out.h"
#include "detect/water_lengths.h"
#include "launch/image_table.h"
#include "reconstruct/filter_rows.h"
#include "reconstruct/helical_voxels.h"
#include "reconstruct/rebin_views.h"

namespace physsim {
namespace PHYSSIM_ISA {

static_assert(NOISE_RUN == RUN, "a run of pixels has 64");

static void cumulant_noise(const CumulantNoise& job, int64_t first) {
    noisy_run({job.stream, job.view}, first, job.pixels, job.mean, job.variance, job.third, job.out);
}

static void compound_noise(const CompoundNoise& job, int64_t first) {
    const Draws draws = {job.stream, job.view};
    const int left = static_cast<int>(job.pixels - first < LANES ? job.pixels - first : LANES);
    alignas(64) int32_t number[LANES] = {};
    alignas(64) float room[LANES] = {};
    for (int l = 0; l < left; l++) number[l] = job.number[first + l];
    const F found = compound_poisson(draws, load(number), job.deposit, job.classes, [&](int k) {
        const float* mean = job.mean + k * job.pixels + first;
        if (left == LANES) return load(mean);
        for (int l = 0; l < left; l++) room[l] = mean[l];
        return load(room);
    });
    store(room, found);
    for (int l = 0; l < left; l++) job.out[first + l] = room[l];
}

constexpr int64_t STRIP = ROWS_AT_ONCE * 16;

static int64_t filter_room(const RowFilter& filter) {
    return STRIP + filter.table.length * static_cast<int64_t>(sizeof(Complex) / sizeof(float));
}

static void filter_rows_of(const RowFilter& filter, const float* image, int first, float* room, float* out) {
    filter_rows(filter, image, first, reinterpret_cast<Complex*>(room + STRIP), room, out);
}

static const ImageTable table = {PHYSSIM_ISA_NAME, filter_room, filter_rows_of, backproject_tile, rebin_view, backproject_helix_tile, cumulant_noise, compound_noise, layer_quanta_run, count_room, count_view, dead_time_room, without_dead_time, blur_tile, read_out_run, water_lengths_of};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
