// The plane that photons are counted on: a rectangle of pixels, or a disc, that absorbs whatever meets its front.
// Neglects: scatter from and behind the detector; the response of its pixels belongs to imaging.
#pragma once
#include "transport/photon.h"

namespace physsim {

struct MonteCarloDetector {
    int32_t rows, columns;        // 0 rows: no detector
    float centre[3], u[3], v[3], normal[3];  // cm, the scene's frame; the normal points away from the source
    float pixels_per_cm[2];       // along u and v
    float radius_squared;         // cm2 about the centre; larger than the rectangle when it is not a disc
    float energy_low, bins_per_kev;
    int32_t energy_bins;
};

namespace PHYSSIM_ISA {

constexpr float FAR_AWAY = 1e30f;

// Pixel of the point that lies `distance` ahead, or -1.
PHYSSIM_HD int pixel_ahead(const MonteCarloDetector& detector, const Photon& photon, float distance) {
    const float x = photon.x + distance * photon.ux - detector.centre[0], y = photon.y + distance * photon.uy - detector.centre[1],
                z = photon.z + distance * photon.uz - detector.centre[2];
    const float a = x * detector.u[0] + y * detector.u[1] + z * detector.u[2];
    const float b = x * detector.v[0] + y * detector.v[1] + z * detector.v[2];
    const float column = a * detector.pixels_per_cm[0] + 0.5f * static_cast<float>(detector.columns);
    const float row = b * detector.pixels_per_cm[1] + 0.5f * static_cast<float>(detector.rows);
    const bool inside = column >= 0.0f && row >= 0.0f && column < static_cast<float>(detector.columns)
        && row < static_cast<float>(detector.rows) && a * a + b * b <= detector.radius_squared;
    return inside ? static_cast<int>(row) * detector.columns + static_cast<int>(column) : -1;
}

// How far ahead the photon meets the front of the detector, or FAR_AWAY when it does not.
PHYSSIM_HD float distance_to_detector(const MonteCarloDetector& detector, const Photon& photon) {
    if (detector.rows == 0) return FAR_AWAY;
    const float* n = detector.normal;
    const float approach = photon.ux * n[0] + photon.uy * n[1] + photon.uz * n[2];
    const float gap = (detector.centre[0] - photon.x) * n[0] + (detector.centre[1] - photon.y) * n[1] + (detector.centre[2] - photon.z) * n[2];
    if (!(approach > 0.0f) || gap < 0.0f) return FAR_AWAY;
    const float distance = gap / approach;
    return pixel_ahead(detector, photon, distance) >= 0 ? distance : FAR_AWAY;
}

PHYSSIM_HD int energy_bin(const MonteCarloDetector& detector, float energy) {
    const int bin = static_cast<int>((energy - detector.energy_low) * detector.bins_per_kev);
    return maximum(0, minimum(detector.energy_bins - 1, bin));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
