// Forward projection on the CPU: tiles one after the other, each packed once and then traced by all views.
#pragma once
#include <algorithm>
#include <vector>

#include "launch/aligned.h"
#include "launch/table.h"
#include "launch/team.h"

namespace physsim {

// Edge of a tile along an axis of `count` voxels, for columns of nw: as few tiles of equal size as hold at most about 3 MB each (measured:
// what a block of 16 detector columns needs of it comes in time when asked for early; 36 tiles of 48 a side and what is left of
// 256 columns take 4 % longer than 25 of 52, as each path through a tile must be set up).
inline int column_tile_edge(int count, int nw) {
    const int most = std::max(16, std::min(MAX_TILE_EDGE, static_cast<int>(__builtin_sqrt(3.2e6 / (4.0 * (nw + COLUMN_PAD))))));
    const int parts = (count + most - 1) / most;
    return (count + parts - 1) / parts;
}

struct Image { ViewRays rays; bool flat; float* pixels; };

// Views whose columns are parallel to volume axis w.
inline void project_along(const KernelTable& kernels, const Volume& volume, int w, const std::vector<Image>& views, int threads) {
    ColumnTile whole;
    whole.axis[0] = w == 0 ? 1 : 0, whole.axis[1] = w == 2 ? 1 : 2, whole.axis[2] = w;
    const int np = volume.shape[whole.axis[0]], nq = volume.shape[whole.axis[1]];
    whole.nw = volume.shape[w], whole.stride = whole.nw + COLUMN_PAD;
    const int edge_p = column_tile_edge(np, whole.nw), edge_q = column_tile_edge(nq, whole.nw);
    const size_t floats = static_cast<size_t>(edge_p) * edge_q * whole.stride + 2 * COLUMN_PAD;
    PagedFloats room(2 * floats);
    std::vector<ColumnTile> tiles;
    for (int p = 0; p < np; p += edge_p)
        for (int q = 0; q < nq; q += edge_q) {
            ColumnTile tile = whole;
            tile.p0 = p, tile.q0 = q, tile.np = std::min(edge_p, np - p), tile.nq = std::min(edge_q, nq - q);
            tile.data = room.data.get() + (tiles.size() % 2) * floats;
            tiles.push_back(tile);
        }
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
            // The zeros between columns: the buffer holds nothing yet, or an earlier tile of another shape.
            for (int i = 0; i < tile.np; i++) {
                float* column = tile.data + (static_cast<int64_t>(row) * tile.np + i) * tile.stride;
                std::fill(column, column + COLUMN_PAD, 0.0f);
                if (i == tile.np - 1 && row == tile.nq - 1) std::fill(column + tile.stride, column + tile.stride + 2 * COLUMN_PAD, 0.0f);
            }
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
    int edge[3];
    for (int a = 0; a < 3; a++) {
        const int parts = (volume.shape[a] + MOST - 1) / MOST;
        edge[a] = (volume.shape[a] + parts - 1) / parts;
    }
    std::vector<BlockTile> tiles;
    const size_t floats = static_cast<size_t>(edge[0] + 2) * (edge[1] + 2) * (edge[2] + 2);
    AlignedFloats room(2 * floats);
    for (int z = 0; z < volume.shape[2]; z += edge[2])
        for (int y = 0; y < volume.shape[1]; y += edge[1])
            for (int x = 0; x < volume.shape[0]; x += edge[0]) {
                BlockTile tile = {room.data.get() + (tiles.size() % 2) * floats, {x, y, z},
                                  {std::min(edge[0], volume.shape[0] - x), std::min(edge[1], volume.shape[1] - y), std::min(edge[2], volume.shape[2] - z)}};
                tiles.push_back(tile);
            }
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
