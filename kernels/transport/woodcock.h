// A photon's way to its next collision: delta tracking, with a majorant for each coarse cell and energy.
//
// Law: a free path is exponential in optical depth. The depth is spent cell by cell at the cell's majorant; a candidate is a real
// collision with probability mu / majorant, else the photon flies on (Woodcock 1965), which is exact for any majorant >= mu.
// Cells are counted in integers: each step ends the flight, meets a candidate or moves to a neighbouring cell, so that no rounding
// can hold a photon at a face.
#pragma once
#include "core/logarithm.h"
#include "physics/lookup.h"
#include "transport/detector.h"
#include "transport/photon.h"
#include "transport/random.h"
#include "transport/scene.h"

namespace physsim {

constexpr int32_t MAJORANT_SHIFT = 4;   // cells of the photon tables in an energy bin of the majorants: 2^4, a sixteenth of an octave
constexpr int32_t MOST_STEPS = 1 << 20;  // of a flight; far beyond what a cell grid and its majorants need

namespace PHYSSIM_ISA {

enum class Flight { COLLISION, DETECTED, ESCAPED, LOST, GOES_ON };

// What a flight ends with. Of a collision: the medium, the voxel (-1 in the ambient medium), and the interaction there with a
// uniform number that chooses among its processes. `tau`: the optical depth that the next flight begins with.
struct Course {
    int cell[3];
    float to_detector;
    float tau;
    int label;
    int64_t voxel;
    Interaction interaction;
    float choice;
    PhiloxWords<Word> words;
    bool above_majorant;
};

PHYSSIM_HD int majorant_bin(float energy_kev) {
    return energy_bits(table_energy(energy_kev)) >> (ENERGY_CELL_SHIFT + MAJORANT_SHIFT);
}

// Moves a photon from outside onto the world's box. False when it passes by.
PHYSSIM_HD bool enter(const MonteCarloScene& scene, Photon& photon, Course& course) {
    float* const r[3] = {&photon.x, &photon.y, &photon.z};
    const float u[3] = {photon.ux, photon.uy, photon.uz};
    float first = 0.0f, last = FAR_AWAY;
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) {
        const float low = scene.world_low[a] - *r[a], high = scene.world_high[a] - *r[a];
        if (u[a] == 0.0f) {
            if (low > 0.0f || high < 0.0f) return false;
            continue;
        }
        const float inverse = 1.0f / u[a], p = low * inverse, q = high * inverse;
        first = maximum(first, minimum(p, q)), last = minimum(last, maximum(p, q));
    }
    if (!(first < last)) return false;
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) {
        if (first > 0.0f) *r[a] = maximum(scene.world_low[a], minimum(scene.world_high[a], *r[a] + first * u[a]));
        course.cell[a] = cell_at(scene, a, *r[a]);
    }
    course.to_detector -= first;
    return true;
}

// What a flight keeps from step to step: its direction, and the majorants' energy bin.
struct Way {
    float u[3], inverse[3];
    int bin;
};

PHYSSIM_HD Way way_of(const Photon& photon) {
    Way way = {{photon.ux, photon.uy, photon.uz}, {}, majorant_bin(photon.energy)};
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) way.inverse[a] = way.u[a] == 0.0f ? FAR_AWAY : 1.0f / way.u[a];
    return way;
}

// One step of a flight: to a candidate, or out of the cell; r moves.
PHYSSIM_HD Flight step(const MonteCarloScene& scene, const PhotonTables& tables, const Stream& stream, uint64_t history, const Way& way, Photon& photon,
                       float (&r)[3], Course& course) {
    const int64_t cell = cell_number(scene, course.cell);
    const int row = load_read_only(scene.cell_class + cell);
    const float majorant = load_read_only(scene.majorant + static_cast<int64_t>(row) * scene.energy_bins + way.bin);
    float face[3], gap[3];
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) {
        face[a] = cell_face(scene, a, course.cell[a], way.u[a] > 0.0f);
        gap[a] = way.u[a] == 0.0f ? FAR_AWAY : maximum(0.0f, (face[a] - r[a]) * way.inverse[a]);
    }
    const float leave = minimum(gap[0], minimum(gap[1], gap[2]));
    const float reach = course.tau < majorant * leave ? course.tau / majorant : leave;
    if (course.to_detector <= reach) return Flight::DETECTED;
    course.to_detector -= reach;
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) r[a] += reach * way.u[a];
    if (reach < leave) {
        course.words = block_of(stream, history, photon.block++);
        float density = 1.0f;
        course.label = load_read_only(scene.cell_label + cell), course.voxel = -1;
        if (course.label != scene.ambient) {
            course.voxel = voxel_number(scene, voxel_at(scene, 0, course.cell[0], r[0]), voxel_at(scene, 1, course.cell[1], r[1]),
                                        voxel_at(scene, 2, course.cell[2], r[2]));
            if (course.label < 0) {
                course.label = label_of(scene, course.voxel);
                density = relative_density(scene, course.voxel);
            }
        }
        const Medium& medium = scene.media[course.label];
        course.interaction = lookup(tables, medium.material, photon.energy);
        const float attenuation = density * medium.density * course.interaction.mass_attenuation_cm2_g;
        course.above_majorant |= attenuation > majorant;
        const float threshold = uniform(course.words.a) * majorant;
        course.tau = exponential(course.words.b);
        if (!(threshold < attenuation)) return Flight::GOES_ON;
        course.choice = threshold / attenuation;
        return Flight::COLLISION;
    }
    course.tau = maximum(0.0f, course.tau - majorant * leave);
    const int axis = gap[0] <= leave ? 0 : gap[1] <= leave ? 1 : 2;
    int outside = 0;
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) {
        if (a != axis) continue;
        r[a] = face[a];
        course.cell[a] += way.u[a] > 0.0f ? 1 : -1;
        outside = course.cell[a] < 0 || course.cell[a] > scene.cells[a] + 1;
    }
    if (!outside) return Flight::GOES_ON;
    return course.to_detector < 0.5f * FAR_AWAY ? Flight::DETECTED : Flight::ESCAPED;
}

PHYSSIM_HD Flight fly(const MonteCarloScene& scene, const PhotonTables& tables, const Stream& stream, uint64_t history, Photon& photon, Course& course) {
    const Way way = way_of(photon);
    float r[3] = {photon.x, photon.y, photon.z};
    Flight end = Flight::LOST;
    for (int count = 0; count < MOST_STEPS; count++) {
        const Flight now = step(scene, tables, stream, history, way, photon, r, course);
        if (now == Flight::GOES_ON) continue;
        end = now;
        break;
    }
    photon.x = r[0], photon.y = r[1], photon.z = r[2];
    return end;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
