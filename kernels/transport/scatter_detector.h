// The detector of scatter images: where the cells of targets lie on a flat or curved one, what its grid lets through and what it makes of that.
//
// Law: (cos alpha / r^2) by a place uniform in the cell's area where the cell is far. Nearer than some of its widths it is drawn so that the
// solid angle is all but uniform, which bounds the score: x / sqrt(1 + x^2) uniform, then y / sqrt(1 + x^2 + y^2), x and y in
// units of the distance to the plane; (cos alpha / r^2) x area becomes the product of their ranges x sqrt(1 + x^2).
// A curved detector is a cylinder about an axis parallel to v, as in detector.h; a column is an equal part of its arc. Energy per area is
// that of the arc. Near by, with rho, psi the collision's place about the axis and h = (phi - psi) / 2, the way's square in the plane
// across the axis is (R - rho)^2 (1 + x^2), x = 2 sqrt(R rho) sin(h) / (R - rho): x and y are drawn as before a plane. A collision outside the cylinder sees the front of what lies across it.
#pragma once
#include "core/turn.h"
#include "transport/anti_scatter_grid.h"
#include "transport/detector_response.h"

namespace physsim {

// In the voxels' frame; u and v are as long as a pixel (cm).
struct ScatterDetector {
    float centre[3], u[3], v[3], normal[3];
    float radius_cm;  // of the cylinder; 0: flat
    AntiScatterGrid grid;
    DetectorResponse response;
};

namespace PHYSSIM_ISA {

PHYSSIM_HD float dot(const float (&a)[3], const float (&b)[3]) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
PHYSSIM_HD F part_along(const F (&a)[3], const float (&b)[3]) { return multiply_add(a[0], F(b[0]), multiply_add(a[1], F(b[1]), a[2] * F(b[2]))); }

// Cells as lanes: their middles from the detector's centre and their widths, in pixels; the place in each, 0 to 1; within how many
// widths of a collision it is drawn uniform in solid angle.
struct TargetCells {
    F column, row;
    float width[2], place[2], near;
};

// A place on the detector as a collision sees it: the way (cm) and its square; cos alpha / r^2 (per density of the place), 0 from behind;
// where it is, in pixels from the centre (row alone on an arc), and the angle of the arc from its middle.
struct Sight { F way[3], squared, solid, column, row, sine, cosine; };

// From a collision before the plane of a flat detector.
PHYSSIM_HD Sight see_plane(const ScatterDetector& detector, const float (&from)[3], const TargetCells& cells) {
    const F one(1.0f);
    float apart[3];
    for (int a = 0; a < 3; a++) apart[a] = detector.centre[a] - from[a];
    const float gap = dot(apart, detector.normal), u_cm = sqrtf(dot(detector.u, detector.u)), v_cm = sqrtf(dot(detector.v, detector.v));
    const float widest = cells.width[0] * u_cm > cells.width[1] * v_cm ? cells.width[0] * u_cm : cells.width[1] * v_cm;
    Sight sight;
    sight.column = cells.column + F((cells.place[0] - 0.5f) * cells.width[0]), sight.row = cells.row + F((cells.place[1] - 0.5f) * cells.width[1]);
    const auto look = [&] {
        for (int a = 0; a < 3; a++) sight.way[a] = multiply_add(sight.column, F(detector.u[a]), multiply_add(sight.row, F(detector.v[a]), F(apart[a])));
        sight.squared = multiply_add(sight.way[0], sight.way[0], multiply_add(sight.way[1], sight.way[1], sight.way[2] * sight.way[2]));
    };
    look();
    const M near = sight.squared < F(cells.near * cells.near * widest * widest);
    const bool some = any(near);
    F solid;
    if (some) {
        const float inverse_gap = 1.0f / gap, from_u = dot(apart, detector.u) / u_cm, from_v = dot(apart, detector.v) / v_cm;
        const F half_u(0.5f * cells.width[0]), half_v(0.5f * cells.width[1]);
        const F x0 = multiply_add(cells.column - half_u, F(u_cm), F(from_u)) * F(inverse_gap), x1 = multiply_add(cells.column + half_u, F(u_cm), F(from_u)) * F(inverse_gap);
        const F y0 = multiply_add(cells.row - half_v, F(v_cm), F(from_v)) * F(inverse_gap), y1 = multiply_add(cells.row + half_v, F(v_cm), F(from_v)) * F(inverse_gap);
        const F a0 = x0 / square_root(multiply_add(x0, x0, one)), a1 = x1 / square_root(multiply_add(x1, x1, one));
        const F a = multiply_add(F(cells.place[0]), a1 - a0, a0), x = a / square_root(maximum(F(1e-12f), one - a * a));
        const F around = multiply_add(x, x, one);
        const F s0 = y0 / square_root(multiply_add(y0, y0, around)), s1 = y1 / square_root(multiply_add(y1, y1, around));
        const F s = multiply_add(F(cells.place[1]), s1 - s0, s0), y = s * square_root(around) / square_root(maximum(F(1e-12f), one - s * s));
        sight.column = select(near, (x * F(gap) - F(from_u)) * F(1.0f / u_cm), sight.column);
        sight.row = select(near, (y * F(gap) - F(from_v)) * F(1.0f / v_cm), sight.row);
        solid = (a1 - a0) * (s1 - s0) * square_root(around) * F(1.0f / (cells.width[0] * u_cm * cells.width[1] * v_cm));
        look();
    }
    const F inverse = one / square_root(sight.squared), plain = F(gap) * inverse * inverse * inverse;
    sight.solid = some ? select(near, solid, plain) : plain;
    return sight;
}

// From anywhere to a curved detector.
PHYSSIM_HD Sight see_arc(const ScatterDetector& detector, const float (&from)[3], const TargetCells& cells) {
    const F one(1.0f), zero(0.0f), two(2.0f);
    float apart[3];
    for (int a = 0; a < 3; a++) apart[a] = detector.centre[a] - from[a];
    const float u_cm = sqrtf(dot(detector.u, detector.u)), v_cm = sqrtf(dot(detector.v, detector.v)), radius = detector.radius_cm;
    const float aside = 0.0f - dot(apart, detector.u) / u_cm, ahead = radius - dot(apart, detector.normal), along = dot(apart, detector.v) / v_cm;  // about the axis
    const float rho = sqrtf(aside * aside + ahead * ahead), gap = radius - rho;
    const F half_turns(u_cm / radius * 0.0795774715f);  // half of a column's angle, in turns
    Sight sight;
    sight.column = cells.column;
    const auto look = [&](F sine, F cosine_less_one) {
        sight.sine = sine, sight.cosine = one + cosine_less_one;
        for (int a = 0; a < 3; a++)
            sight.way[a] = multiply_add(sine, F(radius / u_cm * detector.u[a]), multiply_add(cosine_less_one, F(radius * detector.normal[a]), multiply_add(sight.row, F(detector.v[a]), F(apart[a]))));
        sight.squared = multiply_add(sight.way[0], sight.way[0], multiply_add(sight.way[1], sight.way[1], sight.way[2] * sight.way[2]));
    };
    const auto half_angle = [&](float place) { return turn((cells.column + F((place - 0.5f) * cells.width[0])) * half_turns); };
    const Turn half = half_angle(cells.place[0]);
    sight.row = cells.row + F((cells.place[1] - 0.5f) * cells.width[1]);
    look(two * half.sine * half.cosine, zero - two * half.sine * half.sine);
    // R - rho cos(phi - psi): the way along the front's own normal
    const auto toward = [&] { return F(radius) - (sight.cosine * F(ahead) + sight.sine * F(aside)); };
    const F inverse = one / square_root(sight.squared);
    const F plain = toward() * inverse * inverse * inverse;
    sight.solid = maximum(zero, plain);
    const float widest = cells.width[0] * u_cm > cells.width[1] * v_cm ? cells.width[0] * u_cm : cells.width[1] * v_cm;
    const M close = sight.squared < F(cells.near * cells.near * widest * widest);
    if (!(gap > 0.0f && rho > 0.05f * radius) || !any(close)) return sight;
    const Sight uniform_place = sight;
    const float scale = 2.0f * sqrtf(radius * rho) / gap;
    const float psi_sine = aside / rho, psi_cosine = ahead / rho;
    const auto x_at = [&](float place) {  // at an end of the cell
        const Turn end = half_angle(place);
        const F sine = two * end.sine * end.cosine, cosine = one - two * end.sine * end.sine;
        const F across = sine * F(psi_cosine) - cosine * F(psi_sine), level = cosine * F(psi_cosine) + sine * F(psi_sine);
        const F half_cosine = square_root(maximum(F(1e-12f), F(0.5f) + F(0.5f) * level));
        return F(0.5f * scale) * across / half_cosine;
    };
    const F x0 = x_at(0.0f), x1 = x_at(1.0f), a0 = x0 / square_root(multiply_add(x0, x0, one)), a1 = x1 / square_root(multiply_add(x1, x1, one));
    const F a = multiply_add(F(cells.place[0]), a1 - a0, a0), x = a / square_root(maximum(F(1e-12f), one - a * a)), around = multiply_add(x, x, one);
    const F half_v(0.5f * cells.width[1]), inverse_gap(1.0f / gap);
    const F y0 = multiply_add(cells.row - half_v, F(v_cm), F(along)) * inverse_gap, y1 = multiply_add(cells.row + half_v, F(v_cm), F(along)) * inverse_gap;
    const F s0 = y0 / square_root(multiply_add(y0, y0, around)), s1 = y1 / square_root(multiply_add(y1, y1, around));
    const F s = multiply_add(F(cells.place[1]), s1 - s0, s0), y = s * square_root(around) / square_root(maximum(F(1e-12f), one - s * s));
    const F sine_h = x * F(1.0f / scale), cosine_h = square_root(maximum(F(1e-12f), one - sine_h * sine_h));
    const F back_sine = two * sine_h * cosine_h, back_cosine = one - two * sine_h * sine_h;
    const F sine = back_sine * F(psi_cosine) + back_cosine * F(psi_sine), cosine = back_cosine * F(psi_cosine) - back_sine * F(psi_sine);
    sight.row = (y * F(gap) - F(along)) * F(1.0f / v_cm);
    look(sine, zero - sine * sine / (one + cosine));
    // Area per unit of (a, s): dx = (1 + x^2)^(3/2) da, R dphi = R gap dx / (sqrt(R rho) cos h); dy = |y's square|^(3/2) / (1 + x^2) ds, v = gap y.
    const F square = multiply_add(y, y, around), inverse_close = one / square_root(sight.squared);
    const F area = (a1 - a0) * (s1 - s0) * square_root(around) * square * square_root(square) * F(radius * gap * gap / sqrtf(radius * rho)) / cosine_h;
    sight.solid = maximum(zero, toward() * inverse_close * inverse_close * inverse_close * area * F(1.0f / (cells.width[0] * u_cm * cells.width[1] * v_cm)));
    for (int k = 0; k < 3; k++) sight.way[k] = select(close, sight.way[k], uniform_place.way[k]);
    sight.squared = select(close, sight.squared, uniform_place.squared), sight.solid = select(close, sight.solid, uniform_place.solid);
    sight.row = select(close, sight.row, uniform_place.row);
    sight.sine = select(close, sight.sine, uniform_place.sine), sight.cosine = select(close, sight.cosine, uniform_place.cosine);
    return sight;
}

// Where a ray of unit vector `way` meets the detector (cm from the centre; on an arc u is 0) and its direction there.
struct Arrival { F u, v, along_u, along_v, along_normal; };

PHYSSIM_HD Arrival arrival(const ScatterDetector& detector, const F (&way)[3], const Sight& sight) {
    const float u_cm = sqrtf(dot(detector.u, detector.u)), v_cm = sqrtf(dot(detector.v, detector.v));
    const F along_u = part_along(way, detector.u) * F(1.0f / u_cm), along_v = part_along(way, detector.v) * F(1.0f / v_cm), along_normal = part_along(way, detector.normal);
    if (!(detector.radius_cm > 0.0f)) return {sight.column * F(u_cm), sight.row * F(v_cm), along_u, along_v, along_normal};
    return {F(0.0f), sight.row * F(v_cm), along_arc_u(along_u, along_normal, sight.sine, sight.cosine), along_v,
            along_arc_normal(along_u, along_normal, sight.sine, sight.cosine)};
}

PHYSSIM_HD bool takes_all(const ScatterDetector& detector) { return !detector.grid.attenuation && !detector.response.share; }

// Share of a photon's energy that gets through the grid, if there is one, and counts.
PHYSSIM_HD F counted_share(const ScatterDetector& detector, const Arrival& at, F energy_kev) {
    const F counted = detector.response.share ? response_share(detector.response, at.along_normal, energy_kev) : F(1.0f);
    if (!detector.grid.attenuation) return counted;
    return counted * grid_transmission(detector.grid, at.u, at.v, at.along_u, at.along_v, at.along_normal, energy_kev);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
