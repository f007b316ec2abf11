// Line integrals by linear interpolation between voxel centres in the two axes across the ray's dominant one: smooth in the pose.
// One sample a plane of voxel centres; a plane counts by how much of its slab [i, i + 1) lies between the ray's ends; zero outside
// the volume. A sample near a block's border is shared: each block adds the part of its own voxels.
// Reference: Joseph, IEEE Trans. Med. Imaging 1, 192 (1982).
#pragma once
#include "core/scatter.h"
#include "raytrace/packets.h"
#include "raytrace/packets_adjoint.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Where 16 rays sample one plane each.
struct JosephSample {
    F plane, weight;  // index of the plane in the block; share of its slab between the ray's ends, 0 beside the block
    F a, b;           // fractions towards the next voxel along the two axes across
    I index;          // first of the four voxels
    M inside;
};

// The axis along which a ray moves fastest, and the two across; each lane has its own.
struct JosephRays {
    M along_x, along_y;         // the dominant axis, else z
    F at_d, at_a, at_b;         // position at parameter 0, voxels of the block
    F rate_a, rate_b;           // voxels across a voxel along
    F per_plane;                // parameter a voxel along, with sign
    F start, end;               // of the ray, along the dominant axis
    F size_a, size_b;           // voxels of the block
    I stride_d, stride_a, stride_b;
    F from, to;                 // planes that may lie in the block
    F mm;                       // mm a plane

    PHYSSIM_HD F choose(F x, F y, F z) const { return select(along_x, x, select(along_y, y, z)); }
    PHYSSIM_HD I choose(I x, I y, I z) const { return select(along_x, x, select(along_y, y, z)); }

    // Narrows [from, to] to planes at which the ray is between -1 and size voxels across, and one more each way.
    PHYSSIM_HD void narrow(F at, F rate, F size) {
        const M level = (rate < F(1e-6f)) & (F(-1e-6f) < rate);
        const F inverse = F(1.0f) / select(level, F(1.0f), rate);
        const F p = at_d - F(0.5f) + (F(-0.5f) - at) * inverse, q = at_d - F(0.5f) + (size + F(0.5f) - at) * inverse;
        from = maximum(from, select(level, F(0.0f), floor(minimum(p, q)) - F(1.0f)));
        to = minimum(to, select(level, F(1e9f), floor(maximum(p, q)) + F(2.0f)));
    }

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
        const F last = choose(size[0], size[1], size[2]) - F(1.0f);
        from = maximum(F(0.0f), floor(minimum(start, end)));
        to = minimum(last, floor(maximum(start, end)));
        narrow(at_a, rate_a, size_a);
        narrow(at_b, rate_b, size_b);
        to = select(rays.real, minimum(to, last), F(-1.0f));
        mm = rays.mm * maximum(per_plane, F(0.0f) - per_plane);
    }

    PHYSSIM_HD JosephSample sample(F plane) const {
        JosephSample s;
        s.plane = plane;
        const F along = plane + F(0.5f) - at_d;
        const F a = multiply_add(rate_a, along, at_a - F(0.5f)), b = multiply_add(rate_b, along, at_b - F(0.5f));
        const F voxel_a = floor(a), voxel_b = floor(b);
        s.inside = (plane <= to) & (F(-1.0f) <= voxel_a) & (voxel_a < size_a) & (F(-1.0f) <= voxel_b) & (voxel_b < size_b);
        s.a = a - voxel_a, s.b = b - voxel_b;
        const I index = truncate(plane) * stride_d + truncate(voxel_a) * stride_a + truncate(voxel_b) * stride_b;
        s.index = select(s.inside, index, I(0));
        const F covered = minimum(plane + F(1.0f), maximum(start, end)) - maximum(plane, minimum(start, end));
        s.weight = select(s.inside, maximum(covered, F(0.0f)), F(0.0f));
        return s;
    }
};

// The four voxels of a sample: two steps along a and b.
struct JosephVoxels {
    F v00, v10, v01, v11;
    PHYSSIM_HD JosephVoxels(const float* voxels, const JosephRays& rays, const JosephSample& s) {
        v00 = gather(voxels, s.index), v10 = gather(voxels, s.index + rays.stride_a);
        v01 = gather(voxels, s.index + rays.stride_b), v11 = gather(voxels, s.index + rays.stride_a + rays.stride_b);
    }
    PHYSSIM_HD F value(const JosephSample& s) const {
        const F low = multiply_add(s.a, v10 - v00, v00), high = multiply_add(s.a, v11 - v01, v01);
        return multiply_add(s.b, high - low, low);
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
            sum = multiply_add(JosephVoxels(voxels, line, s).value(s), s.weight, sum);
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
            const F whole = value * s.weight, high = whole * s.b, low = whole - high;
            scatter_add(voxels, s.index, low - low * s.a);
            scatter_add(voxels, s.index + line.stride_a, low * s.a);
            scatter_add(voxels, s.index + line.stride_b, high - high * s.a);
            scatter_add(voxels, s.index + line.stride_a + line.stride_b, high * s.a);
        }
    });
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
