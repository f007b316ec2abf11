// Ways through the cells and first collisions, one lane wide.
//
// A place is drawn with the attenuation of its cell, and the history weighted by the voxel's over the cell's: so the means of
// coarse cells bend the way's optical depth alone.
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

// Where a way ended, cm from its start, the optical depth passed, and the attenuation there (1/cm).
struct Way { float distance, optical_depth, attenuation; };

// From `at` along a unit vector until the optical depth `enough` or the length `reach` is passed or the cells end; by the midpoint
// rule in equal steps, as the rays of detection.
PHYSSIM_HD Way go(const BasisVoxels& cells, const BasisFunctions& functions, const float (&at)[3], const float (&along)[3], float enough, float reach) {
    float enter = 0.0f, leave = reach;
    for (int a = 0; a < 3; a++) {
        if (along[a] < 1e-12f && along[a] > -1e-12f) {
            if (!(at[a] >= 0.0f && at[a] <= cells.size_cm[a])) leave = -1.0f;
            continue;
        }
        const float inverse = 1.0f / along[a], low = (0.0f - at[a]) * inverse, high = (cells.size_cm[a] - at[a]) * inverse;
        const float first = low < high ? low : high, last = low < high ? high : low;
        enter = first > enter ? first : enter, leave = last < leave ? last : leave;
    }
    Way found = {leave, 0.0f, 0.0f};
    if (!(enter < leave)) return found;
    const int32_t steps = 1 + static_cast<int32_t>((leave - enter) * cells.steps_per_cm), row = cells.shape[0] + 2, layer = row * (cells.shape[1] + 2);
    const float length = (leave - enter) / static_cast<float>(steps);
    float place[3], move[3];
    for (int a = 0; a < 3; a++) {
        move[a] = along[a] * length * cells.voxels_per_cm[a];
        place[a] = (at[a] + (enter + 0.5f * length) * along[a]) * cells.voxels_per_cm[a] + 1.0f;
    }
    for (int32_t n = 0; n < steps; n++) {
        const int32_t word = cells.word[static_cast<int32_t>(place[2]) * layer + static_cast<int32_t>(place[1]) * row + static_cast<int32_t>(place[0])];
        const float value = first_density(word) * functions.f[0] + second_density(word) * functions.f[1] + third_density(word) * functions.f[2];
        const float attenuation = value > 0.0f ? value : 0.0f, more = attenuation * length;
        if (found.optical_depth + more > enough) {
            found.distance = enter + static_cast<float>(n) * length + (enough - found.optical_depth) / attenuation;
            found.optical_depth = enough, found.attenuation = attenuation;
            return found;
        }
        found.optical_depth += more;
        for (int a = 0; a < 3; a++) place[a] += move[a];
    }
    return found;
}

// A photon of a history; `order`: scatterings so far.
struct Walker {
    float at[3], along[3];
    float energy, weight;
    int32_t order;
    float before;  // optical depth from the source straight to here, at the energy here
};

// Point `number` of a scramble as a first collision; weight 0 where nothing is met. The weight is in photons.
PHYSSIM_HD Walker first_collision(const ScatterScene& scene, const SobolPoints& points, uint32_t number, float bias, Matter& matter) {
    Walker photon = {};
    const ScatterSource& source = scene.source;
    const double x = source.low[0] + sobol(points, 0, number) * (source.high[0] - source.low[0]);
    const double y = source.low[1] + sobol(points, 1, number) * (source.high[1] - source.low[1]);
    const double square = 1.0 + x * x + y * y, length = sqrt(square);
    float position[3];
    for (int a = 0; a < 3; a++) {
        photon.along[a] = static_cast<float>((x * source.across[a] + y * source.along[a] + source.forward[a]) / length);
        position[a] = static_cast<float>(source.position[a]);
    }
    photon.energy = energy_at(source, sobol(points, 3, number));
    const BasisFunctions functions = basis_functions(scene.cells, scene.tables, photon.energy);
    const float whole = go(scene.cells, functions, position, photon.along, 1e30f, 1e30f).optical_depth;
    if (!(whole > 0.0f)) return photon;
    const float u = static_cast<float>(sobol(points, 2, number));
    const float depth = u * whole / (1.0f + bias * whole * (1.0f - u));
    const Way here = go(scene.cells, functions, position, photon.along, depth, 1e30f);
    for (int a = 0; a < 3; a++) photon.at[a] = position[a] + here.distance * photon.along[a];
    matter = matter_at(scene.fine, photon.at);
    const float own = matter.density * lookup(scene.tables, matter.material, photon.energy).mass_attenuation_cm2_g;
    const float stretch = 1.0f + bias * depth, area = static_cast<float>((source.high[0] - source.low[0]) * (source.high[1] - source.low[1]));
    const float depth_weight = whole * stretch * stretch / (1.0f + bias * whole) * exp2_of_minus(depth * 1.44269504f);
    photon.weight = depth_weight * area / static_cast<float>(source.solid_angle * square * length) * (here.attenuation > 0.0f ? own / here.attenuation : 0.0f);
    photon.before = depth;
    return photon;
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
