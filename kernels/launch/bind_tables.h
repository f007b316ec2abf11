// What physsim.physics makes tables with, on any CPU the same: alias tables, and sums of looked-up functions.
#pragma once
#include <algorithm>
#include <cstring>

#include "detect/sum_tables.h"

namespace {

// The least of up to 256 whole numbers, the first of equal ones: a tournament. A change plays one path again, without a branch.
class Tournament {
public:
    static constexpr int MOST = 256;
    void begin(const int64_t* keys, int count) {
        for (leaves_ = 1; leaves_ < count;) leaves_ *= 2;
        for (int i = 0; i < leaves_; i++) key_[leaves_ + i] = i < count ? keys[i] : OUT, leaf_[leaves_ + i] = i;
        for (int i = leaves_ - 1; i > 0; i--) {
            const bool second = key_[2 * i + 1] < key_[2 * i];
            key_[i] = second ? key_[2 * i + 1] : key_[2 * i], leaf_[i] = second ? leaf_[2 * i + 1] : leaf_[2 * i];
        }
    }
    void change(int leaf, int64_t key) {
        int64_t best = leaf;
        for (int i = leaves_ + leaf;; i >>= 1) {
            key_[i] = key, leaf_[i] = best;
            if (i == 1) return;
            const int64_t other = -static_cast<int64_t>(key_[i ^ 1] < key + (i & 1));  // all bits; of equal ones the left
            key ^= (key ^ key_[i ^ 1]) & other, best ^= (best ^ leaf_[i ^ 1]) & other;
        }
    }
    int winner() const { return static_cast<int>(leaf_[1]); }
    int64_t key() const { return key_[1]; }
    static constexpr int64_t OUT = INT64_MAX - 1;

private:
    int leaves_ = 1;
    int64_t key_[2 * MOST], leaf_[2 * MOST];
};

// Doubles that are not negative have the order of their bits.
int64_t order_of(double value) {
    int64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Walker's tables of distributions (rows, bins), the smallest bin filled up by the largest: physsim/physics/alias.py.
py::array_t<int32_t> alias_tables(const Doubles& probability) {
    constexpr double FULL = 1.0 - 1e-12, CHANCE = 1 << 23;
    if (probability.ndim() != 2 || probability.shape(1) < 1 || probability.shape(1) > Tournament::MOST)
        throw std::invalid_argument("distributions must be (rows, bins), 256 bins at most");
    const py::ssize_t rows = probability.shape(0);
    const int bins = static_cast<int>(probability.shape(1));
    py::array_t<int32_t> tables({rows, py::ssize_t{bins}});
    const double* given = probability.data();
    int32_t* table = tables.mutable_data();
    py::gil_scoped_release release;
    Tournament small, large;
    double left[Tournament::MOST];
    int64_t rising[Tournament::MOST], falling[Tournament::MOST];
    for (py::ssize_t row = 0; row < rows; row++, given += bins, table += bins) {
        double sum = 0.0;
        for (int i = 0; i < bins; i++) sum += given[i];
        const double scale = bins / sum;
        for (int i = 0; i < bins; i++) {
            left[i] = given[i] * scale;
            rising[i] = order_of(left[i]), falling[i] = -rising[i];
            table[i] = static_cast<int32_t>(static_cast<uint32_t>(i) << 24 | 1u << 23);
        }
        small.begin(rising, bins), large.begin(falling, bins);
        for (int step = 1; step < bins && small.key() < order_of(FULL); step++) {
            const int low = small.winner(), high = large.winner();
            const uint32_t chance = static_cast<uint32_t>(left[low] * CHANCE + 0.5);
            table[low] = static_cast<int32_t>(static_cast<uint32_t>(high) << 24 | chance);
            left[high] -= 1.0 - left[low];
            large.change(high, -order_of(left[high]));
            small.change(low, Tournament::OUT);
            if (left[high] < FULL) small.change(high, order_of(left[high]));
        }
    }
    return tables;
}

// The laws (rows, bins) of sums of quanta of mean counts (rows, classes) that deposit 1, 2, .. steps; none: (rows) chances of no quantum.
Doubles laws_of_sums(const Doubles& counts, const Doubles& none, int64_t bins) {
    if (counts.ndim() != 2 || none.size() != counts.shape(0) || bins < 1) throw std::invalid_argument("laws of sums: counts are (rows, classes), of 1 bin or more");
    const py::ssize_t rows = counts.shape(0), classes = counts.shape(1);
    Doubles laws({rows, static_cast<py::ssize_t>(bins)});
    double* const law = laws.mutable_data();
    py::gil_scoped_release release;
    for (py::ssize_t row = 0; row < rows; row++) law_of_sum(counts.data() + row * classes, classes, none.data()[row], law + row * bins, bins);
    return laws;
}

// Of bins that are a power of two from 2 to 65,536; 0 of others.
int log2_of(int64_t bins) {
    for (int n = 1; n <= 16; n++)
        if (bins == int64_t{1} << n) return n;
    return 0;
}

// Tables for sample_exact_alias of distributions (rows, bins), a power of two from 2 to 65,536 bins.
py::array_t<int32_t> exact_alias_tables(const Doubles& probability) {
    const py::ssize_t bins = probability.ndim() == 2 ? probability.shape(1) : 0;
    const int log2_bins = log2_of(bins);
    if (log2_bins == 0) throw std::invalid_argument("distributions must be (rows, bins), a power of two from 2 to 65,536 bins");
    py::array_t<int32_t> tables({probability.shape(0), bins});
    int32_t* const table = tables.mutable_data();
    py::gil_scoped_release release;
    std::vector<int64_t> left(static_cast<size_t>(bins));
    for (py::ssize_t row = 0; row < probability.shape(0); row++) exact_alias_table(probability.data() + row * bins, log2_bins, left.data(), table + row * bins);
    return tables;
}

// Sums over points of weight x function(place): places and weights (rows, bins, points), functions (n, knots) straight between
// the knots and constant beyond the last; places not below the first knot. Returns (n, rows, bins).
Doubles sums_of_lookups(const Doubles& places, const Doubles& weights, const Doubles& knots, const Doubles& functions) {
    constexpr int TOGETHER = 8;  // functions at a time
    if (places.ndim() != 3 || weights.ndim() != 3 || places.size() != weights.size() || places.shape(2) != weights.shape(2))
        throw std::invalid_argument("places and weights must both be (rows, bins, points)");
    if (knots.size() < 2 || functions.ndim() != 2 || functions.shape(1) != knots.size()) throw std::invalid_argument("functions must be (n, knots)");
    const py::ssize_t cells = places.shape(0) * places.shape(1), points = places.shape(2), count = functions.shape(0), last = knots.size() - 1;
    Doubles sums({count, places.shape(0), places.shape(1)});
    double* const sum = sums.mutable_data();
    const double *const knot = knots.data(), *const value = functions.data();
    py::gil_scoped_release release;
    struct Piece { double at[TOGETHER], slope[TOGETHER]; };
    std::vector<Piece> pieces(static_cast<size_t>(last + 1));
    for (py::ssize_t first = 0; first < count; first += TOGETHER) {
        const int lanes = static_cast<int>(std::min<py::ssize_t>(TOGETHER, count - first));
        for (py::ssize_t k = 0; k <= last; k++) {
            Piece& piece = pieces[static_cast<size_t>(k)];
            for (int lane = 0; lane < TOGETHER; lane++) {
                const double* const own = value + (first + std::min(lane, lanes - 1)) * (last + 1);
                piece.at[lane] = own[k], piece.slope[lane] = k < last ? (own[k + 1] - own[k]) / (knot[k + 1] - knot[k]) : 0.0;
            }
        }
        const double *place = places.data(), *weight = weights.data();
        py::ssize_t k = 0;
        for (py::ssize_t cell = 0; cell < cells; cell++) {
            double total[TOGETHER] = {};
            for (py::ssize_t point = 0; point < points; point++, place++, weight++) {
                if (*place < knot[k]) k = std::max<py::ssize_t>(0, std::upper_bound(knot, knot + k, *place) - knot - 1);
                while (k < last && *place >= knot[k + 1]) k++;
                const Piece& piece = pieces[static_cast<size_t>(k)];
                const double along = *place - knot[k];
                for (int lane = 0; lane < TOGETHER; lane++) total[lane] += *weight * (piece.at[lane] + piece.slope[lane] * along);
            }
            for (int lane = 0; lane < lanes; lane++) sum[(first + lane) * cells + cell] = total[lane];
        }
    }
    return sums;
}

void bind_tables(py::module_& m) {
    m.def("alias_tables", &alias_tables);
    m.def("laws_of_sums", &laws_of_sums);
    m.def("exact_alias_tables", &exact_alias_tables);
    m.def("sums_of_lookups", &sums_of_lookups);
}

}  // namespace
