// Voxel-driven backprojection of filtered views, along columns of voxels that are parallel to the detector's columns.
//
// Law: each voxel adds, view by view, the filtered pixel that its ray meets times a weight that falls with the square of the distance from
// the source (Feldkamp 1984). Along such a column of voxels the place across the detector and the weight are constant and the place
// along it is linear: two columns of pixels are mixed once, and 16 voxels pick from a window of mixed pixels.
// Interpolation is bilinear; the outermost rows hold to their pixels' edges and fall to 0 within the next, outside the detector is 0. Rows are counted in multiples of 2^-32 pixel, from a window's first row in those of 2^-26.
#pragma once
#include "core/lanes.h"
#include "reconstruct/filtered_views.h"

namespace physsim {

constexpr int64_t ROW = int64_t{1} << 32;
constexpr double ROW_UNIT = static_cast<double>(ROW);
constexpr int PLACE_BITS = 26;       // of a row's fraction
constexpr int32_t ONE_ROW = 1 << PLACE_BITS, NARROW_STEP = ONE_ROW, WIDEST_STEP = 2 * ONE_ROW;  // 7 steps and a fraction end within 8 or 16 rows

namespace PHYSSIM_ISA {

// How one column of voxels sees one view.
struct ColumnSight {
    const float* pixels;  // of the left of two columns, MARGIN passed over
    float left, right;    // weights
    double step;          // rows from voxel to voxel
    int64_t first, stride;  // row of the lowest place in the first 16 voxels; rows to the next 16
};

// The rows of 16 voxels from a window's first row on, 2^-PLACE_BITS; whole rows from it to the lowest of voxels 0 to 7 and of 8 to 15.
struct Places {
    int first, low, high;
    I above;
};

// How 16 voxels follow each other: from the lowest of them to each, and to the upper half of them.
struct Steps {
    I of_16;
    int32_t of_8;
    bool falling;
    PHYSSIM_HD explicit Steps(double step) : falling(step < 0.0) {
        const int32_t by = static_cast<int32_t>(__builtin_fabs(step) * ONE_ROW + 0.5);
        of_16 = (falling ? I(15) - lane_index() : lane_index()) * I(by), of_8 = 8 * by;
    }
};

PHYSSIM_HD Places places_from(int64_t lowest, const Steps& steps) {
    const int32_t fraction = static_cast<int32_t>(static_cast<uint32_t>(lowest) >> (32 - PLACE_BITS)), upper = (fraction + steps.of_8) >> PLACE_BITS;
    return {static_cast<int>(lowest >> 32), steps.falling ? upper : 0, steps.falling ? 0 : upper, I(fraction) + steps.of_16};
}

// Within 1e-10 for ahead > 0: two half angles, then the series of the arctangent up to x^21.
PHYSSIM_HD double arc_tangent(double aside, double ahead) {
    const double half = aside / (__builtin_sqrt(aside * aside + ahead * ahead) + ahead), x = half / (1.0 + __builtin_sqrt(1.0 + half * half)), square = x * x;
    double series = 0.0;
    for (int order = 21; order > 1; order -= 2) series = (1.0 / order - series) * square;
    return 4.0 * x * (1.0 - series);
}

// Of the columns of a block from (a, b) on. One loop without branches: the compiler takes as many at once as it can.
struct BlockSights { double column[BLOCK * BLOCK], weight[BLOCK * BLOCK], first[BLOCK * BLOCK], step[BLOCK * BLOCK], depth[BLOCK * BLOCK]; };

template <bool CURVED>
PHYSSIM_HD void see_block(const BackprojectedView& view, int a, int b, BlockSights& out) {
    for (int n = 0; n < BLOCK * BLOCK; n++) {
        const double at = a + n % BLOCK, bt = b + n / BLOCK;
        const double depth = view.depth[0] + view.depth[1] * at + view.depth[2] * bt, across = view.across[0] + view.across[1] * at + view.across[2] * bt;
        const double distance = CURVED ? __builtin_sqrt(depth * depth + across * across) : depth;
        const double scale = 1.0 / distance, place = CURVED ? arc_tangent(across, depth) : across * scale;
        out.column[n] = view.column + view.per_column * place, out.weight[n] = scale * scale;
        out.first[n] = view.row + view.along[0] * scale, out.step[n] = view.along[1] * scale, out.depth[n] = depth;
    }
}

// False where the column lies beside the detector or behind the source.
PHYSSIM_HD bool sight_of(const Backprojection& job, const BackprojectedView& view, const BlockSights& block, int n, ColumnSight& sight) {
    const double column = block.column[n], step = block.step[n], span = 15.0 * step;
    if (!(-1.0 < column) || !(column < job.shape.columns) || !(0.0 < block.depth[n])) return false;
    const int left = static_cast<int>(column + 1.0) - 1;
    const double fraction = column - left, most = 1e6;  // far outside, and still a number of rows
    const double first = block.first[n] + (span < 0.0 ? span : 0.0), bounded = first < -most ? -most : first > most ? most : first;
    sight.pixels = view.pixels + (left + 1) * job.shape.height() + MARGIN;
    sight.left = static_cast<float>(block.weight[n] * (1.0 - fraction)), sight.right = static_cast<float>(block.weight[n] * fraction);
    sight.first = static_cast<int64_t>(bounded * ROW_UNIT), sight.stride = static_cast<int64_t>(16.0 * step * ROW_UNIT), sight.step = step;
    return true;
}

// The column of pixels that a column of voxels sees: two, mixed by their weights. mixed: `height` floats, the margins 0 but for a
// pixel on each side, which is that of the edge.
template <class Sight>
PHYSSIM_HD void mix(const Sight& sight, int rows, int64_t height, float* mixed) {
    const float *near = sight.pixels, *far = near + height;
    const F left(sight.left), right(sight.right);
    float* out = mixed + MARGIN;
    for (int64_t r = 0; r < rows; r += 16) store(out + r, multiply_add(load(far + r), right, load(near + r) * left));
    out[-1] = out[0], out[rows] = out[rows - 1];
}

constexpr int LEAST_ROW = 1 - MARGIN, MOST_PAST = 15;  // of 16 voxels' window, and behind the last row: beyond, all that they pick is 0

// What 16 voxels pick of mixed pixels, whose window is between those. N: 8 up to NARROW_STEP, 16 up to WIDEST_STEP.
template <int N>
PHYSSIM_HD F picked(const float* mixed, const Places& places) {
    F one, next;
    pick_two<N>(mixed + MARGIN + places.first, places.low, places.high, places.above >> PLACE_BITS, one, next);
    return multiply_add(to_float(places.above & I(ONE_ROW - 1)) * F(1.0f / ONE_ROW), next - one, one);
}

// The same where a window is too short: pixel by pixel.
PHYSSIM_HD F gathered(const ColumnSight& sight, const float* mixed, int64_t lowest, int rows) {
    alignas(64) float found[16];
    for (int l = 0; l < 16; l++) {
        const double row = static_cast<double>(lowest) / ROW_UNIT + sight.step * (sight.step < 0.0 ? l - 15 : l);
        found[l] = 0.0f;
        if (!(-1.0 < row) || !(row < rows)) continue;
        const int base = static_cast<int>(row + 1.0) - 1;
        const float part = static_cast<float>(row - base), *at = mixed + MARGIN + base;
        found[l] = at[0] + part * (at[1] - at[0]);
    }
    return load(found);
}

template <int N>
PHYSSIM_HD void add_picked(const ColumnSight& sight, float* sum, int64_t height, const float* mixed, int rows) {
    const Steps steps(sight.step);
    const int64_t stride = sight.stride, least = LEAST_ROW * ROW, most = (rows + MOST_PAST) * ROW;
    int64_t c = 0, lowest = sight.first;
    if (lowest < least || lowest > most) {  // on to where they see the detector
        const int64_t away = lowest < least ? least - lowest : most - lowest;
        if (stride == 0 || (away < 0) != (stride < 0)) return;
        const int64_t groups = away / stride + 1;
        c = groups * VOXELS_AT_ONCE, lowest += groups * stride;
    }
    for (; c < height && static_cast<uint64_t>(lowest - least) <= static_cast<uint64_t>(most - least); c += VOXELS_AT_ONCE, lowest += stride)
        store(sum + c, load(sum + c) + picked<N>(mixed, places_from(lowest, steps)));
}

// Adds one view to one column of voxels, whose column of pixels is `mixed`.
PHYSSIM_HD void add_view(const Backprojection& job, const ColumnSight& sight, float* sum, int64_t height, const float* mixed) {
    const int rows = job.shape.rows;
    const double step = __builtin_fabs(sight.step) * ONE_ROW;
    if (step <= NARROW_STEP) return add_picked<8>(sight, sum, height, mixed, rows);
    if (step <= WIDEST_STEP) return add_picked<16>(sight, sum, height, mixed, rows);
    int64_t lowest = sight.first;
    for (int64_t c = 0; c < height; c += VOXELS_AT_ONCE, lowest += sight.stride) store(sum + c, load(sum + c) + gathered(sight, mixed, lowest, rows));
}

// Adds all views to the columns of voxels (a, b) in [from, to). sums: (b, a, height) of all columns, height a multiple of 16.
// room: BLOCK columns of pixels, 0: neighbours are mixed before any is picked from, for what was just stored is slow to load.
PHYSSIM_HD void backproject_tile(const Backprojection& job, const int (&from)[2], const int (&to)[2], float* sums, int64_t height, float* room) {
    BlockSights block;
    const int64_t pixels = job.shape.height();
    for (int first = 0; first < job.views; first += VIEWS_AT_ONCE) {
        const int last = job.views - first < VIEWS_AT_ONCE ? job.views : first + VIEWS_AT_ONCE;
        for (int b = from[1]; b < to[1]; b += BLOCK)
            for (int a = from[0]; a < to[0]; a += BLOCK)
                for (int v = first; v < last; v++) {
                    job.curved ? see_block<true>(job.view[v], a, b, block) : see_block<false>(job.view[v], a, b, block);
                    for (int n = 0; n < BLOCK * BLOCK; n += BLOCK) {
                        ColumnSight sight[BLOCK];
                        bool seen[BLOCK];
                        for (int k = 0; k < BLOCK; k++) {
                            seen[k] = a + k < to[0] && b + n / BLOCK < to[1] && sight_of(job, job.view[v], block, n + k, sight[k]);
                            if (seen[k]) mix(sight[k], job.shape.rows, pixels, room + k * pixels);
                        }
                        for (int k = 0; k < BLOCK; k++)
                            if (seen[k]) add_view(job, sight[k], sums + (static_cast<int64_t>(b + n / BLOCK) * job.voxels[1] + a + k) * height, height, room + k * pixels);
                    }
                }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
