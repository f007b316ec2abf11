// What is counted, in whole multiples of 2^-20 keV: sums do not depend on the order, and energy in = out + deposited exactly.
#pragma once
#include "core/fixed_point.h"
#include "core/lanes.h"

namespace physsim {

constexpr float FIXED_PER_KEV = 0x1p20f;

// Of one thread: energies in fixed point, and two numbers of events that must be 0: photons given up, collisions above the majorant.
struct Balance { int64_t born, deposited, detected, escaped, lost, above_majorant; };

struct MonteCarloTally {
    int64_t* regions;   // (regions), of one thread: energy deposited
    Balance* balance;   // of one thread
    int64_t* image;     // (orders, energy bins, rows, columns), shared by the threads: energy that meets the detector
    int64_t image_stride;  // from an order and bin to the next: rows * columns
    int64_t* voxels;    // (z, y, x), shared, or null: energy deposited
};

namespace PHYSSIM_ISA {

// An energy up to 2^8 keV as a whole number: exact above 8 keV, within 2^-21 keV below. Sixteen of them stay below 2^32.
PHYSSIM_HD I fixed_energy(F energy_kev) { return truncate(energy_kev * F(FIXED_PER_KEV) + F(0.5f)); }

// Adds what happens to the lanes of a mask to the sums of one thread on a CPU.
class LaneTally {
  public:
    PHYSSIM_HD explicit LaneTally(const MonteCarloTally& sums) : sums_(sums) {}

    PHYSSIM_HD void born(M m, I fixed) { sums_.balance->born += sum_where(m, fixed); }
    PHYSSIM_HD void escaped(M m, I fixed) { sums_.balance->escaped += sum_where(m, fixed); }
    PHYSSIM_HD void lost(M m) { sums_.balance->lost += count(m); }
    PHYSSIM_HD void above_majorant(M m) { sums_.balance->above_majorant += count(m); }

    // The lanes almost always share one region.
    PHYSSIM_HD void deposit(M m, I region, I fixed) {
        alignas(64) int32_t of[LANES], energy[LANES];
        store(of, region);
        const int64_t all_lanes = sum_where(m, fixed);
        sums_.balance->deposited += all_lanes;
        const int32_t one = of[lowest_lane(bits(m))];
        if (!any(without(m, region == I(one)))) {
            sums_.regions[one] += all_lanes;
            return;
        }
        store(energy, fixed);
        for (unsigned left = bits(m); left; left &= left - 1) {
            const int lane = lowest_lane(left);
            sums_.regions[of[lane]] += energy[lane];
        }
    }

    PHYSSIM_HD bool counts_voxels() const { return sums_.voxels; }
    PHYSSIM_HD void deposit_in(int64_t voxel, int32_t fixed) { add_shared(sums_.voxels + voxel, fixed); }

    PHYSSIM_HD void detect(M m, I channel, I pixel, I fixed) {
        alignas(64) int32_t row[LANES], column[LANES], energy[LANES];
        store(row, channel);
        store(column, pixel);
        store(energy, fixed);
        sums_.balance->detected += sum_where(m, fixed);
        for (unsigned left = bits(m); left; left &= left - 1) {
            const int lane = lowest_lane(left);
            add_shared(sums_.image + row[lane] * sums_.image_stride + column[lane], energy[lane]);
        }
    }

  private:
    PHYSSIM_HD static int64_t sum_where(M m, I fixed) { return static_cast<int64_t>(sum_of_lanes(select(m, fixed, I(0)))); }

    const MonteCarloTally& sums_;
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
