// Histories of orders two and more: each collision but the first becomes an event that forced detection sends to every node.
//
// Places of collisions are drawn by what they are worth: density mu(s) exp(-tau(s)) I(s) along the way, I the importance of a place
// (ImportanceMap), so that weight x importance changes by the scattered direction alone. That product, integrated over the way ahead, decides
// on roulette and splitting before anything is sent to nodes: all events are worth about the same. A photon's ray through the field serves
// FIRST_PLACES first collisions, one in each of as many equal parts of its worth: the walk through the phantom's voxels is dear.
// Field, energy, first depth, first scattering and the flight after it are Sobol points, shifted anew for each first place; the rest is Philox.
// At each collision one process is drawn as in analog transport. One lane wide.
// Neglects: electrons; what lies outside the voxels; polarisation.
// Reference: I. Lux, L. Koblinger, Monte Carlo Particle Transport Methods, CRC Press 1991, chapters 5 to 7.
#pragma once
#include "core/logarithm.h"
#include "physics/compton.h"
#include "physics/photoelectric.h"
#include "physics/rayleigh.h"
#include "transport/photon.h"
#include "core/random_words.h"
#include "transport/scatter_walk.h"

namespace physsim {

constexpr int32_t FIRST_PLACES = 4, MOST_WAITING = 64, MOST_COPIES = 8;
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

// `words` in place of those for process, angle and azimuth; null: none.
// Draws the process; false: the photon ended. A line of fluorescence is an event by itself.
PHYSSIM_HD bool scatter_on(const ScatterScene& scene, Walker& walker, const Matter& matter, const Stream& stream, uint64_t history, uint32_t& block, EventList& list,
                           const uint32_t* words) {
    const PhotonTables& tables = scene.tables;
    PhiloxWords<Word> one = block_of(stream, history, block), two = block_of(stream, history, block + 1);
    block += 2;
    if (words) one.a = words[0], one.b = words[1], two.b = words[2];
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

// A history on its way: where its events go and where its random words come from.
struct HistoryDraws {
    const SobolPoints& points;
    const Stream& stream;
    uint64_t history;
    uint32_t block;
};

// The words of the first scattering and of the flight after it, for one of the first places.
PHYSSIM_HD void first_words(const HistoryDraws& draws, int32_t place, uint32_t (&words)[4]) {
    const uint64_t batch = draws.history >> 32;
    const PhiloxWords<Word> shift = block_of(draws.stream, (batch << 32) | 0xffffffffu, static_cast<uint32_t>(place));  // no history has that number
    constexpr int32_t dimension[4] = {4, 5, 8, 9};  // 6 and 7 are the focal spot's
    for (int32_t k = 0; k < 4; k++) words[k] = sobol_word(draws.points, dimension[k], static_cast<uint32_t>(draws.history));
    words[0] ^= shift.a, words[1] ^= shift.b, words[2] ^= shift.c, words[3] ^= shift.d;
}

// Follows a photon from its first collision to its end and that of its copies. `expected`: worth of the next collision that each keeps.
PHYSSIM_HD void follow(const ScatterScene& scene, const Walker& first, const uint32_t (&words)[4], float expected, HistoryDraws& draws, int32_t before, Passage& way, EventList& list) {
    Walker waiting[MOST_WAITING];
    int32_t stack = 1;
    waiting[0] = first;
    while (stack) {
        Walker walker = waiting[--stack];
        const bool fresh = walker.order == 0;
        Matter matter = matter_at(scene.fine, walker.at);
        if (!scatter_on(scene, walker, matter, draws.stream, draws.history, draws.block, list, fresh ? words : nullptr)) continue;
        const BasisFunctions functions = basis_functions(scene.cells, scene.tables, walker.energy);
        pass_cells(scene.cells, functions, walker.at, walker.along, scene.importance, way);
        if (!(way.all_worth() > 0.0f)) continue;
        const PhiloxWords<Word> chance = block_of(draws.stream, draws.history, draws.block++);
        const float most = static_cast<float>(MOST_COPIES), wanted = walker.weight * way.all_worth() / expected, ratio = wanted < most ? wanted : most;
        int32_t copies = static_cast<int32_t>(ratio + uniform(chance.a));  // on average `ratio`
        if (copies == 0) continue;
        walker.weight /= ratio;
        if (copies > MOST_WAITING - stack || list.count - before > MOST_SPLIT_EVENTS) walker.weight *= static_cast<float>(copies), copies = 1;
        const float u = uniform(fresh ? words[3] : chance.b);
        for (int32_t n = 0; n < copies; n++) {
            const Choice there = choose_by_worth(way, (static_cast<float>(n) + u) / static_cast<float>(copies));
            Walker next = walker;
            if (!collide_at(scene, next, there.distance, there.distance, there.weight, matter)) continue;
            const PhiloxWords<Word> jitter = block_of(draws.stream, draws.history, draws.block++);
            add_event(list, event_of(scene, next, matter, uniform(jitter.b), uniform(jitter.c)));
            waiting[stack++] = next;
        }
        if (list.overflow) return;
    }
}

// Appends the events of point `number` of a batch.
PHYSSIM_HD void scatter_history(const ScatterScene& scene, const SobolPoints& points, uint32_t number, const Stream& stream, uint32_t batch, EventList& list) {
    HistoryDraws draws = {points, stream, (static_cast<uint64_t>(batch) << 32) | number, 0};
    const Walker photon = photon_at_source(scene, points, number);
    const BasisFunctions functions = basis_functions(scene.cells, scene.tables, photon.energy);
    Passage entry, way;
    pass_cells(scene.cells, functions, photon.at, photon.along, scene.importance, entry);
    if (!(entry.all_worth() > 0.0f)) return;
    const float places = static_cast<float>(FIRST_PLACES), u = static_cast<float>(sobol(points, 2, number));
    const float expected = scene.importance.expected > 0.0f ? scene.importance.expected : photon.weight * entry.all_worth();
    const int32_t before = list.count;
    Choice chosen[FIRST_PLACES];
    for (int32_t place = 0; place < FIRST_PLACES; place++) {
        chosen[place] = choose_by_worth(entry, (static_cast<float>(place) + u) / places);
        float voxel[3];
        for (int a = 0; a < 3; a++) voxel[a] = (photon.at[a] + chosen[place].distance * photon.along[a]) * scene.fine.voxels_per_cm[a];
        fetch_voxel(scene.fine, voxel);
    }
    for (int32_t place = 0; place < FIRST_PLACES && !list.overflow; place++) {
        Walker first = photon;
        Matter matter;
        const Choice& there = chosen[place];
        if (!collide_at(scene, first, there.distance, there.distance, there.weight / places, matter)) continue;
        uint32_t words[4];
        first_words(draws, place, words);
        follow(scene, first, words, expected, draws, before, way, list);
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
