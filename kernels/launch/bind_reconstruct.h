// Filtered backprojection for Python. Arrays are checked by physsim.imaging.reconstruction.
#pragma once
#include "launch/aligned.h"
#include "launch/bind_fields.h"
#include "launch/bind_image.h"

namespace {

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
        AlignedFloats room(static_cast<size_t>(VIEWS_AT_ONCE * shape.height()));
        int item;
        while (queue.take(tiles[0] * tiles[1], item)) {
            const int from[2] = {item % tiles[0] * tile, item / tiles[0] * tile};
            const int to[2] = {std::min(count[0], from[0] + tile), std::min(count[1], from[1] + tile)};
            kernels.backproject(job, from, to, sum, height, room.data.get());
        }
    });
}

void bind_reconstruct(py::module_& m) {
    m.attr("FILTERED_MARGIN") = MARGIN;
    m.attr("FILTERED_ROWS") = ROWS_AT_ONCE;
    m.def("filter_views", &filter_views);
    m.def("backproject_views", &backproject_views);
}

}  // namespace
