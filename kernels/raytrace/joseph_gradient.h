// Derivatives of Joseph's line integrals with respect to the ends of their rays, contracted with a cotangent image.
#pragma once
#include "raytrace/joseph.h"
#include "raytrace/joseph_slopes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Of 16 rays in a block.
struct JosephSums : JosephSlopes {
    PHYSSIM_HD JosephSums(const float* voxels, const JosephRays& line, const PacketRays& packet) {
        const F inverse = F(1.0f) / (packet.last - packet.first);
        for (F plane = line.from; any(plane <= line.to); plane = plane + F(1.0f)) {
            const JosephSample s = line.sample(plane);
            if (!any(s.inside)) continue;
            const F tau = ((plane + F(0.5f) - line.at_d) * line.per_plane - packet.first) * inverse;
            add(line, plane, line.around(voxels, s), s.a, s.b, s.weight, tau, s.inside);
        }
    }
};

// Adds what packet columns [first, last) collect in the block to gradient[column], in the order of rows.
inline void joseph_gradient(const BlockTile& block, const double (&spacing)[3], const ViewRays& rays, bool flat, int first, int last, const float* image, double* gradient) {
    const float* voxels = block.data + first_voxel(block);
    const PacketShape shape_of = packet_shape(rays);
    const int rows = (rays.rows + shape_of.high - 1) / shape_of.high;
    ColumnGradient* columns = reinterpret_cast<ColumnGradient*>(gradient);
    each_packet(block, spacing, rays, flat, 0, rows, first, last, [&](const PacketRays& packet, PacketShape shape, int row, int column) {
        const JosephRays line(block, packet);
        const JosephSums sums(voxels, line, packet);
        const F* const lanes[7] = {&sums.value, &sums.a, &sums.b, &sums.tau_a, &sums.tau_b, &sums.at_start, &sums.at_end};
        alignas(64) float sum[7][16];
        for (int i = 0; i < 7; i++) store(sum[i], *lanes[i]);
        const unsigned along_x = bits(line.along_x), along_y = bits(line.along_y);
        for (int l = 0; l < 16; l++) {
            const int r = row + l / shape.wide, c = column + l % shape.wide;
            if (r >= rays.rows || c >= rays.columns) continue;
            const RaySums of = {sum[0][l], sum[1][l], sum[2][l], sum[3][l], sum[4][l], sum[5][l], sum[6][l]};
            double turn[3], start[3] = {0, 0, 0}, end[3] = {0, 0, 0};
            for (int a = 0; a < 3; a++)
                turn[a] = rays.end[3 * static_cast<int64_t>(c) + a] - rays.start[static_cast<int64_t>(c) * rays.start_stride + a] + r * (rays.end_row[a] - rays.start_row[a]);
            const double cotangent = image[static_cast<int64_t>(r) * rays.columns + c];
            add_gradient(of, turn, spacing, cotangent, start, end, along_x >> l & 1 ? 0 : along_y >> l & 1 ? 1 : 2);
            columns[c].add(r, start, end);
        }
    });
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
