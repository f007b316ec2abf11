// Joseph's projector, its transpose and its derivatives on the CPU: the loops over blocks of the exact projector's general path.
#pragma once
#include "launch/backproject.h"

namespace physsim {

inline void project_joseph(const KernelTable& kernels, const Volume& volume, const std::vector<Image>& views, int threads) {
    KernelTable joseph = kernels;
    joseph.project_packets = kernels.project_joseph;
    project_blocks(joseph, volume, views, threads);
}

inline void backproject_joseph(const KernelTable& kernels, const Volume& volume, const std::vector<Image>& views, int threads) {
    backproject_blocks(kernels, kernels.backproject_joseph, volume, views, threads);
}

// gradient: (views, columns, 12). A work item is a block of 16 detector columns of a view; blocks of the volume come one after
// the other, so every sum has one order.
inline void joseph_gradient(const KernelTable& kernels, const Volume& volume, const std::vector<Image>& views, double* gradient, int threads) {
    const int edge = MAX_BLOCK_EDGE;
    const ViewRays& any = views[0].rays;
    const int wide = 16 / packet_rows_high(any), packets = (any.columns + wide - 1) / wide;
    const int pieces = (packets + 3) / 4, items = static_cast<int>(views.size()) * pieces;
    std::vector<BlockTile> blocks;
    AlignedFloats room(static_cast<size_t>(edge + 2) * (edge + 2) * (edge + 2));
    for (int z = 0; z < volume.shape[2]; z += edge)
        for (int y = 0; y < volume.shape[1]; y += edge)
            for (int x = 0; x < volume.shape[0]; x += edge)
                blocks.push_back({room.data.get(), {x, y, z}, {std::min(edge, volume.shape[0] - x), std::min(edge, volume.shape[1] - y), std::min(edge, volume.shape[2] - z)}});
    std::vector<Queue> packing(blocks.size()), tracing(blocks.size());
    Team team(threads);
    team.run([&](int) {
        for (size_t t = 0; t < blocks.size(); t++) {
            const BlockTile& block = blocks[t];
            const int64_t layer = static_cast<int64_t>(block.shape[0] + 2) * (block.shape[1] + 2);
            int item;
            while (packing[t].take(block.shape[2] + 2, item)) {
                std::fill(block.data + item * layer, block.data + (item + 1) * layer, 0.0f);
                if (item > 0 && item <= block.shape[2]) kernels.pack_block(volume, block, item - 1);
            }
            team.barrier();
            while (tracing[t].take(items, item)) {
                const Image& view = views[static_cast<size_t>(item / pieces)];
                double* out = gradient + static_cast<int64_t>(item / pieces) * any.columns * 12;
                kernels.joseph_gradient(block, volume.spacing, view.rays, view.flat, 4 * (item % pieces), 4 * (item % pieces) + 4, view.pixels, out);
            }
            team.barrier();
        }
    });
}

}  // namespace physsim
