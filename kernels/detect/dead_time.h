// Registered counts to those that would have been without dead time, on average.
//
// All counts by the law of dead time turned round; shares of the bins are the registered ones over the ratios of pile-up at their own mean bin: one
// number, found by the secants' rule.
#pragma once
#include "detect/count_noise_job.h"
#include "detect/pile_up.h"

namespace physsim {

constexpr int SECANTS = 30;
constexpr float CLOSE_BINS = 2e-5f;  // of the mean bin of true counts

namespace PHYSSIM_ISA {

// The load that registers so many pulses a dead time.
PHYSSIM_HD F load_of(const DeadTimeCorrection& job, F registered) {
    const F left = maximum(F(1.0f) - registered / F(job.most), F(0.0f)), step = square_root(left) * F(static_cast<float>(job.inverses - 1));
    const I low = minimum(truncate(step), I(job.inverses - 2));
    const F at = gather(job.inverse, low);
    return multiply_add(gather(job.inverse + 1, low) - at, step - to_float(low), at);
}

// Shares in true counts (bins, LANES) of those that are seen; `ratio`: room for as many.
PHYSSIM_HD void shares_without_pile_up(const PileUp& job, F load_there, const float* seen, float* ratio, float* found) {
    const PileUpRatios table(job, load_there);
    const F last(static_cast<float>(job.bins - 1));
    F guess = mean_bin_of(job, seen), before = guess, off_before = guess;
    M far = guess == guess;
    for (int turn = 0; turn < SECANTS && any(far); turn++) {
        table.at(guess, ratio);
        F sum(0.0f), after(0.0f);
        for (int b = 0; b < job.bins; b++) {
            const F one = load(seen + b * LANES) / maximum(load(ratio + b * LANES), F(1e-6f));
            store(ratio + b * LANES, one);
            sum = sum + one;
        }
        sum = select(F(0.0f) < sum, sum, F(1.0f));
        for (int b = 0; b < job.bins; b++) {
            const F one = load(ratio + b * LANES) / sum;
            after = after + F(static_cast<float>(b)) * one;
            store(found + b * LANES, select(far, one, load(found + b * LANES)));
        }
        const F off = after - guess;
        if (turn > 0) {
            const F bent = off - off_before, size = maximum(bent, F(0.0f) - bent);
            const M steep = F(1e-12f) < size;
            after = select(steep, minimum(maximum(guess - off * (guess - before) / select(steep, bent, F(1.0f)), F(0.0f)), last), after);
        }
        far = far & (F(CLOSE_BINS) < maximum(off, F(0.0f) - off));
        before = guess, off_before = off, guess = after;
    }
}

// LANES pixels from `first` on. Returns how many register as many as no rate does.
PHYSSIM_HD int64_t correct_run(const DeadTimeCorrection& job, int64_t first, float* room) {
    const int bins = job.pile_up.bins, there = static_cast<int>(job.pixels - first < LANES ? job.pixels - first : LANES);
    float *const seen = room, *const ratio = seen + bins * LANES, *const found = ratio + bins * LANES;
    F whole(0.0f);
    for (int b = 0; b < bins; b++) {
        for (int l = 0; l < LANES; l++) seen[b * LANES + l] = l < there ? job.seen[b * job.pixels + first + l] : 0.0f;
        whole = whole + load(seen + b * LANES);
    }
    const F some = select(F(0.0f) < whole, whole, F(1.0f)), registered = whole * F(job.load_per_count);
    for (int b = 0; b < bins; b++) {
        const F share = load(seen + b * LANES) / some;
        store(seen + b * LANES, share), store(found + b * LANES, share);
    }
    const F pulses = load_of(job, registered), scale = whole / registered_share(job.pile_up, pulses);
    if (job.pile_up.beams > 0) shares_without_pile_up(job.pile_up, pulses, seen, ratio, found);
    for (int b = 0; b < bins; b++) {
        store(ratio, load(found + b * LANES) * scale);
        for (int l = 0; l < there; l++) job.corrected[b * job.pixels + first + l] = ratio[l];
    }
    store(ratio, registered);
    int64_t beyond = 0;
    for (int l = 0; l < there; l++) beyond += ratio[l] > job.most;
    return beyond;
}

PHYSSIM_HD int64_t dead_time_room(const DeadTimeCorrection& job) { return 3 * LANES * static_cast<int64_t>(job.pile_up.bins); }

// Pixels [first, last), `first` a multiple of LANES; room: dead_time_room floats.
PHYSSIM_HD int64_t without_dead_time(const DeadTimeCorrection& job, int64_t first, int64_t last, float* room) {
    int64_t beyond = 0;
    for (int64_t at = first; at < last; at += LANES) beyond += correct_run(job, at, room);
    return beyond;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
