// Bindings of the adjoint, the Joseph projector and its derivatives; included by cpu.cpp alone.
#pragma once
#include "launch/backproject.h"
#include "launch/joseph.h"

namespace {

// Adds the transpose of `project` applied to image (views, rows, columns) to volume (z, y, x), float32.
void backproject(Floats image, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
                 bool flat, const std::vector<int>& along, InPlace<float> volume, int threads, const std::string& isa) {
    const Volume grid = volume_of(volume.array, spacing);
    const Rays rays = {start, end, start_row, end_row, flat};
    std::vector<Image> views[4];
    for (py::ssize_t v = 0; v < image.shape(0); v++)
        views[along[static_cast<size_t>(v)] + 1].push_back({rays.view(v, static_cast<int>(image.shape(1))), flat, const_cast<float*>(image.data(v, 0, 0))});
    const KernelTable& kernels = kernels_named(isa);
    py::gil_scoped_release release;
    if (!views[0].empty()) backproject_blocks(kernels, kernels.backproject_packets, grid, views[0], threads);
    for (int w = 0; w < 3; w++)
        if (!views[w + 1].empty()) backproject_along(kernels, grid, w, views[w + 1], threads);
}

std::vector<Image> all_views(const Rays& rays, const Floats& image) {
    std::vector<Image> views;
    for (py::ssize_t v = 0; v < image.shape(0); v++)
        views.push_back({rays.view(v, static_cast<int>(image.shape(1))), rays.flat, const_cast<float*>(image.data(v, 0, 0))});
    return views;
}

// As project, with linear interpolation.
void project_joseph_arrays(const py::array& volume, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
                    bool flat, InPlace<float> image, int threads, const std::string& isa) {
    const Volume grid = volume_of(volume, spacing);
    const Rays rays = {start, end, start_row, end_row, flat};
    const std::vector<Image> views = all_views(rays, image.array);
    const KernelTable& kernels = kernels_named(isa);
    py::gil_scoped_release release;
    physsim::project_joseph(kernels, grid, views, threads);
}

void backproject_joseph_arrays(Floats image, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
                        bool flat, InPlace<float> volume, int threads, const std::string& isa) {
    const Volume grid = volume_of(volume.array, spacing);
    const Rays rays = {start, end, start_row, end_row, flat};
    const std::vector<Image> views = all_views(rays, image);
    const KernelTable& kernels = kernels_named(isa);
    py::gil_scoped_release release;
    physsim::backproject_joseph(kernels, grid, views, threads);
}

// Derivatives of sum(image x project_joseph(volume)): (views, columns, 4, 3) by start, end, start_row and end_row as each column
// has its share of them, voxel coordinates.
Doubles joseph_gradient_arrays(const py::array& volume, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
                        bool flat, Floats image, int threads, const std::string& isa) {
    const Volume grid = volume_of(volume, spacing);
    const Rays rays = {start, end, start_row, end_row, flat};
    const std::vector<Image> views = all_views(rays, image);
    const KernelTable& kernels = kernels_named(isa);
    Doubles gradient(std::vector<py::ssize_t>{image.shape(0), image.shape(2), 4, 3});
    double* out = gradient.mutable_data();
    std::fill(out, out + gradient.size(), 0.0);
    py::gil_scoped_release release;
    physsim::joseph_gradient(kernels, grid, views, out, threads);
    return gradient;
}

void bind_adjoint(py::module_& m) {
    m.def("backproject", &backproject);
    m.def("project_joseph", &project_joseph_arrays);
    m.def("backproject_joseph", &backproject_joseph_arrays);
    m.def("joseph_gradient", &joseph_gradient_arrays);
}

}  // namespace
