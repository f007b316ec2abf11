// Scatter images of all orders for Python: arrays are checked by physsim.transport.scatter_scene.
#pragma once
#include "launch/bind_scatter.h"
#include "launch/scatter_nodes_table.h"

namespace {

constexpr int32_t EVENTS_AT_ONCE = 256;  // detected together: they stay in the cache

struct FineArrays {
    py::array labels;
    py::object density;
    Floats material_density;
    FineVoxels voxels() const {
        FineVoxels fine = {};
        if (labels.ndim() != 3 || !(labels.flags() & py::array::c_style)) throw std::invalid_argument("labels must be (z, y, x) in C order");
        for (int a = 0; a < 3; a++) fine.shape[a] = static_cast<int32_t>(labels.shape(2 - a));
        fine.labels = labels.data(), fine.label_bytes = static_cast<int32_t>(labels.itemsize());
        if (!density.is_none()) {
            const auto array = py::reinterpret_borrow<py::array>(density);
            if (array.size() != labels.size() || !(array.flags() & py::array::c_style)) throw std::invalid_argument("density must have the labels' shape, in C order");
            fine.density = array.data(), fine.density_bytes = static_cast<int32_t>(array.itemsize());
        }
        fine.material_density = material_density.data();
        return fine;
    }
};

const ScatterHistories& histories_named(const std::string& isa) {
    return kernels_named(isa).name == std::string("portable") ? scatter_baseline() : scatter_avx2();
}

const NodeKernels& nodes_named(const std::string& isa) {
    const std::string name = kernels_named(isa).name;
    return name == "avx512" ? nodes_avx512() : name == "avx2" ? nodes_avx2() : nodes_baseline();
}

// Means of basis densities as words, what a count stands for (g/cm3), and how uneven cells are (BasisVoxels::spread). Rounding is dithered by the cell's number, so that a large
// uniform part is right on average.
py::tuple basis_cells(const py::array& labels, const py::object& density, const Floats& material_density, const Floats& coefficient,
                      const std::array<int32_t, 3>& factors, int threads, const std::string& isa) {
    const FineArrays arrays = {labels, density, material_density};
    const FineVoxels fine = arrays.voxels();
    if (coefficient.size() != material_density.size() * MOST_BASIS) throw std::invalid_argument("coefficients must be (materials, 3)");
    int32_t factor[3], cells[3];
    for (int a = 0; a < 3; a++) {
        factor[a] = factors[static_cast<size_t>(a)];
        if (factor[a] < 1) throw std::invalid_argument("a cell has at least one voxel");
        cells[a] = (fine.shape[a] + factor[a] - 1) / factor[a];
    }
    const ScatterHistories& kernels = histories_named(isa);
    const int64_t layer = static_cast<int64_t>(cells[0]) * cells[1] * (MOST_BASIS + 1);
    std::vector<float> means(static_cast<size_t>(layer * cells[2]), 0.0f);
    py::array_t<int32_t> words({cells[2] + 2, cells[1] + 2, cells[0] + 2});
    py::array_t<float> spreads({cells[2] + 2, cells[1] + 2, cells[0] + 2});
    py::array_t<double> units(MOST_BASIS);
    int32_t* word = words.mutable_data();
    float* spread = spreads.mutable_data();
    double* const unit = units.mutable_data();
    {
        py::gil_scoped_release release;
        Queue queue;
        Team(threads).run([&](int) {
            int item;
            while (queue.take(cells[2], item)) kernels.means(fine, coefficient.data(), factor, cells, item, means.data() + item * layer);
        });
        constexpr float largest[MOST_BASIS] = {4094.0f, 1022.0f, 254.0f};
        constexpr int shift[MOST_BASIS] = {0, 12, 23};
        constexpr uint32_t mask[MOST_BASIS] = {0xfffu, 0x7ffu, 0x1ffu};
        float most[MOST_BASIS] = {}, per_unit[MOST_BASIS];
        for (size_t i = 0; i < means.size(); i += MOST_BASIS + 1)
            for (size_t k = 0; k < MOST_BASIS; k++) most[k] = std::max(most[k], std::abs(means[i + k]));
        const float voxels = static_cast<float>(factor[0] * factor[1] * factor[2]);
        for (int k = 0; k < MOST_BASIS; k++) {
            unit[k] = static_cast<double>(most[k]) / static_cast<double>(largest[k]) / factor[0] / factor[1] / factor[2];
            per_unit[k] = most[k] > 0.0f ? largest[k] / most[k] : 0.0f;
        }
        const float* mean = means.data();
        for (int z = -1; z <= cells[2]; z++)
            for (int y = -1; y <= cells[1]; y++)
                for (int x = -1; x <= cells[0]; x++, word++, spread++) {
                    *word = 0, *spread = 1.0f;
                    if (x < 0 || y < 0 || z < 0 || x >= cells[0] || y >= cells[1] || z >= cells[2]) continue;
                    uint32_t bits = 0, hash = static_cast<uint32_t>(mean - means.data()) * 0x9E3779B9u;
                    for (int k = 0; k < MOST_BASIS; k++) {
                        hash = (hash ^ (hash >> 15)) * 0x2C1B3C6Du;
                        const float value = mean[k] * per_unit[k], whole = std::floor(value), past = value - whole;
                        const float dither = (static_cast<float>(hash >> 8) + 0.5f) * 0x1p-24f;
                        bits |= (static_cast<uint32_t>(static_cast<int32_t>(whole) + (dither < past)) & mask[k]) << shift[k];
                    }
                    *word = static_cast<int32_t>(bits);
                    if (mean[0] > 0.0f) *spread = std::max(1.0f, std::sqrt(mean[MOST_BASIS] * voxels) / mean[0]);
                    mean += MOST_BASIS + 1;
                }
    }
    return py::make_tuple(words, units, spreads);
}

// One phantom, view and spectrum; used by one thread of Python at a time.
class ScatterView {
  public:
    ScatterView(const py::array& labels, const py::object& density, const Floats& material_density, const py::array_t<int32_t, py::array::c_style>& words,
                const Floats& spread, const std::array<float, 3>& cell_cm, const std::array<float, 3>& voxel_cm, const Floats& coefficients, const Floats& functions, const py::dict& tables,
                const py::dict& source, double cutoff_kev, double steps_per_cm, bool edges)
        : fine_{labels, density, material_density}, words_(words), spread_(spread), coefficients_(coefficients), functions_(functions), tables_(tables), source_(source) {
        scene_.fine = fine_.voxels();
        scene_.tables = photon_tables_of(tables_);
        BasisVoxels& cells = scene_.cells;
        if (words_.ndim() != 3) throw std::invalid_argument("cells must have three axes (z, y, x)");
        for (size_t a = 0; a < 3; a++) {
            cells.shape[a] = static_cast<int32_t>(words_.shape(2 - static_cast<int>(a))) - 2;
            cells.voxel_cm[a] = cell_cm[a], cells.voxels_per_cm[a] = 1.0f / cell_cm[a], cells.size_cm[a] = cell_cm[a] * static_cast<float>(cells.shape[a]);
            scene_.fine.voxels_per_cm[a] = 1.0f / voxel_cm[a];
        }
        if (spread_.size() != words_.size()) throw std::invalid_argument("spread must have the cells' shape");
        cells.word = words_.data(), cells.spread = spread_.data(), cells.steps_per_cm = static_cast<float>(steps_per_cm);
        cells.edges = edges;
        if (functions_.size() != static_cast<py::ssize_t>(scene_.tables.rows) * 8) throw std::invalid_argument("functions must be (rows, 8)");
        cells.functions = functions_.data();
        if (coefficients_.size() != material_density.size() * MOST_BASIS) throw std::invalid_argument("coefficients must be (materials, 3)");
        FineVoxels& fine = scene_.fine;
        fine.coefficient = coefficients_.data(), fine.steps_per_cm = 0.0f;
        for (size_t a = 0; a < 3; a++) {
            fine.size_cm[a] = voxel_cm[a] * static_cast<float>(fine.shape[a]);
            fine.steps_per_cm = std::max(fine.steps_per_cm, fine.voxels_per_cm[a]);
        }
        scene_.source = scatter_source_of(source_);
        scene_.cutoff_kev = static_cast<float>(cutoff_kev);
    }

    // What isotropic emission at an energy from places (n, 3) in cm is worth to the targets together; optical depths count `share`.
    Floats reach(const py::dict& targets, const Floats& column, const Floats& row, const Floats& places, double energy_kev, double share, int threads,
                 const std::string& isa) const {
        const ScatterScene scene = with(targets, column, row);
        if (places.ndim() != 2 || places.shape(1) != 3) throw std::invalid_argument("places must be (n, 3)");
        const ScatterHistories& histories = histories_named(isa);
        const NodeKernels& nodes = nodes_named(isa);
        const int32_t count = static_cast<int32_t>(places.shape(0)), parts = (count + EVENTS_AT_ONCE - 1) / EVENTS_AT_ONCE;
        Floats found(count);
        float* worth = found.mutable_data();
        const float* place = places.data();
        py::gil_scoped_release release;
        Queue tasks;
        Team(threads).run([&](int) {
            std::vector<ScatterEvent> events(EVENTS_AT_ONCE);
            int part;
            while (tasks.take(parts, part)) {
                const int32_t from = part * EVENTS_AT_ONCE, some = std::min(EVENTS_AT_ONCE, count - from);
                histories.probes(scene, static_cast<float>(energy_kev), static_cast<float>(share), place + 3 * from, some, events.data());
                nodes.reach(scene, events.data(), some, worth + from);
            }
        });
        return found;
    }

    // From here on histories follow what a place is worth: (z + 2, y + 2, x + 2) values over the voxels.
    void guide(const Floats& values, double expected) {
        if (values.ndim() != 3 || values.shape(0) < 3 || values.shape(1) < 3 || values.shape(2) < 3) throw std::invalid_argument("importance must have three axes (z, y, x) and a border");
        importance_ = values;
        ImportanceMap& map = scene_.importance;
        map.expected = static_cast<float>(expected);
        for (int a = 0; a < 3; a++) {
            map.shape[a] = static_cast<int32_t>(values.shape(2 - a)) - 2;
            map.cells_per_cm[a] = static_cast<float>(map.shape[a]) / scene_.cells.size_cm[a];
        }
        if (std::equal(map.shape, map.shape + 3, scene_.cells.shape)) {  // covers_cells of scatter_walk.h
            importance_ = Floats(std::vector<py::ssize_t>(values.shape(), values.shape() + 3));
            float* product = importance_.mutable_data();
            for (py::ssize_t n = 0; n < values.size(); n++) product[n] = values.data()[n] * spread_.data()[n];
        }
        map.value = importance_.data();
    }

    // (cells, cells) optical depths at an energy over the field; once guided, what first collisions there are worth. `alike` rows share their middle one's.
    py::array_t<float> field_rays(double energy_kev, int cells, int alike, int threads, const std::string& isa) const {
        if (cells < 1 || alike < 1) throw std::invalid_argument("a field has cells");
        const ScatterHistories& histories = histories_named(isa);
        py::array_t<float> found({cells, cells});
        float* depth = found.mutable_data();
        py::gil_scoped_release release;
        Queue rows;
        Team(threads).run([&](int) {
            int group;
            while (rows.take((cells + alike - 1) / alike, group)) {
                const int first = group * alike, end = std::min(cells, first + alike), row = (first + end) / 2;
                float* const own = depth + static_cast<int64_t>(row) * cells;
                histories.field_rays(scene_, static_cast<float>(energy_kev), cells, row, own);
                for (int other = first; other < end; other++)
                    if (other != row) std::copy(own, own + cells, depth + static_cast<int64_t>(other) * cells);
            }
        });
        return found;
    }

    // Single scatter by shared Sobol points: points first ..< first + count of every replicate onto sums (replicates, 2, targets).
    void first(const py::dict& targets, const Floats& column, const Floats& row, uint64_t seed, uint32_t stream, uint32_t first, int32_t count,
               InPlace<double> sums, int threads, const std::string& isa) {
        const ScatterScene scene = with(targets, column, row);
        const int replicates = static_cast<int>(sums.array.shape(0)), groups = scene.targets.count / TARGETS_AT_ONCE;
        if (sums.array.ndim() != 3 || sums.array.shape(1) != 2 || sums.array.shape(2) != scene.targets.count) throw std::invalid_argument("sums have another shape");
        const ScatterHistories& histories = histories_named(isa);
        const NodeKernels& nodes = nodes_named(isa);
        double* out = sums.array.mutable_data();
        py::gil_scoped_release release;
        std::vector<ScatterEvent> events(static_cast<size_t>(replicates) * static_cast<size_t>(count));
        const std::vector<SobolPoints>& points = scrambles(seed, stream, replicates);
        Team team(threads);
        Queue births, tasks;
        team.run([&](int) {
            int item;
            while (births.take(replicates, item))
                histories.first(scene, points[static_cast<size_t>(item)], first, count,
                                events.data() + static_cast<size_t>(item) * static_cast<size_t>(count));
            team.barrier();
            while (tasks.take(replicates * groups, item)) {
                double* compton = out + static_cast<int64_t>(item / groups) * 2 * scene.targets.count;
                nodes.detect(scene, events.data() + static_cast<size_t>(item / groups) * static_cast<size_t>(count), count, item % groups * TARGETS_AT_ONCE, THIN_FIRST, compton,
                       compton + scene.targets.count);
            }
        });
    }

    // Orders two and more: histories first ..< first + count of every batch onto sums (batches, targets). Returns the number of events.
    int64_t multiple(const py::dict& targets, const Floats& column, const Floats& row, uint64_t seed, uint32_t stream, uint32_t first, int32_t count,
                     InPlace<double> sums, int threads, const std::string& isa) {
        const ScatterScene scene = with(targets, column, row);
        if (!scene.importance.value) throw std::logic_error("histories need an importance: guide() comes first");
        const int batches = static_cast<int>(sums.array.shape(0));
        if (sums.array.ndim() != 2 || sums.array.shape(1) != scene.targets.count) throw std::invalid_argument("sums have another shape");
        const ScatterHistories& histories = histories_named(isa);
        const NodeKernels& nodes = nodes_named(isa);
        double* out = sums.array.mutable_data();
        std::atomic<int64_t> total{0};
        std::atomic<bool> overflow{false};
        {
            py::gil_scoped_release release;
            const std::vector<SobolPoints>& scrambled = scrambles(seed, stream, batches);
            Queue tasks;
            Team(threads).run([&](int) {
                const int32_t room = EVENTS_AT_ONCE + MOST_EVENTS;
                std::vector<ScatterEvent> events(static_cast<size_t>(room));
                int batch;
                while (tasks.take(batches, batch)) {
                    const SobolPoints& points = scrambled[static_cast<size_t>(batch)];
                    double* own = out + static_cast<int64_t>(batch) * scene.targets.count;
                    int32_t waiting = 0;
                    for (int32_t n = 0; n < count; n++) {
                        const uint32_t number = first + static_cast<uint32_t>(n);
                        waiting = histories.history(scene, points, number, {seed, stream}, static_cast<uint32_t>(batch), events.data(), waiting, room);
                        if (waiting < 0) {
                            overflow = true, waiting = 0;
                            break;
                        }
                        if (waiting < EVENTS_AT_ONCE && n + 1 < count) continue;
                        for (int32_t target = 0; target < scene.targets.count; target += TARGETS_AT_ONCE) nodes.detect(scene, events.data(), waiting, target, THIN_MORE, own, own);
                        total += waiting, waiting = 0;
                    }
                }
            });
        }
        if (overflow) throw std::runtime_error("a history of scatter has more events than there is room for");
        return total;
    }

  private:
    // Made once: a run looks at its sums often.
    const std::vector<SobolPoints>& scrambles(uint64_t seed, uint32_t stream, int count) {
        if (seed != scrambled_seed_ || stream != scrambled_stream_) scrambled_.clear(), scrambled_seed_ = seed, scrambled_stream_ = stream;
        while (scrambled_.size() < static_cast<size_t>(count)) scrambled_.push_back(scalar::sobol_points(seed, stream, static_cast<uint32_t>(scrambled_.size()), false));
        return scrambled_;
    }

    ScatterScene with(const py::dict& fields, const Floats& column, const Floats& row) const {
        if (column.size() % TARGETS_AT_ONCE || row.size() != column.size()) throw std::invalid_argument("targets must come in sixteens");
        ScatterScene scene = scene_;
        take_detector(fields, scene.targets);
        const auto cell = fields["cell"].cast<std::array<float, 2>>();
        scene.targets.cell[0] = cell[0], scene.targets.cell[1] = cell[1];
        scene.targets.column = column.data(), scene.targets.row = row.data(), scene.targets.count = static_cast<int32_t>(column.size());
        return scene;
    }

    FineArrays fine_;
    py::array_t<int32_t, py::array::c_style> words_;
    Floats spread_, coefficients_, functions_, importance_;
    py::dict tables_, source_;
    ScatterScene scene_ = {};
    std::vector<SobolPoints> scrambled_;
    uint64_t scrambled_seed_ = 0;
    uint32_t scrambled_stream_ = 0;
};

void bind_scatter_nodes(py::module_& m) {
    m.def("basis_cells", &basis_cells);
    py::class_<ScatterView>(m, "ScatterView")
        .def(py::init<const py::array&, const py::object&, const Floats&, const py::array_t<int32_t, py::array::c_style>&, const Floats&,
                      const std::array<float, 3>&, const std::array<float, 3>&, const Floats&, const Floats&, const py::dict&, const py::dict&, double, double, bool>())
        .def("reach", &ScatterView::reach)
        .def("guide", &ScatterView::guide)
        .def("field_rays", &ScatterView::field_rays)
        .def("first", &ScatterView::first)
        .def("multiple", &ScatterView::multiple);
}

}  // namespace
