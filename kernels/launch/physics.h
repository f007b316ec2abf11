// Runs the functions of kernels/physics over arrays, lanes at a time.
#pragma once
#include "launch/physics_table.h"
#include "physics/compton.h"
#include "physics/photoelectric.h"
#include "physics/rayleigh.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct PhotonAnswers { F a, b, c, d; };

template <PhotonQuestion QUESTION>
PHYSSIM_HD PhotonAnswers answer(const PhotonTables& t, I material, F energy, F value, const int32_t* words, int64_t count) {
    const F none(0.0f);
    const I word = load(words);
    if constexpr (QUESTION == LOOK_UP) {
        const Interaction at = lookup(t, material, energy);
        return {at.mass_attenuation_cm2_g, at.absorbed, at.photoelectric, at.rayleigh};
    } else if constexpr (QUESTION == SAMPLE_RAYLEIGH) {
        return {sample_rayleigh(t, material, energy, word, load(words + count)), none, none, none};
    } else if constexpr (QUESTION == SAMPLE_COMPTON) {
        const Scattered s = sample_compton(t, material, energy, word, load(words + count), load(words + 2 * count), load(words + 3 * count));
        return {s.cosine, s.energy_kev, none, none};
    } else if constexpr (QUESTION == SAMPLE_PHOTOELECTRIC) {
        const Absorption s = sample_photoelectric(t, material, energy, lookup(t, material, energy), value, word);
        return {s.deposited_kev, s.emitted_kev, none, none};
    } else if constexpr (QUESTION == DENSITY_RAYLEIGH) {
        return {pdf_rayleigh(t, material, energy, value), dsigma_rayleigh(t, material, energy, value), none, none};
    } else if constexpr (QUESTION == DENSITY_COMPTON) {
        return {pdf_compton(t, material, energy, value), dsigma_compton(t, material, energy, value), compton_energy(energy, value), none};
    } else if constexpr (QUESTION == DENSITY_DOPPLER) {
        return {pdf_doppler(t, material, energy, as_float(word), value), none, none, none};
    } else {
        const Interaction at = lookup(t, material, energy);
        return {pdf_photoelectric(at), pdf_fluorescence(t, material, at.row, truncate(value)), none, none};
    }
}

template <PhotonQuestion QUESTION>
void answer_all(const PhotonTables& tables, const PhotonJob& job) {
    for (int64_t i = 0; i < job.count; i += LANES) {
        const PhotonAnswers found = answer<QUESTION>(tables, load(job.material + i), load(job.energy_kev + i), load(job.value + i), job.words + i, job.count);
        store(job.answers + i, found.a);
        store(job.answers + job.count + i, found.b);
        store(job.answers + 2 * job.count + i, found.c);
        store(job.answers + 3 * job.count + i, found.d);
    }
}

static void ask_photons(const PhotonTables& tables, const PhotonJob& job) {
    switch (job.question) {
        case LOOK_UP: return answer_all<LOOK_UP>(tables, job);
        case SAMPLE_RAYLEIGH: return answer_all<SAMPLE_RAYLEIGH>(tables, job);
        case SAMPLE_COMPTON: return answer_all<SAMPLE_COMPTON>(tables, job);
        case SAMPLE_PHOTOELECTRIC: return answer_all<SAMPLE_PHOTOELECTRIC>(tables, job);
        case DENSITY_RAYLEIGH: return answer_all<DENSITY_RAYLEIGH>(tables, job);
        case DENSITY_COMPTON: return answer_all<DENSITY_COMPTON>(tables, job);
        case DENSITY_DOPPLER: return answer_all<DENSITY_DOPPLER>(tables, job);
        case DENSITY_PHOTOELECTRIC: return answer_all<DENSITY_PHOTOELECTRIC>(tables, job);
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
