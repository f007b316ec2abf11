// From the channels of 16 rays to their images: signals of any number of energies, areal densities of materials.
#pragma once
#include "core/exp2.h"
#include "core/lanes.h"
#include "raytrace/columns.h"
#include "raytrace/spectral.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Transmissions at N energies of 16 rays: independent chains. attenuation: (N, channels).
template <int N>
PHYSSIM_HD void transmissions_at(const float* attenuation, int channels, const float* sums, float* out) {
    F t[N];
    for (int i = 0; i < N; i++) t[i] = F(0.0f);
    for (int k = 0; k < channels; k++) {
        const F sum = load(sums + 16 * k);
        for (int i = 0; i < N; i++) t[i] = multiply_add(F(attenuation[static_cast<int64_t>(i) * channels + k]), sum, t[i]);
    }
    for (int i = 0; i < N; i++) store(out + 16 * i, exp2_of_minus(t[i]));
}

// Transmission at each energy of 16 rays: out (energies, 16).
inline void transmissions(const Signal& signal, int channels, const float* sums, float* out) {
    int e = 0;
    for (; e + 4 <= signal.energies; e += 4) transmissions_at<4>(signal.attenuation + static_cast<int64_t>(e) * channels, channels, sums, out + 16 * e);
    for (; e < signal.energies; e++) transmissions_at<1>(signal.attenuation + static_cast<int64_t>(e) * channels, channels, sums, out + 16 * e);
}

// Weighted sum over energies; four partial sums in a fixed order.
PHYSSIM_HD F weigh(const float* weights, int energies, const float* transmission) {
    F part[4] = {F(0.0f), F(0.0f), F(0.0f), F(0.0f)};
    int e = 0;
    for (; e + 4 <= energies; e += 4)
        for (int i = 0; i < 4; i++) part[i] = multiply_add(F(weights[e + i]), load(transmission + 16 * (e + i)), part[i]);
    for (; e < energies; e++) part[0] = multiply_add(F(weights[e]), load(transmission + 16 * e), part[0]);
    return (part[0] + part[1]) + (part[2] + part[3]);
}

// The same from the channels, where no transmission is needed twice.
inline F weighed_transmissions(const Signal& signal, int channels, const float* sums) {
    F part[4] = {F(0.0f), F(0.0f), F(0.0f), F(0.0f)};
    for (int e = 0; e < signal.energies; e += 4) {
        const int some = signal.energies - e < 4 ? signal.energies - e : 4;
        const float* attenuation = signal.attenuation + static_cast<int64_t>(e) * channels;
        if (some == 4) {
            F t[4] = {F(0.0f), F(0.0f), F(0.0f), F(0.0f)};
            for (int k = 0; k < channels; k++) {
                const F sum = load(sums + 16 * k);
                for (int i = 0; i < 4; i++) t[i] = multiply_add(F(attenuation[i * channels + k]), sum, t[i]);
            }
            for (int i = 0; i < 4; i++) part[i] = multiply_add(F(signal.weights[e + i]), exp2_of_minus(t[i]), part[i]);
            continue;
        }
        for (int i = 0; i < some; i++) {
            F t(0.0f);
            for (int k = 0; k < channels; k++) t = multiply_add(F(attenuation[i * channels + k]), load(sums + 16 * k), t);
            part[0] = multiply_add(F(signal.weights[e + i]), exp2_of_minus(t), part[0]);
        }
    }
    return (part[0] + part[1]) + (part[2] + part[3]);
}

constexpr int SUMS_AHEAD = 3;  // groups whose sums are asked for early

// Images of the groups of group-columns `from` .. `to` - 1 (16 at most) of a view; scratch: 16 (energies + channels) floats.
inline void finish_groups(const RayGroups& groups, const Channels& channels, const Signal& signal, const ViewImages& images, int from, int to,
                          float* scratch) {
    const ViewRays& rays = groups.rays;
    float* room = scratch + 16 * signal.energies;
    const int64_t plane = static_cast<int64_t>(rays.rows) * images.columns;
    const auto put = [&](float* image, int row, int column, F values) {
        alignas(64) float lane[16];
        store(lane, values);
        for (int l = 0; l < 16; l++) {
            const int r = row + l / groups.wide, c = column + l % groups.wide;
            if (r < rays.rows && c < rays.columns) image[r * images.columns + c] = lane[l];
        }
    };
    const auto get = [&](const float* map, int row, int column) {
        alignas(64) float lane[16];
        for (int l = 0; l < 16; l++) {
            const int r = row + l / groups.wide, c = column + l % groups.wide;
            lane[l] = map[(r < rays.rows ? r : rays.rows - 1) * images.columns + (c < rays.columns ? c : rays.columns - 1)];
        }
        return load(lane);
    };
    const int32_t axis[3] = {groups.along == 0 ? 1 : 0, groups.along == 2 ? 1 : 2, groups.along};
    ParameterInMm scale[16];
    for (int c = from; c < to && groups.along >= 0; c++) scale[c - from] = ParameterInMm(ColumnPath(rays, axis, c), groups.spacing, axis);
    const int apart = signal.columns > 1 ? groups.wide : 1;  // columns of a group with nodes of their own
    alignas(64) float in_column[16][16];
    for (int j = 0; j < apart; j++)
        for (int l = 0; l < 16; l++) in_column[j][l] = apart == 1 || l % groups.wide == j ? 1.0f : 0.0f;
    for (int r = 0; r * groups.high < rays.rows; r++)  // columns inside: the lines of an image's rows stay in the first-level cache
        for (int c = from; c < to; c++) {
            const float* sums = groups.sums + r * groups.row_step + c * groups.column_step;
            for (int k = 0; k < channels.count && k < 64; k++) __builtin_prefetch(sums + SUMS_AHEAD * groups.column_step + 16 * k);
            const int row = r * groups.high, column = c * groups.wide;
            if (groups.along >= 0) {
                const F mm = scale[c - from].at(row);
                for (int k = 0; k < channels.count; k++) store(room + 16 * k, load(sums + 16 * k) * mm);
                sums = room;
            }
            if (images.areal)
                for (int m = 0; m < channels.materials; m++)
                    put(images.areal + images.table[m] * plane, row, column, load(sums + 16 * m) * F(images.areal_scale[m]));
            if (!images.signal) continue;
            if (signal.outputs == 1 && !images.position) {
                const F total = weighed_transmissions(signal, channels.count, sums);
                put(images.signal, row, column, images.factor ? total * get(images.factor, row, column) : total);
                continue;
            }
            transmissions(signal, channels.count, sums, scratch);
            F place(0.0f);
            int low = 0, high = 0;
            if (images.position) {
                place = minimum(maximum(get(images.position, row, column), F(0.0f)), F(static_cast<float>(signal.nodes - 1)));
                alignas(64) float lane[16];
                store(lane, place);
                float least = lane[0], most = lane[0];
                for (float value : lane) least = value < least ? value : least, most = value > most ? value : most;
                low = static_cast<int>(least);
                high = static_cast<int>(most) + (static_cast<float>(static_cast<int>(most)) < most);
            }
            for (int o = 0; o < signal.outputs; o++) {
                F total(0.0f);
                for (int j = 0; j < apart && column + j < rays.columns; j++)
                    for (int n = low; n <= high; n++) {
                        const F value = weigh(signal.of(o, images.first_column + column + j, n), signal.energies, scratch);
                        const F away = place - F(static_cast<float>(n));
                        const F share = maximum(F(1.0f) - maximum(away, F(0.0f) - away), F(0.0f));
                        total = total + value * (share * load(in_column[j]));
                    }
                if (images.factor) total = total * get(images.factor, row, column);
                put(images.signal + o * plane, row, column, total);
            }
        }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
