// Views of a scan for Python: arrays are checked by physsim.transport.scatter_scan.
#pragma once
#include "launch/bind_scatter_nodes.h"
#include "launch/scan_views_table.h"
#include "transport/scan_views.h"

namespace {

using Doubles = py::array_t<double, py::array::c_style>;

// (views, rows, columns) from weights (views, nodes), images (nodes, places along, across), across (places across, columns) and along (rows, places along).
py::array_t<float> scan_views(const Doubles& weights, const Doubles& images, const Floats& across, const Floats& along, double lowest, int threads, const std::string& isa) {
    if (weights.ndim() != 2 || images.ndim() != 3 || across.ndim() != 2 || along.ndim() != 2) throw std::invalid_argument("views of a scan: arrays of 2, 3, 2 and 2 axes");
    if (weights.shape(1) != images.shape(0) || across.shape(0) != images.shape(2) || along.shape(1) != images.shape(1)) throw std::invalid_argument("views of a scan: shapes do not match");
    ScanGrid scan = {};
    scan.nodes = static_cast<int32_t>(images.shape(0));
    scan.places[0] = static_cast<int32_t>(images.shape(2)), scan.places[1] = static_cast<int32_t>(images.shape(1));
    scan.pixels[0] = static_cast<int32_t>(across.shape(1)), scan.pixels[1] = static_cast<int32_t>(along.shape(0));
    scan.image = images.data(), scan.across = across.data(), scan.along = along.data(), scan.lowest = static_cast<float>(lowest);
    const ViewOfScan make = kernels_named(isa).name == std::string("portable") ? scan_views_baseline() : scan_views_avx2();
    const int views = static_cast<int>(weights.shape(0));
    py::array_t<float> found({weights.shape(0), along.shape(0), across.shape(1)});
    float* out = found.mutable_data();
    const double* weight = weights.data();
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        std::vector<double> grid(static_cast<size_t>(images.shape(1) * images.shape(2)));
        std::vector<float> rows(static_cast<size_t>(along.shape(1) * across.shape(1)));
        int view;
        while (queue.take(views, view))
            make(scan, weight + static_cast<int64_t>(view) * scan.nodes, grid.data(), rows.data(), out + static_cast<int64_t>(view) * scan.pixels[0] * scan.pixels[1]);
    });
    return found;
}

// (i, k) from (i, j) x (j, k), summed over j in order: the same bits on every CPU, unlike a BLAS.
Doubles ordered_product(const Doubles& left, const Doubles& right) {
    if (left.ndim() != 2 || right.ndim() != 2 || left.shape(1) != right.shape(0)) throw std::invalid_argument("a product of matrices: shapes do not match");
    const py::ssize_t columns = right.shape(1);
    Doubles found({left.shape(0), columns});
    double* out = found.mutable_data();
    for (py::ssize_t i = 0; i < left.shape(0); i++, out += columns) {
        std::fill(out, out + columns, 0.0);
        for (py::ssize_t j = 0; j < left.shape(1); j++) {
            const double factor = left.data()[i * left.shape(1) + j], *row = right.data() + j * columns;
            for (py::ssize_t k = 0; k < columns; k++) out[k] += factor * row[k];
        }
    }
    return found;
}

}  // namespace
