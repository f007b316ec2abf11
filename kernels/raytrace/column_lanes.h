// 16 rows of a detector column as lanes: which voxel of w each is in, and when it leaves it.
#pragma once
#include "raytrace/column_cells.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Position of 16 rays along w: the voxel each is in, the parameter at which it leaves it, the parameter a voxel takes.
struct Lane16 {
    F next, per_voxel;
    I voxel, step;

    Lane16() = default;
    // height: w at parameter 0, in voxels from `base`; slope: voxels a unit of parameter; entry: where the first cell begins.
    PHYSSIM_HD Lane16(F height, F slope, float entry) {
        slope = select(slope == F(0.0f), F(1e-9f), slope);  // a level ray never leaves its layer
        const M down = slope < F(0.0f);
        const F here = height + slope * F(entry), whole = floor(here), below = add_where(down & (whole == here), whole, F(-1.0f));
        voxel = truncate(below);
        step = select(down, I(-1), I(1));
        const F inverse = F(1.0f) / slope;
        const F plane = below + select(down, F(0.0f), F(1.0f));
        next = (plane - height) * inverse;
        per_voxel = maximum(inverse, F(0.0f) - inverse);
    }
};

// Rays that run along the layers of voxels meet a face where a small error of height moves it far: positions in double.
inline Lane16 level_lanes(const ColumnCells& path, int row, int base, float entry) {
    alignas(64) float next[16], per_voxel[16];
    alignas(64) int32_t voxel[16], step[16];
    for (int l = 0; l < 16; l++) {
        const double slope = path.slope + (row + l) * path.slope_row, height = path.height + (row + l) * path.height_row - base;
        const bool level = slope < 1e-14 && slope > -1e-14, down = slope < 0 && !level;
        const double here = level ? on_face(height) : height + slope * entry;
        voxel[l] = floor_int(here);
        if (down && voxel[l] == here) voxel[l]--;
        step[l] = down ? -1 : 1;
        next[l] = level ? 1e30f : static_cast<float>((voxel[l] + (down ? 0 : 1) - height) / slope);
        per_voxel[l] = level ? 1e30f : static_cast<float>((down ? -1 : 1) / slope);
    }
    Lane16 lane;
    lane.next = load(next), lane.per_voxel = load(per_voxel), lane.voxel = load(voxel), lane.step = load(step);
    return lane;
}

constexpr double LEVEL_SLOPE = 1e-4;  // voxels of w a voxel across: a ray below runs along the layers

// Lanes of rows row .. row + 15, with w counted from voxel `base`.
PHYSSIM_HD Lane16 lane_of(const ColumnCells& path, int row, int base, float entry) {
    const double first = path.slope + row * path.slope_row, last = path.slope + (row + 15) * path.slope_row;
    const double low = first < last ? first : last, high = first < last ? last : first;
    if (low < LEVEL_SLOPE && high > -LEVEL_SLOPE) {
        const double nearest = path.slope_row == 0.0 ? 0.0 : -path.slope / path.slope_row - row;  // the row that is level
        const double away = nearest - static_cast<int>(nearest + 0.5);
        const double slope = (away < 0 ? -away : away) * path.slope_row;
        if (path.slope_row == 0.0 || (slope < LEVEL_SLOPE && slope > -LEVEL_SLOPE)) return level_lanes(path, row, base, entry);
    }
    const F l = to_float(lane_index());
    const F height = F(static_cast<float>(path.height + row * path.height_row - base)) + l * F(static_cast<float>(path.height_row));
    const F slope = F(static_cast<float>(first)) + l * F(static_cast<float>(path.slope_row));
    return Lane16(height, slope, entry);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
