// The exact transpose of packets.h: the same steps through a block; each lane adds value x length to its voxel, lane after
// lane, so that lanes in one voxel all count and the sums have one order.
#pragma once
#include "core/scatter.h"
#include "raytrace/packets.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Adds value x parameter of 16 rays to the voxels of a block.
PHYSSIM_HD void scatter_packet(const BlockTile& block, const PacketRays& rays, F value) {
    PacketWalk walk;
    walk.enter(block, rays);
    const int line = block.shape[0] + 2;
    float* voxels = block.data + line * (block.shape[1] + 2) + line + 1;
    while (any(walk.active())) {
        const I index = walk.index;
        const F length = walk.step_length();
        scatter_add(voxels, index, value * length);
    }
}

// 16 pixels of image (rows, columns); 0 beyond its edges.
inline F load_packet(const ViewRays& rays, PacketShape shape, int row, int column, const float* image) {
    alignas(64) float value[16];
    for (int l = 0; l < 16; l++) {
        const int r = row + l / shape.wide, c = column + l % shape.wide;
        value[l] = r < rays.rows && c < rays.columns ? image[static_cast<int64_t>(r) * rays.columns + c] : 0.0f;
    }
    return load(value);
}

// Packet columns first .. last that can hit the block; first > last when none can.
struct PacketColumns { int32_t first, last; };
inline PacketColumns columns_hitting(const ViewRays& rays, const BlockTile& block, PacketShape shape) {
    const int wide = (rays.columns + shape.wide - 1) / shape.wide;
    PacketColumns hit = {wide, -1};
    for (int c = 0; c < wide; c++) {
        const int right = c * shape.wide + shape.wide - 1;
        if (columns_miss(rays, block, c * shape.wide, right < rays.columns ? right : rays.columns - 1)) continue;
        if (c < hit.first) hit.first = c;
        hit.last = c;
    }
    return hit;
}

PHYSSIM_HD bool packets_miss(const ViewRays& rays, const BlockTile& block, PacketShape shape, bool flat, int row) {
    const int bottom = row * shape.high + shape.high - 1;
    return flat && rows_miss(rays, block, row * shape.high, bottom < rays.rows ? bottom : rays.rows - 1);
}

// Adds the transpose of packet rows `from` .. `to` - 1 of image (rows, columns) to the block.
inline void backproject_packets(const BlockTile& block, const double (&spacing)[3], const ViewRays& rays, bool flat, int from, int to, const float* image) {
    const PacketShape shape = packet_shape(rays);
    const PacketColumns hit = columns_hitting(rays, block, shape);
    if (hit.first > hit.last) return;
    for (int c = hit.first; c <= hit.last; c++) {
        const int column = c * shape.wide;
        const PacketOffsets offsets(rays, shape, column);
        for (int r = from; r < to; r++) {
            if (packets_miss(rays, block, shape, flat, r)) continue;
            const PacketRays packet(rays, spacing, block, offsets, r * shape.high, column);
            scatter_packet(block, packet, load_packet(rays, shape, r * shape.high, column, image) * packet.mm);
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
