// Channels of views of any pose: the packets of packets.h with a run of one material in place of a sum.
#pragma once
#include "raytrace/packets.h"
#include "raytrace/runs.h"

namespace physsim {
namespace PHYSSIM_ISA {

// PACKETS x 16 rays through a block; `whole` is the block's word where it has but one.
template <int PACKETS>
PHYSSIM_HD void walk_packets(const BlockTile& block, const PacketRays (&rays)[PACKETS], const Channels& channels, const uint32_t* whole, Run (&run)[PACKETS]) {
    const int line = block.shape[0] + 2;
    const float* voxels = block.data + line * (block.shape[1] + 2) + line + 1;
    PacketWalk walk[PACKETS];
    for (int i = 0; i < PACKETS; i++) {
        walk[i].enter(block, rays[i]);
        if (whole) {
            run[i].word = I(static_cast<int32_t>(*whole));
            run[i].path = to_float(run[i].word) * (walk[i].exit - walk[i].here);
            walk[i].here = walk[i].exit;
        } else {
            run[i].word = as_int(gather(voxels, walk[i].index));
        }
    }
    while (true) {
        M active = walk[0].active();
        for (int i = 1; i < PACKETS; i++) active = active | walk[i].active();
        if (!any(active)) break;
        PHYSSIM_UNROLL
        for (int i = 0; i < PACKETS; i++) {
            const M here = walk[i].active();
            const I word = as_int(gather(voxels, walk[i].index));
            add_voxel(channels, here, word, walk[i].step_length(), run[i]);
        }
    }
}

// Adds the channels of packet rows `from` .. `to` - 1 in the block; `whole` is the block's word where it has but one.
inline void spectral_packets(const BlockTile& block, const double (&spacing)[3], const RayGroups& groups, int from, int to, const Channels& channels,
                             const uint32_t* whole) {
    const ViewRays& rays = groups.rays;
    const PacketShape shape = {groups.high, groups.wide};
    const int wide = (rays.columns + shape.wide - 1) / shape.wide;
    Piece queue[PACKETS_AT_ONCE * MAX_PIECES];
    int first = wide, last = -1;  // packet columns that can hit the block
    for (int c = 0; c < wide; c++) {
        const int right = c * shape.wide + shape.wide - 1;
        if (columns_miss(rays, block, c * shape.wide, right < rays.columns ? right : rays.columns - 1)) continue;
        if (c < first) first = c;
        last = c;
    }
    if (first > last) return;
    const int end = to;
    to = from;
    for (int r = from; r < end; r++) {  // packet rows that can hit it
        const int bottom = r * shape.high + shape.high - 1;
        if (groups.flat && rows_miss(rays, block, r * shape.high, bottom < rays.rows ? bottom : rays.rows - 1)) continue;
        if (to <= from) from = r;
        to = r + 1;
    }
    for (int c = first; c <= last; c++) {
        const PacketOffsets offsets(rays, shape, c * shape.wide);
        for (int r = from; r < to; r += PACKETS_AT_ONCE) {
            PacketRays packets[PACKETS_AT_ONCE];
            Run run[PACKETS_AT_ONCE];
            for (int i = 0; i < PACKETS_AT_ONCE; i++) {
                packets[i] = PacketRays(rays, spacing, block, offsets, (r + i) * shape.high, c * shape.wide);
                run[i] = Run(groups.sums + (r + i) * groups.row_step + c * groups.column_step, packets[i].mm * F(channels.quantum), queue + i * MAX_PIECES);
            }
            walk_packets<PACKETS_AT_ONCE>(block, packets, channels, whole, run);
            for (int i = 0; i < PACKETS_AT_ONCE && r + i < to; i++) finish_run(channels, run[i]);
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
