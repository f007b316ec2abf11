// Scatter images for Python: checked by physsim.transport.scatter_image.
#pragma once
#include <map>

#include "launch/bind_fields.h"
#include "launch/bind_physics.h"
#include "launch/scatter.h"
#include "launch/team.h"

namespace {

template <typename T>
void take_three(const py::dict& fields, const char* name, T (&out)[3]) {
    const auto values = fields[name].cast<std::array<T, 3>>();
    std::copy(values.begin(), values.end(), out);
}

// words: (z + 2, y + 2, x + 2) int32 of packed_voxels.h.
PackedVoxels packed_voxels_of(const py::array_t<int32_t, py::array::c_style>& words, const std::array<float, 3>& voxel_cm, int32_t materials) {
    if (words.ndim() != 3) throw std::invalid_argument("packed voxels must have three axes (z, y, x)");
    PackedVoxels voxels = {};
    for (int a = 0; a < 3; a++) {
        voxels.shape[a] = static_cast<int32_t>(words.shape(2 - a)) - 2;
        voxels.voxel_cm[a] = voxel_cm[static_cast<size_t>(a)];
        voxels.voxels_per_cm[a] = 1.0f / voxels.voxel_cm[a];
        voxels.size_cm[a] = voxels.voxel_cm[a] * static_cast<float>(voxels.shape[a]);
    }
    voxels.word = words.data(), voxels.materials = materials;
    return voxels;
}

ScatterSource scatter_source_of(const py::dict& fields) {
    ScatterSource source = {};
    take_three(fields, "position", source.position);
    take_three(fields, "across", source.across);
    take_three(fields, "along", source.along);
    take_three(fields, "forward", source.forward);
    const auto low = fields["low"].cast<std::array<double, 2>>(), high = fields["high"].cast<std::array<double, 2>>();
    for (size_t a = 0; a < 2; a++) source.low[a] = low[a], source.high[a] = high[a];
    source.solid_angle = fields["solid_angle"].cast<double>(), source.plane_cm = fields["plane_cm"].cast<double>();
    const auto spot = fields["spot"].cast<std::array<double, 2>>();
    const auto cumulative = table_array<float>(fields, "cumulative", 3), x_quantile = table_array<float>(fields, "x_quantile", 1);
    const auto low_kev = table_array<float>(fields, "low_kev", 1), width_kev = table_array<float>(fields, "width_kev", 1);
    if (cumulative.size() == 0 || x_quantile.size() < 2 || low_kev.size() != cumulative.shape(2) || width_kev.size() != low_kev.size())
        throw std::invalid_argument("the spectrum's arrays must have one length");
    for (size_t a = 0; a < 2; a++) source.spot[a] = spot[a], source.nodes[a] = static_cast<int32_t>(cumulative.shape(1 - static_cast<int>(a)));
    source.energy_bins = static_cast<int32_t>(low_kev.size());
    source.cumulative = cumulative.data(), source.low_kev = low_kev.data(), source.width_kev = width_kev.data();
    source.x_quantile = x_quantile.data(), source.x_nodes = static_cast<int32_t>(x_quantile.size()) - 1;
    if (fields.contains("row_share")) {
        const auto rows = table_array<float>(fields, "row_share", 1), cells = table_array<float>(fields, "cell_share", 2);
        if (rows.size() == 0 || cells.shape(0) != rows.size() || cells.shape(1) != rows.size()) throw std::invalid_argument("cell_share must be (n, n) for n rows");
        source.field_cells = static_cast<int32_t>(rows.size());
        source.row_share = rows.data(), source.cell_share = cells.data();
    }
    return source;
}

// `grid`: None, or the fields of anti_scatter_grid.h; `response`: None, or those of detector_response.h.
void take_detector(const py::dict& fields, ScatterDetector& detector) {
    take_three(fields, "centre", detector.centre);
    take_three(fields, "u", detector.u);
    take_three(fields, "v", detector.v);
    take_three(fields, "normal", detector.normal);
    detector.radius_cm = fields["radius_cm"].cast<float>();
    if (!fields["grid"].is_none()) detector.grid = anti_scatter_grid_of(Fields(fields["grid"].cast<py::dict>()));
    if (fields["response"].is_none()) return;
    const auto response = fields["response"].cast<py::dict>();
    const auto share = table_array<float>(response, "share", 2);
    if (share.shape(0) < 2 || share.shape(1) < 2) throw std::invalid_argument("a response has two energies and two cosines at least");
    detector.response = {share.data(), static_cast<int32_t>(share.shape(0)), static_cast<int32_t>(share.shape(1)),
                         response["energy_low"].cast<float>(), response["per_kev"].cast<float>()};
}

ScatterTargets scatter_targets_of(const py::dict& fields, const Floats& column, const Floats& row) {
    if (column.size() % 16 || row.size() != column.size()) throw std::invalid_argument("pixels must come in sixteens");
    ScatterTargets targets = {};
    take_detector(fields, targets);
    targets.column = column.data(), targets.row = row.data();
    return targets;
}

// Adds the estimates of points first ..< first + count of every replicate to sums (replicates, 2, pixels), keV/cm2 a point.
void single_scatter(const py::array_t<int32_t, py::array::c_style>& words, const std::array<float, 3>& voxel_cm, const py::dict& tables,
                    const py::dict& source, const py::dict& targets, const Floats& column, const Floats& row, uint64_t seed, uint32_t stream,
                    uint32_t first, int32_t count, InPlace<double> sums, int threads, const std::string& isa) {
    const ScatterJob job = [&] {
        const PhotonTables photon_tables = photon_tables_of(tables);
        if (photon_tables.materials > MOST_PACKED_MATERIALS) throw std::invalid_argument("too many materials");
        return ScatterJob{packed_voxels_of(words, voxel_cm, photon_tables.materials), photon_tables, scatter_source_of(source), scatter_targets_of(targets, column, row)};
    }();
    const int pixels = static_cast<int>(column.size()), replicates = static_cast<int>(sums.array.shape(0));
    if (sums.array.ndim() != 3 || sums.array.shape(1) != 2 || sums.array.shape(2) != pixels) throw std::invalid_argument("sums have another shape");
    const ScatterKernels kernels = isa == "scalar" ? scalar::scatter_kernels : kernels_named(isa).scatter;
    double* out = sums.array.mutable_data();
    py::gil_scoped_release release;
    const int32_t stride = rounded_materials(job.voxels.materials);
    std::vector<Collision> collisions(static_cast<size_t>(replicates) * static_cast<size_t>(count));
    std::vector<float> attenuation(collisions.size() * static_cast<size_t>(stride));
    Team team(threads);
    Queue births, groups;
    team.run([&](int) {
        std::vector<float> room(static_cast<size_t>(stride) * 16 + 16);
        float* areal = room.data() + (16 - reinterpret_cast<uintptr_t>(room.data()) / sizeof(float) % 16) % 16;
        int item;
        while (births.take(replicates, item)) {
            const size_t at = static_cast<size_t>(item) * static_cast<size_t>(count);
            const SobolPoints points = scalar::sobol_points(seed, stream, static_cast<uint32_t>(item), false);
            kernels.collide(job, points, first, count, collisions.data() + at, attenuation.data() + at * static_cast<size_t>(stride));
        }
        team.barrier();
        while (groups.take(replicates * (pixels / 16), item)) {
            const int replicate = item / (pixels / 16);
            const size_t at = static_cast<size_t>(replicate) * static_cast<size_t>(count);
            double* compton = out + static_cast<int64_t>(replicate) * 2 * pixels;
            kernels.detect(job, collisions.data() + at, attenuation.data() + at * static_cast<size_t>(stride), count, item % (pixels / 16) * 16, areal, compton,
                           compton + pixels);
        }
    });
}

// The first `count` points of a replicate, (count, SOBOL_DIMENSIONS).
Doubles sobol_array(uint64_t seed, uint32_t stream, uint32_t replicate, bool plain, uint32_t count) {
    Doubles out({static_cast<py::ssize_t>(count), static_cast<py::ssize_t>(SOBOL_DIMENSIONS)});
    const SobolPoints points = scalar::sobol_points(seed, stream, replicate, plain);
    for (uint32_t n = 0; n < count; n++)
        for (int32_t d = 0; d < SOBOL_DIMENSIONS; d++) *out.mutable_data(n, d) = scalar::sobol(points, d, n);
    return out;
}

void bind_scatter(py::module_& m) {
    m.def("single_scatter", &single_scatter);
    m.def("sobol_points", &sobol_array);
}

}  // namespace
