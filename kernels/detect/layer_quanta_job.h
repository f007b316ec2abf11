// What one depth layer of a detector collects, of some views.
#pragma once
#include "core/random_words.h"
#include "detect/sums_of_quanta_job.h"

namespace physsim {

constexpr int MOST_HARDNESSES = 16;

// Tables have MOST_HARDNESSES numbers and as many steps from each to the next.
struct LayerQuanta {
    Stream stream;
    Word first_view;
    int64_t pixels;                // of a view
    const float *signal, *square;  // (views, pixels) keV, keV^2
    float few;                     // quanta below which their sum is drawn from its own law
    float ratio[2 * MOST_HARDNESSES];     // keV, rising, then infinite; for steps 1 / distance, 0 from the last one on
    float parts[3][2 * MOST_HARDNESSES];  // of mean / signal, variance / square, third / square
    SumsOfQuanta sums;             // of the beams of these hardnesses
    float *mean, *noise;           // (views, pixels) keV; noise: null where it is not wanted
};

}  // namespace physsim
