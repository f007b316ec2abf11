// The samplers of one instruction set, for tests and benchmarks: many independent draws from arrays.
#pragma once
#include "physics/photon_tables.h"

namespace physsim {

enum PhotonQuestion : int32_t {
    LOOK_UP,                // out: mu/rho, absorbed, photoelectric, rayleigh
    SAMPLE_RAYLEIGH,        // words 0, 1; out: cosine
    SAMPLE_COMPTON,         // words 0-3; out: cosine, energy
    SAMPLE_PHOTOELECTRIC,   // value: xi; word 0; out: deposited, emitted
    DENSITY_RAYLEIGH,       // value: cosine; out: pdf, dsigma
    DENSITY_COMPTON,        // value: cosine; out: pdf, dsigma, energy of a free electron
    DENSITY_DOPPLER,        // value: share of energy, word 0: bits of (1 - cosine) / 2; out: pdf
    DENSITY_PHOTOELECTRIC,  // value: number of a line; out: chance of emission, pdf of the line
};
constexpr int32_t PHOTON_WORDS = 4, PHOTON_ANSWERS = 4;

// `count` is a multiple of 16; words and answers: (4, count).
struct PhotonJob {
    PhotonQuestion question;
    int64_t count;
    const int32_t* material;
    const float *energy_kev, *value;
    const int32_t* words;
    float* answers;
};

}  // namespace physsim
