// Forward projection on the CPU: tiles one after the other, each packed once and then traced by all views.
#pragma once
#include <vector>

#include "launch/aligned.h"
#include "launch/table.h"
#include "launch/team.h"
#include "launch/tiles.h"

namespace physsim {

// Most columns of nw along a side of a tile: about 3 MB (measured: what a block of 16 detector columns needs of it comes in time when
// asked for early; 36 tiles of 48 a side and what is left of 256 columns take 4 % longer than 25 of some 52, as each path through a
// tile must be set up).
inline int most_tile_edge(int nw) {
    return std::max(16, std::min(MAX_TILE_EDGE, static_cast<int>(__builtin_sqrt(3.2e6 / (4.0 * (nw + COLUMN_PAD))))));
}

// Tiles begin at whole cache lines of the volume and are packed in whole squares (5 % of the job in place of 7).
constexpr int WHOLE_LINES = 16;

struct Image { ViewRays rays; bool flat; float* pixels; };

// Views whose columns are parallel to volume axis w.
inline void project_along(const KernelTable& kernels, const Volume& volume, int w, const std::vector<Image>& views, int threads) {
    const ColumnTile whole = columns_along(volume, w);
    const int most = most_tile_edge(whole.nw);
    const std::vector<int> p = part_edges(whole.np, most, WHOLE_LINES), q = part_edges(whole.nq, most, 1);
    PagedFloats room(2 * column_floats(whole, widest_part(p), widest_part(q)));
    const std::vector<ColumnTile> tiles = column_tiles(whole, p, q, room.data.get());
    // Work items: blocks of 16 detector columns, several together where there are many views.
    const int blocks = (views[0].rays.columns + 15) / 16;
    const int pieces = static_cast<int>(views.size()) >= 8 * threads ? 1 : std::min<int>(blocks, std::max<int>(1, 16 * threads / static_cast<int>(views.size())));
    const int items = static_cast<int>(views.size()) * pieces;
    Team team(threads);
    std::vector<Queue> packing(tiles.size() + 1), tracing(tiles.size());
    Queue finishing;
    const auto pack_tile = [&](size_t t) {
        int row;
        const ColumnTile& tile = tiles[t];
        while (packing[t].take(tile.nq, row)) {
            clear_between(tile, row, 2 * COLUMN_PAD);
            kernels.pack_columns(volume, tile, row);
        }
    };
    team.run([&](int) {
        pack_tile(0);
        team.barrier();
        for (size_t t = 0; t < tiles.size(); t++) {
            if (t + 1 < tiles.size()) pack_tile(t + 1);
            int item;
            while (tracing[t].take(items, item)) {
                const Image& view = views[static_cast<size_t>(item / pieces)];
                const int from = blocks * (item % pieces) / pieces, to = blocks * (item % pieces + 1) / pieces;
                for (int b = from; b < to; b++) kernels.project_columns(tiles[t], view.rays, 16 * b, view.pixels);
            }
            team.barrier();
        }
        // The images hold sums (columns, rows): turn them.
        const ViewRays& any = views[0].rays;
        const size_t pixels = static_cast<size_t>(any.rows) * any.columns;
        AlignedFloats copy(pixels), room(16 * (any.rows + 16));
        int item;
        while (finishing.take(static_cast<int>(views.size()), item)) {
            const Image& view = views[static_cast<size_t>(item)];
            std::copy(view.pixels, view.pixels + pixels, copy.data.get());
            kernels.finish_columns(volume.spacing, whole.axis, view.rays, copy.data.get(), view.pixels, room.data.get());
        }
    });
}

// Views of any pose.
inline void project_blocks(const KernelTable& kernels, const Volume& volume, const std::vector<Image>& views, int threads) {
    // Blocks of equal size, as few as hold the voxels (measured on 256^3: 86 a side is 7 % faster than 64, 128 half as fast).
    constexpr int MOST = 88;
    const int edge[3] = {equal_edge(volume.shape[0], MOST), equal_edge(volume.shape[1], MOST), equal_edge(volume.shape[2], MOST)};
    AlignedFloats room(2 * block_floats(edge));
    const std::vector<BlockTile> tiles = block_tiles(volume, edge, room.data.get());
    const int rows = (views[0].rays.rows + 3) / 4;
    const int pieces = static_cast<int>(views.size()) >= 8 * threads ? 1 : std::min<int>(rows, std::max<int>(1, 16 * threads / static_cast<int>(views.size())));
    const int items = static_cast<int>(views.size()) * pieces;
    Team team(threads);
    std::vector<Queue> packing(tiles.size()), tracing(tiles.size());
    const auto pack_tile = [&](size_t t) {
        const BlockTile& tile = tiles[t];
        const int64_t line = tile.shape[0] + 2, layer = line * (tile.shape[1] + 2);
        int k;
        while (packing[t].take(tile.shape[2] + 2, k)) {
            std::fill(tile.data + k * layer, tile.data + (k + 1) * layer, 0.0f);
            if (k > 0 && k <= tile.shape[2]) kernels.pack_block(volume, tile, k - 1);
        }
    };
    team.run([&](int) {
        pack_tile(0);
        team.barrier();
        for (size_t t = 0; t < tiles.size(); t++) {
            if (t + 1 < tiles.size()) pack_tile(t + 1);
            int item;
            while (tracing[t].take(items, item)) {
                const Image& view = views[static_cast<size_t>(item / pieces)];
                const int high = packet_rows_high(view.rays);
                const int packet_rows = (view.rays.rows + high - 1) / high;
                kernels.project_packets(tiles[t], volume.spacing, view.rays, view.flat, packet_rows * (item % pieces) / pieces,
                                        packet_rows * (item % pieces + 1) / pieces, view.pixels);
            }
            team.barrier();
        }
    });
}

}  // namespace physsim
