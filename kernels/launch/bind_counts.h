// Counts of detectors that count photons, for Python. Arrays are checked by physsim.imaging.detector.
#pragma once
#include "launch/image_table.h"
#include "launch/team.h"

namespace {

using Numbers = py::array_t<int32_t, py::array::c_style>;

// A table of pile-up and what its kernels need beside it. mean_bin: (beams), rising, none without a table; ratio: (beams, loads, bins).
struct PileUpArrays {
    PileUp table = {};
    std::vector<float> per_beam;

    PileUpArrays(int64_t bins, bool paralysable, const Floats& mean_bin, const Floats& ratio, float load_step) {
        const int64_t beams = mean_bin.size();
        if (beams > 0 && (ratio.ndim() != 3 || ratio.shape(0) != beams || ratio.shape(1) < 2 || ratio.shape(2) != bins || ratio.size() > INT32_MAX))
            throw std::invalid_argument("pile-up: ratios are (beams, loads, bins)");
        for (int64_t k = 0; k + 1 < beams; k++) {
            const float distance = mean_bin.data()[k + 1] - mean_bin.data()[k];
            per_beam.push_back(distance > 0.0f ? 1.0f / distance : 0.0f);
        }
        table = {static_cast<int32_t>(bins), static_cast<int32_t>(beams), beams > 0 ? static_cast<int32_t>(ratio.shape(1)) : 0, paralysable, 1.0f / load_step,
                 mean_bin.data(), per_beam.data(), ratio.data()};
    }
};

// Counts (bins, views, rows, columns), zeros before, from mean events (kinds, views, rows, columns). counts_of: (kinds, bins); kind_of, share_of: (ways); places:
// (counts of all ways, 4): way, bin, step, axis. Returns pulses in dead times, those registered, and how many pixels have more than one.
py::tuple count_noise(const Floats& rates, const Numbers& counts_of, const Numbers& kind_of, const Floats& share_of, const Numbers& places, float load_per_count,
                      bool paralysable, const Floats& mean_bin, const Floats& ratio, float load_step, InPlace<float> counts, uint64_t seed, uint32_t stream,
                      uint32_t first_view, int threads, const std::string& isa) {
    if (rates.ndim() != 4 || counts_of.ndim() != 2 || counts_of.shape(0) != rates.shape(0) || counts.array.ndim() != 4 || counts.array.shape(0) != counts_of.shape(1))
        throw std::invalid_argument("counts: rates are (kinds, views, rows, columns), counts (bins, views, rows, columns)");
    for (int a = 1; a < 4; a++)
        if (counts.array.shape(a) != rates.shape(a)) throw std::invalid_argument("counts: rates and counts differ in shape");
    if (share_of.size() != kind_of.size() || places.ndim() != 2 || places.shape(1) != 4) throw std::invalid_argument("counts: ways are (ways), places (counts, 4)");
    CountNoise job = {};
    job.stream = {seed, stream}, job.first_view = first_view, job.views = rates.shape(1), job.rows = rates.shape(2), job.columns = rates.shape(3);
    job.kinds = static_cast<int32_t>(counts_of.shape(0)), job.ways = static_cast<int32_t>(kind_of.size()), job.places = static_cast<int32_t>(places.shape(0));
    if (job.rows * job.columns > INT32_MAX || job.views > INT32_MAX) throw std::invalid_argument("counts: a view has at most 2^31 - 1 pixels");
    std::vector<CountPlace> laid;
    for (int32_t p = 0; p < job.places; p++) {
        const int32_t* own = places.data() + 4 * p;
        if (own[0] < 0 || own[0] >= job.ways || own[1] < 0 || own[1] >= counts_of.shape(1)) throw std::invalid_argument("counts: a place names no way or bin");
        laid.push_back({own[0], own[1], own[2], own[3]});
    }
    for (int32_t w = 0; w < job.ways; w++)
        if (kind_of.data()[w] < 0 || kind_of.data()[w] >= job.kinds) throw std::invalid_argument("counts: a way names no kind");
    const PileUpArrays pile_up(counts_of.shape(1), paralysable, mean_bin, ratio, load_step);
    job.counts_of = counts_of.data(), job.rates = rates.data(), job.load_per_count = load_per_count, job.pile_up = pile_up.table;
    job.kind_of = kind_of.data(), job.share_of = share_of.data(), job.place = laid.data(), job.counts = counts.array.mutable_data();
    const ImageTable& kernels = image_kernels(isa);
    std::vector<CountSums> sums(static_cast<size_t>(job.views));
    {
        py::gil_scoped_release release;
        Queue queue;
        Team(threads).run([&](int) {
            std::vector<float> room(static_cast<size_t>(kernels.count_room(job)));
            int view;
            while (queue.take(static_cast<int>(job.views), view)) sums[static_cast<size_t>(view)] = kernels.count_view(job, view, room.data());
        });
    }
    CountSums all = {};
    for (const CountSums& one : sums) all.load += one.load, all.registered += one.registered, all.loaded += one.loaded;
    return py::make_tuple(all.load, all.registered, all.loaded);
}

// Counts (bins, pixels) without dead time, of registered ones. inverse: loads at equal steps of sqrt(1 - registered / most) from 0 to 1. Returns how many register more
// than `most` pulses a dead time.
int64_t without_dead_time(const Floats& seen, float load_per_count, float most, const Floats& inverse, bool paralysable, const Floats& mean_bin, const Floats& ratio,
                          float load_step, InPlace<float> corrected, int threads, const std::string& isa) {
    constexpr int64_t AN_ITEM = 4096;
    if (seen.ndim() != 2 || corrected.array.ndim() != 2 || corrected.array.shape(0) != seen.shape(0) || corrected.array.shape(1) != seen.shape(1) || inverse.size() < 2)
        throw std::invalid_argument("dead time: counts are (bins, pixels)");
    const PileUpArrays pile_up(seen.shape(0), paralysable, mean_bin, ratio, load_step);
    const DeadTimeCorrection job = {seen.shape(1), load_per_count, most, static_cast<int32_t>(inverse.size()), pile_up.table, inverse.data(), seen.data(),
                                    corrected.array.mutable_data()};
    const ImageTable& kernels = image_kernels(isa);
    const int64_t items = (job.pixels + AN_ITEM - 1) / AN_ITEM;
    if (items > INT32_MAX) throw std::invalid_argument("dead time: too many pixels at once");
    std::atomic<int64_t> beyond{0};
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        std::vector<float> room(static_cast<size_t>(kernels.dead_time_room(job)));
        int64_t own = 0;
        int item;
        while (queue.take(static_cast<int>(items), item)) own += kernels.without_dead_time(job, item * AN_ITEM, std::min(job.pixels, (item + 1) * AN_ITEM), room.data());
        beyond += own;
    });
    return beyond;
}

void bind_counts(py::module_& m) {
    m.def("count_noise", &count_noise);
    m.def("without_dead_time", &without_dead_time);
}

}  // namespace
