// What the readout of an integrating detector is given.
#pragma once
#include <stdint.h>

#include "core/random_words.h"

namespace physsim {

constexpr int MOST_LAGS = 8;

// Signals (views, pixels) in keV and what becomes of them; maps (pixels): gain, offset_dn, alive (1 or 0). held (lags, pixels): what earlier
// views held back, changed to what these do. digital_16 or digital_32 (views, pixels): the numbers.
struct ReadOut {
    Stream stream;
    Word first_view;
    int32_t views, lags;
    int64_t pixels;
    const float *signal, *gain, *offset_dn, *alive;
    float* held;
    float fraction[MOST_LAGS], leaves[MOST_LAGS], prompt;
    float electrons_per_kev, excess, noise_variance, full_well, dn_per_electron, highest;
    bool noise;
    uint16_t* digital_16;
    int32_t* digital_32;
};

}  // namespace physsim
