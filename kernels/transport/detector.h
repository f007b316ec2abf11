// The surface that photons are counted on: a rectangle of pixels, a disc, or a piece of a cylinder, that absorbs whatever meets its front.
//
// Law: a flat detector is met at gap / approach. A curved one is a cylinder about an axis parallel to v: of the two meetings with it the
// farther one goes outwards, so it is the one with the front; a column is an equal part of the arc.
// Neglects: scatter from and behind the detector; the response of its pixels belongs to imaging.
#pragma once
#include "core/arc.h"
#include "transport/anti_scatter_grid.h"

namespace physsim {

struct MonteCarloDetector {
    int32_t rows, columns;        // 0 rows: no detector
    float centre[3], u[3], v[3], normal[3];  // cm, the scene's frame; the normal points away from the source
    float pixels_per_cm[2];       // along u (along the arc of a curved detector) and v
    float radius_squared;         // cm2 about the centre; larger than the rectangle when it is not a disc
    float curvature_cm;           // radius of the cylinder; 0: flat
    float energy_low, bins_per_kev;
    int32_t energy_bins;
    AntiScatterGrid grid;
    int32_t grid_region;          // of the tallies: where the energy that the grid absorbs is counted
};

namespace PHYSSIM_ISA {

constexpr float FAR_AWAY = 1e30f;

// A place or a direction as the detector sees it: along u, along v, outwards.
struct DetectorAxes { F u, v, normal; };

PHYSSIM_HD F along_axis(const float* axis, F x, F y, F z) { return x * F(axis[0]) + y * F(axis[1]) + z * F(axis[2]); }

PHYSSIM_HD DetectorAxes detector_axes(const MonteCarloDetector& detector, F x, F y, F z) {
    return {along_axis(detector.u, x, y, z), along_axis(detector.v, x, y, z), along_axis(detector.normal, x, y, z)};
}

// Pixel of the point that lies `distance` ahead of a photon (F x, y, z, ux, uy, uz), or -1.
template <class Flying>
PHYSSIM_HD I pixel_ahead(const MonteCarloDetector& detector, const Flying& photon, F distance) {
    const DetectorAxes at = detector_axes(detector, photon.x + distance * photon.ux - F(detector.centre[0]),
                                          photon.y + distance * photon.uy - F(detector.centre[1]), photon.z + distance * photon.uz - F(detector.centre[2]));
    F a = at.u;
    if (detector.curvature_cm > 0.0f) a = F(detector.curvature_cm) * arc(at.u, at.normal + F(detector.curvature_cm));
    const F columns(static_cast<float>(detector.columns)), rows(static_cast<float>(detector.rows));
    const F column = a * F(detector.pixels_per_cm[0]) + F(0.5f) * columns, row = at.v * F(detector.pixels_per_cm[1]) + F(0.5f) * rows;
    const M inside = (F(0.0f) <= column) & (F(0.0f) <= row) & (column < columns) & (row < rows) & (a * a + at.v * at.v <= F(detector.radius_squared));
    const I pixel = truncate(select(inside, row, F(0.0f))) * I(detector.columns) + truncate(select(inside, column, F(0.0f)));
    return select(inside, pixel, I(-1));
}

// How far ahead the photon meets the front of the detector, or FAR_AWAY when it does not.
template <class Flying>
PHYSSIM_HD F distance_to_detector(const MonteCarloDetector& detector, const Flying& photon) {
    const F never(FAR_AWAY), none(0.0f);
    if (detector.rows == 0) return never;
    const F x = F(detector.centre[0]) - photon.x, y = F(detector.centre[1]) - photon.y, z = F(detector.centre[2]) - photon.z;
    const F approach = along_axis(detector.normal, photon.ux, photon.uy, photon.uz), gap = along_axis(detector.normal, x, y, z);
    F distance = gap / approach;
    M meets = (none < approach) & (none <= gap);
    if (detector.curvature_cm > 0.0f) {
        const F radius(detector.curvature_cm), ahead = radius - gap, aside = none - along_axis(detector.u, x, y, z);
        const F sideways = along_axis(detector.u, photon.ux, photon.uy, photon.uz);
        const F square = sideways * sideways + approach * approach, outwards = aside * sideways + ahead * approach;
        const F beyond = aside * aside + ahead * ahead - radius * radius, root = outwards * outwards - square * beyond;
        const F reach = square_root(maximum(none, root));
        distance = select(none < outwards, (none - beyond) / (reach + outwards), (reach - outwards) / square);
        meets = (none < root) & (none <= distance);
    }
    return select(meets & (I(-1) < pixel_ahead(detector, photon, distance)), distance, never);
}

// Expected share of a photon's energy that reaches the detector through its grid, `distance` ahead; call it where there is a grid.
template <class Flying>
PHYSSIM_HD F share_behind_grid(const MonteCarloDetector& detector, const Flying& photon, F distance) {
    const DetectorAxes at = detector_axes(detector, photon.x + distance * photon.ux - F(detector.centre[0]),
                                          photon.y + distance * photon.uy - F(detector.centre[1]), photon.z + distance * photon.uz - F(detector.centre[2]));
    const DetectorAxes along = detector_axes(detector, photon.ux, photon.uy, photon.uz);
    if (detector.curvature_cm > 0.0f) {
        const F ahead = at.normal + F(detector.curvature_cm), inverse = F(1.0f) / square_root(at.u * at.u + ahead * ahead);
        const F sine = at.u * inverse, cosine = ahead * inverse;
        return grid_transmission(detector.grid, F(0.0f), at.v, along_arc_u(along.u, along.normal, sine, cosine), along.v,
                                 along_arc_normal(along.u, along.normal, sine, cosine), photon.energy);
    }
    return grid_transmission(detector.grid, at.u, at.v, along.u, along.v, along.normal, photon.energy);
}

PHYSSIM_HD I energy_bin(const MonteCarloDetector& detector, F energy) {
    const I bin = truncate((energy - F(detector.energy_low)) * F(detector.bins_per_kev));
    return maximum(I(0), minimum(I(detector.energy_bins - 1), bin));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
