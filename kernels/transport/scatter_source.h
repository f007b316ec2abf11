// Photons of scatter images at their start: a Sobol point as a place in the focal spot, a direction, an energy and a weight.
//
// Law: that of source.h. On the field's plane at distance 1 the density per area (1 + x^2 + y^2)^(-3/2) is uniform in solid angle; a heel or a
// bowtie multiplies it by the photons per solid angle, which are bilinear, energy by energy, between nodes at equal steps of two
// shares: that of the field's solid angle below x, and at that x that of the sine of the angle below y. Points may be drawn denser
// where they are worth most; the weight makes up for it. A focal spot moves the start alone: the point on the field's plane stays.
// Neglects: the penumbra of the collimator, off-focus radiation, scatter from filters and bowtie.
#pragma once
#include "transport/sobol.h"

namespace physsim {

// Photons of one energy bin are uniform within it.
struct ScatterSource {
    double position[3], across[3], along[3], forward[3];  // cm; unit vectors
    double low[2], high[2];                               // tangents of the field's edges
    double solid_angle;                                   // of the field
    double plane_cm, spot[2];                             // distance of the field's plane; full widths of the focal spot along x and y (cm)
    int32_t energy_bins;
    const float* cumulative;                              // (nodes along y, along x, bins): photons per solid angle in this bin and those before, 1 over the field on average
    const float *low_kev, *width_kev;
    int32_t nodes[2];                                     // along x, y; 1 x 1: one spectrum for the whole field
    const float* x_quantile;                              // (x_nodes + 1) tangents x at equal steps of the field's solid angle; of several nodes only
    int32_t x_nodes;
    int32_t field_cells;                                  // n: the field in n x n equal cells with points as below; 0: uniform
    const float *row_share, *cell_share;                  // (n), (n, n): points in rows, in cells of a row, up to this one; each ends with 1
};

// A photon at its start; `weight` in photons.
struct Start {
    double at[3], along[3];
    double weight;
    float energy_kev;
};

namespace PHYSSIM_ISA {

// Up to four nodes around a direction and their shares.
struct FieldMix {
    const float* cumulative[4];
    double share[4];
    int32_t count;
    double photons(int32_t bin) const {
        double sum = 0.0;
        for (int32_t k = 0; k < count; k++) sum += share[k] * static_cast<double>(cumulative[k][bin]);
        return sum;
    }
};

// The interval of rising values that holds x, of `count` intervals, and where in it.
struct Interval { int32_t number; double within; };

PHYSSIM_HD Interval interval_of(const float* values, int32_t count, double x) {
    int32_t low = 0, high = count - 1;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (x < static_cast<double>(values[middle + 1])) high = middle;
        else low = middle + 1;
    }
    const double first = static_cast<double>(values[low]), width = static_cast<double>(values[low + 1]) - first;
    const double within = width > 0.0 ? (x - first) / width : 0.5;
    return {low, within < 0.0 ? 0.0 : within < 1.0 ? within : 1.0};
}

PHYSSIM_HD FieldMix field_mix(const ScatterSource& source, double x, double y) {
    FieldMix mix = {{source.cumulative, nullptr, nullptr, nullptr}, {1.0, 0.0, 0.0, 0.0}, 1};
    if (source.nodes[0] * source.nodes[1] == 1) return mix;
    const Interval column = interval_of(source.x_quantile, source.x_nodes, x);
    const double square = 1.0 + x * x, low = source.low[1] / sqrt(square + source.low[1] * source.low[1]);
    const double high = source.high[1] / sqrt(square + source.high[1] * source.high[1]);
    const double place[2] = {(column.number + column.within) / source.x_nodes, (y / sqrt(square + y * y) - low) / (high - low)};
    int32_t first[2], step[2];
    double beyond[2];
    for (int a = 0; a < 2; a++) {
        const int32_t last = source.nodes[a] - 1;
        const double node = place[a] > 0.0 ? place[a] * last : 0.0;
        first[a] = node < last ? static_cast<int32_t>(node) : last > 0 ? last - 1 : 0;
        step[a] = last > 0 ? 1 : 0, beyond[a] = last > 0 ? (node < last ? node - first[a] : 1.0) : 0.0;
    }
    mix.count = 4;
    for (int k = 0; k < 4; k++) {
        const int32_t i = first[0] + (k & 1) * step[0], j = first[1] + (k >> 1) * step[1];
        mix.cumulative[k] = source.cumulative + (static_cast<int64_t>(j) * source.nodes[0] + i) * source.energy_bins;
        mix.share[k] = (k & 1 ? beyond[0] : 1.0 - beyond[0]) * (k >> 1 ? beyond[1] : 1.0 - beyond[1]);
    }
    return mix;
}

PHYSSIM_HD float energy_at(const ScatterSource& source, const FieldMix& mix, double photons) {
    int32_t low = 0, high = source.energy_bins - 1;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (photons < mix.photons(middle)) high = middle;
        else low = middle + 1;
    }
    const double before = low ? mix.photons(low - 1) : 0.0, share = mix.photons(low) - before;
    const double within = share > 0.0 ? (photons - before) / share : 0.5;
    return static_cast<float>(static_cast<double>(source.low_kev[low]) + within * static_cast<double>(source.width_kev[low]));
}

// A place of density 1 / `thinner` per unit of [0, 1]: uniform within one of n equal cells that `share` gives chances to, see ScatterSource.
struct Place { double at, thinner; int32_t cell; };

PHYSSIM_HD Place place_of(const float* share, int32_t cells, double u) {
    int32_t low = 0, high = cells - 1;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (u < static_cast<double>(share[middle])) high = middle;
        else low = middle + 1;
    }
    const double before = low ? static_cast<double>(share[low - 1]) : 0.0, own = static_cast<double>(share[low]) - before;
    return {(low + (u - before) / own) / cells, 1.0 / (own * cells), low};
}

// Point `number` of a scramble: coordinates 0 and 1 are the direction's, 3 the energy's, 6 and 7 the focal spot's.
PHYSSIM_HD Start start_of(const ScatterSource& source, const SobolPoints& points, uint32_t number) {
    Place across = {sobol(points, 0, number), 1.0, 0}, along = {sobol(points, 1, number), 1.0, 0};
    if (source.field_cells) {
        along = place_of(source.row_share, source.field_cells, along.at);
        across = place_of(source.cell_share + along.cell * source.field_cells, source.field_cells, across.at);
    }
    const double x = source.low[0] + across.at * (source.high[0] - source.low[0]), y = source.low[1] + along.at * (source.high[1] - source.low[1]);
    const double square = 1.0 + x * x + y * y, length = sqrt(square);
    const FieldMix mix = field_mix(source, x, y);
    const double photons = mix.photons(source.energy_bins - 1), area = (source.high[0] - source.low[0]) * (source.high[1] - source.low[1]) * across.thinner * along.thinner;
    Start photon;
    photon.weight = area / (source.solid_angle * square * length) * photons;
    photon.energy_kev = energy_at(source, mix, sobol(points, 3, number) * photons);
    for (int a = 0; a < 3; a++) photon.at[a] = source.position[a], photon.along[a] = (x * source.across[a] + y * source.along[a] + source.forward[a]) / length;
    if (source.spot[0] > 0.0 || source.spot[1] > 0.0) {
        const double aside[2] = {(sobol(points, 6, number) - 0.5) * source.spot[0], (sobol(points, 7, number) - 0.5) * source.spot[1]};
        const double ways[3] = {x * source.plane_cm - aside[0], y * source.plane_cm - aside[1], source.plane_cm};
        const double reach = sqrt(ways[0] * ways[0] + ways[1] * ways[1] + ways[2] * ways[2]);
        for (int a = 0; a < 3; a++) {
            photon.at[a] += aside[0] * source.across[a] + aside[1] * source.along[a];
            photon.along[a] = (ways[0] * source.across[a] + ways[1] * source.along[a] + ways[2] * source.forward[a]) / reach;
        }
    }
    return photon;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
