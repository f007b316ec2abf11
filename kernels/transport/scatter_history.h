// Histories of orders two and more: each collision becomes an event that forced detection sends to every node.
//
// The first collision is a Sobol point with its depth spread towards the far side. At each collision one process is drawn as in analog
// transport; flights to collisions two to four are forced to stay inside and stretched forward: their optical depth has the
// density s exp(-s tau), cut off at the way's end, with s = 1 - STRETCH cos alpha, alpha the angle to the detector's normal. A weight
// window follows the first collision's weight by exp(-WINDOW x optical depth straight from the source): below LOW_WEIGHT of it
// roulette, above HIGH_WEIGHT splitting. All of them leave the mean unchanged. One lane wide.
// Neglects: electrons; what lies outside the voxels; polarisation.
// Reference: I. Lux, L. Koblinger, Monte Carlo Particle Transport Methods, CRC Press 1991, chapters 5 to 7.
#pragma once
#include "core/logarithm.h"
#include "physics/compton.h"
#include "physics/photoelectric.h"
#include "physics/rayleigh.h"
#include "transport/photon.h"
#include "transport/random.h"
#include "transport/scatter_walk.h"

namespace physsim {

constexpr float STRETCH = 0.6f, WINDOW = 0.4f, LOW_WEIGHT = 0.5f, HIGH_WEIGHT = 2.0f;
constexpr float MULTIPLE_DEPTH_BIAS = 0.1f;  // the depth density is about exp(-0.2 tau)
constexpr int32_t FORCED_ORDERS = 4, MOST_WAITING = 64, MOST_COPIES = 8;
constexpr int32_t MOST_SPLIT_EVENTS = 1024;  // a history with more splits no more: deep in half a metre of water copies breed copies

namespace PHYSSIM_ISA {

struct EventList {
    ScatterEvent* event;
    int32_t count, room;
    bool overflow;
};

PHYSSIM_HD void add_event(EventList& list, const ScatterEvent& event) {
    if (list.count < list.room) list.event[list.count++] = event;
    else list.overflow = true;
}

PHYSSIM_HD void turn_walker(Walker& walker, float cosine, float azimuth) {
    Photon photon;
    photon.ux = walker.along[0], photon.uy = walker.along[1], photon.uz = walker.along[2];
    deflect(photon, cosine, azimuth);
    walker.along[0] = photon.ux, walker.along[1] = photon.uy, walker.along[2] = photon.uz;
}

// Draws the process; false: the photon ended. A line of fluorescence is an event by itself.
PHYSSIM_HD bool scatter_on(const ScatterScene& scene, Walker& walker, const Matter& matter, const Stream& stream, uint64_t history, uint32_t& block, EventList& list) {
    const PhotonTables& tables = scene.tables;
    const PhiloxWords<Word> one = block_of(stream, history, block), two = block_of(stream, history, block + 1);
    block += 2;
    const Interaction at = lookup(tables, matter.material, walker.energy);
    const float choice = uniform(one.a);
    const I word = static_cast<I>(one.b), other = static_cast<I>(one.c);
    float cosine;
    if (choice < at.photoelectric) {
        const Absorption absorbed = sample_photoelectric(tables, matter.material, walker.energy, at, choice, word);
        if (!(absorbed.emitted_kev > scene.cutoff_kev)) return false;
        walker.energy = absorbed.emitted_kev;
        ScatterEvent line = event_of(scene, walker, matter, uniform(one.d), uniform(two.c));
        line.weight = walker.weight, line.compton_norm = line.rayleigh_norm = 0.0f;
        add_event(list, line);
        cosine = 1.0f - 2.0f * uniform(two.a);
    } else if (choice < at.rayleigh) {
        cosine = sample_rayleigh(tables, matter.material, walker.energy, word, other);
    } else {
        const Scattered scattered = sample_compton(tables, matter.material, walker.energy, word, other, static_cast<I>(one.d), static_cast<I>(two.a));
        walker.energy = scattered.energy_kev, cosine = scattered.cosine;
    }
    walker.order++;
    if (!(walker.energy > scene.cutoff_kev)) return false;
    turn_walker(walker, cosine, uniform(two.b));
    return true;
}

// Flies to the next collision; false: the photon left.
PHYSSIM_HD bool fly_on(const ScatterScene& scene, Walker& walker, Matter& matter, const Stream& stream, uint64_t history, uint32_t& block) {
    const BasisFunctions functions = basis_functions(scene.cells, scene.tables, walker.energy);
    const CellMedium medium = {scene.cells, functions};
    Passage passage;
    pass(medium, walker.at, walker.along, 1e30f, passage);
    const float whole = passage.whole();
    if (!(whole > 1e-6f)) return false;
    const PhiloxWords<Word> words = block_of(stream, history, block++);
    float depth, weight = 1.0f;
    if (walker.order < FORCED_ORDERS) {
        const float rate = 1.0f - STRETCH * (walker.along[0] * scene.targets.normal[0] + walker.along[1] * scene.targets.normal[1] + walker.along[2] * scene.targets.normal[2]);
        const float stays = 1.0f - exp2_of_minus(rate * whole * 1.44269504f), u = uniform(words.a);
        const float left = 1.0f - u * stays;  // exp(-rate x depth)
        depth = (0.0f - logarithm(left)) / rate;
        if (!(depth < whole)) depth = whole * 0.9999999f;
        weight = stays / (rate * left) * exp2_of_minus(depth * 1.44269504f);
    } else {
        depth = exponential(words.a);
    }
    if (!(depth < whole)) return false;
    const Stop way = stop_at(passage, depth);
    if (!(way.attenuation > 0.0f)) return false;
    for (int a = 0; a < 3; a++) walker.at[a] += way.distance * walker.along[a];
    matter = matter_at(scene.fine, walker.at);
    walker.weight *= weight * matter.density * lookup(scene.tables, matter.material, walker.energy).mass_attenuation_cm2_g / way.attenuation;
    float source[3], straight[3], squared = 0.0f;
    for (int a = 0; a < 3; a++) {
        source[a] = static_cast<float>(scene.source.position[a]), straight[a] = walker.at[a] - source[a];
        squared += straight[a] * straight[a];
    }
    const float distance = sqrtf(squared);
    for (int a = 0; a < 3; a++) straight[a] /= distance;
    pass(medium, source, straight, distance, passage);
    walker.before = passage.whole();
    return walker.weight > 0.0f;
}

// Appends the events of point `number` of a batch.
PHYSSIM_HD void scatter_history(const ScatterScene& scene, const SobolPoints& points, uint32_t number, const Stream& stream, uint32_t batch, EventList& list) {
    Matter matter;
    const Walker first = first_collision(scene, points, number, MULTIPLE_DEPTH_BIAS, matter);
    if (!(first.weight > 0.0f)) return;
    const uint64_t history = (static_cast<uint64_t>(batch) << 32) | number;
    Walker waiting[MOST_WAITING];
    int32_t stack = 0;
    uint32_t block = 0;
    const int32_t before = list.count;
    waiting[stack++] = first;
    while (stack) {
        Walker walker = waiting[--stack];
        matter = matter_at(scene.fine, walker.at);
        while (scatter_on(scene, walker, matter, stream, history, block, list) && fly_on(scene, walker, matter, stream, history, block)) {
            const float wanted = first.weight * exp2_of_minus(WINDOW * 1.44269504f * (walker.before - first.before)), ratio = walker.weight / wanted;
            const PhiloxWords<Word> words = block_of(stream, history, block++);
            if (ratio < LOW_WEIGHT) {
                if (!(uniform(words.a) < ratio)) break;
                walker.weight = wanted;
            }
            add_event(list, event_of(scene, walker, matter, uniform(words.b), uniform(words.c)));
            if (ratio > HIGH_WEIGHT && list.count - before < MOST_SPLIT_EVENTS) {
                int32_t copies = ratio < static_cast<float>(MOST_COPIES) ? static_cast<int32_t>(ratio + 0.5f) : MOST_COPIES;
                if (copies > MOST_WAITING - stack) copies = MOST_WAITING - stack + 1;
                walker.weight /= static_cast<float>(copies);
                for (int32_t n = 1; n < copies; n++) waiting[stack++] = walker;
            }
            if (list.overflow) return;
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
