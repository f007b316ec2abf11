// Spectral projection for Python: arrays in, arrays out. Arrays are checked by physsim.transport.spectral.
#pragma once
#include "launch/bind_mesh.h"
#include "launch/overlay.h"
#include "launch/spectral.h"
#include "raytrace/fewest.h"
#include "raytrace/interpolative.h"
#include "raytrace/singular.h"

namespace {

using Ints = py::array_t<int32_t, py::array::c_style>;

Volume optional_volume(const py::object& array, const std::array<double, 3>& spacing) {
    if (!array.is_none()) return volume_of(array.cast<py::array>(), spacing);
    Volume none = {};
    return none;
}

// (65536) uint8 flags of the labels that occur, least and greatest density, whether all densities are finite.
py::tuple survey(const py::array& labels, const py::object& density, int threads) {
    const std::array<double, 3> spacing = {1.0, 1.0, 1.0};
    const Volume names = volume_of(labels, spacing), relative = optional_volume(density, spacing);
    py::array_t<uint8_t> present(65536);
    std::fill(present.mutable_data(), present.mutable_data() + 65536, uint8_t{0});
    const KernelTable& kernels = kernels_named("");
    std::vector<std::vector<uint8_t>> flags(static_cast<size_t>(threads), std::vector<uint8_t>(65536, 0));
    std::vector<Survey> surveys;
    for (auto& flag : flags) surveys.push_back({flag.data(), 1e38f, -1e38f, true});
    {
        py::gil_scoped_release release;
        Queue queue;
        Team(threads).run([&](int thread) {
            int layer;
            while (queue.take(names.shape[2], layer)) kernels.spectral.survey(names, relative, layer, surveys[static_cast<size_t>(thread)]);
        });
    }
    Survey all = surveys[0];
    for (const Survey& one : surveys) {
        for (int i = 0; i < 65536; i++) present.mutable_data()[i] |= one.present[i];
        all.low = std::min(all.low, one.low), all.high = std::max(all.high, one.high), all.finite = all.finite && one.finite;
    }
    return py::make_tuple(present, all.low, all.high, all.finite);
}

// Of an overlay: labels, density or None, and the rays in its own voxel coordinates.
using PatchArrays = std::tuple<py::array, py::object, Doubles, Doubles, Doubles, Doubles>;

// Adds to image (views, rows, columns) what a patch of voxels changes where it replaces the volume under its box.
void replace_patch(const py::array& volume, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
                   const py::array& patch, Doubles patch_start, Doubles patch_end, Doubles patch_start_row, Doubles patch_end_row, InPlace<float> pixels_out, int threads) {
    Floats& image = pixels_out.array;
    const Volume body = volume_of(volume, spacing), finer = volume_of(patch, spacing);
    const Rays rays = {start, end, start_row, end_row, true}, inside = {patch_start, patch_end, patch_start_row, patch_end_row, true};
    const int views = static_cast<int>(image.shape(0)), rows = static_cast<int>(image.shape(1)), columns = static_cast<int>(image.shape(2));
    float* pixels = image.mutable_data();
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        int item;
        while (queue.take(views * columns, item)) {
            const int view = item / columns;
            replace_covered(body, finer, rays.view(view, rows), inside.view(view, rows), item % columns,
                            pixels + static_cast<int64_t>(view) * rows * columns);
        }
    });
}

struct Maps {  // (1 or views, rows, columns) float32, or None
    Floats map;
    const float* of(py::ssize_t view) const { return map.ndim() != 3 ? nullptr : map.data(map.shape(0) == 1 ? 0 : view, 0, 0); }
};
Maps maps_of(const py::object& map) { return {map.is_none() ? Floats() : map.cast<Floats>()}; }

// material: (labels) int32 number among the present; coefficient: (channels, present padded to 32) or None; attenuation: (energies, channels);
// weights: (outputs, 1 or columns, nodes, energies); signal: (views, outputs, rows, columns) or None; areal: (views, materials, rows, columns) or None, with
// table and areal_scale (present).
void project_spectral_arrays(const py::array& labels, const py::object& density, const std::array<double, 3>& spacing, Doubles start, Doubles end,
                             Doubles start_row, Doubles end_row, bool flat, const std::vector<int>& along, int rows, Ints material, int label_bits,
                             bool dithered, float units, int present, const py::object& coefficient, std::vector<uint8_t> weightless, Floats attenuation, Floats weights,
                             const py::object& position, const py::object& factor, std::optional<InPlace<float>> signal, std::optional<InPlace<float>> areal, Ints table,
                             Floats areal_scale, const std::vector<PatchArrays>& overlays, const std::optional<MeshArrays>& meshes, int threads, const std::string& isa) {
    const Rays rays = {start, end, start_row, end_row, flat};
    SpectralJob job = {};
    job.kernels = &kernels_named(isa);
    job.labels = volume_of(labels, spacing), job.density = optional_volume(density, spacing);
    job.format = {material.data(), label_bits, dithered, units};
    const Floats coefficients = coefficient.is_none() ? Floats() : coefficient.cast<Floats>();
    const bool basis = !coefficient.is_none();
    job.channels = {basis ? static_cast<int32_t>(coefficients.shape(0)) : present, present, label_bits, 1.0f / units,
                    basis ? static_cast<int32_t>(coefficients.shape(1)) : 0, basis ? coefficients.data() : nullptr};
    job.signal = {static_cast<int32_t>(weights.shape(0)), static_cast<int32_t>(weights.shape(1)), static_cast<int32_t>(weights.shape(2)),
                  static_cast<int32_t>(weights.shape(3)), attenuation.data(), weights.data()};
    job.weightless = weightless;
    job.threads = threads;
    const Maps positions = maps_of(position), factors = maps_of(factor);
    std::vector<SpectralView> parts[4];
    for (py::ssize_t v = 0; v < static_cast<py::ssize_t>(along.size()); v++) {
        const int w = along[static_cast<size_t>(v)];
        const ViewImages images = {signal ? signal->array.mutable_data(v, 0, 0, 0) : nullptr, areal ? areal->array.mutable_data(v, 0, 0, 0) : nullptr,
                                   table.data(), areal_scale.data(), positions.of(v), factors.of(v), end.shape(1), 0};
        add_parts(parts[w + 1], rays.view(v, rows), flat, w, job.labels.spacing, images, static_cast<int>(v), job.channels.count);
    }
    std::vector<SpectralPatch> patches;
    for (const auto& [names, relative, patch_start, patch_end, patch_start_row, patch_end_row] : overlays) {
        SpectralPatch patch = {volume_of(names, spacing), optional_volume(relative, spacing), {}};
        const Rays inside = {patch_start, patch_end, patch_start_row, patch_end_row, flat};
        for (py::ssize_t v = 0; v < patch_end.shape(0); v++) patch.rays.push_back(inside.view(v, rows));
        patches.push_back(patch);
    }
    LaidMeshes laid;
    if (meshes) laid_from(*meshes, laid);
    if (meshes || !patches.empty())
        job.amend = [&](const SpectralView& view, int from, int to) {
            for (const SpectralPatch& patch : patches) replace_covered(job, patch, view, from, to);
            if (meshes) replace_under_meshes(job, laid, view, from, to);
        };
    {
        py::gil_scoped_release release;
        for (int w = -1; w < 3; w++)
            if (!parts[w + 1].empty()) project_spectral(job, w, parts[w + 1]);
    }
    refuse_lost(laid);
}

// Left vectors times singular values (rows, count) and right vectors (count, columns) of a matrix, greatest first.
py::tuple singular_vectors(Doubles matrix) {
    const int rows = static_cast<int>(matrix.shape(0)), columns = static_cast<int>(matrix.shape(1)), count = std::min(rows, columns);
    Doubles left({rows, count}), right({count, columns});
    singular(matrix.data(), rows, columns, left.mutable_data(), right.mutable_data());
    return py::make_tuple(left, right);
}

// Numbers of the columns that give the others, and how: (columns chosen) and (columns chosen, columns).
py::tuple interpolative_columns(Doubles matrix, double tolerance) {
    std::vector<int64_t> chosen;
    std::vector<double> transfer;
    interpolative(matrix.data(), static_cast<size_t>(matrix.shape(0)), static_cast<size_t>(matrix.shape(1)), tolerance, chosen, transfer);
    py::array_t<int64_t> numbers(static_cast<py::ssize_t>(chosen.size()));
    Doubles rows({static_cast<py::ssize_t>(chosen.size()), matrix.shape(1)});
    std::copy(chosen.begin(), chosen.end(), numbers.mutable_data());
    std::copy(transfer.begin(), transfer.end(), rows.mutable_data());
    return py::make_tuple(numbers, rows);
}

// Numbers of columns of `matrix` (rows, columns) that suffice for `wanted` (rows, targets), and their weights (columns kept, targets).
py::tuple fewest(Doubles matrix, Doubles wanted, double tolerance) {
    const FewestColumns few = fewest_columns(matrix.data(), wanted.data(), static_cast<size_t>(matrix.shape(0)), static_cast<size_t>(matrix.shape(1)),
                                             static_cast<size_t>(wanted.shape(1)), tolerance);
    py::array_t<int64_t> numbers(static_cast<py::ssize_t>(few.kept.size()));
    Doubles weights({static_cast<py::ssize_t>(few.kept.size()), wanted.shape(1)});
    std::copy(few.kept.begin(), few.kept.end(), numbers.mutable_data());
    std::copy(few.weights.begin(), few.weights.end(), weights.mutable_data());
    return py::make_tuple(numbers, weights);
}

void bind_spectral(py::module_& m) {
    m.def("survey", &survey);
    m.def("project_spectral", &project_spectral_arrays);
    m.def("replace_patch", &replace_patch);
    bind_mesh(m);
    m.def("singular_vectors", &singular_vectors);
    m.def("interpolative", &interpolative_columns);
    m.def("fewest_columns", &fewest);
}

}  // namespace
