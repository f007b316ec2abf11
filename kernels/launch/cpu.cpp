// The only file that knows pybind11: arrays in, arrays out.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "launch/project.h"
#include "raytrace/siddon.h"

namespace py = pybind11;
using namespace physsim;

// An array that a kernel writes into: C-contiguous, writeable, of this type exactly. Another is refused: a converted copy would
// take the result and be thrown away.
template <typename Real>
struct InPlace { py::array_t<Real, py::array::c_style> array; };

template <typename Real>
struct py::detail::type_caster<InPlace<Real>> {
    using Array = py::array_t<Real, py::array::c_style>;
    PYBIND11_TYPE_CASTER(InPlace<Real>, py::detail::make_caster<Array>::name);
    bool load(py::handle source, bool) {
        if (!py::isinstance<Array>(source)) return false;
        value.array = py::reinterpret_borrow<Array>(source);
        return value.array.writeable();
    }
};

namespace {

using Doubles = py::array_t<double, py::array::c_style>;
using Floats = py::array_t<float, py::array::c_style>;

struct Isa { const char* name; bool present; const KernelTable& (*kernels)(); };

std::vector<Isa> instruction_sets() {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl");
    return {{"avx512", avx512, kernels_avx512}, {"avx2", avx2, kernels_avx2}, {"portable", true, kernels_portable}};
}

const KernelTable& kernels_named(const std::string& name) {
    for (const Isa& isa : instruction_sets())
        if (isa.present && (name.empty() || name == isa.name)) return isa.kernels();
    throw std::runtime_error("instruction set '" + name + "' is not there on this CPU");
}

Voxel voxel_type(const py::array& volume) {
    const char kind = volume.dtype().kind();
    const auto size = volume.dtype().itemsize();
    if (kind == 'f' && size == 4) return Voxel::FLOAT32;
    if (kind == 'f' && size == 2) return Voxel::FLOAT16;
    if (kind == 'u' && size == 1) return Voxel::UINT8;
    if (kind == 'u' && size == 2) return Voxel::UINT16;
    if (kind == 'i' && size == 2) return Voxel::INT16;
    throw std::invalid_argument("volume dtype must be float32, float16, uint8, uint16 or int16");
}

// A (z, y, x) array of any strides that are multiples of its item size.
Volume volume_of(const py::array& array, const std::array<double, 3>& spacing) {
    if (array.ndim() != 3) throw std::invalid_argument("volume must have three axes (z, y, x)");
    Volume volume;
    volume.data = array.data();
    volume.type = voxel_type(array);
    for (int a = 0; a < 3; a++) {
        volume.shape[a] = static_cast<int32_t>(array.shape(2 - a));
        volume.stride[a] = array.strides(2 - a) / array.itemsize();
        volume.spacing[a] = spacing[static_cast<size_t>(a)];
    }
    return volume;
}

// start: (views, 1 or columns, 3), end: (views, columns, 3), start_row, end_row: (views, 3); voxel coordinates (x, y, z).
struct Rays {
    Doubles start, end, start_row, end_row;
    bool flat;
    ViewRays view(py::ssize_t v, int rows) const {
        ViewRays rays;
        rays.start = start.data(v, 0, 0), rays.end = end.data(v, 0, 0);
        rays.start_stride = start.shape(1) == 1 ? 0 : 3;
        for (int a = 0; a < 3; a++) rays.start_row[a] = *start_row.data(v, a), rays.end_row[a] = *end_row.data(v, a);
        rays.rows = rows, rays.columns = static_cast<int32_t>(end.shape(1));
        return rays;
    }
};

// Adds line integrals (mm x voxel value) to image (views, rows, columns). along[view] is the volume axis that the view's
// detector columns are parallel to, or -1.
void project(const py::array& volume, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
             bool flat, const std::vector<int>& along, InPlace<float> pixels, int threads, const std::string& isa) {
    Floats& image = pixels.array;
    const Volume grid = volume_of(volume, spacing);
    const Rays rays = {start, end, start_row, end_row, flat};
    std::vector<Image> views[4];
    for (py::ssize_t v = 0; v < image.shape(0); v++)
        views[along[static_cast<size_t>(v)] + 1].push_back({rays.view(v, static_cast<int>(image.shape(1))), flat, image.mutable_data(v, 0, 0)});
    const KernelTable& kernels = kernels_named(isa);
    py::gil_scoped_release release;
    if (!views[0].empty()) project_blocks(kernels, grid, views[0], threads);
    for (int w = 0; w < 3; w++)
        if (!views[w + 1].empty()) project_along(kernels, grid, w, views[w + 1], threads);
}

template <typename Real, typename T>
void project_plain_as(const Volume& grid, const Rays& rays, py::array_t<Real, py::array::c_style>& image, int threads) {
    const int views = static_cast<int>(image.shape(0)), rows = static_cast<int>(image.shape(1)), columns = static_cast<int>(image.shape(2));
    std::vector<Real*> pixels;
    std::vector<ViewRays> view;
    for (int v = 0; v < views; v++) pixels.push_back(image.mutable_data(v, 0, 0)), view.push_back(rays.view(v, rows));
    const T* voxels = static_cast<const T*>(grid.data);
    py::gil_scoped_release release;
    Team team(threads);
    Queue queue;
    team.run([&](int) {
        int item;
        while (queue.take(views * rows, item)) {
            const ViewRays& from = view[static_cast<size_t>(item / rows)];
            const int row = item % rows;
            for (int c = 0; c < columns; c++) {
                double start[3], end[3];
                for (int a = 0; a < 3; a++) {
                    start[a] = from.start[c * from.start_stride + a] + row * from.start_row[a];
                    end[a] = from.end[3 * c + a] + row * from.end_row[a];
                }
                pixels[static_cast<size_t>(item / rows)][static_cast<int64_t>(row) * columns + c]
                    = siddon<Real>(grid.shape, grid.stride, grid.spacing, start, end, [=](int64_t i) { return voxels[i]; });
            }
        }
    });
}

// The plain tracer, in the precision of `image`: float64 is the reference, float32 the floor of the benchmarks. Volume: float32.
template <typename Real>
void project_plain(const py::array_t<float>& volume, const std::array<double, 3>& spacing, Doubles start, Doubles end, Doubles start_row, Doubles end_row,
                   InPlace<Real> image, int threads) {
    project_plain_as<Real, float>(volume_of(volume, spacing), {start, end, start_row, end_row, true}, image.array, threads);
}

}  // namespace

#include "launch/bind_adjoint.h"
#include "launch/bind_physics.h"
#include "launch/bind_scatter.h"
#include "launch/bind_scatter_nodes.h"
#include "launch/bind_scan_views.h"
#include "launch/bind_spectral.h"
#include "launch/bind_portable.h"
#include "launch/bind_tables.h"
#include "launch/bind_montecarlo.h"
#include "launch/bind_body.h"
#include "launch/bind_mend.h"
#include "launch/bind_breast.h"
#include "launch/bind_image.h"
#include "launch/bind_counts.h"
#include "launch/bind_reconstruct.h"

PYBIND11_MODULE(_engine, m) {
    m.doc() = "physsim's CPU kernels. Arrays are checked by the callers in physsim.transport.";
    m.def("instruction_sets", [] {
        std::vector<std::string> names;
        for (const Isa& isa : instruction_sets())
            if (isa.present) names.push_back(isa.name);
        return names;
    });
    m.def("release_memory", [] { return KeptRooms::of_process().clear(); });
    m.def("project", &project);
    m.def("project_plain", &project_plain<float>);
    m.def("project_plain", &project_plain<double>);
    bind_adjoint(m);
    bind_physics(m);
    bind_montecarlo(m);
    bind_scatter(m);
    bind_scatter_nodes(m);
    m.def("scan_views", &scan_views);
    m.def("ordered_product", &ordered_product);
    bind_spectral(m);
    bind_portable(m);
    bind_tables(m);
    bind_body(m);
    m.def("mend_organs", &mend_organs);
    bind_breast(m);
    bind_image(m);
    bind_counts(m);
    bind_reconstruct(m);
}
