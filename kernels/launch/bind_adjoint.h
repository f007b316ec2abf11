// Bindings of the adjoint, the Joseph projector and its derivatives; included by cpu.cpp alone.
#pragma once
#include "launch/backproject.h"

namespace {

// Adds the transpose of `project` applied to image (views, rows, columns) to volume (z, y, x), float32.
void backproject(Floats image, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
                 bool flat, const std::vector<int>& along, Floats volume, int threads, const std::string& isa) {
    const Volume grid = volume_of(volume, spacing);
    static_cast<void>(volume.mutable_data());
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

void bind_adjoint(py::module_& m) {
    m.def("backproject", &backproject);
}

}  // namespace
