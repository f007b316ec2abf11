// A collision on the way to every target: what histories hand to forced detection.
#pragma once
#include "transport/scatter_detector.h"

namespace physsim {

// `weight` is the estimate's factor before the scattering angle is known, e.g. photons / (mu / rho).
struct ScatterEvent {
    float at[3], along[3];
    float energy_kev, weight;
    float compton_norm, rayleigh_norm;  // of the angular laws at this energy; both 0: isotropic emission (fluorescence)
    float functions[3][3];              // f_k at E' of half = (1 - cos theta) / 2: [0] + [1] half + [2] half^2, see event_of
    float jitter[2];                    // of the place within each target's cell, 0 to 1
    float lot, through_strips;          // 0 to 1: decides which targets behind a grid are left out; about the share of photons that get through its strips, 1: there are none
    int32_t material;
};

// Targets on the detector: centres of small cells.
struct NodeTargets : ScatterDetector {
    float cell[2];              // width of a target's cell along u and v, in pixels
    const float *column, *row;  // of each target's centre, from the detector's, in pixels; as many as a multiple of 16
    int32_t count;
};

}  // namespace physsim
