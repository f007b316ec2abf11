// Line integrals for any pose: packets of 16 rays step in lockstep through a block of the volume that fits the cache.
#pragma once
#include "core/lanes.h"
#include "raytrace/cells.h"
#include "raytrace/rays.h"

namespace physsim {
namespace PHYSSIM_ISA {

// 16 pixels: `high` rows by 16 / high columns.
struct PacketShape { int32_t high, wide; };
PHYSSIM_HD PacketShape packet_shape(const ViewRays& rays) {
    const int high = packet_rows_high(rays);
    return {high, 16 / high};
}

// One axis of 16 rays in a block: parameter at the next plane, parameter a voxel takes, steps of the index.
struct LaneAxis {
    F next, per_voxel;
    I step;
    F whole, part, inverse;  // position at parameter 0 as a whole number of voxels and the rest; 1 / slope
    M level;

    PHYSSIM_HD F at(F plane) const { return ((plane - whole) - part) * inverse; }

    // Narrows [entry, exit] to planes 0 .. count. A level ray in a face belongs to the higher voxel.
    PHYSSIM_HD void clip(F whole_voxels, F rest, F slope, int count, F& entry, F& exit) {
        whole = whole_voxels, part = rest;
        level = slope == F(0.0f);  // refine made it so
        inverse = F(1.0f) / select(level, F(1.0f), slope);
        const F a = at(F(0.0f)), b = at(F(static_cast<float>(count))), voxel = whole + floor(part);
        const M inside = (F(0.0f) <= voxel) & (voxel < F(static_cast<float>(count)));
        entry = maximum(entry, select(level, select(inside, F(-1e30f), F(1e30f)), minimum(a, b)));
        exit = minimum(exit, select(level, F(1e30f), maximum(a, b)));
    }

    // Starts at `entry`; returns the voxel.
    PHYSSIM_HD I begin(F slope, F entry, int count, int stride) {
        const M down = (slope < F(0.0f)) & ~level;
        // From the rest alone: beside a face the sum with the whole number would land on it.
        const F here = part + select(level, F(0.0f), slope * entry), below = floor(here);
        F voxel = whole + select(down & (below == here), below - F(1.0f), below);
        voxel = minimum(maximum(voxel, F(0.0f)), F(static_cast<float>(count - 1)));
        const F plane = voxel + select(down, F(0.0f), F(1.0f));
        next = select(level, F(1e30f), at(plane));
        per_voxel = maximum(inverse, F(0.0f) - inverse);
        step = select(down, I(-stride), I(stride));
        return truncate(voxel) * I(stride);
    }
};

// What the 16 rays of a packet differ by from its first one: the same for all packets above each other.
struct PacketOffsets {
    F start[3], turn[3];
    I row, column;  // the lane's place in the packet
    M real;         // lanes whose column is on the detector; the others repeat column 0

    inline PacketOffsets(const ViewRays& rays, PacketShape shape, int column) {
        const double* start0 = rays.start + static_cast<int64_t>(column) * rays.start_stride;
        const double* end0 = rays.end + static_cast<int64_t>(column) * 3;
        alignas(64) float from[3][16], by[3][16], is_real[16];
        alignas(64) int32_t rows[16], columns[16];
        for (int l = 0; l < 16; l++) {
            const int r = l / shape.wide, c = column + l % shape.wide < rays.columns ? l % shape.wide : 0;
            is_real[l] = c == l % shape.wide ? 1.0f : 0.0f;
            rows[l] = r, columns[l] = c;
            for (int a = 0; a < 3; a++) {
                const double s = start0[static_cast<int64_t>(c) * rays.start_stride + a] - start0[a] + r * rays.start_row[a];
                const double e = end0[c * 3 + a] - end0[a] + r * rays.end_row[a];
                from[a][l] = static_cast<float>(s);
                by[a][l] = static_cast<float>(e - s);
            }
        }
        for (int a = 0; a < 3; a++) start[a] = load(from[a]), turn[a] = load(by[a]);
        row = load(rows), this->column = load(columns);
        real = F(0.0f) < load(is_real);
    }
};

// The 16 rays of a packet in a block's own coordinates, with the parameter counted from near the block.
struct PacketRays {
    F whole[3], part[3];      // position at parameter 0: a whole number of voxels and the rest
    F slope[3];               // voxels a unit of parameter
    F first, last;            // parameters of the rays' own ends
    F mm;                     // mm a unit of parameter
    M real;                   // lanes that are pixels

    PacketRays() = default;
    inline PacketRays(const ViewRays& rays, const double (&spacing)[3], const BlockTile& block, const PacketOffsets& offsets, int row, int column) {
        const double* start0 = rays.start + static_cast<int64_t>(column) * rays.start_stride;
        const double* end0 = rays.end + static_cast<int64_t>(column) * 3;
        double start[3], turn[3], length = 0.0, middle = 0.0, square = 0.0;
        for (int a = 0; a < 3; a++) {
            start[a] = start0[a] + row * rays.start_row[a];
            turn[a] = end0[a] + row * rays.end_row[a] - start[a];
            const double size = turn[a] < 0 ? -turn[a] : turn[a];
            if (size > length) length = size;
            middle += turn[a] * (block.first[a] + 0.5 * block.shape[a] - start[a]);
            square += turn[a] * turn[a];
        }
        middle /= square;  // where the first ray is nearest to the block's centre, as a fraction of its length
        if (middle < 0.0) middle = 0.0;
        if (middle > 1.0) middle = 1.0;
        real = offsets.real & (offsets.row < I(rays.rows - row));
        const double inverse = 1.0 / length;
        const F scale(static_cast<float>(inverse)), along(static_cast<float>(middle));
        F mm2(0.0f);
        for (int a = 0; a < 3; a++) {
            const double position = start[a] + middle * turn[a] - block.first[a];
            const double nearest = static_cast<double>(static_cast<int64_t>(position + (position < 0 ? -0.5 : 0.5)));
            whole[a] = F(static_cast<float>(nearest));
            part[a] = F(static_cast<float>(position - nearest)) + (offsets.start[a] + along * offsets.turn[a]);
            slope[a] = F(static_cast<float>(turn[a] * inverse)) + offsets.turn[a] * scale;
            const F s = slope[a] * F(static_cast<float>(spacing[a]));
            mm2 = mm2 + s * s;
            if (any((slope[a] < F(1e-5f)) & (F(-1e-5f) < slope[a]))) refine(rays, block, offsets, row, column, a, middle, inverse);
        }
        mm = square_root(mm2);
        first = F(static_cast<float>(-middle * length));
        last = F(static_cast<float>((1.0 - middle) * length));
    }

    // Rays that run along the faces of axis a meet them where a small error of position moves it far: positions in double.
    inline void refine(const ViewRays& rays, const BlockTile& block, const PacketOffsets& offsets, int row, int column, int a, double middle, double inverse) {
        alignas(64) int32_t lane_row[16], lane_column[16];
        alignas(64) float rest[16], direction[16], voxels[16];
        store(lane_row, offsets.row);
        store(lane_column, offsets.column);
        for (int l = 0; l < 16; l++) {
            const int c = column + lane_column[l], r = row + lane_row[l];
            const double from = rays.start[static_cast<int64_t>(c) * rays.start_stride + a] + r * rays.start_row[a];
            const double by = rays.end[static_cast<int64_t>(c) * 3 + a] + r * rays.end_row[a] - from;
            const bool level = by < 1e-12 && by > -1e-12;
            const double position = level ? on_face(from) : from + middle * by;
            const double nearest = static_cast<double>(static_cast<int64_t>(position + (position < 0 ? -0.5 : 0.5)));
            voxels[l] = static_cast<float>(nearest - block.first[a]);
            rest[l] = static_cast<float>(position - nearest);
            direction[l] = level ? 0.0f : static_cast<float>(by * inverse);
        }
        whole[a] = load(voxels), part[a] = load(rest), slope[a] = load(direction);
    }
};

// 16 rays on their way through a block.
struct PacketWalk {
    F here, exit, next[3], per_voxel[3], sum;
    I index, step[3];

    inline void enter(const BlockTile& block, const PacketRays& rays) {
        F entry = rays.first;
        exit = rays.last;
        LaneAxis axis[3];
        for (int a = 0; a < 3; a++) axis[a].clip(rays.whole[a], rays.part[a], rays.slope[a], block.shape[a], entry, exit);
        const M active = rays.real & (entry < exit);
        here = select(active, entry, F(0.0f));
        exit = select(active, exit, here);  // a lane that misses the block has arrived
        index = I(0);
        int stride = 1;
        for (int a = 0; a < 3; a++) {
            index = index + axis[a].begin(rays.slope[a], here, block.shape[a], stride);
            next[a] = select(active, axis[a].next, F(1e30f)), per_voxel[a] = axis[a].per_voxel, step[a] = axis[a].step;
            stride *= block.shape[a] + 2;
        }
        sum = F(0.0f);
    }

    // One voxel further; returns the parameter spent in the voxel left. A lane that has arrived needs no mask: its planes lie beyond
    // its exit, but for one in the exit itself, by which it steps into the layer of zeros at most. A plane that rounding left
    // before the entry is crossed by going back, as far as the next step goes too far.
    PHYSSIM_HD F step_length() {
        const F leave = minimum(minimum(next[0], next[1]), minimum(next[2], exit));
        const F length = leave - here;
        here = leave;
        PHYSSIM_UNROLL
        for (int a = 0; a < 3; a++) {
            const M crosses = next[a] <= leave;
            index = add_where(crosses, index, step[a]);
            next[a] = add_where(crosses, next[a], per_voxel[a]);
        }
        return length;
    }
    PHYSSIM_HD M active() const { return here < exit; }

    PHYSSIM_HD void advance(const float* voxels) {
        const F value = gather(voxels, index);
        sum = multiply_add(value, step_length(), sum);
    }
};

constexpr int STEPS_AT_ONCE = 2;  // before packets are asked whether they have arrived

// Sums of value x parameter of PACKETS x 16 rays through a block: several in flight hide the latency of a step.
template <int PACKETS>
PHYSSIM_HD void trace_packets(const BlockTile& block, const PacketRays (&rays)[PACKETS], F (&sum)[PACKETS]) {
    PacketWalk walk[PACKETS];
    PHYSSIM_UNROLL
    for (int i = 0; i < PACKETS; i++) walk[i].enter(block, rays[i]);
    const int line = block.shape[0] + 2;
    const float* voxels = block.data + line * (block.shape[1] + 2) + line + 1;
    while (true) {
        M active = walk[0].active();
        PHYSSIM_UNROLL
        for (int i = 1; i < PACKETS; i++) active = active | walk[i].active();
        if (!any(active)) break;
        PHYSSIM_UNROLL
        for (int n = 0; n < STEPS_AT_ONCE; n++) {
            PHYSSIM_UNROLL
            for (int i = 0; i < PACKETS; i++) walk[i].advance(voxels);
        }
    }
    PHYSSIM_UNROLL
    for (int i = 0; i < PACKETS; i++) sum[i] = walk[i].sum;
}

// Is the block on one side of the plane through the rays of a detector column (or row)? > 0: all corners on the plane's
// positive side, < 0: all on the other, 0: neither.
inline int block_side(const BlockTile& block, const double (&point)[3], const double (&normal)[3]) {
    int positive = 0, negative = 0;
    for (int corner = 0; corner < 8; corner++) {
        double side = 0.0;
        for (int a = 0; a < 3; a++) side += normal[a] * (block.first[a] + (corner >> a & 1 ? block.shape[a] : 0) - point[a]);
        if (side > 0) positive++;
        if (side < 0) negative++;
    }
    return positive == 8 ? 1 : negative == 8 ? -1 : 0;
}

PHYSSIM_HD void cross(const double (&a)[3], const double (&b)[3], double (&out)[3]) {
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

// Can any ray of columns first .. last hit the block? Planes through the first and the last column; a fan below half a turn.
inline bool columns_miss(const ViewRays& rays, const BlockTile& block, int first, int last) {
    const int ends[2] = {first, last};
    int side[2];
    for (int i = 0; i < 2; i++) {
        const double* start = rays.start + static_cast<int64_t>(ends[i]) * rays.start_stride;
        const double* end = rays.end + static_cast<int64_t>(ends[i]) * 3;
        const double* other = rays.end + static_cast<int64_t>(ends[1 - i]) * 3;
        const double point[3] = {start[0], start[1], start[2]};
        const double along[3] = {end[0] - start[0], end[1] - start[1], end[2] - start[2]};
        double normal[3];
        cross(along, rays.end_row, normal);
        double towards = 0.0;
        for (int a = 0; a < 3; a++) towards += normal[a] * (other[a] - point[a]);
        if (towards == 0.0) return false;
        side[i] = block_side(block, point, normal) * (towards > 0 ? 1 : -1);
    }
    return side[0] < 0 || side[1] < 0;  // beyond the first column or beyond the last
}

// The same for rows first .. last of a flat detector, whose rows lie in planes through the source.
inline bool rows_miss(const ViewRays& rays, const BlockTile& block, int first, int last) {
    const double* end0 = rays.end;
    const double* end1 = rays.end + 3 * static_cast<int64_t>(rays.columns - 1);
    const double across[3] = {end1[0] - end0[0], end1[1] - end0[1], end1[2] - end0[2]};
    const int ends[2] = {first, last};
    int side[2];
    for (int i = 0; i < 2; i++) {
        double point[3], along[3], normal[3], towards = 0.0;
        for (int a = 0; a < 3; a++) {
            point[a] = rays.start[a] + ends[i] * rays.start_row[a];
            along[a] = end0[a] + ends[i] * rays.end_row[a] - point[a];
        }
        cross(along, across, normal);
        for (int a = 0; a < 3; a++) towards += normal[a] * (end0[a] + ends[1 - i] * rays.end_row[a] - point[a]);
        if (towards == 0.0) return false;
        side[i] = block_side(block, point, normal) * (towards > 0 ? 1 : -1);
    }
    return side[0] < 0 || side[1] < 0;
}

// Adds the 16 lanes to their pixels.
inline void add_packet(const ViewRays& rays, PacketShape shape, int row, int column, F sum, float* image) {
    alignas(64) float lanes[16];
    store(lanes, sum);
    for (int l = 0; l < 16; l++) {
        const int r = row + l / shape.wide, c = column + l % shape.wide;
        if (r < rays.rows && c < rays.columns) image[static_cast<int64_t>(r) * rays.columns + c] += lanes[l];
    }
}

// Adds the line integrals (mm x value) of packet rows `from` .. `to` - 1 through the block to image (rows, columns).
inline void project_packets(const BlockTile& block, const double (&spacing)[3], const ViewRays& rays, bool flat, int from, int to, float* image) {
    const PacketShape shape = packet_shape(rays);
    const int wide = (rays.columns + shape.wide - 1) / shape.wide;
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
        if (flat && rows_miss(rays, block, r * shape.high, bottom < rays.rows ? bottom : rays.rows - 1)) continue;
        if (to <= from) from = r;
        to = r + 1;
    }
    for (int c = first; c <= last; c++) {
        const int column = c * shape.wide;
        const PacketOffsets offsets(rays, shape, column);
        for (int r = from; r < to; r += PACKETS_AT_ONCE) {
            PacketRays packets[PACKETS_AT_ONCE];
            for (int i = 0; i < PACKETS_AT_ONCE; i++) packets[i] = PacketRays(rays, spacing, block, offsets, (r + i) * shape.high, column);
            F sum[PACKETS_AT_ONCE];
            trace_packets<PACKETS_AT_ONCE>(block, packets, sum);
            for (int i = 0; i < PACKETS_AT_ONCE && r + i < to; i++)
                add_packet(rays, shape, (r + i) * shape.high, column, sum[i] * packets[i].mm, image);
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
