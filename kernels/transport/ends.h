// Where photons begin and where they leave.
#pragma once
#include "transport/interact.h"

namespace physsim {

constexpr int32_t MOST_BLOCKS = 1 << 24;  // of random words a history; far beyond what any needs

namespace PHYSSIM_ISA {

// What of the photons' energies is counted on the detector that lies `ahead`: all, or what its grid lets through.
PHYSSIM_HD I detected_energy(const MonteCarloDetector& detector, const Photon& photon, F ahead) {
    if (!detector.grid.attenuation) return fixed_energy(photon.energy);
    return fixed_energy(photon.energy * share_behind_grid(detector, photon, ahead));
}

// Counts photons that meet the detector or leave the world.
template <class Tally>
PHYSSIM_HD void finish(const MonteCarloJob& job, Tally& tally, const Photon& photon, F to_detector, M ended) {
    const M detected = ended & (to_detector < F(FAR_AWAY));
    const I fixed = fixed_energy(photon.energy);
    tally.escaped(without(ended, detected), fixed);
    if (!any(detected)) return;
    const I channel = photon.order * I(job.detector.energy_bins) + energy_bin(job.detector, photon.energy);
    const I counted = detected_energy(job.detector, photon, to_detector);
    if (job.detector.grid.attenuation) tally.deposit(detected, I(job.detector.grid_region), fixed - counted);
    tally.detect(detected, channel, pixel_ahead(job.detector, photon, to_detector), counted);
}

// Photons `first`, first + 1, ... at their start.
PHYSSIM_HD void bear(const MonteCarloJob& job, const Draws& draws, uint32_t first, Flier& flier) {
    Photon& photon = flier.photon;
    photon.history = I(static_cast<int32_t>(first)) + lane_index();
    const PhiloxWords<I> one = block_of(draws, photon.history, I(0)), two = block_of(draws, photon.history, I(1));
    const Birth birth = born(job.source, one, two);
    photon.x = birth.x, photon.y = birth.y, photon.z = birth.z, photon.ux = birth.ux, photon.uy = birth.uy, photon.uz = birth.uz;
    photon.energy = birth.energy, photon.order = I(PRIMARY), photon.block = I(2);
    flier.course.tau = exponential(two.a);
}

// Of the lanes `live`, just born, those that enter the world; the others are counted.
template <class Tally>
PHYSSIM_HD M set_out(const MonteCarloJob& job, Tally& tally, M live, Flier& flier) {
    tally.born(live, fixed_energy(flier.photon.energy));
    const F to_detector = distance_to_detector(job.detector, flier.photon);
    const M flies = live & enter(job.scene, to_detector, flier.photon, flier.course), passes = without(live, flies);
    if (any(passes)) finish(job, tally, flier.photon, to_detector, passes);
    return flies;
}

// Photons that random words ran out for are given up; none ever is.
template <class Tally>
PHYSSIM_HD M not_lost(Tally& tally, const Photon& photon, M live) {
    const M lost = live & (I(MOST_BLOCKS) < photon.block);
    if (any(lost)) tally.lost(lost);
    return without(live, lost);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
