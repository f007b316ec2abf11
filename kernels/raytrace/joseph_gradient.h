// Derivatives of Joseph's line integrals with respect to the ends of their rays, contracted with a cotangent image.
#pragma once
#include "raytrace/joseph.h"

namespace physsim {
namespace PHYSSIM_ISA {

// What a detector column collects: d (sum of cotangent x line integral) by its start and end in row 0 and by what a row adds to them.
struct ColumnGradient {
    double start[3], end[3], start_row[3], end_row[3];
};

// Sums of 16 rays in a block, over planes with weight w: value, its slopes across a and b, these times tau (0 at the start of
// the ray, 1 at its end), and the value where the ray starts and ends.
struct JosephSums {
    F value, a, b, tau_a, tau_b, at_start, at_end;

    PHYSSIM_HD JosephSums(const float* voxels, const JosephRays& line, const PacketRays& packet) {
        value = a = b = tau_a = tau_b = at_start = at_end = F(0.0f);
        const F inverse = F(1.0f) / (packet.last - packet.first);
        for (F plane = line.from; any(plane <= line.to); plane = plane + F(1.0f)) {
            const JosephSample s = line.sample(plane);
            if (!any(s.inside)) continue;
            const JosephVoxels v = line.around(voxels, s);
            const F here = v.value(s.a, s.b);
            const F by_a = multiply_add(s.b, (v.v11 - v.v01) - (v.v10 - v.v00), v.v10 - v.v00) * s.weight;
            const F by_b = multiply_add(s.a, (v.v11 - v.v10) - (v.v01 - v.v00), v.v01 - v.v00) * s.weight;
            const F tau = ((plane + F(0.5f) - line.at_d) * line.per_plane - packet.first) * inverse;
            value = multiply_add(here, s.weight, value);
            a = a + by_a, b = b + by_b;
            tau_a = multiply_add(tau, by_a, tau_a), tau_b = multiply_add(tau, by_b, tau_b);
            const F next = plane + F(1.0f);
            at_start = add_where(s.inside & (plane <= line.start) & (line.start < next), at_start, here);
            at_end = add_where(s.inside & (plane <= line.end) & (line.end < next), at_end, here);
        }
    }
};

// Of one ray: adds cotangent x derivative by its start and end (voxels), in double.
struct RaySums { float value, a, b, tau_a, tau_b, at_start, at_end; };
PHYSSIM_HD void add_gradient(const RaySums& sum, const double (&turn)[3], const double (&spacing)[3], double cotangent, double (&start)[3], double (&end)[3], int d) {
    const int a = d == 0 ? 1 : 0, b = d == 2 ? 1 : 2;
    double mm2 = 0.0;
    for (int i = 0; i < 3; i++) mm2 += turn[i] * spacing[i] * turn[i] * spacing[i];
    const double mm = __builtin_sqrt(mm2), along = turn[d] < 0 ? -turn[d] : turn[d], sign = turn[d] < 0 ? -1.0 : 1.0;
    const double scale = cotangent * mm / along, rate_a = turn[a] / turn[d], rate_b = turn[b] / turn[d];
    const double from_a = static_cast<double>(sum.a) - sum.tau_a, from_b = static_cast<double>(sum.b) - sum.tau_b;
    double by_start[3], by_end[3];
    by_start[a] = scale * from_a, by_start[b] = scale * from_b;
    by_end[a] = scale * sum.tau_a, by_end[b] = scale * sum.tau_b;
    by_start[d] = scale * (-rate_a * from_a - rate_b * from_b - sign * sum.at_start);
    by_end[d] = scale * (-rate_a * sum.tau_a - rate_b * sum.tau_b + sign * sum.at_end);
    for (int i = 0; i < 3; i++) {  // mm a plane changes with the ray's direction
        const double longer = cotangent * sum.value * (turn[i] * spacing[i] * spacing[i] / (mm * along) - (i == d ? mm / (along * turn[d]) : 0.0));
        start[i] += by_start[i] - longer;
        end[i] += by_end[i] + longer;
    }
}

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
            ColumnGradient& to = columns[c];
            for (int a = 0; a < 3; a++) {
                to.start[a] += start[a], to.end[a] += end[a];
                to.start_row[a] += r * start[a], to.end_row[a] += r * end[a];
            }
        }
    });
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
