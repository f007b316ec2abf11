// Joseph's line integrals of 16 rays in lockstep through a block of the volume, and their transpose. A sample near a block's border is
// shared: each block adds the part of its own voxels.
#pragma once
#include "core/scatter.h"
#include "raytrace/joseph_line.h"
#include "raytrace/packets.h"
#include "raytrace/packets_adjoint.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Where 16 rays sample one plane each.
struct JosephSample {
    F weight;  // share of the plane's slab between the ray's ends, 0 beside the block
    F a, b;    // fractions towards the next voxel along the two axes across
    I index;   // first of the four voxels
    M inside;
};

// The axis along which a ray moves fastest, and the two across: each lane has its own. In voxels of the block.
struct JosephRays : JosephLine {
    M along_x, along_y;         // the dominant axis, else z
    F per_plane;                // parameter a voxel along, with sign
    F size_a, size_b;           // voxels of the block
    I stride_d, stride_a, stride_b;
    F mm;                       // mm a plane

    PHYSSIM_HD F choose(F x, F y, F z) const { return select(along_x, x, select(along_y, y, z)); }
    PHYSSIM_HD I choose(I x, I y, I z) const { return select(along_x, x, select(along_y, y, z)); }

    PHYSSIM_HD JosephRays(const BlockTile& block, const PacketRays& rays) {
        F size[3], speed[3], at[3];
        I stride[3];
        int step = 1;
        for (int i = 0; i < 3; i++) {
            speed[i] = maximum(rays.slope[i], F(0.0f) - rays.slope[i]);
            at[i] = rays.whole[i] + rays.part[i];
            size[i] = F(static_cast<float>(block.shape[i])), stride[i] = I(step);
            step *= block.shape[i] + 2;
        }
        along_x = (speed[1] <= speed[0]) & (speed[2] <= speed[0]);
        along_y = ~along_x & (speed[2] <= speed[1]);
        const F slope = choose(rays.slope[0], rays.slope[1], rays.slope[2]);
        at_d = choose(at[0], at[1], at[2]), at_a = choose(at[1], at[0], at[0]), at_b = choose(at[2], at[2], at[1]);
        per_plane = F(1.0f) / slope;
        rate_a = choose(rays.slope[1], rays.slope[0], rays.slope[0]) * per_plane;
        rate_b = choose(rays.slope[2], rays.slope[2], rays.slope[1]) * per_plane;
        start = at_d + slope * rays.first, end = at_d + slope * rays.last;
        size_a = choose(size[1], size[0], size[0]), size_b = choose(size[2], size[2], size[1]);
        stride_d = choose(stride[0], stride[1], stride[2]), stride_a = choose(stride[1], stride[0], stride[0]);
        stride_b = choose(stride[2], stride[2], stride[1]);
        limit(F(0.0f), choose(size[0], size[1], size[2]) - F(1.0f));
        narrow(at_a, rate_a, F(0.0f), size_a);
        narrow(at_b, rate_b, F(0.0f), size_b);
        to = select(rays.real, to, F(-1.0f));
        mm = rays.mm * maximum(per_plane, F(0.0f) - per_plane);
    }

    PHYSSIM_HD JosephSample sample(F plane) const {
        const Between a = across(plane, at_a, rate_a), b = across(plane, at_b, rate_b);
        JosephSample s;
        s.inside = (plane <= to) & (F(-1.0f) <= a.voxel) & (a.voxel < size_a) & (F(-1.0f) <= b.voxel) & (b.voxel < size_b);
        s.a = a.fraction, s.b = b.fraction;
        const I index = truncate(plane) * stride_d + truncate(a.voxel) * stride_a + truncate(b.voxel) * stride_b;
        s.index = select(s.inside, index, I(0));
        s.weight = select(s.inside, share(plane), F(0.0f));
        return s;
    }

    PHYSSIM_HD JosephVoxels around(const float* voxels, const JosephSample& s) const {
        return {gather(voxels, s.index), gather(voxels, s.index + stride_a), gather(voxels, s.index + stride_b),
                gather(voxels, s.index + stride_a + stride_b)};
    }
};

PHYSSIM_HD int64_t first_voxel(const BlockTile& block) {
    const int64_t line = block.shape[0] + 2;
    return line * (block.shape[1] + 2) + line + 1;
}

// A block with the layer that its voxels are interpolated into, for the question which rays miss it.
PHYSSIM_HD BlockTile reach(const BlockTile& block) {
    BlockTile wide = block;
    for (int a = 0; a < 3; a++) wide.first[a]--, wide.shape[a] += 2;
    return wide;
}

// Visits the packets of packet rows [from, to) and packet columns [first, last) that can touch the block.
template <typename Visit>
inline void each_packet(const BlockTile& block, const double (&spacing)[3], const ViewRays& rays, bool flat, int from, int to, int first, int last, Visit&& visit) {
    const PacketShape shape = packet_shape(rays);
    const BlockTile wide = reach(block);
    const PacketColumns hit = columns_hitting(rays, wide, shape);
    for (int c = hit.first > first ? hit.first : first; c <= hit.last && c < last; c++) {
        const PacketOffsets offsets(rays, shape, c * shape.wide);
        for (int r = from; r < to; r++) {
            if (packets_miss(rays, wide, shape, flat, r)) continue;
            const PacketRays packet(rays, spacing, block, offsets, r * shape.high, c * shape.wide);
            visit(packet, shape, r * shape.high, c * shape.wide);
        }
    }
}

constexpr int ALL_PACKETS = 1 << 30;

// As project_packets.
inline void project_joseph(const BlockTile& block, const double (&spacing)[3], const ViewRays& rays, bool flat, int from, int to, float* image) {
    const float* voxels = block.data + first_voxel(block);
    each_packet(block, spacing, rays, flat, from, to, 0, ALL_PACKETS, [&](const PacketRays& packet, PacketShape shape, int row, int column) {
        const JosephRays line(block, packet);
        F sum(0.0f);
        for (F plane = line.from; any(plane <= line.to); plane = plane + F(1.0f)) {
            const JosephSample s = line.sample(plane);
            if (!any(s.inside)) continue;
            sum = multiply_add(line.around(voxels, s).value(s.a, s.b), s.weight, sum);
        }
        add_packet(rays, shape, row, column, sum * line.mm, image);
    });
}

// As backproject_packets: the transpose of project_joseph.
inline void backproject_joseph(const BlockTile& block, const double (&spacing)[3], const ViewRays& rays, bool flat, int from, int to, const float* image) {
    float* voxels = block.data + first_voxel(block);
    each_packet(block, spacing, rays, flat, from, to, 0, ALL_PACKETS, [&](const PacketRays& packet, PacketShape shape, int row, int column) {
        const JosephRays line(block, packet);
        const F value = load_packet(rays, shape, row, column, image) * line.mm;
        for (F plane = line.from; any(plane <= line.to); plane = plane + F(1.0f)) {
            const JosephSample s = line.sample(plane);
            if (!any(s.inside)) continue;
            const JosephVoxels part = JosephVoxels::parts(value * s.weight, s.a, s.b);
            scatter_add(voxels, s.index, part.v00);
            scatter_add(voxels, s.index + line.stride_a, part.v10);
            scatter_add(voxels, s.index + line.stride_b, part.v01);
            scatter_add(voxels, s.index + line.stride_a + line.stride_b, part.v11);
        }
    });
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
