// Photons between two events, one a lane.
#pragma once
#include "core/lanes.h"
#include "core/turn.h"

namespace physsim {

// What happened to a photon before it is scored: rows of the image tally.
enum Order { PRIMARY = 0, ONE_COMPTON = 1, ONE_RAYLEIGH = 2, MULTIPLE = 3, ORDERS = 4 };

namespace PHYSSIM_ISA {

struct Photon {
    F x, y, z;            // cm
    F ux, uy, uz;         // unit vector
    F energy;             // keV
    I order;
    I history;            // lower half of its number
    I block;              // of random words, the next one not yet read
};

PHYSSIM_HD I after(I order, Order first) { return select(order == I(PRIMARY), I(first), I(MULTIPLE)); }

// Turns the direction by a polar angle and an azimuth (a fraction of a turn), and makes it a unit vector again.
// The frame about it is that of Duff et al., "Building an orthonormal basis, revisited", JCGT 6 (2017) 1: no pole.
PHYSSIM_HD void deflect(Photon& photon, F cosine, F azimuth) {
    const F ux = photon.ux, uy = photon.uy, uz = photon.uz, zero(0.0f), one(1.0f);
    const F sign = select(uz < zero, F(-1.0f), one), a = F(-1.0f) / (sign + uz), b = ux * uy * a;
    const F polar = square_root(maximum(zero, (one - cosine) * (one + cosine)));
    const Turn around = turn(azimuth);
    const F p = polar * around.cosine, q = polar * around.sine;
    const F vx = cosine * ux + p * (one + sign * ux * ux * a) + q * b;
    const F vy = cosine * uy + p * (sign * b) + q * (sign + uy * uy * a);
    const F vz = cosine * uz - p * (sign * ux) - q * uy;
    const F scale = F(1.5f) - F(0.5f) * (vx * vx + vy * vy + vz * vz);  // one Newton step: the length is 1 within 1e-6
    photon.ux = vx * scale, photon.uy = vy * scale, photon.uz = vz * scale;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
