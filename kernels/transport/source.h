// Where photons are born: a point or a rectangular focal spot, uniform in solid angle over a rectangle or a cone.
//
// Law: a point source is isotropic, so photons are uniform in solid angle within the collimation. On a plane at distance 1 the
// density at (x, y) is (1 + x^2 + y^2)^(-3/2). Its marginal along x comes as an inverse table; given x, the sine
// y / sqrt(1 + x^2 + y^2) is uniform. A focal spot moves the start alone: the point on the field's plane stays.
// Neglects: the penumbra of the collimator, off-focus radiation.
#pragma once
#include "transport/photon.h"
#include "transport/random.h"

namespace physsim {

struct EnergyBin { float keep; int32_t other; float low, width; };  // of an alias table (Walker 1977); keV

struct MonteCarloSource {
    float position[3];               // cm, in the scene's frame
    float across[3], along[3], forward[3];  // x, y of the field and the normal of its plane
    int32_t cone;                    // 1: a cone about `forward`; 0: a rectangle
    float cone_height;               // 1 - cosine of the half angle
    const float* x_quantile;         // (nodes + 1) tangents x at equal steps of probability
    int32_t x_nodes;
    float x_low, rows_per_x;         // which spectrum belongs to x
    float y_low, y_high;             // tangents
    float plane_cm;                  // distance of the field's plane
    float spot[2];                   // full widths of the focal spot along x and y (cm)
    float turn_first, turn_range;    // turns about the axis below, uniform; range 0 and first 0: none
    float axis_point[3], axis[3];
    const EnergyBin* energy;         // (rows, bins)
    int32_t energy_rows, energy_bins;
};

namespace PHYSSIM_ISA {

PHYSSIM_HD float born_energy(const MonteCarloSource& source, int row, Word choice, Word within) {
    const Word bins = static_cast<Word>(source.energy_bins);
    const Word bin = multiply_high(choice, bins);
    const EnergyBin* table = source.energy + static_cast<int64_t>(row) * source.energy_bins;
    const bool keep = uniform(choice * bins) < table[bin].keep;
    const EnergyBin& chosen = table[keep ? static_cast<int>(bin) : table[bin].other];
    return chosen.low + uniform(within) * chosen.width;
}

PHYSSIM_HD void turn_about(const MonteCarloSource& source, float fraction, float& x, float& y, float& z) {
    const Turn by = turn(fraction);
    const float* k = source.axis;
    const float along = (x * k[0] + y * k[1] + z * k[2]) * (1.0f - by.cosine);
    const float cx = k[1] * z - k[2] * y, cy = k[2] * x - k[0] * z, cz = k[0] * y - k[1] * x;
    x = x * by.cosine + cx * by.sine + k[0] * along;
    y = y * by.cosine + cy * by.sine + k[1] * along;
    z = z * by.cosine + cz * by.sine + k[2] * along;
}

// Reads blocks 0 and 1.
PHYSSIM_HD Photon born(const MonteCarloSource& source, const Stream& stream, uint64_t history) {
    const PhiloxWords<Word> first = block_of(stream, history, 0), second = block_of(stream, history, 1);
    float dx, dy, dz = 1.0f;  // direction in the field's frame
    int row = 0;
    if (source.cone) {
        const float height = uniform(first.c) * source.cone_height;
        const Turn around = turn(uniform(first.d));
        const float sine = square_root(height * (2.0f - height));
        dx = sine * around.cosine, dy = sine * around.sine, dz = 1.0f - height;
    } else {
        const float u = uniform(first.c) * static_cast<float>(source.x_nodes);
        const int node = minimum(static_cast<int>(u), source.x_nodes - 1);
        const float x0 = source.x_quantile[node], x1 = source.x_quantile[node + 1];
        dx = x0 + (u - static_cast<float>(node)) * (x1 - x0);
        row = maximum(0, minimum(source.energy_rows - 1, static_cast<int>((dx - source.x_low) * source.rows_per_x)));
        const float square = 1.0f + dx * dx, reach = square_root(square);
        const float low = source.y_low / square_root(square + source.y_low * source.y_low);
        const float high = source.y_high / square_root(square + source.y_high * source.y_high);
        const float sine = low + uniform(first.d) * (high - low);
        dy = sine * reach / square_root((1.0f - sine) * (1.0f + sine));
    }
    const float ox = (uniform(second.b) - 0.5f) * source.spot[0], oy = (uniform(second.c) - 0.5f) * source.spot[1];
    const float stretch = source.plane_cm / dz;
    dx = dx * stretch - ox, dy = dy * stretch - oy, dz = source.plane_cm;
    const float scale = 1.0f / square_root(dx * dx + dy * dy + dz * dz);
    dx *= scale, dy *= scale, dz *= scale;
    const float *e = source.across, *f = source.along, *g = source.forward;
    Photon photon;
    photon.x = source.position[0] + ox * e[0] + oy * f[0];
    photon.y = source.position[1] + ox * e[1] + oy * f[1];
    photon.z = source.position[2] + ox * e[2] + oy * f[2];
    photon.ux = dx * e[0] + dy * f[0] + dz * g[0];
    photon.uy = dx * e[1] + dy * f[1] + dz * g[1];
    photon.uz = dx * e[2] + dy * f[2] + dz * g[2];
    if (source.turn_range != 0.0f || source.turn_first != 0.0f) {
        float fraction = source.turn_first + uniform(second.d) * source.turn_range;  // both within 0 .. 1
        if (fraction > 1.0f) fraction -= 1.0f;
        const float* c = source.axis_point;
        photon.x -= c[0], photon.y -= c[1], photon.z -= c[2];
        turn_about(source, fraction, photon.x, photon.y, photon.z);
        photon.x += c[0], photon.y += c[1], photon.z += c[2];
        turn_about(source, fraction, photon.ux, photon.uy, photon.uz);
    }
    photon.energy = born_energy(source, row, first.a, first.b);
    photon.order = PRIMARY;
    photon.block = 2;
    return photon;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
