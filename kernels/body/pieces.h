// The pieces of every organ of a label volume at once: runs along x, joined wherever they touch.
#pragma once
#include <algorithm>
#include <vector>

#include "core/platform.h"
#include "launch/team.h"

namespace physsim {

// A volume (nz, ny, nx) of labels.
template <typename Label>
struct LabelVolume {
    Label* at;
    int32_t shape[3];  // z, y, x

    int64_t size() const { return int64_t{shape[0]} * shape[1] * shape[2]; }
    int64_t index(int32_t z, int32_t y, int32_t x) const { return (int64_t{z} * shape[1] + y) * shape[2] + x; }
    bool holds(int32_t z, int32_t y, int32_t x) const { return z >= 0 && y >= 0 && x >= 0 && z < shape[0] && y < shape[1] && x < shape[2]; }
    bool at_face(int32_t z, int32_t y, int32_t x) const { return z == 0 || y == 0 || x == 0 || z == shape[0] - 1 || y == shape[1] - 1 || x == shape[2] - 1; }
};

struct LabelPiece {
    int64_t voxels = 0, first = -1;  // of its voxels the index of the first
    int32_t label = 0;
    bool at_face = false;  // it may go on beyond the grid
};

struct LabelBox {
    int32_t low[3] = {1 << 30, 1 << 30, 1 << 30}, high[3] = {-1, -1, -1};  // z, y, x; both within
};

// Runs by row, the piece of each run, and what is known of pieces and labels. Pieces are in the order of their first voxels.
struct LabelPieces {
    struct Run { int32_t begin, label; };
    std::vector<int64_t> rows;  // first run of each row
    std::vector<Run> runs;
    std::vector<int32_t> piece_of;  // of each run
    std::vector<LabelPiece> pieces;
    std::vector<LabelBox> boxes;  // by label

    // The run of a row that holds x.
    int64_t at(int64_t row, int32_t x) const {
        const auto first = runs.begin() + rows[static_cast<size_t>(row)], past = runs.begin() + rows[static_cast<size_t>(row) + 1];
        return std::upper_bound(first, past, x, [](int32_t place, const Run& one) { return place < one.begin; }) - 1 - runs.begin();
    }
    int32_t end(int64_t row, int64_t run, int32_t nx) const {
        return run + 1 < rows[static_cast<size_t>(row) + 1] ? runs[static_cast<size_t>(run) + 1].begin : nx;
    }
};

template <typename Label>
class PieceFinder {
  public:
    PieceFinder(const LabelVolume<Label>& volume, int32_t labels, int threads) : v_(volume), rows_(int64_t{volume.shape[0]} * volume.shape[1]) {
        const int slabs = std::max(1, std::min(threads * 4, volume.shape[0]));
        list_runs(slabs, threads);
        parent_.resize(found.runs.size());
        for (size_t n = 0; n < parent_.size(); n++) parent_[n] = static_cast<int32_t>(n);
        Queue queue;
        Team(std::min(threads, slabs)).run([&](int) {
            int slab;
            while (queue.take(slabs, slab))
                for (int32_t z = begin_of(slab, slabs); z < begin_of(slab + 1, slabs); z++) join_plane(z, z > begin_of(slab, slabs));
        });
        for (int slab = 1; slab < slabs; slab++) join_below(begin_of(slab, slabs));
        measure(labels);
    }

    LabelPieces found;

  private:
    LabelVolume<Label> v_;
    int64_t rows_;
    std::vector<int32_t> parent_;

    int32_t begin_of(int slab, int slabs) const { return static_cast<int32_t>(int64_t{slab} * v_.shape[0] / slabs); }

    void list_runs(int slabs, int threads) {
        std::vector<std::vector<LabelPieces::Run>> own(static_cast<size_t>(slabs));
        found.rows.assign(static_cast<size_t>(rows_) + 1, 0);
        Queue queue;
        Team(std::min(threads, slabs)).run([&](int) {
            int slab;
            while (queue.take(slabs, slab))
                for (int64_t row = int64_t{begin_of(slab, slabs)} * v_.shape[1]; row < int64_t{begin_of(slab + 1, slabs)} * v_.shape[1]; row++) {
                    std::vector<LabelPieces::Run>& runs = own[static_cast<size_t>(slab)];
                    const size_t before = runs.size();
                    const Label* line = v_.at + row * v_.shape[2];
                    runs.push_back({0, line[0]});
                    for (int32_t x = 1; x < v_.shape[2]; x++)
                        if (line[x] != line[x - 1]) runs.push_back({x, line[x]});
                    found.rows[static_cast<size_t>(row) + 1] = static_cast<int64_t>(runs.size() - before);
                }
        });
        for (size_t row = 0; row < static_cast<size_t>(rows_); row++) found.rows[row + 1] += found.rows[row];
        found.runs.reserve(static_cast<size_t>(found.rows.back()));
        for (const auto& runs : own) found.runs.insert(found.runs.end(), runs.begin(), runs.end());
    }

    int32_t root(int32_t n) {
        while (parent_[static_cast<size_t>(n)] != n) n = parent_[static_cast<size_t>(n)] = parent_[static_cast<size_t>(parent_[static_cast<size_t>(n)])];
        return n;
    }
    void join(int64_t a, int64_t b) {
        const int32_t one = root(static_cast<int32_t>(a)), other = root(static_cast<int32_t>(b));
        parent_[static_cast<size_t>(std::max(one, other))] = std::min(one, other);
    }
    // Runs of two rows that touch, at corners too.
    void join_rows(int64_t row, int64_t other) {
        int64_t a = found.rows[static_cast<size_t>(row)], b = found.rows[static_cast<size_t>(other)];
        const int64_t last_a = found.rows[static_cast<size_t>(row) + 1], last_b = found.rows[static_cast<size_t>(other) + 1];
        while (a < last_a && b < last_b) {
            const int32_t end_a = found.end(row, a, v_.shape[2]), end_b = found.end(other, b, v_.shape[2]);
            const LabelPieces::Run &one = found.runs[static_cast<size_t>(a)], &two = found.runs[static_cast<size_t>(b)];
            if (one.label == two.label && one.begin <= end_b && two.begin <= end_a) join(a, b);
            if (end_a == end_b) {  // the next of each may touch the other's at a corner
                if (a + 1 < last_a && found.runs[static_cast<size_t>(a) + 1].label == two.label) join(a + 1, b);
                if (b + 1 < last_b && found.runs[static_cast<size_t>(b) + 1].label == one.label) join(a, b + 1);
                a++, b++;
            } else if (end_a < end_b) {
                a++;
            } else {
                b++;
            }
        }
    }
    void join_below(int32_t z) {
        const int32_t ny = v_.shape[1];
        for (int32_t y = 0; y < ny; y++)
            for (int32_t other = std::max(0, y - 1); other <= std::min(ny - 1, y + 1); other++) join_rows(int64_t{z} * ny + y, int64_t{z - 1} * ny + other);
    }
    void join_plane(int32_t z, bool below) {
        for (int32_t y = 1; y < v_.shape[1]; y++) join_rows(int64_t{z} * v_.shape[1] + y, int64_t{z} * v_.shape[1] + y - 1);
        if (below) join_below(z);
    }

    void measure(int32_t labels) {
        const int32_t ny = v_.shape[1], nx = v_.shape[2];
        found.boxes.assign(static_cast<size_t>(labels), LabelBox());
        found.piece_of.assign(parent_.size(), -1);
        for (int64_t row = 0; row < rows_; row++) {
            const int32_t z = static_cast<int32_t>(row / ny), y = static_cast<int32_t>(row % ny);
            const bool edge = z == 0 || y == 0 || z == v_.shape[0] - 1 || y == ny - 1;
            for (int64_t n = found.rows[static_cast<size_t>(row)]; n < found.rows[static_cast<size_t>(row) + 1]; n++) {
                const LabelPieces::Run& run = found.runs[static_cast<size_t>(n)];
                const int32_t own = root(static_cast<int32_t>(n)), last = found.end(row, n, nx) - 1;
                int32_t& piece = found.piece_of[static_cast<size_t>(own)];
                if (piece < 0) piece = static_cast<int32_t>(found.pieces.size()), found.pieces.push_back({0, row * nx + run.begin, run.label, false});
                found.piece_of[static_cast<size_t>(n)] = piece;
                LabelPiece& known = found.pieces[static_cast<size_t>(piece)];
                known.voxels += last - run.begin + 1;
                known.at_face |= edge || run.begin == 0 || last == nx - 1;
                LabelBox& box = found.boxes[static_cast<size_t>(run.label)];
                const int32_t low[3] = {z, y, run.begin}, high[3] = {z, y, last};
                for (int a = 0; a < 3; a++) box.low[a] = std::min(box.low[a], low[a]), box.high[a] = std::max(box.high[a], high[a]);
            }
        }
    }
};

}  // namespace physsim
