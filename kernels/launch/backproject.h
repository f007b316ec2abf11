// The adjoint on the CPU: a thread owns what it adds to, so sums have one order whatever the number of threads.
#pragma once
#include <vector>

#include "launch/project.h"

namespace physsim {

// Views whose columns are parallel to volume axis w. A work item is a tile of columns and a range of w (about 2.3 MB, measured: what
// 16 detector columns touch of it comes in time when asked for early), for as many views as 128 MB of turned images hold.
inline void backproject_along(const KernelTable& kernels, const Volume& volume, int w, const std::vector<Image>& views, int threads) {
    const ColumnTile whole = columns_along(volume, w);
    const int groups = (whole.nw + kernels.group_voxels - 1) / kernels.group_voxels;
    int deep = std::min(18, groups);  // groups a work item has
    const int edge = std::min(MAX_TILE_EDGE, static_cast<int>(__builtin_sqrt(2.3e6 / (64.0 * deep))) / 2 * 2);
    const int wide = edge + 1;  // odd: else the rows of a tile share the same few sets of the cache; the last may lie outside
    std::vector<ColumnTile> tiles;
    for (int q = 0; q < whole.nq; q += edge)
        for (int p = 0; p < whole.np; p += wide) {
            ColumnTile tile = whole;
            tile.p0 = p, tile.q0 = q, tile.np = std::min(wide, whole.np - p) | 1, tile.nq = std::min(edge, whole.nq - q);
            tiles.push_back(tile);
        }
    const int count = static_cast<int>(tiles.size());
    // Fewer in a small volume, whatever the threads, because it shows in the bits.
    while (deep > 1 && count * ((groups + deep - 1) / deep) < 16) deep /= 2;
    const int parts = (groups + deep - 1) / deep;
    const ViewRays& any = views[0].rays;
    const int64_t high = (any.rows + 15) / 16 * 16, pixels = high * any.columns;
    const size_t together = static_cast<size_t>(std::max<int64_t>(1, std::min<int64_t>(static_cast<int64_t>(views.size()), (int64_t(1) << 25) / pixels)));
    AlignedFloats turned(together * static_cast<size_t>(pixels));
    const size_t rounds = (views.size() + together - 1) / together;
    std::vector<Queue> turning(rounds), tracing(rounds);
    Team team(threads);
    team.run([&](int) {
        AlignedFloats room(static_cast<size_t>(wide) * edge * 16 * static_cast<size_t>(deep) + COLUMN_PAD);
        AlignedFloats scratch(static_cast<size_t>(kernels.column_adjoint_scratch(any.rows)));
        for (size_t round = 0; round < rounds; round++) {
            const size_t first = round * together;
            const int here = static_cast<int>(std::min(together, views.size() - first));
            int item;
            while (turning[round].take(here, item)) {
                const Image& view = views[first + static_cast<size_t>(item)];
                kernels.begin_columns(volume.spacing, whole.axis, view.rays, view.pixels, turned.data.get() + item * pixels, high);
            }
            team.barrier();
            while (tracing[round].take(count * parts, item)) {
                ColumnTile tile = tiles[static_cast<size_t>(item / parts)];
                const int from = deep * (item % parts), to = std::min(groups, from + deep);
                tile.data = room.data.get(), tile.stride = 16 * (to - from);
                std::fill(tile.data, tile.data + COLUMN_PAD + static_cast<int64_t>(tile.np) * tile.nq * tile.stride, 0.0f);
                for (int v = 0; v < here; v++)
                    for (int c = 0; c < any.columns; c += 16)
                        kernels.backproject_columns(tile, views[first + static_cast<size_t>(v)].rays, c, turned.data.get() + v * pixels, high, from, to, scratch.data.get());
                for (int j = 0; j < tile.nq; j++) kernels.unpack_columns(tile, from, to, j, volume);
            }
            team.barrier();
        }
    });
}

// Adds to the voxels of a block what rows of packets of one view give.
using BlockAdjoint = void (*)(const BlockTile&, const double (&spacing)[3], const ViewRays&, bool flat, int from, int to, const float* image);

// Views of any pose, by blocks. Where blocks are few, each is filled in several parts, by packets of rows, that are summed in order;
// their number depends on the task alone.
inline void backproject_blocks(const KernelTable& kernels, BlockAdjoint backproject, const Volume& volume, const std::vector<Image>& views, int threads) {
    const int edge[3] = {MAX_BLOCK_EDGE, MAX_BLOCK_EDGE, MAX_BLOCK_EDGE};
    const std::vector<BlockTile> blocks = block_tiles(volume, edge, nullptr);
    const int high = packet_rows_high(views[0].rays), rows = (views[0].rays.rows + high - 1) / high;
    const int64_t work = static_cast<int64_t>(views.size()) * rows;
    const int count = static_cast<int>(blocks.size());
    const int parts = static_cast<int>(std::min<int64_t>(work, std::max(1, 16 / count)));
    const size_t floats = block_floats(edge);
    std::vector<AlignedFloats> shared;  // one a part, where there are several
    for (int i = 0; parts > 1 && i < count * parts; i++) shared.emplace_back(floats);
    Queue tracing, adding;
    Team team(threads);
    team.run([&](int) {
        AlignedFloats own(parts > 1 ? 1 : floats);
        int item;
        while (tracing.take(count * parts, item)) {
            BlockTile block = blocks[static_cast<size_t>(item / parts)];
            block.data = parts > 1 ? shared[static_cast<size_t>(item)].data.get() : own.data.get();
            if (parts == 1) std::fill(block.data, block.data + floats, 0.0f);
            for (int64_t at = work * (item % parts) / parts, end = work * (item % parts + 1) / parts; at < end;) {
                const int64_t view = at / rows, stop = std::min(end, (view + 1) * rows);
                const Image& image = views[static_cast<size_t>(view)];
                backproject(block, volume.spacing, image.rays, image.flat, static_cast<int>(at - view * rows), static_cast<int>(stop - view * rows), image.pixels);
                at = stop;
            }
            if (parts == 1)
                for (int k = 0; k < block.shape[2]; k++) kernels.unpack_block(block, k, volume);
        }
        team.barrier();
        while (parts > 1 && adding.take(count, item))
            for (int part = 0; part < parts; part++) {
                BlockTile block = blocks[static_cast<size_t>(item)];
                block.data = shared[static_cast<size_t>(item * parts + part)].data.get();
                for (int k = 0; k < block.shape[2]; k++) kernels.unpack_block(block, k, volume);
            }
    });
}

}  // namespace physsim
