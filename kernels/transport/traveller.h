// A thread's photons, one after the other: each call takes the photon at hand one step further, so that the threads of a warp do not
// wait for the longest history among them. The photons are those of history.h, bit for bit. One lane wide.
#pragma once
#include "transport/ends.h"

namespace physsim {
namespace PHYSSIM_ISA {

static_assert(LANES == 1, "a thread has one photon");

// Counts as LaneTally does, for one of many threads: what goes to the same region again and again stays with the thread; pixels and
// voxels are shared. What is deposited and detected in all follows from regions and pixels.
class ThreadTally {
  public:
    PHYSSIM_HD explicit ThreadTally(const MonteCarloTally& shared) : shared_(shared), region_(0), run_(0), born_(0), escaped_(0) {}

    PHYSSIM_HD void born(M m, I fixed) { born_ += select(m, fixed, 0); }
    PHYSSIM_HD void escaped(M m, I fixed) { escaped_ += select(m, fixed, 0); }
    PHYSSIM_HD void lost(M m) { add_shared(&shared_.balance->lost, count(m)); }
    PHYSSIM_HD void above_majorant(M m) { add_shared(&shared_.balance->above_majorant, count(m)); }

    PHYSSIM_HD void deposit(M m, I region, I fixed) {
        if (!m) return;
        if (region != region_) {
            add_together(shared_.regions, region_, run_);
            region_ = region, run_ = 0;
        }
        run_ += fixed;
    }

    PHYSSIM_HD bool counts_voxels() const { return shared_.voxels; }
    PHYSSIM_HD void deposit_in(int64_t voxel, int32_t fixed) { add_shared(shared_.voxels + voxel, fixed); }

    PHYSSIM_HD void detect(M m, I channel, I pixel, I fixed) {
        if (m) add_shared(shared_.image + channel * shared_.image_stride + pixel, fixed);
    }

    // Once, at the end.
    PHYSSIM_HD void hand_in() {
        add_together(shared_.regions, region_, run_);
        add_together(&shared_.balance->born, 0, born_);
        add_together(&shared_.balance->escaped, 0, escaped_);
    }

  private:
    const MonteCarloTally& shared_;
    int region_;
    int64_t run_, born_, escaped_;
};

class Traveller {
  public:
    PHYSSIM_HD Traveller(const MonteCarloJob& job, const MonteCarloTally& tally, Word upper)
        : job_(job), upper_(upper), tally_(tally), flies_(false) {}

    PHYSSIM_HD bool flies() const { return flies_; }

    // The photon of this number, of which the upper half is that of all.
    PHYSSIM_HD void begin(uint32_t lower) {
        bear(job_, draws(), lower, flier_);
        flies_ = set_out(job_, tally_, true, flier_);
        if (flies_) way_ = way_of(job_.scene, job_.detector, flier_.photon, flier_.course);
    }

    PHYSSIM_HD void go_on() {
        const Step step = advance(job_.scene, flier_.photon, flier_.course, way_, true);
        if (step.end) {
            finish(job_, tally_, flier_.photon, way_.to_detector, true);
            flies_ = false;
        } else if (step.candidate) {
            collide(step.majorant);
        }
    }

    PHYSSIM_HD void hand_in() { tally_.hand_in(); }

  private:
    PHYSSIM_HD Draws draws() const { return {job_.stream, upper_}; }

    PHYSSIM_HD void collide(F majorant) {
        const Met met = meet(job_, tally_, draws(), flier_, majorant, true);
        if (met.fluorescence) flies_ = fluoresce(job_, tally_, draws(), flier_, met.collision, true);
        else if (met.rayleigh) flies_ = scatter_rayleigh(job_, draws(), flier_, met.collision, true);
        else if (met.compton) flies_ = scatter_compton(job_, tally_, draws(), flier_, met.collision, true);
        else flies_ = met.flies_on;
        flies_ = not_lost(tally_, flier_.photon, flies_);
        if (flies_ && !met.flies_on) way_ = way_of(job_.scene, job_.detector, flier_.photon, flier_.course);
    }

    const MonteCarloJob& job_;
    const Word upper_;
    ThreadTally tally_;
    Flier flier_;
    Way way_;
    M flies_;
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
