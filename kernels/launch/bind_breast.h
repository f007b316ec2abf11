// Breasts to voxels for Python. Arrays are checked by physsim.body.breast.
#pragma once
#include "launch/bind_body.h"

namespace {

using Words = py::array_t<uint32_t, py::array::c_style>;

BreastRecipe breast_recipe_of(const Fields& fields) {
    BreastRecipe r = {};
    const auto number = [&](const char* name) { return fields.number<float>(name); };
    r.half = number("half"), r.nipple_x = number("nipple_x"), r.nipple_y = number("nipple_y"), r.nipple_radius = number("nipple_radius");
    r.height = number("height"), r.skin = number("skin"), r.threshold = number("threshold"), r.blur = number("blur");
    fields.fill("fill", r.fill), fields.fill("walls", r.walls), fields.fill("share", r.share);
    r.spread = number("spread"), r.offset = number("offset"), r.loose = number("loose"), r.texture = number("texture");
    r.grain = number("grain"), r.strand = number("strand"), r.dome = fields.number<bool>("dome");
    return r;
}

BreastCells breast_cells_of(const Fields& fields) {
    BreastCells cells = {};
    cells.pitch = fields.number<float>("pitch"), cells.seeds = fields.array<float>("seeds"), cells.names = fields.array<uint32_t>("names");
    fields.fill("first", cells.first), fields.fill("shape", cells.shape);
    return cells;
}

BreastJob breast_job_of(const Fields& fields) {
    BreastJob job = {};
    job.recipe = breast_recipe_of(fields.of("recipe"));
    job.cells[0] = breast_cells_of(fields.of("lobules")), job.cells[1] = breast_cells_of(fields.of("lobulettes"));
    job.depth = fields.array<float>("depth"), job.wall = fields.array<float>("wall"), job.nodes = fields.array<float>("nodes"), job.tile = fields.array<float>("tile");
    job.segments = fields.array<float>("segments"), job.ellipsoids = fields.array<float>("ellipsoids");
    job.bin_first = fields.array<int64_t>("bin_first"), job.bin_members = fields.array<int64_t>("bin_members");
    for (int axis = 0; axis < 2; axis++) job.depth_shape[axis] = static_cast<int32_t>(fields.voxels("depth").shape(axis));
    for (int axis = 0; axis < 3; axis++) job.node_shape[axis] = static_cast<int32_t>(fields.voxels("nodes").shape(axis));
    job.ellipsoids_count = static_cast<int32_t>(fields.voxels("ellipsoids").shape(0));
    fields.fill("depth_origin", job.depth_origin), fields.fill("node_origin", job.node_origin), fields.fill("node_step", job.node_step);
    job.depth_step = fields.number<float>("depth_step"), job.spacing = fields.number<float>("spacing"), job.y0 = fields.number<float>("y0");
    job.part = fields.number<int32_t>("part"), job.mirror = fields.number<bool>("mirror");
    fields.fill("brick", job.brick);
    return job;
}

// labels (slices, ny, nx) of the slices from `begin` on and organs (likewise, or 0 slices) are filled; carry (ny, nx) and volumes
// (strips, organs, parts) are added to. Returns whether each brick had room for its cells.
bool paint_breast(const py::dict& fields, int begin, InPlace<uint8_t> labels, InPlace<uint8_t> organs, InPlace<float> carry, InPlace<double> volumes, int threads,
                  const std::string& isa) {
    BreastJob job = breast_job_of(Fields(fields));
    job.begin = begin, job.end = begin + static_cast<int32_t>(labels.array.shape(0));
    job.ny = static_cast<int32_t>(labels.array.shape(1)), job.nx = static_cast<int32_t>(labels.array.shape(2));
    const int strips = (job.ny + job.brick[1] - 1) / job.brick[1], columns = (job.part * job.part * job.brick[1] * job.brick[2] + 15) / 16 * 16;
    if (carry.array.shape(0) != job.ny || carry.array.shape(1) != job.nx || volumes.array.shape(0) != strips) throw std::invalid_argument("carry (ny, nx) and volumes (strips, ..) must fit labels");
    if (columns > BREAST_COLUMNS || columns * job.part * job.brick[0] > BREAST_SAMPLES) throw std::invalid_argument("bricks must hold at most 2048 samples in 256 columns");
    job.labels = labels.array.mutable_data(), job.organs = organs.array.shape(0) ? organs.array.mutable_data() : nullptr;
    job.carry = carry.array.mutable_data(), job.volumes = volumes.array.mutable_data();
    const BreastTable& kernels = body_kernels(isa).breast;
    py::gil_scoped_release release;
    const size_t row = static_cast<size_t>(job.node_shape[2] * BREAST_CHANNELS + 16);
    std::atomic<bool> room{true};
    Queue queue;
    Team(std::max(1, std::min(threads, strips))).run([&](int) {
        AlignedFloats own(kernels.room_bytes / sizeof(float) + 16), profile(row * BREAST_COLUMNS), rows(row * 16);
        int strip;
        while (room && queue.take(strips, strip))
            if (!kernels.paint_strip(job, strip, own.data.get(), profile.data.get(), rows.data.get())) room = false;
    });
    return room;
}

// Runs work(first, count) over `total` things, some thousand at a time, on threads.
template <typename Work>
void over_pieces(int64_t total, int threads, const Work& work) {
    constexpr int64_t PIECE = 1 << 14;
    const int pieces = static_cast<int>((total + PIECE - 1) / PIECE);
    Queue queue;
    Team(std::max(1, std::min(threads, pieces))).run([&](int) {
        int piece;
        while (queue.take(pieces, piece)) work(piece * PIECE, std::min(PIECE, total - piece * PIECE));
    });
}

// values (n): a field of octaves (count, 5) at points (n, 3); see kernels/breast/noise.h.
void breast_field(const Floats& lattice, const Floats& points, const Floats& octaves, InPlace<float> values, int threads, const std::string& isa) {
    if (lattice.size() != 64 * 64 * 67 || values.array.size() * 3 != points.size()) throw std::invalid_argument("lattice must be (64, 64, 67), values as many as the points");
    const BreastTable& kernels = body_kernels(isa).breast;
    const float *table = lattice.data(), *from = points.data(), *own = octaves.data();
    float* out = values.array.mutable_data();
    const int32_t count = static_cast<int32_t>(octaves.shape(0));
    const int64_t total = values.array.size();
    py::gil_scoped_release release;
    over_pieces(total, threads, [&](int64_t first, int64_t n) { kernels.field_values(table, from + 3 * first, n, own, count, out + first); });
}

// values (n) of the periodic tile (128, 128, 128) at points (n, 3) in cells.
void breast_tile(const Floats& tile, const Floats& points, InPlace<float> values, int threads, const std::string& isa) {
    if (tile.size() != 128 * 128 * 128 || values.array.size() * 3 != points.size()) throw std::invalid_argument("tile must be (128, 128, 128), values as many as the points");
    const BreastTable& kernels = body_kernels(isa).breast;
    const float *table = tile.data(), *from = points.data();
    float* out = values.array.mutable_data();
    const int64_t total = values.array.size();
    py::gil_scoped_release release;
    over_pieces(total, threads, [&](int64_t first, int64_t n) { kernels.tile_values(table, from + 3 * first, n, out + first); });
}

// seeds (nz, ny, nx, 4) and names (nz, ny, nx) of cells from the one numbered `first` (u, v, w) on.
void breast_cells(float pitch, const std::array<int32_t, 3>& first, uint32_t key, InPlace<float> seeds, InPlace<uint32_t> names, const std::string& isa) {
    const auto shape = [&](int axis) { return static_cast<int32_t>(names.array.shape(axis)); };
    const int32_t counts[3] = {shape(0), shape(1), shape(2)};
    if (seeds.array.size() != 4 * names.array.size()) throw std::invalid_argument("seeds must be four a name");
    body_kernels(isa).breast.make_cells(pitch, first.data(), counts, key, seeds.array.mutable_data(), names.array.mutable_data());
}

// depth (ny, nx): signed distance to a curve (points, 2) of the places from (x0, y0) on; see kernels/breast/outline.h.
void breast_outline(const Doubles& curve, const Doubles& closed, double x0, double y0, double step, InPlace<float> depth, int threads, const std::string& isa) {
    const BreastTable& kernels = body_kernels(isa).breast;
    const int rows = static_cast<int>(depth.array.shape(0)), count = static_cast<int>(depth.array.shape(1));
    const int points = static_cast<int>(curve.shape(0)), corners = static_cast<int>(closed.shape(0));
    const double *line = curve.data(), *polygon = closed.data();
    float* out = depth.array.mutable_data();
    py::gil_scoped_release release;
    Queue queue;
    Team(std::max(1, std::min(threads, rows))).run([&](int) {
        std::vector<double> best(static_cast<size_t>(count)), sign(static_cast<size_t>(count));
        int row;
        while (queue.take(rows, row))
            kernels.outline_row(line, points, polygon, corners, x0, y0 + row * step, step, count, best.data(), sign.data(), out + int64_t{row} * count);
    });
}

// Labels of the voxels of one column, from fractions (n, 5): covered, skin, muscle, blood, gland; and what is left over.
py::tuple breast_column(const Floats& fractions, float left, const std::string& isa) {
    py::array_t<int32_t> labels(fractions.shape(0));
    body_kernels(isa).breast.labels_of_column(fractions.data(), fractions.shape(0), labels.mutable_data(), &left);
    return py::make_tuple(labels, left);
}

void bind_breast(py::module_& m) {
    m.def("paint_breast", &paint_breast);
    m.def("breast_field", &breast_field);
    m.def("breast_tile", &breast_tile);
    m.def("breast_cells", &breast_cells);
    m.def("breast_outline", &breast_outline);
    m.def("breast_column", &breast_column);
}

}  // namespace
