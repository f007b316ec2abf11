// Filtered backprojection for Python. Arrays are checked by physsim.imaging.reconstruction.
#pragma once
#include "launch/aligned.h"
#include "launch/bind_fields.h"
#include "launch/bind_image.h"

namespace {

using Integers = py::array_t<int32_t, py::array::c_style>;

constexpr double TILE_FLOATS = 1 << 17;  // of a tile's sums: half a core's own cache, where they stay while all views go by

// Columns of voxels along a and b that a thread takes at once.
int tile_of(int64_t height) { return std::max(4, static_cast<int>(std::sqrt(TILE_FLOATS / static_cast<double>(height))) / 4 * 4); }

// Filters images (views, rows, columns) into out (views, columns + 2, height), which is zero. column_weight: (views, columns).
void filter_views(const Floats& images, const Floats& column_weight, const Floats& across, const Floats& along, const Floats& response, const Floats& cosine,
                  const Floats& sine, InPlace<float> out, int threads, const std::string& isa) {
    if (images.ndim() != 3 || column_weight.ndim() != 2) throw std::invalid_argument("filter: images have 3 axes, weights 2");
    const FilteredShape shape = {static_cast<int32_t>(images.shape(1)), static_cast<int32_t>(images.shape(2))};
    const int64_t views = images.shape(0), pixels = images.shape(1) * images.shape(2);
    if (column_weight.shape(0) != views || column_weight.shape(1) != shape.columns || across.size() != shape.columns || along.size() != shape.rows
        || response.size() != cosine.size() || response.size() != sine.size() || response.size() < shape.columns || out.array.size() != views * shape.view())
        throw std::invalid_argument("filter: shapes do not match");
    const ImageTable& kernels = image_kernels(isa);
    const float *image = images.data(), *weight = column_weight.data();
    float* to = out.array.mutable_data();
    const RowFilter filter = {shape, {static_cast<int32_t>(response.size()), cosine.data(), sine.data()}, response.data(), nullptr, across.data(), along.data()};
    const int groups = (shape.rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        AlignedFloats room(static_cast<size_t>(kernels.filter_room(filter)));
        int item;
        while (queue.take(static_cast<int>(views) * groups, item)) {
            const int64_t view = item / groups;
            RowFilter own = filter;
            own.column_weight = weight + view * shape.columns;
            kernels.filter_rows(own, image + view * pixels, item % groups * ROWS_AT_ONCE, room.data.get(), to + view * shape.view());
        }
    });
}

// Adds filtered views to sums (b, a, height). sights: (views, 11): depth (3), across (3), column, per_column, row, along (2).
void backproject_views(const Floats& filtered, const Doubles& sights, int rows, int columns, bool curved, InPlace<float> sums, int threads, const std::string& isa) {
    const FilteredShape shape = {rows, columns};
    const int64_t views = filtered.shape(0), height = sums.array.shape(2);
    if (sights.ndim() != 2 || sights.shape(0) != views || sights.shape(1) != 11 || filtered.size() != views * shape.view() || sums.array.ndim() != 3 || height % VOXELS_AT_ONCE)
        throw std::invalid_argument("backprojection: shapes do not match");
    std::vector<BackprojectedView> seen;
    for (int64_t v = 0; v < views; v++) {
        const double* s = sights.data() + v * 11;
        seen.push_back({filtered.data() + v * shape.view(), {s[0], s[1], s[2]}, {s[3], s[4], s[5]}, s[6], s[7], s[8], {s[9], s[10]}});
    }
    const int count[2] = {static_cast<int>(sums.array.shape(1)), static_cast<int>(sums.array.shape(0))};
    const Backprojection job = {shape, curved, static_cast<int32_t>(views), seen.data(), {static_cast<int32_t>(height), count[0], count[1]}};
    const ImageTable& kernels = image_kernels(isa);
    float* sum = sums.array.mutable_data();
    const int tile = tile_of(height), tiles[2] = {(count[0] + tile - 1) / tile, (count[1] + tile - 1) / tile};
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        AlignedFloats room(static_cast<size_t>(BLOCK * shape.height()));
        int item;
        while (queue.take(tiles[0] * tiles[1], item)) {
            const int from[2] = {item % tiles[0] * tile, item / tiles[0] * tile};
            const int to[2] = {std::min(count[0], from[0] + tile), std::min(count[1], from[1] + tile)};
            kernels.backproject(job, from, to, sum, height, room.data.get());
        }
    });
}

// Parallel views (count, rows, places) out of fans (views, rows, columns): `at` (count,) the views whose central rays they hold.
void rebin_views(const Floats& images, const Doubles& at, const Doubles& lag, const Integers& column, const Floats& share, InPlace<float> out, int threads,
                 const std::string& isa) {
    if (images.ndim() != 3 || out.array.ndim() != 3) throw std::invalid_argument("rebinning: images have 3 axes");
    const FanRebinning job = {static_cast<int32_t>(images.shape(0)), static_cast<int32_t>(images.shape(1)), static_cast<int32_t>(images.shape(2)), static_cast<int32_t>(column.size()),
                              images.data(), lag.data(), column.data(), share.data()};
    if (job.views < TAPS || lag.size() != job.columns || share.size() != column.size() * TAPS || out.array.shape(0) != at.size() || out.array.shape(1) != job.rows
        || out.array.shape(2) != job.places)
        throw std::invalid_argument("rebinning: shapes do not match");
    for (py::ssize_t p = 0; p < column.size(); p++)
        if (column.data()[p] < 0 || column.data()[p] > job.columns - TAPS) throw std::invalid_argument("rebinning: a column that is not there");
    const ImageTable& kernels = image_kernels(isa);
    const double* view = at.data();
    float* to = out.array.mutable_data();
    const int count = static_cast<int>(at.size());
    const int64_t pixels = static_cast<int64_t>(job.rows) * job.places;
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        AlignedFloats room(static_cast<size_t>((TAPS + 2) * job.columns));
        int item;
        while (queue.take(count, item)) kernels.rebin_view(job, view[item], room.data.get(), to + item * pixels);
    });
}

// Adds parallel filtered views to sums (b, a, height). angles: (angles, 6) across (3) and ahead (3); turns: (angles + 1,) the first of each angle's half turns;
// heights, opposite: of the half turns; scan: radius, field, lift, first, per_mm, row, per_tangent, flat_share, start, step.
void backproject_helix(const Floats& filtered, const Doubles& angles, const Integers& turns, const Doubles& heights, const Integers& opposite, const std::vector<double>& scan,
                       int rows, int places, bool flat, InPlace<float> sums, int threads, const std::string& isa) {
    const FilteredShape shape = {rows, places};
    const int64_t height = sums.array.shape(2), views = heights.size();
    if (angles.ndim() != 2 || angles.shape(1) != 6 || turns.size() != angles.shape(0) + 1 || opposite.size() != views || filtered.size() != views * shape.view() || scan.size() != 10
        || sums.array.ndim() != 3 || height % VOXELS_AT_ONCE)
        throw std::invalid_argument("helix: shapes do not match");
    std::vector<ParallelAngle> angle;
    std::vector<HalfTurn> turn;
    int most = 0;
    for (int64_t i = 0; i < angles.shape(0); i++) {
        const double* a = angles.data() + i * 6;
        const int first = turns.data()[i], last = turns.data()[i + 1];
        if (first < 0 || last < first || last > views) throw std::invalid_argument("helix: half turns that are not there");
        angle.push_back({{a[0], a[1], a[2]}, {a[3], a[4], a[5]}, first, last});
        most = std::max(most, last - first);
    }
    for (int64_t k = 0; k < views; k++) turn.push_back({filtered.data() + k * shape.view(), heights.data()[k], opposite.data()[k]});
    const int count[2] = {static_cast<int>(sums.array.shape(1)), static_cast<int>(sums.array.shape(0))};
    const HelicalBackprojection job = {shape, flat, scan[0], scan[1], scan[2], scan[3], scan[4], scan[5], scan[6], scan[7], scan[8], scan[9], static_cast<int32_t>(angle.size()), most,
                                       angle.data(), turn.data(), {static_cast<int32_t>(height), count[0], count[1]}};
    const ImageTable& kernels = image_kernels(isa);
    float* sum = sums.array.mutable_data();
    const int tile = tile_of(height), tiles[2] = {(count[0] + tile - 1) / tile, (count[1] + tile - 1) / tile};
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        AlignedFloats room(static_cast<size_t>(std::max(1, most) * shape.height()));
        std::vector<TurnSight> sights(static_cast<size_t>(std::max(1, most)));
        int item;
        while (queue.take(tiles[0] * tiles[1], item)) {
            const int from[2] = {item % tiles[0] * tile, item / tiles[0] * tile};
            const int to[2] = {std::min(count[0], from[0] + tile), std::min(count[1], from[1] + tile)};
            kernels.backproject_helix(job, from, to, sum, height, room.data.get(), sights.data());
        }
    });
}

void bind_reconstruct(py::module_& m) {
    m.attr("FILTERED_MARGIN") = MARGIN;
    m.attr("FILTERED_ROWS") = ROWS_AT_ONCE;
    m.def("filter_views", &filter_views);
    m.def("backproject_views", &backproject_views);
    m.attr("REBINNING_TAPS") = TAPS;
    m.def("rebin_views", &rebin_views);
    m.def("backproject_helix", &backproject_helix);
}

}  // namespace
