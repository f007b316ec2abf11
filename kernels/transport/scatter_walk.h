// Ways to collisions, and first collisions, one lane wide.
//
// From the source ways lead through the phantom's own voxels. In cells of means, as flights between collisions, a place must be weighted by
// the voxel's attenuation over the cell's; for order 1 of a thorax 8 mm cost twice the variance so, and 1 % of bias.
#pragma once
#include "core/exp2.h"
#include "physics/compton.h"
#include "transport/scatter_scene.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct Matter { int32_t material; float density; };  // g/cm3

PHYSSIM_HD Matter matter_of(const FineVoxels& fine, int64_t voxel) {
    Matter found;
    found.material = fine.label_bytes == 1 ? static_cast<const uint8_t*>(fine.labels)[voxel] : static_cast<const uint16_t*>(fine.labels)[voxel];
    found.density = fine.material_density[found.material];
    if (fine.density) found.density *= fine.density_bytes == 2 ? from_half(static_cast<const uint16_t*>(fine.density)[voxel]) : static_cast<const float*>(fine.density)[voxel];
    return found;
}

// Beyond the voxels: the nearest one's material at density 0.
PHYSSIM_HD Matter matter_at(const FineVoxels& fine, const float (&at)[3]) {
    int64_t index[3];
    bool beyond = false;
    for (int a = 0; a < 3; a++) {
        index[a] = at[a] > 0.0f ? static_cast<int32_t>(at[a] * fine.voxels_per_cm[a]) : 0;
        if (index[a] >= fine.shape[a]) index[a] = fine.shape[a] - 1, beyond = true;
    }
    Matter found = matter_of(fine, (index[2] * fine.shape[1] + index[1]) * fine.shape[0] + index[0]);
    if (beyond) found.density = 0.0f;
    return found;
}

// Planes of voxels that a ray crosses per cm, of the axis that it crosses most of. With one step for each, a way through the whole phantom reads
// each layer once at its middle; one step more would shift faces at right angles to the beam by up to half a voxel, the same way for all rays
// (0.7 % of single Compton scatter behind a lung in voxels of 4 mm).
PHYSSIM_HD float planes_per_cm(const float* per_cm, const float (&along)[3]) {
    float most = 0.0f;
    for (int a = 0; a < 3; a++) {
        const float own = (along[a] < 0.0f ? 0.0f - along[a] : along[a]) * per_cm[a];
        most = own > most ? own : most;
    }
    return most;
}

constexpr int32_t MOST_STEPS = 4096;  // of a way
constexpr int32_t FETCH_AHEAD = 24;   // steps between the fetching of a voxel and its reading

// A way from `at` along a unit vector: where it enters, and at the end of each step the distance, the optical depth passed and, in cells, what
// collisions up to there are worth, if there is a map; `left` exp(-passed), `cell` the step's.
struct Passage {
    float enter;
    int32_t steps;
    float end[MOST_STEPS], passed[MOST_STEPS], left[MOST_STEPS], worth[MOST_STEPS];
    int32_t cell[MOST_STEPS];
    float whole() const { return steps ? passed[steps - 1] : 0.0f; }
    float all_worth() const { return steps ? worth[steps - 1] : 0.0f; }
};

// Where a way enters a box of `size` and leaves it; enter < leave if it meets any of it.
struct Within { float enter, leave; };

PHYSSIM_HD Within within_box(const float* size, const float (&at)[3], const float (&along)[3]) {
    Within in = {0.0f, 1e30f};
    for (int a = 0; a < 3; a++) {
        if (along[a] < 1e-12f && along[a] > -1e-12f) {
            if (!(at[a] >= 0.0f && at[a] <= size[a])) in.leave = -1.0f;
            continue;
        }
        const float inverse = 1.0f / along[a], low = (0.0f - at[a]) * inverse, high = (size[a] - at[a]) * inverse;
        const float first = low < high ? low : high, last = low < high ? high : low;
        in.enter = first > in.enter ? first : in.enter, in.leave = last < in.leave ? last : in.leave;
    }
    return in;
}

PHYSSIM_HD int64_t voxel_at(const FineVoxels& fine, const float (&place)[3]) {
    int64_t index[3];
    for (int a = 0; a < 3; a++) {
        const int32_t whole = place[a] > 0.0f ? static_cast<int32_t>(place[a]) : 0;
        index[a] = whole < fine.shape[a] ? whole : fine.shape[a] - 1;
    }
    return (index[2] * fine.shape[1] + index[1]) * fine.shape[0] + index[0];
}

PHYSSIM_HD void fetch_voxel(const FineVoxels& fine, const float (&place)[3]) {
    const int64_t at = voxel_at(fine, place);
    prefetch(static_cast<const char*>(fine.labels) + at * fine.label_bytes);
    if (fine.density) prefetch(static_cast<const char*>(fine.density) + at * fine.density_bytes);
}

// Through the voxels by the midpoint rule in equal steps, as the rays of detection.
PHYSSIM_HD void pass_voxels(const FineVoxels& fine, const BasisFunctions& functions, const float (&at)[3], const float (&along)[3], Passage& way) {
    const Within in = within_box(fine.size_cm, at, along);
    way.steps = 0;
    if (!(in.enter < in.leave)) return;
    const int32_t steps = static_cast<int32_t>((in.leave - in.enter) * planes_per_cm(fine.voxels_per_cm, along) + 0.99f);
    way.steps = steps < 1 ? 1 : steps < MOST_STEPS ? steps : MOST_STEPS;
    way.enter = in.enter;
    const float length = (in.leave - in.enter) / static_cast<float>(way.steps);
    float place[3], move[3], ahead[3], sum = 0.0f;
    for (int a = 0; a < 3; a++) {
        move[a] = along[a] * length * fine.voxels_per_cm[a];
        ahead[a] = place[a] = (at[a] + (in.enter + 0.5f * length) * along[a]) * fine.voxels_per_cm[a];
    }
    for (int32_t n = 0; n < FETCH_AHEAD && n < way.steps; n++) {
        fetch_voxel(fine, ahead);
        for (int a = 0; a < 3; a++) ahead[a] += move[a];
    }
    for (int32_t n = 0; n < way.steps; n++) {
        const Matter matter = matter_of(fine, voxel_at(fine, place));
        const float* own = fine.coefficient + matter.material * MOST_BASIS;
        const float value = (own[0] * functions.f[0] + own[1] * functions.f[1] + own[2] * functions.f[2]) * matter.density;
        sum += value > 0.0f ? value * length : 0.0f;
        way.passed[n] = sum, way.end[n] = in.enter + static_cast<float>(n + 1) * length;
        fetch_voxel(fine, ahead);
        for (int a = 0; a < 3; a++) place[a] += move[a], ahead[a] += move[a];
    }
}

PHYSSIM_HD float worth_at(const ImportanceMap& map, const float (&place)[3]) {
    const int32_t row = map.shape[0] + 2, layer = row * (map.shape[1] + 2);
    return map.value[static_cast<int32_t>(place[2] + 1.0f) * layer + static_cast<int32_t>(place[1] + 1.0f) * row + static_cast<int32_t>(place[0] + 1.0f)];
}

// A map on the cells' own grid holds the cells' spread as a factor: one look for both.
PHYSSIM_HD bool covers_cells(const ImportanceMap& map, const BasisVoxels& cells) {
    return map.shape[0] == cells.shape[0] && map.shape[1] == cells.shape[1] && map.shape[2] == cells.shape[2];
}

// Through the cells from face to face: a step lies in one cell, and a collision drawn by that cell is in it. (With equal steps a place could lie in
// tissue while its step was air: one photon in thousands weighed as much as all.)
PHYSSIM_HD void pass_cells(const BasisVoxels& cells, const BasisFunctions& functions, const float (&at)[3], const float (&along)[3], const ImportanceMap& map, Passage& way) {
    const Within in = within_box(cells.size_cm, at, along);
    way.steps = 0;
    if (!(in.enter < in.leave)) return;
    way.enter = in.enter;
    const int32_t row = cells.shape[0] + 2, stride[3] = {1, row, row * (cells.shape[1] + 2)};
    int32_t cell = 0, turn[3];
    float next[3], apart[3], worth_place[3], worth_move[3];
    for (int a = 0; a < 3; a++) {
        const float place = (at[a] + in.enter * along[a]) * cells.voxels_per_cm[a];
        int32_t whole = place > 0.0f ? static_cast<int32_t>(place) : 0;
        whole = whole < cells.shape[a] ? whole : cells.shape[a] - 1;
        cell += (whole + 1) * stride[a];
        const bool level = along[a] < 1e-12f && along[a] > -1e-12f, up = along[a] > 0.0f;
        const float inverse = level ? 1e30f : 1.0f / along[a];
        turn[a] = up ? stride[a] : -stride[a];
        apart[a] = level ? 1e30f : (up ? inverse : 0.0f - inverse) * cells.voxel_cm[a];
        next[a] = level ? 1e30f : (static_cast<float>(up ? whole + 1 : whole) * cells.voxel_cm[a] - at[a]) * inverse;
        worth_place[a] = at[a] * map.cells_per_cm[a], worth_move[a] = along[a] * map.cells_per_cm[a];
    }
    int32_t steps = 0;
    for (bool more = true; more; steps++) {
        const bool x_first = next[0] < next[1];
        const float nearer = x_first ? next[0] : next[1];
        const bool z_first = next[2] < nearer;
        const float end = z_first ? next[2] : nearer;
        more = end < in.leave && steps + 1 < MOST_STEPS;
        way.cell[steps] = cell, way.end[steps] = more ? end : in.leave;
        cell += z_first ? turn[2] : x_first ? turn[0] : turn[1];
        next[0] += x_first && !z_first ? apart[0] : 0.0f;
        next[1] += x_first || z_first ? 0.0f : apart[1];
        next[2] += z_first ? apart[2] : 0.0f;
    }
    way.steps = steps;
    const bool of_cells = covers_cells(map, cells);
    float begin = in.enter;
    for (int32_t n = 0; n < steps; n++) {
        const int32_t word = cells.word[way.cell[n]];
        const float value = first_density(word) * functions.f[0] + second_density(word) * functions.f[1] + third_density(word) * functions.f[2];
        const float end = way.end[n], middle = 0.5f * (begin + end), length = end > begin ? end - begin : 0.0f;
        way.passed[n] = value > 0.0f ? value * length : 0.0f;
        begin = end;
        if (!map.value) continue;
        if (of_cells) {
            way.worth[n] = map.value[way.cell[n]];
            continue;
        }
        const float there[3] = {worth_place[0] + middle * worth_move[0], worth_place[1] + middle * worth_move[1], worth_place[2] + middle * worth_move[2]};
        way.worth[n] = cells.spread[way.cell[n]] * worth_at(map, there);
    }
    float sum = 0.0f;
    for (int32_t n = 0; n < steps; n++) way.passed[n] = sum += way.passed[n];
    if (!map.value) return;
    for (int32_t n = 0; n < steps; n++) way.left[n] = exp2_of_minus(way.passed[n] * 1.44269504f);
    float worth = 0.0f, before = 1.0f;
    for (int32_t n = 0; n < steps; n++) {
        worth += (before - way.left[n]) * way.worth[n];
        way.worth[n] = worth, before = way.left[n];
    }
}

// Where a depth below the whole is passed and the middle of its step, cm from the start, and the attenuation there (1/cm).
struct Stop { float distance, middle, attenuation; };

PHYSSIM_HD Stop stop_at(const Passage& way, float depth) {
    int32_t low = 0, high = way.steps - 1;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (depth < way.passed[middle]) high = middle;
        else low = middle + 1;
    }
    const float before = low ? way.passed[low - 1] : 0.0f, own = way.passed[low] - before;
    const float share = own > 0.0f ? (depth - before) / own : 0.5f;
    const float begin = low ? way.end[low - 1] : way.enter, length = way.end[low] - begin;
    return {begin + (share < 1.0f ? share : 1.0f) * length, begin + 0.5f * length, own / length};
}

// A place drawn by its worth, uniform within a step: cm from the start, and exp(-depth) over the density per cm.
struct Choice { float distance, weight; };

PHYSSIM_HD Choice choose_by_worth(const Passage& way, float u) {
    const float wanted = u * way.worth[way.steps - 1];
    int32_t low = 0, high = way.steps - 1;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (wanted < way.worth[middle]) high = middle;
        else low = middle + 1;
    }
    const float before = low ? way.worth[low - 1] : 0.0f, own = way.worth[low] - before;
    const float share = own > 0.0f ? (wanted - before) / own : 0.5f, inside = share < 1.0f ? share : 1.0f;
    const float passed = low ? way.passed[low - 1] : 0.0f, depth = passed + inside * (way.passed[low] - passed);
    const float begin = low ? way.end[low - 1] : way.enter, length = way.end[low] - begin;
    return {begin + inside * length, own > 0.0f ? exp2_of_minus(depth * 1.44269504f) * length * way.worth[way.steps - 1] / own : 0.0f};
}

// A photon of a history; `order`: scatterings so far.
struct Walker {
    float at[3], along[3];
    float energy, weight;
    int32_t order;
};

// Point `number` of a scramble as a photon at the source; its weight is in photons.
PHYSSIM_HD Walker photon_at_source(const ScatterScene& scene, const SobolPoints& points, uint32_t number) {
    Walker photon = {};
    const Start start = start_of(scene.source, points, number);
    for (int a = 0; a < 3; a++) photon.along[a] = static_cast<float>(start.along[a]), photon.at[a] = static_cast<float>(start.at[a]);
    photon.energy = start.energy_kev, photon.weight = static_cast<float>(start.weight);
    return photon;
}

// Goes on to a place where the density per cm is 1 / `thinner`, and collides with what is `seen` cm ahead; false: nothing is there.
PHYSSIM_HD bool collide_at(const ScatterScene& scene, Walker& photon, float distance, float seen, float thinner, Matter& matter) {
    float place[3];
    for (int a = 0; a < 3; a++) place[a] = photon.at[a] + seen * photon.along[a], photon.at[a] += distance * photon.along[a];
    matter = matter_at(scene.fine, place);
    photon.weight *= thinner * matter.density * lookup(scene.tables, matter.material, photon.energy).mass_attenuation_cm2_g;
    return photon.weight > 0.0f;
}

// A photon's first collision, its depth spread towards the far side; weight 0 where nothing is met. The weight is in photons.
PHYSSIM_HD Walker first_collision(const ScatterScene& scene, const SobolPoints& points, uint32_t number, float bias, Matter& matter) {
    Walker photon = photon_at_source(scene, points, number);
    const BasisFunctions functions = basis_functions(scene.cells, scene.tables, photon.energy);
    Passage way;
    pass_voxels(scene.fine, functions, photon.at, photon.along, way);
    const float whole = way.whole();
    if (!(whole > 0.0f)) return {};
    const float u = static_cast<float>(sobol(points, 2, number)), depth = u * whole / (1.0f + bias * whole * (1.0f - u));
    const Stop here = stop_at(way, depth);
    const float stretch = 1.0f + bias * depth, density = (1.0f + bias * whole) / (whole * stretch * stretch);
    collide_at(scene, photon, here.distance, here.middle, here.attenuation > 0.0f ? exp2_of_minus(depth * 1.44269504f) / (density * here.attenuation) : 0.0f, matter);
    return photon;
}

// Along the rays through the middles of cells x cells parts of the field: optical depths of an energy; with a map, what first collisions
// are worth.
PHYSSIM_HD void field_rays(const ScatterScene& scene, float energy_kev, int32_t cells, int32_t row, float* out) {
    const ScatterSource& source = scene.source;
    const BasisFunctions functions = basis_functions(scene.cells, scene.tables, energy_kev);
    const double y = source.low[1] + (row + 0.5) / cells * (source.high[1] - source.low[1]);
    Passage way;
    for (int32_t n = 0; n < cells; n++) {
        const double x = source.low[0] + (n + 0.5) / cells * (source.high[0] - source.low[0]), length = sqrt(1.0 + x * x + y * y);
        float position[3], along[3];
        for (int a = 0; a < 3; a++) {
            position[a] = static_cast<float>(source.position[a]);
            along[a] = static_cast<float>((x * source.across[a] + y * source.along[a] + source.forward[a]) / length);
        }
        pass_cells(scene.cells, functions, position, along, scene.importance, way);
        out[n] = scene.importance.value ? way.all_worth() : way.whole();
    }
}

// 0 to 1 by the bits of a place, as good as random (the last mixing of MurmurHash3).
PHYSSIM_HD float lot_of(const float (&at)[3]) {
    uint32_t mixed = 0;
    for (int a = 0; a < 3; a++) {
        uint32_t bits;
        __builtin_memcpy(&bits, &at[a], sizeof bits);
        mixed = (mixed ^ bits) * 0x9e3779b1u;
        mixed ^= mixed >> 15;
    }
    mixed = (mixed ^ (mixed >> 16)) * 0x85ebca6bu;
    mixed = (mixed ^ (mixed >> 13)) * 0xc2b2ae35u;
    return static_cast<float>((mixed ^ (mixed >> 16)) >> 8) * 0x1p-24f;
}

// What the collision sends on: its angular laws at its energy.
PHYSSIM_HD ScatterEvent event_of(const ScatterScene& scene, const Walker& photon, const Matter& matter, float jitter_u, float jitter_v) {
    ScatterEvent event;
    const float energy = table_energy(photon.energy);
    for (int a = 0; a < 3; a++) event.at[a] = photon.at[a], event.along[a] = photon.along[a];
    event.energy_kev = photon.energy, event.material = matter.material;
    event.weight = photon.weight / lookup(scene.tables, matter.material, energy).mass_attenuation_cm2_g;
    event.rayleigh_norm = normalisation(scene.tables, matter.material, energy, 0);
    event.compton_norm = normalisation(scene.tables, matter.material, energy, 1);
    // A parabola through half = 0, 1/4 and 1: energy^-3 is a cubic in half, so that little is left over (photoelectric part: 1e-3 at 60 keV).
    const BasisFunctions near = basis_functions(scene.cells, scene.tables, energy);
    const BasisFunctions middle = basis_functions(scene.cells, scene.tables, energy * compton_share(energy, 0.25f));
    const BasisFunctions far = basis_functions(scene.cells, scene.tables, energy * compton_share(energy, 1.0f));
    for (int k = 0; k < MOST_BASIS; k++) {
        const float whole = far.f[k] - near.f[k], curve = (whole - 4.0f * (middle.f[k] - near.f[k])) * (4.0f / 3.0f);
        event.functions[0][k] = near.f[k], event.functions[1][k] = whole - curve, event.functions[2][k] = curve;
    }
    event.jitter[0] = jitter_u, event.jitter[1] = jitter_v;
    event.lot = lot_of(event.at);
    event.through_strips = scene.targets.grid.attenuation ? through_strips(scene.targets.grid, photon.energy) : 1.0f;
    return event;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
