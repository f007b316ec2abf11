// Monte Carlo for Python: a job made of tables of arrays, and histories added to sums. Checked by physsim.transport.montecarlo.
#pragma once
#include <map>

#include "launch/bind_fields.h"
#include "launch/bind_physics.h"
#include "launch/montecarlo.h"
#include "launch/montecarlo_elsewhere.h"
#include "launch/montecarlo_scene.h"
#include "transport/track.h"

namespace {

MonteCarloScene scene_of(const Fields& fields) {
    MonteCarloScene scene = {};
    const py::array labels = fields.voxels("labels");
    fields.fill("shape", scene.shape);
    scene.labels = labels.data(), scene.label_bytes = static_cast<int32_t>(labels.itemsize());
    if (!fields.none("density")) {
        const py::array density = fields.voxels("density");
        scene.density = density.data(), scene.density_bytes = static_cast<int32_t>(density.itemsize());
    }
    fields.fill("voxel_cm", scene.voxel_cm);
    fields.fill("cell_voxels", scene.cell_voxels);
    fields.fill("world_low", scene.world_low);
    fields.fill("world_high", scene.world_high);
    for (int a = 0; a < 3; a++) {
        scene.voxels_per_cm[a] = 1.0f / scene.voxel_cm[a];
        scene.size_cm[a] = scene.voxel_cm[a] * static_cast<float>(scene.shape[a]);
        scene.cells[a] = (scene.shape[a] + scene.cell_voxels[a] - 1) / scene.cell_voxels[a];
        scene.cell_cm[a] = scene.voxel_cm[a] * static_cast<float>(scene.cell_voxels[a]);
        scene.cells_per_cm[a] = 1.0f / scene.cell_cm[a];
    }
    static_assert(sizeof(Medium) == 12, "media are rows of three 32-bit values");
    scene.media = reinterpret_cast<const Medium*>(fields.array<int32_t>("media"));
    scene.ambient = fields.number<int32_t>("ambient");
    scene.cell_class = fields.array<int32_t>("cell_class");
    scene.cell_label = fields.array<int32_t>("cell_label");
    scene.cell_density = fields.array<float>("cell_density");
    scene.majorant = fields.array<float>("majorant");
    scene.energy_bins = fields.number<int32_t>("energy_bins");
    static_assert(sizeof(Patch) == 17 * 4, "patches are rows of seventeen 32-bit values");
    scene.patches = reinterpret_cast<const Patch*>(fields.array<int32_t>("patches"));
    scene.patch_lists = fields.array<int32_t>("patch_lists");
    scene.patch_count = scene.patches ? static_cast<int32_t>(fields.voxels("patches").shape(0)) : 0;
    return scene;
}

MonteCarloSource source_of(const Fields& fields) {
    MonteCarloSource source = {};
    fields.fill("position", source.position);
    fields.fill("across", source.across);
    fields.fill("along", source.along);
    fields.fill("forward", source.forward);
    source.cone = fields.number<bool>("cone");
    source.cone_height = fields.number<float>("cone_height");
    source.x_quantile = fields.array<float>("x_quantile");
    source.x_nodes = fields.number<int32_t>("x_nodes");
    source.node = fields.array<int32_t>("node");
    fields.fill("nodes", source.nodes);
    source.y_low = fields.number<float>("y_low"), source.y_high = fields.number<float>("y_high");
    source.plane_cm = fields.number<float>("plane_cm");
    fields.fill("spot", source.spot);
    source.turn_first = fields.number<float>("turn_first"), source.turn_range = fields.number<float>("turn_range");
    fields.fill("axis_point", source.axis_point);
    fields.fill("axis", source.axis);
    source.energy = fields.array<int32_t>("energy");
    source.energy_bins = fields.number<int32_t>("energy_bins");
    return source;
}

MonteCarloDetector detector_of(const Fields& fields) {
    MonteCarloDetector detector = {};
    detector.rows = fields.number<int32_t>("rows"), detector.columns = fields.number<int32_t>("columns");
    fields.fill("centre", detector.centre);
    fields.fill("u", detector.u);
    fields.fill("v", detector.v);
    fields.fill("normal", detector.normal);
    fields.fill("pixels_per_cm", detector.pixels_per_cm);
    detector.radius_squared = fields.number<float>("radius_squared");
    detector.curvature_cm = fields.number<float>("curvature_cm");
    detector.energy_low = fields.number<float>("energy_low");
    detector.bins_per_kev = fields.number<float>("bins_per_kev");
    detector.energy_bins = fields.number<int32_t>("energy_bins");
    detector.grid = anti_scatter_grid_of(fields);
    detector.grid_region = fields.number<int32_t>("grid_region");
    return detector;
}

class MonteCarlo {
  public:
    MonteCarlo(const py::dict& scene, const py::dict& tables, const py::dict& source, const py::dict& detector, const py::dict& dose, uint64_t seed,
               uint32_t stream, float cutoff_kev)
        : fields_{Fields(scene), Fields(source), Fields(detector), Fields(dose)}, tables_(tables) {
        job_ = {scene_of(fields_[0]), photon_tables_of(tables), source_of(fields_[1]), detector_of(fields_[2]), {seed, stream}, cutoff_kev,
                fields_[3].array<float>("share_deposited")};
    }

    // Adds histories to regions (n), image (orders, energy bins, rows, columns), voxels (z, y, x) or None, and balance (6): energies born,
    // deposited, detected and escaped (2^-20 keV), photons lost and photons that met more than a majorant.
    void run(uint64_t first, int64_t count, InPlace<int64_t> regions, InPlace<int64_t> image, std::optional<InPlace<int64_t>> voxels,
             InPlace<int64_t> balance, int threads, const std::string& isa) const {
        static_assert(sizeof(Balance) == 48, "a balance is six 64-bit values");
        MonteCarloTally tally = {regions.array.mutable_data(), reinterpret_cast<Balance*>(balance.array.mutable_data()), image.array.mutable_data(),
                                 static_cast<int64_t>(job_.detector.rows) * job_.detector.columns, voxels ? voxels->array.mutable_data() : nullptr};
        const int count_of_regions = static_cast<int>(regions.array.size());
        const MonteCarloTable& kernels = table_of(isa);
        py::gil_scoped_release release;
        run_histories(kernels, job_, tally, count_of_regions, first, count, threads);
    }

    // The events of photon `number`: rows of (kind, order, label, voxel, pixel, energy, deposited) and of (x, y, z, ux, uy, uz).
    std::pair<py::array_t<int64_t>, py::array_t<float>> replay(uint64_t number, int regions) const {
        const MonteCarloDetector& detector = job_.detector;
        std::vector<int64_t> sums(static_cast<size_t>(regions)), image(static_cast<size_t>(detector.rows) * static_cast<size_t>(detector.columns));
        Balance balance = {};
        const MonteCarloTally tally = {sums.data(), &balance, image.data(), 0, nullptr};  // all orders and energies on one image
        std::vector<TrackEvent> events(64);
        int count;
        while ((count = replay_history(job_, tally, number, events.data(), static_cast<int>(events.size()))) > static_cast<int>(events.size()))
            events.resize(static_cast<size_t>(count));
        py::array_t<int64_t> numbers({count, 7});
        py::array_t<float> vectors({count, 6});
        for (int n = 0; n < count; n++) {
            const TrackEvent& event = events[static_cast<size_t>(n)];
            const int64_t row[7] = {event.kind, event.order, event.label, event.voxel, event.pixel, event.energy, event.deposited};
            std::copy(row, row + 7, numbers.mutable_data(n, 0));
            std::copy(event.position, event.position + 3, vectors.mutable_data(n, 0));
            std::copy(event.direction, event.direction + 3, vectors.mutable_data(n, 3));
        }
        return {numbers, vectors};
    }

    // The bytes of the job as kernels on a GPU take it, with its arrays at these addresses.
    py::bytes elsewhere(const std::map<std::string, uint64_t>& addresses) const {
        const MonteCarloJob job = job_elsewhere(job_, addresses);
        return py::bytes(reinterpret_cast<const char*>(&job), sizeof job);
    }

  private:
    static const MonteCarloTable& table_of(const std::string& isa) {
        const std::string name = kernels_named(isa).name;
        return name == "avx512" ? montecarlo_avx512() : name == "avx2" ? montecarlo_avx2() : montecarlo_baseline();
    }

    std::array<Fields, 4> fields_;
    py::dict tables_;  // kept alive
    MonteCarloJob job_;
};

// Greatest density of each of `materials` in each cell, (z, y, x, materials).
py::array_t<float> survey_scene(const py::dict& fields, int materials, int threads) {
    const MonteCarloScene scene = scene_of(Fields(fields));
    py::array_t<float> greatest({scene.cells[2], scene.cells[1], scene.cells[0], materials});
    float* out = greatest.mutable_data();
    py::gil_scoped_release release;
    survey_cells(scene, materials, out, threads);
    survey_patches(scene, materials, out);
    return greatest;
}

// Voxels of each of `labels`, and the sum of their relative densities.
std::pair<py::array_t<double>, py::array_t<double>> measure_scene(const py::dict& fields, int labels, int threads) {
    const MonteCarloScene scene = scene_of(Fields(fields));
    py::array_t<double> voxels(labels), densities(labels);
    std::fill_n(voxels.mutable_data(), labels, 0.0);
    std::fill_n(densities.mutable_data(), labels, 0.0);
    double* voxel = voxels.mutable_data();
    double* density = densities.mutable_data();
    py::gil_scoped_release release;
    measure_labels(scene, labels, voxel, density, threads);
    return {voxels, densities};
}

// See launch/montecarlo_scene.h: the numbers (z, y, x) and the pairs (n, 2). `regions` of 1, 2 or 4 bytes.
py::tuple join_scene(const py::array& labels, const py::array& regions, int label_count, int region_count, int threads) {
    const int64_t layers = labels.shape(0), layer_voxels = labels.shape(1) * labels.shape(2);
    py::array_t<uint16_t> joined({labels.shape(0), labels.shape(1), labels.shape(2)});
    uint16_t* out = joined.mutable_data();
    std::vector<std::pair<int32_t, int32_t>> pairs;
    const auto join = [&](const auto* own, const auto* of) { pairs = join_labels(own, of, layers, layer_voxels, label_count, region_count, out, threads); };
    const auto with_regions = [&](const auto* own) {
        const void* of = regions.data();
        if (regions.itemsize() == 1) join(own, static_cast<const uint8_t*>(of));
        else if (regions.itemsize() == 2) join(own, static_cast<const uint16_t*>(of));
        else join(own, static_cast<const uint32_t*>(of));
    };
    {
        const void* own = labels.data();
        const bool bytes = labels.itemsize() == 1;
        py::gil_scoped_release release;
        if (bytes) with_regions(static_cast<const uint8_t*>(own));
        else with_regions(static_cast<const uint16_t*>(own));
    }
    py::array_t<int32_t> rows({static_cast<py::ssize_t>(pairs.size()), py::ssize_t{2}});
    for (size_t n = 0; n < pairs.size(); n++) {
        *rows.mutable_data(static_cast<py::ssize_t>(n), 0) = pairs[n].first;
        *rows.mutable_data(static_cast<py::ssize_t>(n), 1) = pairs[n].second;
    }
    return py::make_tuple(joined, rows);
}

// See launch/montecarlo_scene.h.
py::tuple label_scene(const py::dict& fields, int threads) {
    const MonteCarloScene scene = scene_of(Fields(fields));
    py::array_t<int32_t> labels({scene.cells[2], scene.cells[1], scene.cells[0]});
    py::array_t<float> densities({scene.cells[2], scene.cells[1], scene.cells[0]});
    int32_t* label = labels.mutable_data();
    float* density = densities.mutable_data();
    {
        py::gil_scoped_release release;
        label_cells(scene, label, density, threads);
    }
    return py::make_tuple(labels, densities);
}

// Rows (n, columns) of 32 bits: where each of the different ones appears first, and their numbers (n).
py::tuple number_rows_of(const py::array_t<uint32_t, py::array::c_style>& rows) {
    if (rows.ndim() != 2 || rows.shape(1) < 1) throw std::invalid_argument("rows must be (n, columns)");
    py::array_t<int32_t> numbers(rows.shape(0));
    const int64_t count = rows.shape(0);
    const int columns = static_cast<int>(rows.shape(1));
    const uint32_t* const given = rows.data();
    int32_t* const number = numbers.mutable_data();
    std::vector<int64_t> first;
    {
        py::gil_scoped_release release;
        first = number_rows(given, count, columns, number);
    }
    return py::make_tuple(py::array_t<int64_t>(static_cast<py::ssize_t>(first.size()), first.data()), numbers);
}

void bind_montecarlo(py::module_& m) {
    py::class_<MonteCarlo>(m, "MonteCarlo")
        .def(py::init<py::dict, py::dict, py::dict, py::dict, py::dict, uint64_t, uint32_t, float>())
        .def("run", &MonteCarlo::run)
        .def("elsewhere", &MonteCarlo::elsewhere)
        .def("replay", &MonteCarlo::replay);
    m.def("survey_cells", &survey_scene);
    m.def("measure_labels", &measure_scene);
    m.def("join_labels", &join_scene);
    m.def("label_cells", &label_scene);
    m.def("number_rows", &number_rows_of);
}

}  // namespace
