// What a collision does to a photon: absorption (perhaps with a fluorescence line), Rayleigh or Compton scattering.
// Neglects: the transport of electrons (their energy stays where they start), polarisation.
#pragma once
#include "physics/compton.h"
#include "physics/photoelectric.h"
#include "physics/rayleigh.h"
#include "transport/woodcock.h"

namespace physsim {
namespace PHYSSIM_ISA {

PHYSSIM_HD int after(int order, Order first) { return order == PRIMARY ? first : MULTIPLE; }

// False when the photon ended. A line of fluorescence takes the photon's place, isotropic, and counts as MULTIPLE.
PHYSSIM_HD bool interact(const PhotonTables& tables, const Stream& stream, uint64_t history, Photon& photon, const Course& course, int material) {
    const Interaction& at = course.interaction;
    const I word = static_cast<I>(course.words.c), other = static_cast<I>(course.words.d);
    float cosine, azimuth = uniform(course.words.d);
    if (course.choice < at.photoelectric) {
        const Absorption absorbed = sample_photoelectric(tables, material, photon.energy, at, course.choice, word);
        if (!(absorbed.emitted_kev > 0.0f)) return false;
        photon.energy = absorbed.emitted_kev;
        photon.order = MULTIPLE;
        cosine = 1.0f - 2.0f * uniform(block_of(stream, history, photon.block++).a);
    } else if (course.choice < at.rayleigh) {
        cosine = sample_rayleigh(tables, material, photon.energy, word, other);
        azimuth = uniform(block_of(stream, history, photon.block++).a);  // `other` has used up words.d
        photon.order = after(photon.order, ONE_RAYLEIGH);
    } else {
        const PhiloxWords<Word> more = block_of(stream, history, photon.block++);
        const Scattered scattered = sample_compton(tables, material, photon.energy, word, other, static_cast<I>(more.a), static_cast<I>(more.b));
        photon.energy = scattered.energy_kev;
        cosine = scattered.cosine;
        azimuth = uniform(more.c);
        photon.order = after(photon.order, ONE_COMPTON);
    }
    deflect(photon, cosine, azimuth);
    return true;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
