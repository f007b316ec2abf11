// Many histories at once: every step works on as many photons as there are lanes, taken from the queue of those that wait for it.
//
// A photon's words are a function of its number and its own steps alone, and sums are of whole numbers: whatever the lanes, the
// same bits as one history after the other.
#pragma once
#include "transport/ends.h"
#include "transport/queue.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int FEWEST_FLYING = LANES / 2 + 1;  // fewer lanes wait for others to join them

struct Crowd {
    const MonteCarloJob& job;
    LaneTally tally;
    const Draws draws;
    Queue<Flier> flying;
    Queue<Candidate> candidates;
    Queue<Collided> compton, rayleigh, fluorescence;

    PHYSSIM_HD void fly() {
        Candidate at;
        Flier& flier = at.flier;
        M live = flying.pop(flier), candidate = first_lanes(0), ended = candidate;
        Way way = way_of(job.scene, job.detector, flier.photon, flier.course);
        at.majorant = F(0.0f);
        do {
            const Step step = advance(job.scene, flier.photon, flier.course, way, live);
            at.majorant = select(step.candidate, step.majorant, at.majorant);
            candidate = candidate | step.candidate, ended = ended | step.end;
            live = without(live, step.candidate | step.end);
        } while (PHYSSIM_ISA::count(live) >= FEWEST_FLYING);
        candidates.push(candidate, at);
        if (any(live)) flying.push(live, flier);
        if (any(ended)) finish(job, tally, flier.photon, way.to_detector, ended);
    }

    PHYSSIM_HD void decide() {
        Candidate at;
        const M live = candidates.pop(at);
        const Met met = meet(job, tally, draws, at.flier, at.majorant, live);
        const Collided collided = {at.flier, met.label, met.word, met.other};
        compton.push(met.compton, collided);
        if (any(met.flies_on)) flying.push(not_lost(tally, at.flier.photon, met.flies_on), at.flier);
        if (any(met.rayleigh)) rayleigh.push(met.rayleigh, collided);
        if (any(met.fluorescence)) fluorescence.push(met.fluorescence, collided);
    }

    PHYSSIM_HD void scatter_by_compton() {
        Collided at;
        const M live = compton.pop(at);
        flying.push(scatter_compton(job, tally, draws, at.flier, at.label, at.word, at.other, live), at.flier);
    }

    PHYSSIM_HD void scatter_by_rayleigh() {
        Collided at;
        const M live = rayleigh.pop(at);
        flying.push(scatter_rayleigh(job, draws, at.flier, at.label, at.word, at.other, live), at.flier);
    }

    PHYSSIM_HD void emit_lines() {
        Collided at;
        const M live = fluorescence.pop(at);
        flying.push(fluoresce(job, tally, draws, at.flier, at.label, at.word, at.other, live), at.flier);
    }

    // Whether a step was done by one that at least `fewest` photons wait for.
    PHYSSIM_HD bool step(int fewest) {
        if (compton.count >= fewest) scatter_by_compton();
        else if (rayleigh.count >= fewest) scatter_by_rayleigh();
        else if (fluorescence.count >= fewest) emit_lines();
        else if (candidates.count >= fewest) decide();
        else if (flying.count >= fewest) fly();
        else return false;
        return true;
    }
};

// Histories first ..< first + count, which share the upper half of their numbers.
static void transport_crowd(const MonteCarloJob& job, const MonteCarloTally& tally, uint64_t first, int64_t count) {
    Crowd crowd = {job, LaneTally(tally), {job.stream, static_cast<Word>(first >> 32)}, {}, {}, {}, {}, {}};
    crowd.flying.clear(), crowd.candidates.clear(), crowd.compton.clear(), crowd.rayleigh.clear(), crowd.fluorescence.clear();
    int64_t born = 0;
    while (true) {
        if (crowd.step(LANES)) continue;
        if (born < count) {
            const int64_t left = count - born;
            Flier flier;
            bear(job, crowd.draws, static_cast<uint32_t>(first + static_cast<uint64_t>(born)), flier);
            crowd.flying.push(set_out(job, crowd.tally, first_lanes(left < LANES ? static_cast<int>(left) : LANES), flier), flier);
            born += LANES;
        } else if (!crowd.step(1)) {
            return;
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
