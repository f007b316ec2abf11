// Signals of some views of a scan, and what their pixels' lengths of water follow from.
#pragma once
#include <cstdint>

namespace physsim {

constexpr int MOST_POWERS = 16;

struct WaterLengths {
    int64_t pixels;  // of a view
    int32_t views, powers;
    const float *image, *scatter;                // (views, pixels) keV; scatter: to take away, or null
    const float *least, *opened, *most, *slope;  // (pixels) keV, keV per mAs, 1, mm
    const float* coefficients;                   // (powers, pixels) mm, of the first power on
    const float* mas;                            // (views)
    float* out;                                  // (views, pixels) mm
};

}  // namespace physsim
