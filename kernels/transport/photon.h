// A photon between two events.
#pragma once
#include "core/lanes.h"
#include "core/turn.h"

namespace physsim {

// What happened to a photon before it is scored: rows of the image tally.
enum Order { PRIMARY = 0, ONE_COMPTON = 1, ONE_RAYLEIGH = 2, MULTIPLE = 3, ORDERS = 4 };

namespace PHYSSIM_ISA {

struct Photon {
    float x, y, z;            // cm
    float ux, uy, uz;         // unit vector
    float energy;             // keV
    int order;
    uint32_t block;           // of random words, the next one not yet read
};

// Turns the direction by a polar angle and an azimuth (a fraction of a turn), and makes it a unit vector again.
// The frame about it is that of Duff et al., "Building an orthonormal basis, revisited", JCGT 6 (2017) 1: no pole.
PHYSSIM_HD void deflect(Photon& photon, float cosine, float azimuth) {
    const float ux = photon.ux, uy = photon.uy, uz = photon.uz;
    const float sign = uz < 0.0f ? -1.0f : 1.0f, a = -1.0f / (sign + uz), b = ux * uy * a;
    const float polar = square_root(maximum(0.0f, (1.0f - cosine) * (1.0f + cosine)));
    const Turn around = turn(azimuth);
    const float p = polar * around.cosine, q = polar * around.sine;
    const float vx = cosine * ux + p * (1.0f + sign * ux * ux * a) + q * b;
    const float vy = cosine * uy + p * (sign * b) + q * (sign + uy * uy * a);
    const float vz = cosine * uz - p * (sign * ux) - q * uy;
    const float scale = 1.5f - 0.5f * (vx * vx + vy * vy + vz * vz);  // one Newton step: the length is 1 within 1e-6
    photon.ux = vx * scale, photon.uy = vy * scale, photon.uz = vz * scale;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
