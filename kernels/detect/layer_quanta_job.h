// What one depth layer of a detector collects, of some views.
#pragma once
#include "core/random_words.h"

namespace physsim {

constexpr int MOST_HARDNESSES = 16;

// Tables: rows of `hardnesses` numbers, the value at the first ratio and then the steps to the next ones.
struct LayerQuanta {
    Stream stream;
    Word first_view;
    int64_t pixels;                // of a view
    const float *signal, *square;  // (views, pixels) keV, keV^2
    int32_t hardnesses, classes;
    float few;                     // quanta below which each class draws its count
    float ratio[MOST_HARDNESSES], per_step[MOST_HARDNESSES];  // keV; 1 / distance to the next
    const float* parts;            // (3, hardnesses) of mean / signal, variance / square, third / square
    const float* counts;           // (classes, hardnesses) mean counts / signal
    const float* deposit;          // (classes) keV
    float *mean, *noise;           // (views, pixels) keV; noise: null where it is not wanted
};

}  // namespace physsim
