// Bodies to voxels for Python. Arrays are checked by physsim.body.painter.
#pragma once
#include "launch/bind_fields.h"
#include "launch/body_room.h"
#include "launch/body_table.h"

namespace {

const BodyTable& body_kernels(const std::string& isa) {
    const std::string name = kernels_named(isa).name;
    return name == "avx512" ? body_avx512() : name == "avx2" ? body_avx2() : body_baseline();
}

BodyTables body_tables_of(const Fields& fields) {
    BodyTables t = {};
    t.code = fields.array<int32_t>("code"), t.data = fields.array<float>("data");
    t.frame_int = fields.array<int32_t>("frame_int"), t.frame_float = fields.array<float>("frame_float");
    t.structure_int = fields.array<int32_t>("structure_int"), t.structure_float = fields.array<float>("structure_float");
    t.layer_int = fields.array<int32_t>("layer_int"), t.layer_float = fields.array<float>("layer_float");
    t.material_density = fields.array<float>("material_density");
    const auto rows = [&](const char* name) { return static_cast<int32_t>(fields.voxels(name).shape(0)); };
    t.frames = rows("frame_int"), t.structures = rows("structure_int"), t.materials = rows("material_density");
    t.organs = fields.number<int32_t>("organs"), t.fields = fields.number<int32_t>("fields"), t.parts = fields.number<int32_t>("parts");
    t.registers = fields.number<int32_t>("registers"), t.longest = fields.number<int32_t>("longest");
    return t;
}

BodyMoves body_moves_of(const Fields& fields, int32_t structures) {
    BodyMoves moves = {};
    moves.medium = fields.array<int32_t>("medium"), moves.thins = fields.array<int32_t>("thins");
    moves.rigid = fields.array<float>("rigid");
    const auto lattice = [&](const char* values, const char* place, BodyLattice& of) {
        of.values = fields.array<float>(values), of.place = fields.array<float>(place);
        const py::array array = fields.voxels(values);
        for (int a = 0; a < 3; a++) of.shape[a] = static_cast<int32_t>(array.shape(a + 1));
        return static_cast<int32_t>(array.shape(0));
    };
    moves.media = lattice("lattice", "place", moves.outer);
    moves.twice = lattice("inner", "inner_place", moves.inner) > 0;
    for (int32_t s = 0; s < structures; s++) moves.moving |= moves.medium[s] >= 0;
    return moves;
}

// labels, organs (nz, ny, nx) uint8 or uint16, density float16 or float32, are filled. `job`: affine (12) and extent (7), float32, voxel,
// lattice (3, z, y, x) float32 or None; `reach`: (segments, 6) voxel indices. Returns sums (materials, organs) of volume and of relative
// mass in fixed-point voxels.
py::tuple paint_body(const py::dict& tables, const py::dict& moves, const py::dict& job, const Floats& reach, py::array labels, py::array organs, py::array density,
                     int threads, const std::string& isa) {
    const Fields fields(job);
    const BodyTables t = body_tables_of(Fields(tables));
    const BodyMoves motion = body_moves_of(Fields(moves), t.structures);
    PaintJob paint = {};
    for (const py::array& array : {labels, organs, density})
        if (array.ndim() != 3 || !(array.flags() & py::array::c_style) || !array.writeable()) throw std::invalid_argument("arrays must be (z, y, x) in C order, writeable");
    for (int a = 0; a < 3; a++) {
        paint.shape[a] = static_cast<int32_t>(labels.shape(a));
        if (organs.shape(a) != labels.shape(a) || density.shape(a) != labels.shape(a)) throw std::invalid_argument("labels, organs and density must have one shape");
    }
    std::copy_n(fields.array<float>("affine"), 12, paint.affine);
    std::copy_n(fields.array<float>("extent"), BODY_BOX, paint.extent);
    paint.voxel = fields.number<float>("voxel");
    paint.lattice = fields.array<float>("lattice");
    if (paint.lattice)
        for (int a = 0; a < 3; a++) paint.nodes[a] = static_cast<int32_t>(fields.voxels("lattice").shape(a + 1));
    paint.labels = labels.mutable_data(), paint.organs = organs.mutable_data(), paint.density = density.mutable_data();
    paint.label_bytes = static_cast<int32_t>(labels.itemsize()), paint.organ_bytes = static_cast<int32_t>(organs.itemsize());
    paint.density_bytes = static_cast<int32_t>(density.itemsize());
    const int64_t sums = int64_t{t.materials} * t.organs;
    py::array_t<int64_t> volumes({t.materials, t.organs}), masses({t.materials, t.organs});
    int64_t *volume = volumes.mutable_data(), *mass = masses.mutable_data();
    std::fill(volume, volume + sums, 0), std::fill(mass, mass + sums, 0);
    const BodyTable& kernels = body_kernels(isa);
    {
        py::gil_scoped_release release;
        const SegmentsOfBricks near(reach.data(), reach.shape(0), paint.shape);
        const BranchLists lists = {near.first.data(), near.members.data()};
        const int edge_y = kernels.group * BRICK_Y, edge_z = kernels.group * BRICK_Z;
        const int rows = (paint.shape[1] + edge_y - 1) / edge_y, layers = (paint.shape[0] + edge_z - 1) / edge_z;
        BodyTables distances = t;  // beside a brick nothing is deposited
        distances.materials = distances.organs = 0;
        Queue queue;
        std::mutex adding;
        Team(std::max(1, std::min(threads, rows * layers))).run([&](int) {
            BodyRoom room(t), beside(distances);
            std::vector<int32_t> in_row(2 * static_cast<size_t>(t.structures) + 1);
            int item;
            while (queue.take(rows * layers, item)) kernels.paint_group(paint, t, motion, lists, room.work, beside.work, item % rows, item / rows, in_row.data());
            std::lock_guard<std::mutex> lock(adding);
            for (int64_t n = 0; n < sums; n++) volume[n] += room.work.volumes[n], mass[n] += room.work.masses[n];
        });
    }
    return py::make_tuple(volumes, masses);
}

// values (n) float32 of a register after the program at `at`, at points (n, 3) float32 of the canonical frame (mm).
void body_values(const py::dict& tables, int at, int result, const Floats& points, InPlace<float> values, float margin_mm, const std::string& isa) {
    const BodyTables t = body_tables_of(Fields(tables));
    if (values.array.size() * 3 != points.size()) throw std::invalid_argument("values must be as many as the points");
    float* out = values.array.mutable_data();
    const int64_t count = values.array.size();
    const float* from = points.data();
    const BodyTable& kernels = body_kernels(isa);
    py::gil_scoped_release release;
    BodyRoom room(t);
    kernels.values_at(at, result, from, count, out, margin_mm, t, room.work);
}

// The numbers of the machine's instructions by name.
std::map<std::string, int> body_operations() {
    std::map<std::string, int> found;
    int number = 0;
#define X(name) found[#name] = number++;
    PHYSSIM_BODY_OPERATIONS(X)
#undef X
    return found;
}

void bind_body(py::module_& m) {
    m.def("paint_body", &paint_body);
    m.def("body_values", &body_values);
    m.def("body_operations", &body_operations);
}

}  // namespace
