// What a detector makes of a photon, as a share of its energy: from a table by energy and by the cosine of the angle to the detector's normal.
//
// Law: bilinear between nodes at equal steps, held beyond the ends. Any moment of what single photons add to a signal may stand in the
// table: share x energy is that moment.
#pragma once
#include "core/lanes.h"

namespace physsim {

struct DetectorResponse {
    const float* share;  // (energies, cosines), cosines from 0 to 1; null: an ideal absorber
    int32_t energies, cosines;
    float energy_low, per_kev;
};

namespace PHYSSIM_ISA {

PHYSSIM_HD F response_share(const DetectorResponse& response, F along_normal, F energy_kev) {
    const F zero(0.0f);
    const F place = maximum(zero, minimum(F(static_cast<float>(response.energies - 1)), (energy_kev - F(response.energy_low)) * F(response.per_kev)));
    const F angle = maximum(zero, minimum(F(1.0f), along_normal)) * F(static_cast<float>(response.cosines - 1));
    const I row = minimum(truncate(place), I(response.energies - 2)), column = minimum(truncate(angle), I(response.cosines - 2));
    const F up = place - to_float(row), across = angle - to_float(column);
    const I at = row * I(response.cosines) + column;
    const auto along = [&](int32_t ahead) {
        const F low = gather(response.share + ahead, at);
        return low + across * (gather(response.share + ahead + 1, at) - low);
    };
    const F low = along(0);
    return low + up * (along(response.cosines) - low);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
