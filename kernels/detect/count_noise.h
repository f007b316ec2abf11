// Counts of a detector that counts photons: Poisson counts of events of one or several counts, thinned by dead time, laid into pixels and bins.
//
// Laws: physsim/imaging/detector/counts.py. Each way in which the counts of an event may lie is a Poisson process of its own.
#pragma once
#include "detect/count_noise_job.h"
#include "detect/pile_up.h"
#include "detect/quantum_noise.h"

namespace physsim {

constexpr int32_t OF_EVENTS = 1, OF_LARGE_EVENTS = 1 << 16;  // blocks of a pixel: words of four ways, and their second ones where they have many

namespace PHYSSIM_ISA {

// What a run of LANES pixels needs: rates and what is left of them (kinds), shares and ratios (bins).
struct CountRoom {
    float *rate, *left, *share, *ratio;
    PHYSSIM_HD CountRoom(const CountNoise& job, float* room)
        : rate(room), left(rate + job.kinds * LANES), share(left + job.kinds * LANES), ratio(share + job.pile_up.bins * LANES) {}
};
PHYSSIM_HD int64_t run_room(const CountNoise& job) { return 2 * LANES * static_cast<int64_t>(job.kinds + job.pile_up.bins); }
PHYSSIM_HD int64_t stride_of(const CountNoise& job) { return (job.rows * job.columns + LANES - 1) / LANES * LANES; }  // of a way's events
PHYSSIM_HD int64_t count_room(const CountNoise& job) { return run_room(job) + job.ways * stride_of(job); }

// Shares of the bins in the true counts.
PHYSSIM_HD void true_shares(const CountNoise& job, const CountRoom& room) {
    F whole(0.0f);
    for (int b = 0; b < job.pile_up.bins; b++) {
        F sum(0.0f);
        for (int k = 0; k < job.kinds; k++)
            if (const int32_t times = job.counts_of[k * job.pile_up.bins + b]) sum = sum + F(static_cast<float>(times)) * load(room.rate + k * LANES);
        store(room.share + b * LANES, sum);
        whole = whole + sum;
    }
    const F some = select(F(0.0f) < whole, whole, F(1.0f));
    for (int b = 0; b < job.pile_up.bins; b++) store(room.share + b * LANES, load(room.share + b * LANES) / some);
}

// Ratios of the bins by the table, so scaled that of all counts `kept` are left.
PHYSSIM_HD void ratios_of_bins(const CountNoise& job, const CountRoom& room, F pulses, F kept) {
    PileUpRatios(job.pile_up, pulses).at(mean_bin_of(job.pile_up, room.share), room.ratio);
    F sum(0.0f);
    for (int b = 0; b < job.pile_up.bins; b++) sum = sum + load(room.ratio + b * LANES) * load(room.share + b * LANES);
    const F scale = kept / maximum(sum, F(1e-30f));
    for (int b = 0; b < job.pile_up.bins; b++) store(room.ratio + b * LANES, load(room.ratio + b * LANES) * scale);
}

// Rates of events whose counts by bin are those of all times each bin's ratio: events of several counts keep the least of
// theirs, and what their bins are owed beyond comes as events of one count.
PHYSSIM_HD void thin_by_bins(const CountNoise& job, const CountRoom& room) {
    const int bins = job.pile_up.bins;
    for (int k = 0; k < job.kinds; k++) {
        F least(3e38f);
        for (int b = 0; b < bins; b++)
            if (job.counts_of[k * bins + b]) least = minimum(load(room.ratio + b * LANES), least);
        store(room.left + k * LANES, load(room.rate + k * LANES) * least);
    }
    for (int single = 0; single < job.kinds; single++) {
        int own = 0, size = 0;
        for (int b = 0; b < bins; b++)
            if (const int32_t times = job.counts_of[single * bins + b]) own = b, size += times;
        if (size != 1) continue;
        const F ratio = load(room.ratio + own * LANES);
        F sum = load(room.left + single * LANES);
        for (int k = 0; k < job.kinds; k++) {
            const int32_t times = job.counts_of[k * bins + own];
            if (times && k != single) sum = sum + F(static_cast<float>(times)) * (load(room.rate + k * LANES) * ratio - load(room.left + k * LANES));
        }
        store(room.left + single * LANES, maximum(sum, F(0.0f)));
    }
}

// Draws the events of LANES pixels from `first` on of a view: (ways, stride).
PHYSSIM_HD void draw_events(const CountNoise& job, int64_t view, int64_t first, const CountRoom& room, float* events, int64_t stride, CountSums& sums) {
    const int64_t pixels = job.rows * job.columns;
    const int there = static_cast<int>(pixels - first < LANES ? pixels - first : LANES);
    F pulses(0.0f);
    for (int k = 0; k < job.kinds; k++) {
        const float* from = job.rates + (k * job.views + view) * pixels + first;
        for (int l = 0; l < LANES; l++) room.rate[k * LANES + l] = l < there ? from[l] : 0.0f;
        int32_t size = 0;
        for (int b = 0; b < job.pile_up.bins; b++) size += job.counts_of[k * job.pile_up.bins + b];
        pulses = pulses + F(static_cast<float>(size)) * load(room.rate + k * LANES);
    }
    pulses = pulses * F(job.load_per_count);
    const F kept = registered_share(job.pile_up, pulses);
    if (job.pile_up.beams > 0) {
        true_shares(job, room);
        ratios_of_bins(job, room, pulses, kept);
        thin_by_bins(job, room);
    } else {
        for (int k = 0; k < job.kinds; k++) store(room.left + k * LANES, load(room.rate + k * LANES) * kept);
    }
    alignas(64) float one[LANES], other[LANES];
    store(one, pulses), store(other, pulses * kept);
    for (int l = 0; l < LANES; l++) sums.load += static_cast<double>(one[l]), sums.registered += static_cast<double>(other[l]), sums.loaded += one[l] > 1.0f;
    const Draws draws = {job.stream, job.first_view + static_cast<Word>(view)};
    const I pixel = lane_index() + I(static_cast<int32_t>(first));
    PhiloxWords<I> words = {}, spare = {};
    int spare_of = -1;
    for (int w = 0; w < job.ways; w++) {
        if (w % 4 == 0) words = block_of(draws, pixel, I(OF_EVENTS + w / 4));
        const auto other = [&] {
            if (spare_of != w / 4) spare_of = w / 4, spare = block_of(draws, pixel, I(OF_LARGE_EVENTS + spare_of));
            return word_of(spare, w);
        };
        store(events + w * stride + first, poisson(load(room.left + job.kind_of[w] * LANES) * F(job.share_of[w]), word_of(words, w), other));
    }
}

// Adds a row of events to a row of counts, from the row and column `step` before; where there is none, from the own one.
PHYSSIM_HD void lay_row(const CountNoise& job, const CountPlace& place, int64_t row, const float* events, float* counts) {
    const int64_t columns = job.columns, from = place.axis == 1 ? row - place.step : row;
    const float* own = events + row * columns;
    if (place.axis != 2) own = events + (from < 0 || from >= job.rows ? row : from) * columns;
    const int64_t step = place.axis == 2 ? place.step : 0, begin = step > 0 ? (step < columns ? step : columns) : 0, end = step < 0 ? (columns + step > 0 ? columns + step : 0) : columns;
    for (int64_t c = 0; c < begin; c++) counts[c] += own[c];
    for (int64_t c = begin; c < end; c++) counts[c] += own[c - step];
    for (int64_t c = end > begin ? end : begin; c < columns; c++) counts[c] += own[c];
}

// Counts of a view; memory: count_room floats.
PHYSSIM_HD CountSums count_view(const CountNoise& job, int64_t view, float* memory) {
    const int64_t pixels = job.rows * job.columns, stride = stride_of(job);
    const CountRoom room(job, memory);
    float* const events = memory + run_room(job);
    CountSums sums = {};
    for (int64_t first = 0; first < pixels; first += LANES) draw_events(job, view, first, room, events, stride, sums);
    for (int64_t row = 0; row < job.rows; row++)
        for (int p = 0; p < job.places; p++) {
            const CountPlace& place = job.place[p];
            lay_row(job, place, row, events + place.way * stride, job.counts + ((place.bin * job.views + view) * job.rows + row) * job.columns);
        }
    return sums;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
