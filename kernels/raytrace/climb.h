// Rays that climb through the layers of voxels, one at most a cell: where each is when it leaves a cell follows from one
// multiply_add, without a chain from cell to cell. Ray and plane are those of Lane16; the arithmetic is finer for level rays.
#pragma once
#include "raytrace/columns.h"

namespace physsim {
namespace PHYSSIM_ISA {

// a + l b in lane l, to the last bit: a multiple of 2^-18, and the rest. |a + 15 b| < 64.
struct LinearLanes {
    F coarse, fine;
    PHYSSIM_HD LinearLanes(double a, double b) {
        constexpr double MAGIC = 0x1.8p34;  // leaves multiples of 2^-18
        const double near_a = (a + MAGIC) - MAGIC, near_b = (b + MAGIC) - MAGIC;
        const F l = to_float(lane_index());
        coarse = multiply_add(l, F(static_cast<float>(near_b)), F(static_cast<float>(near_a)));
        fine = multiply_add(l, F(static_cast<float>(b - near_b)), F(static_cast<float>(a - near_a)));
    }
};

// Steeper rays may cross two layers in a cell of length 1, by rounding.
constexpr double MOST_SLOPE = 0.999;

// 16 rays along w, counted from the plane nearest to each at parameter 0: a ray that runs along the layers meets its plane where the
// height, not its rounding, says.
struct Climb {
    F height, slope;  // place at parameter 0, voxels a unit of parameter
    F inverse;        // 1 / slope; 0 for level rays
    F origin, face;   // floor_onto(place, origin): the voxel's number above `base` in the low bits; less `face`: the plane last crossed

    Climb() = default;
    PHYSSIM_HD Climb(const ColumnCells& path, int row, int base) {
        const LinearLanes w(path.height + row * path.height_row - base, path.height_row), rate(path.slope + row * path.slope_row, path.slope_row);
        const F plane = floor(w.coarse + F(0.5f));
        slope = rate.coarse + rate.fine, height = (w.coarse - plane) + w.fine;
        const M level = (slope < F(1e-14f)) & (F(-1e-14f) < slope), on_face = (height < F(3e-12f)) & (F(-3e-12f) < height);
        inverse = select(level, F(0.0f), F(1.0f) / select(level, F(1.0f), slope));
        slope = select(level, F(0.0f), slope), height = select(level & on_face, F(0.0f), height);  // in a face: the higher voxel
        origin = plane + F(12582912.0f);
        face = select(slope < F(0.0f), origin - F(1.0f), origin);
    }
    PHYSSIM_HD F at(F parameter) const { return multiply_add(slope, parameter, height); }
    PHYSSIM_HD F voxel_at(F place) const { return floor_onto(place, origin); }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
