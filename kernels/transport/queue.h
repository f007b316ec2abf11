// Photons that wait for the same step, field by field, so that a step finds as many as there are lanes.
#pragma once
#include "transport/interact.h"

namespace physsim {
namespace PHYSSIM_ISA {

// A photon flies; `candidate` has met one at its cell's majorant; a process waits for `collided`.
struct Candidate { Flier flier; F majorant; };
struct Collided { Flier flier; Collision collision; };

PHYSSIM_HD F as_word(F x) { return x; }
PHYSSIM_HD F as_word(I x) { return as_float(x); }
PHYSSIM_HD void from_word(F word, F& x) { x = word; }
PHYSSIM_HD void from_word(F word, I& x) { x = as_int(word); }

// Calls visit(number, field) for each field of a record; WORDS of them.
template <class Record> struct Fields;
template <> struct Fields<Flier> {
    static constexpr int WORDS = 15;
    template <class Any, class Visit>
    static PHYSSIM_HD void each(Any& flier, Visit visit) {
        visit(0, flier.photon.x), visit(1, flier.photon.y), visit(2, flier.photon.z);
        visit(3, flier.photon.ux), visit(4, flier.photon.uy), visit(5, flier.photon.uz), visit(6, flier.photon.energy);
        visit(7, flier.photon.order), visit(8, flier.photon.history), visit(9, flier.photon.block);
        visit(10, flier.course.cell[0]), visit(11, flier.course.cell[1]), visit(12, flier.course.cell[2]);
        visit(13, flier.course.flown), visit(14, flier.course.tau);
    }
};
template <> struct Fields<Candidate> {
    static constexpr int WORDS = Fields<Flier>::WORDS + 1;
    template <class Any, class Visit>
    static PHYSSIM_HD void each(Any& candidate, Visit visit) {
        Fields<Flier>::each(candidate.flier, visit);
        visit(15, candidate.majorant);
    }
};
template <> struct Fields<Collided> {
    static constexpr int WORDS = Fields<Flier>::WORDS + 4;
    template <class Any, class Visit>
    static PHYSSIM_HD void each(Any& collided, Visit visit) {
        Fields<Flier>::each(collided.flier, visit);
        visit(15, collided.collision.material), visit(16, collided.collision.region);
        visit(17, collided.collision.word), visit(18, collided.collision.other);
    }
};

// Five queues wait, four with fewer than LANES photons and one with fewer than 2 LANES, when LANES more are born; a push overwrites
// LANES places.
constexpr int QUEUE_ROOM = 8 * LANES;

template <class Record>
struct Queue {
    alignas(64) float word[Fields<Record>::WORDS][QUEUE_ROOM];
    int count;

    PHYSSIM_HD void clear() {
        for (int w = 0; w < Fields<Record>::WORDS; w++)
            for (int n = 0; n < QUEUE_ROOM; n++) word[w][n] = 0.0f;
        count = 0;
    }

    // The lanes of m join.
    PHYSSIM_HD void push(M m, const Record& record) {
        if (all(m)) Fields<Record>::each(record, [&](int w, const auto& field) { store(word[w] + count, as_word(field)); });
        else if (any(m)) Fields<Record>::each(record, [&](int w, const auto& field) { store_packed(word[w] + count, m, as_word(field)); });
        count += PHYSSIM_ISA::count(m);
    }

    // The last ones leave; true for as many lanes as there were photons, and the other lanes hold what harms nobody.
    PHYSSIM_HD M pop(Record& record) {
        const int taken = count < LANES ? count : LANES, from = count - taken;
        Fields<Record>::each(record, [&](int w, auto& field) { from_word(load(word[w] + from), field); });
        count = from;
        return first_lanes(taken);
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
