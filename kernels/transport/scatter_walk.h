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

// Attenuation (1/cm) at steps of a way, by the coordinates in voxels or cells, and how uneven it is within: collisions are drawn denser by `spread`.
struct CellMedium {
    const BasisVoxels& cells;
    const BasisFunctions& functions;
    const float* size_cm() const { return cells.size_cm; }
    const float* per_cm() const { return cells.voxels_per_cm; }
    float steps_per_cm() const { return cells.steps_per_cm; }
    void fetch(const float (&)[3]) const {}
    float attenuation(const float (&place)[3], float& spread) const {
        const int32_t row = cells.shape[0] + 2, layer = row * (cells.shape[1] + 2);  // a step that rounding carries outside meets the border
        const int32_t cell = static_cast<int32_t>(place[2] + 1.0f) * layer + static_cast<int32_t>(place[1] + 1.0f) * row + static_cast<int32_t>(place[0] + 1.0f);
        const int32_t word = cells.word[cell];
        spread = cells.spread[cell];
        const float value = first_density(word) * functions.f[0] + second_density(word) * functions.f[1] + third_density(word) * functions.f[2];
        return value > 0.0f ? value : 0.0f;
    }
};

struct FineMedium {
    const FineVoxels& fine;
    const BasisFunctions& functions;
    const float* size_cm() const { return fine.size_cm; }
    const float* per_cm() const { return fine.voxels_per_cm; }
    float steps_per_cm() const { return fine.steps_per_cm; }
    int64_t voxel(const float (&place)[3]) const {
        int64_t index[3];
        for (int a = 0; a < 3; a++) {
            const int32_t whole = place[a] > 0.0f ? static_cast<int32_t>(place[a]) : 0;
            index[a] = whole < fine.shape[a] ? whole : fine.shape[a] - 1;
        }
        return (index[2] * fine.shape[1] + index[1]) * fine.shape[0] + index[0];
    }
    void fetch(const float (&place)[3]) const {
        const int64_t at = voxel(place);
        prefetch(static_cast<const char*>(fine.labels) + at * fine.label_bytes);
        if (fine.density) prefetch(static_cast<const char*>(fine.density) + at * fine.density_bytes);
    }
    float attenuation(const float (&place)[3], float& spread) const {
        spread = 1.0f;
        const Matter matter = matter_of(fine, voxel(place));
        const float* own = fine.coefficient + matter.material * MOST_BASIS;
        const float value = own[0] * functions.f[0] + own[1] * functions.f[1] + own[2] * functions.f[2];
        return value > 0.0f ? value * matter.density : 0.0f;
    }
};

constexpr int32_t MOST_STEPS = 2048;  // of a way
constexpr int32_t FETCH_AHEAD = 24;   // steps between the fetching of a voxel and its reading

// A way from `at` along a unit vector, by the midpoint rule in equal steps as the rays of detection: where it enters, the optical depth
// passed at the end of each step and, with a map, what collisions up to there are worth.
struct Passage {
    float enter, length;
    int32_t steps;
    float passed[MOST_STEPS], worth[MOST_STEPS];
    float whole() const { return steps ? passed[steps - 1] : 0.0f; }
    float all_worth() const { return steps ? worth[steps - 1] : 0.0f; }
};

PHYSSIM_HD float worth_at(const ImportanceMap& map, const float (&place)[3]) {
    const int32_t row = map.shape[0] + 2, layer = row * (map.shape[1] + 2);
    return map.value[static_cast<int32_t>(place[2] + 1.0f) * layer + static_cast<int32_t>(place[1] + 1.0f) * row + static_cast<int32_t>(place[0] + 1.0f)];
}

template <typename Medium>
PHYSSIM_HD void pass(const Medium& medium, const float (&at)[3], const float (&along)[3], float reach, const ImportanceMap* map, Passage& way) {
    const float *size = medium.size_cm(), *per_cm = medium.per_cm();
    float enter = 0.0f, leave = reach;
    for (int a = 0; a < 3; a++) {
        if (along[a] < 1e-12f && along[a] > -1e-12f) {
            if (!(at[a] >= 0.0f && at[a] <= size[a])) leave = -1.0f;
            continue;
        }
        const float inverse = 1.0f / along[a], low = (0.0f - at[a]) * inverse, high = (size[a] - at[a]) * inverse;
        const float first = low < high ? low : high, last = low < high ? high : low;
        enter = first > enter ? first : enter, leave = last < leave ? last : leave;
    }
    way.steps = 0;
    if (!(enter < leave)) return;
    const int32_t steps = static_cast<int32_t>((leave - enter) * planes_per_cm(per_cm, along) + 0.99f);
    way.steps = steps < 1 ? 1 : steps < MOST_STEPS ? steps : MOST_STEPS;
    way.enter = enter, way.length = (leave - enter) / static_cast<float>(way.steps);
    float place[3], move[3], sum = 0.0f;
    for (int a = 0; a < 3; a++) {
        move[a] = along[a] * way.length * per_cm[a];
        place[a] = (at[a] + (enter + 0.5f * way.length) * along[a]) * per_cm[a];
    }
    float ahead[3];
    for (int a = 0; a < 3; a++) ahead[a] = place[a];
    for (int32_t n = 0; n < FETCH_AHEAD && n < way.steps; n++) {
        medium.fetch(ahead);
        for (int a = 0; a < 3; a++) ahead[a] += move[a];
    }
    float scale[3] = {}, left = 1.0f, worth = 0.0f;
    if (map)
        for (int a = 0; a < 3; a++) scale[a] = map->cells_per_cm[a] / per_cm[a];
    for (int32_t n = 0; n < way.steps; n++) {
        float spread;
        const float own = medium.attenuation(place, spread) * way.length;
        sum += own;
        way.passed[n] = sum;
        if (map) {
            const float there[3] = {place[0] * scale[0], place[1] * scale[1], place[2] * scale[2]};
            const float next = left / (1.0f + own * (1.0f + own * (0.5f + own * 0.16666667f)));  // about left x exp(-own): any will do
            worth += (left - next) * spread * worth_at(*map, there);
            way.worth[n] = worth;
            left = next;
        }
        medium.fetch(ahead);
        for (int a = 0; a < 3; a++) place[a] += move[a], ahead[a] += move[a];
    }
}

// Where a depth below the whole is passed, cm from the start, and the attenuation there (1/cm).
struct Stop { float distance, attenuation; };

PHYSSIM_HD Stop stop_at(const Passage& way, float depth) {
    int32_t low = 0, high = way.steps - 1;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (depth < way.passed[middle]) high = middle;
        else low = middle + 1;
    }
    const float before = low ? way.passed[low - 1] : 0.0f, own = way.passed[low] - before;
    const float share = own > 0.0f ? (depth - before) / own : 0.5f;
    return {way.enter + (static_cast<float>(low) + (share < 1.0f ? share : 1.0f)) * way.length, own / way.length};
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
    return {way.enter + (static_cast<float>(low) + inside) * way.length,
            own > 0.0f ? exp2_of_minus(depth * 1.44269504f) * way.length * way.worth[way.steps - 1] / own : 0.0f};
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

// Goes on to a place where the density per cm is 1 / `thinner`, and collides there; false: nothing is there.
PHYSSIM_HD bool collide_at(const ScatterScene& scene, Walker& photon, float distance, float thinner, Matter& matter) {
    for (int a = 0; a < 3; a++) photon.at[a] += distance * photon.along[a];
    matter = matter_at(scene.fine, photon.at);
    photon.weight *= thinner * matter.density * lookup(scene.tables, matter.material, photon.energy).mass_attenuation_cm2_g;
    return photon.weight > 0.0f;
}

// A photon's first collision, its depth spread towards the far side; weight 0 where nothing is met. The weight is in photons.
PHYSSIM_HD Walker first_collision(const ScatterScene& scene, const SobolPoints& points, uint32_t number, float bias, Matter& matter) {
    Walker photon = photon_at_source(scene, points, number);
    const BasisFunctions functions = basis_functions(scene.cells, scene.tables, photon.energy);
    Passage way;
    pass(FineMedium{scene.fine, functions}, photon.at, photon.along, 1e30f, nullptr, way);
    const float whole = way.whole();
    if (!(whole > 0.0f)) return {};
    const float u = static_cast<float>(sobol(points, 2, number)), depth = u * whole / (1.0f + bias * whole * (1.0f - u));
    const Stop here = stop_at(way, depth);
    const float stretch = 1.0f + bias * depth, density = (1.0f + bias * whole) / (whole * stretch * stretch);
    collide_at(scene, photon, here.distance, here.attenuation > 0.0f ? exp2_of_minus(depth * 1.44269504f) / (density * here.attenuation) : 0.0f, matter);
    return photon;
}

// Along the rays through the middles of cells x cells parts of the field: optical depths of an energy; with a map, what first collisions
// are worth.
PHYSSIM_HD void field_rays(const ScatterScene& scene, float energy_kev, int32_t cells, int32_t row, float* out) {
    const ScatterSource& source = scene.source;
    const BasisFunctions functions = basis_functions(scene.cells, scene.tables, energy_kev);
    const ImportanceMap* map = scene.importance.value ? &scene.importance : nullptr;
    const double y = source.low[1] + (row + 0.5) / cells * (source.high[1] - source.low[1]);
    Passage way;
    for (int32_t n = 0; n < cells; n++) {
        const double x = source.low[0] + (n + 0.5) / cells * (source.high[0] - source.low[0]), length = sqrt(1.0 + x * x + y * y);
        float position[3], along[3];
        for (int a = 0; a < 3; a++) {
            position[a] = static_cast<float>(source.position[a]);
            along[a] = static_cast<float>((x * source.across[a] + y * source.along[a] + source.forward[a]) / length);
        }
        pass(CellMedium{scene.cells, functions}, position, along, 1e30f, map, way);
        out[n] = map ? way.all_worth() : way.whole();
    }
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
    return event;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
