// Images from signals for Python. Arrays are checked by physsim.imaging.
#pragma once
#include <limits>

#include "launch/image_table.h"
#include "launch/team.h"

namespace {

constexpr int64_t RUNS_AN_ITEM = 64;

const ImageTable& image_kernels(const std::string& isa) {
    const std::string name = kernels_named(isa).name;
    return name == "avx512" ? image_avx512() : name == "avx2" ? image_avx2() : image_baseline();
}

// Runs work(view, first) for each NOISE_RUN pixels from `first` on of each view.
template <typename Work>
void in_runs(int64_t views, int64_t pixels, int threads, const Work& work) {
    const int64_t runs = (pixels + NOISE_RUN - 1) / NOISE_RUN, items = (runs + RUNS_AN_ITEM - 1) / RUNS_AN_ITEM;
    if (pixels > INT32_MAX || views * items > INT32_MAX) throw std::invalid_argument("images: a view has at most 2^31 - 1 pixels");
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        int item;
        while (queue.take(static_cast<int>(views * items), item)) {
            const int64_t first = item % items * RUNS_AN_ITEM, last = std::min(runs, first + RUNS_AN_ITEM);
            for (int64_t run = first; run < last; run++) work(item / items, run * NOISE_RUN);
        }
    });
}

// Signals (views, pixels) with noise from their first three cumulants (views, pixels).
void cumulant_noise(const Floats& mean, const Floats& variance, const Floats& third, InPlace<float> out, uint64_t seed, uint32_t stream, uint32_t first_view,
                    int threads, const std::string& isa) {
    for (const auto* array : {&mean, &variance, &third, static_cast<const Floats*>(&out.array)})
        if (array->ndim() != 2 || array->shape(0) != mean.shape(0) || array->shape(1) != mean.shape(1)) throw std::invalid_argument("noise: arrays are (views, pixels)");
    const ImageTable& kernels = image_kernels(isa);
    const int64_t views = mean.shape(0), pixels = mean.shape(1);
    std::vector<CumulantNoise> jobs;
    for (int64_t v = 0; v < views; v++)
        jobs.push_back({{seed, stream}, first_view + static_cast<uint32_t>(v), pixels, mean.data() + v * pixels, variance.data() + v * pixels, third.data() + v * pixels,
                        out.array.mutable_data() + v * pixels});
    in_runs(views, pixels, threads, [&](int64_t view, int64_t first) { kernels.cumulant_noise(jobs[static_cast<size_t>(view)], first); });
}

// Signals (pixels) of some pixels of a view: sums over classes of Poisson counts of mean (classes, pixels) times deposit (classes).
void compound_noise(const Floats& mean, const Floats& deposit, const py::array_t<int32_t, py::array::c_style>& number, InPlace<float> out, uint64_t seed, uint32_t stream,
                    uint32_t view, int threads, const std::string& isa) {
    const int64_t pixels = number.size();
    if (mean.ndim() != 2 || mean.shape(1) != pixels || deposit.size() != mean.shape(0) || out.array.size() != pixels)
        throw std::invalid_argument("noise: mean counts are (classes, pixels)");
    const ImageTable& kernels = image_kernels(isa);
    const CompoundNoise job = {{seed, stream}, view, pixels, number.data(), static_cast<int32_t>(mean.shape(0)), mean.data(), deposit.data(), out.array.mutable_data()};
    const int items = static_cast<int>((pixels + 1023) / 1024);
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        int item;
        while (queue.take(items, item))
            for (int64_t first = int64_t{item} * 1024; first < std::min(pixels, int64_t{item} * 1024 + 1024); first += 16) kernels.compound_noise(job, first);
    });
}

// Means (views, pixels) of a layer's signal and, where `noise` is given, its noise, from a beam's signals and their squares (views, pixels).
// ratio: (hardnesses), rising; parts: (3, hardnesses) at these ratios. tables: (hardnesses, TABLES_OF_SUMS, bins) of sums of quanta, in steps of `step` keV; counts:
// (hardnesses) mean counts by signal; neither is looked at without `noise`.
void layer_quanta(const Floats& signal, const Floats& square, Doubles ratio, Doubles parts, const py::array_t<int32_t, py::array::c_style>& tables, const Floats& counts,
                  float step, float few, InPlace<float> mean, std::optional<InPlace<float>> noise, uint64_t seed, uint32_t stream, uint32_t first_view, int threads,
                  const std::string& isa) {
    const int64_t views = signal.shape(0), pixels = signal.shape(1), hardnesses = ratio.size();
    for (const auto* array : {&signal, &square, static_cast<const Floats*>(&mean.array), noise ? static_cast<const Floats*>(&noise->array) : &signal})
        if (array->ndim() != 2 || array->shape(0) != views || array->shape(1) != pixels) throw std::invalid_argument("quanta: arrays are (views, pixels)");
    if (hardnesses < 1 || hardnesses > MOST_HARDNESSES || parts.size() != 3 * hardnesses)
        throw std::invalid_argument("quanta: tables are (3, hardnesses), of 16 hardnesses at most");
    LayerQuanta job = {};
    job.stream = {seed, stream}, job.first_view = first_view, job.pixels = pixels, job.signal = signal.data(), job.square = square.data(), job.few = few;
    for (int64_t k = 0; k < MOST_HARDNESSES; k++) {
        const bool there = k < hardnesses, more = k + 1 < hardnesses;
        job.ratio[k] = there ? static_cast<float>(ratio.data()[k]) : std::numeric_limits<float>::infinity();
        job.ratio[MOST_HARDNESSES + k] = more ? static_cast<float>(1.0 / (ratio.data()[k + 1] - ratio.data()[k])) : 0.0f;
        for (int64_t n = 0; n < 3; n++) {
            const double* const part = parts.data() + n * hardnesses;
            job.parts[n][k] = there ? static_cast<float>(part[k]) : 0.0f;
            job.parts[n][MOST_HARDNESSES + k] = more ? static_cast<float>(part[k + 1] - part[k]) : 0.0f;
        }
    }
    job.mean = mean.array.mutable_data(), job.noise = noise ? noise->array.mutable_data() : nullptr;
    if (noise) {
        const int log2_bins = tables.ndim() == 3 ? log2_of(tables.shape(2)) : 0;
        if (log2_bins == 0 || tables.shape(0) != hardnesses || tables.shape(1) != TABLES_OF_SUMS || counts.size() != hardnesses)
            throw std::invalid_argument("quanta: tables of sums are (hardnesses, 11, bins), a power of two of bins");
        job.sums = {static_cast<int32_t>(hardnesses), log2_bins, tables.data(), counts.data(), step};
    }
    const ImageTable& kernels = image_kernels(isa);
    in_runs(views, pixels, threads, [&](int64_t view, int64_t first) { kernels.layer_quanta(job, view, first); });
}

// Images (views, rows, columns) blurred by kernels (terms, radius + 1) of rows and columns; `add`: to what is in `out`.
void blur(const Floats& images, const Floats& across, const Floats& along, InPlace<float> out, bool add, int threads, const std::string& isa) {
    if (images.ndim() != 3 || out.array.ndim() != 3) throw std::invalid_argument("blur: images are (views, rows, columns)");
    for (int a = 0; a < 3; a++)
        if (images.shape(a) != out.array.shape(a)) throw std::invalid_argument("blur: images in and out differ in shape");
    if (across.ndim() != 2 || along.ndim() != 2 || across.shape(0) != along.shape(0) || across.shape(1) != along.shape(1) || across.shape(1) < 1)
        throw std::invalid_argument("blur: kernels are (terms, radius + 1)");
    const Blur job = {across.data(), along.data(), static_cast<int>(across.shape(0)), static_cast<int>(across.shape(1)) - 1, static_cast<int>(images.shape(1)),
                      static_cast<int>(images.shape(2)), add};
    if (job.radius > MOST_RADIUS || job.radius > job.rows || job.radius > job.columns) throw std::invalid_argument("blur: the kernel is larger than the image");
    const ImageTable& kernels = image_kernels(isa);
    const int across_tiles = (job.columns + BLUR_COLUMNS - 1) / BLUR_COLUMNS, tiles = across_tiles * ((job.rows + BLUR_ROWS - 1) / BLUR_ROWS);
    const int64_t pixels = images.shape(1) * images.shape(2), items = images.shape(0) * tiles;
    if (items > INT32_MAX) throw std::invalid_argument("blur: too many images at once");
    const float* in = images.data();
    float* to = out.array.mutable_data();
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        std::vector<float> room(static_cast<size_t>(BLUR_ROOM));
        int item;
        while (queue.take(static_cast<int>(items), item)) {
            const int64_t first = item / tiles * pixels;
            const int tile = item % tiles;
            kernels.blur_tile(job, in + first, tile / across_tiles * BLUR_ROWS, tile % across_tiles * BLUR_COLUMNS, room.data(), to + first);
        }
    });
}

// Digital numbers of signals (views, pixels); returns how many are saturated. lag: (2, lags), fractions and shares that leave; held: (lags, pixels).
template <typename Digital>
int64_t read_out(const Floats& signal, const Floats& gain, const Floats& offset_dn, const Floats& alive, InPlace<float> held, const Floats& lag,
                 const std::array<float, 7>& numbers, bool noise, InPlace<Digital> out, uint64_t seed, uint32_t stream, uint32_t first_view, int threads, const std::string& isa) {
    if (signal.ndim() != 2 || held.array.ndim() != 2 || lag.ndim() != 2 || out.array.ndim() != 2) throw std::invalid_argument("readout: signals are (views, pixels)");
    const int64_t views = signal.shape(0), pixels = signal.shape(1), lags = lag.shape(1);
    for (const auto* map : {&gain, &offset_dn, &alive})
        if (map->size() != pixels) throw std::invalid_argument("readout: maps are (pixels)");
    if (out.array.shape(0) != views || out.array.shape(1) != pixels || held.array.shape(0) != lags || held.array.shape(1) != pixels || lag.shape(0) != 2 || lags > MOST_LAGS
        || pixels > INT32_MAX)
        throw std::invalid_argument("readout: out is (views, pixels), held (lags, pixels), at most 8 lags");
    ReadOut job = {};
    job.stream = {seed, stream}, job.first_view = first_view, job.views = static_cast<int32_t>(views), job.lags = static_cast<int32_t>(lags), job.pixels = pixels;
    job.signal = signal.data(), job.gain = gain.data(), job.offset_dn = offset_dn.data(), job.alive = alive.data(), job.held = held.array.mutable_data();
    for (int k = 0; k < lags; k++) job.fraction[k] = lag.at(0, k), job.leaves[k] = lag.at(1, k);
    job.prompt = numbers[0], job.electrons_per_kev = numbers[1], job.excess = numbers[2], job.noise_variance = numbers[3], job.full_well = numbers[4];
    job.dn_per_electron = numbers[5], job.highest = numbers[6], job.noise = noise;
    if constexpr (sizeof(Digital) == 2) job.digital_16 = out.array.mutable_data();
    else job.digital_32 = out.array.mutable_data();
    const ImageTable& kernels = image_kernels(isa);
    const int items = static_cast<int>((pixels + NOISE_RUN - 1) / NOISE_RUN);
    std::atomic<int64_t> saturated{0};
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        int64_t own = 0;
        int item;
        while (queue.take(items, item)) own += kernels.read_out(job, int64_t{item} * NOISE_RUN);
        saturated += own;
    });
    return saturated;
}

constexpr int64_t LENGTHS_AN_ITEM = 1024;

// Lengths of water (views, pixels) of images, less scatter; returns how many signals were below the least. Maps: (pixels); coefficients: (powers, pixels).
int64_t water_lengths(const Floats& image, const std::optional<Floats>& scatter, const Floats& least, const Floats& opened, const Floats& mas, const Floats& coefficients,
                      const Floats& most, const Floats& slope, InPlace<float> out, int threads, const std::string& isa) {
    const int64_t views = image.shape(0), pixels = image.shape(1), powers = coefficients.shape(0);
    for (const auto* array : {&image, static_cast<const Floats*>(&out.array), scatter ? &*scatter : &image})
        if (array->ndim() != 2 || array->shape(0) != views || array->shape(1) != pixels) throw std::invalid_argument("lengths: images are (views, pixels)");
    for (const auto* map : {&least, &opened, &most, &slope})
        if (map->size() != pixels) throw std::invalid_argument("lengths: maps are (pixels)");
    if (mas.size() != views || powers < 1 || powers > MOST_POWERS || coefficients.size() != powers * pixels)
        throw std::invalid_argument("lengths: mas are (views), coefficients (powers, pixels), of 16 powers at most");
    const WaterLengths job = {pixels, static_cast<int32_t>(views), static_cast<int32_t>(powers), image.data(), scatter ? scatter->data() : nullptr, least.data(), opened.data(),
                              most.data(), slope.data(), coefficients.data(), mas.data(), out.array.mutable_data()};
    const ImageTable& kernels = image_kernels(isa);
    const int64_t items = (pixels + LENGTHS_AN_ITEM - 1) / LENGTHS_AN_ITEM;
    if (items > INT32_MAX || views > INT32_MAX) throw std::invalid_argument("lengths: too many pixels at once");
    std::atomic<int64_t> starved{0};
    py::gil_scoped_release release;
    Queue queue;
    Team(threads).run([&](int) {
        int64_t own = 0;
        int item;
        while (queue.take(static_cast<int>(items), item))
            own += kernels.water_lengths(job, item * LENGTHS_AN_ITEM, std::min(pixels, (item + 1) * LENGTHS_AN_ITEM));
        starved += own;
    });
    return starved;
}

void bind_image(py::module_& m) {
    m.def("read_out_16", &read_out<uint16_t>);
    m.def("read_out_32", &read_out<int32_t>);
    m.def("blur", &blur);
    m.def("cumulant_noise", &cumulant_noise);
    m.def("compound_noise", &compound_noise);
    m.def("layer_quanta", &layer_quanta);
    m.def("water_lengths", &water_lengths);
}

}  // namespace
