// Dead time and pile-up of a pixel's pulses: the law of all of them, and a table of what their bins gain and lose.
//
// Laws: physsim/imaging/detector/pile_up.py. The table is linear along the load and between the two beams whose true counts have mean bins next to the pixel's.
#pragma once
#include "core/exp2.h"
#include "detect/pile_up_job.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Registered over true pulses at a load.
PHYSSIM_HD F registered_share(const PileUp& job, F load) {
    return job.paralysable ? exp2_of_minus(load * F(1.44269504f)) : F(1.0f) / (F(1.0f) + load);
}

// The mean number of the bins of shares (bins, LANES).
PHYSSIM_HD F mean_bin_of(const PileUp& job, const float* share) {
    F mean(0.0f);
    for (int b = 1; b < job.bins; b++) mean = mean + F(static_cast<float>(b)) * load(share + b * LANES);
    return mean;
}

// Ratios by bin at one load, for any mean bin.
struct PileUpRatios {
    const PileUp& job;
    I low;
    F along;

    PHYSSIM_HD PileUpRatios(const PileUp& table, F load) : job(table) {
        const F step = minimum(maximum(load * F(job.per_step), F(0.0f)), F(static_cast<float>(job.loads) - 1.001f));
        low = truncate(step), along = step - to_float(low);
    }

    // Writes ratios (bins, LANES) for a mean bin.
    PHYSSIM_HD void at(F mean_bin, float* ratio) const {
        const F zero(0.0f), one(1.0f);
        F beam = zero;
        for (int k = 0; k + 1 < job.beams; k++) beam = beam + minimum(maximum((mean_bin - F(job.mean_bin[k])) * F(job.per_beam[k]), zero), one);
        const I first = minimum(truncate(beam), I(job.beams > 1 ? job.beams - 2 : 0));
        const F across = beam - to_float(first), beside = one - across, before = one - along;
        const I here = (first * I(job.loads) + low) * I(job.bins), next = here + I(job.beams > 1 ? job.loads * job.bins : 0);
        for (int b = 0; b < job.bins; b++) {
            const float* value = job.ratio + b;
            const F near = beside * (before * gather(value, here) + along * gather(value + job.bins, here));
            store(ratio + b * LANES, near + across * (before * gather(value, next) + along * gather(value + job.bins, next)));
        }
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
