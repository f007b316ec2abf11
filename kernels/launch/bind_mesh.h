// Meshes laid over voxels for Python. Arrays are checked by physsim.transport.mesh.
#pragma once
#include <cstring>

#include "launch/mesh.h"
#include "mesh/tree.h"

namespace {

using MeshInts = py::array_t<int32_t, py::array::c_style>;
static_assert(sizeof(TreeBox) == 40, "ten words a box");

// vertices (n, 3) in voxels of the body, corners (m, 3) and owner (m) in the tree's order, boxes (k, 10); label and density of each mesh.
using MeshArrays = std::tuple<Doubles, MeshInts, MeshInts, MeshInts, std::vector<int32_t>, std::vector<double>>;

void laid_from(const MeshArrays& arrays, LaidMeshes& laid) {
    const auto& [vertices, corners, owner, boxes, label, density] = arrays;
    laid.meshes = {vertices.data(), corners.data(), owner.data(), reinterpret_cast<const TreeBox*>(boxes.data()), static_cast<int32_t>(boxes.shape(0))};
    laid.label = label, laid.density = density;
}

void refuse_lost(const LaidMeshes& laid) {
    if (laid.lost > 0) throw std::runtime_error(std::to_string(laid.lost) + " rays enter a mesh without leaving it: its surface is not closed");
}

// (boxes, 10) int32, and the order (triangles) in which the boxes hold them.
py::tuple mesh_tree(const Doubles& vertices, const MeshInts& corners) {
    Tree tree;
    {
        py::gil_scoped_release release;
        tree = TreeMaker(vertices.data(), corners.data(), static_cast<int>(corners.shape(0))).take();
    }
    MeshInts boxes({static_cast<py::ssize_t>(tree.boxes.size()), py::ssize_t{10}}), order(static_cast<py::ssize_t>(tree.order.size()));
    std::memcpy(boxes.mutable_data(), tree.boxes.data(), tree.boxes.size() * sizeof(TreeBox));
    std::copy(tree.order.begin(), tree.order.end(), order.mutable_data());
    return py::make_tuple(boxes, order);
}

// Adds to image (views, meshes, rows, columns) the paths (mm) through meshes.
void add_mesh_paths(const MeshArrays& arrays, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
                    InPlace<float> pixels, int threads) {
    Floats& image = pixels.array;
    LaidMeshes laid;
    laid_from(arrays, laid);
    const Rays rays = {start, end, start_row, end_row, true};
    const int views = static_cast<int>(image.shape(0)), rows = static_cast<int>(image.shape(2)), columns = static_cast<int>(image.shape(3));
    const double steps[3] = {spacing[0], spacing[1], spacing[2]};
    float* out = image.mutable_data();
    const int64_t size = static_cast<int64_t>(image.shape(1)) * rows * columns;
    {
        py::gil_scoped_release release;
        Queue queue;
        Team(threads).run([&](int) {
            int item;
            while (queue.take(views * columns, item)) mesh_paths(laid, steps, rays.view(item / columns, rows), item % columns, out + item / columns * size);
        });
    }
    refuse_lost(laid);
}

void bind_mesh(py::module_& m) {
    m.def("mesh_tree", &mesh_tree);
    m.def("mesh_paths", &add_mesh_paths);
}

}  // namespace
