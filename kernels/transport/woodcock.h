// A photon's way to its next collision: delta tracking, with a majorant for each coarse cell and energy.
//
// Law: a free path is exponential in optical depth. The depth is spent cell by cell at the cell's majorant; a candidate is a real
// collision with probability mu / majorant, else the photon flies on (Woodcock 1965), which is exact for any majorant >= mu.
// Cells are counted in integers: each step ends the flight, meets a candidate or moves to a neighbouring cell, so that no rounding
// can hold a photon at a face. Faces are met at distances from where the flight began, which no step changes.
#pragma once
#include "core/logarithm.h"
#include "physics/lookup.h"
#include "transport/detector.h"
#include "transport/photon.h"
#include "core/random_words.h"
#include "transport/scene.h"

namespace physsim {

constexpr int32_t MAJORANT_SHIFT = 4;   // cells of the photon tables in an energy bin of the majorants: 2^4, a sixteenth of an octave

namespace PHYSSIM_ISA {

// Where a flight is: its cell, the distance from the photon's place, and the optical depth to the next candidate.
struct Course {
    I cell[3];
    F flown;
    F tau;
};

// What follows from a photon's place, direction, energy and cell: how far ahead the faces of the cell and the detector lie.
struct Way {
    F inverse[3], face[3];
    F to_detector;
    I bin;  // of the majorants
};

PHYSSIM_HD I majorant_bin(F energy_kev) { return energy_bits(table_energy(energy_kev)) >> (ENERGY_CELL_SHIFT + MAJORANT_SHIFT); }

PHYSSIM_HD const F& place_along(const Photon& photon, int axis) { return axis == 0 ? photon.x : axis == 1 ? photon.y : photon.z; }
PHYSSIM_HD const F& direction_along(const Photon& photon, int axis) { return axis == 0 ? photon.ux : axis == 1 ? photon.uy : photon.uz; }

// Moves photons from outside onto the world's box, unless they meet the detector before it. False where they pass by.
PHYSSIM_HD M enter(const MonteCarloScene& scene, F to_detector, Photon& photon, Course& course) {
    const F zero(0.0f), far(FAR_AWAY);
    F first = zero, last = far;
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) {
        const F u = direction_along(photon, a), low = F(scene.world_low[a]) - place_along(photon, a), high = F(scene.world_high[a]) - place_along(photon, a);
        const M level = u == zero, within = (low <= zero) & (zero <= high);
        const F inverse = F(1.0f) / u, p = low * inverse, q = high * inverse;
        first = maximum(first, select(level, zero, minimum(p, q)));
        last = minimum(last, select(level, select(within, far, zero - far), maximum(p, q)));
    }
    const M enters = (first < last) & (first < to_detector), moves = enters & (zero < first);
    F* const r[3] = {&photon.x, &photon.y, &photon.z};
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) {
        const F onto = maximum(F(scene.world_low[a]), minimum(F(scene.world_high[a]), *r[a] + first * direction_along(photon, a)));
        *r[a] = select(moves, onto, *r[a]);
        course.cell[a] = cell_at(scene, a, *r[a]);
    }
    course.flown = zero;
    return enters;
}

PHYSSIM_HD Way way_of(const MonteCarloScene& scene, const MonteCarloDetector& detector, const Photon& photon, const Course& course) {
    Way way;
    const F zero(0.0f), smallest(1e-18f);
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) {
        const F u = direction_along(photon, a);
        way.inverse[a] = F(1.0f) / u;
        const F ahead = (cell_face(scene, a, course.cell[a], zero < u) - place_along(photon, a)) * way.inverse[a];
        way.face[a] = select(maximum(u, zero - u) < smallest, F(FAR_AWAY), ahead);
    }
    way.to_detector = distance_to_detector(detector, photon);
    way.bin = majorant_bin(photon.energy);
    return way;
}

// A step of the lanes `live`: those that met a candidate, those that left the world or met the detector; the rest are in a new cell.
struct Step { M candidate, end; F majorant; };

PHYSSIM_HD Step advance(const MonteCarloScene& scene, const Photon& photon, Course& course, Way& way, M live) {
    const F zero(0.0f);
    const I row = gather(scene.cell_class, cell_number(scene, course.cell));
    const F majorant = gather(scene.majorant, row * I(scene.energy_bins) + way.bin);
    const F leave = maximum(course.flown, minimum(way.face[0], minimum(way.face[1], way.face[2])));
    const F depth = majorant * (leave - course.flown);
    const M meets = live & (course.tau < depth);
    F reach = leave;
    if (any(meets)) reach = select(meets, course.flown + course.tau / majorant, leave);
    const M detected = live & (way.to_detector <= reach), crosses = without(live, meets | detected);
    course.flown = select(live, reach, course.flown);
    M end = detected;
    if (any(crosses)) {
        course.tau = select(crosses, maximum(zero, course.tau - depth), course.tau);
        const M along_x = crosses & (way.face[0] <= leave), along_y = without(crosses & (way.face[1] <= leave), along_x);
        const M moves[3] = {along_x, along_y, without(crosses, along_x | along_y)};
        PHYSSIM_UNROLL
        for (int a = 0; a < 3; a++) {
            const M up = zero < direction_along(photon, a);
            const I next = course.cell[a] + select(up, I(1), I(-1));
            const M out = moves[a] & ((next < I(first_cell(scene, a))) | (I(last_cell(scene, a)) < next)), into = without(moves[a], out);
            end = end | out;
            course.cell[a] = select(into, next, course.cell[a]);
            way.face[a] = select(into, (cell_face(scene, a, next, up) - place_along(photon, a)) * way.inverse[a], way.face[a]);
        }
    }
    return {without(meets, detected), end, majorant};
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
