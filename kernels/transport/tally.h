// What is counted, in whole multiples of 2^-20 keV: sums do not depend on the order, and energy in = out + deposited exactly.
#pragma once
#include "core/fixed_point.h"
#include "core/lanes.h"
#include "transport/photon.h"

namespace physsim {

constexpr float FIXED_PER_KEV = 0x1p20f;

// Of one thread: energies in fixed point, and two numbers of photons that must be 0.
struct Balance { int64_t born, deposited, detected, escaped, lost, above_majorant; };

struct MonteCarloTally {
    int64_t* regions;   // (regions), of one thread: energy deposited
    Balance* balance;   // of one thread
    int64_t* image;     // (orders, energy bins, rows, columns), shared by the threads: energy that meets the detector
    int64_t image_stride;  // from an order and bin to the next: rows * columns
    int64_t* voxels;    // (z, y, x), shared, or null: energy deposited
};

namespace PHYSSIM_ISA {

// An energy up to 2^10 keV as a whole number: exact above 8 keV, within 2^-21 keV below.
PHYSSIM_HD int32_t fixed_energy(float energy_kev) { return truncate(energy_kev * FIXED_PER_KEV + 0.5f); }

PHYSSIM_HD void deposit(const MonteCarloTally& tally, int region, int64_t voxel, int32_t fixed) {
    tally.balance->deposited += fixed;
    tally.regions[region] += fixed;
    if (tally.voxels && voxel >= 0) add_shared(tally.voxels + voxel, fixed);
}

PHYSSIM_HD void detect(const MonteCarloTally& tally, int channel, int pixel, int32_t fixed) {
    tally.balance->detected += fixed;
    add_shared(tally.image + channel * tally.image_stride + pixel, fixed);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
