// What a blur is given, and the room that it needs.
#pragma once
#include <stdint.h>

namespace physsim {

// Kernels (terms, radius + 1) of rows and columns; radius up to MOST_RADIUS, and no side of the image smaller. add: to what is there.
struct Blur {
    const float *across, *along;
    int terms, radius, rows, columns;
    bool add;
};

constexpr int BLUR_ROWS = 48, BLUR_COLUMNS = 256, MOST_RADIUS = 32;
constexpr int64_t BLUR_LINE = BLUR_COLUMNS + 2 * MOST_RADIUS + 16;  // of one mirrored row; floats
constexpr int64_t BLUR_ROOM = BLUR_LINE + int64_t{2} * (BLUR_ROWS + 2 * MOST_RADIUS) * BLUR_COLUMNS;

}  // namespace physsim
