// Included by one translation unit an instruction set, after its target pragma. No std:: templates.
#include "detect/pixel_noise.h"
#include "launch/image_table.h"

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

static const ImageTable table = {PHYSSIM_ISA_NAME, cumulant_noise, compound_noise};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
