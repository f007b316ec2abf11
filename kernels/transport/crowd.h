// Many histories at once: every step works on as many photons as there are lanes, taken from the queue of those that wait for it.
//
// A photon's words are a function of its number and its own steps alone, and sums are of whole numbers: whatever the lanes, the
// same bits as one history after the other.
#pragma once
#include "transport/ends.h"
#include "transport/queue.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int GROUPS_FLYING = 2;  // whose steps overlap: one waits for the tables of its cells
constexpr int FEWEST_FLYING = GROUPS_FLYING * LANES / 2 + 1;  // fewer wait for others to join them

struct Crowd {
    const MonteCarloJob& job;
    LaneTally tally;
    const Draws draws;
    Queue<Flier> flying;
    Queue<Candidate> candidates;
    Queue<Collided> compton, rayleigh, fluorescence;

    PHYSSIM_HD void fly() {
        Candidate at[GROUPS_FLYING];
        Way way[GROUPS_FLYING];
        M live[GROUPS_FLYING], candidate[GROUPS_FLYING], ended[GROUPS_FLYING];
        PHYSSIM_UNROLL
        for (int g = 0; g < GROUPS_FLYING; g++) {
            live[g] = flying.pop(at[g].flier), candidate[g] = ended[g] = first_lanes(0);
            way[g] = way_of(job.scene, job.detector, at[g].flier.photon, at[g].flier.course);
            at[g].majorant = F(0.0f);
        }
        int flown;
        do {
            flown = 0;
            PHYSSIM_UNROLL
            for (int g = 0; g < GROUPS_FLYING; g++) {
                const Step step = advance(job.scene, at[g].flier.photon, at[g].flier.course, way[g], live[g]);
                at[g].majorant = select(step.candidate, step.majorant, at[g].majorant);
                candidate[g] = candidate[g] | step.candidate, ended[g] = ended[g] | step.end;
                live[g] = without(live[g], step.candidate | step.end);
                flown += PHYSSIM_ISA::count(live[g]);
            }
        } while (flown >= FEWEST_FLYING);
        PHYSSIM_UNROLL
        for (int g = 0; g < GROUPS_FLYING; g++) {
            candidates.push(candidate[g], at[g]);
            if (any(live[g])) flying.push(live[g], at[g].flier);
            if (any(ended[g])) finish(job, tally, at[g].flier.photon, way[g].to_detector, ended[g]);
        }
    }

    PHYSSIM_HD void decide() {
        Candidate at;
        const M live = candidates.pop(at);
        const Met met = meet(job, tally, draws, at.flier, at.majorant, live);
        const Collided collided = {at.flier, met.collision};
        compton.push(met.compton, collided);
        if (any(met.flies_on)) flying.push(not_lost(tally, at.flier.photon, met.flies_on), at.flier);
        if (any(met.rayleigh)) rayleigh.push(met.rayleigh, collided);
        if (any(met.fluorescence)) fluorescence.push(met.fluorescence, collided);
    }

    PHYSSIM_HD void scatter_by_compton() {
        Collided at;
        const M live = compton.pop(at);
        flying.push(scatter_compton(job, tally, draws, at.flier, at.collision, live), at.flier);
    }

    PHYSSIM_HD void scatter_by_rayleigh() {
        Collided at;
        const M live = rayleigh.pop(at);
        flying.push(scatter_rayleigh(job, draws, at.flier, at.collision, live), at.flier);
    }

    PHYSSIM_HD void emit_lines() {
        Collided at;
        const M live = fluorescence.pop(at);
        flying.push(fluoresce(job, tally, draws, at.flier, at.collision, live), at.flier);
    }

    // Whether a step was done by one that at least `fewest` photons wait for.
    PHYSSIM_HD bool step(int fewest) {
        if (compton.count >= fewest) scatter_by_compton();
        else if (rayleigh.count >= fewest) scatter_by_rayleigh();
        else if (fluorescence.count >= fewest) emit_lines();
        else if (candidates.count >= fewest) decide();
        else if (flying.count >= GROUPS_FLYING * fewest) fly();
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
            if (!crowd.flying.count) return;
            crowd.fly();
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
