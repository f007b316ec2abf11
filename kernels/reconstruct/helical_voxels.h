// Voxel-driven backprojection of a helix's parallel filtered views, along columns of voxels that are parallel to the axis.
//
// Law: for each angle of parallel rays, a voxel takes the mean of the pixels that its rays meet in all the half turns that see it, each
// weighted by how far from the detector's edge along the axis it lies; the angles add up. A mean, so that the number of half turns that
// see a voxel does not matter.
// Reference: K. Stierstorfer et al., Phys. Med. Biol. 49 (2004) 2209 (weighted filtered backprojection).
#pragma once
#include "reconstruct/backproject_voxels.h"
#include "reconstruct/helical_views.h"

namespace physsim {

namespace PHYSSIM_ISA {

// Of the columns of a block from (a, b) on, for one angle: where they lie across and how far the source is from them, as seen along the
// rays and from the opposite side.
struct BlockRays { double across[BLOCK * BLOCK], angle[BLOCK * BLOCK], cosine[BLOCK * BLOCK], ahead[BLOCK * BLOCK]; };

PHYSSIM_HD void see_block(const HelicalBackprojection& job, const ParallelAngle& angle, int a, int b, BlockRays& out) {
    for (int n = 0; n < BLOCK * BLOCK; n++) {
        const double at = a + n % BLOCK, bt = b + n / BLOCK;
        const double across = angle.across[0] + angle.across[1] * at + angle.across[2] * bt, ahead = angle.ahead[0] + angle.ahead[1] * at + angle.ahead[2] * bt;
        const double square = job.radius * job.radius - across * across, cosine = square > 0.0 ? __builtin_sqrt(square) : 0.0;
        out.across[n] = across, out.ahead[n] = ahead, out.cosine[n] = cosine, out.angle[n] = arc_tangent(across, cosine);
    }
}

// False where the half turn does not see the column. blocks: of 16 voxels, in the column.
PHYSSIM_HD bool sight_of(const HelicalBackprojection& job, const HalfTurn& turn, const BlockRays& block, int n, int blocks, TurnSight& sight) {
    const double sign = turn.opposite ? -1.0 : 1.0, column = (sign * block.across[n] - job.first) * job.per_mm, distance = block.cosine[n] + sign * block.ahead[n];
    if (!(0.0 <= column) || !(column <= job.shape.columns - 1) || !(0.0 < distance)) return false;
    const double per_tangent = job.flat ? job.per_tangent * job.radius / block.cosine[n] : job.per_tangent, per_mm = per_tangent / distance;
    const double row = job.row + (job.start - turn.height - job.lift * sign * block.angle[n]) * per_mm, step = job.step * per_mm, span = 15.0 * step;
    double low = (-0.5 - row) / step, high = (job.shape.rows - 0.5 - row) / step;  // voxels
    if (high < low) { const double other = low; low = high, high = other; }
    if (!(high >= 0.0) || !(low <= 16.0 * blocks - 1.0)) return false;
    sight.from = low > 0.0 ? static_cast<int32_t>(low / 16.0) : 0;
    sight.to = high < 16.0 * blocks ? static_cast<int32_t>(high / 16.0) + 1 : blocks;
    if (sight.to > blocks) sight.to = blocks;
    const int left = static_cast<int>(column);
    const double fraction = column - left, first = row + sight.from * 16.0 * step + (span < 0.0 ? span : 0.0);
    sight.pixels = turn.pixels + (left + 1) * job.shape.height() + MARGIN;
    sight.left = static_cast<float>(1.0 - fraction), sight.right = static_cast<float>(fraction);
    sight.first = static_cast<int64_t>(first * ROW_UNIT), sight.stride = static_cast<int64_t>(16.0 * step * ROW_UNIT), sight.step = step;
    return true;
}

// What rows count: in full about the middle, not at all beyond the detector, with a smooth descent between.
PHYSSIM_HD F trust(const HelicalBackprojection& job, F row) {
    const float half = 0.5f * static_cast<float>(job.shape.rows), per_row = 1.0f / (half * (1.0f - static_cast<float>(job.flat_share)));
    const F past = row - F(half - 0.5f), inside = minimum(maximum((F(half) - maximum(past, F(0.0f) - past)) * F(per_row), F(0.0f)), F(1.0f));
    return inside * inside * (F(3.0f) - (inside + inside));
}

// 16 voxels of a column, from row `lowest` on: what one half turn adds to the weighted sum and to the sum of weights.
PHYSSIM_HD void add_turn(const HelicalBackprojection& job, const TurnSight& sight, int64_t lowest, F& weighted, F& weights) {
    const int rows = job.shape.rows;
    const double step = __builtin_fabs(sight.step) * ONE_ROW;
    F row, value;
    if (step <= WIDEST_STEP) {
        const Places places = places_from(lowest, Steps(sight.step));
        row = F(static_cast<float>(places.first)) + to_float(places.above) * F(1.0f / ONE_ROW);
        value = step <= NARROW_STEP ? picked<8>(sight.mixed, places) : picked<16>(sight.mixed, places);
    } else {
        const F steps = to_float(lane_index()) - F(sight.step < 0.0 ? 15.0f : 0.0f);
        row = multiply_add(F(static_cast<float>(sight.step)), steps, F(static_cast<float>(static_cast<double>(lowest) / ROW_UNIT)));
        const F inside = minimum(maximum(row, F(-1.0f)), F(static_cast<float>(rows - 0.5f))), below = floor(inside);
        const I index = truncate(below);
        const F low = gather(sight.mixed + MARGIN, index), high = gather(sight.mixed + MARGIN, index + I(1));
        value = multiply_add(inside - below, high - low, low);
    }
    const F weight = trust(job, row);
    weighted = multiply_add(weight, value, weighted), weights = weights + weight;
}

// Adds one angle to one column of voxels. sights: the half turns that see it.
PHYSSIM_HD void add_angle(const HelicalBackprojection& job, TurnSight* sights, int count, int blocks, float* sum) {
    for (int k = 0; k < count; k++) sights[k].latest = k && sights[k - 1].latest > sights[k].to ? sights[k - 1].latest : sights[k].to;
    for (int k = count - 1; k >= 0; k--) sights[k].soonest = k + 1 < count && sights[k + 1].soonest < sights[k].from ? sights[k + 1].soonest : sights[k].from;
    int begin = 0;
    for (int block = 0; block < blocks; block++) {
        while (begin < count && sights[begin].latest <= block) begin++;
        F weighted(0.0f), weights(0.0f);
        for (int k = begin; k < count && sights[k].soonest <= block; k++)
            if (sights[k].from <= block && block < sights[k].to) add_turn(job, sights[k], sights[k].first + (block - sights[k].from) * sights[k].stride, weighted, weights);
        store(sum + 16 * block, load(sum + 16 * block) + weighted / maximum(weights, F(1e-6f)));
    }
}

// Adds all angles to the columns of voxels (a, b) in [from, to). sums: (b, a, height) of all columns, height a multiple of 16.
// room: most_turns columns of pixels, 0; sights: most_turns.
PHYSSIM_HD void backproject_helix_tile(const HelicalBackprojection& job, const int (&from)[2], const int (&to)[2], float* sums, int64_t height, float* room, TurnSight* sights) {
    const int blocks = static_cast<int>(height / VOXELS_AT_ONCE), rows = job.shape.rows;
    const int64_t pixels = job.shape.height();
    BlockRays block;
    for (int i = 0; i < job.angles; i++) {
        const ParallelAngle& angle = job.angle[i];
        for (int b = from[1]; b < to[1]; b += BLOCK)
            for (int a = from[0]; a < to[0]; a += BLOCK) {
                see_block(job, angle, a, b, block);
                for (int n = 0; n < BLOCK * BLOCK; n++) {
                    const int at = a + n % BLOCK, bt = b + n / BLOCK;
                    if (at >= to[0] || bt >= to[1] || block.across[n] * block.across[n] + block.ahead[n] * block.ahead[n] > job.field * job.field) continue;
                    int count = 0;
                    for (int k = angle.first; k < angle.last; k++) {
                        TurnSight& sight = sights[count];
                        if (!sight_of(job, job.turn[k], block, n, blocks, sight)) continue;
                        float* mixed = room + count++ * pixels;
                        mix(sight, rows, pixels, mixed);
                        sight.mixed = mixed;
                    }
                    add_angle(job, sights, count, blocks, sums + (static_cast<int64_t>(bt) * job.voxels[1] + at) * height);
                }
            }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
