// Derivatives of Joseph's line integral by the ends of its ray: sums along the ray, for 16 rays or one, and the chain rule from
// them to the ends. Who fetches voxels is in joseph_gradient.h (packets) and thread_joseph.h (CUDA).
#pragma once
#include "raytrace/joseph_line.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Sums over planes with weight w: value, its slopes across a and b, these times tau (0 at the start of the ray, 1 at its end),
// and the value where the ray starts and ends.
struct JosephSlopes {
    F value, a, b, tau_a, tau_b, at_start, at_end;

    PHYSSIM_HD JosephSlopes() { value = a = b = tau_a = tau_b = at_start = at_end = F(0.0f); }

    // A sample of `voxels` at fractions x, y across, where `inside`.
    PHYSSIM_HD void add(const JosephLine& line, F plane, const JosephVoxels& v, F x, F y, F weight, F tau, M inside) {
        const F here = v.value(x, y);
        const F by_a = multiply_add(y, (v.v11 - v.v01) - (v.v10 - v.v00), v.v10 - v.v00) * weight;
        const F by_b = multiply_add(x, (v.v11 - v.v10) - (v.v01 - v.v00), v.v01 - v.v00) * weight;
        value = multiply_add(here, weight, value);
        a = a + by_a, b = b + by_b;
        tau_a = multiply_add(tau, by_a, tau_a), tau_b = multiply_add(tau, by_b, tau_b);
        const F next = plane + F(1.0f);
        at_start = add_where(inside & (plane <= line.start) & (line.start < next), at_start, here);
        at_end = add_where(inside & (plane <= line.end) & (line.end < next), at_end, here);
    }
};

// Of one ray with its fastest axis d: adds cotangent x derivative by its start and end (voxels), in double.
struct RaySums { float value, a, b, tau_a, tau_b, at_start, at_end; };
template <int D>
PHYSSIM_HD void add_gradient_along(const RaySums& sum, const double (&turn)[3], const double (&spacing)[3], double cotangent, double (&start)[3], double (&end)[3]) {
    constexpr int d = D, a = D == 0 ? 1 : 0, b = D == 2 ? 1 : 2;
    double mm2 = 0.0;
    for (int i = 0; i < 3; i++) mm2 += turn[i] * spacing[i] * turn[i] * spacing[i];
    const double mm = sqrt(mm2), along = turn[d] < 0 ? -turn[d] : turn[d], sign = turn[d] < 0 ? -1.0 : 1.0;
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
PHYSSIM_HD void add_gradient(const RaySums& sum, const double (&turn)[3], const double (&spacing)[3], double cotangent, double (&start)[3], double (&end)[3], int d) {
    if (d == 0) add_gradient_along<0>(sum, turn, spacing, cotangent, start, end);
    else if (d == 1) add_gradient_along<1>(sum, turn, spacing, cotangent, start, end);
    else add_gradient_along<2>(sum, turn, spacing, cotangent, start, end);
}

// What a detector column collects: d (sum of cotangent x line integral) by its start and end in row 0 and by what a row adds to them.
struct ColumnGradient {
    double start[3], end[3], start_row[3], end_row[3];

    PHYSSIM_HD void add(int row, const double (&by_start)[3], const double (&by_end)[3]) {
        for (int a = 0; a < 3; a++) {
            start[a] += by_start[a], end[a] += by_end[a];
            start_row[a] += row * by_start[a], end_row[a] += row * by_end[a];
        }
    }

    PHYSSIM_HD void add(const ColumnGradient& other) {
        for (int a = 0; a < 3; a++) {
            start[a] += other.start[a], end[a] += other.end[a];
            start_row[a] += other.start_row[a], end_row[a] += other.end_row[a];
        }
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
