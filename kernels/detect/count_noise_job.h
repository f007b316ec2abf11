// Counts of a detector that counts photons, of some views.
#pragma once
#include "core/random_words.h"
#include "detect/pile_up_job.h"

namespace physsim {

// A count of the events of a way: `bin` gains it in the pixel `step` further along rows (axis 1) or columns (2), or here (0).
struct CountPlace { int32_t way, bin, step, axis; };

struct CountNoise {
    Stream stream;
    Word first_view;
    int64_t views, rows, columns;
    int32_t kinds, ways, places;
    const int32_t* counts_of;  // (kinds, bins) counts of an event
    const float* rates;        // (kinds, views, rows, columns) mean events
    float load_per_count;      // dead time / time of a view / cells of a pixel
    PileUp pile_up;
    const int32_t* kind_of;    // (ways)
    const float* share_of;     // (ways) of the kind's events
    const CountPlace* place;
    float* counts;             // (bins, views, rows, columns), 0
};

// Of a view: pulses (loads), those of them that are registered, and pixels of more than one pulse a dead time.
struct CountSums { double load, registered; int64_t loaded; };

// Of registered counts (bins, pixels) those without dead time.
struct DeadTimeCorrection {
    int64_t pixels;
    float load_per_count, most;  // most: registered load that no higher rate gives
    int32_t inverses;            // of `inverse`: loads at equal steps of sqrt(1 - registered / most)
    PileUp pile_up;
    const float *inverse, *seen;
    float* corrected;            // (bins, pixels)
};

}  // namespace physsim
