// One photon, from its birth to its end. One lane wide.
#pragma once
#include "transport/ends.h"
#include "transport/track.h"

namespace physsim {
namespace PHYSSIM_ISA {

static_assert(LANES == 1, "crowd.h transports many photons at once");

template <class Tally, class Watch>
PHYSSIM_HD void history(const MonteCarloJob& job, Tally& tally, uint64_t number, Watch& watch) {
    const Draws draws = {job.stream, static_cast<Word>(number >> 32)};
    Flier flier;
    const Photon& photon = flier.photon;
    bear(job, draws, static_cast<uint32_t>(number), flier);
    watch.born(photon);
    bool lives = set_out(job, tally, true, flier);
    if (!lives) watch.ended(job, flier);
    else watch.entered(photon);
    while (lives) {
        Way way = way_of(job.scene, job.detector, photon, flier.course);
        Step step = advance(job.scene, photon, flier.course, way, true);
        while (!step.candidate && !step.end) step = advance(job.scene, photon, flier.course, way, true);
        if (step.end) {
            finish(job, tally, photon, way.to_detector, true);
            watch.ended(job, flier);
            return;
        }
        const I before = fixed_energy(photon.energy);
        const Met met = meet(job, tally, draws, flier, step.majorant, true);
        if (met.fluorescence) lives = fluoresce(job, tally, draws, flier, met.collision, true);
        else if (met.rayleigh) lives = scatter_rayleigh(job, draws, flier, met.collision, true);
        else if (met.compton) lives = scatter_compton(job, tally, draws, flier, met.collision, true);
        else lives = met.flies_on;
        if (!met.flies_on) watch.collided(job, flier, met, before, lives);
        const bool given_up = lives && !not_lost(tally, photon, true);
        if (given_up) watch.lost(flier);
        lives = lives && !given_up;
    }
}

template <class Tally>
PHYSSIM_HD void history(const MonteCarloJob& job, Tally& tally, uint64_t number) {
    Unwatched nobody;
    history(job, tally, number, nobody);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
